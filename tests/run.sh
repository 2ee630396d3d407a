#!/bin/sh
# Installs what the tests need, builds, runs every test: `sh tests/run.sh [PRESET...]` (default: debug asan). A preset is built while
# the tests of the one before run, with the processor time that they leave. tests/README.md says what runs in which preset.
#   WEIR_ALSO_BUILD="PRESET..."   is built after those, for who comes next
set -eu
cd "$(dirname "$0")/.."
began=$(date +%s)
say() { echo "== $(($(date +%s) - began)) s: $*"; }

if [ "${1:-}" = --build ]; then # each in turn; a line in build/built says that one is there
    shift
    exec 3>build/built
    first=$1
    for preset in "$@"; do
        cmake --preset "$preset" >/dev/null
        if [ "$preset" = "$first" ]; then
            cmake --build --preset "$preset"
        elif ! chrt --idle 0 cmake --build --preset "$preset" >"build/$preset.log" 2>&1; then
            cat "build/$preset.log"
            exit 1
        fi
        echo "$preset" >&3
    done
    exit
fi

need="$(sed -n '/^[a-z]/p' deploy/packages.build) $(sed -n '/^[a-z]/p' tests/packages)"
command -v node >/dev/null || need="$need nodejs npm"
missing=""
for p in $need; do dpkg -s "$p" >/dev/null 2>&1 || missing="$missing $p"; done
ng=build/syslog-ng # cannot be installed beside rsyslog: its packages are unpacked for the test
[ -z "$missing" ] && [ -x $ng/usr/sbin/syslog-ng ] || apt-get update -qq
if [ -n "$missing" ]; then
    say "installing$missing"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
if [ ! -x $ng/usr/sbin/syslog-ng ]; then
    mkdir -p $ng/deb/partial
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --download-only \
        -o Dir::Cache::archives="$PWD/$ng/deb" syslog-ng-core >/dev/null
    for deb in $ng/deb/*.deb; do dpkg -x "$deb" $ng; done
fi

[ $# -gt 0 ] || set -- debug asan
say "building $1"
rm -f build/built
mkfifo build/built
setsid sh tests/run.sh --build "$@" ${WEIR_ALSO_BUILD:-} &
builder=$!
trap 'kill -- -$builder 2>/dev/null || true; rm -f build/built' EXIT
trap 'exit 130' INT TERM
exec 3<build/built
for preset in "$@"; do
    read -r built <&3 || { say "$preset was not built"; exit 1; }
    say "testing $built"
    ctest --preset "$built" -j "$(($(nproc) * 2))"
done
wait $builder || { say "not everything was built"; exit 1; }
say "all passed: $*"
