using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Status;

[Trait("Store", "Any")]
public sealed class StatusPageTests
{
    private const string Token = "a-token-of-more-than-twenty-characters";

    [BrowserFact]
    public async Task A_push_is_watched_until_it_is_healthy_and_a_cleared_cache_is_proven_by_the_next_build()
    {
        await using var app = await Application.OfAsync(SmallApplication.WebAndSide);
        var site = new Uri($"http://127.0.0.1:{FreePort()}");
        await File.WriteAllTextAsync(app.In("token"), Token);
        app.Configure("Status", new JsonObject { ["Address"] = site.GetLeftPart(UriPartial.Authority), ["TokenFile"] = app.In("token") });
        await using var service = await app.StartServiceAsync();
        await app.ReleasedAsync(await app.HeadOfCheckoutAsync());
        await using var browser = await Browser.StartAsync();
        var page = await browser.OpenAsync(site);

        await page.GotoAsync(site.ToString());
        await page.FillAsync("#token", Token);
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Locator("h2", new() { HasText = "Deployed" })).ToBeVisibleAsync();

        // Nobody loads the page again from here on.
        var pushed = await app.PushAsync("web/content.txt", "watched\n");
        await page.WaitForSelectorAsync("section.busy .phases .current");
        await page.WaitForSelectorAsync("#trail li:has-text('COPY . .')");
        await page.WaitForSelectorAsync($"[data-commit='{pushed}']");
        await page.WaitForSelectorAsync(".large .badge.good");

        await page.ClickAsync("#act-clear");
        await page.CheckAsync("input[value='web']");
        await page.ClickAsync("#confirm");
        await page.WaitForSelectorAsync("text=The cache was cleared: the next build of web uses none");
        await page.WaitForSelectorAsync("text=clear-cache: Cleared");

        var fresh = await app.PushAsync("web/content.txt", "fresh\n");
        await page.WaitForSelectorAsync($"[data-commit='{fresh}']");
        await page.ClickAsync(".releases tbody tr:first-child a");
        await page.WaitForSelectorAsync("tr:has(th:text-is('web')) .tag:text-is('fresh')");
        await page.WaitForSelectorAsync("tr:has(th:text-is('web')) .share:text('0/2')");
        Assert.Equal(0, await page.Locator(".waterfall rect.cached").CountAsync());
        await page.WaitForSelectorAsync(".waterfall rect.ran");

        // By keyboard alone.
        await page.GotoAsync(site.ToString());
        for (var i = 0; i < 10 && await page.EvaluateAsync<string>("() => document.activeElement.textContent") != "Releases"; i++) { await page.Keyboard.PressAsync("Tab"); }
        await page.Keyboard.PressAsync("Enter");
        await page.WaitForSelectorAsync("h1:text-is('Releases')");
        await page.WaitForSelectorAsync(".chart canvas");

        var session = (await page.Context.CookiesAsync()).Single(c => c.Name == "watchparty").Value;
        var release = (string)(await app.LastReleaseAsync())!["release"]!;
        await PhotographAsync(browser, site, session, ["/", "/releases", $"/releases/{release}", "/cache", "/settings", "/act/clear", "/sign-in"]);
    }

    /// <summary>Pictures of every page for a person to look at, and what no picture needs a person for: nothing is wider than the screen.</summary>
    private static async Task PhotographAsync(Browser browser, Uri site, string session, IReadOnlyList<string> paths)
    {
        var folder = Directory.CreateDirectory(Path.Combine(FindRoot(), "TestResults", "status-page")).FullName;
        foreach (var (name, how) in new (string, BrowserNewContextOptions)[]
        {
            ("desktop", new() { ViewportSize = new() { Width = 1280, Height = 900 } }),
            ("dark", new() { ViewportSize = new() { Width = 1280, Height = 900 }, ColorScheme = ColorScheme.Dark }),
            ("telephone", new() { ViewportSize = new() { Width = 360, Height = 740 }, DeviceScaleFactor = 2, IsMobile = true, HasTouch = true }),
            ("no-script", new() { ViewportSize = new() { Width = 1280, Height = 900 }, JavaScriptEnabled = false }),
        })
        {
            var page = await browser.OpenAsync(site, how, session);
            foreach (var path in paths)
            {
                await page.GotoAsync(new Uri(site, path).ToString());
                await page.Locator("main").WaitForAsync();
                await page.ScreenshotAsync(new() { Path = Path.Combine(folder, $"{name}-{(path == "/" ? "now" : path.Trim('/').Replace('/', '-'))}.png"), FullPage = true });
                if (name != "no-script")
                {
                    var (wide, screen) = (await page.EvaluateAsync<int>("() => document.documentElement.scrollWidth"), await page.EvaluateAsync<int>("() => document.documentElement.clientWidth"));
                    Assert.True(wide <= screen, $"{path} is {wide} wide on a {name} of {screen}");
                }
            }
            await page.Context.CloseAsync();
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "WatchParty.Worker.sln"))) { folder = folder.Parent!; }
        return folder.FullName;
    }
}
