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
finish
