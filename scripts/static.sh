#!/usr/bin/env bash
# Builds a program that needs no library of the machine it is copied to, and runs its demo in a root that holds nothing but
# the program.
#
#   scripts/static.sh          builds and runs
#   scripts/static.sh build    builds: .build/release/warren
set -euo pipefail
cd "$(dirname "$0")/.."

# --static-swift-stdlib alone leaves the C library to the machine; -static-executable takes that in, too.
scripts/build.sh -c release --product warren --static-swift-stdlib -Xswiftc -static-executable
if [[ ${1-} == build ]]; then exit; fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
install .build/release/warren "$root/warren"
mkdir "$root/etc" "$root/dev"
echo "127.0.0.1 localhost" > "$root/etc/hosts"
: > "$root/etc/resolv.conf" > "$root/dev/null"
# Not the user's own root: a user's namespace is enough for chroot.
said=$(unshare -r chroot "$root" /warren version)
commit=$(git rev-parse --short=12 HEAD 2> /dev/null || true)
[[ $said == "warren "*"$commit"* ]] || { echo "it says \"$said\", not $commit"; exit 1; }
unshare -r chroot "$root" /warren demo "${@}"
