using WatchParty.Releases.Baking;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Processes;

namespace WatchParty.Releases.Caching;

/// <summary>The Dockerfile of a context that is an address, such as one of git. BuildKit itself fetches it, as it does for the
/// build.</summary>
internal sealed class RemoteDockerfile(BuildOptions options, ComposeProject project, BuildDefinitions definitions, StateFolder state,
    IToolRunner runner)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    /// <returns>Empty when the context is none, or when it cannot be read.</returns>
    public async Task<string> ReadAsync(ComposeModel model, ComposeService service, string commit, CancellationToken cancellationToken)
    {
        if (!service.Build!.Context.Contains("://", StringComparison.Ordinal)
            && !service.Build.Context.StartsWith("git@", StringComparison.Ordinal))
        {
            return "";
        }
        var folder = Directory.CreateDirectory(Path.Combine(state.Work, $"dockerfile-{Guid.NewGuid():N}"));
        try
        {
            var target = new BakeTarget("dockerfile", service, commit, [])
            {
                // The service may ask for a target, so it gets one of that name.
                Dockerfile = $"FROM scratch AS {service.Build.Target ?? "dockerfile"}\nCOPY [\"{service.Build.Dockerfile}\", " +
                    $"\"/Dockerfile\"]\n",
            };
            var bake = Bake.File(model, await definitions.OfAsync(model, cancellationToken), [target], options);
            var command = DockerCommands.BakeInto(project, options, bake, [target.Name], folder.FullName) with { Timeout = Limit };
            return (await runner.RunAsync(command, null, cancellationToken)).ExitCode == 0
                && Directory.GetFiles(folder.FullName, "Dockerfile", SearchOption.AllDirectories) is [var file, ..]
                ? await File.ReadAllTextAsync(file, cancellationToken) : "";
        }
        catch (ToolFailedException)
        {
            return "";
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
