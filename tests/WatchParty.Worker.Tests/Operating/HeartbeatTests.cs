using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Operating;
using WatchParty.Worker.Tests.Hosting;

namespace WatchParty.Worker.Tests.Operating;

public sealed class HeartbeatTests
{
    private readonly StandingClock _clock = new();

    [Fact]
    public void A_service_without_loops_is_alive() => Assert.True(new Heartbeat(_clock).Alive(out _));

    [Fact]
    public void A_loop_is_alive_until_its_time_is_over_and_again_when_it_reports()
    {
        var heartbeat = new Heartbeat(_clock);
        heartbeat.Expect("poll", TimeSpan.FromSeconds(30));
        _clock.Move(TimeSpan.FromSeconds(30));
        Assert.True(heartbeat.Alive(out var silent));
        Assert.Null(silent);
        _clock.Move(TimeSpan.FromTicks(1));
        Assert.False(heartbeat.Alive(out silent));
        Assert.Equal("poll", silent);
        heartbeat.Expect("poll", TimeSpan.FromSeconds(30));
        Assert.True(heartbeat.Alive(out _));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    public void A_clock_that_is_put_forward_or_back_changes_nothing(int days)
    {
        var clock = new JumpingClock();
        var heartbeat = new Heartbeat(clock);
        heartbeat.Expect("poll", TimeSpan.FromMinutes(30));
        clock.Offset = TimeSpan.FromDays(days);
        Assert.True(heartbeat.Alive(out _));
    }

    [Fact]
    public void One_silent_loop_is_enough_and_the_longest_overdue_is_named()
    {
        var heartbeat = new Heartbeat(_clock);
        heartbeat.Expect("long", TimeSpan.FromHours(1));
        heartbeat.Expect("late", TimeSpan.FromSeconds(20));
        heartbeat.Expect("later", TimeSpan.FromSeconds(10));
        heartbeat.Expect("unwatched", Timeout.InfiniteTimeSpan);
        _clock.Move(TimeSpan.FromSeconds(60));
        Assert.False(heartbeat.Alive(out var silent));
        Assert.Equal("later", silent);
        heartbeat.Done("later");
        Assert.False(heartbeat.Alive(out silent));
        Assert.Equal("late", silent);
        heartbeat.Done("late");
        Assert.True(heartbeat.Alive(out _));
    }

    [Theory]
    [InlineData("60000000", null, 60.0)]
    [InlineData("60000000", "", 60.0)]
    [InlineData("60000000", "1", null)]
    [InlineData("60000000", "own", 60.0)]
    [InlineData(null, null, null)]
    [InlineData("0", null, null)]
    [InlineData("-5", null, null)]
    [InlineData("99999999999999999999", null, null)]
    [InlineData("9223372036854775807", null, null)]
    [InlineData("x", null, null)]
    public void The_limit_is_read_as_systemd_writes_it(string? microseconds, string? pid, double? seconds)
    {
        var limit = WatchdogService.LimitFrom(microseconds, pid == "own" ? $"{Environment.ProcessId}" : pid);
        Assert.Equal(seconds, limit?.TotalSeconds);
    }

    [Fact]
    public async Task The_watchdog_hears_nothing_while_a_loop_is_silent()
    {
        using var socket = new NotifySocket();
        var heartbeat = new Heartbeat(_clock);
        heartbeat.Expect("poll", TimeSpan.FromSeconds(30));
        var log = new Lines();
        using var service = new WatchdogService(
            TimeSpan.FromMilliseconds(100), new SystemdNotifier(socket.Address, NullLogger<SystemdNotifier>.Instance), heartbeat, TimeProvider.System, log);
        await service.StartAsync(default);
        for (var i = 0; i < 3; i++) { Assert.Equal("WATCHDOG=1", await socket.ReceiveAsync()); }

        _clock.Move(TimeSpan.FromMinutes(1));
        string message;
        while ((message = await socket.ReceiveAsync()) == "WATCHDOG=1") { }
        Assert.Equal("STATUS=The loop 'poll' does not answer; waiting to be restarted", message);
        await Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System);
        Assert.Empty(socket.Drain());
        Assert.Single(log.All);

        heartbeat.Expect("poll", TimeSpan.FromSeconds(30));
        Assert.Equal("WATCHDOG=1", await socket.ReceiveAsync());
        await service.StopAsync(default);
    }

    [Fact]
    public async Task Without_a_watchdog_nothing_is_sent()
    {
        using var socket = new NotifySocket();
        using var service = new WatchdogService(
            null, new SystemdNotifier(socket.Address, NullLogger<SystemdNotifier>.Instance), new Heartbeat(_clock), TimeProvider.System, NullLogger<WatchdogService>.Instance);
        await service.StartAsync(default);
        await service.ExecuteTask!;
        Assert.Empty(socket.Drain());
    }

    /// <summary>Time goes on as ever, and only what the clock shows is put elsewhere.</summary>
    private sealed class JumpingClock : TimeProvider
    {
        public TimeSpan Offset { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Offset;
    }

    private sealed class Lines : ILogger<WatchdogService>
    {
        public ConcurrentQueue<string> All { get; } = new();

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            All.Enqueue(formatter(state, exception));
    }
}
