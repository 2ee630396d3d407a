"""laurel_lab.py ENDPOINT.jsonl OUT EXIT: the lab's endpoint events as auditd tells them by laurel: who connected where, not from
which address and port. Which host has which address a DHCP server says."""
import datetime
import json
import sys

source, out, code = sys.argv[1:4]
names = {}
lines = []
for n, line in enumerate(open(source, encoding="utf-8")):
    p = json.loads(line)["properties"]
    time = datetime.datetime.fromisoformat(p["Timestamp"].replace("Z", "+00:00")).timestamp()
    host = p["DeviceName"].split(".")[0]
    names[p["LocalIP"]] = host
    first = time if n == 0 else first
    accept = p["ActionType"] == "InboundConnectionAccepted"
    failed = p["ActionType"] == "ConnectionFailed"
    lines.append({"ID": "%.3f:%d" % (time, n + 1), "NODE": host,
                  "SYSCALL": {"success": "no" if failed else "yes", "exit": 7 if accept else -111 if failed else int(code),
                              "pid": p["InitiatingProcessId"], "exe": "/opt/" + p["InitiatingProcessFileName"],
                              "SYSCALL": "accept4" if accept else "connect", "UID": p["InitiatingProcessAccountName"]},
                  "SOCKADDR": [{"SADDR": {"saddr_fam": "inet6" if ":" in p["RemoteIP"] else "inet", "addr": p["RemoteIP"],
                                          "port": p["RemotePort"]}}]})
with open(out, "w", encoding="utf-8") as f:
    when = datetime.datetime.fromtimestamp(first - 60, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    for addr, host in sorted(names.items()):
        f.write("<30>1 %s gw dnsmasq-dhcp 7 - - DHCPACK(eth1) %s 02:00:00:00:00:01 %s\n" % (when, addr, host))
    for line in lines:
        f.write(json.dumps(line) + "\n")
