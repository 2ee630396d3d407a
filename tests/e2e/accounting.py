"""accounting.py WEIR: good traffic and nonsense from 300 addresses over every listener; then /metrics accounts for all of it.

received = decoded + rejected{reason} for each listener, messages = ok + rejected{reason} for each exporter, and the sums of
both are what was sent. 200 of them only send nonsense: more than there is room for."""
import json, random, re, socket, struct, subprocess, sys, tempfile, time, urllib.request
from collections import defaultdict

weir = sys.argv[1]
kept = tempfile.TemporaryDirectory(prefix="weir-accounting.")
folder = kept.name
ports = [socket.socket() for _ in range(5)]
for s in ports:
    s.bind(("127.0.0.1", 0))
names = ("flow_udp", "flow_tcp", "syslog_udp", "syslog_tcp", "http")
port = dict(zip(names, (s.getsockname()[1] for s in ports)))
for s in ports:
    s.close()
args = ["run", "--state", f"{folder}/state", "--workers", "2", "--http", f"127.0.0.1:{port['http']}"]
for kind in names[:4]:
    args += ["--listen", f"{kind}=127.0.0.1:{port[kind]}"]
rng = random.Random(2055)
now = int(time.time())
template = struct.pack("!HHHH12H", 2, 32, 256, 6, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 1, 4)
data = struct.pack("!HHIIHHBI", 256, 21, 0x0a000001, 0x0a000002, 1000, 25, 6, 60)


def ipfix(sets, sequence=0):
    return struct.pack("!HHIII", 10, 16 + len(sets), now, sequence, 1) + sets


def v5():
    return struct.pack("!HHIIIIBBH", 5, 1, 1000, now, 0, 0, 0, 0, 0) + bytes(48)


good = [ipfix(template), ipfix(template + data), v5()]
broken_template = struct.pack("!HHHH", 2, 12, 256, 900) + bytes(4)
part = [ipfix(template + broken_template)]  # a good message, a refused template
bad = [b"", b"\0", b"\0\x09", v5()[:30], ipfix(template)[:-3], ipfix(b"\0\x02\0\x01"), b"\xff" * 700, b"junk",
       ipfix(struct.pack("!HH", 2, 900) + bytes(8)), ipfix(data)[:12]]
sent = defaultdict(int)
sent_by = defaultdict(int)


def flow_udp():
    for i in range(300):
        source = f"127.0.{1 + i // 200}.{10 + i % 200}"
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((source, 0))
        kinds = bad if i % 3 else good + bad + part  # two of three send only nonsense
        for _ in range(8):
            s.sendto(rng.choice(kinds), ("127.0.0.1", port["flow_udp"]))
            sent["flow_udp"] += 1
            sent_by[source] += 1


def flow_tcp():
    s = socket.create_connection(("127.0.0.1", port["flow_tcp"]), source_address=("127.0.0.5", 0))
    messages = [ipfix(template), ipfix(template + data), ipfix(b"\0\x02\0\x01"), ipfix(data), part[0]]
    s.sendall(b"".join(messages))
    sent["flow_tcp"] += len(messages)
    sent_by["127.0.0.5"] += len(messages)
    return s


line = b"<34>1 2026-01-05T08:00:00Z host app - - - text"
event = json.dumps({"category": "AdvancedHunting-DeviceNetworkEvents", "properties": {
    "Timestamp": "2026-01-05T08:00:12Z", "DeviceName": "ws", "ActionType": "ConnectionSuccess", "Protocol": "Tcp",
    "LocalIP": "10.20.0.1", "LocalPort": 38039, "RemoteIP": "203.0.113.1", "RemotePort": 587}}).encode()
lines = [line, event, b'{"a":', b'{"a":"' + b"[" * 90 + b'"', b"{}", b'{"category":"AdvancedHunting-DeviceNetworkEvents"}',
         b"[" * 100, b"\x00\xff", b"<999>x"]


