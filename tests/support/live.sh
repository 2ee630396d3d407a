# Sourced by the tests that run the real program: a private directory, free loopback ports, start, wait, stop.
#   WEIR = the binary, ROOT = the checkout. Sets: dir, flow, flow_tcp, syslog, http, alerts (JSON lines).
set -eu
dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-live.XXXXXX")
alerts=$dir/alerts.jsonl
weir_pid=""
live_fail() {
    echo "FAIL: $*" >&2
    tail -n 20 "$dir/weir.log" >&2 2>/dev/null || true
    exit 1
}
live_clean() {
    live_stop
    rm -rf "$dir"
}
live_stop() {
    [ -z "$weir_pid" ] && return 0
    kill "$weir_pid" 2>/dev/null && wait "$weir_pid" 2>/dev/null || true
    weir_pid=""
}
trap live_clean EXIT
trap 'exit 130' INT TERM

# Free ports, all different: bound together, then let go.
live_ports() {
    python3 - "$1" <<'PY'
import socket, sys
held = []
while len(held) < int(sys.argv[1]):
    tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp.bind(("127.0.0.1", 0))
    try:
        udp.bind(("127.0.0.1", tcp.getsockname()[1]))
    except OSError:
        continue
    held.append((tcp, udp))
print(*[tcp.getsockname()[1] for tcp, _ in held])
PY
}
# Runs weir on free ports; arguments go to `weir run`. Configuration lines may stand in $dir/more.yaml.
live_start() {
    set -- "$@" --state "$dir/state"
    if [ ! -f "$dir/weir.yaml" ]; then
        # shellcheck disable=SC2046
        set_ports $(live_ports 4)
        cat >"$dir/weir.yaml" <<YAML
listen:
  flow_udp: ["127.0.0.1:$flow"]
  flow_tcp: ["127.0.0.1:$flow_tcp"]
  syslog_udp: ["127.0.0.1:$syslog"]
  syslog_tcp: ["127.0.0.1:$syslog"]
http: "127.0.0.1:$http"
rules: ["$ROOT/rules/library"]
YAML
        [ ! -f "$dir/more.yaml" ] || cat "$dir/more.yaml" >>"$dir/weir.yaml"
        mkdir -p "$dir/state"
    fi
    "$WEIR" run -c "$dir/weir.yaml" "$@" >>"$alerts" 2>>"$dir/weir.log" &
    weir_pid=$!
    live_until 10 live_healthy || live_fail "weir did not become healthy"
}
set_ports() { flow=$1 flow_tcp=$2 syslog=$3 http=$4; }
live_get() { # PATH of the HTTP server
    python3 -c 'import sys, urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1], timeout=2).read().decode())' \
        "http://127.0.0.1:$http$1" 2>/dev/null
}
live_healthy() {
    kill -0 "$weir_pid" 2>/dev/null || live_fail "weir ended at start"
    live_get /healthz >/dev/null
}
# Sum of all series of a metric.
live_metric() {
    live_get /metrics | awk -v name="$1" '$1 == name || index($1, name "{") == 1 { n += $2 } END { printf "%d\n", n }'
}
# live_until SECONDS COMMAND...: tries up to ten times a second, at least twice.
live_until() {
    until=$(($(date +%s) + $1)); shift
    "$@" && return 0
    while :; do
        sleep 0.1
        "$@" && return 0
        [ "$(date +%s)" -le "$until" ] || return 1
    done
}
