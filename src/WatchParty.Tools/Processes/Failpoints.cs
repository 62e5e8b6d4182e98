using System.Diagnostics;
using System.Globalization;

namespace WatchParty.Tools.Processes;

/// <summary>The moments before and after each call to the outside world: a program, the engine, the record, a file. Tests have the worker
/// end there.</summary>
/// <remarks>They sit at the seams, so that the flow has none of them in its text. Names are those of the calls: <c>before compose up</c>,
/// <c>after engine TagAsync</c>, <c>after record update release state Building</c>, <c>before rename clear-cache.result.json</c>.</remarks>
/// <param name="reached">Gets each name as the moment comes, from any thread. What it throws is thrown at that moment.</param>
internal sealed class Failpoints(Action<string> reached)
{
    /// <summary>Names a file with the name of a point in it, and with <c>#3</c> behind it for the third time since the file came. It is
    /// deleted with the
    /// kill, so that the next worker lives; while it is not there nobody is killed.</summary>
    public const string Variable = "WATCHPARTY_KILL_AT";

    /// <summary>Names a file that gets a line for each point that is reached.</summary>
    public const string TraceVariable = "WATCHPARTY_KILL_TRACE";

    /// <summary>Null where no test asked for them, which is everywhere else.</summary>
    public static Failpoints? FromEnvironment()
    {
        var (order, trace) = (Environment.GetEnvironmentVariable(Variable), Environment.GetEnvironmentVariable(TraceVariable));
        return order is null && trace is null ? null : new Failpoints(new KillOrder(order, trace).Reach);
    }

    public void Before(string call) => reached($"before {call}");

    public void After(string call) => reached($"after {call}");

    public void Around(string call, Action work)
    {
        Before(call);
        work();
        After(call);
    }

    public async Task AroundAsync(string call, Func<Task> work)
    {
        Before(call);
        await work();
        After(call);
    }

    public async Task<T> AroundAsync<T>(string call, Func<Task<T>> work)
    {
        Before(call);
        var result = await work();
        After(call);
        return result;
    }

    /// <summary>What a program is called for: <c>git fetch</c>, <c>compose up</c>, <c>buildx bake</c>, <c>docker pull</c>.</summary>
    public static string NameOf(ToolCommand command)
    {
        var words = Words(command.Arguments);
        return command.Program == "docker" && words is ["compose" or "buildx", ..]
            ? string.Join(' ', words.Take(2))
            : string.Join(' ', words.Take(1).Prepend(Path.GetFileName(command.Program)));
    }

    /// <summary>The arguments without options and their values, as far as the verb of docker, its plugins and git stands.</summary>
    private static List<string> Words(IReadOnlyList<string> arguments)
    {
        List<string> words = [];
        for (var i = 0; i < arguments.Count && words.Count < 2; i++)
        {
            if (!arguments[i].StartsWith('-')) { words.Add(arguments[i]); }
            else if (arguments[i] != "--literal-pathspecs" && !arguments[i].Contains('=', StringComparison.Ordinal)) { i++; }
        }
        return words;
    }

    /// <summary>What a statement writes: <c>insert release</c>, <c>update release state Building</c>, <c>delete fresh_mark</c>.</summary>
    public static string NameOf(string sql, IEnumerable<(string Name, object? Value)> values)
    {
        var words = sql.Split([' ', '\n', '\r', '('], StringSplitOptions.RemoveEmptyEntries);
        var verb = words[0].ToLowerInvariant();
        var table = words.SkipWhile(w => w is not ("INTO" or "FROM" or "UPDATE")).Skip(1).FirstOrDefault("");
        var column = verb == "update" ? $" {words.SkipWhile(w => w != "SET").Skip(1).FirstOrDefault("")}" : "";
        var value = values.FirstOrDefault(v => v.Name is "$state" or "$outcome").Value;
        return $"record {verb} {table}{column}{(value is null ? "" : $" {value}")}";
    }

    /// <summary>Ends this process as a power cut would.</summary>
    private sealed class KillOrder(string? order, string? trace)
    {
        private readonly Lock _lock = new();
        private string? _wanted;
        private int _times;

        public void Reach(string point)
        {
            // Held for good by the thread that kills: none of the others comes further than to its next point.
            lock (_lock)
            {
                if (trace is not null) { File.AppendAllText(trace, point + Environment.NewLine); }
                if (order is null) { return; }
                var wanted = File.Exists(order) ? File.ReadAllText(order) : null;
                if (wanted != _wanted) { (_wanted, _times) = (wanted, 0); }
                if (wanted is null || wanted.Split('#') is not [var name, .. var number] || name != point) { return; }
                if (++_times < (number is [var times] ? int.Parse(times, CultureInfo.InvariantCulture) : 1)) { return; }
                File.Delete(order);
                using var self = Process.GetCurrentProcess();
                self.Kill();
            }
        }
    }
}
