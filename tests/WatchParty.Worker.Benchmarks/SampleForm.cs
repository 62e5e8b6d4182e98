using System.Globalization;
using System.Text.RegularExpressions;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.Benchmarks;

/// <summary>The sample application in a form that is measured, with the commit that is measured on it.</summary>
/// <param name="Advised">Whether the commit is declared where <c>doctor</c> advises: below the slow steps.</param>
/// <param name="Stretch">How many times as long the steps sleep that stand for installing packages: the real application's take 10 to 60 s.</param>
/// <param name="Services">Services that the commit changes.</param>
internal sealed partial record SampleForm(string Name, bool Advised, int Stretch, IReadOnlyList<string> Services)
{
    public static SampleForm AsItIs { get; } = new("the sample as it is, a commit that changes both services", false, 1, ["backend", "frontend"]);

    public static SampleForm AsAdvised { get; } = new(
        "the sample with the commit declared where `doctor` advises and slow steps of 10 and 15 s, a commit that changes the backend", true, 5, ["backend"]);

    public static SampleForm Large { get; } = new(
        "the sample with steps of 10 to 20 s and 150 MB in each stage that is slow, a commit that changes both services", false, 5, ["backend", "frontend"])
    { Megabytes = 150 };

    /// <summary>What each slow step leaves in its stage, as data that nothing can compress.</summary>
    public int Megabytes { get; init; }

    /// <summary>Brings a new sample application to this form.</summary>
    public async Task ApplyAsync(Application app)
    {
        foreach (var name in new[] { "backend/Dockerfile", "frontend/Dockerfile" })
        {
            var text = await File.ReadAllTextAsync(Path.Combine(app.Clone, name));
            text = Sleep().Replace(text, m => string.Create(CultureInfo.InvariantCulture, $"sleep {int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture) * Stretch}{(Megabytes == 0 ? "" : $" && head -c {Megabytes}000000 /dev/urandom > /large")}"));
            if (Advised && name.StartsWith("backend", StringComparison.Ordinal))
            {
                const string Declared = "ARG GIT_COMMIT_HASH=unknown\n";
                const string User = "RUN echo \"$GIT_COMMIT_HASH\"";
                Assert.True(text.Contains(Declared, StringComparison.Ordinal) && text.Contains(User, StringComparison.Ordinal), text);
                text = text.Replace(Declared, "", StringComparison.Ordinal).Replace(User, Declared + User, StringComparison.Ordinal);
            }
            await app.PushAsync(name, text);
        }
    }

    /// <summary>Commits another content of each of <see cref="Services"/>.</summary>
    /// <returns>The commit.</returns>
    public Task<string> PushAsync(Application app) => PushAsync(app, Services);

    public static Task<string> PushAsync(Application app, IEnumerable<string> services) => app.PushAsync([.. services.Select(service =>
        service == "backend" ? ("backend/app/content.txt", $"{Guid.NewGuid():N}\n") : ("frontend/src/index.html", (string?)$"<h1>{Guid.NewGuid():N}</h1>\n"))]);

    [GeneratedRegex("sleep ([0-9]+)")]
    private static partial Regex Sleep();
}
