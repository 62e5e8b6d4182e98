using WatchParty.Releases.Planning;

namespace WatchParty.Worker.Tests.Planning;

public sealed class CacheTagTests
{
    [Fact]
    public void Name_SaysWhoseItIs()
    {
        Assert.Equal("shop.web", Names.CacheTag("shop", "web", null));
        Assert.Equal("shop.web.deps", Names.CacheTag("shop", "web", "Deps"));
        Assert.StartsWith("shop.we.b..", Names.CacheTag("shop", "we.b", null), StringComparison.Ordinal);
    }

    [Fact]
    public void Name_IsOneThatDockerTakes() => Assert.All(Odd(), name =>
        Assert.Matches(@"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\z", name));

    [Fact]
    public void TwoServicesOrStages_NeverHaveTheSame()
    {
        var names = Odd().ToList();

        Assert.Equal(names.Count, names.Distinct().Count());
    }

    private static IEnumerable<string> Odd()
    {
        var services = new[] { "a", "b", "A", "a.b", "a.b.c", "a..b", "a-b", "a_b", "a.", new string('x', 150), new string('x', 151),
            new string('x', 100) + "." + new string('y', 100) };
        return from project in new[] { "p", "p-a", "p_a", new string('p', 120) }
               from service in services
               from stage in new[] { null, "b", "c", "b.c", ".c", "s0", new string('s', 90), new string('s', 91) }
               select Names.CacheTag(project, service, stage);
    }
}
