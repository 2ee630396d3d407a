#!/usr/bin/env python3
"""The rule engine beside DuckDB on one core: the stateless filter and the seed's summarize, in one run on the same machine.

  engine.py [--quick] [--runs N] [--build DIR]

Either engine gets typed columns in memory: weir in batches (bench_ruleset filter, bench_rules), DuckDB as a table (the same keys
and cardinalities, `threads = 1`). Compared is processor time a row, the median of weir's program and of RUNS (5) of DuckDB.
DuckDB answers once; weir keeps a window of 24 hours that it can judge at every row. What it forgets as rows age is not in it:
the rows span 20 hours. DuckDB is the one of PyPI (query.py); without it the script ends with 77. --quick: few rows."""
import argparse, json, os, re, subprocess, sys
from query import duckdb

DUCK = """
import duckdb, json, sys, time
table, rows, groups, runs, sql = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
c = duckdb.connect(config={'threads': 1})
c.sql("set enable_progress_bar = false")
c.sql(table % {'rows': rows, 'groups': groups})
spent = []
for _ in range(runs):
    start = time.process_time()
    n = len(c.sql(sql).fetchall())
    spent.append((time.process_time() - start) / rows * 1e9)
print(json.dumps([n, sorted(spent)[runs // 2]]))
"""
GROUPED = """create table t as select timestamp '2026-01-05' + interval (i * 72000000000 // %(rows)d) microsecond as ts,
  'ws-' || (g // 4) as device, '192.0.2.' || (g %% 4) as remote, 'python3' as program, 'Tcp4' as protocol, 'user' || (g // 4) as account,
  (case when g %% 3 = 0 then 25 else 587 end)::bigint as port, (hash(i + 7) %% 100000)::bigint as sent
  from (select i, (hash(i) %% %(groups)d)::bigint as g from range(%(rows)d) r(i))"""
MIXED = """create table t as select 'program' || (case when hash(i + 1) %% 4 = 0 then hash(i + 2) %% 300 else hash(i + 2) %% 4 end) as program,
  (case when hash(i) %% 10 = 0 then 1024 + hash(i + 3) %% 60000 else list_extract([443, 443, 443, 443, 443, 443, 80, 53, 22, 587], (1 + hash(i + 4) %% 10)::int) end)::bigint as port
  from range(%(rows)d) r(i)"""
KEYS = "device, program, remote, port, protocol, account"
SUMMARIZE = ("select %s, count(*) n, count(distinct remote), sum(sent), min(ts), max(ts) from t group by %s having n > 1000000000" % (KEYS, KEYS))
# No row has either name; DuckDB's is one that the least and the greatest of a row group do not rule out.
FILTER = "select count(*) from t where port = 587 and program ilike 'Program1.exe'"


def questions(quick):
    big, small = ("20000", "2") if quick else ("1000000", "2"), ("1000", "5") if quick else ("10000", "20")
    for groups, each in (small, big):
        yield "summarize, %s groups" % groups, ["bench_rules", groups, each, "seed"], int(groups) * int(each), int(groups), GROUPED, SUMMARIZE
    yield "filter", ["bench_ruleset", "filter"], 200000 if quick else 10000000, 1, MIXED, FILTER


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--quick", action="store_true")
    args.add_argument("--runs", type=int, default=5)
    args.add_argument("--build", default="build/release")
    args = args.parse_args()
    python = duckdb(args.build)
    if not python:
        print("no DuckDB: it cannot be installed here")
        return 77
    for name, program, rows, groups, table, sql in questions(args.quick):
        program[0] = os.path.join(args.build, "tests", program[0])
        ours = subprocess.run(program, stdout=subprocess.PIPE, check=True, text=True).stdout
        weir = float(re.search(r"median=([0-9.]+)", ours).group(1))
        theirs = subprocess.run([python, "-c", DUCK, table, str(rows), str(groups), str(args.runs), sql], stdout=subprocess.PIPE, check=True)
        duck = json.loads(theirs.stdout)[1]
        print("%s: rows=%d weir=%.1f ns duckdb=%.1f ns a row: %.2f times as fast" % (name, rows, weir, duck, duck / weir))
    return 0


sys.exit(main())
