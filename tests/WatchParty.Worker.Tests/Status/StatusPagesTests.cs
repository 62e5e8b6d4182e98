using System.Net;
using System.Text.RegularExpressions;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Status;
using WatchParty.Worker.Tests.Recording;

namespace WatchParty.Worker.Tests.Status;

public sealed partial class StatusPagesTests
{
    private const string Hostile = """<script>alert(1)</script>"><img src=x onerror=alert(2)>' &amp; {{7*7}}""";

    [Fact]
    public async Task Pages_EncodeEveryValue()
    {
        await using var bench = await StatusBench.StartAsync(o =>
        {
            o.Repository.Remote = Hostile;
            o.Build.Arguments[Hostile] = Hostile;
            o.Deploy.Probes = [Hostile];
        });
        var id = bench.Release(RecordBench.Commit, ReleaseOutcome.Succeeded, Hostile, Hostile);
        bench.Release(RecordBench.Other, ReleaseOutcome.BuildFailed, Hostile, Hostile, Hostile);
        bench.FreshMarks.Add([Hostile], Hostile);
        bench.History.Save(new HousekeepingReport("prune", Hostile, Hostile, [Hostile], 3, 1, 5, 0, 0, Hostile, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch) { Notes = [Hostile], BytesAfter = 1 });
        bench.History.Save(new HousekeepingReport("clear", Hostile, Hostile, [Hostile], 3, 1, 5, 0, 0, null, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch) { BytesAfter = 1 });
        var running = bench.History.Begin(Hostile, null, Hostile, forced: true);
        bench.History.SaveLog(running, Path.Combine(bench.State.Logs, "running.log"));
        await File.WriteAllTextAsync(Path.Combine(bench.State.Logs, "running.log"), Hostile + "\n");
        var finish = new TaskCompletionSource<int>();
        var work = bench.Gate.RunAsync(Hostile, _ => finish.Task, CancellationToken.None);
        bench.Progress.Report(Hostile);
        var session = await bench.SignInAsync();
        var seen = 0;
        foreach (var path in new[] { "/", "/releases", $"/releases/{id}", $"/releases/{id + 1}", $"/releases/{running}", "/cache", "/settings", "/act/clear", $"/act/rollback?release={Uri.EscapeDataString(Hostile)}" })
        {
            using var answer = await bench.GetAsync(path, ("Cookie", session));
            var page = await answer.Content.ReadAsStringAsync();
            Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{path}: {page}");
            Assert.DoesNotContain("<script>alert", page, StringComparison.Ordinal);
            Assert.DoesNotContain("<img", page, StringComparison.Ordinal);
            Assert.DoesNotContain("onerror=alert(2)>", page, StringComparison.Ordinal);
            // Nothing that the policy would have to forbid: no script, style or handler within the page.
            Assert.DoesNotMatch(InlineHandler(), Quoted().Replace(page, "\"\""));
            Assert.DoesNotMatch(InlineElement(), page);
            seen += Regex.Count(page, Regex.Escape("&lt;script&gt;alert(1)&lt;/script&gt;"));
        }
        Assert.True(seen > 30, $"the hostile text was only seen {seen} times");
        finish.SetResult(1);
        await work;
    }

