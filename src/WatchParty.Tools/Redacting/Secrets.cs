using System.Text.Json;
using System.Text.RegularExpressions;
using WatchParty.Tools.Files;

namespace WatchParty.Tools.Redacting;

/// <summary>Finds the secrets of an application and of the worker where they are configured, for <see cref="Redaction"/>.</summary>
/// <remarks>A value is one when the name beside it says so, when it is the password of a URL, or when it is a line of a secret's file.
/// Plain words are left out, because a password "postgres" would turn every line about the database into stars: a value counts from
/// 6 characters on when it has two kinds of lower case, upper case, digits and other signs (<c>- _ . / :</c> and spaces join words and are
/// no kind), and from 16 characters on in any case.</remarks>
internal static partial class Secrets
{
    private const int Shortest = 6, LongEnough = 16, LongestFile = 256 * 1024;

    /// <summary>Whether <paramref name="name"/> is one under which people keep secrets: <c>API_KEY</c>, <c>dbPassword</c>,
    /// <c>SENTRY_DSN</c>.</summary>
    public static bool IsName(string name) => SecretName().IsMatch(name) && !NameOfSomethingElse().IsMatch(name);

    /// <summary>The secrets among settings: of the environment, of an env file, of the worker's configuration.</summary>
    public static IEnumerable<string> In(IEnumerable<KeyValuePair<string, string?>> settings) =>
        settings.Where(s => s.Value is not null)
        .SelectMany(
            s => IsName(s.Key[(s.Key.LastIndexOf(':') + 1)..]) ? Lines(s.Value!).Concat(PasswordsIn(s.Value!)) : PasswordsIn(s.Value!))
                .Where(IsTelling);

    /// <summary>The passwords of the URLs in <paramref name="text"/>; the user where it stands alone before an HTTP host, as tokens
    /// do.</summary>
    public static IEnumerable<string> PasswordsIn(string text) => !text.Contains("://", StringComparison.Ordinal) ? [] :
        UserPart().Matches(text).Select(m => m.Groups["password"] is { Success: true } password ? password.Value : m.Groups["user"].Value)
            .SelectMany(p => new[] { p, Uri.UnescapeDataString(p) }).Where(IsTelling);

    /// <summary>The secrets in the files that compose fills variables from. Read before compose is asked, because it repeats lines that it
    /// cannot read.</summary>
    public static IEnumerable<string> InEnvFiles(IEnumerable<string> envFiles) => In(Variables(envFiles));

    /// <summary>The secrets of a resolved compose model: in environments and build arguments by their names, in every URL, and in the files
    /// of its secrets.</summary>
    /// <param name="model">As compose prints it.</param>
    /// <param name="envFiles">A secret can be the value of any variable.</param>
    public static IReadOnlyList<string> In(string model, IEnumerable<string> envFiles)
    {
        using var document = JsonDocument.Parse(model);
        var root = document.RootElement;
        List<string> found = [.. Texts(root, "").SelectMany(t => In([KeyValuePair.Create(t.Name, (string?)t.Value)]))];
        var variables = Variables(envFiles).ToLookup(v => v.Key, v => v.Value ?? "");
        foreach (var secret in Members(root).Where(s => s.Name == "secrets").SelectMany(s => Members(s.Value)).Select(s => s.Value))
        {
            var texts = Members(secret).Where(p => p.Value.ValueKind == JsonValueKind.String)
                .ToLookup(p => p.Name, p => Plain(p.Value.GetString()!));
            found.AddRange(texts["content"].SelectMany(Lines));
            found.AddRange(texts["file"].SelectMany(LinesOf).SelectMany(l => new[] { l, Assignment(l)?.Value ?? "" }));
            found.AddRange(texts["environment"].SelectMany(name => variables[name].Append(Environment.GetEnvironmentVariable(name) ?? ""))
                .SelectMany(Lines));
        }
        // What is part of a name that compose and the worker go by is no secret, and the messages about it would be of no use.
        var names = Names(root).ToList();
        return [.. found.Where(IsTelling).Distinct().Where(v => !names.Exists(n => n.Contains(v, StringComparison.Ordinal)))];
    }

