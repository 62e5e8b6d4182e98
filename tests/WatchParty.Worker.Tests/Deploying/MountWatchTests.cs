using System.Collections.Immutable;
using System.Globalization;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Tests.Planning;

namespace WatchParty.Worker.Tests.Deploying;

/// <summary>Of containers that the worker did not start itself; of those that it did, see <see cref="Releasing.MountedInputsTests"/>.</summary>
public sealed class MountWatchTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mounts-").FullName;
    private readonly Database _database = Database.Open(":memory:");
    private readonly MountWatch _watch;

    public MountWatchTests()
    {
        var reader = new MountReader(new RepositoryOptions { Path = Directory.CreateDirectory(Path.Combine(_folder, "checkout")).FullName }, null!);
        _watch = new MountWatch(new DeployOptions(), reader, new MountRecord(_database));
    }

    public void Dispose()
    {
        _database.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private string At(string name) => Path.Combine(_folder, name);

    private string Write(string name, string content)
    {
        File.WriteAllText(At(name), content);
        return At(name);
    }

    private static ComposeModel Mounting(string source, bool readOnly = true) => ComposeModels.Of(
        ("web", $$"""{ "image": "app", "volumes": [ { "type": "bind", "source": "{{source}}", "target": "/x", "read_only": {{(readOnly ? "true" : "false")}} } ] }"""));

    /// <param name="since">Seconds from now to its start.</param>
    private static ContainerSet Started(double since, string status = "running") => new([new SeenContainer(
        "web", "/web", "c1", "image", "x", status, 0, TimeProvider.System.GetUtcNow().AddSeconds(since).ToString("O", CultureInfo.InvariantCulture), 0)]);

    private async Task<string?> ReasonAsync(ComposeModel model, ContainerSet containers) => _watch.Reactions(
        model, await _watch.ReadAsync(model, [], default), containers).GetValueOrDefault("web")?.Reason;

    [Fact]
    public async Task File_ThatChangedSinceTheStart_IsWhatItDoesNotHave()
    {
        var model = Mounting(Write("site.conf", "a"));

        Assert.Equal($"it mounts {At("site.conf")}, which changed", await ReasonAsync(model, Started(-60)));
        Assert.Null(await ReasonAsync(model, Started(60)));
        Assert.Null(await ReasonAsync(model, Started(-60, "created")));
    }

    [Fact]
    public async Task File_ThatTheApplicationMayWrite_IsItsOwnUnlessItWasReplaced()
    {
        var model = Mounting(Write("data.db", "a"), readOnly: false);
        await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        var now = TimeProvider.System.GetUtcNow();
        await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        File.AppendAllText(At("data.db"), "b");
        var containers = new ContainerSet([Started(0).All[0] with { StartedAt = now.ToString("O", CultureInfo.InvariantCulture) }]);
        Assert.Null(await ReasonAsync(model, containers));

        File.Move(Write("new", "c"), At("data.db"), overwrite: true);
        Assert.Equal($"it mounts {At("data.db")}, which was replaced, so that it still has the one of before", await ReasonAsync(model, containers));
    }

    [Fact]
    public async Task Link_ThatLeadsElsewhereSinceTheStart_ShowsTheContainerTheOldFile()
    {
        Directory.CreateDirectory(At("one"));
        File.CreateSymbolicLink(At("current"), At("one"));
        var model = Mounting(At("current"));

        Assert.Equal($"it mounts {At("one")}, which was replaced, so that it still has the one of before", await ReasonAsync(model, Started(-60)));
        Assert.Null(await ReasonAsync(model, Started(60)));
        Assert.Null(await ReasonAsync(model, Started(-60, "exited")));
    }

    [Fact]
    public async Task WhatIsNoFileOrFolder_OrLeadsToItself_IsNoInput()
    {
        File.CreateSymbolicLink(At("loop"), At("loop"));
        foreach (var source in new[] { "/dev/null", At("loop"), At("none") })
        {
            Assert.Null(await ReasonAsync(Mounting(source), Started(-60)));
        }
    }

    [Fact]
    public async Task Folder_OutsideOfTheCheckout_IsNeverWalked()
    {
        Directory.CreateDirectory(At("data"));
        Write("data/a", "a");

        var seen = await _watch.ReadAsync(Mounting(At("data")), [], default);

        Assert.Empty(seen.Mounts[At("data")].State.Files);
        Assert.Null(await ReasonAsync(Mounting(At("data")), Started(60)));
    }

    [Fact]
    public void Record_IsWhatWasSaved_AndForgetsContainersThatAreGone()
    {
        var record = new MountRecord(_database);
        StartedWith Of(string id) => new(id, "t1", ImmutableDictionary<string, MountState>.Empty.Add("/a", new("1 2 3",
            ImmutableSortedDictionary<string, string>.Empty.Add("a", "hash"), IsOwn: true)), ImmutableDictionary<string, string>.Empty.Add("config a", "hash"));
        record.Save("app", [Of("c1"), Of("c2")]);
        record.Save("other", [Of("c3")]);

        record.Save("app", [Of("c2")]);

        var all = record.All("app");
        Assert.Equal(["c2"], all.Keys);
        Assert.Equal(("t1", true, "hash", "hash"), (all["c2"].StartedAt, all["c2"].Mounts["/a"].IsOwn, all["c2"].Mounts["/a"].Files["a"], all["c2"].Texts["config a"]));
        Assert.Equal(["c3"], record.All("other").Keys);
    }
}
