"""flow_service.py VARIANT WEIR FLOWGEN: what users of other collectors missed, with the real program under load.

capped     a receive buffer that the kernel does not grant is told with the remedy, and stands in /metrics
stop       SIGTERM in the middle of as many flows as the generator can send: weir is gone within five seconds, in order
list       a rule against a watchlist of 10,000 addresses, which changes twice under load: no restart, no datagram lost, and the
           address that came with the change alerts
reconnect  IPFIX over TCP, on the port that is configured: connections reset in the middle of a message, one after another,
           and the next one is served as the first
rows       a rule that reads every record beside one that reads connections: records of other ports are no connections, and after
           kill -9 in the middle the log has what was summed so far
spread     a thousand exporters, two workers: each worker's socket gets its share, and one exporter's datagrams only one's"""
import ctypes, json, os, re, signal, socket, struct, subprocess, sys, tempfile, time, urllib.request

variant, weir, flowgen = sys.argv[1:]
kept = tempfile.TemporaryDirectory(prefix="weir-service.")
folder = kept.name
held = [socket.socket() for _ in range(3)]
for s in held:
    s.bind(("127.0.0.1", 0))
flow, flow_tcp, http = [s.getsockname()[1] for s in held]
for s in held:
    s.close()
os.makedirs(f"{folder}/rules/tuning")
config = f"""rules: {folder}/rules
http: 127.0.0.1:{http}
listen: {{flow_udp: 127.0.0.1:{flow}, flow_tcp: 127.0.0.1:{flow_tcp}, syslog_udp: off, syslog_tcp: off}}
workers: {2 if variant == "spread" else 1}
"""
LISTED = 10000
CAP_NET_ADMIN, PR_CAPBSET_DROP = 12, 24


def write(name, text):
    with open(f"{folder}/{name}.new", "w") as f:
        f.write(text)
    os.replace(f"{folder}/{name}.new", f"{folder}/{name}")


def watchlist(*more):
    others = (f"198.{18 + i // 65536}.{i // 256 % 256}.{i % 256}" for i in range(LISTED))
    write("rules/tuning/suspects.csv", "SearchKey\n" + "\n".join([*others, *more]) + "\n")


def fail(text):
    with open(f"{folder}/weir.log") as f:
        print(f.read()[-3000:])
    sys.exit(f"FAIL: {variant}: {text}")


def until(seconds, what, text):
    for _ in range(seconds * 20):
        try:
            if what():
                return
        except OSError:
            pass
        time.sleep(0.05)
    fail(text)


def metrics():
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=10) as answer:
        return answer.read().decode()


def metric(name):
    return sum(float(line.rsplit(" ", 1)[1]) for line in metrics().splitlines()
               if re.match(rf"{name}[ {{]", line))


def plain_user():  # as under systemd: without CAP_NET_ADMIN the kernel's limit holds
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_NET_ADMIN, 0, 0, 0)


def generate(*args):
    return subprocess.Popen([flowgen, "--port", str(flow), "--dialect", "ipfix", *args], stdout=subprocess.PIPE, text=True)


def sent(generator):
    out = generator.communicate(timeout=60)[0]
    return {k: float(v) for k, v in re.findall(r"(\w+)=([\d.]+)", out)}


def ipfix(sets, sequence=0):
    return struct.pack("!HHIII", 10, 16 + len(sets), int(time.time()), sequence, 1) + sets


template = struct.pack("!HHHH12H", 2, 32, 256, 6, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 1, 4)


def record(destination, port=25):
    return struct.pack("!HHIIHHBI", 256, 21, 0x0a000001, int.from_bytes(socket.inet_aton(destination), "big"), 1000, port, 6, 60)


def capped():
    with open("/proc/sys/net/core/rmem_max") as f:
        if 2 * int(f.read()) >= 1 << 30:
            print("this kernel grants 1 GiB")
            return 77
    until(5, lambda: "small receive buffer" in open(f"{folder}/weir.log").read(), "a capped buffer is not told")
    if not 0 < metric("weir_listener_receive_buffer_bytes") < 1 << 30:
        fail("the granted buffer is not in /metrics")
    if "sysctl -w net.core.rmem_max=" not in open(f"{folder}/weir.log").read():
        fail("no remedy")
    return 0


def stop():
    generator = generate("--rate", "20000000", "--seconds", "4")
    until(5, lambda: metric("weir_flow_records_total") > 100000, "no flows")
    began = time.monotonic()
    daemon.terminate()
    try:
        daemon.wait(timeout=5)
    except subprocess.TimeoutExpired:
        fail("still there after five seconds")
    finally:
        generator.terminate()
        generator.communicate()
    print(f"stopped after {time.monotonic() - began:.2f} s")
    return 0


def alerted():
    with open(f"{folder}/out") as f:
        return {json.loads(line)["columns"]["RemoteIP"] for line in f if line.endswith("\n")}


def meet(sender, address, number):
    sender.sendto(ipfix(template + record(address), number), ("127.0.0.1", flow))


