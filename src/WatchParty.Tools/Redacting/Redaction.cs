using System.Buffers;
using System.Collections.Immutable;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace WatchParty.Tools.Redacting;

/// <summary>Takes secrets out of text that goes to a log, the record or a person: the values it has learnt, and what has the shape of
/// one.</summary>
/// <remarks>One for the process, because a secret is one in every sink, and the log is there before anything is known. Safe for several
/// threads. It works on whole lines: whoever cuts text cuts it afterwards, or half a secret stays.</remarks>
internal static partial class Redaction
{
    private const string Mask = "***";

    // Beyond it the oldest are forgotten: a service that runs for a year may have seen many.
    private const int Limit = 4000;

    private static readonly Lock Learning = new();
    private static readonly SearchValues<char> EndOfUser = SearchValues.Create("/\" \t\r\n\v\f\u0085\u00a0\u2028\u2029");
    private static readonly SearchValues<string> NameHints = SearchValues.Create(
        ["KEY=", "TOKEN=", "PASSWORD=", "PASSWD=", "SECRET=", "CREDENTIAL=", "CREDENTIALS=", "DSN=", "KEY\"", "TOKEN\"", "PASSWORD\"",
            "PASSWD\"", "SECRET\"", "authorization:"],
        StringComparison.OrdinalIgnoreCase);

