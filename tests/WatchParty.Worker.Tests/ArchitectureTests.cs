using System.Text.RegularExpressions;
using ArchUnitNET.Loader;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Failures;
using WatchParty.Worker.Hosting;

namespace WatchParty.Worker.Tests;

/// <summary>Uses between the rooms run one way, in the order that <c>docs/architecture.md</c> gives.</summary>
public sealed partial class ArchitectureTests
{
    private static readonly string Source = Path.Combine(DocumentationTests.Root, "src");
    private static readonly IReadOnlyList<string> Order = [.. Rooms(File.ReadAllText(Path.Combine(DocumentationTests.Root, "docs", "architecture.md")))];

    [Fact]
    public void Every_room_has_its_place_on_the_page() =>
        Assert.Equal(
            Directory.EnumerateDirectories(Source).SelectMany(Directory.EnumerateDirectories).Where(f => Path.GetFileName(f) is not ("bin" or "obj"))
                .Select(f => Path.GetRelativePath(Source, f).Replace(Path.DirectorySeparatorChar, '/')).Order(StringComparer.Ordinal),
            Floors().Zip(Order, (floor, room) => $"{floor}/{room}").Order(StringComparer.Ordinal));

    [Fact]
    public void No_type_uses_one_of_a_room_above() => AssertNone(Against(Order, UsesOfTypes()));

    [Fact]
    public void No_file_names_a_room_above() => AssertNone(Against(Order, UsesInText()));

    /// <summary>What the two tests above rest on: in another order they find something.</summary>
    [Fact]
    public void In_the_opposite_order_every_use_is_found()
    {
        var uses = UsesOfTypes().Where(u => u.From != u.To).Distinct().ToList();
        Assert.InRange(uses.Count, 500, 100_000);
        Assert.Equal(uses.Count, Against([.. Order.Reverse()], uses).Count());
        Assert.NotEmpty(Against([.. Order.Reverse()], UsesInText()));
        Assert.Equal(["A uses B, which stands above: a and b"], Against(["B", "A"], [("A", "B", "a and b"), ("B", "A", "the right way")]));
    }

    private static void AssertNone(IEnumerable<string> uses)
    {
        var all = string.Join('\n', uses);
        Assert.True(all.Length == 0, all);
    }

    /// <summary>The project of each room, from the line above its table.</summary>
    private static IEnumerable<string> Floors()
    {
        var floor = "";
        foreach (var line in File.ReadLines(Path.Combine(DocumentationTests.Root, "docs", "architecture.md")))
        {
            if (line.StartsWith("`WatchParty.", StringComparison.Ordinal)) { floor = line.Split('`')[1]; }
            if (RoomOfTheTable().IsMatch(line)) { yield return floor; }
        }
    }

    /// <summary>The rooms that the page's tables name in their first column, from the top.</summary>
    private static IEnumerable<string> Rooms(string page) => RoomOfTheTable().Matches(page).Select(m => m.Groups["room"].Value);

    private static IEnumerable<string> Against(IReadOnlyList<string> order, IEnumerable<(string From, string To, string Ends)> uses)
    {
        var places = order.Index().ToDictionary(p => p.Item, p => p.Index);
        return uses.Where(u => places[u.From] > places[u.To]).Select(u => $"{u.From} uses {u.To}, which stands above: {u.Ends}").Distinct().Order();
    }

    private static IEnumerable<(string From, string To, string Ends)> UsesOfTypes() =>
        from type in new ArchLoader().LoadAssemblies(typeof(WorkerException).Assembly, typeof(ReleasePipeline).Assembly, typeof(WorkerServices).Assembly).Build().Types
        let @from = RoomOf(type.FullName)
        where @from.Length > 0
        from dependency in type.Dependencies
        let to = RoomOf(dependency.Target.FullName)
        where to.Length > 0
        select (@from, to, $"{type.FullName} and {dependency.Target.FullName}");

    private static IEnumerable<(string From, string To, string Ends)> UsesInText() =>
        from file in Directory.EnumerateFiles(Source, "*.cs", SearchOption.AllDirectories)
        let room = Path.GetRelativePath(Source, file).Split(Path.DirectorySeparatorChar)[1]
        where Order.Contains(room)
        from use in RoomInText().Matches(File.ReadAllText(file))
        where Order.Contains(use.Groups["room"].Value)
        select (room, use.Groups["room"].Value, $"{Path.GetFileName(file)} and {use.Value}");

    private static string RoomOf(string type) => type.Split('.') is ["WatchParty", "Tools" or "Releases" or "Worker", var room, _, ..] ? room : "";

    [GeneratedRegex(@"^\| `(?<room>[A-Z]\w+)` \|", RegexOptions.Multiline)]
    private static partial Regex RoomOfTheTable();

    // With the namespace, or without where the floor is the same: Cli.ExitCode.
    [GeneratedRegex(@"WatchParty\.(Tools|Releases|Worker)\.(?<room>\w+)|(?<![\w.""])(?<room>[A-Z]\w+)\.[A-Z]\w+")]
    private static partial Regex RoomInText();
}
