using System.Globalization;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Configuration;

namespace WatchParty.Worker.Triggering;

/// <summary>Gives up what a flag asks for when the worker ended each time that it did it: a flag stays until its work is done, so a build
/// that exhausts the host's memory would be tried at every start for ever. Touched again, it counts from the beginning.</summary>
internal sealed class FlagTries(History history, TimeProvider time)
{
    public const string GivenUp = "GivenUp";

    /// <param name="flag">Its name.</param>
    /// <param name="work">Gets what it has to call when its turn has come, before it does anything.</param>
    public async Task<DropFileResult> RunAsync(string flag, DropFileRequest request, Func<Action, Task<DropFileResult>> work)
    {
        var name = $"tries of {flag}";
        var tries = int.TryParse(history.Fact(name), CultureInfo.InvariantCulture, out var kept) ? kept : 0;
        if (tries >= Recovery.MostTries)
        {
            history.SetFact(name, null);
            return GiveUp(flag, request, tries);
        }
        DropFileResult result;
        try
        {
            result = await work(() => Set(name, tries + 1));
        }
        catch (OperationCanceledException)
        {
            // A stop that was asked for is nobody's fault.
            Set(name, tries);
            throw;
        }
        Set(name, 0);
        return result;
    }

    private DropFileResult GiveUp(string flag, DropFileRequest request, int tries)
    {
        var error = $"the worker ended {tries} times while it did this. See what ended it (its log, and `journalctl -k` when memory ran " +
            $"out), then touch {flag} again";
        if (request.Kind == DropFileKind.ClearCache)
        {
            history.Save(
                new HousekeepingReport("clear", flag, GivenUp, request.Targets, 0, 0, 0, 0, 0, error, time.GetUtcNow(), time.GetUtcNow()));
        }
        return new DropFileResult(GivenUp, request.Targets, 0, error);
    }

    private void Set(string name, int tries) => history.SetFact(name, tries == 0 ? null : tries.ToString(CultureInfo.InvariantCulture));
}
