# weir tables and weir probe; mappings checked and used from a file.
. "$(dirname "$0")/lib.sh"

run 0 "$WEIR" tables
has out "DeviceNetworkEvents"
cat >"$TMP/mail.kql" <<'EOF'
SmtpMessages | where Timestamp > ago(1h) | where Subject == "x" | summarize n = count() by SrcIp | where n > 1
EOF
run 0 "$WEIR" tables --rules "$TMP/mail.kql" SmtpMessages
grep -qE "^  Subject +string( +own)?  read by $TMP/mail.kql$" "$TMP/out" || fail "who reads a column"
grep -qE '^  zeek-smtp: .*Subject' "$TMP/out" || fail "who fills it"
grep -qE '^  Helo .*read by' "$TMP/out" && fail "a column that no rule reads"
printf 'SmtpMessages | where' >"$TMP/bad.kql"
run 1 "$WEIR" tables --rules "$TMP/bad.kql"
run 0 "$WEIR" tables DeviceNetworkEvents
grep -qE '^  SentBytes +long +own$' "$TMP/out" || fail "own columns are marked"
grep -qE '^  AccountName +string +own, is InitiatingProcessAccountName$' "$TMP/out" || fail "aliases say of what"
grep -qE '^  RemotePort +int$' "$TMP/out" || fail "a column with its type"
grep -q '_RowId' "$TMP/out" && fail "hidden columns are not listed"
run 1 "$WEIR" tables DeviceNetworkEvent
has err "did you mean 'DeviceNetworkEvents'?"

run 0 "$WEIR" probe "$SRC/tests/data/log/zeek-conn.json"
has out "1: zeek-conn, a row of DeviceNetworkEvents"
grep -qE '^    RemotePort +587$' "$TMP/out" || fail "columns with their values"
grep -qE '^    not used: .*"uid"' "$TMP/out" || fail "fields that no column takes"
grep -q '"id.orig_h"' "$TMP/out" && fail "a field that is used is not listed"
printf '{"a":1}\n<13>Nov 24 08:00:00 web1 su: text\n' >"$TMP/in"
run 1 "$WEIR" probe "$TMP/in"
has out "1: no_mapping, a row of Syslog"
has out "2: text, a row of Syslog"

printf '%s' '{"records":[{"category":"AdvancedHunting-DeviceNetworkEvents","properties":{"Timestamp":"2024-03-05T10:10:11Z","ActionType":"ConnectionSuccess","mine":1}},{"category":"AdvancedHunting-DeviceNetworkEvents","properties":{"Timestamp":"2024-03-05T10:10:11Z","ActionType":"ConnectionFailed","yours":1}}]}' >"$TMP/in"
run 0 "$WEIR" probe "$TMP/in"
grep 'not used' "$TMP/out" >"$TMP/got"
is got '    not used: "properties.mine"
    not used: "properties.yours"'

head='msg=audit(1700000000.123:4711): '
cat >"$TMP/in" <<EOF
node=web1 type=SYSCALL ${head}arch=c000003e syscall=42 success=yes exit=0 pid=4242 uid=0 exe="/usr/bin/curl"
node=web1 type=SOCKADDR ${head}saddr=0200024BCB0071190000000000000000
EOF
run 0 "$WEIR" probe "$TMP/in"
has out "1: auditd, a row of Syslog"
has out "2: auditd, a row of Syslog"
has out "3: auditd, a row of DeviceNetworkEvents"
grep -qE '^    RemoteIP +"203.0.113.25"$' "$TMP/out" || fail "an event whose end the file does not have"

cat >"$TMP/acme.yaml" <<'EOF'
name: acme
when: {a: 1}
columns:
  Timestamp: t
  ActionType: {value: ConnectionSuccess}
  RemoteIP: r
EOF
run 0 "$WEIR" check "$TMP/acme.yaml"
printf '{"a":1,"t":1700000000,"r":"192.0.2.1","z\\u001b":{"y":[2]}}\n' >"$TMP/in"
run 0 "$WEIR" probe -m "$TMP/acme.yaml" "$TMP/in"
has out "1: acme, a row of DeviceNetworkEvents"
has out '"z\u001b.y.0"'
run 0 "$WEIR" query -m "$TMP/acme.yaml" -i "$TMP/in" -f csv 'DeviceNetworkEvents | project RemoteIP'
has out "192.0.2.1"
run 0 "$WEIR" query -i "$TMP/in" -f csv 'DeviceNetworkEvents | project RemoteIP'
grep -q "192.0.2.1" "$TMP/out" && fail "a row without the mapping"
echo 'DeviceNetworkEvents | where Timestamp > ago(1h) | summarize N = count() by RemoteIP' >"$TMP/acme.kql"
run 0 "$WEIR" replay -m "$TMP/acme.yaml" -r "$TMP/acme.kql" "$TMP/in"
has out '"RemoteIP":"192.0.2.1"'
run 1 "$WEIR" replay -m "$TMP/none.yaml" -r "$TMP/acme.kql" "$TMP/in"
has err "cannot read $TMP/none.yaml"
sed -i 's/RemoteIP/RemoteIp/' "$TMP/acme.yaml"
run 1 "$WEIR" check "$TMP/acme.yaml"
has out "$TMP/acme.yaml:6:3: error: DeviceNetworkEvents has no column 'RemoteIp'"
has out "did you mean 'RemoteIP'?"
run 0 "$WEIR" check "$SRC/parsers/log/mappings"
finish
