#!/usr/bin/env bash
# Makes the image watchparty-sample-base:1 on the current engine, if it is not there: busybox and nothing else.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/packages.sh"

image=watchparty-sample-base:1
! docker image inspect "$image" &>/dev/null || exit 0

fetch_busybox
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder"/{bin,etc,root,tmp,home/app}
cp "$(busybox)" "$folder/bin/busybox"
for applet in $("$folder/bin/busybox" --list); do
  [[ $applet == busybox ]] || ln -s busybox "$folder/bin/$applet"
done
printf '%s\n' root:x:0:0:root:/root:/bin/sh app:x:1000:1000:app:/home/app:/bin/sh >"$folder/etc/passwd"
printf '%s\n' root:x:0: app:x:1000: >"$folder/etc/group"
chmod 755 "$folder"
chmod 1777 "$folder/tmp"
chmod 777 "$folder/home/app" # the archive below makes everything root's

tar -C "$folder" --create --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner . |
  docker import --change 'ENV PATH=/bin' --change 'CMD ["sh"]' - "$image" >/dev/null
say "made the image $image"
