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

seed=$SRC/tests/data/rules/T1071.003.kql
run 0 "$WEIR" explain "$seed"
has out "RemotePort"
is err ""
run 1 "$WEIR" explain "$TMP/rules/b.kql"
has err "b.kql:2:9: error:"
finish
