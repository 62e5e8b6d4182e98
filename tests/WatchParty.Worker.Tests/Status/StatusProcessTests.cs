using System.Diagnostics;
using System.Text.Json.Nodes;
using WatchParty.Worker.Control;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Status;

/// <summary>The running program, without any docker.</summary>
[Collection(ProcessEnvironment.Collection)]
public sealed class StatusProcessTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("service-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private Process Start(string? address)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "checkout"));
        var config = Path.Combine(_folder, "appsettings.json");
        File.WriteAllText(config, new JsonObject
        {
            ["Worker"] = new JsonObject
            {
                ["Repository"] = new JsonObject { ["Path"] = Path.Combine(_folder, "checkout") },
                ["Docker"] = new JsonObject { ["Endpoint"] = $"unix://{_folder}/none.sock" },
                ["State"] = new JsonObject { ["Folder"] = Path.Combine(_folder, "state") },
                ["Status"] = new JsonObject { ["Address"] = address, ["TokenFile"] = address is null ? null : Path.Combine(_folder, "token") },
            },
        }.ToJsonString());
        return Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [Path.Combine(AppContext.BaseDirectory, "watchparty-worker.dll"), "run", "--config", config]) { RedirectStandardError = true })!;
    }

    /// <summary>Files that the running service has loaded.</summary>
    private async Task<string> LoadedAsync(string? address)
    {
        using var service = Start(address);
        try
        {
            while (!service.HasExited && !File.Exists(Path.Combine(_folder, "state", "worker.sock"))) { await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System); }
            // The socket is made by one service of the host, the page by another after it.
            if (address is not null)
            {
                while (await service.StandardError.ReadLineAsync() is { } line && !line.Contains("The status page is at", StringComparison.Ordinal)) { }
            }
            return await File.ReadAllTextAsync($"/proc/{service.Id}/maps");
        }
        finally
        {
            service.Kill();
            await service.WaitForExitAsync();
        }
    }

    [Fact]
    public async Task Service_LoadsAWebServerOnlyWhenThereIsAPage()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "token"), StatusBench.Token);
        // What comes with ASP.NET Core but is not of it, such as Microsoft.Extensions.Hosting, is in its folder.
        Assert.DoesNotMatch(@"/Microsoft\.AspNetCore\.[^/\n]*\.dll", await LoadedAsync(null));
        Assert.Contains("Microsoft.AspNetCore.Server.Kestrel", await LoadedAsync("http://127.0.0.1:0"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Service_WithATokenFileThatIsNotThere_DoesNotStart()
    {
        using var service = Start("http://127.0.0.1:0");
        var words = await service.StandardError.ReadToEndAsync();
        await service.WaitForExitAsync();
        Assert.Equal(ExitCode.BadUsage, service.ExitCode);
        Assert.Contains("Status:TokenFile", words, StringComparison.Ordinal);
        Assert.Contains("openssl rand -hex 32", words, StringComparison.Ordinal);
    }
}
