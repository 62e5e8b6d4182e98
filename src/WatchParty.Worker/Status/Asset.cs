using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace WatchParty.Worker.Status;

/// <summary>A file that comes inside of the program.</summary>
internal sealed class Asset
{
    public const string Folder = "/assets/";

    private static readonly Asset[] All = [new("style.css", "text/css"), new("uPlot.min.css", "text/css"),
        new("page.js", "text/javascript"), new("uPlot.iife.min.js", "text/javascript"), new("uPlot.LICENSE", "text/plain")];

    private readonly string _name;
    private readonly string _type;

    private Asset(string name, string type)
    {
        (_name, _type) = (name, $"{type}; charset=utf-8");
        using var content = Open(name);
        Address = $"{Folder}{name}?{Convert.ToHexStringLower(SHA256.HashData(content)[..6])}";
    }

    /// <summary>With a mark of its contents, so that a browser may keep it for good.</summary>
    private string Address { get; }

    public static string AddressOf(string name) => All.First(a => a._name == name).Address;

    public static Stream Open(string name) => typeof(Asset).Assembly.GetManifestResourceStream($"Status.{name}")!;

    public static void Map(IEndpointRouteBuilder routes)
    {
        foreach (var asset in All)
        {
            routes.MapGet(Folder + asset._name, context =>
            {
                context.Response.Headers.CacheControl = "public, max-age=31536000, immutable";
                return SendAsync(context, asset._name, asset._type);
            });
        }
    }

    public static async Task SendAsync(HttpContext context, string name, string type)
    {
        await using var content = Open(name);
        context.Response.ContentType = type;
        context.Response.ContentLength = content.Length;
        await content.CopyToAsync(context.Response.Body, context.RequestAborted);
    }
}
