#!/bin/sh
# names.sh WEIR ROOT: the `names:` file of a running weir: what it calls an address is the device of flow rows, whichever worker
# took the record; a changed file is read without a restart, a wrong one is told and the old names stay.
WEIR=$1 ROOT=$2
. "$ROOT/tests/support/live.sh"
cat >"$dir/rule.kql" <<'KQL'
DeviceNetworkEvents | where Timestamp > ago(1h) | summarize N = count() by DeviceName, RemotePort | where N >= 1
KQL
echo '10.0.0.1 alpha.example' >"$dir/hosts"
printf 'names: %s\nlists: {check: 200ms}\n' "$dir/hosts" >"$dir/more.yaml"
live_start --workers 2 --rules "$dir/rule.kql"

# flow PORT: one NetFlow v5 record from a socket of its own, so that the workers take turns.
flow_to() {
    python3 - "$flow" "$1" <<'PY'
import socket, struct, sys, time
exporter, port = map(int, sys.argv[1:])
now = time.time()
head = struct.pack(">HHIIIIBBH", 5, 1, 60000, int(now), 0, 0, 0, 0, 0)
record = struct.pack(">4s4s4sHHIIIIHHBBBBHHBBH", bytes([10, 0, 0, 1]), bytes([203, 0, 113, 9]), bytes(4), 0, 0, 3, 300, 59000, 59900,
                     40000, port, 0, 0x1b, 6, 0, 0, 0, 24, 24, 0)
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(head + record, ("127.0.0.1", exporter))
PY
}
port=1000
# called NAME: sends a flow to a port of its own and looks whether its row has the name.
called() {
    port=$((port + 1))
    flow_to "$port"
    has() { grep -q "\"DeviceName\":\"[^\"]*\",\"RemotePort\":$port[,}]" "$alerts"; }
    live_until 10 has || live_fail "no row of the flow to port $port"
    grep -q "\"DeviceName\":\"$1\",\"RemotePort\":$port[,}]" "$alerts"
}
called alpha.example || live_fail "not by its name: $(tail -n 1 "$alerts")"
for i in 1 2 3; do called alpha.example || live_fail "a worker does not know the name"; done
printf '10.0.0.1 beta.example\nno address at all\n' >"$dir/hosts"
told() { grep -q "$dir/hosts" "$dir/weir.log"; }
live_until 20 told || live_fail "a wrong file is not told"
called alpha.example || live_fail "a wrong file changed the names"
echo '10.0.0.1 beta.example' >"$dir/hosts"
live_until 20 called beta.example || live_fail "a changed file is not read"
for i in 1 2 3; do called beta.example || live_fail "a worker has the old name"; done
echo "names: $(wc -l <"$alerts") rows"
