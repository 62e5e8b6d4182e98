using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.EngineTests.Planning;

[Trait("Store", "Overlay2")]
public sealed class DockerIgnoreAgainstBuildKitTests : IDisposable
{
    private const string Dockerfile = "FROM scratch\nCOPY . /\n";

    // Lines separated by "|".
    private static readonly string[] Chosen =
    [
        "", "a", "/a", "a/", "./a/.", "*", "**", "*/*", "**/a", "**a", "a**", "a/**", "a/**/b", "**/a/**", "*.md", "**/*.md", "*/*.md",
        "?", "??", "a?", "[ab]", "[^a]", "[a-b]c", "a.b", "a\\.b", "a\\b", "\\a", "x\\d", "\\*", "#a", " #a", "# a|a", "  b  ", "!a|a", "a|!a", "*|!a", "*|!a/b", "*|!a/*",
        "*|!a/**", "*|!**/a", "**|!**/*.md", "a|!a/b|a", "a|!a/b|a/b/c", "a/b|!a", "a/b|!a/*", "a|!a/b/c", "*|!!a", ".", "/", "..", "../a", "b/../a", "a//b", "*|! a", "a\r|b\r",
        "\uFEFFa", "**/**", "**/a**", "***", "a***b", "a*b", "*|!*.md", "Dockerfile*|.dockerignore", "a b", "é", "[é]", "?\\é", "a^", "^a", "(a)", "a+", "a{1}", "a$", "a/**/", "**/b/*|!**/b/a",
        "a/*|!a/b|a/b/*|!a/b/c", "*|!a|a/*|!a/b", "!**|a", "a[", "\\", "!", "[]a]", "[a", "[-a]", "[*]", "[?]", "a[^/]b", "[b-a]", "a\\", "! /a|!a",
    ];

    private readonly string _folder = Directory.CreateTempSubdirectory("watchparty-").FullName;
    private readonly ToolRunner _runner = new(TimeProvider.System, NullLogger<ToolRunner>.Instance);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task The_files_that_BuildKit_copies_are_those_that_are_not_excluded()
    {
        var context = Path.Combine(_folder, "context");
        var files = MakeContext(context);
        var random = new Random(2026);
        string[] texts = [.. Chosen.Select(c => c.Replace('|', '\n')), .. Enumerable.Range(0, 60).Select(_ => RandomIgnoreFile(random))];
        var differences = new ConcurrentBag<string>();
        var refused = 0;

        await Parallel.ForAsync(0, texts.Length, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (i, cancellationToken) =>
        {
            var dockerfile = Path.Combine(_folder, $"{i}.Dockerfile");
            var output = Path.Combine(_folder, $"{i}.out");
            await File.WriteAllTextAsync(dockerfile, Dockerfile, cancellationToken);
            await File.WriteAllTextAsync($"{dockerfile}.dockerignore", texts[i], cancellationToken);
            var build = new ToolCommand("docker", "buildx", "build", "--progress=plain", "-f", dockerfile, "--output", $"type=local,dest={output}", context);
            var result = await _runner.RunAsync(build, cancellationToken);
            // Seldom one of these many builds fails for a reason that is not the pattern's; what fails twice is reported with its words.
            if (result.ExitCode != 0 && !IsRefusal(result.ErrorTail)) { result = await _runner.RunAsync(build, cancellationToken); }
            if (result.ExitCode != 0)
            {
                if (IsRefusal(result.ErrorTail)) { Interlocked.Increment(ref refused); } else { differences.Add(result.ErrorTail); }
                return;
            }
            var ignore = DockerIgnore.Parse(texts[i]);
            var expected = files.Where(f => !ignore.Excludes(f)).ToHashSet();
            expected.SymmetricExceptWith(FilesBelow(output));
            if (expected.Count > 0) { differences.Add($"{texts[i].ReplaceLineEndings("|")}: {string.Join(' ', expected.Take(10))}"); }
        });

        Assert.True(differences.IsEmpty, string.Join('\n', differences));
        Assert.InRange(refused, 1, 12);
    }

    private static bool IsRefusal(string errors) =>
        errors.Contains("syntax error in pattern", StringComparison.Ordinal) || errors.Contains("illegal exclusion pattern", StringComparison.Ordinal) || errors.Contains("error parsing regexp", StringComparison.Ordinal);

    private static List<string> MakeContext(string root)
    {
        string[] names = ["a", "b", "c", "ab", "a.b"];
        string[] leaves = ["x.md", "a", "b", "c", "é", "x1", "xd", "#a", "a b"];
        List<string> folders = [""];
        foreach (var folder in names.SelectMany(n => names.Take(3).SelectMany(m => new[] { $"d/{n}/", $"{n}/", $"{n}/{m}/", $"{n}/{m}/{n}/" }))) { folders.Add(folder); }
        foreach (var folder in folders.Distinct())
        {
            Directory.CreateDirectory(Path.Combine(root, folder));
        }
        foreach (var (folder, leaf) in folders.SelectMany(f => leaves.Append("Dockerfile").Append(".dockerignore"), (f, l) => (f, l)))
        {
            var path = Path.Combine(root, folder, leaf);
            if (!Directory.Exists(path)) { File.WriteAllText(path, path); }
        }
        return [.. FilesBelow(root)];
    }

    private static IEnumerable<string> FilesBelow(string root) => Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(root, f));

    private static string RandomIgnoreFile(Random random)
    {
        string[] parts = ["a", "b", "c", "*", "**", "?", "[ab]", "a*", "*b", "**b", "x.md", "*.md", "d", "\\a"];
        var lines = Enumerable.Range(0, random.Next(1, 9)).Select(_ =>
            (random.Next(3) == 0 ? "!" : "") + string.Join('/', Enumerable.Range(0, random.Next(1, 5)).Select(_ => parts[random.Next(parts.Length)])));
        return string.Join('\n', lines);
    }
}
