# Rows of every table that lines become: through query, replay and probe alike.
. "$(dirname "$0")/lib.sh"

for i in 1 2 3; do
    printf '{"category":"AdvancedHunting-DeviceProcessEvents","properties":{"Timestamp":"2026-01-05T08:00:0%d.5Z","DeviceName":"ws-1","ActionType":"ProcessCreated","FileName":"sh","ProcessId":%d}}\n' $i $i
done >"$TMP/processes.jsonl"
printf '<13>1 2026-01-05T08:00:02Z ws-1 su - - - text\n' >>"$TMP/processes.jsonl"

run 0 "$WEIR" query -f csv -i "$TMP/processes.jsonl" 'DeviceProcessEvents | where ProcessId > 1 | project FileName, ProcessId, Type'
has out 'sh,2,DeviceProcessEvents'
has out 'sh,3,DeviceProcessEvents'
grep -q 'sh,1,' "$TMP/out" && fail "a row that the query does not want"
run 0 "$WEIR" query -f csv -i "$TMP/processes.jsonl" 'DeviceProcessEvents | join kind=inner (Syslog | project DeviceName = Computer, SyslogMessage) on DeviceName | summarize n = count() by SyslogMessage'
has out 'text,3'

cat >"$TMP/shells.kql" <<'EOF'
// id: shells
DeviceProcessEvents
| where Timestamp > ago(1h)
| where FileName == "sh"
| summarize Shells = count() by DeviceName
| where Shells >= 3
EOF
run 0 "$WEIR" replay --rules "$TMP/shells.kql" "$TMP/processes.jsonl"
has out '"Shells":3'
run 0 "$WEIR" probe "$TMP/processes.jsonl"
has out "1: defender, a row of DeviceProcessEvents"

# Who fills a table: a line a product, however many kinds of record it has, with all columns that they fill together.
run 0 "$WEIR" tables DeviceNetworkEvents
[ "$(grep -c '^  falco' "$TMP/out")" = 1 ] || fail "falco's four mappings are not one line"
grep -q '^  falco (4 kinds): Timestamp, DeviceName, ' "$TMP/out" || fail "falco's columns"
grep -q '^  osquery (4 kinds): .*InitiatingProcessAccountName' "$TMP/out" || fail "a column that one of osquery's kinds fills"
grep -q '^  SentBytes  *long  *own$' "$TMP/out" || fail "a column's line says what it is, and nothing else"
grep -q '^  \(auditd-accept\|ecs-denied\)' "$TMP/out" && fail "a kind has a line of its own"
grep -q '^  suricata-flow: .*SentBytes' "$TMP/out" || fail "a product of one kind has its mapping's name"
cat >"$TMP/mine.yaml" <<'EOF'
name: zeek-mine
when: {mine: "*"}
columns: {Timestamp: t, ActionType: state, RemoteIP: to, DeviceName: host}
EOF
run 0 "$WEIR" tables --mappings "$TMP/mine.yaml" DeviceNetworkEvents
grep -q '^  zeek (2 kinds): .*DeviceName' "$TMP/out" || fail "a user's own mapping is told of with those of its product"
run 0 "$WEIR" tables Flows
grep -q 'filled by mappings' "$TMP/out" && fail "no mapping fills Flows"
finish
