using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Scripts;

/// <summary>scripts/clear-cache.sh with the worker's own watcher of drop files at the other end.</summary>
public sealed class ClearCacheScriptTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("clear-script-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        var tree = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(tree.FullName, "WatchParty.Worker.sln"))) { tree = tree.Parent!; }
        using var script = Process.Start(new ProcessStartInfo("sh", [Path.Combine(tree.FullName, "scripts/clear-cache.sh"), "--folder", _folder, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var texts = await Task.WhenAll(script.StandardOutput.ReadToEndAsync(), script.StandardError.ReadToEndAsync());
        await script.WaitForExitAsync();
        return (script.ExitCode, texts[0], texts[1]);
    }

    private async Task<T> WithWorkerAsync<T>(Func<DropFileRequest, DropFileResult> answer, Func<Task<T>> act)
    {
        using var stop = new CancellationTokenSource();
        var watching = Watch(answer, stop.Token);
        try
        {
            return await act();
        }
        finally
        {
            await stop.CancelAsync();
            await watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private Task Watch(Func<DropFileRequest, DropFileResult> answer, CancellationToken stop) => Task.Run(() =>
        new DropFileWatcher(_folder, TimeProvider.System, NullLogger<DropFileWatcher>.Instance).RunAsync((request, _) => Task.FromResult(answer(request)), _ => { }, stop), CancellationToken.None);

    [Fact]
    public async Task Clear_WaitsForItsEndAndPrintsTheResult_AlsoASecondTime()
    {
        List<string> asked = [];
        await WithWorkerAsync(request =>
        {
            asked.Add($"{request.Kind} {string.Join('+', request.Targets)}");
            return new DropFileResult("Cleared", request.Targets, 1000, null);
        }, async () =>
        {
            foreach (var arguments in (string[][])[[], ["backend", "web"]])
            {
                var (code, output, error) = await RunAsync(arguments);
                Assert.Equal((0, ""), (code, error));
                Assert.Contains("\"outcome\": \"Cleared\"", output, StringComparison.Ordinal);
            }
            return true;
        });
        Assert.Equal(["ClearCache all", "ClearCache backend+web"], asked);
    }

    [Fact]
    public async Task Clear_ThatIsRefused_EndsWith1AndPrintsWhy()
    {
        var (code, output, _) = await WithWorkerAsync(request => new DropFileResult("Refused", request.Targets, 0, "there is no service nothing"), () => RunAsync("nothing"));

        Assert.Equal(1, code);
        Assert.Contains("there is no service nothing", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ForceRebuild_TouchesItsOwnFlag()
    {
        DropFileKind? kind = null;
        var (code, _, _) = await WithWorkerAsync(request =>
        {
            kind = request.Kind;
            return new DropFileResult("Succeeded", request.Targets, 0, null);
        }, () => RunAsync("--force-rebuild"));

        Assert.Equal((0, DropFileKind.ForceRebuild), (code, kind));
    }

    [Fact]
    public async Task Clear_WithoutAWorker_EndsWith4AtItsLimit_AndLeavesTheFlag()
    {
        var (code, output, error) = await RunAsync("--limit", "1");

        Assert.Equal((4, ""), (code, output));
        Assert.Contains("not done after 1 s. The flag stays and counts", error, StringComparison.Ordinal);
        Assert.Equal(["clear-cache.flag"], Directory.GetFileSystemEntries(_folder).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("--limit", "soon")]
    [InlineData("--colour")]
    [InlineData("a;b")]
    [InlineData("--force-rebuild", "backend")]
    [InlineData("--limit")]
    public async Task Usage_ThatIsWrong_EndsWith2AndTouchesNothing(params string[] arguments)
    {
        var (code, _, error) = await RunAsync(arguments);

        Assert.Equal(2, code);
        Assert.NotEmpty(error);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }
}
