#!/usr/bin/env python3
"""Moves the lab capture and its endpoint events to the present, both by the same offset, so that rules with
ago(24h) see them as fresh: lab_shift.py LAB_DIR OUT_DIR. The last packet ends up ten seconds ago."""
import calendar
import json
import struct
import sys
import time


def parse(text):
    base, _, fraction = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(base, "%Y-%m-%dT%H:%M:%S")) * 1_000_000 + int((fraction + "000000")[:6])


def show(us):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(us // 1_000_000)) + ".%06dZ" % (us % 1_000_000)


def main():
    lab, out = sys.argv[1:3]
    data = bytearray(open(lab + "/lab.pcap", "rb").read())
    if data[:4] != b"\xd4\xc3\xb2\xa1":
        sys.exit(lab + "/lab.pcap: not a little-endian pcap file with microseconds")
    places, at = [], 24
    while at + 16 <= len(data):
        places.append(at)
        at += 16 + struct.unpack_from("<I", data, at + 8)[0]
    seconds, micros = struct.unpack_from("<II", data, places[-1])
    offset = int(time.time() * 1_000_000) - 10_000_000 - (seconds * 1_000_000 + micros)
    for place in places:
        seconds, micros = struct.unpack_from("<II", data, place)
        struct.pack_into("<II", data, place, *divmod(seconds * 1_000_000 + micros + offset, 1_000_000))
    open(out + "/lab.pcap", "wb").write(data)
    with open(out + "/lab-endpoint.jsonl", "w", encoding="utf-8") as lines:
        for line in open(lab + "/lab-endpoint.jsonl", encoding="utf-8"):
            event = json.loads(line)
            event["time"] = show(parse(event["time"]) + offset)
            event["properties"]["Timestamp"] = show(parse(event["properties"]["Timestamp"]) + offset)
            lines.write(json.dumps(event, separators=(",", ":")) + "\n")
    print(offset)


main()
