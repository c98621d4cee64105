#!/usr/bin/env bash
# The quick checks: format, and which target may import which. Run it before every commit.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== format"
swift format lint --strict --recursive --parallel Package.swift Sources Tests \
    Benchmarks/Package.swift Benchmarks/Sources Fuzzing/Package.swift Fuzzing/Sources Fuzzing/Targets

echo "== traps"
# Fails on what may end the process, outside a list with reasons.
python3 scripts/traps.py

echo "== dependency direction"
# Fails when a file imports a target that Package.swift does not grant to its own.
scripts/build.sh --explicit-target-dependency-import-check error --build-tests
