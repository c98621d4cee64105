#!/usr/bin/env bash
# Lets `warren check` read every example as it is, in a folder with fresh keys, certificates and passwords.
#
#   Examples/check.sh [WARREN]        default: .build/debug/warren
set -euo pipefail
examples=$(cd "$(dirname "$0")" && pwd)
warren=$(realpath "${1:-$examples/../.build/debug/warren}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$examples"/*.yaml "$folder"
cd "$folder"

{
    "$warren" keygen jproxy alice
    "$warren" keygen tls server --name office.example.net --name server.example.net
    "$warren" keygen tls laptop
    "$warren" keygen vproxy far
    "$warren" keygen vproxy near
} > /dev/null
(umask 077 && head -c 32 /dev/urandom | base64 > tokens.secret)
(umask 077 && "$warren" token mproxy --secret-file tokens.secret --name kitchen.example.net > kitchen.token)
(umask 077 && head -c 18 /dev/urandom | base64 > alice.pw)
export LAB_PASSWORD="only for this check"

failed=0
for file in *.yaml; do "$warren" check -c "$file" || failed=1; done
exit $failed
