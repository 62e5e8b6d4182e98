#!/usr/bin/env bash
# Shows the worker at its main job on a real Docker Engine, from the first release to a rollback.
set -euo pipefail

usage() {
  cat <<'USAGE'
demo.sh [--keep] [--page[=PORT]] [PATH]

Shows WatchParty.Worker at work on a small sample application; with PATH on a copy of the compose repository there.
The copy is of the commit that is checked out. It has images, containers, volumes, networks and ports of its own; neither
the repository at PATH nor anything that runs from it is touched. Its env files are copied too, and shown nowhere.

--page   open the worker's status page on 127.0.0.1 (port 8080 unless given), and go on after the last step until Enter,
         so that you can look around, push commits of your own, and act from the page
--keep   leave the folder with the worker's state and logs, and on a running Docker the containers, for a look around

Needs git, the .NET SDK, and either a running Docker with buildx and compose or root on Debian: then a private engine is made of
Debian's packages (WATCHPARTY_ENGINE=private asks for that; tests/engine/engine.sh says more). Exit code: 0 when every step did
what it should, 1 when one did not, 64 for wrong usage, 69 when something is missing here.
USAGE
}

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
worker=$repository/src/WatchParty.Worker/bin/Release/net10.0/watchparty-worker
isolate=$repository/tests/demo/bin/isolate
export LC_ALL=C DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
[[ -e /proc/self/fd/0 ]] || exec </dev/null

main() {
  keep='' page='' original=''
  while (($#)); do
    case $1 in
      --keep) keep=1 ;;
      --page) page=8080 ;;
      --page=*) page=${1#*=} ;;
      -h | --help) usage && exit 0 ;;
      -*) usage >&2 && exit 64 ;;
      *) [[ -z $original ]] || { usage >&2 && exit 64; }
        original=$(cd "$1" 2>/dev/null && pwd -P) || { echo "There is no folder $1." >&2 && exit 64; } ;;
    esac
    shift
  done
  [[ $page =~ ^([1-9][0-9]{0,4})?$ ]] || { usage >&2 && exit 64; }

  if [[ -z ${WATCHPARTY_DEMO_ENGINE_BEFORE:-} ]]; then
    check_needs
    build_programs
    export WATCHPARTY_DEMO_ENGINE_BEFORE=${DOCKER_HOST:-none}
    exec "$repository/tests/engine/engine.sh" run any -- "$BASH" "$repository/demo.sh" ${keep:+--keep} ${page:+--page="$page"} ${original:+"$original"}
  fi
  set_up
  run_steps
}

check_needs() {
  local tool
  for tool in git dotnet setsid awk; do
    command -v "$tool" >/dev/null || missing "$tool is missing$(case $tool in
      git) echo ": apt-get install git" ;;
      dotnet) echo ": the .NET SDK 10 is needed to build the worker" ;;
    esac)."
  done
  [[ -z $original ]] || check_original
}

check_original() {
  local root
  ask_git -C "$original" rev-parse --verify --quiet 'HEAD^{commit}' &>/dev/null || missing "$original is not a git repository with a commit."
  root=$(ask_git -C "$original" rev-parse --show-toplevel)
  [[ $root == "$original" ]] || missing "$original is a folder in the repository $root. Give the repository itself; its compose file must be at its top."
}

missing() {
  printf '%s\n' "$@" >&2
  exit 69
}

build_programs() {
  if [[ ! -x $worker || -n $(find "$repository"/{src,appsettings.json,Directory.*.props} -newer "$worker" -type f -not -path '*/obj/*' -not -path '*/bin/*' -print -quit) ]]; then
    build_program "the worker" "$repository/src/WatchParty.Worker"
    touch "$worker"
  fi
  if [[ ! -x $isolate || $repository/tests/demo/isolate.cs -nt $isolate ]]; then
    build_program "the program that keeps the demo apart from other applications" "$repository/tests/demo/isolate.cs" --output "${isolate%/*}"
    touch "$isolate"
  fi
}

