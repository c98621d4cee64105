#!/usr/bin/env bash
# Lets `warren check` read every example, in a folder of its own with fresh keys, passwords and certificates.
#
#   Examples/check.sh [WARREN]        default: .build/debug/warren
set -euo pipefail
examples=$(cd "$(dirname "$0")" && pwd)
warren=$(realpath "${1:-$examples/../.build/debug/warren}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$examples"/*.yaml "$folder"
cd "$folder"

"$warren" keygen jproxy alice > /dev/null
(umask 077 && head -c 18 /dev/urandom | base64 > alice.pw)
export LAB_PASSWORD="only for this check"
for name in server laptop; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "/CN=$name.example.net" \
        -keyout "$name.key" -out "$name.pem" 2> /dev/null
    chmod 600 "$name.key"
done
cp server.pem server-ca.pem
cp laptop.pem clients-ca.pem

for file in *.yaml; do "$warren" check -c "$file"; done
