using WatchParty.Releases.Deploying;
using WatchParty.Releases.Planning;

namespace WatchParty.Worker.Tests.Planning;

public sealed class NamesTests
{
    private static readonly string[] Odd =
    [
        "web", "Web", "WEB", "we.b", "we_b", "we-b", "we..b", "we.b_", "we_b.", "_web", "web-", "web--", "web-0", "a.b-c", "a-b.c",
        new string('x', 60), new string('x', 130), new string('x', 131), new string('X', 131), new string('x', 300) + "1", new string('x', 300) + "2",
    ];

    private static readonly string[] Projects = ["shop", "shop-web", "shop_web", new string('p', 140)];
    private static readonly int[] Releases = [1, 11];
    private static readonly bool[] Either = [true, false];

    /// <summary>With what the names become, as names themselves.</summary>
    private static IReadOnlyList<string> All => [.. Odd, .. Odd.Select(Names.Target).Except(Odd).Where(Names.IsService), .. Odd.Select(Names.Folder).Except(Odd.Concat(Odd.Select(Names.Target)))];

    private static void AreApart(IEnumerable<string> names, string pattern, StringComparer? comparer = null)
    {
        var all = names.ToList();
        Assert.All(all, n => Assert.Matches(pattern, n));
        Assert.Equal(all.Count, all.Distinct(comparer ?? StringComparer.Ordinal).Count());
    }

    [Fact]
    public void Targets_AreApart_AndBakeTakesThem() => AreApart(All.Select(Names.Target), @"\A[A-Za-z0-9_-]+\z");

    [Fact]
    public void Folders_AreApart_WhereUpperAndLowerCaseAreTheSame() =>
        AreApart(All.Select(Names.Folder), @"\A[a-z0-9._-]{1,100}\z", StringComparer.OrdinalIgnoreCase);

    [Fact]
    public void Repositories_AreApart_AndDockerTakesThem() =>
        AreApart(from project in Projects from service in All select Names.Repository(project, service), @"\A[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*\z");

    [Fact]
    public void KeptImages_AreApart_AndDockerTakesThem() =>
        AreApart(
            from project in Projects
            from release in Releases
            from before in Either
            from service in All
            select KeptImages.NameOf(project, release, service, before), @"\Awatchparty-release:[\w][\w.-]{0,127}\z");

    [Theory]
    [InlineData("web", "web", "web", "shop-web")]
    [InlineData("back_end", "back_end", "back_end", "shop-back-end-")]
    [InlineData("a.b", "a_b-", "a.b", "shop-a-b-")]
    [InlineData("Web", "Web", "web-", "shop-web-")]
    public void Name_StaysAsItIs_WhereItCan(string service, string target, string folder, string repository)
    {
        Assert.Equal((target, folder, repository), (Plain(Names.Target(service)), Plain(Names.Folder(service)), Plain(Names.Repository("shop", service))));

        static string Plain(string name) => System.Text.RegularExpressions.Regex.Replace(name, "-[0-9a-f]{12}$", "-");
    }
}
