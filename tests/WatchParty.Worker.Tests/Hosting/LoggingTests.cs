using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using Serilog.Formatting;
using WatchParty.Tools.Files;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Tests.Triggering;

namespace WatchParty.Worker.Tests.Hosting;

/// <summary>Alone, because standard error is the process's.</summary>
[Collection(Alone.Name)]
public sealed class LoggingTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("log-").FullName;
    private readonly StringWriter _error = new();
    private readonly TextWriter _before = Console.Error;

    public LoggingTests() => Console.SetError(_error);

    public void Dispose()
    {
        Console.SetError(_before);
        Directory.Delete(_root, recursive: true);
    }

    private static string Format(ITextFormatter formatter, Action<Serilog.ILogger> write)
    {
        using var output = new StringWriter();
        using (var log = new LoggerConfiguration().MinimumLevel.Verbose().WriteTo.Sink(new Sink(e => formatter.Format(e, output))).CreateLogger()) { write(log); }
        return output.ToString();
    }

    [Fact]
    public void The_journal_gets_each_event_with_its_priority()
    {
        var text = Format(new JournalFormatter(), log =>
        {
            log.Verbose("a");
            log.Debug("b");
            log.Information("Built {Service} in {Seconds} s", "backend", 7.9);
            log.Warning("d");
            log.Error("e");
            log.Fatal("f");
        });
        Assert.Equal("<7>a\n<7>b\n<6>Built backend in 7.9 s\n<4>d\n<3>e\n<2>f\n", text);
    }

    [Fact]
    public void Each_line_of_a_message_and_of_its_exception_has_the_priority()
    {
        var text = Format(new JournalFormatter(), log => log.Error(new InvalidOperationException("one\ntwo"), "Failed:\r\nfirst"));
        Assert.Equal("<3>Failed:\n<3>  first\n<3>  System.InvalidOperationException: one\n<3>  two\n", text);
    }

    [Theory]
    [InlineData("fix\n<2>forged", "<6>Commit fix\n<6>  <2>forged\n")]
    [InlineData("fix\n[00:00:00 FTL] forged", "<6>Commit fix\n<6>  [00:00:00 FTL] forged\n")]
    [InlineData("a\rb\u001b[2Jc\0d", "<6>Commit a\\u000db\\u001b[2Jc\\u0000d\n")]
    [InlineData("a\u2028b\u202ec\u0085d", "<6>Commit a\\u2028b\\u202ec\\u0085d\n")]
    [InlineData("grün \t ok", "<6>Commit grün \t ok\n")]
    [InlineData("https://user:token@host/x", "<6>Commit https://***@host/x\n")]
    public void Text_from_outside_cannot_forge_an_event_or_move_the_cursor(string subject, string expected) =>
        Assert.Equal(expected, Format(new JournalFormatter(), log => log.Information("Commit {Subject}", subject)));

    [Fact]
    public void Very_long_text_is_cut()
    {
        var text = Format(new JournalFormatter(), log => log.Information("{Text}", new string('x', 100_000) + new string('\n', 5000) + "end"));
        Assert.InRange(text.Length, 16_000, 20_000);
        Assert.EndsWith("more lines\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_console_gets_time_level_and_message() =>
        Assert.Matches(@"^\[\d\d:\d\d:\d\d WRN\] first\n  second\n$", Format(PlainFormatter.ForConsole, log => log.Warning("first\nsecond")));

    [Fact]
    public void The_service_logs_to_standard_error_and_a_file_a_day()
    {
        using (var log = ServiceLogging.Create(new ConfigurationBuilder().Build(), _root))
        {
            log.Debug("not at this level");
            log.ForContext(Constants.SourceContextPropertyName, "Microsoft.Hosting").Information("not from the framework");
            log.Information("Watching {Path}", "/srv/watch-party");
        }
        Assert.Matches(@"^\[\d\d:\d\d:\d\d INF\] Watching /srv/watch-party\n$", _error.ToString());
        var file = Assert.Single(Directory.GetFiles(_root));
        Assert.Matches(@"worker-\d{8}\.log$", file);
        Assert.Matches(@"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d\d:\d\d INF\] Watching /srv/watch-party\n$", File.ReadAllText(file));
    }

    [Fact]
    public void The_configuration_sets_levels_and_can_name_a_file_of_its_own()
    {
        var own = Path.Combine(_root, "own", "w.log");
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Serilog:MinimumLevel:Default"] = "Debug",
            ["Serilog:MinimumLevel:Override:Quartz"] = "Error",
            ["Serilog:WriteTo:0:Name"] = "File",
            ["Serilog:WriteTo:0:Args:path"] = own,
        }).Build();
        using (var log = ServiceLogging.Create(configuration, _root))
        {
            log.Debug("seen");
            log.ForContext(Constants.SourceContextPropertyName, "Quartz.Core").Warning("unseen");
        }
        Assert.Contains("seen", File.ReadAllText(own), StringComparison.Ordinal);
        Assert.DoesNotContain("unseen", _error.ToString(), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_root));
    }

    [Fact]
    public void A_sink_of_the_configuration_gets_nothing_that_could_not_be_printed()
    {
        var own = Path.Combine(_root, "own.log");
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Serilog:WriteTo:0:Name"] = "File",
            ["Serilog:WriteTo:0:Args:path"] = own,
        }).Build();
        using (var log = ServiceLogging.Create(configuration, null))
        {
            log.Error(new InvalidOperationException("https://u:p4ssw@h"), "Commit {Subject} of {Author} with {Count} files {Paths}", "fix\n2026-01-01 [FTL] forged\u001b[2J", "a\u202eb", 3, new List<string> { "https://u:p4ssw@h/x" });
        }
        var text = File.ReadAllText(own);
        Assert.Contains("Commit fix 2026-01-01 [FTL] forged\\u001b[2J of a\\u202eb with 3 files", text, StringComparison.Ordinal);
        Assert.Contains("https://***@h/x", text, StringComparison.Ordinal);
        Assert.Contains("InvalidOperationException: https://***@h", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_cannot_be_opened_is_reported_once_and_the_log_goes_on()
    {
        var file = Path.Combine(_root, "file");
        File.WriteAllText(file, "");
        using (var log = ServiceLogging.Create(new ConfigurationBuilder().Build(), Path.Combine(file, "logs")))
        {
            log.Information("first");
            log.Information("second");
        }
        var lines = _error.ToString().Split('\n').Where(l => l.StartsWith('[')).ToList();
        Assert.Equal(1, lines.Count(l => l.Contains("The log cannot be written everywhere", StringComparison.Ordinal)));
        Assert.Contains(lines, l => l.EndsWith("INF] second", StringComparison.Ordinal));
    }

    [Fact]
    public void The_framework_passes_every_level_on_to_the_log()
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["Serilog:MinimumLevel:Default"] = "Debug" }).Build();
        using (var factory = LoggerFactory.Create(b => b.UseServiceLogging(ServiceLogging.Create(configuration, null))))
        {
            factory.CreateLogger("WatchParty").Ran("git fetch");
        }
        Assert.EndsWith("DBG] Ran git fetch\n", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_journal_is_recognised_by_the_stream_and_not_by_the_variable_alone()
    {
        var path = Path.Combine(_root, "stream");
        File.WriteAllText(path, "");
        var number = Worker.Tests.Triggering.DropFileBench.Run("stat", "-c", "%d:%i", path).Trim();
        Assert.True(ServiceLogging.IsStream(number, FileStamp.Of(path)!.Value));
        Assert.False(ServiceLogging.IsStream("8:12345", FileStamp.Of(path)!.Value));
    }

    private sealed class Sink(Action<LogEvent> emit) : ILogEventSink
    {
        public void Emit(LogEvent logEvent) => emit(logEvent);
    }
}

internal static partial class LoggingTestsLog
{
    [LoggerMessage(Level = LogLevel.Debug, Message = "Ran {Command}")]
    public static partial void Ran(this Microsoft.Extensions.Logging.ILogger logger, string command);
}
