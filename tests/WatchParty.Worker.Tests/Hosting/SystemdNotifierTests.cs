using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Worker.Hosting;

namespace WatchParty.Worker.Tests.Hosting;

public sealed class SystemdNotifierTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_message_arrives_as_sd_notify_has_it(bool isAbstract)
    {
        using var socket = new NotifySocket(isAbstract);
        var notifier = new SystemdNotifier(socket.Address, NullLogger<SystemdNotifier>.Instance);
        Assert.True(notifier.Active);
        notifier.Ready();
        Assert.Equal("READY=1", await socket.ReceiveAsync());
        notifier.Status("building backend – 3 of 13");
        Assert.Equal("STATUS=building backend – 3 of 13", await socket.ReceiveAsync());
        notifier.Watchdog();
        Assert.Equal("WATCHDOG=1", await socket.ReceiveAsync());
        notifier.ExtendTimeout(TimeSpan.FromSeconds(90));
        Assert.Equal("EXTEND_TIMEOUT_USEC=90000000", await socket.ReceiveAsync());
        notifier.Stopping();
        Assert.Equal("STOPPING=1", await socket.ReceiveAsync());
    }

    [Fact]
    public async Task Text_of_a_status_cannot_make_another_assignment()
    {
        using var socket = new NotifySocket();
        new SystemdNotifier(socket.Address, NullLogger<SystemdNotifier>.Instance).Status("commit\nWATCHDOG=trigger\r\n" + new string('x', 9000));
        var message = await socket.ReceiveAsync();
        Assert.DoesNotContain('\n', message);
        Assert.StartsWith("STATUS=commit WATCHDOG=trigger", message, StringComparison.Ordinal);
        Assert.InRange(message.Length, 100, 600);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public void Without_a_service_manager_nothing_happens(string? address)
    {
        var log = new CountingLogger();
        var notifier = new SystemdNotifier(address, log);
        notifier.Ready();
        Assert.False(notifier.Active);
        Assert.Equal(0, log.Count);
    }

    [Theory]
    [InlineData("/nonexistent/notify")]
    [InlineData("vsock:2:1234")]
    [InlineData("@")]
    public void A_socket_that_cannot_be_reached_is_logged_once_and_never_thrown(string address)
    {
        var log = new CountingLogger();
        var notifier = new SystemdNotifier(address, log);
        for (var i = 0; i < 3; i++) { notifier.Watchdog(); }
        Assert.Equal(1, log.Count);
    }

    [Fact]
    public void A_path_too_long_for_a_socket_is_logged_once_and_never_thrown()
    {
        var log = new CountingLogger();
        new SystemdNotifier("/" + new string('x', 300), log).Ready();
        Assert.Equal(1, log.Count);
    }

    [Fact]
    public void A_manager_that_reads_nothing_does_not_block()
    {
        using var socket = new NotifySocket();
        var notifier = new SystemdNotifier(socket.Address, NullLogger<SystemdNotifier>.Instance);
        for (var i = 0; i < 5000; i++) { notifier.Watchdog(); }
        Assert.NotEmpty(socket.Drain());
    }

    private sealed class CountingLogger : ILogger<SystemdNotifier>
    {
        public int Count { get; private set; }

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            Assert.Equal(LogLevel.Debug, logLevel);
            Count++;
        }
    }
}
