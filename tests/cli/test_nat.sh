# The lab with its router outside of a translation: the flows show one pool address and other ports, the endpoints' events
# the inside. By whatever tells of the translation, and whether before the flows or after, the detection is the same.
. "$(dirname "$0")/lib.sh"
seed=$SRC/tests/data/rules/T1071.003.kql
canon='def t: sub("(?<a>\\.[0-9]{6})0Z$"; "\(.a)Z"); map(.LastSeen |= t) | sort_by(.DeviceName, .RemotePort) | .[]'
jq -cS "$canon" "$MAIL/lab-seed-rows.json" >"$TMP/expected"

for kind in nel late blocks cef leef; do
    python3 "$SRC/tests/cli/export_pcap.py" "$MAIL" "$TMP/$kind.pcap" $kind || fail "cannot write $kind.pcap"
    run 0 "$WEIR" query -i "$TMP/$kind.pcap" -f jsonl "@$seed"
    jq -cs "$canon" "$TMP/out" | jq -cS . >"$TMP/rows"
    same "$TMP/expected" "$TMP/rows"
    run 0 "$WEIR" replay --rules "$seed" "$TMP/$kind.pcap"
    jq -cS '.columns' "$TMP/out" | jq -cs "$canon" | jq -cS . >"$TMP/rows"
    same "$TMP/expected" "$TMP/rows"
    run 0 "$WEIR" query -i "$TMP/$kind.pcap" -f csv 'DeviceNetworkEvents | summarize n = count() by MatchQuality'
    # ports that a test host used again within seconds are told from each other by the NAT's, so nothing is doubtful
    has out "nat,"
    grep -q '^exact' "$TMP/out" && fail "$kind: no flow was seen inside"
done

# Where nothing is told of it no flow meets its event, and the bytes are missing.
python3 - "$TMP/nel.pcap" "$TMP/untold.pcap" <<'END'
import struct, sys
data = open(sys.argv[1], "rb").read()
out, at = data[:24], 24
while at < len(data):
    n = struct.unpack("<I", data[at + 8:at + 12])[0]
    if data[at + 16 + 26:at + 16 + 30] != bytes((192, 0, 2, 4)):
        out += data[at:at + 16 + n]
    at += 16 + n
open(sys.argv[2], "wb").write(out)
END
run 0 "$WEIR" query -i "$TMP/untold.pcap" -f jsonl 'DeviceNetworkEvents | summarize sum(SentBytes) by MatchQuality'
is out '{"MatchQuality":"none","sum_SentBytes":0}'
finish
