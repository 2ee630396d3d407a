#!/bin/sh
# weir in a minute: builds it, starts it without any configuration, plays a lab capture at it through a real exporter
# and shows the alerts. Debian 12, as root (or with sudo for the packages). Safe to run twice: state and logs stay under
# build/quickstart, made anew each time.
#   --keep   leave weir running at the end (the default on a terminal: until Ctrl-C)
#   --stop   stop it at the end (the default otherwise)
set -eu
cd "$(dirname "$0")/.."
keep=no; [ -t 1 ] && keep=wait
for arg in "$@"; do
    case $arg in
    --keep) keep=yes ;;
    --stop) keep=no ;;
    *) echo "usage: sh deploy/quickstart.sh [--keep | --stop]" >&2; exit 2 ;;
    esac
done
step() { printf '\n== %s\n' "$*"; }
fail() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }

step "1 of 5: Debian packages (compiler, libraries; softflowd is the exporter that plays the lab)"
need="$(sed -n '/^[a-z]/p' deploy/packages.build) softflowd python3-minimal bsdutils"
missing=""
for p in $need; do dpkg -s "$p" >/dev/null 2>&1 || missing="$missing $p"; done
if [ -n "$missing" ]; then
    [ "$(id -u)" -eq 0 ] || fail "these packages are missing and only root can install them: apt-get install$missing"
    echo "installing:$missing"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "all there"
fi

step "2 of 5: build the release preset"
cmake --preset release -DWEIR_TESTS=OFF >/dev/null
cmake --build --preset release --target weir
weir=$PWD/build/release/weir

step "3 of 5: start weir without a configuration"
healthy() {
    python3 -c 'import urllib.request as u; u.urlopen("http://127.0.0.1:8686/healthz", timeout=1)' 2>/dev/null
}
healthy && fail "something answers on 127.0.0.1:8686 already, most likely another weir: stop it first"
run=$PWD/build/quickstart
rm -rf "$run"; mkdir -p "$run/state" "$run/lab"
STATE_DIRECTORY=$run/state "$weir" run >"$run/alerts.jsonl" 2>"$run/weir.log" &
pid=$!
stop() { kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; }
[ "$keep" = yes ] || trap stop EXIT
trap 'exit 130' INT TERM
n=0
until healthy; do
    n=$((n + 1))
    kill -0 "$pid" 2>/dev/null || { cat "$run/weir.log" >&2; fail "weir did not start: its messages are above"; }
    [ $n -lt 100 ] || { cat "$run/weir.log" >&2; fail "weir did not become healthy within 10 seconds"; }
    sleep 0.1
done
cat "$run/weir.log"

step "4 of 5: play the lab: 101 connections of a mail-beacon exercise, moved to the present"
python3 deploy/lab_shift.py tests/data/mail "$run/lab" >/dev/null
echo "endpoint events (Defender JSON) by logger, syslog over TCP 5514:"
logger --rfc5424=notime --tcp --octet-count --server 127.0.0.1 --port 5514 --size 16384 --tag defender \
    --file "$run/lab/lab-endpoint.jsonl" || fail "logger could not reach 127.0.0.1:5514; see $run/weir.log"
echo "  $(wc -l <"$run/lab/lab-endpoint.jsonl") events sent"
sleep 1
echo "the same connections as a router saw them, by softflowd, IPFIX over UDP 4739:"
softflowd -r "$run/lab/lab.pcap" -n 127.0.0.1:4739 -v 10 -A milli -p none -c none >"$run/softflowd.log" 2>&1 ||
    fail "softflowd failed; see $run/softflowd.log"
sed -n 's/^ *Packets processed/  Packets processed/p; s/^ *Flows exported/  Flows exported/p' "$run/softflowd.log"

step "5 of 5: the alerts of rules/library/, T1071.003: programs that are no mail clients talk over mail ports"
sleep 3 # an alert that grows is updated after a second
STATE_DIRECTORY=$run/state "$weir" alerts --format table
[ -s "$run/alerts.jsonl" ] || fail "no alert came; see $run/weir.log"
echo
echo "Each alert as weir forwards it: $run/alerts.jsonl"
case $keep in
yes) echo "weir goes on (process $pid). Point a router's NetFlow or IPFIX export at UDP 2055 of this machine. kill $pid stops it." ;;
wait)
    echo "weir goes on: point a router's NetFlow or IPFIX export at UDP 2055 of this machine; alerts appear here. Ctrl-C stops it."
    tail -n 0 -f "$run/alerts.jsonl" --pid "$pid" ;;
no) echo "weir is stopped. For real: build/release/weir run" ;;
esac
