using System.Globalization;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Releasing;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Verifying;

/// <summary>A release that is not healthy.</summary>
internal sealed class UnhealthyException(string message) : Exception(message);

/// <summary>The worker's own judgement of a deployment. Every service has its containers, from the expected image; those with a
/// health check are healthy; the others keep running for a settling time without a restart; and the probes answer.</summary>
/// <remarks><c>compose up --wait</c> calls a service without a health check healthy as soon as it was seen running once,
/// also when it then crashes in a loop (pkg/compose/start.go), so it is not asked.</remarks>
internal sealed class HealthVerifier(DeployOptions options, IDockerEngine engine, HttpClient http, ProgressFeed progress, TimeProvider time)
{
    /// <summary>Restarts while we watch that make a crash loop. One or two are an application that waited for another.</summary>
    private const int CrashLoop = 3;

    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(150);

    /// <param name="composeComplaint">What compose said when it was not content; it is part of the error.</param>
    /// <exception cref="UnhealthyException">Not healthy within <c>Deploy:WaitTimeout</c>, or certain not to become so.</exception>
    public async Task VerifyAsync(ComposeModel model, string? composeComplaint, CancellationToken cancellationToken)
    {
        progress.Report("checking health");
        var started = time.GetTimestamp();
        var watched = new Dictionary<string, Watched>();
        while (true)
        {
            var look = await LookAsync(model, watched, cancellationToken);
            if (look.Failed is { } failed) { throw Unhealthy(failed, composeComplaint); }
            if (look.Waiting is null) { break; }
            // What compose has waited for in vain already is not waited for a second time.
            var limit = composeComplaint is null ? options.WaitTimeout : TimeSpan.FromSeconds(Math.Min(5, options.WaitTimeout.TotalSeconds)) + options.SettleTime;
            if (time.GetElapsedTime(started) > limit) { throw Unhealthy(look.Waiting, composeComplaint); }
            await Task.Delay(LookInterval, time, cancellationToken);
        }
        foreach (var probe in options.Probes) { await ProbeAsync(new Uri(probe), started, cancellationToken); }
    }

    private static UnhealthyException Unhealthy(string reason, string? composeComplaint) =>
        new(composeComplaint is null ? reason : $"{reason} (compose: {composeComplaint})");

    /// <summary>One look: what is certain to have failed, or what is still waited for.</summary>
    private async Task<(string? Failed, string? Waiting)> LookAsync(ComposeModel model, Dictionary<string, Watched> watched, CancellationToken cancellationToken)
    {
        string? waiting = null;
        var containers = await engine.ContainersAsync(model.Project, cancellationToken);
        var images = await engine.ImageIdsAsync(model.Built.Where(s => s.Replicas > 0).Select(s => s.Image), cancellationToken);
        foreach (var service in model.Services.Where(s => s.Replicas > 0))
        {
            var own = containers.Where(c => c.Service == service.Name).ToList();
            if (own.Count < service.Replicas) { waiting ??= $"{service.Name} has {own.Count} of {service.Replicas} containers"; }
            var image = service.Build is null ? null : images.GetValueOrDefault(service.Image);
            foreach (var summary in own)
            {
                if (image is not null && summary.ImageID != image) { waiting ??= $"{service.Name} runs another image than {service.Image}"; }
                if (await engine.FindContainerAsync(summary.Id, cancellationToken) is not { } container)
                {
                    waiting ??= $"{service.Name}: its container was replaced";
                    continue;
                }
                var seen = watched.TryGetValue(container.Id, out var known) ? known : watched[container.Id] = new Watched(container.RestartCount, time.GetTimestamp());
                seen.Look(container, time.GetTimestamp());
                if (seen.Restarts >= CrashLoop) { return ($"{service.Name} restarts again and again (exit code {container.State.ExitCode})", null); }
                switch (container.State)
                {
                    case { Status: "exited", ExitCode: 0 } when service.OneShot:
                        break;
                    case { Status: "exited" or "dead" } state:
                        return ($"{service.Name} ended with exit code {state.ExitCode}{(state.Error is { Length: > 0 } error ? $": {error}" : "")}", null);
                    case { Health: { Status: "unhealthy" } health }:
                        return ($"{service.Name} is unhealthy: {LastOutput(health)}", null);
                    case { Health: { Status: "starting" } health }:
                        waiting ??= $"{service.Name} is not healthy yet: {LastOutput(health)}";
                        break;
                    case { Running: false } state:
                        waiting ??= $"{service.Name} is {state.Status}";
                        break;
                    case { Health: null or { Status: "none" } } when time.GetElapsedTime(seen.QuietSince) < options.SettleTime:
                        waiting ??= $"{service.Name} has no health check and is watched for {options.SettleTime.TotalSeconds.ToString("0.#", CultureInfo.InvariantCulture)} s";
                        break;
                }
            }
        }
        return (null, waiting);
    }

    private async Task ProbeAsync(Uri address, long started, CancellationToken cancellationToken)
    {
        while (true)
        {
            string reason;
            try
            {
                using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(10), time);
                using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
                using var answer = await http.GetAsync(address, HttpCompletionOption.ResponseHeadersRead, both.Token);
                if ((int)answer.StatusCode < 400) { return; }
                reason = $"status {(int)answer.StatusCode}";
            }
            catch (HttpRequestException e)
            {
                reason = e.Message;
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                reason = "no answer within 10 s";
            }
            if (time.GetElapsedTime(started) > options.WaitTimeout) { throw new UnhealthyException($"{address} does not answer well: {reason}"); }
            await Task.Delay(LookInterval, time, cancellationToken);
        }
    }

    private static string LastOutput(ContainerHealth health)
    {
        var text = (health.Log is { Length: > 0 } log ? log[^1].Output?.Trim() : null) is { Length: > 0 } output ? output.ReplaceLineEndings(" ") : "its health check has said nothing";
        return Redaction.Shorten(text, 300);
    }

    /// <summary>A container since we first saw it.</summary>
    private sealed class Watched(int restartsAtFirst, long since)
    {
        private int? _last;

        public int Restarts => (_last ?? restartsAtFirst) - restartsAtFirst;

        /// <summary>Timestamp of the first look, or of the last restart after it.</summary>
        public long QuietSince { get; private set; } = since;

        public void Look(ContainerDetails container, long now)
        {
            if (container.RestartCount == (_last ?? restartsAtFirst) && !container.State.Restarting) { return; }
            _last = container.RestartCount;
            QuietSince = now;
        }
    }
}
