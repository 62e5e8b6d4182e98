using System.Text.Json;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Configuration;

[Collection(ProcessEnvironment.Collection)]
public sealed class WorkerOptionsReaderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("configuration-").FullName;
    private readonly ProcessEnvironment _environment = new();

    private string FilePath => Path.Combine(_folder, "appsettings.json");

    public void Dispose()
    {
        _environment.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private WorkerOptions Read(string json, params string[] settings)
    {
        File.WriteAllText(FilePath, json);
        return WorkerOptionsReader.Read(ConfigurationFiles.Load(FilePath, settings));
    }

    private IReadOnlyList<ConfigurationFault> FaultsOf(string json, params string[] settings) =>
        Assert.Throws<ConfigurationFaultsException>(() => Read(json, settings)).Faults;

    [Fact]
    public void Configuration_WithManyFaults_ReportsEachWithItsSourceAndItsFixAtOnce()
    {
        _environment["Worker__Build__CommitArgument"] = "A-B";
        _environment["Worker__Docker__Endpoint"] = "ssh://host";
        File.WriteAllText(FilePath, """
            { "Worker": {
              "Repository": { "Path": "relative", "PollInterval": "30", "LocalChanges": "1", "Brnch": "main" },
              "Compose": "compose.yaml",
              "Deploy": { "Rollback": "perhaps", "Probes": [ "http://127.0.0.1/", "ftp://x" ], "WaitTimeout": "2.00:00:00" },
              "Prune": { "Cron": "every night", "KeepReleases": "three", "TimeZone": "Mars/Olympus" }
            } }
            """);
        File.WriteAllText(Path.Combine(_folder, "appsettings.Production.json"), """{ "Worker": { "State": { "Folder": "here" } } }""");

        var error = Assert.Throws<ConfigurationFaultsException>(() => WorkerOptionsReader.Read(ConfigurationFiles.Load(FilePath, ["Repository:Remote=--upload-pack=x"])));

        (string Key, string Source, string Fix)[] expected =
        [
            ("Build:CommitArgument", "environment variable Worker__Build__CommitArgument", "letters, digits and _"),
            ("Compose", FilePath, "Files, Profiles, ProjectName, AdoptFrom, EnvFiles"),
            ("Deploy:Probes:1", FilePath, "http://"),
            ("Deploy:Rollback", FilePath, "true or false"),
            ("Deploy:WaitTimeout", FilePath, "from 00:00:01 to 1.00:00:00"),
            ("Docker:Endpoint", "environment variable Worker__Docker__Endpoint", "unix:///var/run/docker.sock"),
            ("Prune:Cron", FilePath, "0 30 3 * * ?"),
            ("Prune:KeepReleases", FilePath, "digits only"),
            ("Prune:TimeZone", FilePath, "Europe/Berlin"),
            ("Repository:Brnch", FilePath, "Path, Remote, Branch, PollInterval, LocalChanges, SshCommand, AllowedSigners"),
            ("Repository:LocalChanges", FilePath, "one of these names"),
            ("Repository:Path", FilePath, "full path"),
            ("Repository:PollInterval", FilePath, "00:00:30"),
            ("Repository:Remote", "flag --set", "origin"),
            ("State:Folder", Path.Combine(_folder, "appsettings.Production.json"), "full path"),
        ];
        var faults = error.Faults.OrderBy(f => f.Key, StringComparer.Ordinal).ToList();
        Assert.Equal(expected.Select(e => (e.Key, e.Source)), faults.Select(f => (f.Key, f.Source)));
        Assert.All(faults.Zip(expected), pair => Assert.Contains(pair.Second.Fix, pair.First.Fix, StringComparison.Ordinal));
        Assert.StartsWith($"The configuration has {expected.Length} faults:", error.Message, StringComparison.Ordinal);
        Assert.All(faults, f => Assert.Contains($"- {f.Source}: {f.Key}: {f.Problem}. {f.Fix}", error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void Configuration_OfTheRepository_ReadsWithoutFaultAndHoldsTheDefaultsOfTheCode()
    {
        var options = WorkerOptionsReader.Read(ConfigurationFiles.Load(null, []));

        Assert.Equal(JsonSerializer.Serialize(new WorkerOptions()), JsonSerializer.Serialize(options));
    }

    [Fact]
    public void Configuration_OfTheRepository_NamesEveryKeyOfTheOptions()
    {
        using var document = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "appsettings.json")), new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip });
        static IEnumerable<string> Leaves(JsonElement element, string path) => element.ValueKind == JsonValueKind.Object && element.EnumerateObject().Any()
            ? element.EnumerateObject().SelectMany(p => Leaves(p.Value, $"{path}:{p.Name}"))
            : [path];
        static IEnumerable<string> Keys(Type type, string path) => type.GetProperties().SelectMany(p =>
            p.PropertyType.Namespace == type.Namespace && p.PropertyType is { IsClass: true, IsArray: false } ? Keys(p.PropertyType, $"{path}:{p.Name}") : [$"{path}:{p.Name}"]);

        Assert.Equal(
            Keys(typeof(WorkerOptions), "Worker").Order(StringComparer.Ordinal),
            Leaves(document.RootElement.GetProperty("Worker"), "Worker").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Notifications_AreAListOfSections_FromAFileAndFromVariables()
    {
        _environment["Worker__Notifications__1__Kind"] = "slack";
        _environment["Worker__Notifications__1__Url"] = "https://hooks.slack.example/x";
        _environment["Worker__Notifications__1__On"] = "Failure,Success";

        var options = Read("""{ "Worker": { "Notifications": [ { "Kind": "Email", "Host": "mail", "From": "a@b.example", "To": [ "c@d.example" ] } ] } }""");

        Assert.Equal(["email", "slack"], options.Notifications.Select(n => n.CalledBy()));
        Assert.Equal(("mail", 587, MailSecurity.StartTls), (options.Notifications[0].Host, options.Notifications[0].Port, options.Notifications[0].Security));
        Assert.Equal(["c@d.example"], options.Notifications[0].To);
        Assert.Equal(["Failure", "Success"], options.Notifications[1].On);
    }

    [Theory]
    [InlineData("""{ "Url": "https://x.example/" }""", "Kind")]
    [InlineData("""{ "Kind": "Pigeon" }""", "Kind", "Kind")]
    [InlineData("""{ "Kind": "Slack" }""", "Url")]
    [InlineData("""{ "Kind": "Slack", "Url": "hooks.slack.com/x" }""", "Url")]
    [InlineData("""{ "Kind": "Slack", "Url": "https://x.example/", "UrlFile": "/dev/null" }""", "UrlFile")]
    [InlineData("""{ "Kind": "Slack", "UrlFile": "url.txt" }""", "UrlFile")]
    [InlineData("""{ "Kind": "Slack", "UrlFile": "/nowhere/url" }""", "UrlFile")]
    [InlineData("""{ "Kind": "Ntfy", "Url": "https://ntfy.sh/" }""", "Url")]
    [InlineData("""{ "Kind": "Webhook", "Url": "https://x.example/", "On": [ "Failure", "Weather" ] }""", "On")]
    [InlineData("""{ "Kind": "Webhook", "Url": "https://x.example/", "Colour": "red" }""", "Colour")]
    [InlineData("""{ "Kind": "Email" }""", "Host", "From", "To")]
    [InlineData("""{ "Kind": "Email", "Host": "m", "From": "no address", "To": [ "c@d.example", "x y z@" ], "Port": 0 }""", "Port", "From", "To")]
    [InlineData("""{ "Kind": "Email", "Host": "m", "From": "a@b.example", "To": "c@d.example", "User": "u", "Security": "None" }""", "Password", "Security")]
    [InlineData("\"slack\"", "0", "Kind")]
    public void Notification_WithFaults_NamesTheKeyOfEach(string channel, params string[] keys)
    {
        var faults = FaultsOf($$"""{ "Worker": { "Notifications": [ {{channel}} ] } }""");

        Assert.Equal(keys, faults.Select(f => f.Key.Split(':')[^1]));
        Assert.All(faults, f => Assert.StartsWith("Notifications:0", f.Key, StringComparison.Ordinal));
        Assert.All(faults, f => Assert.NotEmpty(f.Fix));
    }

    [Fact]
    public void Notifications_OfOneName_AreAFault() => Assert.Equal("Notifications:1:Name", Assert.Single(FaultsOf(
        """{ "Worker": { "Notifications": [ { "Kind": "Slack", "Url": "https://x.example/" }, { "Kind": "Slack", "Url": "https://y.example/" } ] } }""")).Key);

    [Theory]
    [InlineData("""{ "Provider": "GitHub" }""", "Project", "Token")]
    [InlineData("""{ "Provider": "GitHub", "Project": "name", "Token": "t" }""", "Project")]
    [InlineData("""{ "Provider": "Gitea", "Project": "o/n", "TokenFile": "/nowhere/token" }""", "Address", "TokenFile")]
    [InlineData("""{ "Provider": "GitLab", "Project": "a/b/c", "Token": "t", "Address": "gitlab", "Context": "" }""", "Address")]
    public void CommitStatus_WithFaults_NamesTheKeyOfEach(string section, params string[] keys) => Assert.Equal(
        keys.Select(k => $"CommitStatus:{k}"), FaultsOf($$"""{ "Worker": { "CommitStatus": {{section}} } }""").Select(f => f.Key));

    [Fact]
    public void Options_WithoutConfiguration_HaveTheDocumentedDefaults()
    {
        var options = Read("{}");

        Assert.Equal("/srv/watch-party", options.Repository.Path);
        Assert.Equal(("origin", null, TimeSpan.FromSeconds(30), LocalChanges.Stash), (options.Repository.Remote, options.Repository.Branch, options.Repository.PollInterval, options.Repository.LocalChanges));
        Assert.Equal(("GIT_COMMIT_HASH", TimeSpan.FromHours(1), TimeSpan.FromMinutes(30)), (options.Build.CommitArgument, options.Build.Timeout, options.Build.SilenceTimeout));
        Assert.Equal((TimeSpan.FromMinutes(3), true), (options.Deploy.WaitTimeout, options.Deploy.Rollback));
        Assert.Equal(("0 30 3 * * ?", null, 3), (options.Prune.Cron, options.Prune.TimeZone, options.Prune.KeepReleases));
        Assert.Equal("/var/lib/watchparty", options.State.Folder);
        Assert.Empty(options.Compose.Files);
        Assert.Empty(options.Build.Arguments);
    }

    [Fact]
    public void Value_OfEachSource_IsOverriddenByTheNext()
    {
        const string Text = """{ "Worker": { "Repository": { "Branch": "file", "Remote": "file" }, "Prune": { "KeepReleases": 7 } } }""";
        File.WriteAllText(Path.Combine(_folder, "appsettings.Production.json"), """{ "Worker": { "Repository": { "Branch": "production" }, "Prune": { "KeepReleases": 8 } } }""");
        _environment["Worker__Repository__Branch"] = "variable";

        Assert.Equal("variable", Read(Text).Repository.Branch);
        var options = Read(Text, "Repository:Branch=flag/y");
        Assert.Equal(("flag/y", "file", 8), (options.Repository.Branch, options.Repository.Remote, options.Prune.KeepReleases));
        Assert.Equal("again", Read(Text, "Repository:Branch=flag", "worker:repository:branch=again").Repository.Branch);
    }

    [Fact]
    public void FileOfTheEnvironment_IsChosenByTheVariable()
    {
        File.WriteAllText(Path.Combine(_folder, "appsettings.Staging.json"), """{ "Worker": { "Repository": { "Branch": "staging" } } }""");
        _environment["DOTNET_ENVIRONMENT"] = "Staging";

        Assert.Equal("staging", Read("{}").Repository.Branch);
    }

    [Theory]
    [InlineData("compose.yaml,compose.server.yaml")]
    [InlineData(" compose.yaml ; compose.server.yaml ; ")]
    public void List_InOneVariable_IsSplitAndReplacesThatOfTheFile(string text)
    {
        _environment["Worker__Compose__Files"] = text;

        Assert.Equal(["compose.yaml", "compose.server.yaml"], Read("""{ "Worker": { "Compose": { "Files": ["a", "b", "c"] } } }""").Compose.Files);
    }

    [Fact]
    public void List_InNumberedVariables_IsRead()
    {
        _environment["Worker__Compose__Profiles__0"] = "web";
        _environment["Worker__Compose__Profiles__1"] = "mail";

        Assert.Equal(["web", "mail"], Read("""{ "Worker": { "Compose": { "Profiles": [] } } }""").Compose.Profiles);
    }

    [Fact]
    public void FaultInAList_GivenAsOneVariable_NamesTheVariable()
    {
        _environment["Worker__Deploy__Probes"] = "http://127.0.0.1/,nonsense";

        var fault = Assert.Single(FaultsOf("{}"));
        Assert.Equal(("Deploy:Probes:1", "environment variable Worker__Deploy__Probes"), (fault.Key, fault.Source));
    }

    [Fact]
    public void BuildArguments_KeepTheirCaseAndTheirValuesAsTheyAre()
    {
        var arguments = Read("""{ "Worker": { "Build": { "Arguments": { "Http_Proxy": "http://proxy:3128", "PRICE": "5$", "EMPTY": "" } } } }""").Build.Arguments;

        Assert.Equal(new Dictionary<string, string> { ["Http_Proxy"] = "http://proxy:3128", ["PRICE"] = "5$", ["EMPTY"] = "" }, arguments);
    }

    [Theory]
    [InlineData("""{ "Build": { "Arguments": "FOO=bar" } }""", "Build:Arguments", "is a section, not a value")]
    [InlineData("""{ "Build": { "Arguments": { "FOO": { "BAR": "1" } } } }""", "Build:Arguments:FOO", "is a value, not a section")]
    [InlineData("""{ "Build": { "Arguments": { "A-B": "1" } } }""", "Build:Arguments:A-B", "'A-B' is not the name of a build argument")]
    [InlineData("""{ "Compose": { "Files": [ { "Path": "x" } ] } }""", "Compose:Files:0", "is a value, not a section")]
    [InlineData("""{ "Repository": { "Remote": [ "a" ] } }""", "Repository:Remote", "is a value, not a section")]
    [InlineData("""{ "Repository": { "Branch": "../x" } }""", "Repository:Branch", "is not a branch name")]
    [InlineData("""{ "Repository": { "PollInterval": "00:00:00.5" } }""", "Repository:PollInterval", "is out of range")]
    [InlineData("""{ "Repository": { "PollInterval": "00:99:00" } }""", "Repository:PollInterval", "is not a time span")]
    [InlineData("""{ "Repository": { "LocalChanges": "Keep" } }""", "Repository:LocalChanges", "'Keep' is not a Stash or Refuse or Discard")]
    [InlineData("""{ "Compose": { "ProjectName": "Watch Party" } }""", "Compose:ProjectName", "is not a compose project name")]
    [InlineData("""{ "Compose": { "AdoptFrom": "../old" } }""", "Compose:AdoptFrom", "is not an absolute path")]
    [InlineData("""{ "Deploy": { "SettleTime": "-00:00:01" } }""", "Deploy:SettleTime", "is out of range")]
    [InlineData("""{ "Prune": { "Cron": "30 3 * * *" } }""", "Prune:Cron", "is not a Quartz cron expression")]
    [InlineData("""{ "Build": { "RefreshBaseImages": "weekly" } }""", "Build:RefreshBaseImages", "is not a Quartz cron expression")]
    [InlineData("""{ "Prune": { "KeepReleases": 0 } }""", "Prune:KeepReleases", "0 is out of range")]
    [InlineData("""{ "Prune": { "KeepReleases": "3.5" } }""", "Prune:KeepReleases", "is not a whole number")]
    [InlineData("""{ "DropFiles": { "Folder": "flags" } }""", "DropFiles:Folder", "is not an absolute path")]
    [InlineData("""{ "Secrets": { "Token": "x" } }""", "Secrets", "unknown key")]
    [InlineData("""{ "Status": { "Address": "127.0.0.1:8080" } }""", "Status:Address", "is not an address the page can be served at")]
    [InlineData("""{ "Status": { "Address": "https://127.0.0.1:8443" } }""", "Status:Address", "is not an address the page can be served at")]
    [InlineData("""{ "Status": { "Address": "http://status.example.org" } }""", "Status:Address", "is not an address the page can be served at")]
    [InlineData("""{ "Status": { "Address": "http://127.0.0.1:8080/status" } }""", "Status:Address", "is not an address the page can be served at")]
    [InlineData("""{ "Status": { "Address": "http://0.0.0.0:8080" } }""", "Status:Address", "others can reach 'http://0.0.0.0:8080', and there is no token")]
    [InlineData("""{ "Status": { "Address": "http://[::]:8080" } }""", "Status:Address", "there is no token")]
    [InlineData("""{ "Status": { "Address": "http://10.0.0.1:8080" } }""", "Status:Address", "there is no token")]
    [InlineData("""{ "Status": { "Hosts": [ "http://example.org" ] } }""", "Status:Hosts:0", "is not a host name")]
    [InlineData("""{ "Status": { "Token": "short" } }""", "Status:Token", "it is too short")]
    [InlineData("""{ "Status": { "Token": "01234567890123456789", "TokenFile": "/run/token" } }""", "Status:Token", "are both set")]
    [InlineData("""{ "Status": { "TokenFile": "token" } }""", "Status:TokenFile", "is not an absolute path")]
    [InlineData("""{ "Status": { "WebhookSecret": "short" } }""", "Status:WebhookSecret", "it is too short")]
    public void Value_ThatCannotBeUsed_IsOneFault(string worker, string key, string problem)
    {
        var fault = Assert.Single(FaultsOf($$"""{ "Worker": {{worker}} }"""));

        Assert.Equal((key, FilePath), (fault.Key, fault.Source));
        Assert.Contains(problem, fault.Problem, StringComparison.Ordinal);
        Assert.NotEmpty(fault.Fix);
    }

    [Theory]
    [InlineData("""{ "Repository": { "Branch": "feature/x_1.2", "PollInterval": "1.00:00:00", "LocalChanges": "discard" } }""")]
    [InlineData("""{ "Deploy": { "SettleTime": "00:00:00", "Rollback": "False", "WaitTimeout": "00:00:01", "Probes": [ "https://example.org/health" ] } }""")]
    [InlineData("""{ "Docker": { "Endpoint": "npipe:////./pipe/docker_engine" }, "Prune": { "KeepReleases": 100, "TimeZone": "America/New_York" } }""")]
    [InlineData("""{ "Docker": { "Endpoint": "" }, "Prune": { "TimeZone": "", "Cron": "" }, "State": { "Folder": "" } }""")]
    [InlineData("""{ "repository": { "BRANCH": "main" } }""")]
    [InlineData("""{ "Status": { "Address": "http://localhost:8080", "Hosts": [ "status.example.org" ] } }""")]
    [InlineData("""{ "Status": { "Address": "http://[::1]:8080", "WebhookSecretFile": "/run/webhook" } }""")]
    [InlineData("""{ "Status": { "Address": "http://0.0.0.0:8080", "TokenFile": "/run/token" } }""")]
    public void Value_AtTheEdgeOfWhatIsAllowed_IsTaken(string worker) => Read($$"""{ "Worker": {{worker}} }""");

    [Fact]
    public void File_ThatDoesNotExist_IsAFault()
    {
        var error = Assert.Throws<ConfigurationFaultsException>(() => ConfigurationFiles.Load(Path.Combine(_folder, "none.json"), []));

        Assert.Equal((Path.Combine(_folder, "none.json"), "--config"), error.Faults.Select(f => (f.Source, f.Key)).Single());
    }

    [Fact]
    public void File_ThatIsNotJson_IsAFaultThatNamesTheFileAndTheLine()
    {
        var fault = Assert.Single(FaultsOf("{ \"Worker\": {\n  \"Repository\": oops\n} }"));

        Assert.Equal(FilePath, fault.Source);
        Assert.Contains("LineNumber: 1", fault.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Setting_WithoutAValue_IsAFault() =>
        Assert.Equal(("flag --set", "Repository:Branch"), FaultsOf("{}", "Repository:Branch").Select(f => (f.Source, f.Key)).Single());
}
