using System.Runtime.InteropServices;

namespace WatchParty.Worker.Tests.Triggering;

/// <summary>Apart from all other tests: it uses up what their watchers need.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "Alone";
}

[Collection(Alone.Name)]
public sealed partial class DropFileWithoutEventsTests : IAsyncDisposable
{
    private readonly DropFileBench _bench = new();

    public ValueTask DisposeAsync() => _bench.DisposeAsync();

    [Fact]
    public async Task Without_inotify_the_periodic_look_does_it_alone()
    {
        List<int> eaten = [];
        try
        {
            int instance;
            while ((instance = INotifyInit(0x80000)) >= 0) { eaten.Add(instance); }
            _ = _bench.Start();
            DropFileBench.Touch(_bench.Clear);
            await _bench.UntilGone(_bench.Clear);
            await DropFileBench.Pause();
            Assert.Single(_bench.Handled);
            Assert.Equal(1, _bench.Log.Count("cannot be watched"));
        }
        finally
        {
            foreach (var instance in eaten) { _ = Close(instance); }
        }
        await _bench.Until(() => _bench.Log.Count("are watched again") == 1, "the folder is watched again");
        await _bench.StopAsync();
    }

    [LibraryImport("libc", EntryPoint = "inotify_init1")]
    private static partial int INotifyInit(int flags);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
