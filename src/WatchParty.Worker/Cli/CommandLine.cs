using System.CommandLine;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Cli;

/// <summary>The verbs. Standard output is data, standard error is words.</summary>
internal static class CommandLine
{
    internal static RootCommand Root()
    {
        var common = new CommonOptions();
        var run = RunVerb.Create(common);
        var root = new RootCommand(
            "Builds, deploys and verifies a Docker Compose application from its git repository, and keeps its build cache true.")
        {
            common.Config, common.Json, common.Set,
            run,
            OnceVerb.Create(common),
            PlanVerb.Create(common),
            HistoryVerb.Create(common),
            ShowVerb.Create(common),
            LogsVerb.Create(common),
            StatusVerb.Create(common),
            ClearCacheVerb.Create(common),
            PruneVerb.Create(common),
            RollbackVerb.Create(common),
            DoctorVerb.Create(common),
            NotifyVerb.Create(common),
            CompletionsVerb.Create(),
        };
        root.Action = run.Action;
        HelpExamples.AddTo(root);
        return root;
    }

    public static async Task<int> RunAsync(string[] arguments)
    {
        var parsed = Root().Parse(arguments);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors) { await Output.ErrorAsync(error.Message); }
            await Output.ErrorAsync("See `watchparty-worker --help`.");
            return ExitCode.BadUsage;
        }
        try
        {
            return await parsed.InvokeAsync(
                new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (ConfigurationFaultsException e)
        {
            await Output.ErrorAsync(e.Message);
            return ExitCode.BadUsage;
        }
        catch (Exception e) when (e is WorkerException or ToolFailedException)
        {
            await Output.ErrorAsync(e.Message);
            return ExitCode.Failed;
        }
        catch (OperationCanceledException)
        {
            await Output.ErrorAsync("Interrupted.");
            return ExitCode.Interrupted;
        }
        catch (Exception e)
        {
            await Output.ErrorAsync($"An unexpected fault of the worker, please report it: {e}");
            return ExitCode.Failed;
        }
    }
}
