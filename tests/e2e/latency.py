"""latency.py WEIR [MAX_MS [CONNECTIONS]]: time from a syslog line's sending to its alert on standard output.

Every alert is in the log and the store, both synced, before it is written there. With MAX_MS the median must be below.
With CONNECTIONS so many are in the table and in a rule's groups, and snapshots run one after the other meanwhile: then
95 of 100 alerts that came while a snapshot's process ran must be below; the rest waits for the disk of a shared machine."""
import os, socket, struct, subprocess, sys, tempfile, time, urllib.request

weir = sys.argv[1]
limit = float(sys.argv[2]) if len(sys.argv) > 2 else None
connections = int(sys.argv[3]) if len(sys.argv) > 3 else 0
kept = tempfile.TemporaryDirectory(prefix="weir-latency.")
folder = kept.name
count = 400 if connections else 200
ports = [socket.socket() for _ in range(3)]
for s in ports:
    s.bind(("127.0.0.1", 0))
syslog, http, flow = [s.getsockname()[1] for s in ports]
for s in ports:
    s.close()
with open(f"{folder}/each.kql", "w") as f:
    f.write("Syslog | where TimeGenerated > ago(1h) | summarize N = count() by HostName\n")
with open(f"{folder}/groups.kql", "w") as f:
    f.write("DeviceNetworkEvents | where Timestamp > ago(1h) | where RemotePort == 25\n"
            "| summarize N = count(), Sent = sum(SentBytes) by LocalIP | where N > 1000000\n")
with open(f"{folder}/weir.yaml", "w") as f:
    f.write(f"snapshot: {'1s' if connections else '60s'}\nmemory: 2G\n")
args = ["run", "-c", f"{folder}/weir.yaml", "--rules", f"{folder}/each.kql", "--rules", f"{folder}/groups.kql",
        "--state", f"{folder}/state", "--http", f"127.0.0.1:{http}"]
for kind in ("flow_udp", "syslog_udp"):
    args += ["--listen", f"{kind}=off"]
args += ["--listen", f"syslog_tcp=127.0.0.1:{syslog}", "--listen", f"flow_tcp=127.0.0.1:{flow}"]


def metric(name):
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=60) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
    raise SystemExit(f"FAIL: no metric {name}")


def until(seconds, what):
    for _ in range(seconds * 10):
        try:
            if what():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit("FAIL: waited in vain")


def fill():
    """Connections as IPFIX over TCP, one record each: nothing is dropped, the sender waits."""
    fields = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (1, 4), (150, 4), (151, 4)]
    template = struct.pack("!HHHH", 2, 8 + 4 * len(fields), 256, len(fields)) + b"".join(
        struct.pack("!HH", *f) for f in fields)
    now = int(time.time())
    s = socket.create_connection(("127.0.0.1", flow))
    s.sendall(struct.pack("!HHIII", 10, 16 + len(template), now, 0, 7) + template)
    record = struct.Struct("!IIHHBBIII")
    for begin in range(0, connections, 2000):
        part = range(begin, min(begin + 2000, connections))
        data = b"".join(record.pack(0x0a000000 + i % 100000, 0xc6336401, 1024 + i // 100000, 25, 6, 0x1b, 500, now, now)
                        for i in part)
        s.sendall(struct.pack("!HHIIIHH", 10, 20 + len(data), now, begin, 7, 256, 4 + len(data)) + data)
    until(300, lambda: metric("weir_rule_rows_total") >= connections and metric("weir_ring_bytes") == 0)
    s.close()
    time.sleep(1)  # the last of them are still being worked through


def child_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return f.read().split()


with open(f"{folder}/weir.log", "w") as log:
    daemon = subprocess.Popen([weir, *args], stdout=subprocess.PIPE, stderr=log)
took, beside = [], []
try:
    until(20, lambda: urllib.request.urlopen(f"http://127.0.0.1:{http}/healthz", timeout=1))
    if connections:
        fill()
        before = metric("weir_snapshots_total")
    s = socket.create_connection(("127.0.0.1", syslog))
    for i in range(count):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        name = f"latency-host-{i:04d}"
        begin = time.monotonic()
        running = child_of(daemon.pid)
        s.sendall(f"<13>1 {now} {name} app - - - x\n".encode())
        while name.encode() not in daemon.stdout.readline():
            pass
        took.append((time.monotonic() - begin) * 1000)
        if running or child_of(daemon.pid):
            beside.append(took[-1])
        time.sleep(0.03 if connections else 0.01)
    if connections:
        with open(f"/proc/{daemon.pid}/status") as f:
            rss = [line.split()[1] for line in f if line.startswith("VmRSS")][0]
        print(f"{connections} connections, {int(rss) // 1024} MB resident; in {count} alerts' time "
              f"{metric('weir_snapshots_total') - before:.0f} snapshots of {metric('weir_snapshot_bytes') / 1e6:.0f} MB, "
              f"longest stall {metric('weir_snapshot_stall_max_seconds') * 1e3:.1f} ms")
finally:
    daemon.terminate()
    daemon.wait()


def show(what, times):
    times.sort()
    p50, p95, p99 = [times[len(times) * p // 100] for p in (50, 95, 99)]
    print(f"{len(times)} alerts{what}: p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, max {times[-1]:.1f} ms")
    return p50, p95


counts, _ = show("", took)
if connections:
    if len(beside) < 20:
        sys.exit(f"FAIL: {len(beside)} alerts beside a snapshot: this shows nothing")
    _, counts = show(" beside a snapshot", beside)
if limit and counts > limit:
    sys.exit(f"FAIL: above {limit} ms")
