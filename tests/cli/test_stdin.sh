# weir run --stdin: a file, a pipe that stays open, a partial last line; more rows than the ring holds; others that listen.
. "$(dirname "$0")/lib.sh"

mkdir "$TMP/rules"
ports=$(python3 -c '
import socket
s = [socket.socket() for _ in range(2)]
for x in s: x.bind(("127.0.0.1", 0))
print(*[x.getsockname()[1] for x in s])')
http=127.0.0.1:${ports% *} port=${ports#* }
cat >"$TMP/rules/lost.kql" <<'Q'
Syslog | summarize Rows = count() by HostName | where Rows >= 60000
Q
printf "Syslog | where HostName == 'last' | project SyslogMessage" >"$TMP/rules/last.kql"

# daemon ARGUMENT...: with nothing that listens, in place of the subshell it is called in
daemon() {
    exec "$WEIR" run --stdin --rules "$TMP/rules" --state "$TMP/state.$state" --workers 2 --listen flow_udp=off --listen flow_tcp=off \
        --listen syslog_udp=off --listen syslog_tcp=off "$@" 2>"$TMP/err"
}
metric() { # text: of a line of /metrics
    python3 -c 'import sys, urllib.request
for line in urllib.request.urlopen("http://" + sys.argv[1] + "/metrics").read().decode().splitlines():
    if line.startswith(sys.argv[2] + " "): print(int(float(line.split()[-1])))' "$http" "$1"
}

# Lines, and the same octet-counted: 17 MB, twice what the ring holds. The last line has no end.
python3 - "$TMP/lines" "$TMP/counted" <<'P'
import datetime, sys
now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
messages = [f"<13>1 {now} web-1 app - - - {i} {'x' * 250}" for i in range(60000)] + [f"<13>1 {now} last app - - - no line end"]
open(sys.argv[1], "w").write("\n".join(messages))
open(sys.argv[2], "w").write("".join(f"{len(m)} {m}" for m in messages))
P
state=file
(daemon --http off) <"$TMP/counted" >"$TMP/out" || fail "a file: exit code $?"
has err "standard input ended and nothing else listens: stopping"
has out '"Rows":60000'
has out 'no line end'

# a pipe that stays open
state=pipe
mkfifo "$TMP/pipe"
daemon --http "$http" <"$TMP/pipe" >"$TMP/out" &
pid=$!
exec 3>"$TMP/pipe"
cat "$TMP/lines" >&3
printf '\n{"broken\n' >&3
wait_for '"Rows":60000' "$TMP/out"
wait_for 'no line end' "$TMP/out"
n=0
until [ "$(metric 'weir_listener_received_total{listener="stdin",address="-"}')" = 60002 ] || [ "$n" -gt 50 ]; do
    n=$((n + 1))
    sleep 0.1
done
[ "$(metric 'weir_listener_received_total{listener="stdin",address="-"}')" = 60002 ] || fail "received: not 60002"
[ "$(metric 'weir_listener_rejected_total{listener="stdin",address="-",reason="json"}')" = 1 ] || fail "rejected: not 1"
[ "$(metric 'weir_rule_looked_at_total{rule="last"}')" = 1 ] || fail "one row only has the value that the rule looks for"
[ "$(metric 'weir_rule_looked_at_total{rule="lost"}')" = 60002 ] || fail "a rule without a test looks at every row"
printf '<13>1 2026-11-24T10:00:00Z last app - - - end of pipe' >&3
exec 3>&-
wait "$pid" || fail "a pipe: exit code $?"
has out 'end of pipe'

# another listener goes on; a signal ends it
state=both
: >"$TMP/err"
daemon --listen "syslog_tcp=127.0.0.1:$port" --http off </dev/null >"$TMP/out" &
pid=$!
wait_for "the listeners go on" "$TMP/err"
python3 -c 'import socket, sys
socket.create_connection(("127.0.0.1", int(sys.argv[1]))).sendall(b"<13>1 2026-11-24T10:00:00Z last app - - - over tcp\n")' "$port"
wait_for 'over tcp' "$TMP/out"
kill "$pid"
wait "$pid"

# SIGTERM while the pipe is silent; standard input that is none
state=silent
: >"$TMP/err"
daemon --http off <"$TMP/pipe" >"$TMP/out" &
pid=$!
exec 3>"$TMP/pipe"
wait_for "ready" "$TMP/err"
kill "$pid"
wait "$pid" || fail "SIGTERM: exit code $?"
exec 3>&-
has err "stopped"
"$WEIR" run --stdin --state "$TMP/none" <&- >"$TMP/out" 2>"$TMP/err"
[ $? -eq 2 ] || fail "closed standard input is a mistake"
has err "--stdin: standard input is closed"

finish
