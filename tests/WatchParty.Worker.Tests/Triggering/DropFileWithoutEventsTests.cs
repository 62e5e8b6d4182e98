using System.Runtime.InteropServices;

namespace WatchParty.Worker.Tests.Triggering;

/// <summary>Apart from all other tests: it uses up what their watchers need.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "Alone";
}

[Collection(Alone.Name)]
public sealed partial class DropFileWithoutEventsTests : DropFileTests
{
    [Fact]
    public async Task Without_inotify_the_periodic_look_does_it_alone()
    {
        List<int> eaten = [];
        try
        {
            int instance;
            while ((instance = INotifyInit(0x80000)) >= 0) { eaten.Add(instance); }
            _ = Bench.Start();
            DropFileBench.Touch(Bench.Clear);
            await Bench.UntilGone(Bench.Clear);
            await DropFileBench.Pause();
            Assert.Single(Bench.Handled);
            Assert.Equal(1, Bench.Log.Count("cannot be watched"));
        }
        finally
        {
            foreach (var instance in eaten) { _ = Close(instance); }
        }
        await Bench.Until(() => Bench.Log.Count("are watched again") == 1, "the folder is watched again");
        await Bench.StopAsync();
    }

    [LibraryImport("libc", EntryPoint = "inotify_init1")]
    private static partial int INotifyInit(int flags);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
