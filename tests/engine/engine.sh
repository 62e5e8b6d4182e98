#!/usr/bin/env bash
# Runs a command with a Docker Engine at hand: the one that runs already, or a private one that lives as long as the command.
set -euo pipefail

usage() {
  cat >&2 <<'USAGE'
engine.sh run STORE -- COMMAND [ARGS...]   run COMMAND; docker, docker buildx and docker compose reach the engine.
                                           STORE: overlay2, containerd (image store) or any. Exit code: COMMAND's
engine.sh fetch                            only download what a private engine needs

WATCHPARTY_ENGINE             auto (default): the running Docker if it has buildx, compose, STORE and the generation that was asked
                              for, otherwise a private engine
                              running, private: only that one
WATCHPARTY_ENGINE_GENERATION  newer: Engine 28 or newer (a private one: as Debian's testing release has it)
                              older: an engine before that (a private one: 26.1 with buildx 0.13 and compose 2.26)
                              auto (default): any running Docker; a private one is the newer, and the older where that is not to be had
WATCHPARTY_ENGINE_CACHE       folder for the downloaded programs (default: ~/.cache/watchparty-engine)
WATCHPARTY_ENGINE_NETWORK     auto (default): a private engine shares the host's network unless another Docker is there;
                              own: always a network namespace of its own (no port can clash; nothing outside can be reached)
TMPDIR                        folder for the private engine's data (default: /var/tmp)

Exit code 69: something is missing here; 75: the generation that was asked for is not to be had here or does not start. The message
says what.
USAGE
  exit 64
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/packages.sh"

main() {
  [[ -e /proc/self/fd/0 ]] || exec </dev/null
  generation=${WATCHPARTY_ENGINE_GENERATION:-auto}
  case $generation in auto | newer | older) ;; *) usage ;; esac
  case ${1:-} in
    fetch) [[ $# == 1 ]] || usage && fetch_some_engine ;;
    run)
      [[ $# -ge 4 && $3 == -- ]] || usage
      local store=$2
      shift 3
      case $store in overlay2 | containerd | any) ;; *) usage ;; esac
      run "$store" "$@"
      ;;
    *) usage ;;
  esac
}

run() {
  local store=$1 lacks
  shift
  case ${WATCHPARTY_ENGINE:-auto} in
    private) run_private "$store" "$@" ;;
    running)
      lacks=$(running_engine_lacks "$store")
      [[ $lacks != *generation* ]] || not_this_generation "The running Docker cannot be used: $lacks."
      [[ -z $lacks ]] || unavailable "The running Docker cannot be used: $lacks." \
        "Put that right, or set WATCHPARTY_ENGINE=private (needs root, Debian's apt and the network once)."
      run_on_running "$@"
      ;;
    auto)
      lacks=$(running_engine_lacks "$store")
      [[ -n $lacks ]] || run_on_running "$@"
      say "starting a private engine ($lacks)"
      run_private "$store" "$@"
      ;;
    *) usage ;;
  esac
}

# --- The running engine ---------------------------------------------------------------------------------------------

