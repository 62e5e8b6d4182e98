#!/bin/sh
# Clears the build cache through the running worker: touches clear-cache.flag, waits until the work is done, prints the result.
# It needs nothing but the right to write into the folder of the flags, so it suits an SSH key that may do only this.
set -eu

usage() {
    cat <<'USAGE'
Usage: clear-cache.sh [--folder DIR] [--limit SECONDS] [--force-rebuild] [all | SERVICE...]

  --folder DIR        where the flags appear (Repository:Path, or DropFiles:Folder; default: /srv/watch-party)
  --limit SECONDS     longest time to wait for the end (default: 900; a build under way ends first)
  --force-rebuild     release the current commit again without cache, in place of a clear

Without a service everything is cleared. A clear does not start a build: the next build of those services uses no cache.
Exit code: 0 done, 1 failed or refused, 2 wrong usage, 4 not done within the limit.
USAGE
}

fail() { printf 'clear-cache.sh: %s\n' "$2" >&2; exit "$1"; }

folder=/srv/watch-party limit=900 name=clear-cache targets=''
while [ $# -gt 0 ]; do
    case $1 in
        --folder | --limit)
            [ $# -ge 2 ] || fail 2 "$1 needs a value"
            case $1 in --folder) folder=$2 ;; --limit) limit=$2 ;; esac
            shift ;;
        --force-rebuild) name=force-rebuild ;;
        -h | --help) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
        *) targets=${targets:+$targets,}$1 ;;
    esac
    shift
done
case $limit in '' | *[!0-9]*) fail 2 "--limit needs a number of seconds, not '$limit'" ;; esac
# What the worker accepts as the name of a service; anything else could not be one.
case $targets in *[!A-Za-z0-9._,-]*) fail 2 "'$targets' is not a list of services" ;; esac
[ "$name" = clear-cache ] || [ -z "$targets" ] || fail 2 '--force-rebuild is for the whole application and takes no service'
[ -d "$folder" ] || fail 1 "$folder does not exist; give the folder of the flags with --folder"
[ -w "$folder" ] || fail 1 "$(id -un) may not write into $folder"

flag=$folder/$name.flag
result=$folder/$name.result.json
before=$(cksum "$result" 2>/dev/null || true)

# Not in place: the worker must not read half of it.
new=$(mktemp "$folder/.$name.XXXXXX")
trap 'rm -f "$new"' EXIT
printf '%s\n' "$targets" >"$new"
chmod 0644 "$new"
mv -f "$new" "$flag"

waited=0
while [ -e "$flag" ]; do
    if [ "$waited" -ge "$limit" ]; then
        fail 4 "not done after $limit s. The flag stays and counts: it is worked on when the worker runs and is idle (systemctl status watchparty-worker; watchparty-worker status)."
    fi
    sleep 1
    waited=$((waited + 1))
done

# It has its times in it, so another one than before is the answer to this request.
if [ ! -e "$result" ] || [ "$(cksum "$result")" = "$before" ]; then
    fail 1 "the flag is gone, but there is no new $result; somebody else removed the flag?"
fi
cat "$result"
printf '\n'
grep -Eq '"outcome": *"(Cleared|Succeeded)"' "$result"
