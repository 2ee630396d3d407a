#!/usr/bin/env python3
"""Flow collectors on the same generator, in turn: weir (seed rule loaded), nfcapd, nfacctd, goflow2 and the null receiver.

    python3 tests/bench/flows/run.py                 the whole table: an hour on a quiet machine of two cores
    python3 tests/bench/flows/run.py --quick         seconds: every collector receives and is counted (CI)
    python3 tests/bench/flows/run.py --dialects ipfix --senders gso --collectors null,nfcapd,weir

The collector has core 0, the generator core 1. For each collector: CPU seconds per million records at fixed rates, then the
curve of loss against rate (rates grow until 0.1 % is lost, then the interval is halved), and the highest rate below. What was
offered and what arrived are both printed; a collector that took all the generator could send is marked "at least".
Senders: gso (trains of 32 datagrams cut by the kernel), one (a datagram at a time, as a router sends), many (one at a time, from
256 exporters); when asked for bursts (four datagrams cut by the kernel from each of 256 exporters in turn: where one at a time the
generator ends before the collectors do), bursts32 (32 in place of four: for v5, where four still end the generator first), crowd (10,000 exporters with 100 templates each) and sources (in trains, every record from the next of
1,000,000 addresses). "weir-all" is weir with a rule that sums every record by source address, without a filter. Needs a release build, Debian's nfdump and pmacct, Go for goflow2 (flows/goflow2.sh); what is missing is left out and said.
"""
import argparse, contextlib, os, re, shutil, signal, subprocess, sys, tempfile, time, urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
RECORDS = {"ipfix": 19, "v9": 22, "v5": 30}
SHAPE = {"ipfix": "20 elements, 71 octets", "v9": "20 elements, 63 octets", "v5": "48 octets"}
SENDERS = {"gso": [], "one": ["--no-gso"], "many": ["--no-gso", "--exporters", "256"],
           "bursts": ["--train", "4", "--exporters", "256"], "bursts32": ["--train", "32", "--exporters", "256"],
           "crowd": ["--no-gso", "--exporters", "10000", "--templates", "100"], "sources": ["--sources", "1000000"]}


class Collector:
    start_s, stop_signal = 1.0, signal.SIGTERM

    def __init__(self, opts, dialect):
        self.opts, self.dialect, self.port = opts, dialect, opts.port
        self.dir = tempfile.mkdtemp(prefix="weir-flows.")
        self.out = open(os.path.join(self.dir, "out"), "wb+")
        self.start_receiver()
        time.sleep(self.start_s)
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} did not start: {self.text()}")

    def run(self, *command, core=True):
        pin = ["taskset", "-c", self.opts.core] if core else []
        self.process = subprocess.Popen(pin + list(command), stdout=self.out, stderr=subprocess.STDOUT, start_new_session=True)

    def text(self):
        with open(os.path.join(self.dir, "out"), errors="replace") as f:
            return f.read()

    def cpu(self):
        """CPU seconds of the process and its children (nfacctd's plugins)."""
        total, pids = 0, [self.process.pid]
        while pids:
            pid = pids.pop()
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                        total += int(f.read().split()[0])  # ns on a core; stat counts in ticks of 10 ms
                    with open(f"/proc/{pid}/task/{task}/children") as f:
                        pids += [int(x) for x in f.read().split()]
            except OSError:
                pass
        return total / 1e9

    def settle(self):
        """Until it has worked through what it received."""
        before = -1.0
        for _ in range(20):
            time.sleep(0.3)
            now = self.cpu()
            if now - before < 0.03:
                return
            before = now

    def stop(self):
        live = self.count_live()
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # nfacctd's plugins outlive it
        self.out.close()
        records = live if live is not None else self.count_after()
        shutil.rmtree(self.dir, ignore_errors=True)
        return records

    def count_live(self):
        return None

    def count_after(self):
        return 0


def metric(url, name, label=""):
    text = urllib.request.urlopen(url, timeout=20).read().decode()
    series = re.findall(rf"^{name}(?:{{([^\n]*)}})? ([0-9.e+]+)$", text, re.M)
    return int(sum(float(v) for labels, v in series if label in labels))


class Null(Collector):
    name = "null"

    def start_receiver(self):
        self.run(os.path.join(self.opts.build, "tests/nullrecv"), str(self.port))

    def count_after(self):
        found = re.search(r"datagrams=(\d+)", self.text())
        return int(found.group(1)) * RECORDS[self.dialect] if found else 0


