using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Fakes.Docker;
using WatchParty.Worker.Tests.Fakes.Git;

namespace WatchParty.Worker.Tests.Fakes;

/// <summary>git, docker compose and docker buildx on a <see cref="FakeGit"/> and an <see cref="EngineModel"/>.</summary>
internal sealed class FakeTools : IToolRunner
{
    private readonly EngineModel _engine;
    private readonly FakeGit _git;
    private readonly FakeCompose _compose;
    private readonly Dictionary<string, Queue<Func<ToolCommand, ToolResult>>> _answers = [];

    public FakeTools(EngineModel engine, FakeGit git, TimeProvider time)
    {
        (_engine, _git) = (engine, git);
        _compose = new FakeCompose(engine, time, StepAsync);
        Builder = new FakeBuilder(engine, StepAsync);
    }

    public FakeBuilder Builder { get; }

    /// <summary>Every program that was run.</summary>
    public List<ToolCommand> Commands { get; } = [];

    /// <summary>Called before each program with its name, and before each step of it that changes something; it may take its time, or
    /// throw.</summary>
    public Func<string, CancellationToken, Task> OnStep { get; set; } = (_, _) => Task.CompletedTask;

    /// <summary>Lets the next call of this name (<see cref="Failpoints.NameOf(ToolCommand)"/>) end so instead of doing anything. Several
    /// are used up one after the other.</summary>
    public void Answer(string call, Func<ToolCommand, ToolResult> answer)
    {
        if (!_answers.TryGetValue(call, out var queue)) { _answers[call] = queue = new(); }
        queue.Enqueue(answer);
    }

    public void Fail(string call, string words, int exitCode = 1) => Answer(call, _ => new ToolResult(exitCode, "", words, TimeSpan.Zero));

    /// <summary>Lets the next call of this name be killed by somebody.</summary>
    public void Kill(string call) => Answer(call, c => throw new ToolFailedException(c, 137, "was ended by a signal"));

    public async Task<ToolResult> RunAsync(ToolCommand command, StreamReading? standardError, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Commands.Add(command);
        var name = Failpoints.NameOf(command);
        await StepAsync(name, cancellationToken);
        if (_answers.TryGetValue(name, out var queue) && queue.TryDequeue(out var answer))
        {
            return await AnsweredAsync(answer(command), standardError, cancellationToken);
        }
        return name switch
        {
            _ when command.Program == "git" => _git.Answer(command),
            "buildx bake" => await Builder.BakeAsync(command, standardError, cancellationToken),
            _ when name.StartsWith("compose ", StringComparison.Ordinal) => await _compose.RunAsync(command, cancellationToken),
            "docker exec" => Execute([.. command.Arguments.Skip(1)]),
            "docker pull" => Pull(command.Arguments[^1]),
            "docker push" => Push(command.Arguments[^1]),
            "docker context" => new ToolResult(0, "unix:///run/fake.sock\n", "", TimeSpan.Zero),
            "buildx version" => new ToolResult(0, "github.com/docker/buildx 0.29.1\n", "", TimeSpan.Zero),
            "buildx imagetools" => _engine.Registry.TryGetValue(command.Arguments[^1], out var image)
                ? new ToolResult(0, $$"""{"digest":"{{image.Id}}"}""", "", TimeSpan.Zero) : new ToolResult(1, "", $"ERROR: {command.Arguments[^1]}: not found", TimeSpan.Zero),
            _ => throw new NotSupportedException(command.ToString()),
        };
    }

    private Task StepAsync(string name, CancellationToken cancellationToken) => OnStep(name, cancellationToken);

    private static async Task<ToolResult> AnsweredAsync(ToolResult result, StreamReading? standardError,
        CancellationToken cancellationToken)
    {
        if (standardError is not null)
        {
            await standardError(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(result.ErrorTail)), cancellationToken);
        }
        return result;
    }

    private ToolResult Execute(IReadOnlyList<string> words)
    {
        if (_engine.FindContainer(words[0]) is not { } container || !container.Runs(_engine.Now))
        {
            return new ToolResult(1, "", $"Error response from daemon: container {words[0]} is not running", TimeSpan.Zero);
        }
        _engine.Executed.Add((container.Service, string.Join(' ', words.Skip(1))));
        return new ToolResult(0, "", "", TimeSpan.Zero);
    }

    private ToolResult Pull(string image)
    {
        if (!_engine.Registry.TryGetValue(image, out var found))
        {
            return new ToolResult(1, "", $"Error response from daemon: pull access denied for {image}", TimeSpan.Zero);
        }
        _engine.Load(found, image);
        return new ToolResult(0, "", "", TimeSpan.Zero);
    }

    private ToolResult Push(string image)
    {
        if (_engine.Find(image) is not { } found)
        {
            return new ToolResult(1, "", $"An image does not exist locally with the tag: {image}", TimeSpan.Zero);
        }
        _engine.Registry[image] = found;
        return new ToolResult(0, "", "", TimeSpan.Zero);
    }
}
