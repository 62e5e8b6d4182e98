using System.Globalization;

namespace WatchParty.Worker.EngineTests.Building;

/// <summary>Services with every form of build, and random changes of them, of which about half leave an image as it is.</summary>
internal sealed class ChangingApplication
{
    public const string Base = "watchparty-sample-base:1";

    private readonly Random _random;
    private readonly List<Form> _forms;
    private int _number;

    /// <param name="random">Gives the same series again.</param>
    public ChangingApplication(Random random)
    {
        _random = random;
        _forms =
        [
            new Form("plain", "COPY a.txt run.sh ./\nRUN sh run.sh < a.txt > out"),
            new Form("whole", "COPY . .\nRUN sh run.sh < a.txt > out") { Ignored = "docs\n*.md\n!keep.md\n" },
            new Form("inline", "COPY . .\nRUN sh run.sh < a.txt > out") { Ignored = "docs\nb.txt\nnone/\n", IsInline = true },
            new Form("stages", "COPY --from=made /made /made\nCOPY run.sh .", $"FROM {Base} AS made\nCOPY a.txt .\nRUN mkdir /made && cp a.txt /made/\n") { Target = "end" },
            new Form("context", "COPY --from=shared a.txt shared.txt\nCOPY a.txt .") { Build = "      additional_contexts: {shared: ./shared}\n" },
            new Form("linked", "COPY a.txt linked.txt") { Build = "      additional_contexts: {base: \"service:plain\"}\n", From = "base" },
            new Form("elsewhere", "COPY sub sub\nRUN ls sub > out") { DockerfilePath = "docker/elsewhere.Dockerfile", Ignored = "sub/*.log\n" },
            new Form("mounting", "RUN --mount=type=bind,source=a.txt,target=/mnt/a.txt cp /mnt/a.txt out\nARG USED=1\nRUN echo $USED > used") { Arguments = { ["USED"] = "1", ["UNUSED"] = "1" } },
        ];
        foreach (var form in _forms)
        {
            foreach (var path in new[] { "a.txt", "b.txt", "docs/x.md", "sub/c.txt", "sub/d.log", "keep.md", "other.md" }) { form.Files[path] = "0\n"; }
            form.Files["run.sh"] = "cat\n";
        }
        Shared["a.txt"] = "0\n";
        Shared["docs.txt"] = "0\n";
    }

    public IEnumerable<string> Services => _forms.Select(f => f.Name);

    private Dictionary<string, string> Shared { get; } = [];

    /// <summary>All files as they are now.</summary>
    public (string Path, string? Text)[] Files =>
    [
        ("compose.yaml", "services:\n" + string.Concat(_forms.Select(f => f.Compose))),
        .. _forms.SelectMany(f => f.Sources),
        .. Shared.Select(f => ($"shared/{f.Key}", (string?)f.Value)),
        ("README.md", Next("readme")),
        (".gitignore", ".env\n"),
    ];

    /// <summary>Changes every service in one way or not at all.</summary>
    /// <returns>What was changed, and the files of the checkout that an operator changes besides.</returns>
    public (IReadOnlyDictionary<string, string> Changes, IReadOnlyList<(string Path, string Text)> ByHand) Change()
    {
        List<(string, string)> byHand = [];
        return (_forms.ToDictionary(f => f.Name, f => Change(f, byHand)), byHand);
    }

