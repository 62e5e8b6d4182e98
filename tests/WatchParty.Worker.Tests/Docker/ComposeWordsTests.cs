using WatchParty.Tools.Docker;

namespace WatchParty.Worker.Tests.Docker;

public sealed class ComposeWordsTests
{
    [Fact]
    public void Warnings_AreToldWithoutWhatIsOfNoConsequence() => Assert.Equal(
        [
            """compose: The "SMTP_PASSWORD" variable is not set. Defaulting to a blank string.""",
            """compose: Volume "app_data" exists with other options than the compose file has, and stays as it is""",
        ],
        ComposeWords.Warnings("""
            time="2026-11-27T09:38:48Z" level=warning msg="The \"SMTP_PASSWORD\" variable is not set. Defaulting to a blank string."
            time="2026-11-27T09:38:48Z" level=warning msg="The \"SMTP_PASSWORD\" variable is not set. Defaulting to a blank string."
            time="2026-11-27T09:38:48Z" level=warning msg="/srv/app/compose.yaml: the attribute `version` is obsolete, it will be ignored"
            time="2026-11-27T09:38:48Z" level=warning msg="Found orphan containers ([app-mail-1]) for this project."
            Volume "app_data" exists but doesn't match configuration in compose file. Recreate (data will be lost)? Container app-web-1  Running
            """));

    [Theory]
    [InlineData(" a Pulling \n a Error Get \"http://r/v2/\": refused\nError response from daemon: Get \"http://r/v2/\": refused\n", "Error response from daemon: Get \"http://r/v2/\": refused")]
    [InlineData(" Container app-web-1  Started\nweb hook exited with status 3\n", "web hook exited with status 3")]
    [InlineData(" Container app-db-1  Waiting\n Container app-db-1  Error\ndependency failed to start: container app-db-1 is unhealthy\n", "dependency failed to start: container app-db-1 is unhealthy")]
    [InlineData("network proxy declared as external, but could not be found\n", "network proxy declared as external, but could not be found")]
    [InlineData("", "it ended with exit code 18 and said nothing")]
    public void Complaint_IsWhatTheLastLinesSay(string errors, string complaint) => Assert.Equal(complaint, ComposeWords.Complaint(errors, 18));
}