build_program() {
  local what=$1 output started=$SECONDS
  shift
  printf 'Building %s ... ' "$what"
  output=$(dotnet build --configuration Release "$@" 2>&1) || { printf '\n%s\n' "$(tail -n 30 <<<"$output")" && missing "Building $what failed; the reason is above."; }
  echo "$((SECONDS - started)) s"
}

# --- Set-up ---------------------------------------------------------------------------------------------------------

set_up() {
  local parent=${TMPDIR:-/tmp}
  ((${#parent} <= 50)) || parent=/tmp # the worker's socket must stay under 108 characters
  bold='' plain=''
  if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' plain=$'\e[0m'; fi
  private=''
  [[ ${DOCKER_HOST:-} != */watchparty-engine.* || $DOCKER_HOST == "$WATCHPARTY_DEMO_ENGINE_BEFORE" ]] || private=1

  work=$(mktemp -d "$parent/watchparty-demo.XXXXXX")
  work=$(cd "$work" && pwd -P)
  project=watchparty-demo-$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  rows=() step_number=0 demo_started=$EPOCHREALTIME worker_pid='' monitor_pid='' site=''
  # A variable of the reader's shell must not lead to the original.
  compose_file=${COMPOSE_FILE:-}
  [[ -n $original ]] || compose_file=''
  unset COMPOSE_FILE COMPOSE_PROJECT_NAME COMPOSE_ENV_FILES GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE

  [[ -n $private ]] || warn_of_running_docker
  copy_application
  write_isolation
  write_configuration
}

warn_of_running_docker() {
  cat <<WORDS

This runs on your Docker. What the demo makes there is called $project...; it is removed at the end$([[ -z $keep ]] || echo ", but not with --keep").
Beyond that it does what the worker does on a server: it prunes and clears the WHOLE builder cache and removes images without a name,
so that the next build of your other projects may take longer. WATCHPARTY_ENGINE=private avoids that.
WORDS
  [[ ! -t 0 ]] || { echo "Ctrl-C within 5 seconds if that must not happen." && sleep 5; }
}

copy_application() {
  if [[ -z $original ]]; then
    say "The application: a small one with a backend, a task worker that runs the backend's image, a frontend and a store."
    "$repository/tests/samples/watch-party/new-checkout.sh" "$work"
  else
    say "The application: a copy of $original at commit $(ask_git -C "$original" rev-parse --short HEAD)."
    [[ -z $(ask_git -C "$original" status --porcelain --untracked-files=no) ]] || say "What is changed there and not committed is not in the copy."
    [[ ! -e $original/.gitmodules ]] || say "Its submodules are not in the copy."
    git init --quiet --bare --initial-branch=main "$work/origin.git"
    ask_git -C "$work/origin.git" fetch --quiet --no-tags --update-shallow "$original" HEAD:refs/heads/main
    git clone --quiet "$work/origin.git" "$work/checkout"
    copy_env_files
  fi
  git clone --quiet "$work/origin.git" "$work/author" # where the demo's commits are made
}

# Whoever the repository belongs to: it is only read.
ask_git() { GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' GIT_CONFIG_KEY_1=core.fsmonitor GIT_CONFIG_VALUE_1=false GIT_OPTIONAL_LOCKS=0 git "$@"; }

copy_env_files() {
  local file copied=()
  while IFS= read -r -d '' file; do
    case ${file##*/} in
      .env | .env.* | *.env | compose.override.y*ml | docker-compose.override.y*ml) copy_file "$file" && copied+=("$file") ;;
    esac
  done < <(ask_git -C "$original" ls-files -z --others --directory)
  ((${#copied[@]} == 0)) || say "Copied besides, as they are not in git: ${copied[*]}"
}

# copy_file FILE: a plain file of the original that the copy does not have.
copy_file() {
  [[ -f $original/$1 && ! -e $work/checkout/$1 ]] || return 1
  mkdir -p "$(dirname "$work/checkout/$1")"
  cp -pL -- "$original/$1" "$work/checkout/$1"
}

# The compose files as compose would choose them, into the array files.
choose_files() {
  local name list=$compose_file separator=':'
  files=()
  if [[ -z $list && -f .env ]]; then
    list=$(env_value COMPOSE_FILE)
    separator=$(env_value COMPOSE_PATH_SEPARATOR)
  fi
  if [[ -n $list ]]; then
    IFS=${separator:-:} read -r -a files <<<"$list"
    return
  fi
  for name in compose.yaml compose.yml docker-compose.yml docker-compose.yaml; do
    if [[ -f $name ]]; then files=("$name") && break; fi
  done
  for name in compose.override.yml compose.override.yaml docker-compose.override.yml docker-compose.override.yaml; do
    if [[ -f $name ]]; then files+=("$name") && break; fi
  done
  ((${#files[@]})) || missing "$original has no committed compose file at its top (compose.yaml or docker-compose.yml)."
}

env_value() { sed -n "s/^ *$1=//p" .env | tail -n 1 | tr -d "\"'\r"; }

write_isolation() {
  local fact name rest model path
  cd "$work/checkout"
  choose_files
  compose=(docker compose --project-name "$project")
  for name in "${files[@]}"; do compose+=(--file "$name"); done
  # Compose names one missing env file after the other.
  until model=$("${compose[@]}" config --format json 2>"$work/compose.err"); do
    path=$(sed -n 's/.*env file \(.*\) not found.*/\1/p' "$work/compose.err" | head -n 1)
    if [[ $path != "$work/checkout/"* ]] || ! copy_file "${path#"$work/checkout/"}"; then
      missing "Compose cannot use the compose files of the copy:" "$(cat "$work/compose.err")"
    fi
    say "Copied besides, as it is not in git: ${path#"$work/checkout/"}"
  done

  ports=() built_service=''
  while IFS=$'\t' read -r fact name rest; do
    case $fact in
      built) if [[ -z $built_service ]]; then built_service=$name && IFS=$'\t' read -r context dockerfile target entry_point <<<"$rest"; fi ;;
      port) ports+=("${rest#*$'\t'}") ;;
      file) if copy_file "$name"; then say "Copied besides, as it is not in git: $name"; fi ;;
      note) say "In the copy $name." ;;
    esac
  done < <("$isolate" override "$project" "$work/checkout" "$work/isolation.yaml" <<<"$model")
  files+=("$work/isolation.yaml")
  compose+=(--file "$work/isolation.yaml")
  model=$("${compose[@]}" config --format json) || missing "Compose cannot use the override file of the demo."
  "$isolate" check "$project" "$work/checkout" <<<"$model" || missing "The copy would not be apart from the original (above), so the demo stops here."
}

write_configuration() {
  local name port list='' probes='' status=''
  if [[ -n $page ]]; then
    [[ -z ${WATCHPARTY_ENGINE_IN_OWN_NETWORK:-} ]] || missing "Another Docker is here, so the demo's engine has a network of its own, and no browser reaches the page there." \
      "Stop that Docker, or let the demo run on it (WATCHPARTY_ENGINE=running)."
    token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    (umask 077 && echo "$token" >"$work/token")
    status=",
    \"Status\": { \"Address\": \"http://127.0.0.1:$page\", \"TokenFile\": \"$work/token\" }"
  fi
  # What the worker's own record says about answers during a deployment.
  if [[ -z $original ]]; then
    for port in "${ports[@]}"; do probes+=", \"http://127.0.0.1:$port/health\""; done
  fi
  for name in "${files[@]}"; do
    name=${name//\\/\\\\}
    list+=", \"${name//\"/\\\"}\""
  done
  cat >"$work/appsettings.json" <<JSON
{
  "Worker": {
    "Repository": { "Path": "$work/checkout", "PollInterval": "00:00:01" },
    "Compose": { "ProjectName": "$project", "Files": [${list#, }] },
    "Deploy": { "SettleTime": "00:00:02", "Probes": [${probes#, }] },
    "State": { "Folder": "$work/state" }$status
  }
}
JSON
}

# --- Telling ----------------------------------------------------------------------------------------------------------

say() { printf '%s\n' "$@"; }

step() {
  step_number=$((step_number + 1)) step_title=$1 step_started=$EPOCHREALTIME step_result=''
  printf '\n%s%d. %s%s\n' "$bold" "$step_number" "$1" "$plain"
  shift
  (($# == 0)) || printf '   %s\n' "$@"
}

# shows WHAT COMMAND...: a fact that the step is there to show.
shows() {
  local what=$1
  shift
  if "$@"; then say "   ok: $what"; else fail "This should be so, and is not: $what"; fi
}

end_step() {
  local seconds unanswered='-'
  seconds=$(since "$step_started")
  if [[ -n $site ]]; then
    unanswered=$(unanswered_since "$step_started")
    say "   $seconds s; the site was without an answer for $unanswered"
  else
    say "   $seconds s"
  fi
  rows+=("$(printf '%2d  %-49s %7s  %-27s %s' "$step_number" "$step_title" "$seconds" "$unanswered" "$step_result")")
}

since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }

fail() {
  printf '\n%sStep %d failed.%s %s\n' "$bold" "$step_number" "$plain" "$1"
  if [[ -s $work/worker.log ]]; then
    say "The worker's last words:"
    tail -n 15 "$work/worker.log" | sed 's/^/   | /'
  fi
  exit 1
}

# --- The site -------------------------------------------------------------------------------------------------------

# get PORT PATH: the answer to a request, its head included; nothing when there is none within 2 seconds.
get() {
  # shellcheck disable=SC2016
  timeout 2 "$BASH" -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n" "$1" >&3 && cat <&3' "$1" "$2" 2>/dev/null || true
}

status_of() { get "$1" "$2" | sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' | tr -d '\r'; }

# The first published port that answers an HTTP request well.
find_site() {
  local port path=/ status
  [[ -n $original ]] || path=/version
  for port in "${ports[@]}"; do
    status=$(status_of "$port" "$path")
    if [[ -n $status ]] && ((status < 500)); then
      site="$port $path"
      return
    fi
  done
}

watch_site() {
  # A signal to the demo must not end the watch in the middle of a line.
  while :; do
    # shellcheck disable=SC2086 # port and path
    printf '%s %s\n' "$EPOCHREALTIME" "$(status_of $site)"
    sleep 0.4
  done >>"$work/site.log" 2>/dev/null &
  monitor_pid=$!
}

# Seconds without a good answer, from the first request that got none to the next that did.
unanswered_since() {
  sleep 0.5
  awk -v from="$1" '
    $1 < from { next }
    open { gap += $1 - open; open = 0 }
    { requests++ }
    $2 == "" || $2 >= 500 { bad++; open = $1 }
    END { printf "%.1f s (%d of %d requests)", gap, bad, requests }' "$work/site.log"
}

# shellcheck disable=SC2086 # port and path
site_says() { [[ $(get $site) == *"$1"* ]]; }

# --- The worker -----------------------------------------------------------------------------------------------------

verb() { "$worker" "$@" --config "$work/appsettings.json"; }

start_worker() {
  "$worker" run --config "$work/appsettings.json" </dev/null >"$work/worker.out" 2>"$work/worker.log" &
  worker_pid=$!
}

# commit MESSAGE: everything in the author's clone, pushed. Sets sha.
commit() {
  git -C "$work/author" add --all --force
  git -C "$work/author" -c user.name=Demo -c user.email=demo@example.org -c commit.gpgSign=false -c core.hooksPath=/dev/null commit --quiet --message "$1"
  git -C "$work/author" push --quiet origin HEAD:main
  sha=$(git -C "$work/author" rev-parse HEAD)
  say "   pushed ${sha:0:7}: $1"
}

# Waits until the release of commit sha is over and shows it. Sets report (JSON) and outcome.
await_release() {
  local waited=$SECONDS told=$SECONDS
  until report=$(verb show "$sha" --json 2>/dev/null) && [[ $(field state) == Done ]]; do
    kill -0 "$worker_pid" 2>/dev/null || fail "The worker has ended."
    if ((SECONDS - told >= 20)); then told=$SECONDS && say "   ... $((SECONDS - waited)) s"; fi
    sleep 0.3
  done
  outcome=$(field outcome)
  step_result=$outcome
  [[ $(steps total) == 0 ]] || step_result+=", $(steps cached) of $(steps total) steps cached"
  # What failed for a reason outside of the commit is tried again, and its place in the history taken by the next try.
  if [[ $outcome == Failed ]]; then
    fail "$(sed -n 's/^  "error": "\(.*\)",\{0,1\}$/\1/p' <<<"$report" | sed 's/\\n/\n   | /g; s/\\"/"/g')"$'\n'"The worker does not take this for a fault of the commit and tries again by itself."
  fi
  verb show "$(field release)" | sed '/^  [^ ]*:$/,$d; s/^/   | /'
}

# The program prints its JSON indented, one value a line.
field() { sed -n "s/^  \"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" <<<"$report" | head -n 1; }
steps() { sed -n "/^  \"steps\": {/,/^  }/s/^    \"$1\": \([0-9]*\).*/\1/p" <<<"$report"; }
action_of() { sed -n "/^      \"name\": \"$1\",/,/^      \"action\"/s/^      \"action\": \"\(.*\)\".*/\1/p" <<<"$report"; }
has_built() { [[ $report == *'"action": "Built"'* ]]; }
has_built_nothing() { ! has_built; }
is() { [[ $1 == "$2" ]]; }
is_not() { [[ $1 != "$2" ]]; }
containers() { docker ps --all --quiet --no-trunc --filter "label=com.docker.compose.project=$project" | sort; }

# --- The steps ------------------------------------------------------------------------------------------------------

run_steps() {
  say "" "The worker's configuration:"
  sed 's/^/   | /' "$work/appsettings.json"
  [[ -n $built_service ]] || say "" "No service of this application is built from its repository: the steps that build are left out."

  first_release
  if [[ -n $built_service ]]; then commit_is_built "A commit to $built_service"; fi
  commit_of_documents
  prune
  if [[ -n $built_service ]]; then
    commit_after_prune
    clear_caches
    fresh_build
    failing_build
    unhealthy_commit
    roll_back
  fi
  [[ -z $page ]] || look_around
  stop

  say "" "${bold}Every release in the worker's history${plain} (watchparty-worker history):"
  verb history
  say "" "${bold}The steps${plain}" "$(printf '    %-49s %7s  %-27s %s' '' seconds 'without an answer' '')" "${rows[@]}"
  [[ -n $site ]] || say "(No published port answers HTTP, so nothing is said about answers.)"
  say "" "Every step did what it should, in $(since "$demo_started") s."
}

first_release() {
  step "The first release" "The worker starts as it does under systemd, finds a checkout that it never released, builds and deploys it."
  sha=$(git -C "$work/checkout" rev-parse HEAD)
  start_worker
  await_release
  shows "the release succeeded" is "$outcome" Succeeded
  find_site
  if [[ -z $site ]]; then
    say "   No published port answers HTTP: whether the site answers cannot be watched."
  else
    say "   From now on http://127.0.0.1:${site/ /} is asked twice a second."
    watch_site
    if [[ -z $original ]]; then shows "the site serves this commit" site_says "$sha"; fi
  fi
  [[ -z $page ]] || say "   The status page is open: http://127.0.0.1:$page/ with the token $token"
  end_step
}

# A change of what the service is built from.
change_service() {
  if [[ -z $original ]]; then
    echo "Hello from the backend, $step_number" >"$work/author/backend/app/content.txt"
  elif [[ -n ${change_dockerfile:-} ]]; then
    printf '\nLABEL watchparty.demo=%d\n' "$step_number" >>"$work/author/$dockerfile"
  else
    echo "$step_number" >"$work/author/$context/watchparty-demo.txt"
  fi
}

# release_change MESSAGE: a change of the built service is built and deployed.
release_change() {
  change_service
  commit "$1"
  await_release
  if [[ $outcome == Succeeded && $(action_of "$built_service") != Built && -z ${change_dockerfile:-} && $dockerfile != - ]]; then
    say "   A new file in $context is nothing to this build (its .dockerignore says so), so the Dockerfile is changed."
    change_dockerfile=1
    change_service
    commit "$1, in the Dockerfile"
    await_release
  fi
  shows "the release succeeded" is "$outcome" Succeeded
  shows "$built_service was built" is "$(action_of "$built_service")" Built
  if [[ -z $original ]]; then shows "the site serves this commit" site_says "$sha"; fi
  previous=${current:-} current=$sha
}

commit_is_built() {
  step "$1" "Only what the commit changes is built, and the steps before the change come from the cache."
  release_change "Change $built_service"
  if [[ -z $original ]]; then shows "the frontend was not built" is_not "$(action_of frontend)" Built; fi
  cached_before=$(steps cached)
  if [[ -z $original ]]; then shows "steps came from the cache" test "$cached_before" -gt 0; fi
  end_step
}

commit_of_documents() {
  local before
  step "A commit that touches only documents" "Nothing is built and no container is touched."
  before=$(containers)
  mkdir -p "$work/author/docs"
  echo "One more line." >>"$work/author/docs/watchparty-demo.md"
  commit "Write documents"
  await_release
  if [[ -n $original && $outcome == Succeeded ]] && has_built; then
    say "   A build of this application copies the folder docs, so documents are a change for it."
  else
    shows "the release succeeded" is "$outcome" Succeeded
    shows "nothing was built" has_built_nothing
    shows "the same $(wc -l <<<"$before") containers run as before" is "$(containers)" "$before"
  fi
  end_step
}

prune() {
  step "A prune, as every night" "The verb goes to the running service. What the next build needs stays."
  report=$(verb prune --json 2>"$work/verb.err") || fail "The prune failed: $(<"$work/verb.err")"
  shows "the prune went well" is "$(field outcome)" Pruned
  step_result="$(field recordsBefore) cache records fell to $(field recordsAfter)"
  say "   $step_result, $(field freedBytes) bytes freed"
  end_step
}

commit_after_prune() {
  step "A commit after the prune" "It is as warm as the one before it."
  release_change "Change $built_service again"
  shows "as many steps came from the cache as before the prune ($cached_before)" test "$(steps cached)" -ge "$cached_before"
  end_step
}

clear_caches() {
  local flag=$work/checkout/clear-cache.flag result=$work/checkout/clear-cache.result.json waited=$SECONDS
  step "touch clear-cache.flag" "As scripts do it. The flag disappears when the work is done."
  touch "$flag"
  while [[ -e $flag ]]; do
    ((SECONDS - waited < 120)) || fail "The flag is still there after 2 minutes."
    sleep 0.2
  done
  shows "clear-cache.result.json is there" test -s "$result"
  sed 's/^/   | /' "$result"
  report=$(<"$result")
  shows "the cache was cleared" grep -q '"outcome": *"Cleared"' "$result"
  step_result=Cleared
  end_step
}

fresh_build() {
  step "The commit after the clear" "It is a fresh build, proven by BuildKit's own record of it: no step comes from the cache."
  release_change "Change $built_service for a fresh build"
  shows "0 of $(steps total) steps came from the cache" is "$(steps cached)" 0
  shows "the record says that the build was fresh" grep -q '"fresh": true' <<<"$report"
  end_step
}

failing_build() {
  local before
  step "A commit whose build fails" "No container is touched, and the commit is not tried again."
  if [[ -n $original && $dockerfile == - ]]; then
    skip_step "the Dockerfile of $built_service is not a file of the repository"
    return
  fi
  before=$(containers)
  if [[ -z $original ]]; then echo "if" >>"$work/author/backend/app/serve.sh"; else echo "BROKEN BY THE DEMO" >>"$work/author/$dockerfile"; fi
  commit "Break the build of $built_service"
  await_release
  shows "the release ended with BuildFailed" is "$outcome" BuildFailed
  shows "the same containers run as before" is "$(containers)" "$before"
  if [[ -z $original ]]; then shows "the site serves the commit before it" site_says "$current"; fi
  end_step
}

builds_last_stage() {
  [[ $dockerfile != - ]] || return 1
  [[ $target == - || $(grep -i '^ *FROM ' "$work/author/$dockerfile" | tail -n 1) == *[Aa][Ss]" $target" ]]
}

unhealthy_commit() {
  step "A commit that builds and does not become healthy" "The release before it comes back, and the commit is not tried again."
  if [[ -n $original ]] && ! { [[ $entry_point == - ]] && builds_last_stage; }; then
    skip_step "the demo has no way to break $built_service (the compose file gives it an entry point, or a stage before the last)"
    return
  fi
  # The mistake of the step before goes away with it.
  git -C "$work/author" restore --source=HEAD~1 .
  if [[ -z $original ]]; then echo broken >"$work/author/backend/app/status"; else printf '\nENTRYPOINT ["/there-is-no-such-program"]\n' >>"$work/author/$dockerfile"; fi
  commit "Let $built_service not become healthy"
  await_release
  shows "the release ended with RolledBack" is "$outcome" RolledBack
  if [[ -z $original ]]; then shows "the site serves the commit before it" site_says "$current"; fi
  end_step
}

roll_back() {
  step "rollback" "A person goes back to the release before the deployed one. No build is needed: its images were kept."
  verb rollback 2>"$work/verb.err" | sed 's/^/   | /' || fail "The rollback failed: $(<"$work/verb.err")"
  report=$(verb history --last 1 --json | sed '1d;$d; s/^  //')
  outcome=$(field outcome) step_result=$(field outcome)
  shows "the release succeeded" is "$outcome" Succeeded
  shows "it is of the commit before" is "$(field commit)" "$previous"
  if [[ -z $original ]]; then shows "the site serves that commit" site_says "$previous"; fi
  end_step
}

look_around() {
  say "" "${bold}The worker goes on, and so does its page: http://127.0.0.1:$page/${plain}" "   token: $token" \
    "   push a commit:  cd $work/author && \$EDITOR ... && git commit -a -m 'Try it' && git push" \
    "   the site:       http://127.0.0.1:${site/ /}" \
    "Enter ends the demo."
  read -r || true
}

stop() {
  local before code=0
  step "SIGTERM" "The worker stops; the application goes on."
  before=$(containers)
  kill -s TERM "$worker_pid"
  wait "$worker_pid" || code=$?
  worker_pid=
  shows "the worker ended with exit code 0" is "$code" 0
  shows "the same containers run as before" is "$(containers)" "$before"
  end_step
}

skip_step() {
  say "   Left out: $1."
  rows+=("$(printf '%2d  %-49s %7s' "$step_number" "$step_title" 'left out')")
}

# --- The end --------------------------------------------------------------------------------------------------------

clean_up() {
  local code=$? images=''
  set +e
  trap '' INT TERM HUP
  cd /
  [[ -z $monitor_pid ]] || { kill "$monitor_pid" && wait "$monitor_pid"; } 2>/dev/null
  if [[ -n $worker_pid ]] && kill -s TERM "$worker_pid" 2>/dev/null; then
    for _ in {1..100}; do
      kill -0 "$worker_pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -s KILL "$worker_pid" 2>/dev/null
  fi
  if [[ -n $keep ]]; then
    say "" "Kept: $work (checkout, author's clone, appsettings.json, worker.log, and the worker's records in state)."
    if [[ -n $private ]]; then
      say "The containers end with the private engine."
    else
      say "The containers go on; \`docker rm -fv \$(docker ps -aq --filter label=com.docker.compose.project=$project)\` ends them."
    fi
    exit "$code"
  fi
  if [[ -z $private ]]; then
    [[ ! -d $work/state ]] || images=$(verb history --last 1000 --json 2>/dev/null | grep -o 'sha256:[0-9a-f]\{64\}' | sort -u)
    remove_from_docker "$images" >/dev/null 2>&1
  fi
  rm -rf "$work"
  exit "$code"
}

# remove_from_docker IMAGES: what carries the project's name, and of IMAGES (ids that it built) those that no name holds any more.
remove_from_docker() {
  local label=label=com.docker.compose.project=$project
  docker ps --all --quiet --filter "$label" | xargs -r docker rm --force --volumes
  docker network ls --quiet --filter "$label" | xargs -r docker network rm
  docker volume ls --quiet --filter "$label" | xargs -r docker volume rm
  docker images --format '{{.Repository}}:{{.Tag}}' --filter "reference=$project-*" | xargs -r docker rmi
  docker images --quiet --no-trunc --filter dangling=true | sort -u | comm -12 - <(echo "$1") | xargs -r docker rmi
}

main "$@"
