using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Status;

[Trait("Store", "Containerd")]
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

        await page.ClickAsync("nav >> text=Releases");
        await page.WaitForSelectorAsync(".chart canvas");

        var session = (await page.Context.CookiesAsync()).Single(c => c.Name == "watchparty").Value;
        var release = (string)(await app.LastReleaseAsync())!["release"]!;
        await Pictures.TakeAsync(browser, site, session, "healthy", ["/", "/releases", $"/releases/{release}", "/cache", "/settings"]);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
