using WatchParty.Worker.Cli;

// A verb, or without one the service: see Cli/. What a release does is in src/WatchParty.Releases/Releasing/ReleasePipeline.cs.
return await CommandLine.RunAsync(args);
