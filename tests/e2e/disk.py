"""disk.py WEIR VARIANT: the state directory's disk fails under a running weir; it goes on receiving, says so once, /healthz
is 503, it recovers alone, and every alert is delivered, once. Root, in a mount namespace of its own.
  full       a tmpfs of 8 MB runs full, and has room again
  read-only  the disk cannot be written at the start: the message says where
  slow       every sync takes 0.3 s (strace), while ten times as much comes in"""
import atexit, json, os, socket, subprocess, sys, tempfile, time, urllib.error, urllib.request

weir, variant = sys.argv[1:3]
if os.geteuid() != 0:
    print("needs root for a mount")
    sys.exit(77)
if len(sys.argv) == 3:
    os.execvp("unshare", ["unshare", "--mount", sys.executable, __file__, weir, variant, "inside"])
kept = tempfile.TemporaryDirectory(prefix="weir-disk.")
folder = kept.name
state = f"{folder}/state"
os.mkdir(state)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "weir", state], check=True)
atexit.register(subprocess.run, ["umount", "-l", state])
ports = [socket.socket() for _ in range(2)]
for s in ports:
    s.bind(("127.0.0.1", 0))
syslog, http = [s.getsockname()[1] for s in ports]
for s in ports:
    s.close()
with open(f"{folder}/each.kql", "w") as f:
    f.write("Syslog | where TimeGenerated > ago(1h) | summarize N = count() by HostName\n")
with open(f"{folder}/weir.yaml", "w") as f:
    f.write(f"snapshot: 2s\nlisten: {{flow_udp: off, flow_tcp: off, syslog_udp: off, syslog_tcp: 127.0.0.1:{syslog}}}\n")
command = [weir, "run", "-c", f"{folder}/weir.yaml", "--rules", f"{folder}/each.kql", "--state", state,
           "--http", f"127.0.0.1:{http}"]
if variant == "slow":
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync",
               "-e", "inject=fdatasync,fsync:delay_enter=300000", *command]


def fail(text):
    with open(f"{folder}/weir.log") as f:
        print(f.read()[-3000:])
    sys.exit(f"FAIL: {variant}: {text}")


def healthy():
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{http}/healthz", timeout=5).status == 200
    except urllib.error.HTTPError:
        return False


def until(seconds, what, text):
    for _ in range(seconds * 10):
        try:
            if what():
                return
        except OSError:
            pass
        time.sleep(0.1)
    fail(text)


def metric(name):
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=10) as answer:
        return sum(float(line.rsplit(" ", 1)[1]) for line in answer.read().decode().splitlines()
                   if line.startswith((name + " ", name + "{")))


def send(first, n):
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with socket.create_connection(("127.0.0.1", syslog)) as s:
        s.sendall(b"".join(f"<13>1 {now} host-{i} app - - - x\n".encode() for i in range(first, first + n)))


def alerted():
    with open(f"{folder}/out") as f:
        return [json.loads(line) for line in f if line.endswith("\n")]


def hosts():
    return sorted(a["columns"]["HostName"] for a in alerted() if a["kind"] == "raised")


if variant == "read-only":
    subprocess.run(["mount", "-o", "remount,ro", state], check=True)
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    if done.returncode != 1 or state not in done.stderr or "Read-only file system" not in done.stderr:
        sys.exit(f"FAIL: exit {done.returncode}, {done.stderr}")
    print(done.stderr.strip())
    sys.exit()
with open(f"{folder}/weir.log", "w") as log, open(f"{folder}/out", "w") as out:
    daemon = subprocess.Popen(command, stdout=out, stderr=log)
try:
    until(30, healthy, "does not start")
    send(0, 50)
    until(20, lambda: len(hosts()) == 50, "no alerts")
    total = 50
    if variant == "slow":
        for i in range(10):
            send(total, 50)
            total += 50
            time.sleep(0.2)
        until(10, lambda: metric("weir_listener_received_total") == total, "it stopped receiving")
    else:
        filler = open(f"{state}/filler", "wb", buffering=0)
        try:
            while True:
                filler.write(bytes(65536))
        except OSError:
            pass
        try:
            while True:
                filler.write(bytes(256))
        except OSError:
            pass
        for i in range(20):  # the log and the store had some room in their last pages
            send(total, 100)
            total += 100
            time.sleep(0.2)
        until(20, lambda: not healthy(), "healthy on a full disk")
        until(10, lambda: metric("weir_listener_received_total") == total, "it stopped receiving")
        print(f"full: {metric('weir_wal_durable'):.0f} durable, {metric('weir_alerts_waiting'):.0f} alerts wait, "
              f"{metric('weir_store_errors_total'):.0f} failed writes of the store")
        time.sleep(5)
        filler.close()
        os.unlink(f"{state}/filler")
        until(20, healthy, "does not recover")
    until(60, lambda: len(hosts()) >= total, f"not all of {total} alerts came")
    if len(set(hosts())) != total or len(hosts()) != total:
        fail(f"{len(hosts())} alerts, {len(set(hosts()))} hosts, not {total}")
    if variant == "full":
        send(total, 1)
        until(10, lambda: len(hosts()) == total + 1, "no alert after the recovery")
        if metric("weir_wal_durable") != 1:
            fail("the log is not durable again")
finally:
    if variant == "slow":  # strace holds a signal back; weir is its child
        with open(f"/proc/{daemon.pid}/task/{daemon.pid}/children") as f:
            for pid in f.read().split():
                os.kill(int(pid), 15)
    else:
        daemon.terminate()
    code = daemon.wait(timeout=60)
if code != 0:
    fail(f"exit {code}")
with open(f"{folder}/weir.log") as f:
    lines = f.read().splitlines()
errors = [line for line in lines if "level=error" in line]
if any("Sanitizer" in line or "runtime error" in line for line in lines):
    fail("sanitizer")
if len(errors) > 3 or len(set(e.split("msg=")[1].split('"')[1] for e in errors)) != len(errors):
    fail(f"said {len(errors)} times")
print(*[line.split(" ", 1)[1] for line in lines if "level=error" in line or "again" in line], sep="\n")
print(f"{variant}: {total} alerts, each once")