def syslog():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for i in range(400):
        payload = rng.choice(lines + [b""])
        s.sendto(payload, ("127.0.0.1", port["syslog_udp"]))
    s = socket.create_connection(("127.0.0.1", port["syslog_tcp"]))
    chosen = [rng.choice((line, event, b'{"a":1}', b"plain words")) for _ in range(400)]
    s.sendall(b"".join(c + b"\n" for c in chosen))
    sent["syslog_tcp"] += len(chosen)
    return s


def metrics():
    found = defaultdict(lambda: defaultdict(float))
    with urllib.request.urlopen(f"http://127.0.0.1:{port['http']}/metrics", timeout=5) as answer:
        for text in answer.read().decode().splitlines():
            m = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", text)
            if m:
                labels = dict(re.findall(r'(\w+)="([^"]*)"', m[2] or ""))
                found[m[1]][labels.get("listener") or labels.get("exporter") or ""] += float(m[3])
    return found


def until(what):
    for _ in range(100):
        try:
            if what():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit("FAIL: waited in vain")


with open(f"{folder}/weir.log", "w") as log:
    daemon = subprocess.Popen([weir, *args], stdout=subprocess.DEVNULL, stderr=log)
wrong = []


def equal(what, a, b):
    if a != b:
        wrong.append(f"{what}: {a:.0f} and {b:.0f}")


try:
    until(metrics)
    flow_udp()
    streams = [flow_tcp(), syslog()]
    until(lambda: all(metrics()["weir_listener_received_total"][k] >= n for k, n in sent.items()))
    time.sleep(0.5)
    m = metrics()
    for kind in names[:4]:
        received = m["weir_listener_received_total"][kind]
        rejected = m["weir_listener_rejected_total"][kind]
        print(f"{kind}: received {received:.0f} = decoded {m['weir_listener_decoded_total'][kind]:.0f} + rejected {rejected:.0f}")
        equal(f"{kind} received, decoded + rejected", received, m["weir_listener_decoded_total"][kind] + rejected)
        equal(f"{kind} received, sent", received, sent.get(kind, received))
        equal(f"{kind} dropped by the kernel", m["weir_listener_kernel_dropped_total"][kind], 0)
        if not rejected and kind != "syslog_tcp":
            wrong.append(f"{kind}: nothing was rejected")
    equal("exporters' messages, listeners' received", sum(m["weir_flow_messages_total"].values()),
          m["weir_listener_received_total"]["flow_udp"] + m["weir_listener_received_total"]["flow_tcp"])
    for exporter, n in m["weir_flow_messages_total"].items():
        equal(f"{exporter} messages, ok + rejected", n,
              m["weir_flow_messages_ok_total"][exporter] + m["weir_flow_messages_rejected_total"][exporter])
        if exporter != "other":
            if n > sent_by[exporter]:  # fewer: some came while there was no room
                wrong.append(f"{exporter}: {n:.0f} messages, {sent_by[exporter]} sent")
    equal("decoder's rejected, exporters' rejected", sum(m["weir_decoder_messages_rejected_total"].values()),
          sum(m["weir_flow_messages_rejected_total"].values()))
    if not m["weir_flow_messages_total"]["other"]:
        wrong.append("every address found a place: this shows nothing")
    if not sum(m["weir_flow_parts_refused_total"].values()):
        wrong.append("no part of a good message was refused")
    print(f"{len(m['weir_flow_messages_total'])} series of exporters, other: {m['weir_flow_messages_total']['other']:.0f} messages")
finally:
    daemon.terminate()
    if daemon.wait() != 0:
        wrong.append(f"weir ended with {daemon.returncode}")
with open(f"{folder}/weir.log") as log:
    text = log.read()
if "Sanitizer" in text or "runtime error" in text or wrong:
    print(text[-3000:])
    sys.exit("FAIL: " + "; ".join(wrong))
