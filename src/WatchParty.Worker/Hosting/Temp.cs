using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
namespace WatchParty.Worker.Hosting;
internal static class Temp
{
    public static IServiceCollection AddServiceLogging(this IServiceCollection s, IConfiguration c, StateFolder f) => s.AddLogging();
    public static IServiceCollection AddServiceLifetime(this IServiceCollection s) => s;
}
