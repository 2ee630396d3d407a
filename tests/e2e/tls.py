"""tls.py WEIR: syslog, IPFIX and Fluent Forward in TLS against the real program, with openssl's s_client and Python's ssl as peers.

Alerts come from lines over mutual TLS; clients without a certificate, with one of another authority, a self-signed or an
expired one, TLS 1.1 and plain text are refused and counted; connections that say nothing hold up nobody and are closed; a
SIGHUP brings another certificate to new connections, a broken file leaves the old one."""
import hashlib, json, os, signal, socket, ssl, struct, subprocess, sys, tempfile, time, urllib.request

weir = sys.argv[1]
kept = tempfile.TemporaryDirectory(prefix="weir-tls.")
folder = kept.name
ports = [socket.socket() for _ in range(4)]
for s in ports:
    s.bind(("127.0.0.1", 0))
syslog, flow, forward, http = [s.getsockname()[1] for s in ports]
for s in ports:
    s.close()


def openssl(*args):
    done = subprocess.run(["openssl", *args], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"FAIL: openssl {args[0]}: {done.stderr}")


def authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.pem")


def certificate(name, ca, *dates):
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
            "-out", f"{name}.csr")
    with open(f"{folder}/ext", "w") as f:
        f.write("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial", "-extfile", "ext",
            "-out", f"{name}.pem", *(dates or ("-days", "2")))


for name in ("servers", "clients", "strangers"):
    authority(name)
certificate("server", "servers")
certificate("server2", "servers")
certificate("client", "clients")
certificate("stranger", "strangers")
certificate("expired", "clients", "-days", "-1")
os.rename(f"{folder}/server.pem", f"{folder}/cert.pem")
os.rename(f"{folder}/server.key", f"{folder}/key.pem")
with open(f"{folder}/rule.kql", "w") as f:
    f.write("Syslog | where TimeGenerated > ago(1h) | summarize N = count() by HostName\n")
with open(f"{folder}/weir.yaml", "w") as f:
    f.write(f"""rules: {folder}/rule.kql
http: 127.0.0.1:{http}
listen: {{flow_udp: off, flow_tcp: off, syslog_udp: off, syslog_tcp: off, flow_tls: 127.0.0.1:{flow}, syslog_tls: 127.0.0.1:{syslog},
  forward_tls: 127.0.0.1:{forward}}}
forward_input: {{shared_key: secret}}
tls: {{cert: {folder}/cert.pem, key: {folder}/key.pem, client_ca: {folder}/clients.pem}}
""")


def fail(text):
    with open(f"{folder}/weir.log") as f:
        print(f.read()[-3000:])
    sys.exit(f"FAIL: {text}")


def until(seconds, what, text):
    for _ in range(seconds * 10):
        try:
            if what():
                return
        except OSError:
            pass
        time.sleep(0.1)
    fail(text)


def metric(name, listener="syslog_tls"):
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=10) as answer:
        return sum(float(line.rsplit(" ", 1)[1]) for line in answer.read().decode().splitlines()
                   if line.startswith(f"weir_listener_{name}_total{{listener=\"{listener}\""))


def connect(port, client="client"):
    context = ssl.create_default_context(cafile=f"{folder}/servers.pem")
    if client:
        context.load_cert_chain(f"{folder}/{client}.pem", f"{folder}/{client}.key")
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10), server_hostname="127.0.0.1")


def line(host):
    text = f"<13>1 {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {host} app - - - x".encode()
    return f"{len(text)} ".encode() + text


def hosts():
    with open(f"{folder}/out") as f:
        return {json.loads(text)["columns"]["HostName"] for text in f if text.endswith("\n")}


def refused(what, act, certificate_too):
    failed, bad = metric("tls_failed"), metric("tls_refused")
    act()
    until(10, lambda: metric("tls_failed") == failed + 1, f"{what}: not counted")
    if metric("tls_refused") - bad != certificate_too:
        fail(f"{what}: {metric('tls_refused') - bad:.0f} certificates refused, not {certificate_too:d}")


def try_client(client):
    def act():
        try:
            s = connect(syslog, client)
            s.sendall(line(f"never-{client}"))
            s.recv(1)  # TLS 1.3: the refusal comes after the client's own end of the handshake
        except (ssl.SSLError, ConnectionError):
            return
        fail(f"{client} was let in")
    return act


def old_version():
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{syslog}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0",
                           "-cert", f"{folder}/client.pem", "-key", f"{folder}/client.key"], input="", capture_output=True, text=True)
    if "Cipher is (NONE)" not in done.stdout:
        fail("TLS 1.1 was let in")


def null_cipher():
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{syslog}", "-tls1_2", "-cipher", "eNULL:@SECLEVEL=0",
                           "-cert", f"{folder}/client.pem", "-key", f"{folder}/client.key"], input="", capture_output=True, text=True)
    if "no cipher match" in done.stderr or "Cipher is (NONE)" not in done.stdout:
        fail(f"a cipher that hides nothing was taken, or s_client has none: {done.stderr}")


def plain():
    with socket.create_connection(("127.0.0.1", syslog)) as s:
        s.sendall(line("never-plain"))
        s.settimeout(5)
        s.recv(100)


def exactly(s, n):
    got = b""
    while len(got) < n:
        more = s.recv(n - len(got))
        if not more:
            fail(f"weir closed: {got}")
        got += more
    return got


def text(value):
    return bytes([0xd9, len(value)]) + value


