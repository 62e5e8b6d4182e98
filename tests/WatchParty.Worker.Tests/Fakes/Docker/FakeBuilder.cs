using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Tests.Fakes.Docker;

/// <summary><c>docker buildx bake</c> on an <see cref="EngineModel"/>: steps with cache records, images whose ids follow from what their
/// steps made, and the
/// trace of it all. A <c>RUN</c> with <c>exit 1</c> or <c>false</c> in it fails.</summary>
internal sealed class FakeBuilder(EngineModel engine, Func<string, CancellationToken, Task> step)
{
    private readonly Dictionary<string, string> _results = [];
    /// <summary>What cache images, folders and registries hold: result by record.</summary>
    private readonly Dictionary<string, Dictionary<string, string>> _exported = [];
    private int _runs;

    private sealed record Vertex(string Digest, string Name, string Key, string Text);

    private sealed record Stage(string? Name, string Base, List<string> Lines, int Index);

    /// <summary>Targets that were built, with an image, one entry each time.</summary>
    public List<string> Built { get; } = [];

    public async Task<ToolResult> BakeAsync(ToolCommand command, StreamReading? reading, CancellationToken cancellationToken)
    {
        var arguments = command.Arguments.Skip(2).ToList();
        var options = new Options(
            NoCache: arguments.Contains("--no-cache"), Pull: arguments.Contains("--pull"),
                Nothing: arguments.Contains("*.output=type=cacheonly"));
        var definitions = JsonNode.Parse(command.Input!)!["target"]!.AsObject().ToDictionary(t => t.Key, t => t.Value!.AsObject());
        List<string> targets = [];
        for (var i = 0; i < arguments.Count; i++)
        {
            if (arguments[i] is "--progress" or "--allow" or "--file" or "-f" or "--builder" or "--set" or "--metadata-file") { i++; }
            else if (!arguments[i].StartsWith('-')) { targets.Add(arguments[i]); }
        }
        var failure = new Failure();
        var trace = new TraceStream(RunAsync(targets.Count > 0 ? targets : [.. definitions.Keys], definitions, options, failure,
            cancellationToken));
        if (reading is null) { await trace.CopyToAsync(Stream.Null, cancellationToken); } else { await reading(trace, cancellationToken); }
        return new ToolResult(failure.Words is null ? 0 : 1, "", failure.Words ?? "", TimeSpan.Zero);
    }

    private sealed record Options(bool NoCache, bool Pull, bool Nothing);

    private sealed class Failure { public string? Words { get; set; } }

