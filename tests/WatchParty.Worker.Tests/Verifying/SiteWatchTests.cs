using System.Net;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Verifying;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Verifying;

public sealed class SiteWatchTests
{
    private const string Address = "http://127.0.0.1:8000/health";

    private readonly ManualTimeProvider _time = new();

    private Unanswered? Tally(string answers)
    {
        var tally = new AnswerTally(_time);
        foreach (var (question, answer) in answers.Index())
        {
            tally.Add(question, _time.GetTimestamp(), answer == '+');
            _time.Advance(TimeSpan.FromMilliseconds(100));
        }
        return tally.Result();
    }

    [Theory]
    [InlineData("+++", 0, 0)]
    [InlineData("+--++", 0.2, 0.2)]
    [InlineData("+-+---+", 0.4, 0.3)]
    [InlineData("+--", 0.2, 0.2)]
    [InlineData("+-----+-", 0.6, 0.5)]
    public void Time_WithoutAGoodAnswer_GoesFromTheQuestionWithoutOneToTheNextWithOne(string answers, double total, double longest) =>
        Assert.Equal(new Unanswered(total, longest), Tally(answers));

    [Fact]
    public void Answer_ThatComesBeforeAnEarlierOne_WaitsForIt()
    {
        var (tally, start, step) = (new AnswerTally(_time), _time.GetTimestamp(), TimeSpan.FromMilliseconds(100).Ticks);
        foreach (var (question, good) in new[] { (0, true), (3, true), (2, false), (4, true) }) { tally.Add(question, start + (question * step), good); }
        Assert.Equal(new Unanswered(0, 0), tally.Result());
        tally.Add(1, start + step, good: false);

        Assert.Equal(new Unanswered(0.2, 0.2), tally.Result());
    }

    [Theory]
    [InlineData("")]
    [InlineData("-+-+")]
    public void Address_ThatDidNotAnswerWellToBeginWith_SaysNothing(string answers) => Assert.Null(Tally(answers));

    [Fact]
    public async Task Address_IsJudgedByItsStatusAndWhetherItCanBeReached()
    {
        using var site = new Site();
        using var watch = SiteWatch.Begin(new DeployOptions { Probes = [Address] }, _time, site);
        await NextAsync(site, _ => Status(HttpStatusCode.BadGateway));
        await NextAsync(site, _ => throw new HttpRequestException("refused"));
        await NextAsync(site, _ => Status(HttpStatusCode.NoContent));
        await NextAsync(site, _ => Status(HttpStatusCode.OK));

        await HoldsAsync(() => watch.Seen().TryGetValue(Address, out var seen) && seen == new Unanswered(0.1, 0.1));
    }

    [Fact]
    public async Task Question_ThatHangs_KeepsNoOtherFromBeingAskedAndEndsAfterASecond()
    {
        using var site = new Site();
        using var watch = SiteWatch.Begin(new DeployOptions { Probes = [Address] }, _time, site);
        await NextAsync(site, async stop =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, _time, stop);
            throw new InvalidOperationException();
        });
        for (var question = 0; question < 25; question++) { await NextAsync(site, _ => Status(HttpStatusCode.OK)); }

        await HoldsAsync(() => watch.Seen()[Address] == new Unanswered(0.05, 0.05));
    }

    [Fact]
    public async Task Watch_ThatIsOver_AsksNoMore()
    {
        using var site = new Site();
        var watch = SiteWatch.Begin(new DeployOptions { Probes = [Address] }, _time, site);
        await NextAsync(site, _ => Status(HttpStatusCode.OK));
        watch.Dispose();
        _time.Advance(TimeSpan.FromSeconds(5));

        Assert.Equal(2, site.Questions);
    }

    private static Task<HttpResponseMessage> Status(HttpStatusCode status) => Task.FromResult(new HttpResponseMessage(status));

    /// <summary>Lets the next question be asked, and gives it this answer.</summary>
    private async Task NextAsync(Site site, Func<CancellationToken, Task<HttpResponseMessage>> answer)
    {
        site.Answer = answer;
        var asked = site.Questions;
        _time.Advance(TimeSpan.FromMilliseconds(50));
        await HoldsAsync(() => site.Questions == asked + 1);
    }

    private static async Task HoldsAsync(Func<bool> condition)
    {
        for (var look = 0; !condition(); look++)
        {
            Assert.True(look < 2000, "It did not come true.");
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }
    }

    private sealed class Site : HttpMessageHandler
    {
        private int _questions;

        public int Questions => _questions;

        public Func<CancellationToken, Task<HttpResponseMessage>> Answer { get; set; } = _ => Status(HttpStatusCode.OK);

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _questions);
            return Answer(cancellationToken);
        }
    }
}
