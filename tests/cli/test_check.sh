# weir check and weir explain: places, remedies, exit codes.
. "$(dirname "$0")/lib.sh"

run 0 "$WEIR" check "$SRC/rules/library"
has out "0 errors"
run 0 "$WEIR" check --format json "$SRC/rules/library"
jq -e 'type == "array"' "$TMP/out" >/dev/null || fail "no JSON array"

mkdir "$TMP/rules"
printf 'DeviceNetworkEvents\n| where RemotePrt == 25\n' >"$TMP/rules/b.kql"
printf 'DeviceNetworkEvents\n| where RemotePort = 25\n' >"$TMP/rules/a.kql"
printf 'not a rule' >"$TMP/rules/README.md"
run 1 "$WEIR" check "$TMP/rules"
has out "$TMP/rules/b.kql:2:9: error:"
has out "RemotePort"
grep -n "error:" "$TMP/out" | head -n 1 | grep -q "a.kql" || fail "files are not in the order of their names"
grep -q "README" "$TMP/out" && fail "a README is no rule"
run 1 "$WEIR" check --format json "$TMP/rules/a.kql" "$TMP/rules/b.kql"
jq -e 'length >= 2 and (.[] | .file and .line and .message and .severity == "error")' "$TMP/out" >/dev/null ||
    fail "errors as JSON"
run 1 "$WEIR" check "$TMP/none.kql"
is err "weir: cannot read $TMP/none.kql: No such file or directory"

printf 'batch_rows: 100\n' >"$TMP/weir.yaml"
run 0 "$WEIR" check "$TMP/weir.yaml"
printf 'batch_rows: 0\n' >"$TMP/weir.yaml"
run 1 "$WEIR" check "$TMP/weir.yaml"
has out "$TMP/weir.yaml:1"
printf 'lissten:\n  flow_udp: 2055\n' >"$TMP/weir.yaml"
run 1 "$WEIR" check "$TMP/weir.yaml"
has out "$TMP/weir.yaml:1"
has out "listen"
cat >"$TMP/paths.yaml" <<YAML
rules: ["$TMP/rules", "$TMP/nowhere"]
mappings: $TMP/no-mapping.yaml
forward:
  - {host: siem.example, tls: true, tls_ca: $TMP/no-ca.pem, tls_cert: $TMP/weir.yaml, tls_key: $TMP/no-key.pem}
YAML
run 1 "$WEIR" check "$TMP/paths.yaml"
has out "error: rules: cannot read '$TMP/nowhere': No such file or directory"
grep -q "paths.yaml:1:[0-9]*: error:" "$TMP/out" || fail "no error with its place on line 1"
has out "paths.yaml:2:11: error: mappings: cannot read '$TMP/no-mapping.yaml'"
has out "error: tls_ca: cannot read '$TMP/no-ca.pem'"
grep -q "paths.yaml:4:[0-9]*: error:" "$TMP/out" || fail "no error with its place on line 4"
has out "error: tls_key: cannot read '$TMP/no-key.pem'"
grep -q "paths.yaml:4:[0-9]*: error:" "$TMP/out" || fail "no error with its place on line 4"
has out "4 errors"
mkdir "$TMP/logs"
: >"$TMP/logs/a.log"
cat >"$TMP/files.yaml" <<YAML
files:
  - $TMP/logs/a.log
  - $TMP/logs/later.log
  - $TMP/logs
  - "$TMP/logs/*.json"
YAML
run 1 "$WEIR" check "$TMP/files.yaml"
has out "files.yaml:3:5: warning: files: there is no '$TMP/logs/later.log' yet: weir reads it when it comes"
has out "files.yaml:4:5: error: files: '$TMP/logs' is no file; what is in a directory is DIRECTORY/*"
has out "files.yaml:5:5: warning: files: nothing matches '$TMP/logs/*.json' yet"
has out "1 error, 2 warnings"
chmod 0 "$TMP/logs/a.log"
if [ ! -r "$TMP/logs/a.log" ]; then # not as root
    run 1 "$WEIR" check "$TMP/files.yaml"
    has out "files.yaml:2:5: error: files: cannot read '$TMP/logs/a.log': Permission denied"
fi
[ -f "$SRC/deploy/weir.yaml" ] && run 0 "$WEIR" check "$SRC/deploy/weir.yaml"
printf 'listen: [\n' >"$TMP/broken.yaml"
run 1 "$WEIR" check "$TMP/broken.yaml"

# A mapping of one's own: place, what is wrong, what to do; what lacks its columns is no rule for that.
cat >"$TMP/mine.yaml" <<YAML
name: mine
when: {product: mine}
columns:
  Timestamp: t
  ActionType: {value: ConnectionSuccess}
  RemoteIP: dst..ip
  RemotePort: {value: smtp}
  DeviceNam: host
YAML
run 1 "$WEIR" check "$TMP/mine.yaml"
has out "$TMP/mine.yaml:6:13: error: 'dst..ip' is no path"
has out "$TMP/mine.yaml:7:23: error: RemotePort is of type int, which 'smtp' is not"
has out "$TMP/mine.yaml:8:3: error: DeviceNetworkEvents has no column 'DeviceNam'"
has out "did you mean 'DeviceName'?"
has out "3 errors"
printf 'name: mine\nwhen: {product: mine}\ncolums: {Timestamp: t}\n' >"$TMP/mine.yaml"
run 1 "$WEIR" check "$TMP/mine.yaml"
has out "$TMP/mine.yaml:3:1: error:"
has out "did you mean 'columns'?"
printf 'name: mine\nwhen: {product: mine}\n' >"$TMP/mine.yaml"
run 1 "$WEIR" check "$TMP/mine.yaml"
has out "no column Timestamp: a row needs a time"
{
    printf 'name: mine\nwhen: {product: mine}\ncolumns: {Timestamp: t, ActionType: a, RemoteIP: r}\n'
    head -c 4300000 /dev/zero | tr '\0' '#'
} >"$TMP/mine.yaml"
run 1 "$WEIR" check "$TMP/mine.yaml"
has err "$TMP/mine.yaml has more than 4 MiB"
run 1 "$WEIR" probe -m "$TMP/mine.yaml" "$MAIL/lab-endpoint.jsonl"
has err "$TMP/mine.yaml has more than 4 MiB"
{
    printf 'name: mine\nwhen: {product: mine}\ncolumns:\n  Timestamp: t\n  ActionType: a\n  RemoteIP: [r'
    for i in $(seq 1100); do printf ', r%d' "$i"; done
    printf ']\n'
} >"$TMP/mine.yaml"
run 1 "$WEIR" check "$TMP/mine.yaml"
has out "$TMP/mine.yaml:6:"
has out "all mappings together read more than 1024 paths"

seed=$SRC/tests/data/rules/T1071.003.kql
run 0 "$WEIR" explain "$seed"
has out "RemotePort"
is err ""
run 1 "$WEIR" explain "$TMP/rules/b.kql"
has err "b.kql:2:9: error:"
finish