    [GeneratedRegex("\"[^\"]*\"")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"<[^>]+\s(style|on[a-z]+)=")]
    private static partial Regex InlineHandler();

    [GeneratedRegex("""<script(?! src="/assets/)|<style""")]
    private static partial Regex InlineElement();

    [Fact]
    public async Task Forms_ActOnlyForWhoIsSignedInHereAndMeansIt()
    {
        await using var bench = await StatusBench.StartAsync();
        bench.Release(RecordBench.Other, ReleaseOutcome.Succeeded);
        bench.Release(RecordBench.Commit, ReleaseOutcome.Succeeded);
        var session = await bench.SignInAsync();
        async Task<string> QuestionAsync(string path)
        {
            using var answer = await bench.GetAsync(path, ("Cookie", session));
            return await answer.Content.ReadAsStringAsync();
        }
        var question = await QuestionAsync("/act/clear");
        var form = Field().Match(question).Groups[1].Value;
        Assert.Contains("""value="backend""", question, StringComparison.Ordinal);
        // redis is not built here.
        Assert.DoesNotContain("""value="redis""", question, StringComparison.Ordinal);
        Assert.Empty(bench.Requests);

        var own = bench.Server.Address!.GetLeftPart(UriPartial.Authority);
        async Task<HttpStatusCode> SendAsync(string? token, params (string, string?)[] headers)
        {
            using var answer = await bench.SendAsync(HttpMethod.Post, "/act/clear", StatusBench.Form([("targets", "backend"), .. token is null ? [] : new[] { (StatusAccess.FormField, token) }]), headers);
            return answer.StatusCode;
        }
        Assert.Equal(HttpStatusCode.Redirect, await SendAsync(form, ("Origin", own)));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(null, ("Cookie", session), ("Origin", own)));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(form[..^1] + "x", ("Cookie", session), ("Origin", own)));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(form, ("Cookie", session), ("Origin", "http://evil.example.org")));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(form, ("Cookie", session), ("Sec-Fetch-Site", "same-site")));
        // The token alone makes no form of ours.
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(form, ("Authorization", $"Bearer {StatusBench.Token}"), ("Origin", own)));
        using var byGet = await bench.GetAsync($"/act/clear?targets=backend&form={form}", ("Cookie", session));
        Assert.Equal(HttpStatusCode.OK, byGet.StatusCode);
        Assert.Empty(bench.Requests);

        Assert.Equal(HttpStatusCode.SeeOther, await SendAsync(form, ("Cookie", session), ("Origin", own), ("Sec-Fetch-Site", "same-origin")));
        foreach (var (path, fields) in new[] { ("/act/release", ("x", "y")), ("/act/rebuild", ("x", "y")), ("/act/rollback", ("release", "1")), ("/act/prune", ("dryRun", "on")) })
        {
            using var answer = await bench.SendAsync(HttpMethod.Post, path, StatusBench.Form((StatusAccess.FormField, form), fields), ("Cookie", session), ("Origin", own));
            Assert.Equal((HttpStatusCode.SeeOther, "/"), (answer.StatusCode, answer.Headers.Location?.ToString()));
        }
        using var nothingChosen = await bench.SendAsync(HttpMethod.Post, "/act/clear", StatusBench.Form((StatusAccess.FormField, form)), ("Cookie", session), ("Origin", own));
        Assert.Equal(HttpStatusCode.BadRequest, nothingChosen.StatusCode);
        Assert.Contains("Choose at least one", await nothingChosen.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains("""value="1" checked""", await QuestionAsync("/act/rollback"), StringComparison.Ordinal);
        // It is done behind the answers; what the last came to is on the page then.
        for (var i = 0; i < 250 && bench.Requests.Count < 5; i++) { await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System); }
        Assert.Matches("""<p class="notice good" role="status">(once|clear-cache|prune|rollback): (Release 1 of|Pruned, 3 cache records)""", await QuestionAsync("/"));
        var asked = bench.Requests.OrderBy(r => r.Verb, StringComparer.Ordinal).ThenBy(r => r.ForceRebuild).ToList();
        Assert.Equal(["clear-cache", "once", "once", "prune", "rollback"], asked.Select(r => r.Verb));
        Assert.Equal(["backend"], asked[0].Targets);
        Assert.Equal((true, true, 1L), (asked[2].ForceRebuild, asked[3].DryRun, asked[4].Release!.Value));
        Assert.All(asked, r => Assert.Equal("the status page", r.AskedBy));
    }

    [GeneratedRegex("name=\"form\" value=\"([^\"]+)\"")]
    private static partial Regex Field();

    [Fact]
    public async Task Releases_ComePageByPage()
    {
        await using var bench = await StatusBench.StartAsync(o => o.Status.Token = null);
        for (var i = 1; i <= 120; i++) { bench.History.Supersede($"{i:x40}", RecordBench.Commit, "poll"); }
        List<string> seen = [];
        for (var path = "/releases"; path is not null;)
        {
            var page = await bench.Http.GetStringAsync(path);
            var found = Link().Matches(page).Select(m => m.Groups[1].Value).ToList();
            Assert.InRange(found.Count, 1, 50);
            seen.AddRange(found);
            path = Older().Match(page) is { Success: true } next ? next.Groups[1].Value : null;
        }
        Assert.Equal(Enumerable.Range(1, 120).Reverse().Select(i => $"{i}"), seen);
        using var none = await bench.GetAsync("/releases?before=x");
        Assert.Equal(HttpStatusCode.NotFound, none.StatusCode);
    }

    [GeneratedRegex("<a href=\"/releases/(\\d+)\">")]
    private static partial Regex Link();

    [GeneratedRegex("<a href=\"(/releases\\?before=\\d+)\" rel=\"next\">")]
    private static partial Regex Older();

    [Fact]
    public async Task Release_ShowsItsStepsWithWhatWasCachedAndWhyTheRestWasNot()
    {
        await using var bench = await StatusBench.StartAsync(o => o.Status.Token = null);
        var id = bench.Release(RecordBench.Commit, ReleaseOutcome.BuildFailed, error: "exit code 1");
        var page = await bench.Http.GetStringAsync($"/releases/{id}");
        Assert.Contains("""<rect class="cached" x="0" width=""", page, StringComparison.Ordinal);
        // Of 4.2 seconds the second step took from the first to the end.
        Assert.Contains("""<rect class="failed" x="238.095" width="761.905" height="10"/>""", page, StringComparison.Ordinal);
        Assert.Contains("ran because because of make", page, StringComparison.Ordinal);
        Assert.Contains("exit code 1", page, StringComparison.Ordinal);
        Assert.Contains("#1 make", page, StringComparison.Ordinal);
        Assert.Contains($"{RecordBench.Commit}", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Assets_AreKeptByBrowsersUntilTheyChange_AndNothingComesFromElsewhere()
    {
        await using var bench = await StatusBench.StartAsync(o => o.Status.Token = null);
        var page = await bench.Http.GetStringAsync("/");
        var assets = AssetLink().Matches(page).Select(m => m.Groups[1].Value).ToList();
        Assert.Equal(4, assets.Count);
        foreach (var path in assets)
        {
            using var answer = await bench.GetAsync(path);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Contains("immutable", answer.Headers.CacheControl!.ToString(), StringComparison.Ordinal);
            Assert.True((await answer.Content.ReadAsByteArrayAsync()).Length > 500);
        }
    }

    [GeneratedRegex("(?:href|src)=\"(/assets/[^\"]+)\"")]
    private static partial Regex AssetLink();

    [Fact]
    public void Settings_ShowNoSecret()
    {
        var options = new WorkerOptions
        {
            Build = { Arguments = { ["NPM_TOKEN"] = "hunter2" }, CacheRegistry = "registry.example:5000/cache" },
            Deploy = { Probes = ["http://user:hunter2@127.0.0.1/"] },
            Status = { Token = "hunter2hunter2hunter2", WebhookSecret = "hunter2hunter2hunter2", TokenFile = "/etc/watchparty/token" },
        };
        var settings = StatusSettings.Of(options);
        Assert.DoesNotContain(settings, s => s.Value.Contains("hunter2", StringComparison.Ordinal));
        Assert.Contains(new Setting("Build:Arguments", "NPM_TOKEN=***", false), settings);
        Assert.Contains(new Setting("Build:CacheRegistry", "registry.example:5000/cache", false), settings);
        Assert.Contains(new Setting("Status:Token", "***", false), settings);
        Assert.Contains(new Setting("Status:TokenFile", "/etc/watchparty/token", false), settings);
        Assert.Contains(new Setting("Build:CommitArgument", "GIT_COMMIT_HASH", true), settings);
    }

    [Fact]
    public void Html_EncodesWhatStandsInIt_AndNothingTwice()
    {
        var inner = Html.Of($"<b>{"a<b"}</b>");
        Assert.Equal("<i title=\"&quot;&#x27;&gt;\"><b>a&lt;b</b>7</i>", Html.Of($"<i title=\"{"\"'>"}\">{inner}{7}</i>").ToString());
        Assert.Equal("<b>a&lt;b</b><b>a&lt;b</b>", Html.Of($"{new[] { inner, inner }}").ToString());
    }
}
