# `weir exporters`: from the running daemon, and from what it stored.
WEIR=$1 ROOT=$2
. "$ROOT/tests/support/live.sh"
echo 'sampling: {127.0.0.0/8: 77}' >"$dir/more.yaml"
live_start
cap=$ROOT/tests/data/flow/logstash-codec-netflow
python3 - "$flow" "$cap" <<'PY'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
for name in ("netflow9_test_valid01", "netflow9_test_macaddr_tpl", "netflow5_test_juniper_mx80"):
    s.sendto(open(f"{sys.argv[2]}/{name}.dat", "rb").read(), ("127.0.0.1", int(sys.argv[1])))
s.sendto(b"\0\5nothing", ("127.0.0.1", int(sys.argv[1])))
PY
three() { [ "$("$WEIR" exporters --http "127.0.0.1:$http" --format jsonl | grep -c '"state":"sending"')" -ge 2 ]; }
live_until 10 three || live_fail "two streams were expected: $("$WEIR" exporters --http "127.0.0.1:$http" --format jsonl)"
"$WEIR" exporters --http "127.0.0.1:$http" --format jsonl | jq -se 'map(.exporter) | unique == ["127.0.0.1"]' >/dev/null ||
    live_fail "not all lines are of 127.0.0.1"
"$WEIR" exporters --http "127.0.0.1:$http" --format jsonl | jq -se 'map(.protocol) | index("NetFlow v5") and index("NetFlow v9")' >/dev/null ||
    live_fail "protocols"
"$WEIR" exporters --http "127.0.0.1:$http" --format table >"$dir/table"
head -n 1 "$dir/table" | grep -q "^EXPORTER .* SEEN .* TOLD .* CLOCK ERROR (LAST)" || live_fail "head of the table: $(head -n 1 "$dir/table")"
grep -q "^127.0.0.1 .*NetFlow v9 sending" "$dir/table" || live_fail "no row in $(cat "$dir/table")"
# The rate of the configuration where the exporter tells none; the NetFlow v5 router tells its own.
"$WEIR" exporters --http "127.0.0.1:$http" --format jsonl | jq -se 'map(.samplingInterval) | index(77) and index(1000)' >/dev/null ||
    live_fail "sampling intervals: $("$WEIR" exporters --http "127.0.0.1:$http" --format jsonl | jq -c '[.protocol, .samplingInterval]')"
# Ages and offsets in one unit, not in nanoseconds: the captures are years old, and came a moment ago.
grep -Eq "^127.0.0.1 .*NetFlow v9 sending +[0-9]+s +2 +[01] +[0-9]+s +[0-9.]+ +[0-9.]+ +0 +77 +\+[0-9]+d +[0-9]+s truncated$" "$dir/table" ||
    live_fail "ages: $(cat "$dir/table")"
"$WEIR" exporters --http "127.0.0.1:$http" --format jsonl | jq -se 'all(.[]; .recordsPerSecond > 0 and .lastSeenSeconds < 60)' >/dev/null ||
    live_fail "no rate before the first ten seconds are over"
live_get /exporters | grep -q '"lastError":"truncated"' || live_fail "the broken message is not told"
live_stop
"$WEIR" exporters --state "$dir/state" --format jsonl | jq -se 'map(select(.protocol == "NetFlow v9" and .state == "stored")) | length > 0' >/dev/null ||
    live_fail "nothing stored"
code=0
"$WEIR" exporters --http "127.0.0.1:$http" 2>"$dir/err" || code=$?
[ "$code" -eq 1 ] && grep -q "is .weir run. running" "$dir/err" || live_fail "no daemon: $code $(cat "$dir/err")"
code=0
"$WEIR" exporters --state /nowhere --follow 2>"$dir/err" || code=$?
[ "$code" -eq 2 ] || live_fail "--state with --follow: $code"
