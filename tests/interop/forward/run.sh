#!/bin/sh
# Forward against the Fluent organisation's own receiver: run.sh PROGRAM FOLDER [SCRIPT]. FOLDER keeps node_modules between
# runs. interop.js (the default) drives tests/interop/forward/send.c, daemon.js the whole program.
set -eu
program=$1
work=$2
script=${3:-interop.js}
here=$(cd "$(dirname "$0")" && pwd)
for tool in node npm openssl; do
    command -v "$tool" >/dev/null || { echo "interop.forward needs $tool (Debian: nodejs npm openssl)" >&2; exit 1; }
done
mkdir -p "$work"
cp "$here/package.json" "$here/package-lock.json" "$here"/*.js "$work/"
cd "$work"
if ! cmp -s package-lock.json installed.json; then
    npm ci --no-audit --no-fund --ignore-scripts --loglevel=error || {
        echo "interop.forward: npm ci failed; the package registry must be reachable" >&2
        exit 1
    }
    cp package-lock.json installed.json
fi
certificate() { # file name, subject alternative names
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
        -addext "subjectAltName=$2" -keyout "$1.key" -out "$1.pem" 2>openssl.log || { cat openssl.log >&2; exit 1; }
}
certificate receiver "DNS:receiver.test,IP:127.0.0.1"
certificate other "DNS:receiver.test,IP:127.0.0.1"
exec node "$script" "$program" receiver.pem receiver.key other.pem
