using Microsoft.Playwright;
using WatchParty.Releases.Recording;
using WatchParty.Worker.Control;
using WatchParty.Worker.Tests.Recording;
using WatchParty.Worker.Tests.Status;

namespace WatchParty.Worker.EngineTests.Status;

/// <summary>The pages in every state in which a person may find them, in a real browser before the real server, without an engine.</summary>
[Trait("Store", "Overlay2")]
public sealed class PageStatesTests
{
    private const string Third = "3333333333333333333333333333333333333333";
    private const string Fourth = "4444444444444444444444444444444444444444";

    private static readonly string[] Everywhere = ["/", "/releases", "/cache", "/settings", "/sign-in", "/act/rebuild", "/act/rollback"];

    [BrowserFact]
    public async Task Pages_right_after_the_install_can_be_read()
    {
        await using var bench = await StatusBench.StartAsync();
        await using var browser = await Browser.StartAsync();
        await Pictures.TakeAsync(browser, bench.Server.Address!, await SessionAsync(bench), "empty", Everywhere);
    }

    [BrowserFact]
    public async Task Pages_of_releases_that_went_wrong_can_be_read()
    {
        await using var bench = await StatusBench.StartAsync();
        Fill(bench);
        await using var browser = await Browser.StartAsync();
        await Pictures.TakeAsync(browser, bench.Server.Address!, await SessionAsync(bench), "trouble", ["/", "/releases", "/releases/3", "/releases/4", "/cache", "/act/rollback", "/act/clear"]);
    }

    [BrowserFact]
    public async Task A_build_under_way_can_be_followed_and_what_is_refused_says_why()
    {
        await using var bench = await StatusBench.StartAsync();
        Fill(bench);
        var site = bench.Server.Address!;
        await using var browser = await Browser.StartAsync();
        var page = await browser.OpenAsync(site, session: await SessionAsync(bench), refused: 400);
        await page.GotoAsync(site.ToString());
        using var done = new SemaphoreSlim(0);
        var work = bench.Gate.RunAsync("release (poll)", async token =>
        {
            await done.WaitAsync(token);
            return 0;
        }, CancellationToken.None);
        var release = bench.Begin(RecordBench.Commit, ReleaseState.Building);
        bench.Progress.Report("[backend builder 5/9] RUN pip install --requirement requirements.txt");
        await page.WaitForSelectorAsync("section.busy .phases .current:text('Building')");
        await bench.LogAsync(release, "#12 [backend builder 5/9] RUN pip install --requirement requirements.txt\n");
        await page.WaitForSelectorAsync("#log:has-text('#12 [backend builder 5/9]')");

        // What has the focus, and what a person folded away, stays so when the page is shown anew.
        await page.Locator(".releases a").First.FocusAsync();
        await page.ClickAsync("summary");
        await page.Locator(".releases a").First.FocusAsync();
        bench.History.Enter(release, ReleaseState.Deploying);
        await page.WaitForSelectorAsync(".phases .current:text('Deploying')");
        Assert.Equal($"/releases/{release}", await page.EvaluateAsync<string>("() => document.activeElement.getAttribute('href')"));
        Assert.Equal(0, await page.Locator("details[open]").CountAsync());
        await Pictures.TakeAsync(browser, site, await SessionAsync(bench), "under-way", ["/", $"/releases/{release}"]);

        bench.Work = (_, _) => Task.FromResult(new VerbResult(ExitCode.Failed, null, "Release 1 cannot be brought back: its image app-backend:watchparty-1 is gone. Push its commit again."));
        await page.GotoAsync(new Uri(site, "/act/rollback").ToString());
        await page.ClickAsync("#confirm");
        await page.WaitForSelectorAsync(".notice.bad:has-text('cannot be brought back')");
        await Pictures.OneAsync(page, "refused-now");
        await page.GotoAsync(new Uri(site, "/act/clear").ToString());
        await page.ClickAsync("#confirm");
        await page.WaitForSelectorAsync("[role=alert]:has-text('Choose at least one service')");
        await Pictures.OneAsync(page, "refused-clear");
        var stranger = await browser.OpenAsync(site, refused: 403);
        await stranger.GotoAsync(new Uri(site, "/sign-in").ToString());
        await stranger.FillAsync("#token", "not-the-token-at-all-but-long");
        await stranger.Keyboard.PressAsync("Enter");
        await stranger.WaitForSelectorAsync("[role=alert]:has-text('That is not the token')");
        await Pictures.OneAsync(stranger, "refused-sign-in");
        done.Release();
        await work;
    }

