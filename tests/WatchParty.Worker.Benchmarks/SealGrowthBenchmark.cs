using System.Globalization;
using WatchParty.Worker.EngineTests.Caching;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.Benchmarks;

/// <summary>What sealed caches take after many commits, and what they are worth then.</summary>
internal static class SealGrowthBenchmark
{
    public static async Task<int> RunAsync(int commits)
    {
        await using var app = await Application.OfAsync(SmallApplication.WebAndSide);
        using var cache = new CacheView(app);
        await CacheView.WipeBuilderAsync();
        (await app.OnceAsync()).Succeeded();
        Console.WriteLine($"{await Engine.DescribeAsync()}; a small application, {Figure.Count(commits, "commit")} that change a file of 100 kB");
        Console.WriteLine();
        var table = new MarkdownTable("after commits", "seals, kB", "images without a name");
        int[] looks = [1, commits / 20, commits / 2, commits];
        for (var number = 1; number <= commits; number++)
        {
            await CommitAsync(app);
            if (looks.Contains(number)) { table.Add(number.ToString(CultureInfo.InvariantCulture), (await KilobytesAsync(app, cache)).ToString("0", CultureInfo.InvariantCulture), await Command.ShellAsync("docker image ls -q --filter dangling=true | wc -l")); }
        }
        table.Write();
        var warm = await CommitAsync(app);
        await CacheView.WipeBuilderAsync();
        var restored = await CommitAsync(app);
        Console.WriteLine($"A commit then: {string.Join(", ", warm.Counts)}. After `docker builder prune -af`: {string.Join(", ", restored.Counts)}.");
        return warm.Counts.SequenceEqual(restored.Counts) ? 0 : 1;
    }

    private static async Task<Run> CommitAsync(Application app)
    {
        await app.PushAsync("web/large.bin", Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(50_000)));
        return (await app.OnceAsync()).Succeeded();
    }

    /// <summary>The folders of the seals, or the sizes of the cache images, with the layers that they share with others.</summary>
    private static async Task<double> KilobytesAsync(Application app, CacheView cache)
    {
        if (!await cache.OnGraphDriverAsync())
        {
            return new DirectoryInfo(Path.Combine(app.State, "cache")).EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length) / 1e3;
        }
        return double.Parse(await Command.ShellAsync($"docker image ls -q 'watchparty-cache:{app.Project}.*' | sort -u | xargs docker image inspect -f '{{{{.Size}}}}' | awk '{{s += $1}} END {{print s / 1000}}'"), CultureInfo.InvariantCulture);
    }
}
