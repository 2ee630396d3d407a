#!/usr/bin/env python3
"""`weir query` beside DuckDB on the same JSON lines and the same questions, in one run on the same machine.

  query.py [--lines N] [--runs N] [--quick] [--build DIR]

Data set: N (10,000,000) lines as Zeek writes dns.log, made here (367 bytes a line, 5,120 clients, 1,003 names), in DIR. Each
question runs RUNS (5) times with either program in turn, the answers must be equal; printed are the best wall times of the
whole program, their ratio, and what each took of processor time. DuckDB is the one of PyPI, in DIR/duckdb, put there when it
is missing; without it the script ends with 77. --quick: 200,000 lines, 3 runs."""
import argparse, json, os, random, resource, subprocess, sys, time

QUESTIONS = [
    ("filter and count",
     'ASimDnsActivityLogs | where DnsQueryTypeName == "TXT" and DnsResponseCode == 3 | count',
     "select count(*) from t where qtype_name = 'TXT' and rcode = 3"),
    ("summarize by 2 keys",
     'ASimDnsActivityLogs | summarize n = count(), s = sum(SrcPortNumber) by DnsQueryTypeName, DnsResponseCodeName | sort by DnsQueryTypeName asc, DnsResponseCodeName asc',
     "select qtype_name, rcode_name, count(*), sum(\"id.orig_p\")::bigint from t group by all order by 1, 2"),
    ("top talkers",
     'ASimDnsActivityLogs | summarize n = count() by SrcIpAddr, DnsQuery | sort by n desc, SrcIpAddr asc, DnsQuery asc | take 10',
     "select \"id.orig_h\", query, count(*) n from t group by all order by n desc, 1, 2 limit 10"),
]
DUCK = """
import duckdb, json, sys
file, sql = sys.argv[1:]
duckdb.sql("set enable_progress_bar = false")
duckdb.sql("create view t as from read_json('%s', format = 'newline_delimited')" % file)
print(json.dumps([list(r) for r in duckdb.sql(sql).fetchall()]))
"""


def make(path, lines):
    if os.path.exists(path):
        return
    rng = random.Random(7)
    types = [(1, "A")] * 6 + [(28, "AAAA")] * 2 + [(15, "MX"), (16, "TXT")]
    names = ["www.example.org", "mail.example.com", "api.vendor.example"]
    line = ('{"ts":%.6f,"uid":"C%012x","id.orig_h":"10.1.%d.%d","id.orig_p":%d,"id.resp_h":"192.0.2.%d","id.resp_p":53,"proto":"udp","trans_id":%d,'
            '"rtt":%.6f,"query":"%s","qclass":1,"qclass_name":"C_INTERNET","qtype":%d,"qtype_name":"%s","rcode":%d,"rcode_name":"%s","AA":false,"TC":false,'
            '"RD":true,"RA":true,"Z":0,"rejected":false}\n')
    with open(path + ".new", "w") as f:
        for i in range(lines):
            r = rng.getrandbits(64)
            qtype, qname = types[r % 10]
            name = names[r % 3] if r >> 4 & 1 else "%s%d.example.net" % ("cdn" if r >> 5 & 1 else "host", (r >> 6) % 500)
            bad = (r >> 16) % 10 == 0
            f.write(line % (1764000000 + i / 1000, r >> 16, (r >> 20) % 20, r >> 28 & 255, 1024 + (r >> 30) % 60000, r >> 40 & 3, r >> 42 & 65535,
                            (r >> 44) / (1 << 20), name, qtype, qname, 3 if bad else 0, "NXDOMAIN" if bad else "NOERROR"))
    os.rename(path + ".new", path)


def duckdb(build):
    python = os.path.join(build, "duckdb", "bin", "python")
    if not os.path.exists(python):
        venv = [sys.executable, "-m", "venv", os.path.join(build, "duckdb")]
        if subprocess.run(venv).returncode or subprocess.run([python, "-m", "pip", "-q", "install", "duckdb"]).returncode:
            return None
    return python if subprocess.run([python, "-c", "import duckdb"], stderr=subprocess.DEVNULL).returncode == 0 else None


def once(command):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, json.loads(done.stdout)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--lines", type=int, default=10000000)
    args.add_argument("--runs", type=int, default=5)
    args.add_argument("--quick", action="store_true")
    args.add_argument("--build", default="build/release")
    args = args.parse_args()
    if args.quick:
        args.lines, args.runs = 200000, 3
    python = duckdb(args.build)
    if not python:
        print("no DuckDB: it cannot be installed here")
        return 77
    path = os.path.join(args.build, "query-%d.jsonl" % args.lines)
    make(path, args.lines)
    weir = os.path.join(args.build, "weir")
    worst = 0
    for name, kql, sql in QUESTIONS:
        runs = {"weir": [], "duckdb": []}
        for _ in range(args.runs):
            wall, cpu, answer = once([weir, "query", "-i", path, "-f", "json", kql])
            runs["weir"].append((wall, cpu))
            answer = answer["rows"]
            wall, cpu, want = once([python, "-c", DUCK, path, sql])
            runs["duckdb"].append((wall, cpu))
            if answer != want:
                print("answers differ:", name, answer, want, sep="\n")
                return 1
        (w, wc), (d, dc) = ((min(r[0] for r in runs[k]), min(r[1] for r in runs[k])) for k in ("weir", "duckdb"))
        worst = max(worst, w / d)
        print("%s: lines=%d weir=%.2f s duckdb=%.2f s ratio=%.2f (processor time %.2f and %.2f s: %.2f)" % (name, args.lines, w, d, w / d, wc, dc, wc / dc))
    print("worst ratio=%.2f (goal: at most 1)" % worst)
    return 0


if __name__ == "__main__":
    sys.exit(main())
