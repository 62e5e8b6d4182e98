using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using WatchParty.Releases.Planning;

namespace WatchParty.Releases.Recording;

/// <summary>The release that serves now, as far as the record knows.</summary>
internal sealed record DeployedRelease(long Id, string Commit, string? ConfigurationHash,
    IReadOnlyDictionary<string, DeployedService> Services, Served Served)
{
    /// <summary>As in <see cref="ComposeModel.ResourcesHash"/>; null when an earlier version of the worker released it.</summary>
    public string? ResourcesHash { get; init; }
}

/// <summary>A release that a killed worker left unfinished.</summary>
/// <param name="State">What it was about to do.</param>
/// <param name="Before">What served when it began; null when it did not come so far.</param>
internal sealed record UnfinishedRelease(long Id, string Commit, ReleaseState State, Served? Before = null);

/// <summary>A healthy release with its images, to be compared with others.</summary>
/// <param name="Images">Id by service; null where an earlier version of the worker did not record it.</param>
internal sealed record ReleasedImages(long Id, string Commit, IReadOnlyDictionary<string, string?> Images)
{
    /// <summary>Whether both would run the same images. What one of them does not know does not set them apart.</summary>
    public bool SameAs(ReleasedImages other) => Images.Count == other.Images.Count
        && Images.All(i => other.Images.TryGetValue(i.Key, out var id) && (id is null || i.Value is null || id == i.Value));
}

/// <summary>The record of releases, written as they go.</summary>
internal sealed class History(Database database, TimeProvider time)
{
    private const string WorkerEnded = "the worker ended";

    /// <summary>Begins a row. The try of a commit that follows one that failed for a reason outside of it takes that one's row over,
    /// so that an engine that is away for a night leaves one row and not hundreds.</summary>
    public long Begin(string commit, string? previousCommit, string trigger, bool forced)
    {
        var id = 0L;
        database.Transaction(() =>
        {
            var retried =
                database.Query("SELECT id, commit_id, outcome FROM release ORDER BY id DESC LIMIT 1",
                    r => (Id: r.GetInt64(0), Commit: r.GetString(1), Outcome: TextOrNull(r, 2)))
                is [{ Outcome: nameof(ReleaseOutcome.Failed) } last] && last.Commit == commit ? last.Id : (long?)null;
            if (retried is not null) { database.Execute("DELETE FROM release WHERE id = $id", ("$id", retried)); }
            id = database.Scalar<long>("""
                INSERT INTO release (id, commit_id, previous_commit, trigger, forced, state, started_at)
                VALUES ($id, $commit, $previous, $trigger, $forced, 'Planning', $now) RETURNING id
                """, ("$id", retried), ("$commit", commit), ("$previous", previousCommit), ("$trigger", trigger), ("$forced", forced),
                ("$now", Now()));
        });
        return id;
    }

    /// <summary>Closes releases of this process whose end could not be written when they ended. Only while none is under way: those of a
    /// killed worker are the recovery's.</summary>
    public void EndUnrecorded() =>
        database.Execute("UPDATE release SET state = 'Done', outcome = $outcome, error = $error, ended_at = $now WHERE outcome IS NULL",
        ("$outcome", nameof(ReleaseOutcome.Failed)), ("$error", "its end could not be recorded"), ("$now", Now()));

    /// <summary>Notes that the release is about to do what <paramref name="state"/> says.</summary>
    public void Enter(long release, ReleaseState state) =>
        database.Execute("UPDATE release SET state = $state WHERE id = $id", ("$state", state.ToString()), ("$id", release));

    /// <summary>What served before <paramref name="release"/>, written before it touches the first container.</summary>
    public void SaveBefore(long release, Served before) => database.Execute("UPDATE release SET before = $before WHERE id = $id",
        ("$before", JsonSerializer.Serialize(before, RecordJson.Default.Served)), ("$id", release));