    [BrowserFact]
    public async Task All_of_it_can_be_done_with_the_keyboard_alone()
    {
        await using var bench = await StatusBench.StartAsync();
        Fill(bench);
        var site = bench.Server.Address!;
        await using var browser = await Browser.StartAsync();
        var page = await browser.OpenAsync(site);
        await page.GotoAsync(site.ToString());
        await page.Keyboard.TypeAsync(StatusBench.Token);
        await page.Keyboard.PressAsync("Enter");
        await page.WaitForSelectorAsync("h2:text('Deployed')");

        // The first stop leads past the navigation.
        await page.Keyboard.PressAsync("Tab");
        Assert.Equal("To the content", await FocusedAsync(page));
        await page.Keyboard.PressAsync("Enter");
        await page.Keyboard.PressAsync("Tab");
        Assert.True(await page.EvaluateAsync<bool>("() => document.querySelector('main').contains(document.activeElement)"));

        // Every link, button and field is reached, in the order of the page, and is seen to be.
        foreach (var path in new[] { "/", "/releases", "/releases/3", "/cache", "/settings", "/act/clear", "/act/prune", "/act/rollback" })
        {
            await page.GotoAsync(new Uri(site, path).ToString());
            var stops = await page.EvaluateAsync<int>(Stops);
            for (var stop = 0; stop < stops; stop++)
            {
                await page.Keyboard.PressAsync("Tab");
                Assert.Equal((path, stop, true), (path, stop, await page.EvaluateAsync<bool>("stop => document.activeElement === window.stops[stop] && getComputedStyle(document.activeElement).outlineStyle !== 'none'", stop)));
            }
        }

        await page.GotoAsync(new Uri(site, "/act/clear").ToString());
        await TabToAsync(page, "input[value=backend]");
        await page.Keyboard.PressAsync("Space");
        await TabToAsync(page, "#confirm");
        await page.Keyboard.PressAsync("Enter");
        // Not until all of it is loaded: that page goes on getting news.
        await page.WaitForURLAsync(site.ToString(), new PageWaitForURLOptions { WaitUntil = WaitUntilState.Commit });
        var request = Assert.Single(bench.Requests);
        Assert.Equal(("clear-cache", "backend"), (request.Verb, Assert.Single(request.Targets!)));
    }

    [BrowserFact]
    public async Task All_of_it_can_be_read_and_done_without_script()
    {
        await using var bench = await StatusBench.StartAsync();
        Fill(bench);
        var site = bench.Server.Address!;
        await using var browser = await Browser.StartAsync();
        var page = await browser.OpenAsync(site, new BrowserNewContextOptions { JavaScriptEnabled = false });
        await page.GotoAsync(site.ToString());
        await page.FillAsync("#token", StatusBench.Token);
        await page.ClickAsync("button:text('Sign in')");
        await Assertions.Expect(page.Locator("h2", new() { HasText = "Deployed" })).ToBeVisibleAsync();
        Assert.Contains("http-equiv=\"refresh\"", await page.ContentAsync(), StringComparison.Ordinal);
        await page.ClickAsync("a:text('All releases')");
        await Assertions.Expect(page.Locator(".releases tbody tr")).ToHaveCountAsync(5);
        // What the script would draw leaves no hole; the table says the same.
        await Assertions.Expect(page.Locator(".chart")).ToBeHiddenAsync();
        await page.ClickAsync(".releases a:text-is('3')");
        await Assertions.Expect(page.Locator(".waterfall rect.failed")).ToHaveCountAsync(1);
        await page.ClickAsync("summary");
        await Assertions.Expect(page.Locator("details pre")).ToBeVisibleAsync();
        await page.ClickAsync("a:text('Cache')");
        await page.ClickAsync("a:text('Prune…')");
        await page.CheckAsync("input[name=dryRun]");
        await page.ClickAsync("#confirm");
        await Assertions.Expect(page.Locator("h2", new() { HasText = "Deployed" })).ToBeVisibleAsync();
        Assert.Equal(("prune", true), (Assert.Single(bench.Requests).Verb, bench.Requests[0].DryRun));
        await page.ClickAsync("button:text('Sign out')");
        await Assertions.Expect(page.Locator("h1", new() { HasText = "Sign in" })).ToBeVisibleAsync();
    }

