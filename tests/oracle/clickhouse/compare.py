"""Windowed aggregates in KQL by weir and in SQL by ClickHouse (chDB) over the same random events: the same rows, at several times.

    compare.py WEIR FOLDER [EVENTS [SEED]]

Batch results come from `weir query --now T`; at the end of the stream `weir replay` must raise an alert for each row of the last one.
"""
import json
import math
import os
import random
import subprocess
import sys

import chdb

WEIR, FOLDER = sys.argv[1:3]
EVENTS = int(sys.argv[3]) if len(sys.argv) > 3 else 20000
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else 1
START = 1767600000  # 2026-01-05 08:00:00
SPAN = 6 * 3600

# name, KQL, SQL over e (events in the window that ends at NOW: `ts > NOW - W and ts <= NOW` is written out), columns to compare
QUERIES = [
    ("seed shape", "1h", """
DeviceNetworkEvents | where Timestamp > ago(1h) | where RemotePort in (25, 465, 587) and ActionType == "ConnectionSuccess"
| where InitiatingProcessFileName !in~ ("outlook.exe", "thunderbird.exe")
| summarize n = count(), ips = dcount(RemoteIP), first = min(Timestamp), last = max(Timestamp) by DeviceName, InitiatingProcessFileName, RemotePort
| where n > 2""", """
select DeviceName, file, port, count() n, uniqExact(ip) ips, toInt64(min(ts)), toInt64(max(ts)) from e
where port in (25, 465, 587) and action = 'ConnectionSuccess' and lower(file) not in ('outlook.exe', 'thunderbird.exe')
group by DeviceName, file, port having n > 2"""),
    ("bins", "2h", """
DeviceNetworkEvents | where Timestamp > ago(2h)
| summarize n = count(), fails = countif(ActionType == "ConnectionFailed"), s = sum(InitiatingProcessId), a = avg(InitiatingProcessId)
    by bin(Timestamp, 10m)""", """
select intDiv(toInt64(ts), 600000000) * 600000000 b, count(), countIf(action = 'ConnectionFailed'), sum(pid), avg(pid) from e group by b"""),
    ("fan out", "30m", """
DeviceNetworkEvents | where Timestamp > ago(30m) | where isnotempty(InitiatingProcessFileName)
| summarize servers = dcount(strcat(RemoteIP, ":", tostring(RemotePort))), n = count(), top = max(InitiatingProcessId), low = min(InitiatingProcessId)
    by DeviceName | where servers >= 5""", """
select DeviceName, uniqExact(concat(ip, ':', toString(port))) servers, count(), max(pid), min(pid) from e where file != ''
group by DeviceName having servers >= 5"""),
    ("two levels", "4h", """
DeviceNetworkEvents | where Timestamp > ago(4h) | summarize n = count() by DeviceName, RemoteIP
| summarize m = max(n), devices = dcount(DeviceName), all = sum(n), v = stdev(n) by RemoteIP""", """
select ip, max(n), uniqExact(DeviceName), sum(n), stddevSamp(n) from (select DeviceName, ip, count() n from e group by DeviceName, ip) group by ip"""),
    ("lists", "1h", """
DeviceNetworkEvents | where Timestamp > ago(1h)
| summarize ports = array_sort_asc(make_set(RemotePort)), p = percentile(InitiatingProcessId, 50), some = make_set_if(RemoteIP, RemotePort == 25) by DeviceName
| project DeviceName, tostring(ports), p, array_length(some)""", """
select DeviceName, replaceAll(toString(arraySort(groupUniqArray(port))), ' ', ''), quantileExactLow(0.5)(pid), uniqExactIf(ip, port = 25) from e group by DeviceName"""),
    ("first of", "3h", """
DeviceNetworkEvents | where Timestamp > ago(3h)
| summarize arg_max(Timestamp, RemoteIP, RemotePort) by InitiatingProcessFileName""", """
select file, toInt64(max(ts)), argMax(ip, ts), argMax(port, ts) from e group by file"""),
]


def events():
    rnd = random.Random(SEED)
    files = ["outlook.exe", "Outlook.EXE", "python.exe", "powershell.exe", "svchost.exe", ""]
    out = []
    for i in range(EVENTS):
        out.append(dict(ts=START * 1000000 + rnd.randrange(SPAN * 1000000), device=f"ws-{min(int(rnd.expovariate(0.1)), 40)}",
                        file=rnd.choice(files), ip=f"203.0.113.{rnd.randrange(30)}", port=rnd.choice([25, 465, 587, 443, 993]),
                        action=rnd.choice(["ConnectionSuccess"] * 3 + ["ConnectionFailed"]), pid=rnd.randrange(1, 60000),
                        lport=1024 + i % 60000, lip=f"10.{i // 60000}.0.1"))
    for i, e in enumerate(sorted(out, key=lambda e: e["ts"])):
        e["ts"] += i % 7 == 0  # odd microseconds
    return out


