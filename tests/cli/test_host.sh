# The lab's endpoints tell of their connections as auditd does, without their own address and port. With what a DHCP server says of
# addresses the detection is the same, to the byte; without that nothing is joined.
. "$(dirname "$0")/lib.sh"
seed=$SRC/tests/data/rules/T1071.003.kql
canon='map(.DeviceName |= split(".")[0] | .LastSeen |= .[:21]) | sort_by(.DeviceName, .RemotePort) | .[]'
jq -cS "$canon" "$MAIL/lab-seed-rows.json" >"$TMP/expected"
[ "$(wc -l <"$TMP/expected")" -eq 6 ] || fail "six rows are expected"

for exit in 0 -115; do
    python3 "$SRC/tests/cli/laurel_lab.py" "$MAIL/lab-endpoint.jsonl" "$TMP/laurel.log" $exit || fail "cannot write laurel.log"
    run 0 "$WEIR" query -i "$MAIL/lab.pcap" -i "$TMP/laurel.log" -f jsonl "@$seed"
    jq -cs "$canon" "$TMP/out" | jq -cS . >"$TMP/rows"
    same "$TMP/expected" "$TMP/rows"
    for order in "$MAIL/lab.pcap $TMP/laurel.log" "$TMP/laurel.log $MAIL/lab.pcap"; do
        run 0 "$WEIR" replay --rules "$seed" $order
        jq -cS '.columns' "$TMP/out" | jq -cs "$canon" | jq -cS . >"$TMP/rows"
        same "$TMP/expected" "$TMP/rows"
    done
    run 0 "$WEIR" query -i "$MAIL/lab.pcap" -i "$TMP/laurel.log" -f jsonl \
        'DeviceNetworkEvents | summarize n = count(), own = countif(isnotempty(LocalIP)) by MatchQuality | sort by MatchQuality asc'
    # a request has its own end from the flow, another row was there before
    [ "$exit" = 0 ] && own=0 || own=99
    is out '{"MatchQuality":"host","n":99,"own":'$own'}
{"MatchQuality":"none","n":2,"own":0}'
    run 0 "$WEIR" query -i "$MAIL/lab.pcap" -i "$TMP/laurel.log" -f jsonl \
        'ASimNetworkSessionLogs | where MatchQuality == "host" | summarize n = countif(isnotempty(SrcProcessName) and isnotempty(SrcPortNumber))'
    is out '{"n":99}'
done

grep -v DHCPACK "$TMP/laurel.log" >"$TMP/unnamed.log"
run 0 "$WEIR" query -i "$MAIL/lab.pcap" -i "$TMP/unnamed.log" -f jsonl 'DeviceNetworkEvents | summarize n = count(), sum(SentBytes) by MatchQuality'
is out '{"MatchQuality":"none","n":101,"sum_SentBytes":0}'
finish
