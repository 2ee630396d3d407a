# CrowdStrike: what ProcessRollup2 said to one worker is known to the others, and after a restart.
. "$(dirname "$0")/lib.sh"

mkdir "$TMP/rules"
ports=$(python3 -c '
import socket
s = [socket.socket() for _ in range(2)]
for x in s: x.bind(("127.0.0.1", 0))
print(*[x.getsockname()[1] for x in s])')
http=${ports% *} port=${ports#* }
printf 'DeviceNetworkEvents | where RemotePort == 587 | summarize N = count() by InitiatingProcessFileName, RemoteIP' >"$TMP/rules/who.kql"
start() {
    "$WEIR" run --rules "$TMP/rules" --state "$TMP/state" --workers 4 --http "127.0.0.1:$http" --listen flow_udp=off --listen flow_tcp=off \
        --listen syslog_udp=off --listen "syslog_tcp=127.0.0.1:$port" >>"$TMP/out" 2>"$TMP/err" &
    pid=$!
    n=0
    until grep -q ready "$TMP/err" || [ $n -gt 200 ]; do
        n=$((n + 1))
        sleep 0.1
    done
}
# give TEXT: 12 connections, each with one event; which worker gets one is the kernel's choice.
give() {
    python3 - "$port" "$1" "$2" <<'P'
import json, socket, sys, time
port, kind, first = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
now = f"{time.time():.3f}"
for i in range(first, first + 12):
    if kind == "process":
        event = {"event_simpleName": "ProcessRollup2", "aid": "a7", "TargetProcessId": str(i), "ImageFileName": f"\\Device\\HarddiskVolume2\\p{i}.exe", "timestamp": now, "ProcessStartTime": now}
    else:
        event = {"event_simpleName": "NetworkConnectIP4", "aid": "a7", "ContextProcessId": str(i), "ContextTimeStamp": now, "LocalAddressIP4": "10.1.2.3",
                 "LocalPort": str(50000 + i), "RemoteAddressIP4": f"203.0.113.{i}", "RemotePort": "587", "Protocol": "6", "ConnectionDirection": "0"}
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(json.dumps(event).encode() + b"\n")
    s.shutdown(socket.SHUT_WR)
    s.recv(1)
P
}
named() { # how many of 12 rows have their process
    n=0
    until [ "$(grep -c '"RemoteIP":"203' "$TMP/out")" -ge "$1" ] || [ $n -gt 200 ]; do
        n=$((n + 1))
        sleep 0.1
    done
    for i in $(seq "$2" "$3"); do
        grep -qi "\"InitiatingProcessFileName\":\"p$i.exe\",\"RemoteIP\":\"203.0.113.$i\"" "$TMP/out" || fail "connection $i has no process"
    done
}
: >"$TMP/out"
start
give process 1
give connect 1
named 12 1 12
give process 21
kill "$pid"
wait "$pid" || fail "exit code $?"
start
give connect 21
named 24 21 32
kill "$pid"
wait "$pid" || fail "exit code $?"
finish
