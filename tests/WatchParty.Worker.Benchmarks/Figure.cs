using System.Globalization;

namespace WatchParty.Worker.Benchmarks;

/// <summary>Figures as they are printed.</summary>
internal static class Figure
{
    public static string Of(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);

    public static string Count(int number, string word) => string.Create(CultureInfo.InvariantCulture, $"{number} {word}{(number == 1 ? "" : "s")}");

    /// <summary>Seconds that <paramref name="work"/> takes.</summary>
    public static async Task<double> SecondsOfAsync(Func<Task> work)
    {
        var started = TimeProvider.System.GetTimestamp();
        await work();
        return TimeProvider.System.GetElapsedTime(started).TotalSeconds;
    }

    public static double Median(IEnumerable<double> values) => Quantile(values, 0.5);

    /// <returns>NaN when there is no value.</returns>
    public static double Quantile(IEnumerable<double> values, double share)
    {
        var sorted = values.Order().ToList();
        if (sorted.Count == 0) { return double.NaN; }
        var place = share * (sorted.Count - 1);
        var below = (int)place;
        return sorted[below] + ((place - below) * (sorted[Math.Min(below + 1, sorted.Count - 1)] - sorted[below]));
    }
}