    /// <summary>The image that the containers of each service run now that the release serves.</summary>
    public void SaveImages(long release, IReadOnlyDictionary<string, string> images) => database.Transaction(() =>
    {
        foreach (var (service, id) in images)
        {
            database.Execute("UPDATE service SET image_id = $imageId WHERE release_id = $id AND name = $name", ("$imageId", id),
                ("$id", release), ("$name", service));
        }
    });

    public void SavePlan(long release, ReleasePlan plan, DeployedRelease? deployed) => database.Transaction(() =>
    {
        database.Execute(
            "UPDATE release SET configuration_hash = $hash, resources_hash = $resources, project = $project, source = $source WHERE id = " +
            "$id",
            ("$hash", plan.Model.ConfigurationHash), ("$resources", plan.Model.ResourcesHash), ("$project", plan.Model.Project),
            ("$source", plan.Model.Source is { } source ? JsonSerializer.Serialize(source, RecordJson.Default.ModelSource) : null),
            ("$id", release));
        foreach (var (position, service) in plan.Services.Index())
        {
            // What was not built keeps the image of the last release, and the inputs of now, which are equal.
            var kept = service.Action == ServiceAction.Built ? null : deployed?.Services.GetValueOrDefault(service.Name);
            var basis = kept is null ? null : service.Before ?? kept.Basis;
            database.Execute("""
                INSERT INTO service (release_id, position, name, action, reason, fresh, image_name, image_id, inputs, inputs_commit, basis)
                VALUES ($id, $position, $name, $action, $reason, $fresh, $imageName, $imageId, $inputs, $commit, $basis)
                """,
                ("$id", release), ("$position", position), ("$name", service.Name), ("$action", service.Action.ToString()),
                ("$reason", service.Reason),
                ("$fresh", service.Fresh), ("$imageName", service.Service.Image), ("$imageId", kept?.ImageId),
                ("$inputs", service.Inputs is null ? null : JsonSerializer.Serialize(service.Inputs, RecordJson.Default.BuildInputs)),
                ("$commit", plan.Commit),
                ("$basis", basis is null ? null : JsonSerializer.Serialize(basis, RecordJson.Default.BuildBasis)));
        }
    });

    public void SaveBuild(long release, string service, string? imageId, BuildBasis? basis, TimeSpan elapsed,
        IReadOnlyList<BuildStep> steps, IReadOnlyList<MissedStep> missed, IReadOnlyList<string> advice) => database.Transaction(() =>
    {
        var counts = CountsOf(steps);
        database.Execute("""
            UPDATE service SET image_id = $image, seconds = $seconds, total = $total, cached = $cached, executed = $executed, missed = $missed, basis = $basis, saved = $saved, advice = $advice
            WHERE release_id = $id AND name = $name
            """,
            ("$id", release), ("$name", service), ("$image", imageId), ("$seconds", Math.Round(elapsed.TotalSeconds, 3)),
            ("$total", counts.Total), ("$cached", counts.Cached), ("$executed", counts.Executed),
            ("$missed", JsonSerializer.Serialize(missed, RecordJson.Default.IReadOnlyListMissedStep)),
            ("$saved", Math.Round(steps.Where(s => s.State == StepState.Cached).Sum(s => LastRun(service, s)), 3)),
            ("$advice", JsonSerializer.Serialize(advice, RecordJson.Default.IReadOnlyListString)),
            ("$basis", basis is null ? null : JsonSerializer.Serialize(basis, RecordJson.Default.BuildBasis)));
        database.Execute("DELETE FROM step WHERE release_id = $id AND service = $name", ("$id", release), ("$name", service));
        foreach (var (position, step) in steps.Index())
        {
            database.Execute("INSERT INTO step VALUES ($id, $name, $position, $stage, $text, $state, $seconds, $digest, $error, $started)",
                ("$id", release), ("$name", service), ("$position", position), ("$stage", step.Stage), ("$text", step.Text),
                ("$state", step.State.ToString()),
                ("$seconds", Math.Round(step.Elapsed.TotalSeconds, 3)), ("$digest", step.Digest), ("$error", step.Error),
                ("$started", step.StartedAt?.ToUnixTimeMilliseconds()));
        }
    });

