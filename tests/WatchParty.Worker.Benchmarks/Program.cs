using System.CommandLine;
using WatchParty.Worker.Benchmarks;

var rounds = new Option<int>("--rounds") { Description = "Rounds; each commits eight times", DefaultValueFactory = _ => 5 };
var cache = new Command("cache", "A commit without a prune, after the worker's, and after somebody else's, with and without sealing.") { rounds };
cache.SetAction((arguments, _) => CacheBenchmark.RunAsync(arguments.GetValue(rounds)));
return await new RootCommand("Measures the worker side by side with what it replaces. Run it with tests/engine/engine.sh.") { cache }.Parse(args).InvokeAsync();