# Prints what keeps the running engine from being used; nothing when it can be.
running_engine_lacks() {
  local store=$1 status version
  command -v docker >/dev/null || { echo "there is no docker command"; return; }
  version=$(timeout 20 docker version -f '{{.Server.Version}}' 2>/dev/null) || { echo "no running Docker answers"; return; }
  docker buildx version &>/dev/null || { echo "the running Docker has no buildx"; return; }
  docker compose version &>/dev/null || { echo "the running Docker has no compose v2"; return; }
  case $generation/$((${version%%.*} >= 28)) in
    newer/0 | older/1) echo "the running Docker, $version, is not of the $generation generation"; return ;;
  esac
  status=$(docker info -f '{{.Driver}} {{.DriverStatus}}')
  case $store/$status in
    any/* | containerd/*io.containerd.snapshotter.v1*) return ;;
    overlay2/*io.containerd.snapshotter.v1*) ;;
    overlay2/overlay2*) return ;;
  esac
  echo "the running Docker does not have the $store image store"
}

run_on_running() {
  local endpoint
  endpoint=$(docker context inspect -f '{{.Endpoints.docker.Host}}')
  say "using the running Docker at $endpoint. ITS BUILDER CACHE WILL BE PRUNED; WATCHPARTY_ENGINE=private avoids that"
  [[ $endpoint != unix://* ]] || export DOCKER_HOST=$endpoint
  export DOCKER_CONFIG=${DOCKER_CONFIG:-${HOME:-/root}/.docker}
  "$here/base-image.sh"
  exec "$@"
}

# --- A private engine -----------------------------------------------------------------------------------------------

# Ends with 75: there may well be an engine here, but not of this generation.
not_this_generation() {
  say "$@"
  exit 75
}

# Leaves the generation that was fetched in $generation.
fetch_some_engine() {
  local asked=$generation code
  for generation in $(if [[ $asked == auto ]]; then echo newer older; else echo "$asked"; fi); do
    code=0
    (fetch_engine) || code=$?
    ((code == 75)) || break
  done
  ((code == 0)) || exit "$code"
}

fetch_engine() {
  local native suite
  native=$(native_suite) || unavailable \
    "A private engine is made from Debian's packages and needs their C library, 2.36 or newer (Debian 12); not found here." \
    "Start Docker with buildx and compose here instead, and set WATCHPARTY_ENGINE=running."
  # Debian 13 is the first with buildx and compose v2. Its Go programs and those of the next release run on Debian 12 too, runc and
  # iptables do not. Tini and busybox are static and need not be new.
  case $generation in newer) suite=forky ;; older) suite=trixie ;; esac
  (fetch_packages "engine-$generation" "$suite"/{docker.io,docker-cli,containerd,docker-buildx,docker-compose} \
    trixie/{tini,busybox-static} \
    "$native"/{runc,iptables,libip4tc2,libip6tc2,libxtables12,libmnl0,libnetfilter-conntrack3,libnfnetlink0,libnftnl11}) ||
    not_this_generation "The packages of the $generation engine could not be fetched."
  # For the tests with a registry, which are left out without it.
  fetch_packages registry "$native"/docker-registry || say "there will be no registry for the tests"
}

run_private() {
  local store=$1
  shift
  [[ $EUID == 0 ]] || unavailable "A private engine needs root (this is $(id -un))." \
    "Run as root, or start Docker with buildx, compose and the $store image store and let this user use it."
  unshare --mount --net true 2>/dev/null || unavailable "This root may not make namespaces (a container without privileges?)." \
    "Run in a privileged container or on the host itself."
  [[ $generation != auto ]] || export WATCHPARTY_ENGINE_MAY_BE_OLDER=1
  fetch_some_engine
  export WATCHPARTY_ENGINE_GENERATION=$generation
  exec {network_lock}</dev/null
  if [[ -z ${WATCHPARTY_ENGINE_IN_OWN_NETWORK:-} ]] && needs_own_network; then
    exec {host_network}</proc/self/ns/net
    export WATCHPARTY_ENGINE=private WATCHPARTY_ENGINE_IN_OWN_NETWORK=$host_network
    exec unshare --net -- "$BASH" "$here/engine.sh" run "$store" -- "$@"
  fi

  root=$cache/engine-$generation
  make_folder
  trap 'code=$?; stop_engine; exit "$code"' EXIT
  trap 'interrupted INT' INT
  trap 'interrupted TERM' TERM
  trap 'interrupted HUP' HUP
  start_engine "$store"
  await_engine || start_older_engine "$store" "$@"
  "$here/base-image.sh"
  run_command "$@"
}

# Begins again with the older engine, if any will do.
start_older_engine() {
  local store=$1
  shift
  [[ $generation == newer && -n ${WATCHPARTY_ENGINE_MAY_BE_OLDER:-} ]] || exit 75
  say "trying the older one"
  stop_engine
  trap - EXIT INT TERM HUP
  local network=/proc/self/ns/net
  [[ -z ${WATCHPARTY_ENGINE_IN_OWN_NETWORK:-} ]] || network=/proc/self/fd/$WATCHPARTY_ENGINE_IN_OWN_NETWORK
  export WATCHPARTY_ENGINE=private WATCHPARTY_ENGINE_GENERATION=older WATCHPARTY_ENGINE_IN_OWN_NETWORK='' PATH=$path_before
  exec nsenter --net="$network" -- "$BASH" "$here/engine.sh" run "$store" -- "$@" {network_lock}>&-
}

# A second dockerd deletes the first one's docker0 and edits its firewall rules.
needs_own_network() {
  if [[ ${WATCHPARTY_ENGINE_NETWORK:-auto} == own ]]; then
    say "a network namespace of its own was asked for: nothing outside can be reached"
  elif [[ -e /sys/class/net/docker0 ]] || grep -qsx dockerd /proc/[0-9]*/comm || ! lock_host_network; then
    say "another Docker is here: engine and command run in a network namespace of their own, nothing outside can be reached"
  else
    return 1
  fi
}

