#!/bin/sh
# Installs what the tests need, builds, runs every test: `sh tests/run.sh [PRESET...]` (default: debug asan).
set -eu
cd "$(dirname "$0")/.."
need="$(sed -n '/^[a-z]/p' deploy/packages.build) libcriterion-dev"
missing=""
for p in $need; do dpkg -s "$p" >/dev/null 2>&1 || missing="$missing $p"; done
if [ -n "$missing" ]; then
    echo "installing:$missing"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
[ $# -gt 0 ] || set -- debug asan
for preset in "$@"; do
    echo "== $preset"
    cmake --preset "$preset" >/dev/null
    cmake --build --preset "$preset"
    ctest --preset "$preset"
done