    /// <summary>What the tab key has to reach; noted down in the page.</summary>
    private const string Stops = """
        () => {
          window.stops = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), summary, [tabindex="0"]')]
            .filter(e => e.checkVisibility() && !(e.type === 'radio' && !e.checked));
          return window.stops.length;
        }
        """;

    private static Task<string> FocusedAsync(IPage page) => page.EvaluateAsync<string>("() => document.activeElement.textContent");

    private static async Task TabToAsync(IPage page, string selector)
    {
        for (var i = 0; i < 30 && !await page.EvaluateAsync<bool>("s => document.activeElement.matches(s)", selector); i++) { await page.Keyboard.PressAsync("Tab"); }
    }

    private static async Task<string> SessionAsync(StatusBench bench) => (await bench.SignInAsync()).Split('=', 2)[1];

    /// <summary>A release that serves, one that was not built, one that was taken back, and a commit that was passed over; prunes and a clear.</summary>
    private static void Fill(StatusBench bench)
    {
        bench.Release("5555555555555555555555555555555555555555", ReleaseOutcome.Succeeded);
        bench.Release(RecordBench.Other, ReleaseOutcome.Succeeded, "pip install --requirement requirements.txt");
        bench.Release(Third, ReleaseOutcome.BuildFailed, "npm run build -- --configuration=production --output-path=/srv/app/dist --very-long-option-without-any-blank=" + new string('x', 120),
            error: "backend: RUN npm run build: exit code 1\nnpm ERR! code ELIFECYCLE\nnpm ERR! errno 1\n" + string.Concat(Enumerable.Repeat("/srv/app/node_modules/", 12)));
        bench.History.Quarantine(Third, 3, "backend: RUN npm run build: exit code 1");
        bench.Release(Fourth, ReleaseOutcome.RolledBack, "make", "once by somebody-with-a-rather-long-name", "backend is unhealthy: GET http://127.0.0.1:8000/health answered 503 (Service Unavailable) for 3 minutes");
        bench.History.Quarantine(Fourth, 4, "backend is unhealthy");
        bench.History.Supersede(RecordBench.Commit, Fourth, "poll");
        bench.FreshMarks.Add(["backend", "frontend"], "a clear");
        for (var night = 0; night < 12; night++)
        {
            var at = DateTimeOffset.UnixEpoch.AddDays(20_000 + night).AddHours(3);
            bench.History.Save(new HousekeepingReport("prune", "nightly", "Pruned", [], 180 + night, 38, 1_400_000_000 + (night * 90_000_000L), 1.3, 0.4, null, at, at.AddSeconds(2)) { BytesBefore = 2_600_000_000, BytesAfter = 1_200_000_000 - (night * 90_000_000L) });
        }
        var clear = DateTimeOffset.UnixEpoch.AddDays(20_012);
        bench.History.Save(new HousekeepingReport("clear", "clear-cache.flag", "Failed", ["backend", "frontend"], 38, 38, 0, 0, 0, "the engine does not answer: no such socket", clear, clear.AddSeconds(30)) { Notes = ["tried again with the next start"], BytesAfter = 210_000_000 });
    }
}