    /// <summary>Seconds that a step took when it last ran; 0 when it never did.</summary>
    private double LastRun(string service, BuildStep step) => database.Scalar<double>(
        "SELECT seconds FROM step WHERE service = $service AND text = $text AND state = 'Executed' AND stage = $stage ORDER BY " +
        "release_id DESC LIMIT 1",
        ("$service", service), ("$text", step.Text), ("$stage", step.Stage));

    /// <summary>Notes that a build that should have been fresh is not proven to be.</summary>
    public void NotFresh(long release, string service) =>
        database.Execute("UPDATE service SET fresh = 0 WHERE release_id = $id AND name = $name", ("$id", release), ("$name", service));

    public static StepCounts CountsOf(IReadOnlyList<BuildStep> steps) =>
        new(steps.Count, steps.Count(s => s.State == StepState.Cached),
            steps.Count(s => s.State is StepState.Executed or StepState.Failed));

    /// <summary>Says of a service that was not built what the deployment did to it.</summary>
    public void SaveAction(long release, string service, string imageName, ServiceAction action, string reason) => database.Execute("""
        INSERT INTO service (release_id, position, name, action, reason, fresh, image_name) VALUES ($id, 9999, $name, $action, $reason, 0, $image)
        ON CONFLICT (release_id, name) DO UPDATE SET action = $action, reason = $reason
        """, ("$id", release), ("$name", service), ("$action", action.ToString()), ("$reason", reason), ("$image", imageName));

    public void Note(long release, string note) =>
        database.Execute("UPDATE release SET notes = json_insert(notes, '$[#]', $note) WHERE id = $id", ("$note", note), ("$id", release));

    public void SaveLog(long release, string file) =>
        database.Execute("UPDATE release SET log = $file WHERE id = $id", ("$file", file), ("$id", release));

    public void SaveUnanswered(long release, IReadOnlyDictionary<string, Unanswered> seconds) => database.Execute(
        "UPDATE release SET unanswered = $seconds WHERE id = $id",
        ("$seconds", JsonSerializer.Serialize(seconds, RecordJson.Default.IReadOnlyDictionaryStringUnanswered)), ("$id", release));

    /// <summary>Ends the release. With a success the marks of what it built without cache go: until then nobody has been served such a
    /// build.</summary>
    public void Finish(long release, ReleaseOutcome outcome, string? error, PhaseSeconds seconds) => database.Transaction(() =>
    {
        database.Execute(
            "UPDATE release SET state = 'Done', outcome = $outcome, error = $error, seconds = $seconds, ended_at = $now WHERE id = $id",
            ("$outcome", outcome.ToString()), ("$error", error),
            ("$seconds", JsonSerializer.Serialize(seconds, RecordJson.Default.PhaseSeconds)), ("$now", Now()), ("$id", release));
        if (outcome != ReleaseOutcome.Succeeded) { return; }
        database.Execute(
            "DELETE FROM fresh_mark WHERE service IN (SELECT name FROM service WHERE release_id = $id AND fresh = 1 AND action = 'Built')",
            ("$id", release));
    });

    /// <summary>Records that <paramref name="newer"/> replaced <paramref name="commit"/> before anything was done for it; one that was
    /// tried has its record already.</summary>
    public void Supersede(string commit, string newer, string trigger) => database.Execute("""
        INSERT INTO release (commit_id, previous_commit, trigger, forced, state, outcome, error, started_at, ended_at)
        SELECT $commit, $deployed, $trigger, 0, 'Done', $outcome, $error, $now, $now WHERE NOT EXISTS (SELECT 1 FROM release WHERE commit_id = $commit)
        """, ("$commit", commit), ("$deployed", DeployedCommit()), ("$trigger", trigger), ("$outcome", nameof(ReleaseOutcome.Superseded)),
        ("$error", ReleaseReport.SupersededBy(newer)), ("$now", Now()));

