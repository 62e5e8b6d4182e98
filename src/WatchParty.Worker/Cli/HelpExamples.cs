using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace WatchParty.Worker.Cli;

/// <summary>The help of a verb, with examples at its end.</summary>
internal sealed class HelpExamples(HelpAction help) : SynchronousCommandLineAction
{
    /// <summary>By verb: what to type, and what it does.</summary>
    internal static IReadOnlyDictionary<string, (string Line, string Meaning)[]> All { get; } = new Dictionary<string, (string, string)[]>
    {
        ["run"] = [("run --config /etc/watchparty/appsettings.json", "what the unit of systemd starts")],
        ["once"] = [("once", "release what is new, if anything is"),
            ("once --force-rebuild", "release the current commit again, without cache and with fresh base images"),
            ("once --json | jq .outcome", "for a script")],
        ["plan"] = [("plan", "what the next release would build and restart, and why")],
        ["history"] = [("history --last 50", "the newest 50 releases"),
            ("history --json | jq -r '.[].outcome' | sort | uniq -c", "how they ended")],
        ["show"] = [("show 12", "release 12, every step of it and why it ran"),
            ("show 3f2a", "the newest release of the commit that begins so")],
        ["logs"] = [("logs", "the build log of the newest release"), ("logs 12 | less", "that of release 12"),
            ("logs --follow", "the build that goes on, to its end")],
        ["status"] = [("status", "what is deployed, what goes on, what waits"), ("status --watch", "the same as it changes, until Ctrl-C"),
            ("status --watch --json | jq --unbuffered -r .service.work", "a document in a line for each change, for a script")],
        ["clear-cache"] = [("clear-cache", "everything; the next build of each service uses no cache"),
            ("clear-cache backend frontend", "only these services")],
        ["prune"] = [("prune --dry-run", "what would go"), ("prune", "the nightly prune now")],
        ["rollback"] = [("rollback", "back to the healthy release before"), ("rollback 9", "back to release 9")],
        ["doctor"] = [("sudo -u watchparty watchparty-worker doctor --config /etc/watchparty/appsettings.json",
            "as the user of the service, because rights and keys are that user's")],
        ["notify"] = [("notify --test", "one message over each channel"), ("notify --test slack", "only over this one")],
        ["completions"] = [("completions bash > /etc/bash_completion.d/watchparty-worker", "for bash"),
            ("completions zsh > /usr/local/share/zsh/site-functions/_watchparty-worker", "for zsh"),
            ("completions fish > ~/.config/fish/completions/watchparty-worker.fish", "for fish")],
    };

    public override bool ClearsParseErrors => true;

    /// <summary>Gives the help of <paramref name="root"/> and of every verb its examples.</summary>
    public static void AddTo(RootCommand root)
    {
        foreach (var option in root.Options.OfType<HelpOption>()) { option.Action = new HelpExamples((HelpAction)option.Action!); }
    }

    public override int Invoke(ParseResult parseResult)
    {
        var code = help.Invoke(parseResult);
        var output = parseResult.InvocationConfiguration.Output;
        if (All.TryGetValue(parseResult.CommandResult.Command.Name, out var examples))
        {
            output.WriteLine("Examples:");
            foreach (var (line, meaning) in examples)
            {
                output.WriteLine($"  {(line.StartsWith("sudo ", StringComparison.Ordinal) ? line : $"watchparty-worker {line}")}");
                output.WriteLine($"      {meaning}");
            }
            output.WriteLine();
        }
        return code;
    }
}
