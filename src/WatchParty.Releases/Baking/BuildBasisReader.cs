using WatchParty.Releases.Planning;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Redacting;

namespace WatchParty.Releases.Baking;

/// <summary>Notes what an image is built with.</summary>
internal sealed class BuildBasisReader(BuildOptions options, IDockerEngine engine)
{
    /// <param name="report">What the build, with others perhaps, looked up and resolved.</param>
    public async Task<BuildBasis> ReadAsync(BuildSection build, string commit, StepReport report, CancellationToken cancellationToken)
    {
        var text = DockerfileOf(build);
        var arguments = ArgumentsOf(build, options, commit);
        var resolved = report.BaseDigests;
        Dictionary<string, string> bases = [];
        foreach (var image in Dockerfile.Parse(text).BaseImages(arguments, build.Target))
        {
            // A name that cannot be known here is what BuildKit looked up.
            if (!image.Contains('$', StringComparison.Ordinal))
            {
                bases[image] = (await engine.FindImageAsync(image, cancellationToken))?.Id ?? "";
            }
        }
        var named = bases.Keys.Select(ImageName.Full).ToHashSet();
        foreach (var image in report.BaseNames.Where(n => !named.Contains(ImageName.Full(n))))
        {
            bases[image] = (await engine.FindImageAsync(image, cancellationToken))?.Id ?? "";
        }
        // Values may be secrets; whether they changed is all that is asked later. The text is masked here and not on its way to the record,
        // because it is compared with the one from there.
        return new BuildBasis(commit, Redaction.Apply(text), arguments.ToDictionary(a => a.Key, a => ValueHash.Of(a.Value)), bases)
        {
            Outside = report.Outside is { } step ? $"{Redaction.Apply(step)} takes something from elsewhere" : null,
            BaseDigests = bases.Keys.Where(b => resolved.ContainsKey(ImageName.Full(b)))
                .ToDictionary(b => b, b => resolved[ImageName.Full(b)]),
        };
    }

    /// <summary>Every build argument with its value, as the build gets them.</summary>
    public static IReadOnlyDictionary<string, string> ArgumentsOf(BuildSection build, BuildOptions options, string commit) =>
        build.Arguments.SetItems(options.Arguments).SetItem(options.CommitArgument, commit);

    /// <summary>Text of the Dockerfile; empty when it cannot be read here, as with a context that is an address.</summary>
    public static string DockerfileOf(BuildSection build)
    {
        if (build.DockerfileInline is { } text) { return text; }
        var file = Directory.Exists(build.Context) ? Path.GetFullPath(build.Dockerfile, build.Context) : build.Dockerfile;
        return File.Exists(file) ? File.ReadAllText(file) : "";
    }
}
