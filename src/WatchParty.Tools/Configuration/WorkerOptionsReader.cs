using System.Collections;
using System.ComponentModel;
using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.EnvironmentVariables;
using Microsoft.Extensions.Configuration.Json;

namespace WatchParty.Tools.Configuration;

/// <summary>Reads section <c>Worker</c> into <see cref="WorkerOptions"/> and reports every fault of it together.</summary>
/// <remarks>The framework's binder ignores unknown keys or stops at the first fault; a person wants them all, with the file that has
/// them.</remarks>
internal sealed class WorkerOptionsReader(IConfigurationRoot configuration)
{
    private const string Section = "Worker";
    private static readonly HashSet<string> KnownSections = new(StringComparer.OrdinalIgnoreCase) { Section, "Serilog" };
    private readonly List<ConfigurationFault> _faults = [];

    /// <exception cref="ConfigurationFaultsException">At least one key is unknown or has a value that cannot be used.</exception>
    public static WorkerOptions Read(IConfigurationRoot configuration)
    {
        var reader = new WorkerOptionsReader(configuration);
        var options = new WorkerOptions();
        reader.LookForStrangers();
        reader.Bind(configuration.GetSection(Section), options);
        reader._faults.AddRange(WorkerOptionsRules.Check(options).Select(f => f with { Source = reader.SourceOf($"{Section}:{f.Key}") }));
        options.Files = [.. configuration.Providers.OfType<JsonConfigurationProvider>()
            .Select(p => p.Source.FileProvider!.GetFileInfo(p.Source.Path!).PhysicalPath).OfType<string>()];
        return reader._faults.Count == 0 ? options : throw new ConfigurationFaultsException(reader._faults);
    }

    /// <summary>A misspelt section would leave every key in it without effect. Only files are looked at: the environment is
    /// everybody's.</summary>
    private void LookForStrangers()
    {
        foreach (var provider in configuration.Providers.OfType<JsonConfigurationProvider>())
        {
            foreach (var section in provider.GetChildKeys([], null).Distinct(StringComparer.OrdinalIgnoreCase)
                .Where(s => s is not ("$schema") && !KnownSections.Contains(s)))
            {
                _faults.Add(
                    new ConfigurationFault(section, SourceOf(section),
                        "unknown section", $"Known here: {string.Join(", ", KnownSections)}"));
            }
        }
    }

    private void Bind(IConfigurationSection section, object target)
    {
        var properties = target.GetType().GetProperties().ToDictionary(p => p.Name, StringComparer.OrdinalIgnoreCase);
        foreach (var child in section.GetChildren())
        {
            if (!properties.TryGetValue(child.Key, out var property))
            {
                Report(child, "unknown key", $"Known here: {string.Join(", ", properties.Keys)}");
                continue;
            }
            if (property.PropertyType is { IsArray: true } list && list != typeof(string[]))
            {
                property.SetValue(target, BindEach(child, list.GetElementType()!));
            }
            else if (property.PropertyType.Namespace == typeof(WorkerOptions).Namespace && property.PropertyType.IsClass)
            {
                if (child.Value is { Length: > 0 })
                {
                    Report(child,
                        "is a section, not a value", $"Write its keys inside: " +
                            $"{string.Join(", ", property.PropertyType.GetProperties().Select(p => p.Name))}");
                }
                Bind(child, property.GetValue(target)!);
            }
            else if (typeof(IDictionary).IsAssignableFrom(property.PropertyType))
            {
                if (child.Value is { Length: > 0 }) { Report(child, "is a section, not a value", "Write names with their values inside"); }
                property.SetValue(target, child.GetChildren().Where(IsText)
                    .ToDictionary(c => c.Key, c => c.Value ?? "", StringComparer.Ordinal));
            }
            else if (property.PropertyType == typeof(string[]))
            {
                property.SetValue(target, Texts(child));
            }
            else if (IsText(child, property.PropertyType) && child.Value is { Length: > 0 } text)
            {
                BindValue(child, target, property, text);
            }
        }
    }

