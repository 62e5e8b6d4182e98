using WatchParty.Releases.Planning;

namespace WatchParty.Worker.Tests.Planning;

public sealed class DockerfileTests
{
    private static readonly Dictionary<string, string> None = [];

    [Fact]
    public void Stages_have_names_numbers_and_instructions()
    {
        var file = Dockerfile.Parse("""
            # syntax=docker/dockerfile:1.7
            ARG VERSION=3
            FROM --platform=$BUILDPLATFORM python:${VERSION} AS Builder
            RUN pip install \
                # a comment between
                -r requirements.txt \

                && true
            from scratch
            COPY --from=builder /a /b
            """);

        Assert.Equal("docker/dockerfile:1.7", file.Syntax);
        Assert.Equal(["Builder", null], file.Stages.Select(s => s.Name));
        Assert.Equal(["python:${VERSION}", "scratch"], file.Stages.Select(s => s.Base));
        var run = Assert.Single(file.Stages[0].Instructions);
        Assert.Equal((4, "RUN"), (run.Line, run.Keyword));
        Assert.Equal("pip install     -r requirements.txt     && true", run.Text);
        Assert.Equal(["python:3"], file.BaseImages(None, null));
        Assert.Equal(["python:4"], file.BaseImages(new Dictionary<string, string> { ["VERSION"] = "4" }, null));
    }

    [Theory]
    [InlineData("ARG X=1|FROM a:$X", "a:1")]
    [InlineData("ARG X=1|FROM a:${X}b", "a:1b")]
    [InlineData("ARG X|FROM a:${X:-2}", "a:2")]
    [InlineData("ARG X=|FROM a:${X:-2}", "a:2")]
    [InlineData("ARG X=|FROM a${X-:2}", "a")]
    [InlineData("ARG X=1|FROM a${X:+:with}", "a:with")]
    [InlineData("ARG X|FROM a${X:+:with}", "a")]
    [InlineData("ARG X=1 Y=${X}.2|FROM a:$Y", "a:1.2")]
    [InlineData("ARG X=1|ARG Y=${X:-0}.${Z:-${X}}|FROM a:$Y", "a:1.1")]
    [InlineData("ARG X=\"1\"|FROM 'a':\"$X\"", "a:1")]
    [InlineData("FROM a:$X", "a:")]
    [InlineData("FROM $X", "$X")] // BuildKit refuses a blank name
    [InlineData("ARG G=given0|FROM $G", "given")]
    [InlineData("FROM ${G}x", "x")] // not declared
    [InlineData("FROM a-$TARGETARCH", "a-$TARGETARCH")]
    [InlineData("FROM a:${X:?}", "a:${X:?}")]
    [InlineData("FROM a:${X", "a:${X")]
    [InlineData("FROM a:${", "a:${")]
    [InlineData("ARG X=1-2|FROM a:${X%-*}", "a:${X%-*}")]
    [InlineData("# escape=`|ARG X=1|FROM a`$X:$X", "a$X:1")]
    [InlineData("FROM scratch", "")]
    [InlineData("FROM a|COPY --from=b:1 /x /|RUN --mount=type=bind,from=c,target=/c true|ONBUILD COPY --from=d /x /", "a b:1 c d")]
    [InlineData("FROM a AS x|FROM x|COPY --from=X /x /", "a")]
    [InlineData("FROM a AS x|FROM b AS y|FROM c|COPY --from=0 /x /", "a c")]
    [InlineData("FROM a AS x|FROM b AS y|FROM c|RUN --mount=from=y,target=/y true", "b c")]
    [InlineData("FROM a AS x|FROM b", "b")]
    [InlineData("FROM x|FROM a AS x", "a")] // FROM sees only what is above it
    [InlineData("FROM a AS x-amd64|FROM b AS y|FROM x-$TARGETARCH", "a b x-$TARGETARCH")]
    [InlineData("", "")]
    [InlineData("FROM", "")]
    public void Base_images(string lines, string images) => Assert.Equal(
        images.Split(' ', StringSplitOptions.RemoveEmptyEntries),
        Dockerfile.Parse(lines.Replace('|', '\n')).BaseImages(new Dictionary<string, string> { ["G"] = "given" }, null));

    [Fact]
    public void The_stage_of_a_platform_is_found_when_the_platform_is_given() => Assert.Equal(["a"],
        Dockerfile.Parse("FROM a AS x-amd64\nFROM b AS x-arm64\nFROM x-$TARGETARCH").BaseImages(new Dictionary<string, string> { ["TARGETARCH"] = "amd64" }, null));

