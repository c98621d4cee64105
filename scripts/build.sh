#!/usr/bin/env bash
# `swift build` with warnings of our own sources as errors, and with the first error of a build that fails instead of its
# last lines. Arguments are those of `swift build`. Warnings count where something is compiled: what is built already is not.
# `warren version` of such a build names the commit, with -changed where sources differ from it.
set -uo pipefail
cd "$(dirname "$0")/.."

# `warren version` names it.
if [[ -z ${WARREN_COMMIT-} ]] && commit=$(git rev-parse --short=12 HEAD 2> /dev/null); then
    git diff --quiet HEAD -- Package.swift Sources || commit+=-changed
    export WARREN_COMMIT=$commit
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
here=$PWD
if ! swift build "$@" > "$log" 2>&1; then
    echo "the build has failed:"
    # The compiler's errors have a place; those without one are of the tools.
    first=$(grep -n -m 1 -E "^[^ ].*:[0-9]+:[0-9]+: (fatal )?error: " "$log" || grep -n -m 1 -E "^(.*: )?error: " "$log")
    if [[ -n $first ]]; then tail -n "+${first%%:*}" "$log" | head -n 12; else tail -n 20 "$log"; fi
    exit 1
fi
if grep -E "^$here/(Package\.swift|Sources/|Tests/|Fuzzing/Targets/).*:[0-9]+:[0-9]+: warning: " "$log" | sort -u | head -n 20 \
    | grep .; then
    echo "warnings count as errors"
    exit 1
fi
tail -n 1 "$log"
