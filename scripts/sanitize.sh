#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tests under thread sanitizer and then address sanitizer; any report fails, also one of a warren that a test has started.
#   sanitize.sh [--filter REGEX] [thread] [address]        what --filter means: swift test --help
set -uo pipefail
cd "$(dirname "$0")/.."

filter='EndToEndTests|WarrenLoopTests|WarrenRuntimeTests'
kinds=()
while (($#)); do
    case $1 in
    --filter) filter=${2:?a regular expression is missing}; shift 2 ;;
    thread | address) kinds+=("$1"); shift ;;
    *) sed -n '3,4s/^# *//p' "scripts/${0##*/}" >&2; exit 2 ;;
    esac
done
((${#kinds[@]})) || kinds=(thread address)

failed=0
for kind in "${kinds[@]}"; do
    scratch=.build/${kind:0:1}san
    reports=$PWD/$scratch/reports
    common=(--sanitize="$kind" --scratch-path "$scratch")
    options="log_path=$reports/report"
    # Only for what is proven to be no fault, with the proof as a comment above each line.
    suppressions=$PWD/scripts/suppressions-$kind.txt
    [[ -f $suppressions ]] && options+=":suppressions=$suppressions"

    echo "== $kind sanitizer: build"
    if ! swift build --build-tests "${common[@]}" 2>&1 | tail -n 20; then
        failed=1
        continue
    fi
    rm -rf "$reports" && mkdir -p "$reports"

    echo "== $kind sanitizer: $filter"
    # Leaks are what hold/mixed.py and the tests look for: a program that is ended by a signal says nothing of them.
    # All at once, instrumented, they would only wait for each other, past their time limits.
    env SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=4 "TSAN_OPTIONS=$options" "ASAN_OPTIONS=$options:detect_leaks=0" \
        swift test --skip-build "${common[@]}" --filter "$filter" || failed=1
    for report in "$reports"/*; do
        [[ -s $report ]] || continue
        failed=1
        echo "== FAIL $report" && head -n 60 "$report"
    done
done
((failed)) || echo "== clean: ${kinds[*]}"
exit "$failed"
