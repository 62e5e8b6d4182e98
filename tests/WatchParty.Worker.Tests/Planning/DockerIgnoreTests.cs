using System.Text;
using WatchParty.Worker.Planning;

namespace WatchParty.Worker.Tests.Planning;

public sealed class DockerIgnoreTests
{
    private const string Alphabet = "ab*?[]!\\/.#^-\n{}()$|+ \uD800é";

    // Lines of the ignore file separated by "|", paths by blanks.
    [Theory]
    [InlineData("", "", "a a/b .git/HEAD")]
    [InlineData("# a|#b", "", "a #b")]
    [InlineData("  a  ", "a a/b", "b/a aa")]
    [InlineData("\uFEFFa", "a", "b")]
    [InlineData("a\r|b\r", "a b", "c")]
    [InlineData("/a", "a a/b", "b/a")]
    [InlineData("a/", "a a/b", "b/a")]
    [InlineData("./a/../b//c", "b/c b/c/d", "a b")]
    [InlineData(".", "", "a a/b")]
    [InlineData("/", "", "a")]
    [InlineData("..|../a", "", "a")]
    [InlineData("!", "", "a")]
    [InlineData("*", "a .git a/b", "")]
    [InlineData("*.md", "README.md", "docs/README.md md")]
    [InlineData("*/*.md", "docs/README.md", "README.md docs/a/README.md")]
    [InlineData("**/*.md", "README.md docs/README.md a/b/c.md", "a/b/c.txt")]
    [InlineData("**", "a a/b", "")]
    [InlineData("a/**", "a/b a/b/c", "a ab")]
    [InlineData("a**", "a ab a/b abc/d", "ba")]
    [InlineData("**a", "a ba c/ba ba/c", "ab")]
    [InlineData("**/a", "a b/a b/c/a a/x", "ba b/ca")]
    [InlineData("a/**/b", "a/b a/x/b a/x/y/b a/b/c", "a/x xa/b ab")]
    [InlineData("**/a/*", "a/b x/a/b", "a x/a")]
    [InlineData("a?c", "abc aéc a\U0001F600c", "ac abbc a/c")]
    [InlineData("[ab]x", "ax bx", "cx abx")]
    [InlineData("[^a]x", "bx", "ax")]
    [InlineData("[a-c]x", "bx", "dx")]
    [InlineData("a[b", "", "a[b ab")]
    [InlineData("[z-a]x", "", "zx")]
    [InlineData("\\*", "*", "a")]
    [InlineData("\\!a", "!a", "a")]
    [InlineData("a\\?b", "a?b", "axb")]
    [InlineData("x\\d", "x1", "xd x٣")] // an escaped letter goes to the regular expression as it is
    [InlineData("a.b+(c)$", "a.b+(c)$", "axb")]
    [InlineData("a|!a", "", "a a/b")]
    [InlineData("!a|a", "a a/b", "")]
    [InlineData("*|!a", "b b/a", "a a/b")]
    [InlineData("* |! /a/b", "a a/c", "a/b a/b/c")]
    [InlineData("a|!a/b|a/b/c", "a a/c a/b/c a/b/c/d", "a/b a/b/d")]
    [InlineData("a|!a/b|a", "a a/c", "a/b")] // the second "a" is not asked of a, which is excluded already, and does not match a/b
    [InlineData("a/b|!a", "a/b a/b/c", "a a/c")]
    [InlineData("**|!**/*.cs", "a a/b a/b/c.md", "x.cs a/b/c.cs")]
    [InlineData("*|!!a", "a", "!a")]
    [InlineData("a b", "", "a b")]
    public void Excludes_what_BuildKit_excludes(string lines, string excluded, string kept)
    {
        var ignore = DockerIgnore.Parse(lines.Replace('|', '\n'));
        Assert.All(Words(excluded), path => Assert.True(ignore.Excludes(path), path));
        Assert.All(Words(kept), path => Assert.False(ignore.Excludes(path), path));
    }

    [Fact]
    public void None_excludes_nothing() => Assert.False(DockerIgnore.None.Excludes("a/b"));

    [Fact]
    public void The_order_of_the_questions_changes_no_answer()
    {
        var random = new Random(5);
        for (var round = 0; round < 200; round++)
        {
            var text = RandomIgnoreFile(random);
            var paths = Enumerable.Range(0, 40).Select(_ => RandomPath(random)).ToArray();
            var forward = DockerIgnore.Parse(text);
            var answers = paths.Select(forward.Excludes).ToArray();
            var backward = DockerIgnore.Parse(text);
            Assert.Equal(answers.Reverse(), paths.Reverse().Select(backward.Excludes).ToArray());
        }
    }

    [Fact]
    public void No_text_makes_it_fail()
    {
        var random = new Random(7);
        var path = string.Concat(Enumerable.Repeat("ab/", 200)) + "c";
        for (var round = 0; round < 2000; round++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(40)).Select(_ => Alphabet[random.Next(Alphabet.Length)]));
            DockerIgnore.Parse(text).Excludes(path);
        }
        Assert.True(DockerIgnore.Parse(string.Concat(Enumerable.Repeat("**/*a*", 50))).Excludes(path) is var _);
    }

    [Fact]
    public void Fifty_thousand_files_are_each_judged()
    {
        var patterns = Enumerable.Range(0, 50).Select(i => (i % 5) switch { 0 => $"**/*.e{i}", 1 => $"dir{i}/**", 2 => $"!**/keep{i}*", 3 => $"**/node{i}", _ => $"a?b[{i % 10}]/x{i}" });
        var ignore = DockerIgnore.Parse(string.Join('\n', patterns));
        var excluded = Enumerable.Range(0, 50_000).Count(i => ignore.Excludes($"src/part{i % 300}/deep/folder{i % 7}/file{i}.e{i % 100}"));
        Assert.Equal(5_000, excluded);
    }

    private static string[] Words(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static string RandomPath(Random random) =>
        string.Join('/', Enumerable.Range(0, random.Next(1, 5)).Select(_ => "abc"[random.Next(3)].ToString()));

    private static string RandomIgnoreFile(Random random)
    {
        string[] parts = ["a", "b", "c", "*", "**", "?", "[ab]"];
        var text = new StringBuilder();
        for (var line = random.Next(1, 8); line > 0; line--)
        {
            text.Append(random.Next(3) == 0 ? "!" : "").AppendJoin('/', Enumerable.Range(0, random.Next(1, 4)).Select(_ => parts[random.Next(parts.Length)])).Append('\n');
        }
        return text.ToString();
    }
}
