"""run.py WEIR FOLDER: alerts over Forward to the OpenTelemetry Collector's receiver (its Go module), which nobody here wrote. It
acknowledges; it is killed and comes back; every alert is in it, with its fields as weir prints them. FOLDER keeps what Go builds."""
import json, os, shutil, socket, subprocess, sys, tempfile, time, urllib.request

weir, work = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
here = os.path.dirname(os.path.abspath(__file__))
go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
if not go or int(subprocess.check_output([go, "env", "GOVERSION"], text=True).split(".")[1]) < 26:
    print("needs Go 1.26 or newer, which the receiver's module asks for")
    sys.exit(77)
os.makedirs(work, exist_ok=True)
subprocess.run([go, "build", "-o", f"{work}/receiver", "."], cwd=here, check=True, env=dict(os.environ, GOFLAGS="-mod=readonly"))
kept = tempfile.TemporaryDirectory(prefix="weir-otel.")
folder = kept.name
ports = [socket.socket() for _ in range(3)]
for s in ports:
    s.bind(("127.0.0.1", 0))
syslog, http, forward = [s.getsockname()[1] for s in ports]
for s in ports:
    s.close()
with open(f"{folder}/each.kql", "w") as f:
    f.write("Syslog | where TimeGenerated > ago(1h) | summarize N = count() by HostName\n")
with open(f"{folder}/weir.yaml", "w") as f:
    f.write(f"""rules: {folder}/each.kql
http: 127.0.0.1:{http}
listen: {{flow_udp: off, flow_tcp: off, syslog_udp: off, syslog_tcp: 127.0.0.1:{syslog}}}
forward: [{{host: 127.0.0.1, port: {forward}, tag: weir.alert, ack_timeout: 5s}}]
""")


def until(seconds, what, text):
    for _ in range(seconds * 10):
        try:
            if what():
                return
        except OSError:
            pass
        time.sleep(0.1)
    with open(f"{folder}/weir.log") as f:
        print(f.read()[-3000:])
    sys.exit(f"FAIL: {text}")


def metric(name):
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=10) as answer:
        return sum(float(line.rsplit(" ", 1)[1]) for line in answer.read().decode().splitlines()
                   if line.startswith(name + "{") and 'sink="forward"' in line)


def receiver():
    out = open(f"{folder}/received", "a")
    p = subprocess.Popen([f"{work}/receiver", f"127.0.0.1:{forward}"], stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE, text=True)
    for line in p.stderr:
        if "listening" in line:
            return p
    sys.exit("FAIL: the receiver does not start")


def send(first, n):
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with socket.create_connection(("127.0.0.1", syslog)) as s:
        s.sendall(b"".join(f"<13>1 {now} host-{i} app - - - x\n".encode() for i in range(first, first + n)))


def lines(name):
    with open(f"{folder}/{name}") as f:
        return [json.loads(line) for line in f if line.endswith("\n")]


def received():
    return {r["record"]["alert_id"] + str(r["record"]["seq"]) for r in lines("received")}


taker = receiver()
with open(f"{folder}/weir.log", "w") as log, open(f"{folder}/out", "w") as out:
    daemon = subprocess.Popen([weir, "run", "-c", f"{folder}/weir.yaml", "--state", f"{folder}/state"], stdout=out, stderr=log)
try:
    until(20, lambda: urllib.request.urlopen(f"http://127.0.0.1:{http}/healthz", timeout=1), "weir does not start")
    send(0, 300)
    until(30, lambda: metric("weir_sink_acknowledged_total") >= 300, "300 alerts are not acknowledged")
    taker.kill()
    taker.wait()
    send(300, 200)
    until(20, lambda: metric("weir_sink_pending") >= 200, "nothing waits for a receiver that is away")
    taker = receiver()
    until(60, lambda: len(received()) >= 500 and metric("weir_sink_pending") == 0, "500 alerts are not there")
    printed = {a["alert_id"] + str(a["seq"]): a for a in lines("out")}
    for r in lines("received"):
        want = printed[r["record"]["alert_id"] + str(r["record"]["seq"])]
        if r["tag"] != "weir.alert" or any(r["record"].get(k) != want[k] for k in ("rule_name", "severity", "kind", "message", "columns")):
            sys.exit(f"FAIL: {r} is not {want}")
    print(f"{len(lines('received'))} records received, {len(received())} alerts, "
          f"{metric('weir_sink_acknowledged_total'):.0f} acknowledged")
finally:
    taker.kill()
    taker.wait()
    daemon.terminate()
    daemon.wait(timeout=30)