lock_host_network() {
  exec {network_lock}>/run/watchparty-engine.lock
  flock --nonblock "$network_lock" && return
  exec {network_lock}>&-
  return 1
}

make_folder() {
  local parent=${TMPDIR:-/var/tmp}
  if ((${#parent} > 50)); then # sockets below must stay under 108 characters
    say "TMPDIR is too long a path for sockets, using /var/tmp"
    parent=/var/tmp
  fi
  folder=$(mktemp -d "$parent/watchparty-engine.XXXXXX")
  mkdir -p "$folder"/{data,exec,bin,config/cli-plugins}
}

start_engine() {
  local store=$1 in_memory=
  local -a options=(--config-file "$folder/daemon.json" --data-root "$folder/data" --exec-root "$folder/exec"
    --pidfile "$folder/docker.pid" --host "unix://$folder/docker.sock")

  export DOCKER_HOST=unix://$folder/docker.sock DOCKER_CONFIG=$folder/config
  unset DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_API_VERSION BUILDX_BUILDER BUILDX_CONFIG
  path_before=$PATH
  export PATH=$root/usr/sbin:$root/usr/bin:${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin:$folder/bin:$cache/registry/usr/bin
  ln -s "$root"/usr/libexec/docker/cli-plugins/* "$DOCKER_CONFIG/cli-plugins/"
  echo '{}' >"$DOCKER_CONFIG/config.json"
  # From Engine 28.2 on the daemon collects the builder's garbage by itself, as soon as less than a fifth of the disk is free: then the
  # cache that a test has just made would go. All three have to be said: with one alone the others are 0, and everything goes.
  local gc='"builder":{"gc":{"defaultReservedSpace":"10GB","defaultMaxUsedSpace":"100GB","defaultMinFreeSpace":"1GB"}}'
  case $store in
    containerd) echo "{\"features\":{\"containerd-snapshotter\":true},$gc}" ;;
    *) echo "{\"storage-driver\":\"overlay2\",$gc}" ;;
  esac >"$folder/daemon.json"
  overlay_works || in_memory=$folder/data
  provide_iptables

  if [[ -n ${WATCHPARTY_ENGINE_IN_OWN_NETWORK:-} ]]; then
    "$(busybox)" ifconfig lo up
  else
    forward=$(cat /proc/sys/net/ipv4/ip_forward)
    policy=$(iptables -S FORWARD | head -n 1)
  fi

  # The daemon's mounts live in a mount namespace of its own and so end with it. It ends when this script is killed, too.
  # shellcheck disable=SC2016
  setsid unshare --mount --propagation slave sh -c '[ -z "$0" ] || mount -t tmpfs tmpfs "$0" && exec "$@"' "$in_memory" \
    setpriv --pdeathsig TERM dockerd "${options[@]}" </dev/null &>"$folder/dockerd.log" {network_lock}>&- &
  daemon=$!
}

await_engine() {
  local started=$SECONDS tool
  until docker version &>/dev/null; do
    if ! kill -0 "$daemon" 2>/dev/null || ((SECONDS - started > 30)); then
      tail -n 20 "$folder/dockerd.log" >&2
      say "The private Docker Engine ($generation) did not start; its last words are above."
      return 1
    fi
    sleep 0.2
  done
  for tool in buildx compose; do
    docker "$tool" version >/dev/null || { say "The $tool of the private Docker Engine ($generation) does not start." && return 1; }
  done
  say "Docker Engine $(docker version -f '{{.Server.Version}}') is up, image store: $(docker info -f '{{.Driver}}')"
}

overlay_works() {
  mkdir -p "$folder"/probe/{lower,upper,work,merged}
  (cd "$folder/probe" && unshare --mount mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged) ||
    { say "no overlay mounts on the file system of $folder: keeping the data in memory (TMPDIR chooses another)" && return 1; }
}

# The host's iptables if it has one; otherwise the downloaded one, for nftables or legacy as the kernel has it.
provide_iptables() {
  local kind name libraries
  ! command -v iptables >/dev/null || return 0
  libraries=$(echo "$root"/usr/lib/*-linux-gnu)
  for kind in nft legacy; do
    for name in iptables ip6tables; do
      printf '#!/bin/sh\nLD_LIBRARY_PATH=%q XTABLES_LIBDIR=%q exec %q %s "$@"\n' \
        "$libraries" "$libraries/xtables" "$root/usr/sbin/xtables-$kind-multi" "$name" >"$folder/bin/$name"
      chmod 755 "$folder/bin/$name"
    done
    ! iptables -S &>/dev/null || return 0
  done
  unavailable "iptables does not work here: $(iptables -S 2>&1 | head -n 1)" "A private engine needs a kernel with netfilter."
}

run_command() {
  local code
  # In a session of its own, so that a signal reaches it once, whether it came from the terminal or was sent to this script.
  setsid env --default-signal=INT,QUIT "$@" <&0 {network_lock}>&- &
  command=$!
  while
    signalled="" code=0
    wait "$command" || code=$?
    [[ -n $signalled ]] # a signal cuts the wait short
  do :; done
  command=
  exit "$code"
}

interrupted() {
  local signal=$1
  [[ -n ${command:-} ]] || exit $((128 + $(kill -l "$signal")))
  signalled=1
  say "$signal: passed on to the command"
  kill -s "$signal" -- "-$command" 2>/dev/null || true
  # The command has a while to clean up behind itself.
  (sleep 20 && kill -0 $$ && kill -s KILL -- "-$command") &>/dev/null &
  reaper=$!
}

stop_engine() {
  set +e
  trap '' INT TERM HUP
  [[ -z ${reaper:-} ]] || kill "$reaper" 2>/dev/null
  if [[ -n ${daemon:-} ]]; then
    if kill -0 "$daemon" 2>/dev/null; then
      docker ps -q | xargs -r docker kill
      docker container prune -f
      docker network prune -f
      kill -s TERM "$daemon"
      for _ in {1..100}; do
        kill -0 "$daemon" 2>/dev/null || break
        sleep 0.1
      done
    fi &>/dev/null
    # What is left if the daemon had to be killed: whoever sees a mount below our folder is of the daemon's mount namespace.
    grep -lsF "$folder/" /proc/[0-9]*/mountinfo | cut -d/ -f3 | xargs -r kill -s KILL 2>/dev/null
    wait "$daemon" 2>/dev/null
    [[ -n ${WATCHPARTY_ENGINE_IN_OWN_NETWORK:-} ]] || restore_host_network &>/dev/null
  fi
  for _ in {1..20}; do
    rm -rf "$folder" 2>/dev/null && break
    sleep 0.1
  done
}

# dockerd leaves its bridge and its firewall rules behind.
restore_host_network() {
  local table rule
  "$(busybox)" ifconfig docker0 down
  "$(busybox)" brctl delbr docker0
  for table in filter nat; do
    iptables -t "$table" -S | sed -n '/DOCKER\|docker0/s/^-A/-D/p' | while read -r -a rule; do
      iptables -t "$table" "${rule[@]}"
    done
    iptables -t "$table" -S | sed -n 's/^-N DOCKER/-X DOCKER/p' | while read -r -a rule; do
      iptables -t "$table" "${rule[@]}"
    done
  done
  # shellcheck disable=SC2086 # "-P FORWARD ACCEPT"
  iptables $policy
  echo "$forward" >/proc/sys/net/ipv4/ip_forward
}

main "$@"
