#!/usr/bin/env bash
# Coverage-guided fuzzing of every decoder (Fuzzing/Targets), from the corpus in Tests/WarrenFuzzingTests/Fixtures, with the
# address sanitizer.
#   fuzz.sh [TARGET|all] [SECONDS]        60 seconds each if left out; --list names the targets
# Inputs that reach more stay in Fuzzing/.build/corpus/TARGET. What is found lies in Fuzzing/.build/found/TARGET, and
# belongs into Fixtures/TARGET, from where `swift test` replays it. Exits 1 if anything is found.
set -euo pipefail
cd "$(dirname "$0")/../Fuzzing"

# lld, as gold gives up on so many sections. -O, as a second must count; what traps does so all the same. Both sanitizers in
# one word: of two the last one counts.
options=(-Xswiftc -sanitize=fuzzer,address -Xswiftc -O)
[[ $(uname) == Linux ]] && options+=(-Xswiftc -use-ld=lld)
if ! swift build --product Fuzz "${options[@]}" > .build-log 2>&1; then
    grep -m 5 -E "error:" .build-log || tail -n 20 .build-log
    exit 1
fi
program=$(swift build --product Fuzz "${options[@]}" --show-bin-path)/Fuzz
[[ ${1:-} == --list ]] && exec "$program" --list

seconds=${2:-60}
[[ ${1:-all} == all ]] && targets=$("$program" --list) || targets=$1
failed=0
printf '%-26s %12s %8s %8s %8s  %s\n' target inputs "per s" edges corpus findings
for target in $targets; do
    corpus=.build/corpus/$target found=.build/found/$target
    mkdir -p "$corpus" "$found"
    seeds=../Tests/WarrenFuzzingTests/Fixtures/$target
    [[ -d $seeds ]] || { echo "there is no corpus $seeds"; exit 2; }
    log=.build/fuzz-$target.log
    # Swift's own handler of traps would leave libFuzzer without the input. Constants of Swift look like leaks; what grows
    # comes to the limit.
    ASAN_OPTIONS=detect_leaks=0 SWIFT_BACKTRACE=enable=no WARREN_FUZZ=$target "$program" "$corpus" "$seeds" -max_total_time="$seconds" -max_len=4096 -timeout=20 \
        -rss_limit_mb=3072 -print_final_stats=1 -artifact_prefix="$found/" > "$log" 2>&1 || failed=1
    count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    last=$(grep -E "cov: [0-9]+" "$log" | tail -n 1)
    edges=$(sed -n 's/.*cov: \([0-9]*\).*/\1/p' <<< "$last")
    inputs=$(sed -n 's/.*corp: \([0-9]*\).*/\1/p' <<< "$last")
    printf '%-26s %12s %8s %8s %8s  %s\n' "$target" "${count:--}" "${rate:--}" "${edges:--}" "${inputs:--}" \
        "$(find "$found" -type f | wc -l)"
    grep -m 3 -E "Fatal error|ERROR: libFuzzer" "$log" || true
done
exit "$failed"