def changing_list():
    generator = generate("--no-gso", "--rate", "60000", "--seconds", "4")
    watched = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    watched.bind(("127.0.0.7", 0))
    meet(watched, "203.0.113.7", 0)
    meet(watched, "198.18.0.9", 1)
    until(10, lambda: alerted() == {"198.18.0.9"}, f"an address of the list, and it alone, should alert: {alerted()}")
    for number, new in ((2, "203.0.113.7"), (3, "203.0.113.8")):
        watchlist(new)
        os.kill(daemon.pid, signal.SIGHUP)
        until(10, lambda: metric("weir_reloads_total") == number - 1, "no reload")
        meet(watched, new, number)
        until(10, lambda: new in alerted(), f"{new} came with the list and does not alert")
    got = sent(generator)
    until(10, lambda: metric("weir_flow_records_total") == got["records"] + 4, "records are missing")
    lost = {k: metric(k) for k in ("weir_listener_kernel_dropped_total", "weir_flow_seq_lost_total")}
    if any(lost.values()) or metric("weir_reload_errors_total"):
        fail(f"lost under a change: {lost}")
    print(f"{got['records']:.0f} records, two lists of {LISTED + 1} addresses, nothing lost")
    return 0


def reconnect():
    for i in range(20):
        s = socket.create_connection(("127.0.0.1", flow_tcp), timeout=10)
        whole = ipfix(template + record("192.0.2.1"))
        s.sendall(whole + whole[:20])
        until(10, lambda: metric("weir_flow_rows_total") == i + 1, f"connection {i} is not served")
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close sends RST
        s.close()
    if metric("weir_listener_connections_broken_total") != 20:
        fail("resets are not counted")
    return 0


def rows():
    global daemon
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for half in range(2):
        for i in range(500):
            sender.sendto(ipfix(template + record(f"198.51.100.{i % 250}", 443 if i % 10 else 25), half * 500 + i), ("127.0.0.1", flow))
        until(10, lambda: metric("weir_flow_rows_total") == 500 and metric("weir_ring_bytes") == 0, "records are missing")
        until(10, lambda: metric("weir_rule_rows_aggregated_total") >= 500, "rows are not summed")
        if metric("weir_ring_rows_dropped_total"):
            fail("rows were dropped")
        if half:
            break
        if metric("weir_connections_live") != 25:
            fail(f"{metric('weir_connections_live'):.0f} connections, not the 25 to port 25")
        if open(f"{folder}/out").read():
            fail("an alert of the half")
        daemon.kill()
        daemon.wait()
        begin("a")
    until(10, lambda: '"talkers"' in open(f"{folder}/out").read(), "the sum over both halves does not alert")
    sums = [json.loads(line)["columns"] for line in open(f"{folder}/out") if '"talkers"' in line]
    if sums[0] != {"sourceIPAddress": "10.0.0.1", "N": 1000, "Octets": 60000}:
        fail(f"{sums}")
    return 0


def spread():
    generator = generate("--no-gso", "--rate", "100000", "--seconds", "2", "--exporters", "1000")
    got = sent(generator)
    until(10, lambda: metric("weir_flow_records_total") == got["records"], "records are missing")
    per = [float(v) for v in re.findall(r"^weir_worker_received_total\{[^}]*\} (\S+)", metrics(), re.M)]
    if len(per) != 2 or min(per) < 0.25 * sum(per):
        fail(f"the workers' shares are {per}")
    if metric("weir_flow_exporters") != 1000:
        fail(f"{metric('weir_flow_exporters'):.0f} exporters over both workers: one's datagrams go to two")
    print(f"shares {per}")
    return 0


if variant == "capped":
    config += "receive_buffer: 1073741824\n"
if variant == "list":
    watchlist()
    write("rules/suspects.kql", """let Suspects = _GetWatchlist('suspects') | project SearchKey;
DeviceNetworkEvents | where Timestamp > ago(1h) | where RemoteIP in (Suspects) | summarize N = count() by RemoteIP
""")
else:
    write("rules/mail.kql", "DeviceNetworkEvents | where Timestamp > ago(1h) | where RemotePort == 25 | summarize N = count() by LocalIP\n")
if variant == "rows":
    write("rules/mail.kql", "DeviceNetworkEvents | where Timestamp > ago(1h) | where RemotePort == 25 | summarize N = count() by LocalIP"
          " | where N >= 1000\n")
    write("rules/talkers.kql", "// id: talkers\nFlows | where Timestamp > ago(1h)"
          " | summarize N = count(), Octets = sum(octetDeltaCount) by sourceIPAddress | where N >= 1000\n")
write("weir.yaml", config)


def begin(how="w"):
    global daemon
    with open(f"{folder}/weir.log", how) as log, open(f"{folder}/out", how) as out:
        daemon = subprocess.Popen([weir, "run", "-c", f"{folder}/weir.yaml", "--state", f"{folder}/state"], stdout=out, stderr=log,
                                  preexec_fn=plain_user if variant == "capped" else None)
    until(20, lambda: urllib.request.urlopen(f"http://127.0.0.1:{http}/healthz", timeout=1), "does not start")


daemon, code = None, 1
try:
    begin()
    code = {"capped": capped, "stop": stop, "list": changing_list, "reconnect": reconnect, "rows": rows, "spread": spread}[variant]()
finally:
    daemon.terminate()
    ended = daemon.wait(timeout=30)
with open(f"{folder}/weir.log") as f:
    text = f.read()
if ended or "Sanitizer" in text or "runtime error" in text:
    fail(f"exit {ended}")
sys.exit(code)
