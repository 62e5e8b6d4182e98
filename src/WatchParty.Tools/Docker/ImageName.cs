namespace WatchParty.Tools.Docker;

/// <summary>The parts of an image reference such as <c>registry:5000/team/app:1.2</c>.</summary>
internal static class ImageName
{
    /// <summary>Repository and tag; the tag is <c>latest</c> when none is written, and a digest is left out.</summary>
    public static (string Repository, string Tag) Split(string name)
    {
        var at = name.IndexOf('@', StringComparison.Ordinal);
        if (at >= 0) { name = name[..at]; }
        var colon = name.LastIndexOf(':');
        return colon > name.LastIndexOf('/') ? (name[..colon], name[(colon + 1)..]) : (name, "latest");
    }

    /// <summary>The same repository under another tag.</summary>
    public static string WithTag(string name, string tag) => $"{Split(name).Repository}:{tag}";

    /// <summary>The name with everything that docker adds to a short one (distribution/reference), without a digest: <c>python:3.12</c> is
    /// <c>docker.io/library/python:3.12</c>.</summary>
    public static string Full(string name)
    {
        var (repository, tag) = Split(name);
        if (!NamesRegistry(repository))
        {
            repository = $"docker.io/{(repository.Contains('/', StringComparison.Ordinal) ? "" : "library/")}{repository}";
        }
        return $"{repository}:{tag}";
    }

    /// <summary>Whether the name says its registry. Docker asks a public one for any other name.</summary>
    public static bool NamesRegistry(string name)
    {
        var slash = name.IndexOf('/', StringComparison.Ordinal);
        return slash > 0 && (name[..slash].IndexOfAny(['.', ':']) >= 0 || name.StartsWith("localhost/", StringComparison.Ordinal));
    }
}