    /// <summary>Whether masking <paramref name="value"/> leaves logs readable.</summary>
    internal static bool IsTelling(string value) => value.Length >= LongEnough || (value.Length >= Shortest
        && new[] { value.Any(char.IsLower), value.Any(char.IsUpper), value.Any(char.IsDigit), value.Any(
            c => !char.IsLetterOrDigit(c) && !"-_./: ".Contains(c, StringComparison.Ordinal)) }.Count(kind => kind) >= 2);

    private static IEnumerable<KeyValuePair<string, string?>> Variables(IEnumerable<string> envFiles) =>
        envFiles.SelectMany(LinesOf).Select(Assignment).OfType<KeyValuePair<string, string?>>();

    private static IEnumerable<(string Name, string Value)> Texts(JsonElement element, string name) => element.ValueKind switch
    {
        JsonValueKind.Object => Members(element).SelectMany(p => Texts(p.Value, p.Name)),
        // A list has the name of what it belongs to; "KEY=value" is how commands and labels have them.
        JsonValueKind.Array => element.EnumerateArray()
            .SelectMany(i => i.ValueKind == JsonValueKind.String && Assignment(i.GetString()!) is { } pair
            ? Texts(i, "").Append((pair.Key, Plain(pair.Value!))) : Texts(i, "")),
        JsonValueKind.String => [(name, Plain(element.GetString()!))],
        _ => [],
    };

    private static IEnumerable<string> Names(JsonElement root)
    {
        var services = Members(root).Where(p => p.Name == "services").SelectMany(p => Members(p.Value)).ToList();
        return Members(root).Where(p => p.Name == "name").Concat(services.SelectMany(s => Members(s.Value).Where(p => p.Name == "image")))
            .Where(p => p.Value.ValueKind == JsonValueKind.String).Select(p => p.Value.GetString()!).Concat(services.Select(s => s.Name));
    }

    private static IEnumerable<JsonProperty> Members(JsonElement element) =>
        element.ValueKind == JsonValueKind.Object ? element.EnumerateObject() : [];

    // Sinks are written line by line. The first and last line of a key in PEM form are the same for everybody.
    private static IEnumerable<string> Lines(string text) =>
        text.Split('\n').Select(l => l.Trim()).Where(l => l.Length > 0 && !l.StartsWith("-----", StringComparison.Ordinal));

    private static IEnumerable<string> LinesOf(string file)
    {
        try
        {
            // A name in the checkout may be anything, also a FIFO, which would be waited for.
            return FileStamp.OfTarget(file) is { Kind: FileKind.Regular, Size: <= LongestFile } ? Lines(File.ReadAllText(file)) : [];
        }
        // A path can be empty or have what no path has.
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return [];
        }
    }

    private static KeyValuePair<string, string?>? Assignment(string line) => AssignmentForm().Match(line) is { Success: true } match
        ? KeyValuePair.Create(match.Groups["name"].Value, (string?)match.Groups["value"].Value.Trim().TrimEnd(',').Trim('"', '\''))
        : null;

    private static string Plain(string text) => text.Replace("$$", "$", StringComparison.Ordinal);

    [GeneratedRegex("TOKEN|PASSW(OR)?D|PASSPHRASE|SECRET|CREDENTIAL|WEBHOOK|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|(^|[_.-])(KEYS?|PASS|PWD|DSN|AUTH|SALT|PAT)($|[_.-])", RegexOptions.IgnoreCase)]
    private static partial Regex SecretName();

    // DB_PASSWORD_FILE says where the secret is.
    [GeneratedRegex("(FILE|PATH|DIR|NAME|HOST|PORT|USER|TTL|TIMEOUT|ALGORITHM)$", RegexOptions.IgnoreCase)]
    private static partial Regex NameOfSomethingElse();

    [GeneratedRegex("""https?://(?<user>[^/\s:@"]+)(:(?<password>[^/\s"]+))?@|://[^/\s:@"]*:(?<password>[^/\s"]+)@""",
        RegexOptions.IgnoreCase)]
    private static partial Regex UserPart();

    [GeneratedRegex("""^\s*(export\s+|-{1,2})?["']?(?<name>[A-Za-z_][A-Za-z0-9_.-]{0,200})["']?\s*[=:](?<value>.*)$""")]
    private static partial Regex AssignmentForm();
}
