# The detection that weir exists for, on the lab capture and its endpoint events: the rows, the alerts, and both again
# whatever the batch size, the order of the files and the way they come in.
. "$(dirname "$0")/lib.sh"
seed=$SRC/tests/data/rules/T1071.003.kql
pcap=$MAIL/lab.pcap
events=$MAIL/lab-endpoint.jsonl
[ -f "$seed" ] || fail "no $seed"

# Times as `jq` sorts them, to the microsecond.
canon='def t: sub("(?<a>\\.[0-9]{6})0Z$"; "\(.a)Z"); map(.LastSeen |= t) | sort_by(.DeviceName, .RemotePort) | .[]'
jq -cS "$canon" "$MAIL/lab-seed-rows.json" >"$TMP/expected"
[ "$(wc -l <"$TMP/expected")" -eq 6 ] || fail "six rows are expected"

for n in 1 3 2048; do
    run 0 "$WEIR" query -i "$pcap" -i "$events" --format json --batch-rows $n "@$seed"
    jq -cS '.columns as $c | [.rows[] | to_entries | map({key: $c[.key].name, value}) | from_entries] |'"$canon" \
        "$TMP/out" >"$TMP/rows"
    same "$TMP/expected" "$TMP/rows"
    is err ""
    jq -r '[.columns[].type] | join(" ")' "$TMP/out" >"$TMP/types"
    is types "datetime string string string string string int long long long"
    # sort by ConnectionCount desc
    jq -e '[.rows[][7]] | . == (sort | reverse)' "$TMP/out" >"$TMP/sorted" || fail "rows are not sorted"

    run 0 "$WEIR" replay --rules "$seed" --batch-rows $n "$pcap" "$events"
    jq -cS '.columns' "$TMP/out" | jq -cs "$canon" | jq -cS . >"$TMP/rows"
    same "$TMP/expected" "$TMP/rows"
    has err "6 alerts"
    jq -r .alert_id "$TMP/out" | sort >"$TMP/ids.$n"
    [ "$(sort -u "$TMP/ids.$n" | wc -l)" -eq 6 ] || fail "ids are not unique"
    same "$TMP/ids.1" "$TMP/ids.$n"
done

run 0 "$WEIR" query -i "$events" -i "$pcap" --format jsonl "@$seed"
jq -cs "$canon" "$TMP/out" | jq -cS . >"$TMP/rows"
same "$TMP/expected" "$TMP/rows"

"$WEIR" query -i - -i "$pcap" --format jsonl "@$seed" <"$events" >"$TMP/out" || fail "events on standard input"
jq -cs "$canon" "$TMP/out" | jq -cS . >"$TMP/rows"
same "$TMP/expected" "$TMP/rows"

run 0 "$WEIR" replay --rules "$seed" "$events" "$pcap"
jq -r .alert_id "$TMP/out" | sort >"$TMP/ids.swapped"
same "$TMP/ids.1" "$TMP/ids.swapped"

run 0 "$WEIR" replay --rules "$seed" --all-updates "$pcap" "$events"
[ "$(jq -c 'select(.kind == "raised")' "$TMP/out" | wc -l)" -eq 6 ] || fail "each alert is raised once"

# What a collector would have received of it: NetFlow v5 and syslog in one capture.
run 0 "$WEIR" query -i "$MAIL/lab-exports.pcap" -f jsonl "@$seed"
jq -cs "$canon" "$TMP/out" | jq -cS . >"$TMP/rows"
same "$TMP/expected" "$TMP/rows"
run 0 "$WEIR" replay --rules "$seed" "$MAIL/lab-exports.pcap"
jq -cS '.columns' "$TMP/out" | jq -cs "$canon" | jq -cS . >"$TMP/rows"
same "$TMP/expected" "$TMP/rows"

# The rule that ships finds the same.
run 0 "$WEIR" replay --rules "$SRC/rules/library" "$pcap" "$events"
jq -c 'select(.rule_id == "7c1f2c4e-6d0b-4c53-9a1c-5e0f71071003")' "$TMP/out" | jq -cS '.columns' | jq -cs "$canon" | jq -cS . >"$TMP/rows"
same "$TMP/expected" "$TMP/rows"

# An alert whose group has left the window is printed once too, as resolved.
grep lab-ws02 "$events" >"$TMP/events"
grep lab-ws02 "$events" | head -n 1 | sed 's/2026-01-05T/2026-01-09T/g' >>"$TMP/events"
run 0 "$WEIR" replay --rules "$seed" "$TMP/events"
jq -c '[.kind, .columns.ConnectionCount]' "$TMP/out" >"$TMP/got"
is got '["resolved",5]'
run 0 "$WEIR" replay --rules "$seed" --all-updates "$TMP/events"
jq -r .kind "$TMP/out" | sed -n '1p;$p' | tr '\n' ' ' >"$TMP/got"
is got "raised resolved "

# A site without endpoint events: flows alone alert, and every connection is counted once.
run 0 "$WEIR" replay --rules "$seed" "$pcap"
[ "$(wc -l <"$TMP/out")" -gt 0 ] || fail "lab.pcap alone raises no alert"
run 0 "$WEIR" query -i "$pcap" -f jsonl "DeviceNetworkEvents | summarize n = count() by LocalIP, RemoteIP, RemotePort"
jq -r '"\(.LocalIP) \(.RemoteIP) \(.RemotePort) \(.n)"' "$TMP/out" | sort >"$TMP/rows"
awk '$1 == "lab.pcap" { n[$4 " " $6 " " $7]++ } END { for (k in n) print k, n[k] }' "$MAIL/sessions.tsv" | sort \
    >"$TMP/sessions"
same "$TMP/sessions" "$TMP/rows"
finish
