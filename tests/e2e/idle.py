"""idle.py WEIR: a weir to which nothing comes wakes at most 5 times a second in all its threads and writes nothing at all,
snapshots included; what comes then is in the log and, as an alert, out at once."""
import glob, os, socket, subprocess, sys, tempfile, time, urllib.request

weir = sys.argv[1]
kept = tempfile.TemporaryDirectory(prefix="weir-idle.")
folder = kept.name
ports = [socket.socket() for _ in range(2)]
for s in ports:
    s.bind(("127.0.0.1", 0))
syslog, http = [s.getsockname()[1] for s in ports]
for s in ports:
    s.close()
with open(f"{folder}/each.kql", "w") as f:
    f.write("Syslog | where TimeGenerated > ago(1h) | summarize N = count() by HostName\n")
with open(f"{folder}/weir.yaml", "w") as f:
    f.write(f"snapshot: 1s\nlisten: {{flow_udp: off, flow_tcp: off, syslog_udp: off, syslog_tcp: 127.0.0.1:{syslog}}}\n")


def wakes(pid):
    total = 0
    for status in glob.glob(f"/proc/{pid}/task/*/status"):
        with open(status) as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt_switches"))
    return total


def files():
    return sorted((name, os.stat(f"{folder}/state/{name}").st_size, os.stat(f"{folder}/state/{name}").st_mtime_ns)
                  for name in os.listdir(f"{folder}/state"))


with open(f"{folder}/weir.log", "w") as log:
    daemon = subprocess.Popen([weir, "run", "-c", f"{folder}/weir.yaml", "--rules", f"{folder}/each.kql", "--workers", "2",
                               "--state", f"{folder}/state", "--http", f"127.0.0.1:{http}"], stdout=subprocess.PIPE, stderr=log)
try:
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{http}/healthz", timeout=1)
            break
        except OSError:
            time.sleep(0.1)
    time.sleep(3)  # the first snapshot is done
    before, there, begin = wakes(daemon.pid), files(), time.monotonic()
    time.sleep(5)
    rate = (wakes(daemon.pid) - before) / (time.monotonic() - begin)
    print(f"{rate:.1f} wake-ups a second")
    if rate > 5:
        sys.exit("FAIL: more than 5 wake-ups a second")
    if files() != there:
        sys.exit(f"FAIL: it wrote: {sorted(set(files()) ^ set(there))}")
    s = socket.create_connection(("127.0.0.1", syslog))
    begin = time.monotonic()
    s.sendall(f"<13>1 {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} woken-host app - - - x\n".encode())
    while b"woken-host" not in daemon.stdout.readline():
        pass
    print(f"alert after {(time.monotonic() - begin) * 1000:.0f} ms")
    if files() == there:
        sys.exit("FAIL: an input left the log as it was")
finally:
    daemon.terminate()
    daemon.wait()
