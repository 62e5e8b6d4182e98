using System.Text.RegularExpressions;

namespace WatchParty.Worker.Tests;

public sealed partial class DocumentationTests
{
    internal static readonly string Root = FindRoot();

    [Fact]
    public void Tests_that_the_page_of_faults_names_exist()
    {
        var sources = Directory.EnumerateFiles(Path.Combine(Root, "tests"), "*.cs", SearchOption.AllDirectories).ToLookup(f => Path.GetFileNameWithoutExtension(f));
        List<string> missing = [];
        var named = 0;
        foreach (var line in File.ReadLines(Path.Combine(Root, "docs", "reliability.md")).Where(l => l.StartsWith('|')))
        {
            var source = "";
            foreach (var name in CodeWithATestsName().Matches(line).Select(m => m.Value))
            {
                // Class.Method, or a further method of the class before.
                var parts = name.Split('.', 2);
                var method = parts.Length == 2 ? parts[1] : name.EndsWith("Tests", StringComparison.Ordinal) ? "" : name;
                if (name.EndsWith("Tests", StringComparison.Ordinal) || parts.Length == 2) { source = sources[parts[0]].FirstOrDefault() is { } file ? File.ReadAllText(file) : ""; }
                var pattern = $@"\b{string.Join(@"\w*", method.Split('…').Select(Regex.Escape))}{(method.EndsWith('…') || method.Length == 0 ? "" : @"\(")}";
                if (source.Length == 0 || !Regex.IsMatch(source, pattern)) { missing.Add(name); }
                named++;
            }
        }

        Assert.Empty(missing);
        Assert.InRange(named, 100, 1000);
    }

    [Fact]
    public void Source_files_that_the_pages_name_exist()
    {
        var files = Directory.EnumerateFiles(Path.Combine(Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Concat(Directory.EnumerateFiles(Path.Combine(Root, "tests"), "*.cs", SearchOption.AllDirectories));
        var sources = files.Select(f => Path.GetRelativePath(Root, f).Replace(Path.DirectorySeparatorChar, '/')).Where(f => !f.Contains("/obj/", StringComparison.Ordinal)).ToList();
        var pages = Directory.EnumerateFiles(Path.Combine(Root, "docs"), "*.md", SearchOption.AllDirectories).Concat(Directory.EnumerateFiles(Root, "*.md"));
        var named = pages.SelectMany(p => SourceFile().Matches(File.ReadAllText(p)).Select(m => (Page: Path.GetFileName(p), File: m.Value))).ToList();

        Assert.DoesNotContain(named, n => sources.Count(s => $"/{s}".EndsWith($"/{n.File}", StringComparison.Ordinal)) != 1);
        Assert.InRange(named.Count, 30, 1000);
    }

    [GeneratedRegex(@"(?<=`)[\w./]+\.cs(?=`)")]
    private static partial Regex SourceFile();

    // A test's name has an underscore or is that of a class; what else stands there as code is a key or a command.
    [GeneratedRegex(@"(?<=`)(?:\w+Tests(?:\.[\w…]+)?|[A-Z…]\w*_[\w…]*)(?=`)")]
    private static partial Regex CodeWithATestsName();

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "WatchParty.Worker.sln"))) { folder = folder.Parent!; }
        return folder.FullName;
    }
}
