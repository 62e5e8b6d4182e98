using System.Text;

namespace WatchParty.Worker.Cli;

/// <summary>Bars of text.</summary>
internal static class Bar
{
    /// <summary>Whether the terminal, or whatever reads the output, can show blocks; otherwise a bar is made of <c>#</c> and
    /// <c>.</c>.</summary>
    private static readonly bool Blocks = Console.OutputEncoding.CodePage == Encoding.UTF8.CodePage;

    public static string Of(int part, int whole, int width = 10) => Of(part, whole, width, Blocks);

    public static string Of(int part, int whole, int width, bool blocks)
    {
        // Something is never shown as nothing, nor almost all as all.
        var full = whole == 0 || part <= 0 ? 0
            : part >= whole ? width : Math.Clamp((int)Math.Round((double)part / whole * width), 1, width - 1);
        return new string(blocks ? '█' : '#', full) + new string(blocks ? '░' : '.', width - full);
    }
}
