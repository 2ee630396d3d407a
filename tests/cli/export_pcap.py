"""Writes a pcap of what a router (NetFlow v5) and endpoints (syslog, RFC 5424) would have sent to a collector about the
lab: each connection of sessions.tsv as two records after its end, each line of lab-endpoint.jsonl as a datagram.

    export_pcap.py MAIL_FOLDER OUTPUT
"""
import datetime
import json
import socket
import struct
import sys

COLLECTOR, ROUTER, RELAY = "192.0.2.1", "192.0.2.2", "192.0.2.3"


def datagram(src, dst, sport, dport, payload):
    udp = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                       socket.inet_aton(src), socket.inet_aton(dst))
    return b"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0" + head + udp


def netflow5(session, boot, sent, sequence):
    """Both directions of a connection; times are milliseconds since the router started."""
    first = int((session["start"] - boot) * 1000)
    last = int((session["start"] + float(session["duration_s"]) - boot) * 1000)
    uptime, records = int((sent - boot) * 1000), b""
    for up in (True, False):
        ends = ("src", "dst", "sport", "dport") if up else ("dst", "src", "dport", "sport")
        way = "up" if up else "down"
        records += socket.inet_aton(session[ends[0]]) + socket.inet_aton(session[ends[1]]) + bytes(4)
        records += struct.pack(">HHIIIIHHBBBBHHBBH", 1, 2, int(session["packets_" + way]),
                               int(session["octets_" + way]), first, last, int(session[ends[2]]),
                               int(session[ends[3]]), 0, int(session["flags_" + way], 16), 6, 0, 0, 0, 0, 0, 0)
    return struct.pack(">HHIIIIBBH", 5, 2, uptime, int(sent), int(sent % 1 * 1e9), sequence, 0, 0, 0) + records


def main(mail, output):
    with open(f"{mail}/lab.pcap", "rb") as f:
        seconds, micros = struct.unpack("<II", f.read(32)[24:32])
    began = seconds + micros / 1e6
    packets = []
    with open(f"{mail}/sessions.tsv") as f:
        names = f.readline().rstrip("\n").split("\t")
        sessions = [dict(zip(names, line.rstrip("\n").split("\t"))) for line in f]
    for i, session in enumerate(s for s in sessions if s["file"] == "lab.pcap"):
        session["start"] = began + float(session["start_s"])
        sent = session["start"] + float(session["duration_s"]) + 0.25
        packets.append((sent, datagram(ROUTER, COLLECTOR, 40000, 2055, netflow5(session, began - 3600, sent, 2 * i))))
    with open(f"{mail}/lab-endpoint.jsonl") as f:
        for line in f:
            event = json.loads(line)
            time = event["properties"]["Timestamp"]
            sent = datetime.datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp() + 0.5
            text = f"<134>1 {time} relay defender - - - {line.strip()}"
            packets.append((sent, datagram(RELAY, COLLECTOR, 40001, 514, text.encode())))
    with open(output, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for when, data in sorted(packets):
            f.write(struct.pack("<IIII", int(when), int(when % 1 * 1e6), len(data), len(data)) + data)


if __name__ == "__main__":
    main(*sys.argv[1:])
