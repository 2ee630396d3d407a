# Help, versions and mistakes: what people and scripts meet first.
. "$(dirname "$0")/lib.sh"

run 0 "$WEIR" --help
for command in run check explain replay query decode alerts; do
    has out "  $command "
    cp "$TMP/out" "$TMP/help"
    run 0 "$WEIR" $command --help
    has out "Usage: weir $command "
    has out "-h, --help"
    is err ""
    cp "$TMP/out" "$TMP/long"
    run 0 "$WEIR" help $command
    same "$TMP/long" "$TMP/out"
    [ "$(awk 'length > 100' "$TMP/out" | wc -l)" -eq 0 ] || fail "help of $command is wider than 100 columns"
    cp "$TMP/help" "$TMP/out"
done
run 0 "$WEIR" --version
has out "weir 0."

run 2 "$WEIR"
run 2 "$WEIR" qurey
is err "weir: there is no command 'qurey'; did you mean 'query'? (see weir --help)"
run 2 "$WEIR" --bogus
is err "weir: there is no option --bogus before a command (see weir --help)"
run 2 "$WEIR" query
is err "weir: query: no query given (see weir query --help)"
run 2 "$WEIR" query 'print 1' 'print 2'
run 2 "$WEIR" query --fromat csv 'print 1'
is err "weir: query: there is no option --fromat; did you mean --format? (see weir query --help)"
run 2 "$WEIR" query --format xml 'print 1'
is err "weir: query: --format is one of json, jsonl, csv, table, not 'xml' (see weir query --help)"
run 2 "$WEIR" query --now yesterday 'print 1'
run 2 "$WEIR" query --batch-rows 0 'print 1'
run 2 "$WEIR" query --batch-rows 65536 'print 1'
run 2 "$WEIR" query 'DeviceNetworkEvents | count'
has err "the query reads DeviceNetworkEvents: give --input FILE"
run 2 "$WEIR" replay
run 2 "$WEIR" check
run 2 "$WEIR" explain
run 2 "$WEIR" decode
run 2 "$WEIR" alerts something
run 1 "$WEIR" alerts --state "$TMP"
has err "alerts.db"
run 1 "$WEIR" query @"$TMP/no-such.kql"
is err "weir: cannot read $TMP/no-such.kql: No such file or directory"
run 1 "$WEIR" replay --rules "$TMP" "$MAIL/lab.pcap"
has err "there is no rule in $TMP"
finish
