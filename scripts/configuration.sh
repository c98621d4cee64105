#!/usr/bin/env bash
# Writes the tables of keys in docs/configuration.md anew, from what the readers of the program ask for. A test compares.
#
#   scripts/configuration.sh [WARREN]        default: the debug build
set -euo pipefail
cd "$(dirname "$0")/.."

warren=${1:-.build/debug/warren}
new=$(mktemp)
trap 'rm -f "$new"' EXIT
"$warren" config --markdown < docs/configuration.md > "$new"
cat "$new" > docs/configuration.md
