#!/usr/bin/env bash
# Writes what the argument parser's own tools make into packaging/ anew: completions for bash, zsh and fish, and the man
# page. With --check it writes nothing, and fails where packaging/ is not what they would make now.
#
#   scripts/packaging.sh [--check] [WARREN]        default: the debug build
set -euo pipefail
cd "$(dirname "$0")/.."

check=false
if [[ ${1-} == --check ]]; then check=true; shift; fi
scripts/build.sh --product generate-manual > /dev/null
bin=$(swift build --show-bin-path)
warren=$(realpath "${1:-$bin/warren}")

new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
mkdir -p "$new/completions"
"$warren" --generate-completion-script bash > "$new/completions/warren.bash"
"$warren" --generate-completion-script zsh > "$new/completions/_warren"
"$warren" --generate-completion-script fish > "$new/completions/warren.fish"
# The day of the page's form, not of the build: the same program makes the same page.
"$bin/generate-manual" "$warren" --date 2026-11-28 --output-directory "$new"

for file in completions/warren.bash completions/_warren completions/warren.fish warren.1; do
    if $check; then
        diff -u "packaging/$file" "$new/$file" || { echo "run scripts/packaging.sh and commit packaging/$file"; exit 1; }
    else
        install -D -m 644 "$new/$file" "packaging/$file"
    fi
done

# The unit's own exposure, by systemd's measure from 0 (none) to 10.
if command -v systemd-analyze > /dev/null; then
    systemd-analyze security --offline=true --threshold=20 --no-pager packaging/warren.service | tail -n 1
fi
