"""audit_check.py all|decided AUSEARCH ROWS: what `ausearch -i` says of connections and processes beside weir's rows (JSON lines,
rows or alerts). decided: without processes, and without connections that are still under way."""
import json
import re
import sys

which, ausearch, rows = sys.argv[1:]
want = set()
for block in open(ausearch, encoding="utf-8").read().split("----\n"):
    one = {m[1]: m[2].rstrip() for m in re.finditer(r"^type=(\w+) msg=audit\([^)]*\) : (.*)$", block, re.M)}
    call = one.get("SYSCALL", "")
    if not call:
        continue
    get = lambda name: re.search(r"\b%s=(.*?)(?= \w+=|$)" % name, call)[1]
    who = (get("exe"), get("pid"))
    if get("syscall") == "execve" and which == "all":
        line = re.search(r"argc=\d+ a0=(.*) a1=(.*) a2=(.*)", one["EXECVE"])
        want.add(who + (get("ppid"), " ".join(line.groups()), get("uid")))
    place = re.search(r"laddr=(\S+) lport=(\d+)", one.get("SOCKADDR", ""))
    action = {"0": "ConnectionSuccess", "EINPROGRESS(Operation now in progress)": "ConnectionRequest"}.get(get("exit"), "ConnectionFailed")
    if get("syscall") == "connect" and place and not (which == "decided" and action == "ConnectionRequest"):
        want.add((place[1], place[2], action) + who + (one["PROCTITLE"].removeprefix("proctitle="), get("uid")))
have = set()
for text in open(rows, encoding="utf-8"):
    row = json.loads(text)
    row = row.get("columns", row)
    names = ["RemoteIP", "RemotePort", "ActionType", "InitiatingProcessFolderPath", "InitiatingProcessId",
             "InitiatingProcessCommandLine", "AccountName"]
    if "FolderPath" in row:
        names = ["FolderPath", "ProcessId", "InitiatingProcessId", "ProcessCommandLine", "AccountName"]
    if all(n in row for n in names):
        have.add(tuple(str(row[n]) for n in names))
for row in sorted(want - have)[:5]:
    print("only ausearch:", row)
for row in sorted(have - want)[:5]:
    print("only weir:", row)
print(len(want), "expected,", len(have), "found")
sys.exit(want != have or not want)