class Weir(Collector):
    name = "weir"
    rules = "rules/library"

    def start_receiver(self):
        os.mkdir(os.path.join(self.dir, "state"))
        with open(os.path.join(self.dir, "weir.yaml"), "w") as f:
            f.write(f"""listen:
  flow_udp: ["127.0.0.1:{self.port}"]
  flow_tcp: ["127.0.0.1:{self.port + 2}"]
  syslog_udp: ["127.0.0.1:{self.port + 2}"]
  syslog_tcp: ["127.0.0.1:{self.port + 3}"]
http: "127.0.0.1:{self.port + 1}"
rules: ["{os.path.join(ROOT, self.rules)}"]
alerts: {{stdout: no}}
workers: {self.opts.workers}
{self.opts.config}
""")
        self.run(self.opts.weir or os.path.join(self.opts.build, "weir"), "run", "-c", os.path.join(self.dir, "weir.yaml"), "--state",
                 os.path.join(self.dir, "state"))

    def count_live(self):
        """Rows that the worker decoded and the owner had no time for are lost, too."""
        url = f"http://127.0.0.1:{self.port + 1}/metrics"
        return metric(url, "weir_flow_records_total") - metric(url, "weir_ring_rows_dropped_total")


class WeirAll(Weir):
    name, rules = "weir-all", "tests/bench/flows/every_row.kql"


class Nfcapd(Collector):
    name, needs = "nfcapd", "nfcapd"

    def start_receiver(self):
        os.mkdir(os.path.join(self.dir, "nf"))
        self.run("nfcapd", "-w", os.path.join(self.dir, "nf"), "-p", str(self.port), "-B", "33554432", "-t", "3600")

    def count_after(self):
        text = subprocess.run(["nfdump", "-I", "-R", os.path.join(self.dir, "nf")], capture_output=True, text=True).stdout
        return sum(int(n) for n in re.findall(r"^Flows: (\d+)", text, re.M))


class Nfacctd(Collector):
    """Six keys, summed in memory and printed every 2 s."""
    name, needs = "nfacctd", "nfacctd"
    start_s, stop_signal = 3.0, signal.SIGINT

    def start_receiver(self):
        self.csv = os.path.join(self.dir, "flows.csv")
        conf = os.path.join(self.dir, "nfacctd.conf")
        with open(conf, "w") as f:
            f.write(f"""nfacctd_ip: 127.0.0.1
nfacctd_port: {self.port}
nfacctd_pipe_size: 33554432
plugins: print[a]
aggregate[a]: src_host, dst_host, src_port, dst_port, proto, tos, flows
plugin_pipe_size[a]: 67108864
plugin_buffer_size[a]: 10240
print_cache_entries[a]: 32749
print_refresh_time[a]: 2
print_output[a]: csv
print_output_file[a]: {self.csv}
print_output_file_append[a]: true
""")
        self.run("nfacctd", "-f", conf)

    def count_live(self):
        time.sleep(4.5)  # the plugin prints every 2 s
        total = 0
        try:
            with open(self.csv) as f:
                head, at = None, 0
                for line in f:
                    cells = line.rstrip("\n").split(",")
                    if cells[0] == "SRC_IP" or "FLOWS" in cells:
                        head, at = cells, cells.index("FLOWS")
                    elif head:
                        total += int(cells[at])
        except OSError:
            pass  # nothing printed: nothing arrived
        return total


class Goflow2(Collector):
    """Its file transport with binary output to /dev/null: it decodes and encodes every record."""
    name = "goflow2"

    def start_receiver(self):
        self.run(os.path.join(ROOT, "build/goflow2/goflow2"), "-listen", f"netflow://127.0.0.1:{self.port}?count=1", "-addr",
                 f"127.0.0.1:{self.port + 1}", "-transport", "file", "-transport.file", "/dev/null", "-format", "bin")

    def count_live(self):
        url = f"http://127.0.0.1:{self.port + 1}/metrics"
        if self.dialect == "v5":  # counts records as sets
            return metric(url, "goflow2_flow_process_nf_flowset_total", 'type="DataFlowSet"')
        return metric(url, "goflow2_flow_process_nf_flowset_records_total", 'type="DataFlowSet"')


KINDS = {c.name: c for c in (Null, Nfcapd, Nfacctd, Goflow2, Weir, WeirAll)}


def available(name):
    if name == "goflow2":
        return os.path.exists(os.path.join(ROOT, "build/goflow2/goflow2"))
    return shutil.which(getattr(KINDS[name], "needs", "sh")) is not None


