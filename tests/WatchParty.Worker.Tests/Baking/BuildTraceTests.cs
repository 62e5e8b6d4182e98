using System.Text;
using WatchParty.Releases.Baking;

namespace WatchParty.Worker.Tests.Baking;

public sealed class BuildTraceTests
{
    private const string Vertex = """{"vertexes":[{"digest":"sha256:1","name":"[2/3] RUN é","started":"2026-01-02T03:04:05.123456789Z"}]}""";

    [Fact]
    public async Task Values_over_several_lines_are_read()
    {
        var events = await Trace.ReadAsync(Trace.Bytes("single-cold"));
        Assert.DoesNotContain(events, e => e is TextEvent);
        var run = events.OfType<VertexEvent>().Last(v => v.Name == "[2/3] RUN echo only > /only");
        Assert.StartsWith("sha256:", Assert.Single(run.Inputs), StringComparison.Ordinal);
        Assert.True(run is { Cached: false, Error: null } && run.Completed > run.Started);
    }

    [Fact]
    public async Task Values_on_one_line_each_give_the_same()
    {
        foreach (var name in Trace.Names)
        {
            var pretty = Trace.Bytes(name);
            var lines = Encoding.UTF8.GetString(pretty).Split('\n');
            var compact = new StringBuilder();
            foreach (var line in lines) { compact.Append(line is ['{' or '}' or ' ', ..] && !line.Contains('|') ? line.TrimStart() : line + "\n").Append(line == "}" ? "\n" : ""); }
            Assert.Equal(Shown(await Trace.ReadAsync(pretty)), Shown(await Trace.ReadAsync(Encoding.UTF8.GetBytes(compact.ToString()))));
        }
    }

    [Fact]
    public async Task Text_between_and_after_is_given_line_by_line()
    {
        var events = await ReadAsync($"#1 hello\n{Vertex}\nWARNING: x\n  2 | >>> RUN é\r\n\n{Vertex}ERROR: failed {{\n{{ not json\n{Vertex}\nlast");
        Assert.Equal(["#1 hello", "V", "WARNING: x", "  2 | >>> RUN é", "V", "ERROR: failed {", "{ not json", "V", "last"], Shown(events).Select(s => s.StartsWith('V') ? "V" : s));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("   \n\t \n", "")]
    [InlineData("{}", "")]
    [InlineData("{", "{")]
    [InlineData("[1]", "[1]")]
    [InlineData("{\"vertexes\":5}", "{\"vertexes\":5}")]
    [InlineData("{\"vertexes\":[null,{},{\"digest\":null}],\"logs\":[{\"vertex\":\"x\"}]}", "")]
    [InlineData("{\"logs\":[{\"vertex\":\"x\",\"data\":\"!\"}]}", "{\"logs\":[{\"vertex\":\"x\",\"data\":\"!\"}]}")]
    [InlineData("{\"vertexes\":[{\"digest\":\"\\ud800\",\"name\":\"x\"}]}", "{\"vertexes\":[{\"digest\":\"\\ud800\",\"name\":\"x\"}]}")]
    [InlineData("{\"other\":{\"vertexes\":[{\"digest\":\"x\",\"name\":\"x\"}]}}", "")]
    public async Task What_is_not_of_a_trace_does_no_harm(string text, string shown) =>
        Assert.Equal(shown, string.Join('\n', Shown(await ReadAsync(text))));

