# ASimNetworkSessionLogs of the lab: counts and bytes of sessions.tsv, from packets, from NetFlow and syslog, in a query
# and as rules that sum what is amended.
. "$(dirname "$0")/lib.sh"

awk -F'\t' 'NR == 1 {for (i = 1; i <= NF; i++) c[$i] = i; next}
    $1 == "lab.pcap" {p = $c["dport"]; n[p]++; u[p] += $c["octets_up"]; d[p] += $c["octets_down"]
                      a[p] += $c["packets_up"]; b[p] += $c["packets_down"]}
    END {for (p in n) print p "," n[p] "," u[p] "," d[p] "," a[p] "," b[p]}' "$MAIL/sessions.tsv" | sort -n >"$TMP/want"
[ "$(wc -l <"$TMP/want")" -eq 5 ] || fail "five ports are expected"

q='ASimNetworkSessionLogs
| where NetworkProtocol == "TCP" and NetworkDirection == "Outbound"
| where DstPortNumber in (25, 110, 143, 587, 4444)
| summarize Sessions = count(), Up = sum(SrcBytes), Down = sum(DstBytes), UpPackets = sum(SrcPackets),
            DownPackets = sum(DstPackets) by DstPortNumber'

for in in "$MAIL/lab.pcap" "$MAIL/lab-exports.pcap"; do
    run 0 "$WEIR" query -i "$in" -f csv "$q"
    tail -n +2 "$TMP/out" | tr -d '\r' | sort -n >"$TMP/got"
    same "$TMP/want" "$TMP/got"
    run 0 "$WEIR" query -i "$in" -i "$MAIL/lab-endpoint.jsonl" -f csv "$q"
    tail -n +2 "$TMP/out" | tr -d '\r' | sort -n >"$TMP/got"
    same "$TMP/want" "$TMP/got"
done

# The window is longer than the lab; every group is told when it crosses and again at the end.
printf '// id: sessions\n// name: sessions\nASimNetworkSessionLogs\n| where TimeGenerated > ago(1d)\n%s | where Sessions > 0\n' \
    "$(echo "$q" | tail -n +3)" >"$TMP/sessions.kql"
run 0 "$WEIR" replay --rules "$TMP/sessions.kql" "$MAIL/lab.pcap" "$MAIL/lab-endpoint.jsonl"
jq -r '.columns | [.DstPortNumber, .Sessions, .Up, .Down, .UpPackets, .DownPackets] | @csv' "$TMP/out" | sort -n >"$TMP/got"
same "$TMP/want" "$TMP/got"

# Who did it comes with the event; the exporter stands for itself where there is none.
run 0 "$WEIR" query -i "$MAIL/lab-exports.pcap" -f csv 'ASimNetworkSessionLogs
| summarize count(), take_any(Dvc) by EventType, isempty(SrcUsername), isempty(SrcProcessName) | sort by count_ desc'
has out "EndpointNetworkSession,false,false,101,"
has out "NetworkSession,true,true,2,192.0.2.2"
# The two connections of a host that has an agent, of which it told nothing.
run 0 "$WEIR" query -i "$MAIL/lab.pcap" -i "$MAIL/lab-endpoint.jsonl" -f csv \
    'union UnmanagedDevice, HiddenConnection, AgentSilent
    | summarize count() by Type, DeviceName, RemotePort, Confidence'
has out "HiddenConnection,lab-ws10.lab.example,587,high,2"
[ "$(wc -l <"$TMP/out")" -eq 2 ] || fail "more than the hidden connections"

# What network sensors say that a connection carries: Zeek's list, Suricata's label before STARTTLS, and none that failed.
cat >"$TMP/in" <<'EOF'
{"ts":1700000000.1,"id.orig_h":"10.1.2.3","id.orig_p":1,"id.resp_h":"203.0.113.25","id.resp_p":2525,"proto":"tcp","service":"ssl,smtp,-gssapi","conn_state":"SF"}
{"event_type":"flow","src_ip":"10.1.2.3","src_port":2,"dest_ip":"203.0.113.25","dest_port":587,"proto":"TCP","app_proto":"tls","app_proto_orig":"smtp","flow":{"start":"2023-11-14T22:13:21.1+0000","state":"closed"}}
{"event_type":"flow","src_ip":"10.1.2.3","src_port":3,"dest_ip":"203.0.113.25","dest_port":587,"proto":"TCP","app_proto":"failed","flow":{"start":"2023-11-14T22:13:21.1+0000","state":"closed"}}
{"ts":1700000000.1,"id.orig_h":"10.1.2.3","id.orig_p":4,"id.resp_h":"203.0.113.25","id.resp_p":53,"proto":"udp","service":"dns","conn_state":"SF"}
EOF
run 0 "$WEIR" query -i "$TMP/in" -f csv 'ASimNetworkSessionLogs | project SrcPortNumber, NetworkApplicationProtocol | sort by SrcPortNumber asc'
tr -d '\r' <"$TMP/out" >"$TMP/got"
is got 'SrcPortNumber,NetworkApplicationProtocol
1,smtp
2,smtp
3,
4,dns'
finish
