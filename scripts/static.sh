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
mkdir "$root/etc" "$root/dev" "$root/proc"
echo "127.0.0.1 localhost" > "$root/etc/hosts"
: > "$root/etc/resolv.conf" > "$root/dev/null"
# Not the user's own root: a user's namespace is enough for chroot. With /proc, as every machine and container has it: the
# language's own library asks there for the threads that it has started, and stops a program that has none.
apart() { unshare -rm sh -c 'mount --rbind /proc "$0/proc" && exec chroot "$0" /warren "$@"' "$root" "$@"; }
said=$(apart version)
commit=$(git rev-parse --short=12 HEAD 2> /dev/null || true)
[[ $said == "warren "*"$commit"* ]] || { echo "it says \"$said\", not $commit"; exit 1; }
apart demo "${@}"
