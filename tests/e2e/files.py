#!/usr/bin/env python3
"""Files that grow under weir (`files:`): a writer that rotates, cuts lines in two and stops at no time, a weir that dies by
kill -9 at any time. Every line counts once: groups of 500 numbered lines each must end with their count and sum, and no group
may ever have more. rename: the path alone is given; pattern: the names of rotated files, too; copytruncate."""
import json, os, random, signal, socket, subprocess, sys, tempfile, threading, time, urllib.request

weir, variant = sys.argv[1], sys.argv[2]
GROUP, GROUPS = 500, 60
top = tempfile.mkdtemp()
logs = os.path.join(top, "logs")
os.mkdir(logs)
rules = os.path.join(top, "rules")
os.mkdir(rules)
lines = "Syslog | where ProcessName == 'tail' | extend g = tostring(split(SyslogMessage, ' ')[0]), n = tolong(split(SyslogMessage, ' ')[1])"
open(f"{rules}/whole.kql", "w").write(f"{lines} | summarize Rows = count(), Sum = sum(n) by g | where Rows >= {GROUP}")
open(f"{rules}/twice.kql", "w").write(f"{lines} | summarize Rows = count() by g | where Rows > {GROUP}")
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    http = f"127.0.0.1:{s.getsockname()[1]}"
pattern = f"{logs}/app.log*" if variant == "pattern" else f"{logs}/app.log"
open(f"{top}/weir.yaml", "w").write(f"""
files: ["{pattern}"]
listen: {{flow_udp: off, flow_tcp: off, syslog_udp: off, syslog_tcp: off}}
http: {http}
rules: {rules}
state: {top}/state
workers: 2
snapshot: 1s
alerts: {{files: [{top}/alerts]}}
""")
pid = None

def start():
    global pid
    pid = subprocess.Popen([weir, "run", "-c", f"{top}/weir.yaml", "--no-stdout"], stderr=open(f"{top}/err", "a"))

def metric(name):
    try:
        text = urllib.request.urlopen(f"http://{http}/metrics", timeout=2).read().decode()
    except OSError:
        return None
    return sum(int(float(l.split()[-1])) for l in text.splitlines() if l.startswith(name))

def caught_up():
    """All that stands in the file is read: only then may a rotation by copying cut it."""
    while not metric("weir_files_open") or metric("weir_files_behind_bytes") != 0:
        time.sleep(0.02)

alive = threading.Lock()  # held by who needs weir alive, or kills it
done = threading.Event()

def seen(log):
    """Known by the path alone, a file must have been seen once before it gets another name."""
    if variant == "rename":
        with alive:
            os.write(log, b"<13>1 2026-01-01T00:00:00Z h other - - - first\n")
            caught_up()
            time.sleep(0.1)  # and in the log

def write():
    rnd = random.Random(7)
    log = os.open(f"{logs}/app.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    order = [(g, i) for g in range(GROUPS) for i in range(GROUP)]
    at = 0
    seen(log)
    while at < len(order):
        n = rnd.choice((1, 7, 90, 300))
        text = "".join(f"<13>1 2026-01-01T00:00:00Z h tail - - - g{g} {i} {'x' * rnd.randrange(300)}\n" for g, i in order[at:at + n])
        at += n
        cut = rnd.randrange(len(text))
        os.write(log, text[:cut].encode())
        time.sleep(rnd.choice((0, 0.002, 0.03)))
        os.write(log, text[cut:].encode())
        if rnd.random() < 0.08:
            if variant == "copytruncate":
                with alive:
                    caught_up()
                    time.sleep(0.1)  # and in the log
                    os.truncate(f"{logs}/app.log", 0)
            else:
                for k in range(99, 0, -1):
                    if os.path.exists(f"{logs}/app.log.{k}"):
                        os.rename(f"{logs}/app.log.{k}", f"{logs}/app.log.{k + 1}")
                os.rename(f"{logs}/app.log", f"{logs}/app.log.1")
                if rnd.random() < 0.5:  # the writer goes on for a while in the file that it has open
                    os.write(log, b"<13>1 2026-01-01T00:00:00Z h other - - - still here\n")
                    time.sleep(0.01)
                os.close(log)
                log = os.open(f"{logs}/app.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
                seen(log)
    done.set()

start()
writer = threading.Thread(target=write, daemon=True)
writer.start()
kills = 0
rnd = random.Random(3)
while not done.is_set():
    time.sleep(rnd.uniform(0.1, 0.5))
    with alive:
        pid.send_signal(signal.SIGKILL)
        pid.wait()
        kills += 1
        time.sleep(rnd.choice((0, 0.1)))
        start()

def alerts():
    whole, twice = {}, 0
    for line in open(f"{top}/alerts") if os.path.exists(f"{top}/alerts") else ():
        try:
            a = json.loads(line)
        except ValueError:
            continue  # cut by a kill; it comes again
        row = a["columns"]
        if a["rule_id"] == "twice":
            twice += 1
        elif "Sum" in row:
            whole[row["g"]] = (row["Rows"], row["Sum"])
    return whole, twice

until = time.time() + 40
while time.time() < until and len(alerts()[0]) < GROUPS:
    time.sleep(0.3)
time.sleep(1)  # what would come twice
whole, twice = alerts()
received = metric("weir_listener_received_total{listener=\"files\"")
split = metric("weir_listener_decoded_total{listener=\"files\""), metric("weir_listener_rejected_total{listener=\"files\"")
pid.terminate()
code = pid.wait()
good = {f"g{g}": (GROUP, GROUP * (GROUP - 1) // 2) for g in range(GROUPS)}
ok = whole == good and twice == 0 and code == 0 and kills > 2 and received == sum(split)
print(f"{variant}: {len(whole)} of {GROUPS} groups whole, {twice} with too many, {kills} kills, exit code {code}, received {received} = {split}")
if not ok:
    print("wrong:", {g: v for g, v in whole.items() if good[g] != v}, "missing:", sorted(set(good) - set(whole)))
    print(open(f"{top}/err").read()[-3000:])
    sys.exit(1)
subprocess.run(["rm", "-rf", top])