    public string? DeployedCommit() =>
        database.Scalar<string>("SELECT commit_id FROM release WHERE outcome = 'Succeeded' ORDER BY id DESC LIMIT 1");

    /// <summary>When a release last went well; null before the first.</summary>
    public DateTimeOffset? LastSuccess() =>
        database.Scalar<long>("SELECT ended_at FROM release WHERE outcome = 'Succeeded' ORDER BY id DESC LIMIT 1") is > 0 and var at
        ? DateTimeOffset.FromUnixTimeMilliseconds(at)
        : null;

    /// <summary>Number and commit of the newest release that was healthy.</summary>
    public (long Id, string Commit)? DeployedNumber() => database.Query(
        "SELECT id, commit_id FROM release WHERE outcome = 'Succeeded' ORDER BY id DESC LIMIT 1",
        r => ((long, string)?)(r.GetInt64(0), r.GetString(1))).FirstOrDefault();

    /// <summary>The newest release that was healthy.</summary>
    public DeployedRelease? Deployed() => Healthy(1) is [var newest, ..] ? newest : null;

    /// <summary>The newest healthy releases, newest first.</summary>
    public IReadOnlyList<DeployedRelease> Healthy(int count) =>
        [.. database.Query("SELECT id FROM release WHERE outcome = 'Succeeded' ORDER BY id DESC LIMIT $count", r => r.GetInt64(0),
            ("$count", count)).Select(ReadDeployed)];

    /// <summary>Number and commit of every healthy release, newest first.</summary>
    public IReadOnlyList<(long Id, string Commit)> HealthyCommits() =>
        database.Query("SELECT id, commit_id FROM release WHERE outcome = 'Succeeded' ORDER BY id DESC LIMIT 10000",
            r => (r.GetInt64(0), r.GetString(1)));

    public DeployedRelease? FindHealthy(long release) =>
        database.Scalar<long>("SELECT id FROM release WHERE outcome = 'Succeeded' AND id = $id", ("$id", release)) == release
        ? ReadDeployed(release)
        : null;

    /// <summary>The names under which releases built the image <paramref name="id"/>.</summary>
    public IReadOnlyList<string> NamesOf(string id) => database.Query(
        "SELECT DISTINCT image_name FROM service WHERE image_id = $imageId AND inputs IS NOT NULL", r => r.GetString(0), ("$imageId", id));

    /// <summary>Whether <paramref name="release"/> had the image <paramref name="id"/>.</summary>
    public bool HadImage(long release, string id) => database.Scalar<long>(
        "SELECT EXISTS (SELECT 1 FROM service WHERE image_id = $imageId AND release_id = $id)", ("$imageId", id), ("$id", release)) == 1;

    /// <summary>The newest healthy releases with their images, newest first.</summary>
    public IReadOnlyList<ReleasedImages> HealthyImages(int count)
    {
        var images = database.Query("""
            SELECT release_id, name, image_id FROM service WHERE action <> 'Removed'
            AND release_id IN (SELECT id FROM release WHERE outcome = 'Succeeded' ORDER BY id DESC LIMIT $count)
            """, r => (Release: r.GetInt64(0), Service: r.GetString(1), Id: TextOrNull(r, 2)), ("$count", count)).ToLookup(i => i.Release);
        return
        [
            .. database.Query("SELECT id, commit_id FROM release WHERE outcome = 'Succeeded' ORDER BY id DESC LIMIT $count",
                r => (Id: r.GetInt64(0), Commit: r.GetString(1)), ("$count", count))
                .Select(r => new ReleasedImages(r.Id, r.Commit, images[r.Id].ToDictionary(i => i.Service, i => i.Id))),
        ];
    }

