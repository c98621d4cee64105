#!/usr/bin/env bash
# Counts allocations and memory per connection and per MiB (Benchmarks/) and compares them with Benchmarks/thresholds.json.
# Exits 1 if one is passed. With --update, writes thresholds anew: measured values x 1.3.
set -euo pipefail
cd "$(dirname "$0")/../Benchmarks"

swift build -c release
exec "$(swift build -c release --show-bin-path)/Benchmarks" --thresholds thresholds.json "$@"
