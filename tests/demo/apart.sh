#!/usr/bin/env bash
# Proves that `demo.sh PATH` leaves an application that runs on the same engine alone. Run it by
#   tests/engine/engine.sh run any -- tests/demo/apart.sh
# For the sample, and for an application of another shape: two compose files, a service without an image name, names for
# container, volume and network, host port, labels, a socket of the host, an env file in a folder, a profile, tags.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
work=$(mktemp -d)
trap 'clean_up' EXIT
export WATCHPARTY_ENGINE=running GIT_CONFIG_GLOBAL=/dev/null GIT_OPTIONAL_LOCKS=0
failures=0

clean_up() {
  for folder in "$work"/sample/checkout "$work"/other; do
    [[ ! -d $folder ]] || (cd "$folder" && docker compose --profile '*' down --volumes --timeout 1) &>/dev/null || true
  done
  docker volume rm other-data &>/dev/null || true
  docker network rm other-net &>/dev/null || true
  rm -rf "$work"
}

# What there is on the engine, but for layers of the builder's cache and images without a name.
snapshot() {
  docker ps --all --quiet --no-trunc | sort | xargs -r docker inspect -f '{{.Id}} {{.Name}} {{.Image}} {{.State.Status}} {{.State.StartedAt}} {{.RestartCount}}'
  docker images --no-trunc --filter dangling=false --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort
  docker volume ls --format 'volume {{.Name}}' | sort
  docker network ls --no-trunc --format 'network {{.Name}} {{.ID}}' | sort
}

# What there is in the repository, but for the times at which files were read.
files() { (cd "$1" && git status --porcelain --ignored && git rev-parse HEAD && git stash list && find . -printf '%p %s %T@ %m\n' | sort); }

check() {
  local name=$1 folder=$2 code=0
  snapshot >"$work/before"
  files "$folder" >"$work/files-before"
  "$repository/demo.sh" "$folder" </dev/null 2>&1 | tee "$work/$name.log" || code=$?
  snapshot >"$work/after"
  files "$folder" >"$work/files-after"
  ! grep -q "$secret" "$work/$name.log" || { echo "FAILED: $name: a secret was printed" && failures=$((failures + 1)); }
  [[ $code == 0 ]] || { echo "FAILED: $name: the demo ended with $code" && failures=$((failures + 1)); }
  diff "$work/before" "$work/after" || { echo "FAILED: $name: something on the engine changed (above)" && failures=$((failures + 1)); }
  diff "$work/files-before" "$work/files-after" || { echo "FAILED: $name: the repository changed (above)" && failures=$((failures + 1)); }
}

secret=not-to-be-printed-4711

sample() {
  "$repository/tests/samples/watch-party/new-checkout.sh" "$work/sample"
  cd "$work/sample/checkout"
  echo "SECRET_KEY=$secret" >backend/.env
  docker compose build --quiet
  docker compose up --detach --wait --quiet-pull
  # As if a worker looked after the original.
  docker tag watch-party-backend:latest watch-party-backend:watchparty-77
  check sample "$work/sample/checkout"
}

other() {
  mkdir -p "$work/other"/{web/site,conf,jobs}
  cd "$work/other"
  git init --quiet --initial-branch=trunk
  cat >docker-compose.yml <<'YAML'
name: other
services:
  web:
    container_name: other-web
    build:
      context: web
      target: final
      tags: ["other-web:tagged"]
      labels: {by: other}
    env_file: conf/web.env
    environment: {PRICE: "5$$"}
    ports: ["0.0.0.0:18473:8080"]
    labels: {proxy.rule: other}
    init: true
    restart: always
    volumes:
      - data:/data
      - ./web/site:/site:ro
      - /var/run/docker.sock:/docker.sock
      - ./conf/local.conf:/local.conf:ro
    networks:
      net: {ipv4_address: 172.29.7.10, aliases: [www]}
  report:
    profiles: [never]
    image: other-report
    build: jobs
networks:
  net:
    name: other-net
    ipam: {config: [{subnet: 172.29.7.0/24}]}
volumes:
  data: {name: other-data}
YAML
  cat >docker-compose.more.yml <<'YAML'
services:
  cron:
    image: other-web
    pull_policy: never
    command: [sh, -c, "while :; do date > /data/cron; sleep 1; done"]
    init: true
    networks: [net]
    volumes: [data:/data]
YAML
  sed -i 's/^    container_name: other-web/    image: other-web\n&/' docker-compose.yml
  cat >web/Dockerfile <<'DOCKERFILE'
FROM watchparty-sample-base:1 AS base
RUN sleep 1 && date > /made
FROM base AS final
COPY . /web
CMD ["httpd", "-f", "-p", "8080", "-h", "/web/site"]
DOCKERFILE
  printf 'FROM watchparty-sample-base:1\nRUN true\n' >jobs/Dockerfile
  echo "<p>Other</p>" >web/site/index.html
  printf '.env\n*.env\nlocal.conf\n' >.gitignore
  git add --all
  git -c user.name=Other -c user.email=other@example.org commit --quiet --message "Other"
  echo "COMPOSE_FILE=docker-compose.yml:docker-compose.more.yml" >.env
  echo "TOKEN=$secret" >conf/web.env
  echo "local=$secret" >conf/local.conf
  echo "edited, not committed" >>web/site/index.html
  docker compose build --quiet
  docker compose up --detach --wait --quiet-pull
  check other "$work/other"
}

(($#)) || set -- sample other
for application in "$@"; do "$application"; done
((failures == 0)) || { echo "$failures failures" && exit 1; }
echo "The applications were left alone."
