# weir run with `files:`: more than the ring holds, what cannot be read is said once, files_from, counters.
. "$(dirname "$0")/lib.sh"

mkdir "$TMP/rules" "$TMP/logs" "$TMP/logs/folder"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$TMP/rules/lost.kql" <<'Q'
Syslog | summarize Rows = count() by HostName | where Rows >= 60000
Q
printf "Syslog | where HostName == 'last' | project SyslogMessage" >"$TMP/rules/last.kql"
python3 - "$TMP/logs" <<'P'
import datetime, gzip, sys
now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
with open(f"{sys.argv[1]}/big.log", "w") as f:
    for i in range(60000):
        f.write(f"<13>1 {now} web-1 app - - - {i} {'x' * 250}\n")
gzip.open(f"{sys.argv[1]}/old.log.gz", "w").write(b"x\n")
open(f"{sys.argv[1]}/json.log", "w").write('{"broken\n<13>1 - last app - - - no line end')
P
cat >"$TMP/weir.yaml" <<Y
files: ["$TMP/logs/*", "$TMP/logs/folder"]
listen: {flow_udp: off, flow_tcp: off, syslog_udp: off, syslog_tcp: off}
http: 127.0.0.1:$port
rules: $TMP/rules
workers: 2
Y
start() {
    "$WEIR" run -c "$TMP/weir.yaml" --state "$TMP/state" >>"$TMP/out" 2>"$TMP/err" &
    pid=$!
}
metric() { # text: of a line of /metrics
    python3 -c 'import sys, urllib.request
for line in urllib.request.urlopen("http://127.0.0.1:" + sys.argv[1] + "/metrics").read().decode().splitlines():
    if line.startswith(sys.argv[2]): print(int(float(line.split()[-1])))' "$port" "$1"
}
same_value() { # name, value
    [ "$(metric "$1")" = "$2" ] || fail "$1 is $(metric "$1"), not $2"
}

: >"$TMP/out"
start
wait_for '"Rows":60000' "$TMP/out"
sleep 2.2 # two more looks
label="listener=\"files\",address=\"$TMP/logs/*\""
same_value "weir_listener_received_total{$label" 60001
same_value "weir_listener_decoded_total{$label" 60000
same_value "weir_listener_rejected_total{$label,reason=\"json\"" 1
same_value "weir_files_open{$label" 2
same_value "weir_files_behind_bytes{$label" 34
[ "$(grep -c 'is not read' "$TMP/err")" = 2 ] || fail "not once for each: $(grep 'is not read' "$TMP/err")"
has err "it is compressed"
has err "it is a directory"
echo " but now" >>"$TMP/logs/json.log"
wait_for 'no line end but now' "$TMP/out"
kill "$pid"
wait "$pid" || fail "exit code $?"

# A start goes on; nothing comes twice.
echo "<13>1 - last app - - - second start" >>"$TMP/logs/json.log"
start
wait_for 'second start' "$TMP/out"
same_value "weir_listener_received_total{$label" 1
kill "$pid"
wait "$pid" || fail "exit code $?"

# files_from: end passes over what is there at the first start, and only then.
echo "files_from: end" >>"$TMP/weir.yaml"
rm -r "$TMP/state"
: >"$TMP/out"
start
wait_for 'ready' "$TMP/err"
sleep 0.5
printf '<13>1 - last app - - - fresh\n' >>"$TMP/logs/json.log"
printf '<13>1 - last app - - - another file\n' >"$TMP/logs/new.log"
wait_for 'fresh' "$TMP/out"
wait_for 'another file' "$TMP/out"
! grep -q 'second start' "$TMP/out" || fail "what was there was read"
same_value "weir_listener_received_total{$label" 2
kill "$pid"
wait "$pid" || fail "exit code $?"
finish
