using System.CommandLine;
using WatchParty.Worker.Benchmarks;

var rounds = new Option<int>("--rounds") { Description = "Rounds; of each the order of what is compared turns", DefaultValueFactory = _ => 5 };
var history = new Option<string>("--history") { Description = "File of pushes: seconds and changed paths", DefaultValueFactory = _ => Path.Combine(AppContext.BaseDirectory, "push-history.txt") };
var replay = new Command("replay", "The running service under a history of pushes.") { history };
replay.SetAction((arguments, _) => ReplayBenchmark.RunAsync(arguments.GetValue(history)!));
var time = new Option<TimeSpan>("--for") { Description = "How long", DefaultValueFactory = _ => TimeSpan.FromHours(2) };
var seed = new Option<int>("--seed") { Description = "Gives the order of events", DefaultValueFactory = _ => 1 };
var soak = new Command("soak", "The running service under commits, flags, prunes and faults, and what that leaves behind. Not part of `all`.") { time, seed };
soak.SetAction((arguments, _) => Soak.RunAsync(arguments.GetValue(time), arguments.GetValue(seed)));
var commits = new Option<int>("--commits") { Description = "Commits", DefaultValueFactory = _ => 200 };
var growth = new Command("seal-growth", "What sealed caches take after many commits. Not part of `all`.") { commits };
growth.SetAction((arguments, _) => SealGrowthBenchmark.RunAsync(arguments.GetValue(commits)));
(string Name, string Description, Func<int, Task<int>> Run)[] benchmarks =
[
    ("cache", "A commit without a prune, after the worker's, and after somebody else's, with and without sealing.", rounds => new CacheBenchmark(SampleForm.AsItIs, rounds).RunAsync()),
    ("cache-advised", "The same with the commit declared where doctor advises.", rounds => new CacheBenchmark(SampleForm.AsAdvised, rounds).RunAsync()),
    ("cache-large", "The same with stages of 150 MB and steps of 10 to 20 s.", rounds => new CacheBenchmark(SampleForm.Large, rounds).RunAsync()),
    ("after-release", "What follows a release of large images, a commit that comes meanwhile, and a fresh build.", AfterReleaseBenchmark.RunAsync),
    ("releases", "The worker beside the scripts it replaces and beside docker by hand.", ReleaseBenchmark.RunAsync),
    ("poll", "A look at a remote without news beside git ls-remote, and what 10,000 of them leave behind.", PollBenchmark.RunAsync),
    ("footprint", "What the idle service needs.", FootprintBenchmark.RunAsync),
    ("history", "The verbs with 100,000 recorded releases.", HistoryBenchmark.RunAsync),
    ("page", "The status page with 10,000 recorded releases, and what it costs in memory.", PageBenchmark.RunAsync),
    ("recovery", "A start after a kill beside one without, and the way back from a bad release beside a good one.", RecoveryBenchmark.RunAsync),
    ("output", "A build that prints 1 GB.", OutputBenchmark.RunAsync),
    ("scale", "Up to 100 services, 50,000 files and 2 GB.", ScaleBenchmark.RunAsync),
];

var all = new Command("all", "All of them.") { rounds, history };
all.SetAction(async (arguments, _) =>
{
    foreach (var (name, _, run) in benchmarks)
    {
        Console.WriteLine($"## {name}");
        Console.WriteLine();
        await run(arguments.GetValue(rounds));
    }
    Console.WriteLine("## replay");
    Console.WriteLine();
    return await ReplayBenchmark.RunAsync(arguments.GetValue(history)!);
});
var root = new RootCommand("Measures the worker side by side with what it replaces, and prints Markdown. Run it with tests/engine/engine.sh.") { replay, soak, growth, all };
foreach (var (name, description, run) in benchmarks)
{
    var command = new Command(name, description) { rounds };
    command.SetAction((arguments, _) => run(arguments.GetValue(rounds)));
    root.Add(command);
}
return await root.Parse(args).InvokeAsync();
