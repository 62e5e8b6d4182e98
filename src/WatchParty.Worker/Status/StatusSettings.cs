using System.Collections;
using System.Globalization;
using System.Text.RegularExpressions;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Redacting;

namespace WatchParty.Worker.Status;

/// <param name="IsDefault">Whether it has the value it has when nobody sets it.</param>
internal sealed record Setting(string Key, string Value, bool IsDefault);

/// <summary>The configuration in force, without secrets.</summary>
internal static partial class StatusSettings
{
    public static IReadOnlyList<Setting> Of(WorkerOptions options)
    {
        List<Setting> settings = [];
        Collect("", options, new WorkerOptions(), settings);
        return settings;
    }

    private static void Collect(string prefix, object section, object defaults, List<Setting> settings)
    {
        foreach (var property in section.GetType().GetProperties())
        {
            var (key, value, usual) = ($"{prefix}{property.Name}", property.GetValue(section), property.GetValue(defaults));
            if (value is Array { Length: > 0 } items && IsSection(property.PropertyType.GetElementType()!))
            {
                foreach (var (index, item) in items.Cast<object>().Index())
                {
                    Collect(string.Create(CultureInfo.InvariantCulture, $"{key}:{index}:"), item, Activator.CreateInstance(item.GetType())!,
                        settings);
                }
            }
            else if (IsSection(property.PropertyType)) { Collect($"{key}:", value!, usual!, settings); }
            else { settings.Add(new Setting(key, Shown(property.Name, value), Text(value) == Text(usual))); }
        }
    }

    private static bool IsSection(Type type) =>
        type is { IsClass: true, IsArray: false } && type.Namespace == typeof(WorkerOptions).Namespace;

    private static string Shown(string name, object? value) =>
        Text(value) is not { Length: > 0 } text ? ""
        : !SecretName().IsMatch(name) ? Redaction.Apply(text)
        : value is IDictionary names ? string.Join(", ", names.Keys.Cast<object>().Select(n => $"{n}=***"))
        : "***";

    private static string? Text(object? value) => value switch
    {
        null => null,
        string text => text,
        IDictionary pairs => string.Join(", ", pairs.Keys.Cast<object>().Select(k => $"{k}={pairs[k]}")),
        IEnumerable values => string.Join(", ", values.Cast<object>()),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture),
    };

    // By the ends of names, so that a key that somebody adds later is masked without being thought of; a file's name is no secret.
    [GeneratedRegex("(Token|Secret|Password|Key|Webhook|Urls?|Arguments|Headers)$")]
    private static partial Regex SecretName();
}
