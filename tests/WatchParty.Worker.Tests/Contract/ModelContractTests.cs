using WatchParty.Tools.Docker;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tests.Fakes.Docker;
using WatchParty.Worker.Tests.Fakes.Git;

namespace WatchParty.Worker.Tests.Contract;

/// <summary>The fakes keep to it.</summary>
public abstract class ModelContractTests : EngineContract
{
    private readonly ManualTimeProvider _clock = new();

    private protected ModelContractTests(ImageStore store)
    {
        var model = new EngineModel(store, _clock);
        model.Add("watchparty-sample-base:1");
        Engine = new FakeDockerEngine(model);
        Runner = new FakeTools(model, new FakeGit(Directory.CreateTempSubdirectory("contract-git-").FullName), _clock);
    }

    private protected override IDockerEngine Engine { get; }

    private protected override IToolRunner Runner { get; }

    private protected override async Task UntilAsync(Func<Task<bool>> holds)
    {
        for (var i = 0; i < 1000; i++)
        {
            _clock.Advance(TimeSpan.FromMilliseconds(100));
            if (await holds()) { return; }
        }
        Assert.Fail("it never held");
    }
}

public sealed class GraphDriverModelContractTests() : ModelContractTests(ImageStore.GraphDriver);

public sealed class ContainerdModelContractTests() : ModelContractTests(ImageStore.Containerd);
