#!/bin/sh
# Installs, upgrades or removes WatchParty.Worker as a systemd service. Running it again is harmless.
set -eu

usage() {
    cat <<'USAGE'
Usage: install.sh [options]

  --from DIR          install the published program in DIR; without it the program is published from this source tree
  --repository DIR    checkout of the application (default: /srv/watch-party)
  --own-repository    give that checkout to the service user (chown -R); without it the script says what to run
  --no-start          do not enable and start the service
  --destdir DIR       install below DIR and touch nothing else: no user, no ownership, no systemctl
  --uninstall         remove the service and the program; configuration, state and user stay
  --purge             with --uninstall: remove those too

Files: /opt/watchparty-worker (program), /etc/watchparty/appsettings.json (configuration, never overwritten),
/var/lib/watchparty (state, and home of the user), /etc/systemd/system/watchparty-worker.service, /usr/local/bin/watchparty-worker (a
link to the program), its man page and the completions of bash, zsh and fish.
USAGE
}

say() { printf '%s\n' "$*"; }
fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
source_tree=$(dirname -- "$here")
user=watchparty
service=watchparty-worker.service
from='' destdir='' repository=''
own_repository=no start=yes uninstall=no purge=no

while [ $# -gt 0 ]; do
    case $1 in
        --from | --destdir | --repository)
            [ $# -ge 2 ] || fail "$1 needs a folder"
            case $1 in --from) from=$2 ;; --destdir) destdir=${2%/} ;; --repository) repository=$2 ;; esac
            shift ;;
        --own-repository) own_repository=yes ;;
        --no-start) start=no ;;
        --uninstall) uninstall=yes ;;
        --purge) purge=yes ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

program=$destdir/opt/watchparty-worker
configuration=$destdir/etc/watchparty
state=$destdir/var/lib/watchparty
unit=$destdir/etc/systemd/system/$service
link=$destdir/usr/local/bin/watchparty-worker
manual=$destdir/usr/local/share/man/man1/watchparty-worker.1
completion_bash=$destdir/usr/share/bash-completion/completions/watchparty-worker
completion_zsh=$destdir/usr/local/share/zsh/site-functions/_watchparty-worker
completion_fish=$destdir/usr/share/fish/vendor_completions.d/watchparty-worker.fish

