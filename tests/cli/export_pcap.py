"""Writes a pcap of what a router (NetFlow v5) and endpoints (syslog, RFC 5424) would have sent to a collector about the
lab: each connection of sessions.tsv as two records after its end, each line of lab-endpoint.jsonl as a datagram.

    export_pcap.py MAIL_FOLDER OUTPUT [nel|late|blocks|cef|leef]

With a third word the router stands outside of a translation (POOL, other ports), of which is told by Cisco's NAT44 events
(nel; late: after the flows), by port blocks (blocks), or by a firewall's line at the end of each connection (cef, leef).
"""
import datetime
import json
import socket
import struct
import sys

COLLECTOR, ROUTER, RELAY, NAT = "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"
POOL = "198.51.100.9"


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


NEL_FIELDS = ((323, 8), (8, 4), (225, 4), (12, 4), (226, 4), (7, 2), (227, 2), (11, 2), (228, 2), (234, 4), (4, 1), (230, 1))
BLOCK_FIELDS = ((323, 8), (8, 4), (225, 4), (361, 2), (362, 2), (230, 1))


def netflow9(when, sequence, *sets):
    body = b"".join(struct.pack(">HH", i, 4 + len(data)) + data for i, data in sets)
    return struct.pack(">HHIIII", 9, len(sets), 1000, int(when), sequence, 7) + body


def template(number, fields):
    return 0, struct.pack(">HH", number, len(fields)) + b"".join(struct.pack(">HH", *field) for field in fields)


def nel(session, port, when, event):
    """One event of NAT44: 4 begins, 5 ends."""
    src, dst = socket.inet_aton(session["src"]), socket.inet_aton(session["dst"])
    return struct.pack(">Q4s4s4s4sHHHHIBB", int(when * 1000), src, socket.inet_aton(POOL), dst, dst,
                       int(session["sport"]), port, int(session["dport"]), int(session["dport"]), 0, 6, event)


def firewall(session, port, sent, kind):
    """A connection's end in a firewall's log."""
    stamp = datetime.datetime.fromtimestamp(sent, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    s = dict(session, pool=POOL, port=port, ms=int(session["start"] * 1000))
    if kind == "cef":
        text = ("CEF:0|Vendor|Firewall|1|100|traffic end|3|src={src} spt={sport} dst={dst} dpt={dport} proto=TCP start={ms} "
                "sourceTranslatedAddress={pool} sourceTranslatedPort={port}").format(**s)
    else: # without a start
        text = ("LEEF:1.0|Vendor|Firewall|1|end|" + "\t".join(
            ("src={src}", "srcPort={sport}", "dst={dst}", "dstPort={dport}", "proto=TCP", "srcPostNAT={pool}",
             "srcPostNATPort={port}"))).format(**s)
    return f"<134>1 {stamp} fw1 fw - - - {text}".encode()


def translation(kind, session, port, sequence):
    """What is told of a connection's translation: when, and the datagram."""
    end = session["start"] + float(session["duration_s"])
    if kind in ("nel", "late"):
        wait = 1 if kind == "late" else 0
        for when, event in ((session["start"], 4), (end, 5)):
            told = netflow9(when, sequence, template(259, NEL_FIELDS), (259, nel(session, port, when, event)))
            yield when + wait, datagram(NAT, COLLECTOR, 40002, 2055, told)
    elif kind == "blocks":
        host = int(session["src"].split(".")[3])
        record = struct.pack(">Q4s4sHHB", int((session["start"] - 60) * 1000), socket.inet_aton(session["src"]),
                             socket.inet_aton(POOL), host * 512, host * 512 + 511, 16)
        told = netflow9(session["start"], sequence, template(260, BLOCK_FIELDS), (260, record))
        yield session["start"] - 60, datagram(NAT, COLLECTOR, 40002, 2055, told)
    elif kind:
        yield end + 0.1, datagram(NAT, COLLECTOR, 40003, 514, firewall(session, port, end + 0.1, kind))


def main(mail, output, kind=""):
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
        port = int(session["src"].split(".")[3]) * 512 + i % 512 # as if ports were not used again
        packets += translation(kind, session, port, i)
        if kind:
            session.update(src=POOL, sport=port)
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