def iso(us):
    import datetime
    return datetime.datetime.fromtimestamp(us / 1e6, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def write(rows, path):
    with open(path, "w") as f:
        for e in rows:
            f.write(json.dumps({"category": "AdvancedHunting-DeviceNetworkEvents", "time": iso(e["ts"]), "properties": {
                "Timestamp": iso(e["ts"]), "DeviceName": e["device"], "ActionType": e["action"], "RemoteIP": e["ip"], "RemotePort": e["port"],
                "LocalIP": e["lip"], "LocalPort": e["lport"], "Protocol": "Tcp", "InitiatingProcessFileName": e["file"],
                "InitiatingProcessId": e["pid"]}}) + "\n")


def cell(type_, v):
    if v is None:
        return None
    if type_ == "datetime":  # ISO text to microseconds
        import datetime
        t = datetime.datetime.strptime(v[:26].rstrip("Z") + "+0000", "%Y-%m-%dT%H:%M:%S.%f%z")
        return round(t.timestamp() * 1e6)
    return float(v) if type_ in ("real", "long", "int") else v


def key(row):
    return [str(c) if not isinstance(c, float) else f"{c:.6f}" for c in row]


def same(a, b):
    if isinstance(a, float) and isinstance(b, (int, float)):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    return a == b


def weir_rows(kql, data, now):
    r = subprocess.run([WEIR, "query", "--format", "json", "--input", data, "--now", iso(now), kql], capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"weir query failed: {r.stderr}\n{kql}")
    res = json.loads(r.stdout)
    return [[cell(c["type"], v) for c, v in zip(res["columns"], row)] for row in res["rows"]]


def sql_rows(sql, rows, window, now):
    unit = {"m": 60, "h": 3600}[window[-1]]
    since = now - int(window[:-1]) * unit * 1000000
    inner = f"select * from file('{rows}', JSONEachRow, 'ts Int64, DeviceName String, file String, ip String, port Int64, action String, pid Int64') " \
            f"where ts > {since} and ts <= {now}"
    out = chdb.query(f"with e as ({inner}) {sql}", "JSONCompactEachRow").bytes().decode()
    return [[float(v) if isinstance(v, (int, float)) or (isinstance(v, str) and v.lstrip('-').isdigit()) else v for v in json.loads(line)]
            for line in out.splitlines()]


def main():
    rows = events()
    shown = 0
    os.makedirs(FOLDER, exist_ok=True)
    checks = 0
    for now in [START * 1000000 + int(SPAN * 1e6 * f) for f in (0.3, 0.61, 1.0)]:
        data, table = f"{FOLDER}/events.jsonl", f"{FOLDER}/rows.json"
        here = [e for e in rows if e["ts"] <= now]  # what had happened by then
        write(here, data)
        with open(table, "w") as f:
            for e in here:
                f.write(json.dumps({"ts": e["ts"], "DeviceName": e["device"], "file": e["file"], "ip": e["ip"], "port": e["port"], "action": e["action"],
                                    "pid": e["pid"]}) + "\n")
        for name, window, kql, sql in QUERIES:
            a, b = sorted(weir_rows(kql, data, now), key=key), sorted(sql_rows(sql, table, window, now), key=key)
            bad = len(a) != len(b) or any(len(x) != len(y) or not all(map(same, x, y)) for x, y in zip(a, b))
            checks += 1
            if bad:
                shown += 1
                first = next(((x, y) for x, y in zip(a, b) if not all(map(same, x, y))), None)
                print(f"{name} at {iso(now)}: weir {len(a)} rows, ClickHouse {len(b)}; first difference {first}")
    name, window, kql, sql = QUERIES[0]
    rule = f"{FOLDER}/rule.kql"
    with open(rule, "w") as f:
        f.write("// id: oracle\n// name: oracle\n" + kql)
    write(sorted(rows, key=lambda e: e["ts"]), f"{FOLDER}/events.jsonl")
    r = subprocess.run([WEIR, "replay", "--rules", rule, f"{FOLDER}/events.jsonl"], capture_output=True, text=True)
    firing = [json.loads(line) for line in r.stdout.splitlines()]
    end = max(e["ts"] for e in rows)
    want = {tuple(x[:3]): x[3] for x in sql_rows(sql, f"{FOLDER}/rows.json", window, end)}
    have = {(a["columns"]["DeviceName"], a["columns"]["InitiatingProcessFileName"], float(a["columns"]["RemotePort"])): float(a["columns"]["n"])
            for a in firing if a["kind"] != "resolved"}
    checks += 1
    missing = {k: v for k, v in want.items() if have.get(k) != v}
    if missing:
        shown += 1
        print(f"replay: {len(missing)} of {len(want)} groups that fire at the end differ, for example {next(iter(missing.items()))}; weir {have.get(next(iter(missing)))}")
    print(f"{checks - shown} passed, {shown} failed")
    sys.exit(1 if shown else 0)


main()