    /// <summary>Every service that a release of ours of this compose project had, healthy or not; no container of another service is ours
    /// to remove.</summary>
    public IReadOnlySet<string> OwnServices(string project) => database.Query("""
        SELECT DISTINCT name FROM service JOIN release ON release.id = service.release_id WHERE action <> 'Removed' AND (project IS NULL OR project = $project)
        """, r => r.GetString(0), ("$project", project)).ToHashSet();

    /// <summary>Releases that a killed worker left unfinished, newest first.</summary>
    public IReadOnlyList<UnfinishedRelease> Unfinished() => database.Query(
        "SELECT id, commit_id, state, before FROM release WHERE outcome IS NULL ORDER BY id DESC", r => new UnfinishedRelease(
            r.GetInt64(0), r.GetString(1), Enum.Parse<ReleaseState>(r.GetString(2)),
            TextOrNull(r, 3) is { } before ? JsonSerializer.Deserialize(before, RecordJson.Default.Served) : null));

    /// <summary>Closes a release that a killed worker left unfinished.</summary>
    /// <returns>How often now the worker ended while it released this commit, since that was last healthy.</returns>
    public long Interrupt(UnfinishedRelease release)
    {
        Finish(release.Id, ReleaseOutcome.Interrupted, $"{WorkerEnded} during {release.State}", PhaseSeconds.Zero);
        return database.Scalar<long>("""
            SELECT COUNT(*) FROM release WHERE commit_id = $commit AND outcome = 'Interrupted' AND error LIKE $ended || '%'
            AND id > COALESCE((SELECT MAX(id) FROM release WHERE commit_id = $commit AND outcome = 'Succeeded'), 0)
            """, ("$commit", release.Commit), ("$ended", WorkerEnded));
    }

    /// <summary>What is recorded of <paramref name="release"/> so far, finished or not.</summary>
    public Served Recorded(long release) => ReadDeployed(release).Served;

    public bool IsEmpty() => database.Scalar<long>("SELECT EXISTS (SELECT 1 FROM release)") == 0;

    /// <summary>Takes up releases that another history had, with their numbers. Their inputs are not known, so the next release builds
    /// every service.</summary>
    /// <param name="last">The highest number in use; the next release gets a higher one.</param>
    public void TakeUp(
        IEnumerable<(long Id, string Commit, string Project, IReadOnlyDictionary<string, (string ImageName, string? ImageId)> Services)> releases, long last, string note) => database.Transaction(() =>
    {
        foreach (var (id, commit, project, services) in releases)
        {
            database.Execute("""
                INSERT INTO release (id, commit_id, project, trigger, forced, state, outcome, notes, started_at, ended_at)
                VALUES ($id, $commit, $project, 'taken up', 0, 'Done', 'Succeeded', json_array($note), $now, $now)
                """, ("$id", id), ("$commit", commit), ("$project", project), ("$note", note), ("$now", Now()));
            foreach (var (name, (imageName, imageId)) in services)
            {
                database.Execute(
                    "INSERT INTO service (release_id, position, name, action, reason, fresh, image_name, image_id) VALUES ($id, 0, " +
                    "$name, 'Unchanged', 'its image was found on the engine', 0, $imageName, $imageId)",
                    ("$id", id), ("$name", name), ("$imageName", imageName), ("$imageId", imageId));
            }
        }
        if (database.Execute("UPDATE sqlite_sequence SET seq = max(seq, $last) WHERE name = 'release'", ("$last", last)) == 0)
        {
            database.Execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('release', $last)", ("$last", last));
        }
    });

    public ReleaseReport? Find(long release) => Read("WHERE id = $id", ("$id", release)).FirstOrDefault();

    public ReleaseReport? FindByCommit(string prefix) =>
        Read("WHERE commit_id LIKE $prefix || '%' ORDER BY id DESC LIMIT 1",
            ("$prefix", prefix.Replace("%", "", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal))).FirstOrDefault();

    /// <summary>The newest releases, newest first.</summary>
    public IReadOnlyList<ReleaseReport> Last(int count) => Read("ORDER BY id DESC LIMIT $count", ("$count", count));

