#!/usr/bin/env bash
# Builds everything and runs every test; sets up what the tests need.
set -uo pipefail

usage() {
  cat <<'USAGE'
test.sh [PART...]

PART: build       build without warnings, and the form of the source
      unit        tests without an engine
      overlay2    tests on the newer Docker Engine with the overlay2 image store
      containerd  the same with the containerd image store; together with overlay2 what does not depend on the store runs once
      quick       build and unit together; the first if there are others
      older       what has to go on working on the older engine (Engine=Older)
No PART means all of them. Parts that need the programs build them. Where the newer engine is not to be had, its tests are counted as
skipped, and all of them run on the older one.

TEST_FILTER                   runs only these tests, in every part (dotnet test --filter)
WATCHPARTY_ENGINE_GENERATION  older: overlay2 and containerd are of the older engine, too
WATCHPARTY_ENGINE             which engine: see tests/engine/engine.sh

The last line has the sums of all runs: N passed, N failed, N skipped. Exit code: 0 when all is well, 1 when something failed, did
not run to its end or ran no test, 64 for wrong usage, 69 when something is missing here.
USAGE
}

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cd "$repository" || exit
results=$repository/TestResults
export LC_ALL=C.UTF-8 DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_CLI_UI_LANGUAGE=en
exec </dev/null

main() {
  local part
  local -a parts=("$@")
  ((${#parts[@]})) || parts=(build unit overlay2 containerd older)
  if [[ ${parts[0]} == quick ]]; then parts=(build unit "${parts[@]:1}"); fi
  for part in "${parts[@]}"; do
    case $part in
      build | unit | overlay2 | containerd | older) ;;
      -h | --help) usage && exit 0 ;;
      *) usage >&2 && exit 64 ;;
    esac
  done

  set_up
  faults=() failed_tests=() skips=() engine_parts=() passed=0 failed=0 skipped=0
  rm -rf "$results"
  mkdir -p "$results"
  build
  for part in "${parts[@]}"; do
    case $part in
      build) check_form ;;
      unit) title "Tests: unit" && run_tests unit WatchParty.Worker.Tests "${TEST_FILTER:-}" && count unit ;;
      *) engine_parts+=("$part") ;;
    esac
  done
  run_engine_tests
  report "${parts[@]}"
}

# --- Set-up ---------------------------------------------------------------------------------------------------------

# PROGRAM PACKAGE: what the tests run.
programs() {
  cat <<'LIST'
git git
ssh openssh-client
ssh-keygen openssh-client
sshd openssh-server
flock util-linux
strace strace
unshare util-linux
chattr e2fsprogs
systemd-analyze systemd
aiosmtpd python3-aiosmtpd
chromium chromium
zsh zsh
fish fish
LIST
}

