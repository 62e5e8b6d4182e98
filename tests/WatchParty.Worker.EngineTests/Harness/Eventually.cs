namespace WatchParty.Worker.EngineTests.Harness;

/// <summary>Waits for what another program does.</summary>
internal static class Eventually
{
    /// <summary>Generous, because a busy machine shall not fail a test; what is expected to be quick is measured apart.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    /// <param name="state">Told when it never comes true.</param>
    public static async Task HoldsAsync(Func<Task<bool>> condition, string what, Func<string>? state = null)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < Limit, $"{what} did not come true. {state?.Invoke()}");
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        }
    }

    public static Task HoldsAsync(Func<bool> condition, string what, Func<string>? state = null) => HoldsAsync(() => Task.FromResult(condition()), what, state);
}
