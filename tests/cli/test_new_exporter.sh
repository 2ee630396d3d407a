# An address that never sent flows before sends some: found from flows alone, with nothing beside them.
. "$(dirname "$0")/lib.sh"
python3 - "$TMP/flows.pcap" <<'END'
import struct, sys
START = 1700000000
def packet(at, exporter, seq):
    record = struct.pack(">4s4s4sHHIIIIHHBBBBHHBBH", b"\x0a\0\0\1", b"\xc6\x33\x64\1", b"\0" * 4, 1, 2, 1, 100, 1000, 2000, 5000, 443, 0, 24, 6, 0, 0, 0, 0, 0, 0)
    v5 = struct.pack(">HHIIIIBBH", 5, 1, 3000, at, 0, seq, 0, 0, 0) + record
    udp = struct.pack(">HHHH", 5000, 2055, 8 + len(v5), 0) + v5
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes([192, 0, 2, exporter]), bytes([192, 0, 2, 200]))
    frame = b"\0" * 12 + b"\x08\0" + ip + udp
    return struct.pack("<IIII", at, 0, len(frame), len(frame)) + frame
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    for minute in range(0, 180, 10):
        for n, (exporter, since) in enumerate([(1, 0), (2, 20), (9, 160)]):
            if minute >= since:
                f.write(packet(START + 60 * minute + n, exporter, (minute - since) // 10))
END
now=$(date -u -d @$((1700000000 + 180 * 60)) +%Y-%m-%dT%H:%M:%SZ)
query='Flows | where Timestamp > ago(30m) | summarize Flows = count() by Exporter
    | join kind=leftanti (Flows | where Timestamp between (ago(14d) .. ago(30m)) | distinct Exporter) on Exporter'
for n in 1 3 2048; do
    run 0 "$WEIR" query -i "$TMP/flows.pcap" --now "$now" --batch-rows $n -f jsonl "$query"
    is out '{"Exporter":"192.0.2.9","Flows":2}'
done
# Half an hour before, it had sent nothing: nobody is new.
run 0 "$WEIR" query -i "$TMP/flows.pcap" --now "$(date -u -d @$((1700000000 + 159 * 60)) +%Y-%m-%dT%H:%M:%SZ)" -f jsonl \
    "Flows | where Timestamp <= now() | where Timestamp > ago(30m) | distinct Exporter
    | join kind=leftanti (Flows | where Timestamp between (ago(14d) .. ago(30m)) | distinct Exporter) on Exporter"
is out ''
finish