case $repository in '' | /*) ;; *) fail "--repository needs a full path, not $repository" ;; esac

# Whether the machine itself is changed, and whether systemd runs on it (not so in a container or an image build).
real() { [ -z "$destdir" ]; }
systemd_runs() { real && [ -d /run/systemd/system ]; }

real && [ "$(id -u)" -ne 0 ] && fail 'run it as root, or with --destdir DIR'
[ "$own_repository" = yes ] && repository=${repository:-/srv/watch-party}
[ "$purge" = yes ] && [ "$uninstall" = no ] && fail '--purge goes with --uninstall'

if [ "$uninstall" = yes ]; then
    if systemd_runs; then systemctl disable --now "$service" 2>/dev/null || true; fi
    rm -f "$unit" "$unit.d/10-repository.conf"
    rmdir "$unit.d" 2>/dev/null || true
    rm -rf "$program" "$program.new" "$program.old"
    rm -f "$manual" "$completion_bash" "$completion_zsh" "$completion_fish"
    [ ! -L "$link" ] || rm -f "$link"
    if systemd_runs; then systemctl daemon-reload; fi
    if [ "$purge" = yes ]; then
        rm -rf "$configuration" "$state"
        if real && id "$user" >/dev/null 2>&1; then userdel "$user"; fi
        say 'Removed, with configuration, state and user.'
    else
        say "Removed. Configuration ($configuration) and state ($state) are kept; --uninstall --purge removes them."
    fi
    exit 0
fi

work=''
trap '[ -z "$work" ] || rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

if [ -z "$from" ]; then
    project=$source_tree/src/WatchParty.Worker/WatchParty.Worker.csproj
    if ! [ -f "$project" ] || ! command -v dotnet >/dev/null; then
        fail 'give the published program with --from DIR, or run it in the source tree on a machine with the .NET 10 SDK'
    fi
    case $(uname -m) in
        x86_64) runtime=linux-x64 ;;
        aarch64) runtime=linux-arm64 ;;
        *) fail "no runtime is known for $(uname -m); publish by yourself and use --from DIR" ;;
    esac
    work=$(mktemp -d)
    from=$work/published
    say "Publishing for $runtime ..."
    # With its own runtime: the service must not depend on one in somebody's home, or end with an upgrade of the machine's.
    dotnet publish "$project" -c Release -r "$runtime" --self-contained true -o "$from" --nologo -v quiet
fi
[ -f "$from/watchparty-worker" ] || fail "$from has no program watchparty-worker"

if real && ! id "$user" >/dev/null 2>&1; then
    useradd --system --user-group --home-dir /var/lib/watchparty --no-create-home --shell /usr/sbin/nologin "$user"
    say "Created the user $user."
fi
if real; then
    # No such group when the engine is on another machine; the unit names it, so it must exist.
    getent group docker >/dev/null || groupadd --system docker
    usermod -aG docker "$user"
fi

# The running program reads its files as it needs them, so it ends before they change. What it was doing it resumes.
was_running=no
if systemd_runs && systemctl is-active --quiet "$service"; then
    was_running=yes
    systemctl stop "$service"
fi

mkdir -p "$(dirname -- "$program")" "$(dirname -- "$unit")" "$(dirname -- "$state")"
rm -rf "$program.new" "$program.old"
mkdir -m 0755 "$program.new"
cp -R "$from/." "$program.new/"
chmod -R u=rwX,go=rX "$program.new"
chmod 0755 "$program.new/watchparty-worker"
mkdir "$program.new/scripts"
cp "$source_tree/scripts/clear-cache.sh" "$program.new/scripts/"
chmod 0755 "$program.new/scripts" "$program.new/scripts/clear-cache.sh"
if real; then chown -R root:root "$program.new"; fi
if [ -e "$program" ]; then mv "$program" "$program.old"; fi
mv "$program.new" "$program"
rm -rf "$program.old"

umask 022
# place FILE TARGET: readable for everybody, the folder made if need be.
place() { mkdir -p "$(dirname -- "$2")" && cp "$1" "$2" && chmod 0644 "$2"; }
place "$source_tree/docs/watchparty-worker.1" "$manual"
place "$here/completions/watchparty-worker.bash" "$completion_bash"
place "$here/completions/watchparty-worker.zsh" "$completion_zsh"
place "$here/completions/watchparty-worker.fish" "$completion_fish"
mkdir -p "$(dirname -- "$link")"
# Somebody's own program of that name stays.
if [ -L "$link" ] || ! [ -e "$link" ]; then ln -sfn /opt/watchparty-worker/watchparty-worker "$link"; fi

[ -d "$configuration" ] || mkdir -m 0750 "$configuration"
if [ -e "$configuration/appsettings.json" ]; then
    say "Kept $configuration/appsettings.json."
    [ -z "$repository" ] || say "See that Repository:Path in it is $repository."
else
    repository=${repository:-/srv/watch-party}
    # Only the path: every other setting has a default, listed in the README.
    umask 027
    escaped=$(printf '%s' "$repository" | sed 's/[\\"]/\\&/g')
    printf '{\n  "Worker": {\n    "Repository": {\n      "Path": "%s"\n    }\n  }\n}\n' "$escaped" > "$configuration/appsettings.json"
    umask 022
    chmod 0640 "$configuration/appsettings.json"
    say "Wrote $configuration/appsettings.json."
fi
[ -d "$state" ] || mkdir -m 0700 "$state"
if real; then
    # It may hold secrets (build arguments): readable for the service, writable for root.
    chgrp "$user" "$configuration" "$configuration/appsettings.json"
    # Only the folder: what is in it belongs to the service already, and may be large.
    chown "$user:$user" "$state"
fi

cp "$here/$service" "$unit"
chmod 0644 "$unit"
if [ -n "$repository" ] && [ "$repository" != /srv/watch-party ]; then
    mkdir -p "$unit.d"
    escaped=$(printf '%s' "$repository" | sed 's/[\\"]/\\&/g; s/%/%%/g')
    printf '# Written by install.sh --repository; put other changes into a file of your own beside it.\n[Service]\nReadWritePaths="-%s"\n' "$escaped" > "$unit.d/10-repository.conf"
fi

if real; then
    if [ -z "$repository" ]; then
        : # An upgrade; the checkout was dealt with before.
    elif ! [ -e "$repository/.git" ]; then
        say "There is no checkout at $repository yet. Make it as the service user:"
        say "  install -d -o $user -g $user $repository && sudo -u $user -H git clone URL $repository"
    elif [ "$own_repository" = yes ]; then
        chown -R "$user:$user" "$repository"
        say "Gave $repository to $user."
    elif [ "$(stat -c %U "$repository/.git")" != "$user" ]; then
        say "$repository belongs to $(stat -c %U "$repository/.git"); git refuses to work in it for $user. Run:"
        say "  chown -R $user:$user $repository      (or this script again with --own-repository)"
    fi
    if [ -n "$repository" ] && [ -e "$repository/.git" ] && [ -n "$(git -c safe.directory='*' -C "$repository" config core.sharedRepository 2>/dev/null)" ]; then
        say "$repository has core.sharedRepository: run 'systemctl edit $service' and add [Service] RestrictSUIDSGID=no"
    fi
    say "A remote over ssh needs a key and known_hosts in /var/lib/watchparty/.ssh, owned by $user, mode 0700."
fi

if systemd_runs; then
    systemctl daemon-reload
    if [ "$start" = yes ]; then
        systemctl enable "$service"
        systemctl start "$service" || fail "it is installed but did not start; see: journalctl -u $service -n 50"
        say "Running; see: systemctl status $service"
    elif [ "$was_running" = yes ]; then
        say "Stopped for the upgrade and left so (--no-start)."
    fi
elif real; then
    say 'systemd does not run here; the service starts with the next boot once you run: systemctl enable watchparty-worker'
fi
say 'Installed.'
