#!/usr/bin/env bash
# The model tests at full size: 100,000 random sequences each. `swift test` runs 300.
#   model.sh [SEQUENCES] [FILTER]
set -euo pipefail
cd "$(dirname "$0")/.."

export WARREN_MODEL_RUNS=${1:-100000}
exec swift test --filter "${2:-ModelTests}"