def forward_chunk(s, chunk):
    """The handshake of the protocol, then a message with an id; what weir answers to it."""
    helo = exactly(s, 53)
    nonce = helo[helo.index(b"nonce") + 7:][:16]  # bin8, 16 bytes
    digest = hashlib.sha512(b"saltedge" + nonce + b"secret").hexdigest().encode()
    s.sendall(b"\x96" + text(b"PING") + text(b"edge") + text(b"salt") + text(digest) + text(b"") + text(b""))
    pong = exactly(s, 8)  # an array of five, PONG, true
    if pong[-1:] != b"\xc3":
        fail(f"no PONG: {pong}")
    record = b"\x81" + text(b"log") + text(b"<13>1 - forward-tls app - - - x")
    s.sendall(b"\x93" + text(b"t") + b"\x91\x92" + b"\xce" + struct.pack("!I", int(time.time())) + record + b"\x81" + text(b"chunk") + text(chunk))
    answer = b""
    while chunk not in answer:
        more = s.recv(1000)
        if not more:
            fail(f"weir closed before the acknowledgement: {answer}")
        answer += more
    return answer


def serial():
    with connect(syslog) as s:
        return s.getpeercert()["serialNumber"]


def hup(name, n):
    daemon.send_signal(signal.SIGHUP)

    def counted():
        with urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=10) as answer:
            return f"\n{name} {n}\n" in answer.read().decode()
    until(10, counted, f"{name} is not {n}")


checked = subprocess.run([weir, "check", f"{folder}/weir.yaml"], capture_output=True, text=True)
if checked.returncode:
    sys.exit(f"FAIL: check: {checked.stdout}")
with open(f"{folder}/weir.log", "w") as log, open(f"{folder}/out", "w") as out:
    daemon = subprocess.Popen([weir, "run", "-c", f"{folder}/weir.yaml", "--state", f"{folder}/state"], stdout=out, stderr=log)
try:
    until(20, lambda: urllib.request.urlopen(f"http://127.0.0.1:{http}/healthz", timeout=1), "does not start")
    silent = [socket.create_connection(("127.0.0.1", syslog)) for _ in range(30)]
    began = time.monotonic()
    for s in silent[:10]:
        s.sendall(b"\x16\x03\x01")  # the begin of a handshake
    with connect(syslog) as good:
        for i in range(100):
            good.sendall(line(f"mutual-{i}"))
        until(10, lambda: len(hosts()) == 100, "lines over TLS do not alert")
        good.unwrap()  # close_notify is answered
    done = subprocess.run(["openssl", "s_client", "-brief", "-connect", f"127.0.0.1:{syslog}", "-CAfile", f"{folder}/servers.pem",
                           "-verify_return_error", "-cert", f"{folder}/client.pem", "-key", f"{folder}/client.key"],
                          input=line("s-client"), capture_output=True, timeout=30)
    until(10, lambda: "s-client" in hosts(), f"s_client's line does not alert: {done.stderr}")
    refused("no certificate", try_client(None), True)
    for client in ("stranger", "expired"):
        refused(client, try_client(client), True)
    refused("self-signed", try_client("strangers"), True)
    refused("TLS 1.1", old_version, False)
    refused("no cipher", null_cipher, False)
    refused("plain text", plain, False)
    if any(h.startswith("never") for h in hosts()):
        fail("a refused client's line was taken")
    with connect(flow) as s:
        template = struct.pack("!HHHH12H", 2, 32, 256, 6, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 1, 4)
        data = struct.pack("!HHIIHHBI", 256, 21, 0x0a000001, 0x0a000002, 1000, 25, 6, 60)
        for sets in (template, data):
            s.sendall(struct.pack("!HHIII", 10, 16 + len(sets), int(time.time()), 0, 1) + sets)
        until(10, lambda: metric("decoded", "flow_tls") == 2, "IPFIX over TLS is not decoded")
    with connect(forward) as s:
        if b"ack" not in forward_chunk(s, b"chunk-1"):
            fail("a chunk over TLS is not acknowledged")
        until(10, lambda: "forward-tls" in hosts(), "a Forward record over TLS does not alert")
    failed = metric("tls_refused", "forward_tls")
    try:
        connect(forward, None).recv(1)
        fail("a Forward client without a certificate was let in")
    except (ssl.SSLError, ConnectionError):
        pass
    until(10, lambda: metric("tls_refused", "forward_tls") == failed + 1, "not counted")
    before = serial()
    with connect(syslog) as old:
        os.replace(f"{folder}/server2.pem", f"{folder}/cert.pem")
        hup("weir_reload_errors_total", 1)  # another certificate without its key
        if serial() != before:
            fail("half a renewal was taken")
        os.replace(f"{folder}/server2.key", f"{folder}/key.pem")
        hup("weir_reloads_total", 1)
        if serial() == before:
            fail("the new certificate is not used")
        old.sendall(line("old-connection"))
        until(10, lambda: "old-connection" in hosts(), "a connection did not outlive the renewal")
    until(30, lambda: metric("tls_timeout") == 30, "silent connections are kept")
    print(f"30 silent connections were closed after {time.monotonic() - began:.0f} s")
finally:
    daemon.terminate()
    code = daemon.wait(timeout=30)
with open(f"{folder}/weir.log") as f:
    text = f.read()
if code or "Sanitizer" in text or "runtime error" in text:
    fail(f"exit {code}")
print("TLS: 102 alerts, 6 kinds of refusal, renewal")