    /// <summary>The newest releases before <paramref name="release"/>, newest first.</summary>
    public IReadOnlyList<ReleaseReport> Before(long release, int count) =>
        Read("WHERE id < $id ORDER BY id DESC LIMIT $count", ("$id", release), ("$count", count));

    /// <summary>Every step of a release, service by service.</summary>
    public IReadOnlyList<StepRecord> Steps(long release) => database.Query(
        "SELECT service, stage, text, state, seconds, error, started_at FROM step WHERE release_id = $id ORDER BY service, position",
        r => new StepRecord(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetDouble(4), TextOrNull(r, 5),
            r.IsDBNull(6) ? null : DateTimeOffset.FromUnixTimeMilliseconds(r.GetInt64(6))), ("$id", release));

    public void Quarantine(string commit, long release, string reason) => database.Execute(
        "INSERT OR REPLACE INTO quarantine VALUES ($commit, $id, $reason, $now)", ("$commit", commit), ("$id", release),
        ("$reason", reason), ("$now", Now()));

    /// <summary>The release that failed and its error, when <paramref name="commit"/> is quarantined.</summary>
    public (long Release, string Reason)? Quarantined(string commit) => database.Query(
        "SELECT release_id, reason FROM quarantine WHERE commit_id = $commit", r => ((long, string)?)(r.GetInt64(0), r.GetString(1)),
        ("$commit", commit)).FirstOrDefault();

    public void LiftQuarantine(string commit) => database.Execute("DELETE FROM quarantine WHERE commit_id = $commit", ("$commit", commit));

    public void Save(HousekeepingReport report) => database.Execute(
        "INSERT INTO housekeeping (kind, report, ended_at) VALUES ($kind, $report, $now)",
        ("$kind", report.Kind), ("$report", JsonSerializer.Serialize(report, RecordJson.Default.HousekeepingReport)),
        ("$now", report.EndedAt.ToUnixTimeMilliseconds()));

    /// <summary>The newest prunes and clears, newest first.</summary>
    public IReadOnlyList<HousekeepingReport> Housekeeping(int count) => database.Query(
        "SELECT report FROM housekeeping ORDER BY id DESC LIMIT $count",
        r => JsonSerializer.Deserialize(r.GetString(0), RecordJson.Default.HousekeepingReport)!, ("$count", count));

    public HousekeepingReport? LastHousekeeping(string kind) => database.Query(
        "SELECT report FROM housekeeping WHERE kind = $kind ORDER BY id DESC LIMIT 1",
        r => JsonSerializer.Deserialize(r.GetString(0), RecordJson.Default.HousekeepingReport)!, ("$kind", kind)).FirstOrDefault();

    /// <summary>When the worker first ran with this history; written once.</summary>
    public DateTimeOffset FirstStart()
    {
        database.Execute("INSERT OR IGNORE INTO fact VALUES ('first-start', $now)", ("$now", Now().ToString(CultureInfo.InvariantCulture)));
        return DateTimeOffset.FromUnixTimeMilliseconds(
            long.Parse(database.Scalar<string>("SELECT value FROM fact WHERE name = 'first-start'")!, CultureInfo.InvariantCulture));
    }

    /// <summary>What was noted under <paramref name="name"/> for a later process; null when nothing was.</summary>
    public string? Fact(string name) => database.Scalar<string>("SELECT value FROM fact WHERE name = $name", ("$name", name));

    public void SetFact(string name, string? value)
    {
        if (value is null) { database.Execute("DELETE FROM fact WHERE name = $name", ("$name", name)); }
        else { database.Execute("INSERT OR REPLACE INTO fact VALUES ($name, $value)", ("$name", name), ("$value", value)); }
    }

