using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Serilog;
using Serilog.Core;
using Serilog.Debugging;
using Serilog.Events;
using Serilog.Settings.Configuration;
using WatchParty.Tools.Files;

namespace WatchParty.Worker.Hosting;

/// <summary>The log: always standard error, and for the service a file a day as well.</summary>
internal static class ServiceLogging
{
    private const long FileSizeLimit = 32 * 1024 * 1024;
    private const int FilesKept = 14;
    // Named, because a program published as one file has no assemblies to search.
    private static readonly ConfigurationReaderOptions Reading = new(typeof(FileLoggerConfigurationExtensions).Assembly,
        typeof(ConsoleLoggerConfigurationExtensions).Assembly);
    private static int _fileReported;

    /// <summary>Builds the log as section <c>Serilog</c> of <paramref name="configuration"/> says (minimum levels, further
    /// sinks).</summary>
    /// <param name="logFolder">Where <c>worker-yyyyMMdd.log</c> is written: 14 files kept, of 32 MiB at most; null for none, as in a verb
    /// beside a running service. Not used when the configuration names a file sink of its own (<c>Serilog:WriteTo</c>).
    /// A file that cannot be opened is reported on standard error, once, and the log goes on there.</param>
    public static Logger Create(IConfiguration configuration, string? logFolder)
    {
        ReportFileTrouble();
        var log = new LoggerConfiguration()
            .MinimumLevel.Information()
            .MinimumLevel.Override("Microsoft", LogEventLevel.Warning)
            .MinimumLevel.Override("Quartz", LogEventLevel.Warning)
            .ReadFrom.Configuration(Only(configuration, sinks: false), Reading)
            .Enrich.FromLogContext()
            .WriteTo.Sink(
                new MaskedSinks(
                    new LoggerConfiguration().MinimumLevel.Verbose().ReadFrom.Configuration(Only(configuration, sinks: true), Reading)
                        .CreateLogger()))
            .WriteTo.Console(GoesToJournal() ? new JournalFormatter() : PlainFormatter.ForConsole,
                standardErrorFromLevel: LogEventLevel.Verbose);
        var hasOwnFile = configuration.GetSection("Serilog:WriteTo").GetChildren()
            .Any(sink => sink.Value == "File" || sink["Name"] == "File");
        if (logFolder is not null && !hasOwnFile)
        {
            log.WriteTo.File(
                PlainFormatter.ForFile,
                Path.Combine(logFolder, "worker-.log"),
                rollingInterval: RollingInterval.Day,
                rollOnFileSizeLimit: true,
                fileSizeLimitBytes: FileSizeLimit,
                retainedFileCountLimit: FilesKept);
        }
        return log.CreateLogger();
    }

    /// <summary>Makes <paramref name="log"/> the only one of the host, which closes it at the end.</summary>
    public static ILoggingBuilder UseServiceLogging(this ILoggingBuilder builder, Logger log) =>
        // The levels are Serilog's to decide, not the framework's filter's.
        builder.ClearProviders().SetMinimumLevel(LogLevel.Trace).AddSerilog(log, dispose: true);

    /// <summary>Whether standard error is the journal's: a program started from a service inherits the variable, but not always the
    /// stream.</summary>
    internal static bool GoesToJournal()
    {
        if (Environment.GetEnvironmentVariable("JOURNAL_STREAM") is not { Length: > 0 } stream || !OperatingSystem.IsLinux())
        {
            return false;
        }
        using var error = new Microsoft.Win32.SafeHandles.SafeFileHandle(2, ownsHandle: false);
        return IsStream(stream, UnixFile.Look(error));
    }

    internal static bool IsStream(string journalStream, FileStamp file) => journalStream == $"{file.Device}:{file.Inode}";

    private static IConfiguration Only(IConfiguration configuration, bool sinks)
    {
        static bool Is(string key, string section) => key.StartsWith($"Serilog:{section}", StringComparison.OrdinalIgnoreCase);
        return new ConfigurationBuilder().AddInMemoryCollection(configuration.AsEnumerable()
            .Where(p => Is(p.Key, "Using") || (Is(p.Key, "WriteTo") || Is(p.Key, "AuditTo")) == sinks)).Build();
    }

    private static void ReportFileTrouble() => SelfLog.Enable(message =>
    {
        if (Interlocked.Exchange(ref _fileReported, 1) != 0) { return; }
        var reported = new LogEvent(
            TimeProvider.System.GetLocalNow(),
            LogEventLevel.Warning,
            null,
            new Serilog.Parsing.MessageTemplateParser().Parse("The log cannot be written everywhere and goes on here: {Reason}"),
            [new LogEventProperty("Reason", new ScalarValue(message))]);
        (GoesToJournal() ? (Serilog.Formatting.ITextFormatter)new JournalFormatter()
            : PlainFormatter.ForConsole).Format(reported, Console.Error);
    });
}
