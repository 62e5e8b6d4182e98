using System.Collections.Immutable;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Redacting;

namespace WatchParty.Worker.Tests.Redacting;

public sealed class SecretsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("secrets-").FullName;

    private ComposeProject Project => new(_folder, new ComposeOptions(), "GIT_COMMIT_HASH", ImmutableDictionary<string, string?>.Empty);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    [Theory]
    [InlineData("API_KEY")]
    [InlineData("GITHUB_TOKEN")]
    [InlineData("dbPassword")]
    [InlineData("MYSQL_PWD")]
    [InlineData("SENTRY_DSN")]
    [InlineData("DB_PASS")]
    [InlineData("AWS_ACCESS_KEY_ID")]
    [InlineData("GOOGLE_CREDENTIALS")]
    [InlineData("SLACK_WEBHOOK_URL")]
    public void Name_ThatSpeaksOfASecret_IsOne(string name) => Assert.True(Secrets.IsName(name));

    [Theory]
    [InlineData("KEYBOARD")]
    [InlineData("COMPASS_MODE")]
    [InlineData("DB_PASSWORD_FILE")]
    [InlineData("TOKEN_TTL")]
    [InlineData("POSTGRES_USER")]
    [InlineData("NODE_ENV")]
    public void Name_OfSomethingElse_IsNone(string name) => Assert.False(Secrets.IsName(name));

    [Theory]
    [InlineData("hunter2", true)]
    [InlineData("Sesame", true)]
    [InlineData("pass!word", true)]
    [InlineData("correct horse battery staple", true)]
    [InlineData("postgres", false)]
    [InlineData("true", false)]
    [InlineData("a1b2c", false)]
    [InlineData("12345678", false)]
    [InlineData("user-id", false)]
    public void Value_ThatIsAPlainWordOrShort_IsLeftReadable(string value, bool isSecret) =>
        Assert.Equal(isSecret ? [value] : [], Secrets.In([KeyValuePair.Create("Worker:Build:Arguments:NPM_TOKEN", (string?)value)]));

    [Theory]
    [InlineData("postgres://app:pg0passw@db/app", "pg0passw")]
    [InlineData("redis://:r3dispw@cache:6379", "r3dispw")]
    [InlineData("https://t0kent0ken@example.org/app.git", "t0kent0ken")]
    [InlineData("https://u:a%40b1c2d3@example.org", "a%40b1c2d3", "a@b1c2d3")]
    [InlineData("ssh://git@example.org/app.git")]
    [InlineData("postgres://app:postgres@db/app")]
    public void Passwords_OfUrls_AreFoundWhateverTheirName(string url, params string[] expected) =>
        Assert.Equal(expected, Secrets.In([KeyValuePair.Create("ADDRESS", (string?)url)]).Distinct());

    [Fact]
    public void EnvFile_IsReadAsComposeReadsIt()
    {
        Write(".env", "# comment\nexport API_TOKEN=\"quoted1\"\nDB_PASSWORD = spac3d\nPLAIN=visible1\nBROKEN_KEY='unfin1shed\n");

        Assert.Equal(["quoted1", "spac3d", "unfin1shed"], Secrets.InEnvFiles(Project.EnvFiles));
    }

    [Fact]
    public void EnvFile_ThatIsAFifoOrAFolderOrMissing_IsNotWaitedFor()
    {
        Assert.Empty(Secrets.InEnvFiles(Project.EnvFiles));
        Triggering.DropFileBench.Run("mkfifo", Path.Combine(_folder, ".env"));
        Assert.Empty(Secrets.InEnvFiles(Project.EnvFiles));
        File.Delete(Path.Combine(_folder, ".env"));
        Directory.CreateDirectory(Path.Combine(_folder, ".env"));
        Assert.Empty(Secrets.InEnvFiles(Project.EnvFiles));
    }

    [Fact]
    public void Model_TellsTheSecretsOfEnvironmentsArgumentsAddressesAndFiles()
    {
        var pem = Write("key.pem", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\nq2w3e4r5t6\n-----END PRIVATE KEY-----\n");
        Write(".env", "BUILD_VALUE=fr0mEnvFile\n");

        var found = Secrets.In($$"""
            { "name": "shop2024", "services": { "web": {
                "image": "shop2024-web",
                "build": { "context": "/srv", "args": { "NPM_TOKEN": "npmT0kenValue", "VERSION": "v1.2.3-rc1" } },
                "environment": { "JWT_SECRET": "a$$b$$c1", "ORDER_KEY": "shop2024", "PATH": "/usr/bin", "NOTHING_TOKEN": null },
                "command": ["serve", "--password=c0mmandline", "postgres://u:pgpassw0rd@db/x"],
                "labels": { "odd": ["AUTH=l1stl1st"] } } },
              "secrets": { "a": { "file": "{{pem}}" }, "b": { "environment": "BUILD_VALUE" }, "c": { "content": "c0ntentOfASecret" }, "d": { "file": "/none" } } }
            """, Project.EnvFiles);

        Assert.Equal(
            ["MIIEvQIBADANBgkqhkiG", "a$b$c1", "c0mmandline", "c0ntentOfASecret", "fr0mEnvFile", "l1stl1st", "npmT0kenValue", "pgpassw0rd", "q2w3e4r5t6"],
            found.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("""{"name":"x"}""")]
    [InlineData("""{"name":1,"services":[],"secrets":"no"}""")]
    [InlineData("""{"services":{"a":null,"b":[1,[2]]},"secrets":{"s":null,"t":{"file":3}}}""")]
    public void Model_OfAnOddShape_HasNone(string model) => Assert.Empty(Secrets.In(model, Project.EnvFiles));
}
