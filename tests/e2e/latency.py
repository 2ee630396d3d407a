"""latency.py WEIR [MAX_MS]: time from a syslog line's sending to its alert on standard output, over 200 alerts.

Every alert is in the log and the store, both synced, before it is written there. With MAX_MS the median must be below."""
import socket, subprocess, sys, tempfile, time, urllib.request

weir = sys.argv[1]
kept = tempfile.TemporaryDirectory(prefix="weir-latency.")
folder = kept.name
COUNT = 200
ports = [socket.socket() for _ in range(2)]
for s in ports:
    s.bind(("127.0.0.1", 0))
syslog, http = [s.getsockname()[1] for s in ports]
for s in ports:
    s.close()
with open(f"{folder}/each.kql", "w") as f:
    f.write("Syslog | where TimeGenerated > ago(1h) | summarize N = count() by HostName\n")
args = ["run", "--rules", f"{folder}/each.kql", "--state", f"{folder}/state", "--http", f"127.0.0.1:{http}"]
for kind in ("flow_udp", "flow_tcp", "syslog_udp"):
    args += ["--listen", f"{kind}=off"]
args += ["--listen", f"syslog_tcp=127.0.0.1:{syslog}"]
with open(f"{folder}/weir.log", "w") as log:
    daemon = subprocess.Popen([weir, *args], stdout=subprocess.PIPE, stderr=log)
took = []
try:
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{http}/healthz", timeout=1)
            break
        except OSError:
            time.sleep(0.1)
    s = socket.create_connection(("127.0.0.1", syslog))
    for i in range(COUNT):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        name = f"latency-host-{i:04d}"
        begin = time.monotonic()
        s.sendall(f"<13>1 {now} {name} app - - - x\n".encode())
        while name.encode() not in daemon.stdout.readline():
            pass
        took.append((time.monotonic() - begin) * 1000)
        time.sleep(0.01)
finally:
    daemon.terminate()
    daemon.wait()
took.sort()
p50, p99 = took[COUNT // 2], took[COUNT * 99 // 100]
print(f"{COUNT} alerts: p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {took[-1]:.1f} ms")
if len(sys.argv) > 2 and p50 > float(sys.argv[2]):
    sys.exit(f"FAIL: the median is above {sys.argv[2]} ms")