    private async IAsyncEnumerable<string> RunAsync(
        List<string> targets, Dictionary<string, JsonObject> definitions, Options options, Failure failure,
            [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var target in targets)
        {
            var build = definitions[target];
            var prefix = targets.Count > 1 ? $"{target} " : "";
            var arguments = (build["args"] as JsonObject ?? []).ToDictionary(a => a.Key, a => Plain(a.Value?.ToString() ?? ""));
            var files = ReadContext(build["context"]!.ToString());
            var text = build["dockerfile-inline"] is { } inline ? Plain(inline.ToString()) : ReadDockerfile(build);
            if (text is null)
            {
                failure.Words = "ERROR: failed to read dockerfile: open Dockerfile: no such file or directory";
                yield return failure.Words + "\n";
                yield break;
            }
            var stages = Stages(text);
            var last = build["target"] is { } named
                ? stages.Last(s => string.Equals(s.Name, named.ToString(), StringComparison.OrdinalIgnoreCase)) : stages[^1];
            var made = new Dictionary<int, Made>();
            List<string> keys = [];
            foreach (var stage in Needed(stages, last))
            {
                var counted = stage.Lines.Where(l => Word(l) is "RUN" or "COPY" or "ADD" or "WORKDIR").ToList();
                if (stage.Base != "scratch" && !stages.Exists(s => s.Index < stage.Index && stage.Base.Equals(s.Name, StringComparison.OrdinalIgnoreCase)))
                {
                    var image = ImageName.Full(stage.Base);
                    yield return Event(new Vertex(EngineModel.Digest(target, image), $"[{prefix}internal] load metadata for {image}", "", ""), started: true, completed: true);
                }
                var (made1, baseFault) = BaseOf(stage, stages, made);
                if (made1 is null)
                {
                    failure.Words = $"ERROR: failed to solve: {baseFault}";
                    yield return failure.Words + "\n";
                    yield break;
                }
                var now = made1;
                var scope = new SortedDictionary<string, string>(StringComparer.Ordinal);
                var number = 1;
                foreach (var line in stage.Lines)
                {
                    var word = Word(line);
                    var rest = line[word.Length..].Trim();
                    switch (word)
                    {
                        case "ARG":
                            var argument = rest.Split('=', 2);
                            scope[argument[0]] = arguments.GetValueOrDefault(argument[0]) ?? (argument.Length > 1 ? argument[1] : "");
                            continue;
                        case "ENV":
                            now = now with { Settings = now.Settings + line + Expand(rest, scope) };
                            continue;
                        case "CMD":
                            now = now with { Command = Words(rest), Settings = now.Settings + line };
                            continue;
                        case "HEALTHCHECK":
                            now = now with { Health = HealthOf(rest), Settings = now.Settings + line };
                            continue;
                        case "VOLUME":
                            now = now with { Volumes = [.. Words(rest)], Settings = now.Settings + line };
                            continue;
                        case "LABEL":
                            now = now with
                            {
                                Labels = now.Labels.SetItem(rest.Split('=', 2)[0], Expand(rest.Split('=', 2)[1], scope)),
                                Settings = now.Settings + line
                            };
                            continue;
                        case "RUN" or "COPY" or "ADD" or "WORKDIR":
                            number++;
                            break;
                        default:
                            now = now with { Settings = now.Settings + line };
                            continue;
                    }
                    if (word == "WORKDIR") { continue; }
                    var copied = word == "RUN" ? [] : Copied(rest, files, stages, made);
                    // Every argument in force is in the environment of a RUN.
                    var key = EngineModel.Digest([now.Key, line, .. word == "RUN" ? scope.Select(a => $"{a.Key}={a.Value}") : copied
                        .Select(f => $"{f.Key}={f.Value}")])[7..];
                    var name = $"[{prefix}{(stages.Count > 1 ? (stage.Name ?? $"stage-{stage.Index}") + " " : "")}{number}/{counted.Count + 1}] {line}";
                    var vertex = new Vertex(EngineModel.Digest(target, key), name, key, line);
                    yield return Event(vertex, started: false);
                    var cached = !options.NoCache && IsCached(key, now.Key, build);
                    if (!cached)
                    {
                        yield return Event(vertex, started: true);
                        cancellationToken.ThrowIfCancellationRequested();
                        await step($"build {target}", cancellationToken);
                        cancellationToken.ThrowIfCancellationRequested();
                        if (word == "RUN" && engine.LosesLayers > 0)
                        {
                            engine.LosesLayers--;
                            failure.Words = "parent snapshot sha256:1 does not exist: not found";
                            yield return Event(vertex, started: true, error: failure.Words);
                            yield return failure.Words + "\n";
                            yield break;
                        }
                        if (word == "RUN" && (rest.Contains("exit 1", StringComparison.Ordinal) || rest is "false"))
                        {
                            failure.Words = $"ERROR: failed to solve: process \"/bin/sh -c {rest}\" did not complete successfully: exit code: 1";
                            yield return Event(vertex, started: true,
                                error: $"process \"/bin/sh -c {rest}\" did not complete successfully: exit code: 1");
                            yield return failure.Words + "\n";
                            yield break;
                        }
                        _results[key] = string.Create(CultureInfo.InvariantCulture, $"{++_runs}");
                        engine.Keep(key, now.IsBase ? null : now.Key, line);
                    }
                    yield return Event(vertex, started: true, completed: true, cached: cached);
                    keys.Add(key);
                    now = now with
                    {
                        Key = key,
                        IsBase = false,
                        Result = now.Result + "," + _results[key],
                        Files = now.Files.SetItems(copied)
                    };
                }
                made[stage.Index] = now;
            }
            if (!options.Nothing) { yield return Export(target, prefix, CarriesCache(build)); }
            Finish(target, build, made[last.Index], keys, options);
        }
    }

