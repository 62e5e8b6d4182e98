using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Worker.Operating;
using WatchParty.Worker.Telemetry;

namespace WatchParty.Worker.Status;

/// <summary>Serves the status page, the HTTP API and the webhook, and what monitors ask for: <c>/healthz</c>, <c>/readyz</c> and
/// <c>/metrics</c>.</summary>
/// <remarks>A host of its own inside of the service's, so that nothing of ASP.NET Core is loaded where there is no page. When the address
/// cannot be used the service goes on without a page: deploying matters more.</remarks>
internal sealed class StatusServer(
    StatusOptions options, StatusSecrets secrets, StatusSources sources, RequestedWork work, ProgressFeed progress, Func<string> metrics,
    Action pollNow, IDockerEngine engine,
    Heartbeat heartbeat, TimeProvider time, ILoggerFactory logging) : IHostedService, IAsyncDisposable
{
    private static readonly TimeSpan EnginePatience = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _stop = new();
    private readonly ILogger _logger = logging.CreateLogger<StatusServer>();
    private WebApplication? _app;

    /// <summary>Where it is served; null when it is not.</summary>
    public Uri? Address { get; private set; }

    /// <summary>Every route as "METHOD /pattern".</summary>
    public IReadOnlyList<string> Routes => _app is null ? [] :
        [.. ((IEndpointRouteBuilder)_app).DataSources.SelectMany(s => s.Endpoints).OfType<RouteEndpoint>()
            .SelectMany(e => e.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods.Select(m => $"{m} {e.RoutePattern.RawText}"))];

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var app = Build(StatusAddress.Parse(options.Address)!);
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch (IOException e)
        {
            await app.DisposeAsync();
            _logger.NotServed(options.Address!, e.Message);
            return;
        }
        _app = app;
        Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        _logger.Served(Address);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await work.StopAsync().WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_app is not null) { await _app.StopAsync(cancellationToken); }
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null) { await _app.DisposeAsync(); }
        _stop.Dispose();
    }

    private WebApplication Build(StatusAddress address)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(logging);
        // The service's own handles the signals.
        builder.Services.AddSingleton<IHostLifetime, GuestLifetime>();
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = 100;
            kestrel.Limits.MaxRequestBodySize = 64 * 1024;
            kestrel.Limits.MaxRequestHeadersTotalSize = 16 * 1024;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(60);
            kestrel.Listen(address.Ip, address.Port, listen => listen.Protocols = HttpProtocols.Http1);
        });
        var app = builder.Build();
        var access = new StatusAccess(secrets.Token, options.Hosts, time);
        app.Use(next => context => GuardAsync(context, next, access));
        app.UseRouting();
        app.MapGet("/healthz", context =>
        {
            var alive = heartbeat.Alive(out var silent);
            return SayAsync(context, alive ? 200 : 503, alive ? "live" : $"no sign of life from: {silent}");
        });
        app.MapGet("/readyz", ReadyAsync);
        app.MapGet("/metrics", context =>
        {
            context.Response.ContentType = PrometheusText.ContentType;
            return context.Response.WriteAsync(metrics(), CancellationToken.None);
        });
        var events = new LiveEvents(sources, work, progress);
        new StatusApi(sources, access, work, events, pollNow, _stop.Token).Map(app);
        new StatusPages(sources, access, work, events).Map(app);
        Asset.Map(app);
        if (secrets.Webhook is { } secret) { new Webhook(secret, pollNow, time, logging.CreateLogger<Webhook>()).Map(app); }
        return app;
    }

    /// <summary>What holds for every request, whoever answers it.</summary>
    private async Task GuardAsync(HttpContext context, RequestDelegate next, StatusAccess access)
    {
        var (request, response) = (context.Request, context.Response);
        response.Headers.ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
            "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers["Referrer-Policy"] = "same-origin";
        response.Headers["Cross-Origin-Opener-Policy"] = "same-origin";
        response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
        response.Headers.CacheControl = "no-store";
        if (!access.IsForUs(request))
        {
            await SayAsync(context,
                StatusCodes.Status421MisdirectedRequest, $"This server does not go by the name {request.Host.Host}. Call it by its IP " +
                    $"address, or add the name to Status:Hosts.");
            return;
        }
        var path = request.Path.Value ?? "/";
        // Answered as a GET, of which the server keeps the body back; so that monitors can ask for less. Live events would never end.
        if (HttpMethods.IsHead(request.Method) && path != LiveEvents.Path) { request.Method = HttpMethods.Get; }
        if (path is not ("/healthz" or "/readyz" or "/sign-in" or Webhook.Path) && !path.StartsWith(Asset.Folder, StringComparison.Ordinal)
            && !access.MayLook(request))
        {
            if (IsForPrograms(path))
            {
                response.Headers.WWWAuthenticate = "Bearer";
                await SayAsync(context, StatusCodes.Status401Unauthorized,
                    "Send the token of Status:Token or Status:TokenFile: Authorization: Bearer TOKEN");
            }
            else
            {
                response.Redirect("/sign-in");
            }
            return;
        }
        try
        {
            await next(context);
        }
        catch (Exception e) when (e is WorkerException && !response.HasStarted)
        {
            await SayAsync(context, StatusCodes.Status503ServiceUnavailable, e.Message);
        }
        catch (Microsoft.AspNetCore.Http.BadHttpRequestException e) when (!response.HasStarted)
        {
            await SayAsync(context, e.StatusCode, e.Message);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested || _stop.IsCancellationRequested)
        {
            // Nobody reads the answer.
        }
        catch (Exception e) when (!response.HasStarted)
        {
            _logger.NotAnswered(request.Method, path, e);
            await SayAsync(context, StatusCodes.Status500InternalServerError, "An unexpected fault of the worker; its log has more.");
        }
        if (response is
            {
                HasStarted: false, StatusCode: StatusCodes.Status404NotFound
            or StatusCodes.Status405MethodNotAllowed, ContentLength: null
            })
        {
            await SayAsync(context, response.StatusCode,
                response.StatusCode == StatusCodes.Status404NotFound ? "There is no such page." : "Not with this method.");
        }
    }

    private async Task ReadyAsync(HttpContext context)
    {
        // The recovery has the first place in the work queue since before this server was started.
        if (sources.Service.Now().Work == "recovery")
        {
            await SayAsync(context, StatusCodes.Status503ServiceUnavailable, "the deployed release is being brought up again");
            return;
        }
        using var patience = new CancellationTokenSource(EnginePatience, time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, context.RequestAborted);
        try
        {
            await engine.InfoAsync(limit.Token);
            await SayAsync(context, StatusCodes.Status200OK, "ready");
        }
        catch (Exception e) when (e is WorkerException || patience.IsCancellationRequested)
        {
            await SayAsync(context, StatusCodes.Status503ServiceUnavailable, $"the engine does not answer: {e.Message}");
        }
    }

    private static bool IsForPrograms(string path) =>
        path.StartsWith("/api/", StringComparison.Ordinal) || path is "/openapi.json" or "/metrics";

    internal static Task SayAsync(HttpContext context, int status, string words)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(words + "\n", CancellationToken.None);
    }

    /// <summary>Leaves the process's signals alone.</summary>
    private sealed class GuestLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}

internal static partial class StatusServerLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "The status page is at {Address}")]
    public static partial void Served(this ILogger logger, Uri address);

    [LoggerMessage(Level = LogLevel.Error,
        Message = "There is no status page, because Status:Address {Address} cannot be used: {Reason} Write another port, or end the " +
            "program that has this one, and restart the service")]
    public static partial void NotServed(this ILogger logger, string address, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} {Path} could not be answered because of an unexpected fault of the worker")]
    public static partial void NotAnswered(this ILogger logger, string method, string path, Exception exception);
}
