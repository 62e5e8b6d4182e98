# shellcheck shell=bash
# Debian packages unpacked into a cache folder, without installing them. Sourced by engine.sh and base-image.sh.

cache=${WATCHPARTY_ENGINE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/watchparty-engine}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

say() { printf 'engine: %s\n' "$@" >&2; }

# Ends with 69 (EX_UNAVAILABLE): the machine lacks something. One argument a line: what is missing, what to do.
unavailable() {
  say "$@"
  exit 69
}

# The Debian release whose packages run on this machine's C library.
native_suite() {
  local libc
  libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || return
  libc=${libc#glibc 2.}
  if ((libc >= 41)); then echo trixie; elif ((libc >= 36)); then echo bookworm; else return 1; fi
}

# The archive that this machine's apt uses for Debian itself.
debian_archive() {
  local codename uri=
  codename=$(. /etc/os-release && [[ $ID == debian ]] && echo "${VERSION_CODENAME:-}") || codename=
  if [[ -n $codename ]]; then
    uri=$(apt-get --print-uris update 2>/dev/null | sed -n "s|^'\(.*\)/dists/$codename/InRelease'.*|\1|p" | head -n 1)
  fi
  echo "${uri:-http://deb.debian.org/debian}"
}

# fetch_packages FOLDER SUITE/PACKAGE...
# Unpacks the packages into $cache/FOLDER, all of them or nothing. Does nothing when they are there already.
fetch_packages() (
  folder=$cache/$1
  shift
  is_complete "$folder" "$@" && exit
  mkdir -p "$cache"
  exec {lock}>"$cache/lock"
  flock --nonblock "$lock" || { say "waiting for another download into $cache"; flock "$lock"; }
  is_complete "$folder" "$@" && exit

  for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || unavailable \
      "$tool is missing: a private Docker Engine is made from Debian's packages." \
      "Run this on Debian, or start Docker with buildx and compose and set WATCHPARTY_ENGINE=running."
  done
  [[ -e $keyring ]] || unavailable \
    "Debian's keys are missing ($keyring)." \
    "Install them: apt-get install debian-archive-keyring"

  rm -rf "$cache"/.new.* # of a killed run: whoever holds the lock is alone
  new=$(mktemp -d "$cache/.new.XXXXXX")
  trap 'rm -rf "$new"' EXIT
  download "$new" "$@"
  mkdir "$new/root"
  for deb in "$new"/debs/*.deb; do
    dpkg-deb --extract "$deb" "$new/root"
  done
  rm -rf "$new/root/usr/share"/{doc,man,locale,bash-completion,lintian}
  contents "$new/root" "$@" >"$new/root/.complete"
  chmod 755 "$new/root"
  rm -rf "$folder"
  mv "$new/root" "$folder"
  say "unpacked into $folder ($(du -sm "$folder" | cut -f1) MB)"
)

# What a complete folder holds: the packages that were asked for, every file and its size.
contents() {
  local folder=$1
  shift
  printf '%s\n' "$@"
  (cd "$folder" && find . -type f ! -name .complete -printf '%s %p\n' | LC_ALL=C sort)
}

is_complete() { [[ -e $1/.complete ]] && contents "$@" | cmp -s - "$1/.complete"; }

# download FOLDER SUITE/PACKAGE...: leaves the .deb files in FOLDER/debs, checked by apt's signatures.
download() {
  local folder=$1 archive suite log=$1/apt.log
  local -a names=()
  shift
  archive=$(debian_archive)
  mkdir -p "$folder"/{debs,state/lists/partial,cache/archives/partial}
  for suite in $(printf '%s\n' "$@" | cut -d/ -f1 | sort -u); do
    echo "deb [signed-by=$keyring] $archive $suite main"
  done >"$folder/sources.list"
  for name in "$@"; do
    names+=("${name#*/}/${name%/*}")
  done

  say "reading the package lists of $archive ($(cut -d' ' -f4 "$folder/sources.list" | paste -sd' '); about 10 MB each)"
  private_apt "$folder" update >"$log" 2>&1 || unavailable "$(tail -n 5 "$log")" \
    "Cannot read Debian's package lists from $archive." \
    "Check the network (and apt's proxy settings), or copy a filled cache folder to $cache."
  (cd "$folder/debs" && private_apt "$folder" --print-uris download "${names[@]}") >"$folder/uris" 2>"$log" ||
    unavailable "$(tail -n 5 "$log")" "Some packages are not to be had from $archive."
  say "downloading ${#names[@]} packages, $(awk '{ sum += $3 } END { printf "%.0f", sum / 1e6 }' "$folder/uris") MB:"
  (cd "$folder/debs" && private_apt "$folder" download "${names[@]}" 2>&1) | tee "$log" | sed -nu 's/^Get:/  /p' >&2
  [[ ${PIPESTATUS[0]} == 0 ]] || unavailable "$(tail -n 5 "$log")" "The download from $archive failed; run this again."
}

# apt-get with lists and cache of its own, which neither reads nor changes what is installed here.
private_apt() {
  local folder=$1
  shift
  apt-get --quiet \
    -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
    -o Dir::State="$folder/state" -o Dir::State::Status=/dev/null -o Dir::Cache="$folder/cache" \
    -o APT::Default-Release= -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any \
    -o Acquire::Languages=none -o Acquire::GzipIndexes=true \
    -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 "$@"
}

# Prints where a statically linked busybox is.
busybox() {
  local file
  for file in "$cache"/{engine-newer,engine-older,busybox}/{usr/bin,bin}/busybox "$(command -v busybox || true)"; do
    [[ -x $file && $(ldd "$file" 2>&1) == *"not a dynamic executable"* ]] || continue
    echo "$file"
    return
  done
  return 1
}

fetch_busybox() { busybox >/dev/null || fetch_packages busybox trixie/busybox-static; }