    private Array BindEach(IConfigurationSection section, Type element)
    {
        if (section.Value is { Length: > 0 })
        {
            Report(section, "is a list of sections, not a value", "Write [ { ... } ] with its keys inside");
        }
        var children = section.GetChildren().ToList();
        var list = Array.CreateInstance(element, children.Count);
        foreach (var (index, child) in children.Index())
        {
            if (child.Value is { Length: > 0 })
            {
                Report(child,
                    "is a section, not a value", $"Write its keys inside: " +
                        $"{string.Join(", ", element.GetProperties().Select(p => p.Name))}");
            }
            list.SetValue(Activator.CreateInstance(element), index);
            Bind(child, list.GetValue(index)!);
        }
        return list;
    }

    private bool IsText(IConfigurationSection section) => IsText(section, typeof(string));

    private bool IsText(IConfigurationSection section, Type wanted)
    {
        if (!section.GetChildren().Any()) { return true; }
        Report(section, "is a value, not a section", $"Write a single {Describe(wanted)}");
        return false;
    }

    private void BindValue(IConfigurationSection section, object target, PropertyInfo property, string text)
    {
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        try
        {
            // Enum.Parse would also take numbers.
            if (type.IsEnum && !Enum.GetNames(type).Contains(text, StringComparer.OrdinalIgnoreCase)) { throw new FormatException(); }
            // TimeSpan reads "30" as 30 days, which nobody means.
            if (type == typeof(TimeSpan) && !text.Contains(':', StringComparison.Ordinal)) { throw new FormatException(); }
            property.SetValue(target, TypeDescriptor.GetConverter(type).ConvertFromString(null, CultureInfo.InvariantCulture, text));
        }
        catch (Exception e) when (e is FormatException or ArgumentException or OverflowException or NotSupportedException)
        {
            Report(section, $"'{text}' is not a {Describe(type)}", $"Write {Example(type)}");
        }
    }

    // A variable of the environment can hold a list only as one text.
    private string[] Texts(IConfigurationSection section) => section.Value is { Length: > 0 } text
        ? text.Split([',', ';'], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
        : [.. section.GetChildren().Where(IsText).Select(c => c.Value ?? "").Where(v => v.Length > 0)];

    private void Report(IConfigurationSection section, string problem, string fix) =>
        _faults.Add(new ConfigurationFault(section.Path[(Section.Length + 1)..], SourceOf(section.Path), problem, fix));

    private string SourceOf(string key)
    {
        foreach (var provider in configuration.Providers.Reverse())
        {
            if (!provider.TryGet(key, out _) && !provider.GetChildKeys([], key).Any()) { continue; }
            return provider switch
            {
                JsonConfigurationProvider { Source: { FileProvider: { } files, Path: { } path } } => files.GetFileInfo(path).PhysicalPath
                    ?? path,
                EnvironmentVariablesConfigurationProvider => $"environment variable {key.Replace(":", "__", StringComparison.Ordinal)}",
                _ => "flag --set",
            };
        }
        // An element of a list that was given as one text has no key of its own.
        return key.LastIndexOf(':') is > 0 and var end ? SourceOf(key[..end]) : "default";
    }

    private static string Describe(Type type) => type switch
    {
        { IsEnum: true } => string.Join(" or ", Enum.GetNames(type)),
        _ when type == typeof(TimeSpan) => "time span",
        _ when type == typeof(bool) => "true or false",
        _ when type == typeof(int) => "whole number",
        _ => "text",
    };

    private static string Example(Type type) => type switch
    {
        { IsEnum: true } => "one of these names",
        _ when type == typeof(TimeSpan) => "hours, minutes and seconds, for example 00:00:30",
        _ when type == typeof(bool) => "true or false",
        _ => "digits only",
    };
}
