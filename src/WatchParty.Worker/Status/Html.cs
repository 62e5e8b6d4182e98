using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Unicode;

namespace WatchParty.Worker.Status;

/// <summary>A piece of a page. It is made of an interpolated string alone, and every text in that is encoded, for an attribute in double
/// quotes as well.</summary>
internal sealed class Html
{
    private readonly string _text;

    private Html(string text) => _text = text;

    public static Html Empty { get; } = new("");

    public static Html Of(HtmlTemplate template) => new(template.Text);

    public static Html Join(IEnumerable<Html> parts) => new(string.Concat(parts));

    public override string ToString() => _text;
}

/// <summary>What the compiler makes of the interpolated string that <see cref="Html.Of"/> is given. Only what has an overload here can
/// stand in one.</summary>
[InterpolatedStringHandler]
internal readonly struct HtmlTemplate(int literalLength, int formattedCount)
{
    private static readonly HtmlEncoder Encoder = HtmlEncoder.Create(UnicodeRanges.All);
    private readonly StringBuilder _text = new(literalLength + (formattedCount * 24));

    public string Text => _text.ToString();

    public void AppendLiteral(string text) => _text.Append(text);

    public void AppendFormatted(string? text) => _text.Append(Encoder.Encode(text ?? ""));

    public void AppendFormatted(long number) => _text.Append(CultureInfo.InvariantCulture, $"{number}");

    public void AppendFormatted(Html? html) => _text.Append(html);

    public void AppendFormatted(IEnumerable<Html> parts) => _text.AppendJoin("", parts);
}
