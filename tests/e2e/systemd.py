"""systemd.py WEIR ROOT: the unit is one that systemd takes and rates as well confined, and weir tells its service manager,
over a real NOTIFY_SOCKET, what the unit's Type=notify, ExecReload= and WatchdogSec= rely on. No systemd runs here."""
import os, signal, socket, subprocess, sys, tempfile, time

weir, root = sys.argv[1:]
kept = tempfile.TemporaryDirectory(prefix="weir-systemd.")
folder = kept.name
MOST_EXPOSED = 2.0  # systemd's scale: 10 is an ordinary root service, below 2.0 is its best class

with open(f"{root}/deploy/systemd/weir.service") as f:
    unit = f.read()
with open(f"{folder}/weir.service", "w") as f:  # the same, with a program that is there
    f.write(unit.replace("/usr/bin/weir", os.path.abspath(weir)))
for command in (["verify"], ["security", "--no-pager", "--offline=yes", f"--threshold={MOST_EXPOSED * 10:.0f}"]):
    done = subprocess.run(["systemd-analyze", *command, f"{folder}/weir.service"], capture_output=True, text=True)
    if done.returncode != 0 or (command == ["verify"] and done.stdout + done.stderr):
        sys.exit(f"FAIL: systemd-analyze {command[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    if command[0] == "security":
        print(done.stdout.strip().splitlines()[-1])
for line in ("Type=notify", "ExecReload=/bin/kill -HUP $MAINPID", "StateDirectory=weir", "OOMPolicy=continue"):
    if line not in unit.splitlines():
        sys.exit(f"FAIL: the unit has no {line}")

told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
told.bind(f"{folder}/notify")
told.settimeout(20)
os.mkdir(f"{folder}/rules")
with open(f"{folder}/rules/any.kql", "w") as f:
    f.write("Syslog | where TimeGenerated > ago(1h) | summarize N = count() by HostName\n")
with open(f"{folder}/weir.yaml", "w") as f:
    f.write(f"rules: {folder}/rules\nlisten: {{flow_udp: off, flow_tcp: off, syslog_udp: off, syslog_tcp: off}}\nhttp: off\n")
env = dict(os.environ, NOTIFY_SOCKET=f"{folder}/notify", WATCHDOG_USEC="600000", STATE_DIRECTORY=f"{folder}/state")


def until(wanted):
    """What came up to a message with the line `wanted`."""
    came = []
    while True:
        try:
            text = told.recv(4096).decode()
        except TimeoutError:
            sys.exit(f"FAIL: {wanted} did not come, but {came}")
        came += text.splitlines()
        if wanted in text.splitlines():
            return came


with open(f"{folder}/weir.log", "w") as log:
    daemon = subprocess.Popen([weir, "run", "-c", f"{folder}/weir.yaml"], env=env, stdout=subprocess.DEVNULL, stderr=log)
try:
    until("READY=1")
    begin = time.monotonic()
    for _ in range(3):
        until("WATCHDOG=1")
    if time.monotonic() - begin > 3 * 0.6 + 1:
        sys.exit("FAIL: WATCHDOG=1 comes too rarely")
    daemon.send_signal(signal.SIGHUP)
    came = until("RELOADING=1")
    came += until("READY=1")
    stamp = [int(line.split("=")[1]) for line in came if line.startswith("MONOTONIC_USEC=")]
    if len(stamp) != 1 or not 0 <= time.monotonic() - stamp[0] / 1e6 < 60:
        sys.exit(f"FAIL: a reload without its time: {came}")
    with open(f"{folder}/rules/bad.kql", "w") as f:
        f.write("Syslog | wher true\n")
    daemon.send_signal(signal.SIGHUP)
    until("RELOADING=1")
    until("READY=1")  # refused, but ready again: else systemd would wait for ever
    daemon.send_signal(signal.SIGTERM)
    until("STOPPING=1")
    if daemon.wait(timeout=20) != 0:
        sys.exit(f"FAIL: weir ended with {daemon.returncode}")
finally:
    daemon.kill()
    daemon.wait()
print("ready, watchdog, reload, refused reload, stop: all told")