    private DeployedRelease ReadDeployed(long id)
    {
        var (commit, hash, resources, project, source) = database.Query(
            "SELECT commit_id, configuration_hash, resources_hash, project, source FROM release WHERE id = $id",
            r => (r.GetString(0), TextOrNull(r, 1), TextOrNull(r, 2), TextOrNull(r, 3),
                TextOrNull(r, 4) is { } text ? JsonSerializer.Deserialize(text, RecordJson.Default.ModelSource) : null), ("$id", id))[0];
        var services =
            database.Query(
                "SELECT name, image_name, image_id, inputs, inputs_commit, basis FROM service WHERE release_id = $id AND action <> " +
                "'Removed'", r => (
            ImageName: r.GetString(1),
            Service: new DeployedService(r.GetString(0), TextOrNull(r, 2),
                TextOrNull(r, 3) is { } inputs ? JsonSerializer.Deserialize(inputs, RecordJson.Default.BuildInputs) : null,
                TextOrNull(r, 4) ?? commit,
                TextOrNull(r, 5) is { } basis ? JsonSerializer.Deserialize(basis, RecordJson.Default.BuildBasis) : null)), ("$id", id));
        return new DeployedRelease(id, commit, hash,
            services.ToDictionary(s => s.Service.Name, s => s.Service),
            new Served(id, commit, project, source, services.Where(s => s.Service.ImageId is not null)
                .ToDictionary(s => s.Service.Name, s => new ServedService(s.ImageName, s.Service.ImageId!))))
        {
            ResourcesHash = resources,
        };
    }

    private List<ReleaseReport> Read(string where, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        var releases = database.Query($"""
            SELECT id, commit_id, previous_commit, trigger, outcome, error, state, seconds, started_at, ended_at, forced, notes, log, unanswered FROM release {where}
            """, r => new ReleaseReport(
                r.GetInt64(0).ToString(CultureInfo.InvariantCulture), r.GetString(1), TextOrNull(r, 2), r.GetString(3),
                TextOrNull(r, 4) is { } outcome ? Enum.Parse<ReleaseOutcome>(outcome) : ReleaseOutcome.Interrupted,
                [], TextOrNull(r, 7) is { } seconds
                    ? JsonSerializer.Deserialize(seconds, RecordJson.Default.PhaseSeconds)!
                    : PhaseSeconds.Zero,
                TextOrNull(r, 5), Enum.Parse<ReleaseState>(r.GetString(6)),
                DateTimeOffset.FromUnixTimeMilliseconds(r.GetInt64(8)),
                r.IsDBNull(9) ? null : DateTimeOffset.FromUnixTimeMilliseconds(r.GetInt64(9)), r.GetBoolean(10),
                JsonSerializer.Deserialize(r.GetString(11), RecordJson.Default.IReadOnlyListString), TextOrNull(r, 12))
            .WithUnanswered(TextOrNull(r, 13) is { } unanswered
                ? JsonSerializer.Deserialize(unanswered, RecordJson.Default.IReadOnlyDictionaryStringUnanswered)
                : null), values);
        return [.. releases.Select(r => r with { Services = ServicesOf(long.Parse(r.Release!, CultureInfo.InvariantCulture)) })];
    }

    private List<ServiceReport> ServicesOf(long release) => database.Query("""
        SELECT name, action, reason, fresh, total, cached, executed, seconds, image_id, missed, saved, advice FROM service WHERE release_id = $id ORDER BY position, name
        """, r => new ServiceReport(
            r.GetString(0), Enum.Parse<ServiceAction>(r.GetString(1)), r.GetString(2), r.GetBoolean(3),
            new StepCounts(r.GetInt32(4), r.GetInt32(5), r.GetInt32(6)), r.GetDouble(7), TextOrNull(r, 8),
            JsonSerializer.Deserialize(r.GetString(9), RecordJson.Default.IReadOnlyListMissedStep)!)
    {
        SecondsSaved = r.GetDouble(10),
        Advice = JsonSerializer.Deserialize(r.GetString(11), RecordJson.Default.IReadOnlyListString)!,
    }, ("$id", release));

    private static string? TextOrNull(SqliteDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();
}
