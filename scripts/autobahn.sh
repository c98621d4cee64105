#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Autobahn testsuite against our WebSocket, as a server and as a client; a table of how its cases behaved and closed.
#   autobahn.sh [FOLDER]        keeps the suite's reports there; needs python2.7 (or PYTHON27=PATH) and its pip
# Exits 1 if any case failed or ended uncleanly. Not asked:
#   12.*, 13.*          permessage-deflate, which we neither offer nor accept
#   9.1.4-6, 9.2.4-6    one frame of 4 MiB and more: we take frames up to 1 MiB, and say 1009 to larger ones
#   9.3.9, 9.4.9        the same
# The text cases run with texts allowed, as where a WebSocket carries no session; M-PROXY refuses them with 1003.
set -euo pipefail
cd "$(dirname "$0")/.."

for python in ${PYTHON27:-python2.7 $HOME/.pyenv/versions/2.7.*/bin/python}; do
    "$python" -c 'import pip' 2>/dev/null && break
    python=
done
[[ $python ]] || { echo "there is no Python 2.7 with pip; say PYTHON27=PATH"; exit 2; }
folder=$(mktemp -d)
reports=${1:-$folder/reports}
jobs=()
trap 'for job in "${jobs[@]}"; do kill "$job" 2>/dev/null || true; done; rm -rf "$folder"' EXIT
mkdir -p "$reports"
reports=$(cd "$reports" && pwd)

echo "== suite"
pip=(-m pip --disable-pip-version-check -q install)
"$python" -W ignore "${pip[@]}" --target "$folder/tools" virtualenv==16.7.10 2>"$folder/log" &&
    PYTHONPATH=$folder/tools "$python" -m virtualenv -q "$folder/env" >>"$folder/log" 2>&1 &&
    # The newest of each that the suite still runs with.
    "$folder/env/bin/python" -W ignore "${pip[@]}" autobahntestsuite==0.8.2 autobahn==0.10.9 twisted==20.3.0 \
        txaio==2.1.0 klein==19.6.0 "werkzeug<1" 2>>"$folder/log" || { tail "$folder/log"; exit 2; }
wstest=("$folder/env/bin/python" -W ignore "$folder/env/bin/wstest")

echo "== build"
scripts/build.sh --build-tests 2>&1 | tail -n 1
swift=(swift test --skip-build --filter WarrenRuntimeTests.AutobahnTests)

free_port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

answers() { # PORT: until somebody listens there, for 60 s
    for _ in {1..600}; do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        sleep 0.1
    done
    echo "nobody listens"; tail "$folder/log"; exit 2
}

spec() { # NAME WORDS: the rest is the same for both roles
    cat > "$folder/$1.json" <<JSON
{ $2, "outdir": "$reports/$1", "cases": ["*"], "exclude-agent-cases": {},
  "exclude-cases": ["12.*", "13.*", "9.1.4", "9.1.5", "9.1.6", "9.2.4", "9.2.5", "9.2.6", "9.3.9", "9.4.9"] }
JSON
}

echo "== our server"
port=$(free_port)
spec server "\"servers\": [{ \"agent\": \"warren\", \"url\": \"ws://127.0.0.1:$port/\" }]"
WARREN_AUTOBAHN_SERVER=$port "${swift[@]}" >"$folder/log" 2>&1 & jobs+=($!)
answers "$port"
"${wstest[@]}" -m fuzzingclient -s "$folder/server.json" >"$folder/suite" 2>&1
curl -s --noproxy '*' "http://127.0.0.1:$port/stop"
wait "${jobs[-1]}" || { tail "$folder/log"; exit 1; }

echo "== our client"
port=$(free_port)
spec client "\"url\": \"ws://127.0.0.1:$port\""
"${wstest[@]}" -m fuzzingserver -u 0 -s "$folder/client.json" >"$folder/suite" 2>&1 & jobs+=($!)
answers "$port"
WARREN_AUTOBAHN_CLIENT=$port "${swift[@]}" >"$folder/log" 2>&1 || { tail "$folder/log"; exit 1; }

python3 - "$reports" <<'PYTHON'
import collections, json, pathlib, sys

GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}
failed = False
for role in ("server", "client"):
    cases = json.loads((pathlib.Path(sys.argv[1]) / role / "index.json").read_text())["warren"]
    print(f"our {role}: {len(cases)} cases")
    for field in ("behavior", "behaviorClose"):
        counts = collections.Counter(case[field] for case in cases.values())
        print(f"  {field + ':':15}" + ", ".join(f"{count} {word}" for word, count in counts.most_common()))
    for name, case in cases.items():
        bad = {case["behavior"], case["behaviorClose"]} - GOOD
        if bad: print(f"  {name}: {case['behavior']}, close {case['behaviorClose']}")
        failed |= bool(bad)
sys.exit(failed)
PYTHON
