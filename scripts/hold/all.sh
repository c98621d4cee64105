#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every promise under load and abuse, one after the other: all.sh --warren PATH [--quick]
set -u
folder=$(dirname "$0")
failed=0
for script in drain transfer streams halfclose slow stalled delay mixed hostile jet mproxy zhwkprox vproxy racy outage leave early reload walk websocks; do
    echo "== $script"
    "$folder/$script.py" "$@" || failed=1
done
exit "$failed"
