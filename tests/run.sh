#!/bin/sh
# Installs what the tests need, builds, runs every test: `sh tests/run.sh [PRESET...]` (default: debug asan).
set -eu
cd "$(dirname "$0")/.."
need="$(sed -n '/^[a-z]/p' deploy/packages.build) $(sed -n '/^[a-z]/p' tests/packages)"
command -v node >/dev/null || need="$need nodejs npm"
missing=""
for p in $need; do dpkg -s "$p" >/dev/null 2>&1 || missing="$missing $p"; done
if [ -n "$missing" ]; then
    echo "installing:$missing"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
# syslog-ng cannot be installed beside rsyslog: its packages are unpacked for the test.
if [ ! -x build/syslog-ng/usr/sbin/syslog-ng ]; then
    apt-get update -qq
    mkdir -p build/syslog-ng/deb/partial
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --download-only \
        -o Dir::Cache::archives="$PWD/build/syslog-ng/deb" syslog-ng-core >/dev/null
    for deb in build/syslog-ng/deb/*.deb; do dpkg -x "$deb" build/syslog-ng; done
fi
[ $# -gt 0 ] || set -- debug asan
for preset in "$@"; do
    echo "== $preset"
    cmake --preset "$preset" >/dev/null
    cmake --build --preset "$preset"
    ctest --preset "$preset"
done
