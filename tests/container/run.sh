#!/bin/sh
# Builds deploy/container/Containerfile with buildah (chroot isolation, no engine needed) on a base that debootstrap makes, then
# runs the image as its own user, without a configuration, and asks its health check.
#   sh tests/container/run.sh   (root; Debian; takes minutes. build/container keeps the base between runs)
set -eu
cd "$(dirname "$0")/../.."
for p in buildah debootstrap; do
    command -v $p >/dev/null || { echo "container: needs the Debian package $p" >&2; exit 1; }
done
work=$PWD/build/container
mkdir -p "$work"
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
b() { cmd=$1; shift; buildah --root "$work/storage" --runroot "$work/runroot" "$cmd" "$@"; }

if ! b inspect --type image localhost/weir-base >/dev/null 2>&1; then
    echo "== base image by debootstrap"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
    rm -rf "$work/root"
    debootstrap --variant=minbase bookworm "$work/root" "$mirror" >"$work/debootstrap.log" || {
        tail "$work/debootstrap.log"
        exit 1
    }
    c=$(b from scratch)
    b add -q "$c" "$work/root" / >/dev/null
    b commit -q "$c" localhost/weir-base >/dev/null
    b rm "$c" >/dev/null
    rm -rf "$work/root"
fi

echo "== weir image"
b bud -q --format docker --build-arg BASE=localhost/weir-base -f deploy/container/Containerfile -t localhost/weir . \
    >"$work/build.log" 2>&1 || { tail -n 30 "$work/build.log"; exit 1; }

echo "== run"
c=$(b from localhost/weir)
cleanup() {
    [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true
    b rm "$c" >/dev/null 2>&1 || true
}
trap cleanup EXIT
b run "$c" -- id -un | grep -qx weir || { echo "container: does not run as user weir"; exit 1; }
b run "$c" -- /usr/bin/weir --version
b run "$c" -- /usr/bin/weir check /usr/share/weir/rules
b run "$c" -- /usr/bin/weir run >"$work/run.out" 2>"$work/run.log" &
pid=$!
n=0
until b run "$c" -- /bin/bash -c "exec 3<>/dev/tcp/127.0.0.1/8686 && printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3 && read -r line <&3 && [[ \$line == *' 200 '* ]]" 2>/dev/null; do
    n=$((n + 1))
    kill -0 $pid 2>/dev/null || { cat "$work/run.log"; echo "container: weir ended"; exit 1; }
    [ $n -lt 30 ] || { cat "$work/run.log"; echo "container: not healthy"; exit 1; }
    sleep 0.3
done
cat "$work/run.log"
# The program itself, not only buildah's own process in front of it.
python3 - <<'PY'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for junk in (b"", b"\x00\x05", b"\x00\x0a" + b"\xff" * 200, b"nonsense"):
    s.sendto(junk, ("127.0.0.1", 2055))
PY
kill $pid; wait $pid || true; pid=""
echo "container: built, healthy, took nonsense, stopped"