    private static readonly SearchValues<string> TokenHints = SearchValues.Create(
        ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "AKIA", "npm_", "dckr_pat_", "sk_live_", "eyJ"],
        StringComparison.Ordinal);
    private static readonly SearchValues<string> EnvironmentHints =
        SearchValues.Create(["unterminated quoted value ", "unexpected character \"", "Invalid template: "], StringComparison.Ordinal);

    private static Known _known = new([]);

    /// <summary>From now on these values are masked, also as they stand in JSON, in a URL and in base64.</summary>
    /// <param name="values">As <see cref="Secrets"/> finds them; which of them would do more harm than good is its decision.</param>
    public static void Learn(IEnumerable<string> values)
    {
        lock (Learning)
        {
            var added = values.SelectMany(Forms).Where(v => !_known.Set.Contains(v)).Distinct().ToList();
            if (added.Count > 0) { _known = new Known([.. _known.Values.Concat(added).TakeLast(Limit)]); }
        }
    }

    public static string Apply(string text)
    {
        text = MaskUsers(_known.MaskIn(text));
        // A search for words is many times faster than that for a pattern, and nearly all text has none of them.
        if (text.AsSpan().ContainsAny(NameHints)) { text = Named().Replace(text, $"$1{Mask}"); }
        if (text.AsSpan().ContainsAny(TokenHints)) { text = Token().Replace(text, Mask); }
        return text.AsSpan().ContainsAny(EnvironmentHints) ? EnvironmentLine().Replace(text, $"$1{Mask}") : text;
    }

    /// <summary>As <see cref="Apply"/>; a JSON document stays one.</summary>
    public static string ApplyToDocument(string text)
    {
        var applied = Apply(text);
        if (ReferenceEquals(applied, text) || applied == text || text.AsSpan().TrimStart() is not (['{', ..] or ['[', ..]))
        {
            return applied;
        }
        try
        {
            return Apply(JsonNode.Parse(text))!.ToJsonString(
                new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        }
        catch (JsonException)
        {
            return applied;
        }
    }

    /// <summary>At most <paramref name="length"/> characters of it, masked before they are cut.</summary>
    public static string Shorten(string text, int length)
    {
        var applied = Apply(text);
        return applied.Length > length ? string.Concat(applied.AsSpan(0, length), "…") : applied;
    }

    private static JsonNode? Apply(JsonNode? node) => node switch
    {
        JsonObject map => new JsonObject(map.DistinctBy(p => Apply(p.Key)).Select(p => KeyValuePair.Create(Apply(p.Key), Apply(p.Value)))),
        JsonArray list => new JsonArray([.. list.Select(Apply)]),
        JsonValue value when value.GetValueKind() == JsonValueKind.String => Apply(value.GetValue<string>()),
        _ => node?.DeepClone(),
    };

    private static IEnumerable<string> Forms(string value) =>
    [
        value,
        Uri.EscapeDataString(value),
        JavaScriptEncoder.Default.Encode(value),
        JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(value),
        Convert.ToBase64String(Encoding.UTF8.GetBytes(value)),
    ];

    /// <summary>Masks the user part of every URL (<c>https://user:token@host</c>). By hand, because a backtracking search would take the
    /// square of the length.</summary>
    private static string MaskUsers(string text)
    {
        var at = text.IndexOf("://", StringComparison.Ordinal);
        if (at < 0) { return text; }
        StringBuilder? masked = null;
        var kept = 0;
        for (; at >= 0; at = text.IndexOf("://", at + 3, StringComparison.Ordinal))
        {
            var rest = text.AsSpan(at + 3);
            var end = rest.IndexOfAny(EndOfUser);
            var user = (end < 0 ? rest : rest[..end]).LastIndexOf('@');
            // "ssh://git@host" names no secret, so a user part without a password stays for ssh.
            var isPlain = user <= 0
                || (text.AsSpan(0, at).EndsWith("ssh", StringComparison.OrdinalIgnoreCase) && !rest[..user].Contains(':'));
            if (isPlain) { continue; }
            (masked ??= new StringBuilder(text.Length)).Append(text, kept, at + 3 - kept).Append(Mask);
            kept = at + 3 + user;
        }
        return masked is null ? text : masked.Append(text, kept, text.Length - kept).ToString();
    }

    // The value of a name that speaks of a secret; not that of a variable that is only referred to.
    [GeneratedRegex("""((?:KEY|TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIALS?|DSN)(?:=["']?|"[ ]?:[ ]?")|authorization:[ ]?(?:basic |bearer )?)(?![$*{<])[^\s"'&;,]{3,}""", RegexOptions.IgnoreCase)]
    private static partial Regex Named();

    // Tokens that say themselves what they are: GitHub, GitLab, Slack, AWS, npm, Docker Hub, Stripe, and JSON web tokens.
    [GeneratedRegex(@"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|AKIA[0-9A-Z]{16}|npm_[A-Za-z0-9]{36}|dckr_pat_[A-Za-z0-9_-]{20,}|sk_live_[A-Za-z0-9]{16,}|eyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{8,})")]
    private static partial Regex Token();

    // What compose repeats of a line of an env file that it cannot read (compose-go's dotenv/parser.go and template.go); the line number
    // before it stays.
    [GeneratedRegex(@"(unterminated quoted value |unexpected character ""[^""]*"" in variable name |Invalid template: ).+")]
    private static partial Regex EnvironmentLine();

    private sealed class Known(ImmutableArray<string> values)
    {
        private readonly SearchValues<string>? _search = values.Length == 0 ? null
            : SearchValues.Create(values.AsSpan(), StringComparison.Ordinal);

        // A value may begin like another; the longer one is masked.
        private readonly ILookup<char, string> _byBeginning = values.OrderByDescending(v => v.Length).ToLookup(v => v[0]);

        public ImmutableHashSet<string> Set { get; } = [.. values];

        public ImmutableArray<string> Values => values;

        public string MaskIn(string text)
        {
            var at = _search is null ? -1 : text.AsSpan().IndexOfAny(_search);
            if (at < 0) { return text; }
            var masked = new StringBuilder(text.Length);
            var rest = text.AsSpan();
            for (; at >= 0; at = rest.IndexOfAny(_search!))
            {
                masked.Append(rest[..at]).Append(Mask);
                rest = rest[at..];
                foreach (var value in _byBeginning[rest[0]])
                {
                    if (!rest.StartsWith(value, StringComparison.Ordinal)) { continue; }
                    rest = rest[value.Length..];
                    break;
                }
            }
            return masked.Append(rest).ToString();
        }
    }
}