    [Fact]
    public void A_target_needs_only_what_leads_to_it()
    {
        var file = Dockerfile.Parse("FROM a AS one\nFROM b AS two\nFROM one AS three\nCOPY --from=two / /\nFROM c AS four\nFROM three AS five\nFROM d");
        Assert.Equal([0, 1, 2, 4], file.NeededStages("FIVE").Select(s => s.Index));
        Assert.Equal(["a", "b"], file.BaseImages(None, "five"));
        Assert.Equal([5], file.NeededStages(null).Select(s => s.Index));
        Assert.Equal(6, file.NeededStages("unknown").Count);
    }

    [Fact]
    public void Stages_that_need_each_other_end() =>
        Assert.Equal(2, Dockerfile.Parse("FROM a AS x\nCOPY --from=y / /\nFROM b AS y\nCOPY --from=x / /").NeededStages(null).Count);

    [Fact]
    public void Heredocs_are_not_read_as_instructions()
    {
        var file = Dockerfile.Parse("FROM a\nRUN <<EOF cat <<-'B' x<<C \"<<D\"\nFROM no\nEOF\n\tFROM no\n\tB\nCOPY <<\"X Y\" /z\nFROM no\nX Y\nRUN echo $((1<<3)) <<<here\nRUN <<EOF\nnever ended\nFROM no");
        Assert.Equal([2, 7, 10, 11], Assert.Single(file.Stages).Instructions.Select(i => i.Line));
    }

    [Theory]
    [InlineData("FROM a\nRUN a \\\\\nCOPY x /", 2)] // doubled: not a continuation
    [InlineData("# escape=`\nFROM a\nRUN a `\n  COPY x /\nRUN C:\\\nRUN x", 3)]
    [InlineData("\n# escape=`\nFROM a\nRUN a `\nRUN b", 2)] // directives stand at the very top
    [InlineData("FROM a\nRUN x \\  \n  y\n", 1)]
    [InlineData("FROM a\nRUN x \\\n\\\n y", 1)]
    [InlineData("FROM a\r\nRUN x \\\r\n y\r\nRUN z\r\n", 2)]
    [InlineData("FROM a\nRUN x \\", 1)]
    public void Continuations(string text, int instructions) => Assert.Equal(instructions, Dockerfile.Parse(text).Stages[0].Instructions.Count);

    [Fact]
    public void Context_sources_are_those_of_copy_add_and_bind_mounts()
    {
        var stage = Dockerfile.Parse("""
            FROM a
            COPY --chown=1:1 --link package.json "pnpm lock" /app/
            COPY ["a b.txt", "c", "/d/"]
            COPY --from=x /not /
            COPY <<EOF conf/x /etc/
            EOF
            ADD https://example.org/x.tgz git@example.org:x src.tgz /
            RUN --mount=type=bind,source=Makefile,target=/m --mount=target=/all --mount=type=cache,target=/c --mount=from=y,source=z,target=/z make
            ONBUILD COPY later /
            ENV X=COPY
            """).Stages[0];
        Assert.Equal(["package.json", "pnpm lock", "a b.txt", "c", "conf/x", "src.tgz", "Makefile", ".", "later"], stage.ContextSources);
        Assert.Equal(["x", "y"], stage.From);
    }

    [Fact]
    public void No_text_makes_it_fail()
    {
        string[] parts = ["FROM", " ", "a", " AS ", "x", "\n", "\r\n", "COPY", " --from=", "0", "99999999999", "RUN", " --mount=", "type=bind,from=", "from", ",,", "=", "<<", "<<-", "EOF", "\t",
            "\\", "`", "\"", "'", "[", "]", "{", "}", "$", "${", ":-", ":+", "ARG ", "X", "#", "# escape=`\n", "# syntax=", "ONBUILD ", "\uFEFF", "\uD800", "\0", "["];
        var random = new Random(11);
        for (var round = 0; round < 20_000; round++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(60)).Select(_ => parts[random.Next(parts.Length)]));
            var file = Dockerfile.Parse(text);
            file.BaseImages(new Dictionary<string, string> { ["X"] = "$X${X}" }, random.Next(2) == 0 ? null : "x");
            Assert.All(file.Stages, s => Assert.NotNull(s.ToString()));
        }
    }
}
