using System.Collections.Immutable;
using System.Text.Json;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Redacting;

namespace WatchParty.Worker.Tests.Planning;

public sealed class BuildInputsTests
{
    private static readonly BuildInputs Before = new("section", "tracked", ImmutableSortedDictionary<string, string>.Empty.Add("Dockerfile", "1").Add("secret", "2")) { TrackedPaths = ["app.py", "old.py"] };

    [Fact]
    public void Difference_OfEqualInputs_IsNone() =>
        Assert.Null((Before with { Others = ImmutableSortedDictionary.CreateRange(Before.Others.ToArray()), TrackedPaths = [] }).DifferenceFrom(Before, ["app.py"]));

    [Fact]
    public void Difference_OfADeletedFile_NamesIt() =>
        Assert.Equal("old.py changed", (Before with { Tracked = "x", TrackedPaths = ["app.py"] }).DifferenceFrom(Before, ["README.md", "old.py"]));

    [Fact]
    public void Difference_AgainstARecordThatKeptNoPaths_NamesTheFirstChangedPath() =>
        Assert.Equal("gone.py changed", (Before with { Tracked = "x" }).DifferenceFrom(Before with { TrackedPaths = [] }, ["gone.py", "README.md"]));

    [Fact]
    public void Difference_OfTrackedFiles_ComesBeforeAllOthers() =>
        Assert.Equal("app.py changed", new BuildInputs("x", "x", Before.Others.Clear()) { TrackedPaths = ["app.py"] }.DifferenceFrom(Before, ["app.py"]));

    [Fact]
    public void Difference_OfOtherFiles_NamesNewChangedAndMissingOnes()
    {
        Assert.Equal("new changed", (Before with { Others = Before.Others.Add("new", "1") }).DifferenceFrom(Before, []));
        Assert.Equal("secret changed", (Before with { Others = Before.Others.Remove("secret") }).DifferenceFrom(Before, []));
        Assert.Equal("Dockerfile and 1 more changed", (Before with { Others = Before.Others.SetItem("Dockerfile", "x").SetItem("secret", "x") }).DifferenceFrom(Before, []));
    }

    [Fact]
    public void Inputs_ThatWereRecorded_AreReadBackEqualWithoutTheirPaths()
    {
        var text = JsonSerializer.Serialize(Before, RecordJson.Default.BuildInputs);
        var read = JsonSerializer.Deserialize(text, RecordJson.Default.BuildInputs)!;

        Assert.Null(read.DifferenceFrom(Before, null));
        Assert.DoesNotContain("app.py", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Hash_KeepsPartsApart()
    {
        Assert.NotEqual(ValueHash.Of("ab", "c"), ValueHash.Of("a", "bc"));
        Assert.NotEqual(ValueHash.Of("a"), ValueHash.Of("a", ""));
        Assert.Equal(ValueHash.Of("a", "b"), ValueHash.Of("a", "b"));
    }
}