    [Fact]
    public async Task An_event_is_given_as_soon_as_its_value_is_complete()
    {
        var events = new List<TraceEvent>();
        var pipe = new System.IO.Pipelines.Pipe();
        var came = new SemaphoreSlim(0);
        var reading = BuildTrace.ReadAsync(
            pipe.Reader.AsStream(), e =>
            {
                events.Add(e);
                came.Release();
            },
            CancellationToken.None);
        await pipe.Writer.WriteAsync(Encoding.UTF8.GetBytes(Vertex[..^1]));
        await pipe.Writer.WriteAsync("}"u8.ToArray());
        Assert.True(await came.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.False(reading.IsCompleted);
        await pipe.Writer.WriteAsync("a line\n"u8.ToArray());
        Assert.True(await came.WaitAsync(TimeSpan.FromSeconds(30)));
        await pipe.Writer.CompleteAsync();
        await reading;
        Assert.Equal(2, events.Count);
    }

    [Fact]
    public async Task A_value_over_the_limit_becomes_text_and_the_next_is_read()
    {
        var events = await Trace.ReadAsync(Encoding.UTF8.GetBytes($$"""{"logs":["{{new string('x', 3_000_000)}}"]}""" + "\n" + Vertex), 10_000, valueLimit: 1_000_000);
        Assert.Equal(64 * 1024, Assert.IsType<TextEvent>(events[0]).Line.Length);
        Assert.IsType<VertexEvent>(events[1]);
        Assert.Equal(2, events.Count);
    }

    [Fact]
    public async Task A_line_without_end_is_cut()
    {
        var events = await ReadAsync(new string('x', 5_000_000) + "\n" + Vertex);
        Assert.Equal(64 * 1024, Assert.IsType<TextEvent>(events[0]).Line.Length);
        Assert.Equal(2, events.Count);
    }

    [Fact]
    public async Task A_fault_of_the_receiver_is_not_swallowed()
    {
        await using var stream = new MemoryStream(Encoding.UTF8.GetBytes(Vertex));
        await Assert.ThrowsAsync<InvalidOperationException>(() => BuildTrace.ReadAsync(stream, _ => throw new InvalidOperationException(), CancellationToken.None));
    }

    [Fact]
    public async Task Where_the_reads_are_cut_changes_nothing()
    {
        var bytes = Trace.Bytes("missing-base");
        var expected = Shown(await Trace.ReadAsync(bytes));
        foreach (var chunk in new[] { 1, 2, 3, 7, 64, 1000 }) { Assert.Equal(expected, Shown(await Trace.ReadAsync(bytes, chunk))); }

        byte[] small = Encoding.UTF8.GetBytes($"é {{\n{Vertex}\n{{\"x\n {Vertex} end é");
        expected = Shown(await Trace.ReadAsync(small));
        for (var cut = 0; cut < small.Length; cut++) { Assert.Equal(expected, Shown(await Trace.ReadAsync(small, Math.Max(1, cut)))); }
    }

    [Fact]
    public async Task Twenty_thousand_broken_traces_are_read_to_the_end()
    {
        byte[][] sources = [.. Trace.Names.Select(Trace.Bytes).Select(b => b[..Math.Min(b.Length, 6000)])];
        byte[][] garbage = ["{"u8.ToArray(), "}"u8.ToArray(), "\""u8.ToArray(), "\n"u8.ToArray(), [0xff, 0xfe], [0], "ERROR: x\n"u8.ToArray(), "{\"a\":["u8.ToArray(), "\\ud800"u8.ToArray(), [0xc3]];
        var random = new Random(42);
        for (var round = 0; round < 20_000; round++)
        {
            var bytes = sources[random.Next(sources.Length)].ToList();
            bytes = bytes.GetRange(random.Next(bytes.Count / 2), random.Next(bytes.Count / 2));
            for (var change = random.Next(1, 6); change > 0; change--)
            {
                var at = random.Next(bytes.Count + 1);
                switch (random.Next(4))
                {
                    case 0: bytes.InsertRange(at, garbage[random.Next(garbage.Length)]); break;
                    case 1: bytes.RemoveRange(at, Math.Min(random.Next(50), bytes.Count - at)); break;
                    case 2 when at < bytes.Count: bytes[at] = (byte)random.Next(256); break;
                    default: bytes.InsertRange(at, bytes.GetRange(0, Math.Min(200, bytes.Count))); break;
                }
            }
            var report = new StepReport(["backend", "celery"]);
            foreach (var traceEvent in await Trace.ReadAsync([.. bytes], random.Next(1, 3000))) { report.Add(traceEvent); }
            Assert.All(report.StepsOf("backend"), s => Assert.NotEmpty(s.ToString()));
            Assert.True(report.BaseDigests.Count + report.CacheImportErrors.Count + (report.FirstFailure?.Number ?? 0) >= 0);
        }
    }

    private static Task<List<TraceEvent>> ReadAsync(string text) => Trace.ReadAsync(Encoding.UTF8.GetBytes(text));

    private static List<string> Shown(IEnumerable<TraceEvent> events) => [.. events.Select(e => e switch
    {
        TextEvent text => text.Line,
        VertexEvent v => $"V {v.Digest} {v.Name} {v.Started:O} {v.Completed:O} {v.Cached} {v.Error} {string.Join(',', v.Inputs)}",
        LogEvent l => $"L {l.VertexDigest} {l.Stream} {Convert.ToHexString(l.Data)}",
        _ => e.ToString(),
    })];
}
