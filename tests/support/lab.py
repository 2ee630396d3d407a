#!/usr/bin/env python3
"""Holds alerts of a run over the lab capture against what the lab says they must be.

lab.py rows ALERTS.jsonl LAB_DIR OFFSET_US   the six rows of lab-seed-rows.json (moved by OFFSET_US), one alert each
lab.py flows ALERTS.jsonl LAB_DIR            network only: a group per server and port, connections as in sessions.tsv
Alerts of the seed rule: the last version of each alert_id counts. Prints what differs and exits 1.
"""
import calendar
import collections
import csv
import json
import sys
import time

SEED = "7c1f2c4e-6d0b-4c53-9a1c-5e0f71071003"  # the library's other rules run on a schedule: what they say hangs on the clock
MAIL = {25, 465, 587, 110, 995, 143, 993}


def micros(text):
    base, _, fraction = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(base, "%Y-%m-%dT%H:%M:%S")) * 1_000_000 + int((fraction + "000000")[:6])


def last_versions(path):
    """alert_id -> columns; an id and seq that come twice are a fault unless they are byte for byte the same."""
    seen, last = {}, {}
    for line in open(path, encoding="utf-8"):
        alert = json.loads(line)
        key = (alert["alert_id"], alert["seq"])
        if key in seen and seen[key] != line:
            sys.exit("alert %s came twice with different content" % (key,))
        seen[key] = line
        if alert["rule_id"] != SEED or alert["kind"] == "resolved":
            continue
        if alert["seq"] >= last.get(alert["alert_id"], (-1, None))[0]:
            last[alert["alert_id"]] = (alert["seq"], alert["columns"])
    return [columns for _, columns in last.values()]


def row_key(row, offset):
    row = dict(row)
    row["LastSeen"] = micros(row["LastSeen"]) + offset
    return tuple(sorted(row.items()))


def same(got, want):
    missing, extra = want - got, got - want
    for word, rows in (("missing", missing), ("not expected", extra)):
        for row in rows.elements():
            print(word, dict(row) if isinstance(row, tuple) and isinstance(row[0], tuple) else row)
    return not missing and not extra


def rows(alerts, lab, offset):
    want = collections.Counter(row_key(r, int(offset)) for r in json.load(open(lab + "/lab-seed-rows.json")))
    got = collections.Counter(row_key(r, 0) for r in last_versions(alerts))
    return same(got, want)


def flows(alerts, lab):
    want = collections.Counter()
    with open(lab + "/sessions.tsv", encoding="utf-8") as table:
        for s in csv.DictReader(table, delimiter="\t"):
            if s["file"] == "lab.pcap" and int(s["dport"]) in MAIL and int(s["packets_down"]):
                want[(s["src"], s["dst"], int(s["dport"]))] += 1
    want = collections.Counter({(*k, n): 1 for k, n in want.items() if n > 2})
    got = collections.Counter((c["DeviceName"], c["RemoteIP"], c["RemotePort"], c["ConnectionCount"])
                              for c in last_versions(alerts))
    return same(got, want)


sys.exit(0 if {"rows": rows, "flows": flows}[sys.argv[1]](*sys.argv[2:]) else 1)
