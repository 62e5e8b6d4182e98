using Microsoft.Playwright;

namespace WatchParty.Worker.EngineTests.Status;

/// <summary>Pictures of pages for a person to look at, in <c>TestResults/status-page</c>; and what needs no person: nothing is wider than the screen,
/// and every text stands out from its ground.</summary>
internal static class Pictures
{
    /// <summary>Of WCAG 2.2, level AA, for text of the usual size.</summary>
    private const double LeastContrast = 4.5;

    // A chart draws its own text; that of links in a table and so on is in the elements.
    private const string FaintTexts = """
        least => {
          const parse = color => { const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number); return { r, g, b, a }; };
          const light = ({ r, g, b }) => { const [x, y, z] = [r, g, b].map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
          const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.a > 0) { return c; } } return { r: 255, g: 255, b: 255 }; };
          return [...document.querySelectorAll('body *')]
            .filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
            .map(e => { const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))]; return { text: e.textContent.trim().slice(0, 40), ratio: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) }; })
            .filter(t => t.ratio < least).map(t => `${t.text}: ${t.ratio.toFixed(2)}`);
        }
        """;

    private static readonly (string Name, BrowserNewContextOptions How)[] Screens =
    [
        ("desktop", new() { ViewportSize = new() { Width = 1280, Height = 900 } }),
        ("dark", new() { ViewportSize = new() { Width = 1280, Height = 900 }, ColorScheme = ColorScheme.Dark }),
        ("telephone", new() { ViewportSize = new() { Width = 360, Height = 740 }, DeviceScaleFactor = 2, IsMobile = true, HasTouch = true }),
    ];

    private static readonly string Folder = Directory.CreateDirectory(Path.Combine(FindRoot(), "TestResults", "status-page")).FullName;

    public static async Task TakeAsync(Browser browser, Uri site, string session, string state, IReadOnlyList<string> paths)
    {
        foreach (var (screen, how) in Screens)
        {
            var page = await browser.OpenAsync(site, how, session);
            foreach (var path in paths)
            {
                await page.GotoAsync(new Uri(site, path).ToString());
                await page.Locator("main").WaitForAsync();
                await OneAsync(page, $"{state}-{(path == "/" ? "now" : path.Trim('/').Replace('/', '-'))}-{screen}");
            }
            await page.Context.CloseAsync();
        }
    }

    public static async Task OneAsync(IPage page, string name)
    {
        await page.ScreenshotAsync(new() { Path = Path.Combine(Folder, $"{name}.png"), FullPage = true });
        var (wide, screen) = (await page.EvaluateAsync<int>("() => document.documentElement.scrollWidth"), await page.EvaluateAsync<int>("() => document.documentElement.clientWidth"));
        Assert.True(wide <= screen, $"{name} is {wide} wide on a screen of {screen}");
        var faint = await page.EvaluateAsync<string[]>(FaintTexts, LeastContrast);
        Assert.True(faint.Length == 0, $"{name} is hard to read: {string.Join("; ", faint)}");
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "WatchParty.Worker.sln"))) { folder = folder.Parent!; }
        return folder.FullName;
    }
}
