using System.Text.RegularExpressions;

namespace WatchParty.Releases.Planning;

/// <summary>What a service gets when what its containers read is no longer what they were started with, the weakest first.</summary>
internal enum MountHandling
{
    /// <summary>Nothing.</summary>
    Ignore,

    /// <summary>A signal to its first process.</summary>
    Signal,

    /// <summary>A start in the container that it has, which mounts everything anew.</summary>
    Restart,

    /// <summary>A new container.</summary>
    Recreate,
}

/// <summary>What a compose file wants to be done when the files of a service change (<c>x-watchparty: {on_mount_change: …}</c>).</summary>
/// <param name="Signal">With its prefix, as <c>SIGHUP</c>; null for what is no signal.</param>
internal sealed partial record OnMountChange(MountHandling Handling, string? Signal = null)
{
    public const string Allowed = "restart, recreate, ignore, or signal: and a signal, for example signal:SIGHUP";

    /// <returns>Null when it is none of <see cref="Allowed"/>.</returns>
    public static OnMountChange? Parse(string text) => text switch
    {
        "restart" => new(MountHandling.Restart),
        "recreate" => new(MountHandling.Recreate),
        "ignore" => new(MountHandling.Ignore),
        _ when Signals().Match(text) is { Success: true } match =>
            new(MountHandling.Signal, match.Groups[1].Value),
        _ => null,
    };

    [GeneratedRegex(@"\Asignal:(SIG(?:HUP|USR1|USR2|INT|QUIT|TERM|WINCH|CONT|ALRM|PIPE|IO|URG))\z")]
    private static partial Regex Signals();
}

/// <summary>What a service gets, and why.</summary>
/// <param name="Reason">A sentence about the service without its name, such as <c>it mounts a, which changed</c>.</param>
/// <param name="Note">What a person should know beside that; null when there is nothing.</param>
internal sealed record MountReaction(MountHandling Handling, string Reason, string? Signal = null, string? Note = null);
