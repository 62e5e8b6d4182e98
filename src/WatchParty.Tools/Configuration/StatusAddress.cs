using System.Net;

namespace WatchParty.Tools.Configuration;

/// <summary>Where the status page is served.</summary>
internal sealed record StatusAddress(IPAddress Ip, int Port)
{
    public bool IsLoopback => IPAddress.IsLoopback(Ip);

    /// <returns>Null for null, and for what is no such address. A host name is none: what it means may change.</returns>
    public static StatusAddress? Parse(string? text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri)
            || uri is not { Scheme: "http", AbsolutePath: "/", Query: "", Fragment: "", UserInfo: "" })
        {
            return null;
        }
        return uri.IdnHost == "localhost" ? new StatusAddress(IPAddress.Loopback, uri.Port)
            : IPAddress.TryParse(uri.IdnHost, out var ip) ? new StatusAddress(ip, uri.Port) : null;
    }
}
