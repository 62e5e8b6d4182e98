#!/usr/bin/env bash
# new-checkout.sh DIR: makes DIR/origin.git and its clone DIR/checkout, whose branch main holds this application.
set -euo pipefail

[[ $# == 1 ]] || { echo "usage: new-checkout.sh DIR" >&2; exit 64; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
[[ ! -e $dir/origin.git && ! -e $dir/checkout ]] || { echo "$dir holds a checkout already" >&2; exit 1; }

# The same everywhere, whatever this user's git is set to.
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE

git init --quiet --bare --initial-branch=main "$dir/origin.git"
git init --quiet --initial-branch=main "$dir/checkout"
cd "$dir/checkout"
git remote add origin "$dir/origin.git"
git config user.name "Sample"
git config user.email "sample@example.org"
git config commit.gpgSign false

cp -R "$here/." .
rm new-checkout.sh
rm -f .env backend/.env frontend/.env.local
git add --all
git commit --quiet --message "Watch party"
git push --quiet --set-upstream origin main

cp .env.example .env
cp backend/.env.example backend/.env
cp frontend/.env.local.example frontend/.env.local