def once(opts, name, dialect, sender, rate):
    """(offered records/s, sent, received, loss in percent, CPU s per million)"""
    collector = KINDS[name](opts, dialect)
    before = collector.cpu()
    flowgen = subprocess.run(["taskset", "-c", opts.generator_core, os.path.join(opts.build, "tests/flowgen"), "--port",
                              str(opts.port), "--dialect", dialect, "--rate", str(int(rate)), "--seconds", str(opts.seconds)] +
                             SENDERS[sender], capture_output=True, text=True, check=True).stdout
    collector.settle()
    used = collector.cpu() - before
    got = collector.stop()
    fields = dict(pair.split("=") for pair in flowgen.split())
    sent, offered = int(fields["records"]), float(fields["rate"])
    got -= int(fields["templates"]) * RECORDS[dialect] if name == "null" else 0
    loss = max(0.0, 100 * (1 - got / sent)) if sent else 0.0
    return offered, sent, got, loss, used / got * 1e6 if got else 0.0


def line(name, dialect, sender, result):
    offered, _, got, loss, cpu = result
    print(f"{dialect:6} {sender:5} {name:8} {offered:12.0f} {got:12d} {loss:9.3f} {cpu:14.4f}", flush=True)


def highest(opts, name, dialect, sender):
    """Doubles the rate until more than 0.1 % is lost, then halves the interval `opts.steps` times."""
    good, bad, rate, best_offered = 0.0, None, opts.first_rate, 0.0
    while True:
        result = once(opts, name, dialect, sender, rate)
        line(name, dialect, sender, result)
        if result[3] > 0.1:
            bad = result[0]
            break
        good = max(good, result[0])
        if result[0] < 0.9 * rate:  # the generator's end
            return good, True
        rate *= 2
    for _ in range(opts.steps):
        result = once(opts, name, dialect, sender, (good + bad) / 2)
        line(name, dialect, sender, result)
        if result[3] > 0.1:
            bad = result[0]
        else:
            good = max(good, result[0])
    return good, False


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default=os.path.join(ROOT, "build/release"))
    p.add_argument("--collectors", default="null,nfcapd,nfacctd,goflow2,weir")
    p.add_argument("--dialects", default="ipfix,v9,v5")
    p.add_argument("--senders", default="gso,one,many")
    p.add_argument("--rates", default="200000,1000000,1200000", help="where CPU is compared")
    p.add_argument("--seconds", type=float, default=4)
    p.add_argument("--steps", type=int, default=4, help="halvings of the interval around the highest rate")
    p.add_argument("--first-rate", type=float, default=500000)
    p.add_argument("--core", default="0", help="of the collector")
    p.add_argument("--generator-core", default="1")
    p.add_argument("--workers", default="1")
    p.add_argument("--config", default="", help="more lines for weir's configuration")
    p.add_argument("--weir", default="", help="binary; default: the one in --build")
    p.add_argument("--port", type=int, default=29155, help="and the three after it")
    p.add_argument("--no-curves", action="store_true", help="only CPU at --rates")
    p.add_argument("--quick", action="store_true", help="a moment of each: nothing here has rotted")
    opts = p.parse_args()
    if opts.quick:
        opts.seconds, opts.rates, opts.no_curves, opts.senders, opts.dialects = 0.5, "20000", True, "many", "ipfix"
    names = [n for n in opts.collectors.split(",") if available(n)]
    for missing in set(opts.collectors.split(",")) - set(names):
        print(f"left out: {missing} is not installed", flush=True)
    failed = False
    print(f"collector on core {opts.core}, generator on core {opts.generator_core}, {opts.seconds} s a point, load {os.getloadavg()[0]:.1f}")
    for dialect in opts.dialects.split(","):
        print(f"\n{dialect}: {RECORDS[dialect]} records a datagram of {SHAPE[dialect]}, 1 % on mail ports")
        for sender in opts.senders.split(","):
            print(f"{'':6} {'':5} {'':8} {'records/s':>12} {'received':>12} {'loss, %':>9} {'CPU s/million':>14}")
            base, best = {}, {}
            for name in names:
                for rate in opts.rates.split(","):
                    result = once(opts, name, dialect, sender, float(rate))
                    line(name, dialect, sender, result)
                    base[name, rate] = result[4]
                    failed |= opts.quick and name in ("weir", "null") and result[3] > 0.1
                if not opts.no_curves:
                    best[name] = highest(opts, name, dialect, sender)
            if "weir" not in names:
                continue
            for other in names:
                for rate in opts.rates.split(","):
                    if other != "weir" and base[other, rate]:
                        print(f"  CPU, weir / {other} at {float(rate) / 1e6:g} M/s: {base['weir', rate] / base[other, rate]:.2f}")
            for other in names:
                if other in best:
                    much = f", weir {best['weir'][0] / best[other][0]:.1f} times" if other != "weir" and best[other][0] else ""
                    print(f"  highest rate at 0.1 % loss or less, {other}: {'at least ' if best[other][1] else ''}"
                          f"{best[other][0] / 1e6:.2f} M records/s{much}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
