# The detection that weir exists for, on IPFIX alone: what Cisco Secure Client (NVM) sends names process, account and
# device, so no endpoint agent and no log is needed.
. "$(dirname "$0")/lib.sh"
seed=$SRC/tests/data/rules/T1071.003.kql
nvm=$SRC/tests/data/flow/ona-nvzflow

# The real packets, as they are: one flow, to port 53.
cat "$nvm/template_message.ipfix" "$nvm/data_message_262.ipfix" "$nvm/data_message_267.ipfix" >"$TMP/real.ipfix"
run 0 "$WEIR" query -i "$TMP/real.ipfix" -f jsonl "DeviceNetworkEvents | project DeviceName, DeviceId, InitiatingProcessFileName,
    InitiatingProcessAccountDomain, AccountName, InitiatingProcessParentFileName, InitiatingProcessSHA256, LocalIP, RemotePort, SentBytes,
    ReceivedBytes, ActionType, Type"
is out '{"DeviceName":"STATION-102010","DeviceId":"4ca7d9a79889dc4f18b4cd1b7e9f7e25d0c866a4","InitiatingProcessFileName":"svchost.exe","InitiatingProcessAccountDomain":"NT AUTHORITY","AccountName":"NETWORK SERVICE","InitiatingProcessParentFileName":"services.exe","InitiatingProcessSHA256":"740a46a0f5e0e8c933efd28c9901e54e42792619a8a3a6d11e1f0025a7324bc2","LocalIP":"192.168.0.10","RemotePort":53,"SentBytes":41,"ReceivedBytes":100,"ActionType":"ConnectionSuccess","Type":"DeviceNetworkEvents"}'

run 0 "$WEIR" query -i "$TMP/real.ipfix" -f jsonl "Flows | project processName, userName, virtualStationName,
    module = tostring(Fields.nvzFlowModuleNameList[1]), modules = array_length(Fields.nvzFlowModuleNameList)"
is out '{"processName":"svchost.exe","userName":"dummy11","virtualStationName":"STATION-102010","module":"dhcpcore.dll","modules":10}'

# The same templates and records with mail ports: what the rule is about.
python3 "$SRC/tests/cli/nvm_export.py" "$nvm" "$TMP/nvm.pcap" || fail "cannot write nvm.pcap"
cat >"$TMP/expected" <<'END'
["STATION-102010","alice","powershell.exe","198.51.100.25","SMTP",587,4,1,164]
["STATION-102011","bob","evil.exe","198.51.100.25","SMTP",25,3,1,123]
END
run 0 "$WEIR" query -i "$TMP/nvm.pcap" -f jsonl "@$seed"
jq -c '[.DeviceName, .AccountName, .InitiatingProcessFileName, .RemoteIP, .Protocol, .RemotePort, .ConnectionCount, .UniqueRemoteIPs, .BytesSent]' \
    "$TMP/out" >"$TMP/rows"
same "$TMP/expected" "$TMP/rows"
for n in 1 2048; do
    run 0 "$WEIR" replay --rules "$seed" --batch-rows $n "$TMP/nvm.pcap"
    has err "2 alerts"
    jq -c '.columns | [.DeviceName, .AccountName, .InitiatingProcessFileName, .RemoteIP, .Protocol, .RemotePort, .ConnectionCount, .UniqueRemoteIPs, .BytesSent]' \
        "$TMP/out" | sort >"$TMP/rows"
    same "$TMP/expected" "$TMP/rows"
done

# An endpoint source beside it changes nothing: a flow that names its process waits for no event.
head -n 3 "$MAIL/lab-endpoint.jsonl" >"$TMP/other.jsonl"
run 0 "$WEIR" replay --rules "$seed" "$TMP/nvm.pcap" "$TMP/other.jsonl"
jq -r '.columns.InitiatingProcessFileName' "$TMP/out" | sort | tr '\n' ' ' >"$TMP/names"
is names "evil.exe powershell.exe "
finish
