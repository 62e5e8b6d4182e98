namespace WatchParty.Worker.Status.Pages;

/// <summary>The configuration in force.</summary>
internal static class SettingsPage
{
    public static Html Of(StatusSources sources)
    {
        var service = sources.Service.Now();
        return Html.Of($"""
            <h1>Settings in force</h1>
            <p>Of process {service.Pid}, which runs since {Show.Time(service.StartedAt, sources.Time.GetUtcNow())}. A change of the configuration counts from the next start. Secrets are masked.</p>
            {StatusSettings.Of(sources.Options).GroupBy(s => s.Key.Split(':')[0]).Select(section => Html.Of($"""
                <section><h2>{section.Key}</h2>
                <table class="settings"><thead class="visually-hidden"><tr><th scope="col">Key</th><th scope="col">Value</th></tr></thead>
                <tbody>{section.Select(s => Html.Of($"<tr><th scope=\"row\"><code>{Breakable(s.Key)}</code></th><td class=\"text\">{(s.Value.Length == 0 ? Html.Of($"<span class=\"quiet\">not set</span>") : Html.Of($"<code>{s.Value}</code>"))}{(s.IsDefault ? Html.Empty : Html.Of($" <span class=\"tag\">set</span>"))}</td></tr>"))}</tbody></table></section>
                """))}
            """);
    }

    /// <summary>So that a narrow screen breaks it between its parts.</summary>
    private static Html Breakable(string key) =>
        Html.Join(key.Split(':').Select((part, i) => i == 0 ? Html.Of($"{part}") : Html.Of($":<wbr>{part}")));
}
