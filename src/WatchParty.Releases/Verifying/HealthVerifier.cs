using System.Collections.Immutable;
using System.Globalization;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;

namespace WatchParty.Releases.Verifying;

/// <summary>A release that is not healthy.</summary>
internal sealed class UnhealthyException(string message) : Exception(message);

/// <summary>The worker's own judgement of a deployment. Compose ended well; the containers are as the model says
/// (<see cref="Differences"/>); those with a health check are healthy; jobs ended with 0; the others keep running for a settling time after
/// their start; and the probes answer.</summary>
/// <remarks><para><c>compose up --wait</c> calls a service without a health check healthy as soon as it was seen running once,
/// also when it then crashes in a loop (pkg/compose/start.go), so it is not asked.</para>
/// <para>Which service is a job the file says (<see cref="ComposeService.OneShot"/>), except for one that nobody awaits: servers are
/// written with <c>on-failure</c> too. It is taken for a server when it has a health check of its own, when it ran already before this
/// deployment (a release before has waited for its end in vain), or when it still runs after <c>Deploy:WaitTimeout</c>. So a server is
/// mistaken for a job once, and not in every release.</para></remarks>
internal sealed class HealthVerifier(
    DeployOptions options, IDockerEngine engine, Deployer deployer, HttpClient http, ProgressFeed progress, TimeProvider time)
{
    /// <summary>Restarts while we watch that make a crash loop. One or two are an application that waited for another.</summary>
    private const int CrashLoop = 3;

    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(150);

    /// <summary>What the engine takes for a check beside the limits of the check itself.</summary>
    private static readonly TimeSpan CheckSlack = TimeSpan.FromSeconds(5);

    /// <param name="up">What compose came to; its complaint is part of the error.</param>
    /// <returns>What a person should know of a release that is healthy all the same.</returns>
    /// <exception cref="UnhealthyException">Not healthy in the time that it has, or certain not to become so.</exception>
    public async Task<ImmutableArray<string>> VerifyAsync(Deployment deployment, UpAnswer up, CancellationToken cancellationToken)
    {
        progress.Report("checking health");
        if (up.Complaint is null) { Refuse(up.Differences); }
        // The engine may be on a machine whose clock is another.
        var asked = time.GetTimestamp();
        var engineTime = (await engine.InfoAsync(cancellationToken)).Time;
        var watch = new Watch(deployment, () => engineTime + time.GetElapsedTime(asked));
        while (true)
        {
            var waiting = await LookAsync(watch, up.Complaint, cancellationToken);
            if (waiting.Count == 0) { break; }
            // What compose has waited for in vain already is not waited for a second time.
            TimeSpan? limit = up.Complaint is null ? null : Min(TimeSpan.FromSeconds(5), options.WaitTimeout) + options.SettleTime;
            var elapsed = time.GetElapsedTime(asked);
            if (waiting.FirstOrDefault(w => elapsed > (limit ?? w.Limit)) is { } late) { throw Unhealthy(late.Reason, up.Complaint); }
            await Task.Delay(LookInterval, time, cancellationToken);
        }
        if (up.Complaint is not null) { throw new UnhealthyException($"docker compose up failed: {up.Complaint}"); }
        // Once more, now that nothing starts any more: a container that was about to be started again had neither ports nor networks to
        // compare.
        if (watch.Restarted) { Refuse(await deployer.DifferencesAsync(deployment, cancellationToken)); }
        var left = Max(options.WaitTimeout - time.GetElapsedTime(asked), options.SettleTime);
        var probing = time.GetTimestamp();
        foreach (var probe in options.Probes) { await ProbeAsync(new Uri(probe), probing, left, cancellationToken); }
        return [.. watch.Notes];
    }

    private static void Refuse(IReadOnlyList<Difference> differences)
    {
        if (differences.Count == 0) { return; }
        throw new UnhealthyException($"After docker compose up {string.Join("; ", differences.Take(3).Select(d => d.Words))}");
    }

    private static UnhealthyException Unhealthy(string reason, string? composeComplaint) =>
        new(composeComplaint is null ? reason : $"{reason} (compose: {composeComplaint})");

    /// <summary>One look. What is certain to have failed is thrown.</summary>
    /// <returns>What is waited for, and for how long since the first look.</returns>
    private async Task<IReadOnlyList<Waiting>> LookAsync(Watch watch, string? complaint, CancellationToken cancellationToken)
    {
        List<Waiting> waiting = [];
        var containers = await engine.ContainersAsync(watch.Model.Project, cancellationToken);
        foreach (var service in watch.Model.Services.Where(s => s.Replicas > 0))
        {
            var own = containers.Where(c => c.Service == service.Name).ToList();
            if (own.Count < service.Replicas)
            {
                waiting.Add(new($"{service.Name} has {own.Count} of {service.Replicas} containers", options.WaitTimeout));
            }
            foreach (var summary in own)
            {
                if (await engine.FindContainerAsync(summary.Id, cancellationToken) is not { } container)
                {
                    waiting.Add(new($"{service.Name}: its container was replaced", options.WaitTimeout));
                    continue;
                }
                var judged = Judge(service, container, watch);
                if (judged.Failed is { } failed) { throw Unhealthy(failed, complaint); }
                if (judged.Waiting is { } wait) { waiting.Add(wait); }
            }
        }
        return waiting;
    }

    private (string? Failed, Waiting? Waiting) Judge(ComposeService service, ContainerDetails container, Watch watch)
    {
        (string?, Waiting?) Failed(string reason) => ($"{service.Name} {reason}", null);
        (string?, Waiting?) WaitFor(string reason, TimeSpan? limit = null) =>
            (null, new($"{service.Name} {reason}", limit ?? options.WaitTimeout));

        if (watch.Restarts(container) >= CrashLoop) { return Failed($"restarts again and again (exit code {container.State.ExitCode})"); }
        var state = container.State;
        if (service.OneShot && state is { Status: "exited", ExitCode: 0 }) { return default; }
        if (state.Status is "exited" or "dead") { return Failed(Ended(service, state)); }
        if (!state.Running || state.Restarting) { return WaitFor($"is {state.Status}"); }
        if (service.OneShot && !IsServer(service, container, watch)) { return WaitFor("is a job and has not ended yet"); }
        if (state.Health is { Status: "unhealthy" or "starting" } health && !service.IgnoresHealth)
        {
            if (health.Status == "unhealthy")
            {
                if (!watch.WasUnhealthy(container)) { return Failed($"is unhealthy: {LastOutput(health)}{Inherited(service)}"); }
                watch.Note($"{service.Name} was unhealthy before this release, which did not touch it: {LastOutput(health)}");
                return default;
            }
            return WaitFor($"is not healthy yet: {LastOutput(health)}{Inherited(service)}", LimitOf(container, watch));
        }
        return state.Health is { Status: "healthy" } || watch.Age(container) >= options.SettleTime
            ? default
            : WaitFor($"has no health check and is watched for {Seconds(options.SettleTime)}",
                Max(options.WaitTimeout, watch.Elapsed + options.SettleTime));
    }

    private bool IsServer(ComposeService service, ContainerDetails container, Watch watch)
    {
        if (service.IsAwaited) { return false; }
        if (service.Health is { Disabled: false } || watch.Before.Of(service.Name).Any(IsServerWithAJobsPolicy)) { return true; }
        if (watch.Age(container) < options.WaitTimeout) { return false; }
        watch.Note($"{service.Name} has not ended after {Seconds(options.WaitTimeout)}, so it is taken for a server. If it is one, write "
            + "restart: unless-stopped or a health check for it; if it is a job, give it the time with Deploy:WaitTimeout");
        return true;
    }

    /// <summary>One with another policy was never waited for, so that it runs says nothing about the service as it is written
    /// now.</summary>
    private static bool IsServerWithAJobsPolicy(SeenContainer container) =>
        container is { Runs: true, Details.HostConfig.RestartPolicy: null or { Name: null or "" or "no" or "on-failure" } };

    /// <summary>The container is given what its own health check allows, though the release may have less.</summary>
    private TimeSpan LimitOf(ContainerDetails container, Watch watch) => container.Config?.Healthcheck is { IsCheck: true } check
        ? Max(options.WaitTimeout, watch.Elapsed - watch.Age(container) + HealthChecks.Allows(check) + CheckSlack)
        : options.WaitTimeout;

    private static string Ended(ComposeService service, ContainerState state)
    {
        var words = $"ended with exit code {state.ExitCode}{(state.Error is { Length: > 0 } error ? $": {error}" : "")}";
        return state.ExitCode != 0 || service.OneShot
            ? words
            : $"{words}, and the file does not say that it is to end. A job has no ports and restart: \"no\" or on-failure, or others "
                + "await it with service_completed_successfully";
    }

    private static string Inherited(ComposeService service) => service is { Health: null, Overrides: true }
        ? $" (the check comes with the image {service.Image}, whose command {service.Name} replaces; "
            + $"if it does not fit, {HealthChecks.Mend})"
        : "";

    private async Task ProbeAsync(Uri address, long started, TimeSpan limit, CancellationToken cancellationToken)
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
            if (time.GetElapsedTime(started) > limit) { throw new UnhealthyException($"{address} does not answer well: {reason}"); }
            await Task.Delay(LookInterval, time, cancellationToken);
        }
    }

    private static string LastOutput(ContainerHealth health)
    {
        var text = CheckOutput.InShort(health.Log is { Length: > 0 } log ? log[^1].Output : null);
        return text.Length > 0 ? text : "its health check has said nothing";
    }

    private static string Seconds(TimeSpan time) => $"{time.TotalSeconds.ToString("0.#", CultureInfo.InvariantCulture)} s";

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private static TimeSpan Max(TimeSpan one, TimeSpan other) => one > other ? one : other;

    /// <param name="Limit">Since the first look.</param>
    private sealed record Waiting(string Reason, TimeSpan Limit);

    /// <summary>What is known of the containers since the first look.</summary>
    /// <param name="now">The engine's clock.</param>
    private sealed class Watch(Deployment deployment, Func<DateTimeOffset> now)
    {
        private readonly DateTimeOffset _begun = now();
        private readonly Dictionary<string, (int First, DateTimeOffset Seen)> _known = [];

        public ComposeModel Model => deployment.Model;

        public ContainerSet Before => deployment.Before;

        public List<string> Notes { get; } = [];

        /// <summary>Whether a container was started again while we looked.</summary>
        public bool Restarted { get; private set; }

        public TimeSpan Elapsed => now() - _begun;

        public void Note(string note)
        {
            if (!Notes.Contains(note)) { Notes.Add(note); }
        }

        public int Restarts(ContainerDetails container)
        {
            var known = _known.TryGetValue(container.Id, out var seen) ? seen : _known[container.Id] = (container.RestartCount, now());
            var first = known.First;
            Restarted |= container.RestartCount > first || container.State.Restarting;
            return container.RestartCount - first;
        }

        /// <summary>Since its start, by the engine's clock.</summary>
        public TimeSpan Age(ContainerDetails container)
        {
            var text = container.State.StartedAt;
            var isTime = DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var started);
            return now() - (isTime ? started : _known[container.Id].Seen);
        }

        /// <summary>Whether it was unhealthy when the deployment began, which did not touch it.</summary>
        public bool WasUnhealthy(ContainerDetails container) =>
            Before.All.FirstOrDefault(c => c.Id == container.Id) is { Health: "unhealthy" } before
            && (container.State.StartedAt == before.StartedAt || container.RestartCount > before.Restarts);
    }
}
