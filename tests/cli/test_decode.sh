# weir decode on the exports of real devices, and the table Flows on the same files.
. "$(dirname "$0")/lib.sh"
FLOW=$SRC/tests/data/flow

# Records as captures.tsv counts them; every line is a JSON object; the table has a row for each flow
# record and each packet that a switch told as dropped.
grep -v '^#' "$FLOW/captures.tsv" >"$TMP/captures"
while IFS='	' read -r file framing before flows options refused; do
    [ "$before" = - ] && before= || before=$(echo "$before" | sed "s#[^,]*#$FLOW/&#g; s#,# #g")
    "$WEIR" decode $before "$FLOW/$file" >"$TMP/out" 2>"$TMP/err"
    [ $? -eq $((refused > 0)) ] || fail "exit code of decode $file, with $refused refused"
    grep -E "Sanitizer|runtime error:" "$TMP/err" && fail "$file"
    jq -ce 'select(type != "object")' "$TMP/out" >"$TMP/odd" 2>&1
    [ -s "$TMP/odd" ] && fail "$file: $(head -n 1 "$TMP/odd")"
    [ -n "$before" ] && continue
    got="$(grep -cE '"_kind":"(flow|sample)"' "$TMP/out") $(grep -c '"_kind":"options"' "$TMP/out")"
    [ "$got" = "$flows $options" ] || fail "$file: flow and options records are $got, not $flows $options"
    dropped=$(grep -c '"_kind":"discard"' "$TMP/out")
    [ "$flows $refused" = "0 1" ] && continue # its only message is broken: ordinary traffic to query
    run 0 "$WEIR" query -i "$FLOW/$file" -f csv 'Flows | count'
    rows=$(tr -d '\r' <"$TMP/out" | tail -n 1)
    [ "$rows" = $((flows + dropped)) ] || fail "$file: $flows flow records, $dropped dropped packets, $rows rows of Flows"
done <"$TMP/captures"
[ "$(wc -l <"$TMP/captures")" -gt 50 ] || fail "captures.tsv is short"

# Values that the logstash project expects of a Cisco ASA: template and data are two files.
LOGSTASH=$FLOW/logstash-codec-netflow
run 0 "$WEIR" decode "$LOGSTASH/netflow9_test_cisco_asa_1_tpl.dat" "$LOGSTASH/netflow9_test_cisco_asa_1_data.dat"
jq -r 'select(.sourceIPv4Address == "192.168.14.1") | "\(._version) \(.destinationIPv4Address)"' "$TMP/out" |
    head -n 1 >"$TMP/got"
is got "9 2.2.2.11"
run 0 "$WEIR" decode "$LOGSTASH/netflow9_test_cisco_asa_1_data.dat"
has err "data sets have no template in the input"

# ICMP's type and code: NetFlow v5 has them in the port, sFlow in the packet, IPFIX where it likes.
for file in graylog-plugin-netflow/netflow5.pcap=8 ipfixcol/01-odid0.ipfix=135 telegraf/sflow_issue_15918/message.bin=143; do
    run 0 "$WEIR" query -i "$FLOW/${file%=*}" -f csv 'Flows | where protocolIdentifier in (1, 58) | take 1
        | project icmpType, icmpCode, isnull(sourceTransportPort), isnull(destinationTransportPort)'
    has out "${file#*=},0,true,true"
done

# From standard input, and a reader that goes away.
"$WEIR" decode - <"$FLOW/graylog-plugin-netflow/netflow5.pcap" >"$TMP/out" || fail "standard input"
run 0 "$WEIR" decode "$FLOW/graylog-plugin-netflow/netflow5.pcap"
cp "$TMP/out" "$TMP/file"
"$WEIR" decode - <"$FLOW/graylog-plugin-netflow/netflow5.pcap" >"$TMP/out"
same "$TMP/file" "$TMP/out"
{
    "$WEIR" decode "$FLOW"/ipfixcol/01-odid0.ipfix 2>"$TMP/err"
    echo $? >"$TMP/code"
} | head -n 1 >"$TMP/out"
[ "$(cat "$TMP/code")" -eq 0 ] || fail "exit code $(cat "$TMP/code") when the reader goes away"
finish
