using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace WatchParty.Worker.Tests.Fuzz;

/// <summary>Runs 100,000 inputs, each made from its own seed. An input must raise nothing but what is documented, and take no more than a second of the processor.</summary>
/// <remarks>A failure names its seed; <c>FUZZ_SEED=1234</c> runs that input alone, <c>FUZZ_INPUTS=5000000</c> runs more of them.</remarks>
internal static partial class Fuzz
{
    private const int Inputs = 100_000;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1), Hang = TimeSpan.FromSeconds(60);

    /// <param name="input">Makes an input of the mutator and gives it to the code under test.</param>
    public static async Task RunAsync(Action<Mutator> input)
    {
        var (first, count) = Environment.GetEnvironmentVariable("FUZZ_SEED") is { Length: > 0 } seed ? (Parse(seed), 1)
            : (0, Environment.GetEnvironmentVariable("FUZZ_INPUTS") is { Length: > 0 } inputs ? Parse(inputs) : Inputs);
        var current = first;
        var ended = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        // On a thread of its own, because an input that hangs could not be stopped.
        new Thread(() =>
        {
            try
            {
                for (; current < first + count; current++)
                {
                    // Twice, because the first may have paid for what is done only once.
                    if (IsSlow(input, current) && IsSlow(input, current))
                    {
                        ended.SetResult($"took more than {Limit.TotalSeconds} s of the processor");
                        return;
                    }
                }
                ended.SetResult(null);
            }
            catch (Exception e)
            {
                ended.SetResult($"failed: {e}");
            }
        })
        { IsBackground = true }.Start();
        for (var seen = -1; await Task.WhenAny(ended.Task, Task.Delay(Hang, TimeProvider.System)) != ended.Task; seen = Volatile.Read(ref current))
        {
            Assert.False(Volatile.Read(ref current) == seen, $"Seed {seen} hangs. Alone: FUZZ_SEED={seen}");
        }
        var fault = await ended.Task;
        Assert.True(fault is null, $"Seed {current}: {fault}\nAlone: FUZZ_SEED={current}");
    }

    private static bool IsSlow(Action<Mutator> input, int seed)
    {
        var started = ProcessorTime();
        input(new Mutator(seed));
        return ProcessorTime() - started > Limit;
    }

    /// <summary>That of this thread: how long others kept the processor says nothing about the input.</summary>
    private static TimeSpan ProcessorTime()
    {
        const int clockThreadCpuTimeId = 3;
        Assert.Equal(0, GetTime(clockThreadCpuTimeId, out var time));
        return TimeSpan.FromSeconds(time.Seconds) + TimeSpan.FromMicroseconds(time.Nanoseconds / 1000);
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out Time time);

    private struct Time
    {
        public long Seconds;
        public long Nanoseconds;
    }

    private static int Parse(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}

/// <summary>Makes inputs by damaging real ones.</summary>
internal sealed class Mutator(int seed)
{
    private static readonly string[] Nasty =
    [
        "", "\0", "\n", "\r\n", "\t", " ", "..", "../../etc/passwd", "/", "//", "-x", "--upload-pack=touch", "$(id)", "`id`", "${x", "$", "$$", "\\", "\"", "'", "{", "}", "[", "]", "[[[[[[[[", ",", ":", "=", "#", "!", "*", "**", "?", "@", "%", "&",
        "\u202e", "\u2028", "\u001b[2J", "\ufeff", "\ud83d\ude00", "null", "true", "0", "-1", "1e999", "99999999999999999999", "2147483648", "NaN", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "sha256:", "refs/heads/", "service:", "type=local,", "FROM ", "ONBUILD ", "<<EOF", "AS ", "--from=", "https://u:p@",
    ];

    private readonly Random _random = new(seed);

    public int Next(int limit) => _random.Next(limit);

    public T Pick<T>(params IReadOnlyList<T> of) => of[_random.Next(of.Count)];

    /// <summary>A text near to one of <paramref name="samples"/>.</summary>
    public string Text(params IReadOnlyList<string> samples)
    {
        var text = new StringBuilder(Pick(samples));
        for (var changes = _random.Next(6); changes > 0; changes--)
        {
            var at = _random.Next(text.Length + 1);
            var length = Math.Min(_random.Next(_random.Next(10) == 0 ? 400 : 12), text.Length - at);
            switch (_random.Next(8))
            {
                case 0: text.Remove(at, length); break;
                case 1: text.Insert(at, text.ToString(at, length)); break;
                case 2: text.Insert(at, Pick(Nasty)); break;
                case 3 when at < text.Length: text[at] = (char)_random.Next(_random.Next(4) == 0 ? 0x10000 : 0x80); break;
                case 4: text.Length = at; break;
                case 5: text.Remove(at, length).Insert(at, Pick(Nasty)); break;
                case 6 when at < text.Length: text.Insert(at, new string(text[at], _random.Next(_random.Next(50) == 0 ? 5000 : 20))); break;
                default:
                    var other = Pick(samples);
                    text.Append(other.AsSpan(0, Math.Min(40, other.Length / 2)));
                    break;
            }
        }
        // All text comes from bytes, so half a character never stands alone.
        return Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text.ToString()));
    }

    /// <summary>Bytes near to a sample, among them what is no UTF-8.</summary>
    public byte[] Bytes(params IReadOnlyList<string> samples)
    {
        var bytes = Encoding.UTF8.GetBytes(Text(samples));
        for (var changes = _random.Next(4); changes > 0 && bytes.Length > 0; changes--) { bytes[_random.Next(bytes.Length)] = (byte)_random.Next(256); }
        return bytes;
    }

    /// <summary>Damaged as a text, or as what it is: other values in the places of some.</summary>
    public string Json(params IReadOnlyList<string> samples)
    {
        if (_random.Next(3) == 0) { return Text(samples); }
        var text = Pick(samples);
        for (var changes = 1 + _random.Next(3); changes > 0; changes--)
        {
            // A value begins behind a colon; whatever stands there up to the next comma gives way, which mostly leaves a document of another shape.
            var colon = text.IndexOf(':', _random.Next(text.Length));
            if (colon < 0) { continue; }
            var rest = text.AsSpan(colon + 1);
            var (end, depth, quoted) = (0, 0, false);
            for (; end < rest.Length; end++)
            {
                var c = rest[end];
                if (quoted)
                {
                    if (c == '\\') { end++; } else if (c == '"') { quoted = false; }
                    continue;
                }
                if (c == '"') { quoted = true; }
                else if (c is '{' or '[') { depth++; }
                else if (c is '}' or ']' && depth-- == 0) { break; }
                else if (c == ',' && depth == 0) { break; }
            }
            text = string.Concat(text.AsSpan(0, colon + 1), Pick("null", "true", "0", "-7", "1e400", "99999999999999999999", "\"\"", "\"x\"", "\"\\u0000\"", "\"\\ud800\"", "[]", "[null]", "[1,\"a\",{}]", "{}", "{\"a\":null}", "{\"a\":[]}", "\"" + new string('y', 3000) + "\""), rest[Math.Min(end, rest.Length)..]);
        }
        return text;
    }
}
