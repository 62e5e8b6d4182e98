using System.Text;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Tests.Fakes;

/// <summary>A runner that expects commands one after the other, as values or by what must hold of them, and answers what was
/// recorded.</summary>
internal sealed class ScriptedRunner : IToolRunner
{
    private readonly Queue<(string Expected, Func<ToolCommand, bool> Matches, Func<ToolCommand, ToolResult> Answer)> _script = new();

    /// <summary>What was run.</summary>
    public List<ToolCommand> Commands { get; } = [];

    public ScriptedRunner Expect(ToolCommand command, string output = "", string errors = "", int exitCode = 0) =>
        Expect(command.ToString(), c => c.Equals(command), _ => new ToolResult(exitCode, output, errors, TimeSpan.Zero));

    /// <param name="call">As <see cref="Failpoints.NameOf(ToolCommand)"/> names it.</param>
    public ScriptedRunner Expect(string call, string output = "", string errors = "", int exitCode = 0) =>
        Expect(call, c => Failpoints.NameOf(c) == call, _ => new ToolResult(exitCode, output, errors, TimeSpan.Zero));

    public ScriptedRunner Expect(string call, Exception failure) => Expect(call, c => Failpoints.NameOf(c) == call, _ => throw failure);

    public ScriptedRunner Expect(string words, Func<ToolCommand, bool> matches, Func<ToolCommand, ToolResult> answer)
    {
        _script.Enqueue((words, matches, answer));
        return this;
    }

    /// <summary>Fails when something that was expected was not run.</summary>
    public void Ended() => Assert.Empty(_script.Select(s => s.Expected));

    public async Task<ToolResult> RunAsync(ToolCommand command, StreamReading? standardError, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Commands.Add(command);
        Assert.True(_script.TryDequeue(out var next), $"nothing more was expected, but {command} was run");
        Assert.True(next.Matches(command), $"{next.Expected} was expected, but {command} was run");
        var result = next.Answer(command);
        if (standardError is not null)
        {
            await standardError(new MemoryStream(Encoding.UTF8.GetBytes(result.ErrorTail)), cancellationToken);
        }
        return result;
    }
}
