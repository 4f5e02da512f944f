# Sourced by ./compare, ./test and .ci/run: sees to it that what a build needs is there.
# Says nothing if it is. On Debian and Ubuntu what is missing is installed with apt-get, and with sudo if the
# user is not root.

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# install PACKAGE WHY
install() {
  command -v apt-get >/dev/null || die "$2 is missing. Install it (Debian and Ubuntu call it $1) and try again."
  say "$2 is missing: installing $1"
  local privilege=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "$2 is missing and there is no sudo. As root: apt-get install $1"
    privilege=(sudo)
  fi
  if ! "${privilege[@]}" apt-get install -y "$1" >&2; then
    # The package lists of a fresh machine may be empty or old.
    "${privilege[@]}" apt-get update >&2 && "${privilege[@]}" apt-get install -y "$1" >&2 \
      || die "$1 could not be installed. As root: apt-get install $1"
  fi
}

require_swift() {
  command -v swift >/dev/null \
    || die "swift is not in PATH. Swift 6.2 or newer is needed: https://www.swift.org/install"
  local version
  version=$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+)\.([0-9]+).*/\1 \2/p' | head -n 1)
  local major=${version% *} minor=${version#* }
  if [ -z "$version" ] || [ "$major" -lt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -lt 2 ]; }; then
    die "Swift 6.2 or newer is needed, found $(swift --version 2>&1 | head -n 1): https://www.swift.org/install"
  fi
}

# require_header FILE PACKAGE: a C library's header; on macOS SQLite and zlib come with the SDK.
require_header() {
  [ "$(uname -s)" = Linux ] || return 0
  local folder
  for folder in /usr/include /usr/local/include ${CPATH:+${CPATH//:/ }}; do
    [ ! -f "$folder/$1" ] || return 0
  done
  install "$2" "the header $1"
}

# command_or_install COMMAND PACKAGE
command_or_install() {
  command -v "$1" >/dev/null || install "$2" "the command $1"
}

require_swift
require_header sqlite3.h libsqlite3-dev
require_header zlib.h zlib1g-dev
require_header zstd.h libzstd-dev