    private string Change(Form form, List<(string, string)> byHand)
    {
        string Edit(string path)
        {
            form.Files[path] = Next(path);
            return $"{path} edited";
        }
        switch (_random.Next(24))
        {
            case 0: return Edit("a.txt");
            case 1 or 2: return Edit("docs/x.md");
            case 3 or 4: return Edit("b.txt");
            case 5: return Edit(_random.Next(2) == 0 ? "keep.md" : "other.md");
            case 6: return Edit("sub/c.txt");
            case 7 or 8: return Edit("sub/d.log");
            case 9 or 10: return form.Set("comment", Next("# "), "a comment in the Dockerfile");
            case 11: return form.Set("label", $"LABEL said={_number++}\n", "LABEL");
            case 12: return form.Set("env", $"ENV SAID={_number++}\n", "ENV");
            case 13: return form.Set("health", $"HEALTHCHECK --interval=1s --timeout={5 + _number++}s CMD true\n", "HEALTHCHECK");
            case 14 or 15: return form.Set("unused", $"FROM {Base} AS unused\nRUN echo {_number++} > /unused\n", "a stage that nothing needs");
            case 16: return form.Set("user", $"USER {_random.Next(1, 60000)}\n", "USER");
            case 17:
                form.Files[$"new/{_number}.txt"] = Next("new");
                return "a file added";
            case 18 or 19:
                byHand.Add(($"{form.Name}/{(_random.Next(2) == 0 ? "untracked" : "docs/untracked")}-{_number}.txt", Next("by hand")));
                return "a file laid into the checkout by hand";
            case 20:
                form.Arguments["UNUSED"] = Next("unused").Trim();
                return "an argument that no step uses";
            case 21:
                if (form.Arguments.ContainsKey("USED")) { form.Arguments["USED"] = Next("used").Trim(); }
                return "an argument, where the form has one";
            case 22:
                if (form.Ignored is not null) { form.Ignored += $"none-{_number++}/\n"; }
                return "a line in the ignore file that leaves nothing out";
            default:
                if (form.Name == "context") { Shared[_random.Next(2) == 0 ? "a.txt" : "docs.txt"] = Next("shared"); }
                return "nothing but what others share";
        }
    }

    private string Next(string what) => string.Create(CultureInfo.InvariantCulture, $"{what} {++_number}\n");

    /// <summary>One service and its build.</summary>
    private sealed class Form(string name, string steps, string before = "")
    {
        private readonly SortedDictionary<string, string> _parts = new(StringComparer.Ordinal);

        public string Name { get; } = name;

        public string? Ignored { get; set; }

        public string? Target { get; init; }

        public string Build { get; init; } = "";

        public string From { get; init; } = Base;

        public bool IsInline { get; init; }

        public string? DockerfilePath { get; init; }

        public Dictionary<string, string> Arguments { get; } = [];

        public Dictionary<string, string> Files { get; } = [];

        public string Set(string part, string text, string said)
        {
            _parts[part] = text;
            return said;
        }

        private string Part(string part) => _parts.GetValueOrDefault(part, "");

        private string Dockerfile =>
            $"{before}{Part("unused")}{Part("comment")}FROM {From} AS end\nWORKDIR /app\n{steps}\n{Part("label")}{Part("env")}{Part("health")}{Part("user")}ARG GIT_COMMIT_HASH=unknown\n"
            + "ENV GIT_COMMIT_HASH=$GIT_COMMIT_HASH\nCMD [\"sleep\", \"1000000\"]\n";

        public IEnumerable<(string Path, string? Text)> Sources =>
        [
            .. Files.Select(f => ($"{Name}/{f.Key}", (string?)f.Value)),
            .. IsInline ? [] : new[] { (DockerfilePath ?? $"{Name}/Dockerfile", (string?)Dockerfile) },
            .. Ignored is null ? [] : new[] { (DockerfilePath is null ? $"{Name}/.dockerignore" : $"{DockerfilePath}.dockerignore", (string?)Ignored) },
        ];

        public string Compose => $$"""
              {{Name}}:
                init: true
                restart: unless-stopped
                build:
                  context: ./{{Name}}
            {{Line(Target is null ? null : $"target: {Target}")}}{{Line(DockerfilePath is null ? null : $"dockerfile: ../{DockerfilePath}")}}{{Line(Arguments.Count == 0 ? null : $"args: {{{string.Join(", ", Arguments.Select(a => $"{a.Key}: \"{a.Value}\""))}}}")}}{{Build}}{{Inline}}
            """;

        private static string Line(string? text) => text is null ? "" : $"      {text}\n";

        private string Inline => !IsInline ? "" : "      dockerfile_inline: |\n" + string.Concat(Dockerfile.Replace("$", "$$", StringComparison.Ordinal).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => $"        {l}\n"));
    }
}
