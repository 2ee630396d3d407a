#!/bin/sh
# Builds deploy/container/Containerfile with buildah (chroot isolation, no engine needed) on a base of Debian 12 that
# mmdebstrap makes, and runs the image in a network namespace of its own, as its own user and without a configuration: every
# library is there, its health check is healthy, it takes nonsense and goes on, the lab comes in from softflowd and logger and
# the alerts come out.
#   sh tests/container/run.sh   (root; Debian 12). build/container keeps the base between runs. 77: cannot run here
set -eu
cd "$(dirname "$0")/../.."
fail() { echo "FAIL: container: $*" >&2; exit 1; }
for p in buildah mmdebstrap softflowd jq; do
    command -v $p >/dev/null || { echo "container: needs the Debian package $p" >&2; exit 77; }
done
[ "$(id -u)" -eq 0 ] || { echo "container: needs root" >&2; exit 77; }
work=$PWD/build/container
mkdir -p "$work"
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
b() { cmd=$1; shift; buildah --root "$work/storage" --runroot "$work/runroot" "$cmd" "$@"; }
seconds() { echo "   $(($(date +%s) - begin)) s"; begin=$(date +%s); }

build() {
    begin=$(date +%s)
    b rm --all >/dev/null 2>&1 || true
    if ! b inspect --type image localhost/weir-base >/dev/null 2>&1; then
        echo "== base image by mmdebstrap"
        mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
        mmdebstrap --quiet --variant=minbase bookworm "$work/base.tar" "deb $mirror bookworm main" \
            >"$work/base.log" 2>&1 || { tail "$work/base.log"; fail "no base image"; }
        c=$(b from scratch)
        b add -q "$c" "$work/base.tar" / >/dev/null
        b commit -q "$c" localhost/weir-base >/dev/null
        b rm "$c" >/dev/null
        rm "$work/base.tar"
        seconds
    fi
    echo "== weir image"
    b bud -q --format docker --build-arg BASE=localhost/weir-base -f deploy/container/Containerfile -t localhost/weir . \
        >"$work/build.log" 2>&1 || { tail -n 30 "$work/build.log"; fail "the image was not built"; }
    b rmi --prune >/dev/null 2>&1 || true
    seconds
}

# In the namespace. $1: the container
run() {
    ip link set lo up
    config() { b inspect --type image localhost/weir | jq -r ".Docker.config.$1"; }
    [ "$(config User)" = weir ] || fail "does not run as user weir"
    missing=$(b run "$1" -- ldd /usr/bin/weir | grep "not found") && fail "libraries are missing: $missing"
    b run "$1" -- /usr/bin/weir --version
    b run "$1" -- /usr/bin/weir check /usr/share/weir/rules >"$work/check.out" || { cat "$work/check.out"; fail "its rules do not load"; }
    config 'Healthcheck.Test[1:][]' >"$work/health" # one argument a line
    healthy() { xargs -d '\n' -a "$work/health" buildah --root "$work/storage" --runroot "$work/runroot" run "$1" -- 2>/dev/null; }
    ! healthy "$1" || fail "healthy before it runs"
    # shellcheck disable=SC2046
    b run "$1" -- $(config 'Entrypoint[]') $(config 'Cmd[]') >"$work/run.out" 2>"$work/run.log" &
    front=$!
    trap 'kill "${weir:-$front}" 2>/dev/null; wait' EXIT
    n=0
    until healthy "$1"; do
        n=$((n + 1))
        kill -0 $front 2>/dev/null || { cat "$work/run.log"; fail "weir ended"; }
        [ $n -lt 60 ] || { cat "$work/run.log"; fail "not healthy"; }
        sleep 0.5
    done
    # The program itself behind buildah's processes: the one that holds the port.
    weir=$(ss -Hulpn 'sport = 2055' | sed -n 's/.*pid=\([0-9]*\).*/\1/p' | head -n 1)
    [ "$(awk '/^Uid:/ { print $2 }' "/proc/$weir/status")" = 999 ] || fail "weir does not run as its user"
    python3 - <<'PY'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in (2055, 4739, 5514):
    for junk in (b"", b"\x00\x05", b"\x00\x0a" + b"\xff" * 200, b"nonsense", b'{"a":'):
        s.sendto(junk, ("127.0.0.1", port))
for port in (4739, 5514):
    t = socket.create_connection(("127.0.0.1", port))
    t.sendall(b"\xff\x00 nonsense {[")
    t.close()
PY
    rm -rf "$work/lab" && mkdir "$work/lab"
    offset=$(python3 deploy/lab_shift.py tests/data/mail "$work/lab")
    logger --rfc5424=notime --tcp --octet-count --server 127.0.0.1 --port 5514 --size 16384 --file "$work/lab/lab-endpoint.jsonl"
    sleep 1
    softflowd -r "$work/lab/lab.pcap" -n 127.0.0.1:4739 -v 10 -A milli -p none -c none >"$work/softflowd.log" 2>&1
    n=0
    until python3 tests/support/lab.py rows "$work/run.out" tests/data/mail "$offset" >"$work/diff"; do
        n=$((n + 1))
        [ $n -lt 60 ] || { cat "$work/run.log" "$work/diff"; fail "the alerts are not those of the lab"; }
        sleep 0.5
    done
    healthy "$1" || fail "not healthy any more"
    ! grep -q level=error "$work/run.log" || { cat "$work/run.log"; fail "errors in the log"; }
    kill "$weir"
    wait $front || true
    grep -q msg=stopped "$work/run.log" || { cat "$work/run.log"; fail "no clean stop"; }
    trap - EXIT
    echo "container: built, healthy as user weir, took nonsense, six rows of the lab, stopped"
}

if [ "${1:-}" = --run ]; then
    run "$2"
    exit
fi
build
echo "== run"
c=$(b from localhost/weir)
status=0
unshare --net sh tests/container/run.sh --run "$c" || status=$?
b rm "$c" >/dev/null
seconds
exit $status
