using Microsoft.Playwright;

namespace WatchParty.Worker.EngineTests.Status;

/// <summary>Runs where Debian's <c>chromium</c> is on the PATH; <c>test.sh</c> installs it.</summary>
public sealed class BrowserFactAttribute : FactAttribute
{
    public BrowserFactAttribute()
    {
        if (Browser.Program is null) { Skip = "chromium is not here"; }
    }
}

/// <summary>A person at a real browser. What its console complains about, such as a break of the content security policy, fails the test.</summary>
internal sealed class Browser : IAsyncDisposable
{
    private readonly IPlaywright _playwright;
    private readonly IBrowser _browser;
    private readonly List<string> _complaints = [];

    private Browser(IPlaywright playwright, IBrowser browser) => (_playwright, _browser) = (playwright, browser);

    public static string? Program => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(p => Path.Combine(p, "chromium")).FirstOrDefault(File.Exists);

    public static async Task<Browser> StartAsync()
    {
        var playwright = await Playwright.CreateAsync();
        // Root, as which CI runs, has no sandbox; the pages are our own.
        return new Browser(playwright, await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = Program, Args = ["--no-sandbox"] }));
    }

    /// <param name="refused">Status of the answers that the console is expected to complain about.</param>
    public async Task<IPage> OpenAsync(Uri site, BrowserNewContextOptions? how = null, string? session = null, int? refused = null)
    {
        var context = await _browser.NewContextAsync(how ?? new BrowserNewContextOptions { ViewportSize = new ViewportSize { Width = 1280, Height = 900 } });
        context.SetDefaultTimeout(90_000);
        if (session is not null) { await context.AddCookiesAsync([new Cookie { Name = "watchparty", Value = session, Url = site.ToString() }]); }
        var page = await context.NewPageAsync();
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning" && !(refused is { } status && message.Text.Contains($"status of {status} ", StringComparison.Ordinal))) { _complaints.Add(message.Text); }
        };
        page.PageError += (_, error) => _complaints.Add(error);
        page.Request += (_, request) =>
        {
            if (new Uri(request.Url) is { Scheme: "http" or "https" } asked && asked.Authority != site.Authority) { _complaints.Add($"asks {asked}"); }
        };
        return page;
    }

    public async ValueTask DisposeAsync()
    {
        await _browser.DisposeAsync();
        _playwright.Dispose();
        Assert.Empty(_complaints);
    }
}
