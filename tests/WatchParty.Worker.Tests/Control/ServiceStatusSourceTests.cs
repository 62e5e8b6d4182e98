using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Releases.Releasing;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Control;
using WatchParty.Worker.Operating;
using WatchParty.Worker.Scheduling;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tests.Recording;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Control;

public sealed class ServiceStatusSourceTests
{
    [Fact]
    public async Task Status_SaysWhatGoesOnAndWhatComesNext()
    {
        var time = new ManualTimeProvider();
        var started = time.GetUtcNow();
        using var git = await GitSandbox.CreateAsync();
        using var gate = new WorkGate(time);
        var progress = new ProgressFeed();
        var poller = new GitPoller(git.Repository(), git.Options(), time, NullLogger<GitPoller>.Instance);
        using var record = new RecordBench();
        using var newest = new NewestCommit(new BuildOptions(), record.History);
        var file = Path.Combine(git.Root, "appsettings.json");
        await File.WriteAllTextAsync(file, "{}");
        var options = WorkerOptionsReader.Read(ConfigurationFiles.Load(file, []));
        var source = new ServiceStatusSource(gate, progress, poller, newest, new PruneSchedule(new PruneOptions { TimeZone = "UTC" }), options, time);
        time.Advance(TimeSpan.FromHours(1));

        var idle = source.Now();
        Assert.Equal(new ServiceStatus(Environment.ProcessId, started, null, null, null, 0, null, null, new DateTimeOffset(2026, 3, 2, 3, 30, 0, TimeSpan.Zero)), idle);

        var finish = new TaskCompletionSource<int>();
        var work = gate.RunAsync("release (poll)", _ => finish.Task, CancellationToken.None);
        var next = gate.RunAsync("prune (schedule)", _ => Task.FromResult(1), CancellationToken.None);
        progress.Report("building");
        Assert.Equal(idle with { Work = "release (poll)", WorkSince = started.AddHours(1), Progress = "building", Waiting = 1 }, source.Now());
        newest.See(RecordBench.Commit);
        newest.Take();
        newest.See(RecordBench.Other);
        Assert.Equal(RecordBench.Other, source.Now().NextCommit);
        newest.Done(gaveWay: false);
        newest.Trouble = "the disk is full";
        Assert.Equal("the disk is full", source.Now().ReleaseError);
        newest.Trouble = null;

        finish.SetResult(1);
        await Task.WhenAll(work, next);
        Assert.Equal(idle, source.Now());
        File.SetLastWriteTimeUtc(file, File.GetLastWriteTimeUtc(file) - TimeSpan.FromDays(1));
        Assert.Equal(file, source.Now().ConfigurationChanged);
        File.Delete(file);
        Assert.Equal(file, source.Now().ConfigurationChanged);
    }
}