    private void Finish(string target, JsonObject build, Made made, List<string> keys, Options options)
    {
        var exports = (build["cache-to"] as JsonArray ?? []).Select(c => Plain(c!.ToString())).ToList();
        var results = keys.Distinct().ToDictionary(k => k, k => _results[k]);
        var inline = CarriesCache(build);
        foreach (var fields in exports.Select(e => e.Split(',').Select(f => f.Split('=', 2)).Where(f => f.Length == 2)
            .ToDictionary(f => f[0], f => f[1])))
        {
            if (fields.GetValueOrDefault("dest") is { } folder)
            {
                Directory.CreateDirectory(folder);
                File.WriteAllText(Path.Combine(folder, "index.json"), """{"manifests":[]}""");
                _exported[folder] = results;
            }
            if (fields.GetValueOrDefault("ref") is { } reference) { _exported[reference] = results; }
        }
        if (options.Nothing) { return; }
        var labels = made.Labels.SetItems((build["labels"] as JsonObject ?? [])
            .Select(l => KeyValuePair.Create(l.Key, Plain(l.Value!.ToString()))));
        var image = new ModelImage(
            EngineModel.Digest([made.Key, made.Result, made.Settings, inline ? "inline" : "", .. labels
                .OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => $"{l.Key}={l.Value}")]), made.Files, made.Command)
        {
            Labels = labels,
            HealthCheck = made.Health,
            Volumes = made.Volumes,
            HasCacheMetadata = inline,
            Created = engine.Now,
        };
        if (inline) { _exported[image.Id] = results; }
        var names = (build["tags"] as JsonArray ?? [])
            .Select(t => Plain(t!.ToString()));
        engine.Load(image, names);
        Built.Add(target);
    }

    private static bool CarriesCache(JsonObject build) =>
        (build["cache-to"] as JsonArray ?? []).Any(c => c!.ToString() == "type=inline") || build["args"]?["BUILDKIT_INLINE_CACHE"]?.ToString() == "1";

    private string Export(string target, string prefix, bool withCache)
    {
        var digest = EngineModel.Digest("export", target);
        return JsonSerializer.Serialize(new
        {
            vertexes = new[] { new { digest, name = prefix.Length > 0 ? $"[{prefix.Trim()}] exporting to image" : "exporting to image", started = engine.Now } },
            statuses = (string[])["exporting layers", .. withCache ? ["preparing layers for inline cache"] : Array.Empty<string>()] is var acts
                ? acts.Select(id => new { id, vertex = digest, current = 0 }) : null,
        }) + "\n";
    }

    private bool IsCached(string key, string parent, JsonObject build)
    {
        if (engine.Use(key)) { return true; }
        foreach (var source in (build["cache-from"] as JsonArray ?? []).Select(c => Plain(c!.ToString())))
        {
            var fields = source.Split(',').Select(f => f.Split('=', 2)).Where(f => f.Length == 2).ToDictionary(f => f[0], f => f[1]);
            var place = fields.GetValueOrDefault("src") ?? fields.GetValueOrDefault("ref") ?? source;
            var held = _exported.GetValueOrDefault(place) ?? (engine.Store == ImageStore.GraphDriver && engine.Find(place)
                is { HasCacheMetadata: true } image ? _exported.GetValueOrDefault(image.Id) : null);
            if (held?.TryGetValue(key, out var result) != true) { continue; }
            _results[key] = result!;
            engine.Keep(key, engine.Use(parent) ? parent : null, "imported");
            return true;
        }
        return false;
    }

    // A Dockerfile -----------------------------------------------------------------------------------------------------

    private sealed record Made(string Key, bool IsBase, string Result, ImmutableDictionary<string, string> Files,
        ImmutableArray<string> Command, string Settings)
    {
        public HealthCheck? Health { get; init; }

        public ImmutableArray<string> Volumes { get; init; } = [];

        public ImmutableDictionary<string, string> Labels { get; init; } = ImmutableDictionary<string, string>.Empty;
    }

    private (Made? Made, string Fault) BaseOf(Stage stage, List<Stage> stages, Dictionary<int, Made> made)
    {
        if (stages.FindLast(s => s.Index < stage.Index && s.Name is not null
            && s.Name.Equals(stage.Base, StringComparison.OrdinalIgnoreCase)) is { } earlier)
        {
            return (made[earlier.Index], "");
        }
        var none = ImmutableDictionary<string, string>.Empty;
        if (stage.Base == "scratch") { return (new Made("scratch", true, "", none, [], ""), ""); }
        var image = engine.Find(stage.Base) ?? engine.Registry.GetValueOrDefault(stage.Base);
        return image is null ? (null, $"{stage.Base}: failed to resolve source metadata for docker.io/library/{stage.Base}: pull access denied")
            : (new Made(image.Id, true, image.Id, image.Files, image.Command, "")
            {
                Health = image.HealthCheck,
                Volumes = image.Volumes,
                Labels = image.Labels
            }, "");
    }

    private static List<Stage> Stages(string text)
    {
        List<Stage> stages = [];
        foreach (var line in text.Replace("\\\n", " ", StringComparison.Ordinal).Split('\n').Select(l => l.Trim())
            .Where(l => l.Length > 0 && l[0] != '#'))
        {
            if (Word(line) == "FROM")
            {
                var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                stages.Add(new Stage(words.Length > 3 ? words[3] : null, words[1], [], stages.Count));
            }
            else if (stages.Count > 0) { stages[^1].Lines.Add(line); }
        }
        return stages;
    }

    private static List<Stage> Needed(List<Stage> stages, Stage target)
    {
        HashSet<Stage> needed = [];
        void Add(Stage stage)
        {
            if (!needed.Add(stage)) { return; }
            foreach (var other in stages.Where(s => s.Name is not null
                && (s.Name.Equals(stage.Base, StringComparison.OrdinalIgnoreCase)
                    || stage.Lines.Exists(l => l.Contains($"--from={s.Name} ", StringComparison.OrdinalIgnoreCase)))))
            {
                Add(other);
            }
        }
        Add(target);
        return [.. needed.OrderBy(s => s.Index)];
    }

    private static Dictionary<string,
        string> Copied(string operands, Dictionary<string, string> context, List<Stage> stages, Dictionary<int, Made> made)
    {
        var words = operands.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToList();
        var from = words.Find(w => w.StartsWith("--from=", StringComparison.Ordinal))?["--from=".Length..];
        words.RemoveAll(w => w.StartsWith("--", StringComparison.Ordinal));
        if (from is not null && stages.Find(s => string.Equals(s.Name, from, StringComparison.OrdinalIgnoreCase)) is { } stage)
        {
            return made[stage.Index].Files.ToDictionary(f => f.Key, f => f.Value).Append(new($".from-{from}", made[stage.Index].Key))
                .ToDictionary(f => f.Key, f => f.Value);
        }
        Dictionary<string, string> copied = [];
        foreach (var source in words.SkipLast(1).Select(w => w.TrimEnd('/').TrimStart('.').TrimStart('/')))
        {
            foreach (var (path, content) in context
                .Where(f => source.Length == 0 || f.Key == source || f.Key.StartsWith($"{source}/", StringComparison.Ordinal)))
            {
                copied[source.Length == 0 ? path : path == source ? Path.GetFileName(path) : path[(source.Length + 1)..]] = content;
            }
        }
        return copied;
    }

    private static Dictionary<string, string> ReadContext(string context)
    {
        if (!Directory.Exists(context)) { return []; }
        var ignored = File.Exists(Path.Combine(context, ".dockerignore")) ? File.ReadAllLines(Path.Combine(context, ".dockerignore"))
            .Select(l => l.Trim()).ToHashSet() : [];
        Dictionary<string, string> files = [];
        void Add(string folder, string prefix)
        {
            foreach (var file in Directory.EnumerateFiles(folder))
            {
                if (!ignored.Contains(prefix + Path.GetFileName(file))) { files[prefix + Path.GetFileName(file)] = File.ReadAllText(file); }
            }
            foreach (var inner in Directory.EnumerateDirectories(folder).Where(d => Path.GetFileName(d) != ".git"))
            {
                Add(inner, $"{prefix}{Path.GetFileName(inner)}/");
            }
        }
        Add(context, "");
        return files;
    }

    private static string? ReadDockerfile(JsonObject build)
    {
        var file = Path.GetFullPath(build["dockerfile"]?.ToString() ?? "Dockerfile", build["context"]!.ToString());
        return File.Exists(file) ? File.ReadAllText(file) : null;
    }

    private static string Word(string line) => line.Split(' ', 2)[0].ToUpperInvariant();

    private static ImmutableArray<string> Words(string text) =>
        text.StartsWith('[') ? [.. JsonNode.Parse(text)!.AsArray().Select(w => w!.ToString())] : ["/bin/sh", "-c", text];

    private static HealthCheck? HealthOf(string text)
    {
        if (text == "NONE") { return new HealthCheck(["NONE"], TimeSpan.FromSeconds(30), 3, TimeSpan.Zero); }
        var at = text.IndexOf("CMD", StringComparison.Ordinal);
        var options = text[..at].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(o => o[2..].Split('='))
            .ToDictionary(o => o[0], o => o[1]);
        return new HealthCheck(
            ["CMD-SHELL", text[(at + 4)..]], DockerText.Duration(options.GetValueOrDefault("interval", "30s")),
            int.Parse(options.GetValueOrDefault("retries", "3"), CultureInfo.InvariantCulture),
                DockerText.Duration(options.GetValueOrDefault("start-period", "0s")));
    }

    private static string Expand(string text, SortedDictionary<string, string> scope) =>
        scope.Aggregate(text, (t, a) =>
            t.Replace($"${{{a.Key}}}", a.Value, StringComparison.Ordinal).Replace($"${a.Key}", a.Value, StringComparison.Ordinal));

    private static string Plain(string text) => text.Replace("$${", "${", StringComparison.Ordinal).Replace("%%{", "%{", StringComparison.Ordinal);

    private string Event(Vertex vertex, bool started, bool completed = false, bool cached = false, string? error = null)
    {
        var now = engine.Now;
        return JsonSerializer.Serialize(new
        {
            vertexes = new[]
            {
                new
                {
                    digest = vertex.Digest, name = vertex.Name, started = started ? now : (DateTimeOffset?)null,
                    completed = completed || error is not null ? now : (DateTimeOffset?)null, cached, error,
                },
            },
        }) + "\n";
    }

    /// <summary>Lets the one who reads the trace drive the build: each line is made when it is asked for.</summary>
    private sealed class TraceStream(IAsyncEnumerable<string> lines) : Stream
    {
        private readonly IAsyncEnumerator<string> _lines = lines.GetAsyncEnumerator();
        private ReadOnlyMemory<byte> _rest;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_rest.Length == 0)
            {
                if (!await _lines.MoveNextAsync()) { return 0; }
                _rest = Encoding.UTF8.GetBytes(_lines.Current);
            }
            var count = Math.Min(buffer.Length, _rest.Length);
            _rest[..count].CopyTo(buffer);
            _rest = _rest[count..];
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