set_up() {
  local program package lacking=()
  if program=$(prometheus); then PATH=$PATH:$program; else echo "There is no Prometheus here: the tests with it will be skipped."; fi
  command -v dotnet >/dev/null || missing "The .NET SDK 10 is missing (dotnet is not on the PATH)."
  PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
  while read -r program package; do
    command -v "$program" >/dev/null || lacking+=("$package")
  done < <(programs)
  ((${#lacking[@]})) || return 0
  mapfile -t lacking < <(printf '%s\n' "${lacking[@]}" | sort -u)
  [[ $EUID == 0 ]] || missing "The tests need packages that are not installed: ${lacking[*]}" "Run as root: apt-get install ${lacking[*]}"
  command -v apt-get >/dev/null || missing "The tests need programs that are not here, and there is no apt-get to install them: ${lacking[*]}"
  title "Installing ${lacking[*]}"
  install_packages "${lacking[@]}" || missing "apt-get could not install ${lacking[*]}; the reason is above."
}

# Prints the folder of Prometheus' programs. Unpacked and not installed: with all that it depends on it would be many packages, and a service.
prometheus() (
  # shellcheck source=tests/engine/packages.sh
  . tests/engine/packages.sh
  fetch_packages prometheus "$(native_suite)/prometheus" && echo "$cache/prometheus/usr/bin"
)

install_packages() {
  local policy=/usr/sbin/policy-rc.d code=0
  apt-get update --quiet --quiet || return
  # The tests start an ssh server of their own; the machine must not get one by this.
  if [[ -e $policy ]]; then policy=''; else printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"; fi
  DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends "$@" || code=$?
  [[ -z $policy ]] || rm -f "$policy"
  if [[ " $* " == *" openssh-server "* ]]; then systemctl --quiet disable ssh.service ssh.socket 2>/dev/null; fi
  return "$code"
}

missing() {
  printf '%s\n' "$@" >&2
  exit 69
}

# --- Build ----------------------------------------------------------------------------------------------------------

build() {
  title "Building"
  dotnet build --configuration Release WatchParty.Worker.sln || { echo "The build failed." >&2 && exit 1; }
}

check_form() {
  title "Checking the form of the source"
  if dotnet format WatchParty.Worker.sln --no-restore --verify-no-changes; then echo "All as it should be."; else faults+=("The form of the source is not as .editorconfig says: dotnet format puts it right."); fi
}

# --- Tests ----------------------------------------------------------------------------------------------------------

# Three at the same time: most of what the tests do is to wait for containers.
run_engine_tests() {
  local part run generation slots=3
  local -a runs=()
  ((${#engine_parts[@]})) || return 0
  compile_ahead
  choose_generation
  for part in "${engine_parts[@]}"; do
    case $part:$generation in
      older:*) [[ $generation == newer || " ${engine_parts[*]} " != *" overlay2 "* ]] || continue ;; # all of it runs there
      *:older) [[ -z $missing_engine ]] || count_as_skipped "$part" ;;
    esac
    runs+=("$part")
  done
  title "Tests: ${runs[*]}"
  for run in "${runs[@]}"; do
    ((slots-- > 0)) || wait -n
    run_on_engine "$run" &
  done
  wait
  for run in "${runs[@]}"; do
    title "Tests: $run"
    cat "$results/$run.log"
    count "$run"
  done
}

# Sets generation: that of the parts overlay2 and containerd. Where the newer one is not to be had, missing_engine says why.
choose_generation() {
  local code=0 log=$results/newer-engine.log
  generation=${WATCHPARTY_ENGINE_GENERATION:-newer} missing_engine=
  [[ $generation == newer && "${engine_parts[*]}" != older ]] || return 0
  WATCHPARTY_ENGINE_GENERATION=newer tests/engine/engine.sh run any -- true 2>"$log" || code=$?
  ((code == 75)) || return 0 # whatever else is wrong the run itself says
  generation=older missing_engine=$(sed -n 's/^engine: //p' "$log" | tail -n 1)
  printf '%s\n' "The newer engine is not to be had here; all runs on the older one. The reason:" "$(cat "$log")"
}

run_on_engine() {
  local run=$1 store=$1 of=$generation
  if [[ $run == older ]]; then store=overlay2 of=older; fi
  WATCHPARTY_ENGINE_GENERATION=$of WATCHPARTY_TEST_STORE=$store run_tests "$run" WatchParty.Worker.EngineTests "$(filter_of "$run")" \
    "$repository/tests/engine/engine.sh" run "$store" -- >"$results/$run.log" 2>&1
}

# What has nothing to do with the image store is tested on the one that its trait names.
filter_of() {
  if [[ -n ${TEST_FILTER:-} ]]; then echo "$TEST_FILTER" && return; fi
  case $1:${engine_parts[*]} in
    older:*) echo Engine=Older ;;
    overlay2:*containerd*) echo 'Store!=Containerd' ;;
    containerd:*overlay2*) echo 'Store!=Overlay2' ;;
  esac
}

count_as_skipped() {
  local filter number
  filter=$(filter_of "$1")
  number=$(dotnet test "$(assembly WatchParty.Worker.EngineTests)" --list-tests ${filter:+--filter "$filter"} | grep -c '^    ')
  skipped=$((skipped + number))
  skips+=("the $number tests of $1 on the newer engine, because it is not to be had here: $missing_engine")
}

# The engine tests start the program some hundred times, and most of a start is compiling; so they run it compiled ahead, as it is shipped.
compile_ahead() {
  title "Compiling the program ahead"
  if dotnet publish src/WatchParty.Worker --configuration Release --runtime linux-x64 --self-contained false -p:PublishSingleFile=false -p:RunAnalyzers=false --output "$results/program"; then
    export WATCHPARTY_PROGRAM=$results/program/watchparty-worker
  else
    echo "That was not possible; the tests run the program as it was built."
  fi
}

# run_tests RUN PROJECT FILTER [PREFIX...]: from the built assembly, so that nothing is restored where there is no network.
run_tests() {
  local run=$1 project=$2 filter=$3 code=0 started=$SECONDS
  shift 3
  # Longer than any run takes; one that hangs must still be reported.
  "$@" timeout --kill-after=60 60m dotnet test "$(assembly "$project")" --results-directory "$results" \
    --logger "trx;LogFileName=$run.trx" --logger "console;verbosity=minimal" ${filter:+--filter "$filter"} || code=$?
  echo "$code" >"$results/$run.code"
  echo "$run took $((SECONDS - started)) s"
}

assembly() { echo "tests/$1/bin/Release/net10.0/$1.dll"; }

# Adds the counts of a run, from the file that the test runner wrote.
count() {
  local run=$1 code file=$results/$1.trx total executed good
  code=$(cat "$results/$run.code" 2>/dev/null || echo 1)
  if [[ ! -s $file ]]; then
    if [[ -z ${TEST_FILTER:-} || $code != 0 ]]; then faults+=("$run: the run ended with exit code $code and without a result."); fi
    return
  fi
  total=$(counter "$file" total) executed=$(counter "$file" executed) good=$(counter "$file" passed)
  passed=$((passed + good)) failed=$((failed + executed - good)) skipped=$((skipped + total - executed))
  mapfile -t -O "${#failed_tests[@]}" failed_tests < <(failures "$file" | sed "s/^/$run: /")
  if ((executed == 0)) && [[ -z ${TEST_FILTER:-} ]]; then
    faults+=("$run: no test was run.")
  elif ((code != 0 && executed == good)); then
    faults+=("$run: the run did not come to its end (exit code $code).")
  fi
}

counter() { grep -o '<Counters [^>]*' "$1" | sed -n "s/.* $2=\"\([0-9]*\)\".*/\1/p" | awk '{ sum += $1 } END { print sum + 0 }'; }

failures() {
  grep -o '<UnitTestResult [^>]*' "$1" | grep -E 'outcome="(Failed|Error|Timeout|Aborted)"' |
    sed 's/.* testName="\([^"]*\)".*/\1/; s/&quot;/"/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g'
}

report() {
  title "Results of: $*"
  ((${#failed_tests[@]} == 0)) || printf 'Failed: %s\n' "${failed_tests[@]}"
  ((${#skips[@]} == 0)) || printf 'Skipped: %s\n' "${skips[@]}"
  ((${#faults[@]} == 0)) || printf 'Fault: %s\n' "${faults[@]}"
  if [[ $* == build ]]; then exit $((${#faults[@]} > 0)); fi
  if ((passed + failed == 0)); then faults+=(none) && echo "Fault: not one test was run."; fi
  echo "$passed passed, $failed failed, $skipped skipped"
  ((failed == 0 && ${#faults[@]} == 0)) || exit 1
}

title() { printf '\n== %s\n' "$*"; }

main "$@"
