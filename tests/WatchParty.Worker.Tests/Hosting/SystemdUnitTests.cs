using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace WatchParty.Worker.Tests.Hosting;

/// <summary>The unit file as systemd judges it, and the installer on a folder in place of a machine.</summary>
public sealed class SystemdUnitTests : IDisposable
{
    private static readonly string Source = Path.Combine(SourceTree(), "systemd");
    private readonly string _root = Directory.CreateTempSubdirectory("install-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private string Unit => Path.Combine(_root, "dest/etc/systemd/system/watchparty-worker.service");
    private string Configuration => Path.Combine(_root, "dest/etc/watchparty/appsettings.json");
    private string Program => Path.Combine(_root, "dest/opt/watchparty-worker/watchparty-worker");
    private string State => Path.Combine(_root, "dest/var/lib/watchparty");

    [Fact]
    public void Systemd_finds_no_fault_in_the_unit()
    {
        // The program is not installed here, which would be one.
        var copy = Path.Combine(_root, "watchparty-worker.service");
        File.WriteAllText(copy, File.ReadAllText(Path.Combine(Source, "watchparty-worker.service"))
            .Replace("ExecStart=/opt/watchparty-worker/watchparty-worker", "ExecStart=/bin/true", StringComparison.Ordinal));
        var (exitCode, output) = Run("systemd-analyze", "verify", "--man=no", copy);
        Assert.True(exitCode == 0 && !output.Contains("watchparty", StringComparison.Ordinal), output);
    }

    [Fact]
    public void The_exposure_of_the_unit_is_low()
    {
        var (exitCode, output) = Run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", Path.Combine(Source, "watchparty-worker.service"));
        Assert.True(exitCode == 0, output);
        var score = output.Split("Overall exposure level for watchparty-worker.service: ")[1].Split(' ')[0];
        Assert.InRange(double.Parse(score, CultureInfo.InvariantCulture), 0, 2.0);
    }

    [Fact]
    public void An_upgrade_keeps_the_configuration_and_the_state_and_replaces_the_program()
    {
        Install("1", "--repository", "/srv/my \"app\" 100%");
        Assert.Equal("1", Installed());
        Assert.Equal("drwx------", Mode(State));
        Assert.Equal("drwxr-x---", Mode(Path.GetDirectoryName(Configuration)!));
        Assert.Equal("-rw-r-----", Mode(Configuration));
        Assert.Equal("-rw-r--r--", Mode(Unit));
        using (var written = JsonDocument.Parse(File.ReadAllText(Configuration)))
        {
            Assert.Equal("/srv/my \"app\" 100%", written.RootElement.GetProperty("Worker").GetProperty("Repository").GetProperty("Path").GetString());
        }
        Assert.Contains("ReadWritePaths=\"-/srv/my \\\"app\\\" 100%%\"", File.ReadAllText($"{Unit}.d/10-repository.conf"), StringComparison.Ordinal);

        foreach (var file in Others) { Assert.Equal("-rw-r--r--", Mode(Path.Combine(_root, "dest", file))); }
        Assert.Equal("-rwxr-xr-x", Mode(Path.Combine(Path.GetDirectoryName(Program)!, "scripts/clear-cache.sh")));
        Assert.Equal("/opt/watchparty-worker/watchparty-worker", new FileInfo(Path.Combine(_root, "dest/usr/local/bin/watchparty-worker")).LinkTarget);

        File.WriteAllText(Configuration, "{\"edited\": true}");
        File.WriteAllText(Path.Combine(State, "history.db"), "kept");
        File.WriteAllText(Program + ".of-the-old-version", "");
        Install("2");
        Assert.Equal("2", Installed());
        Assert.Equal("{\"edited\": true}", File.ReadAllText(Configuration));
        Assert.Equal("kept", File.ReadAllText(Path.Combine(State, "history.db")));
        Assert.Equal([Program], Directory.GetFiles(Path.GetDirectoryName(Program)!));
        Assert.True(File.Exists($"{Unit}.d/10-repository.conf"));
        Assert.Equal(["watchparty-worker"], Directory.GetFileSystemEntries(Path.Combine(_root, "dest/opt")).Select(Path.GetFileName));
    }

    [Fact]
    public void Uninstalling_keeps_configuration_and_state_until_they_are_purged()
    {
        Install("1");
        for (var i = 0; i < 2; i++)
        {
            RunInstaller("--uninstall");
            Assert.False(File.Exists(Program));
            Assert.False(File.Exists(Unit));
            Assert.All(Others.Append("usr/local/bin/watchparty-worker"), f => Assert.False(Path.Exists(Path.Combine(_root, "dest", f)) || new FileInfo(Path.Combine(_root, "dest", f)).LinkTarget is not null));
            Assert.True(File.Exists(Configuration));
            Assert.True(Directory.Exists(State));
        }
        RunInstaller("--uninstall", "--purge");
        Assert.False(File.Exists(Configuration));
        Assert.False(Directory.Exists(State));
    }

    [Theory]
    [InlineData("--purge")]
    [InlineData("--unknown")]
    [InlineData("--from")]
    [InlineData("--from", "/nonexistent")]
    [InlineData("--repository", "relative", "--from", "/nonexistent")]
    public void Wrong_use_changes_nothing(params string[] arguments)
    {
        var (exitCode, output) = Run("sh", [Path.Combine(Source, "install.sh"), "--destdir", Path.Combine(_root, "dest"), .. arguments]);
        Assert.NotEqual(0, exitCode);
        Assert.NotEqual("", output);
        Assert.Empty(Directory.GetFileSystemEntries(_root));
    }

    private static readonly string[] Others =
    [
        "usr/local/share/man/man1/watchparty-worker.1", "usr/share/bash-completion/completions/watchparty-worker",
        "usr/local/share/zsh/site-functions/_watchparty-worker", "usr/share/fish/vendor_completions.d/watchparty-worker.fish",
    ];

    private void Install(string version, params string[] arguments)
    {
        var published = Directory.CreateDirectory(Path.Combine(_root, $"published {version}")).FullName;
        File.WriteAllText(Path.Combine(published, "watchparty-worker"), $"#!/bin/sh\necho {version}\n");
        RunInstaller(["--from", published, .. arguments]);
    }

    private void RunInstaller(params string[] arguments)
    {
        var (exitCode, output) = Run("sh", [Path.Combine(Source, "install.sh"), "--destdir", Path.Combine(_root, "dest"), .. arguments]);
        Assert.True(exitCode == 0, output);
    }

    private string Installed() => Run(Program).Output.Trim();

    private static string Mode(string path) => Run("stat", "-c", "%A", path).Output.Trim();

    private static (int ExitCode, string Output) Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        // Little is printed on either, so one after the other does not fill a pipe.
        var output = process.StandardOutput.ReadToEnd() + process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }

    private static string SourceTree()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "WatchParty.Worker.sln"))) { folder = folder.Parent!; }
        return folder.FullName;
    }
}
