"""goldens.py WEIR FLOW: `weir decode` on every capture of FLOW (tests/data/flow) that comes with its project's own
expectation gives every field of it. What is called or written otherwise stands in FLOW/names.tsv; a field is compared,
or has its reason there. Prints how many were, and fails on the first kind of difference of each file."""

import datetime
import glob
import json
import os
import re
import subprocess
import sys

WEIR, FLOW = sys.argv[1], sys.argv[2]
bad = 0
compared = {}
left_out = {}


def fail(text):
    global bad
    bad += 1
    if bad < 40:
        print("FAIL:", text)


def decode(*files):
    paths = [os.path.join(FLOW, f) for f in files]
    out = subprocess.run([WEIR, "decode", *paths], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    return [json.loads(line) for line in out.splitlines()]


def time_ms(text):
    """Milliseconds since 1970 of an ISO time of any precision."""
    text = text.rstrip("Z")
    seconds, _, rest = text.partition(".")
    at = datetime.datetime.strptime(seconds, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return int(at.timestamp()) * 1000 + int((rest + "000")[:3])


def uptime(want, got, rec):
    """The header's time less how long before the header's uptime, or plus how long after; 32 bits that wrap."""
    before = (rec["_sysUptime"] - got) & 0xFFFFFFFF
    before -= (before >> 31) << 32
    return time_ms(want) == time_ms(rec["_exportTime"]) - before


def mpls(want, got, _):
    """Its project reads the length of a label stack as a label of four octets: the same number."""
    return want == {"label": got >> 12, "experimental": got >> 9 & 7, "bottom_of_stack": got >> 8 & 1, "ttl": got & 255}


def application(want, got, _):
    octets = bytes.fromhex(got)
    engine = octets[0]
    rest = octets[5:] if engine == 20 and len(octets) > 5 else octets[1:]
    return want == f"{engine}..{int.from_bytes(rest, 'big')}"


def is_hex(want, got, _):
    return isinstance(got, str) and int(got, 16) == want


def raw(want, got, _):
    """0x and octets, of a number or of octets."""
    digits = want[2:]
    return got == digits if isinstance(got, str) else got == int(digits, 16)


def flags(want, got, _):
    return want == "".join(c if got & 1 << (7 - i) else "." for i, c in enumerate("CEUAPRSF"))


REASONS = {1: "idle timeout", 2: "active timeout", 3: "end of flow", 4: "forced end", 5: "lack of resources"}
PROTOCOLS = {0: "hopopt", 1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp", 47: "gre"}
DROPS = {0: "net_unreachable", 1: "host_unreachable"}


def protocol(want, got, rec):
    """Telegraf names the first header behind IPv6's; weir steps over the extension headers to what they carry."""
    return want == PROTOCOLS.get(got) or (want == "hopopt" and rec.get("ipVersion") == 6 and got == 58)


HOW = {
    "=": lambda want, got, _: type(want) is type(got) and want == got,
    "iso": lambda want, got, _: (want * 1000 if isinstance(want, int) else time_ms(want)) == time_ms(got),
    "ms": lambda want, got, _: want == time_ms(got),
    "s": lambda want, got, _: want * 1000 == time_ms(got),
    "uptime": uptime,
    "groups": lambda want, got, _: want.replace("-", "") == got,
    "status": lambda want, got, _: want == {"status": got >> 6, "reason": got & 63},
    "application": application,
    "hex": is_hex,
    "text": lambda want, got, _: bytes.fromhex(got).rstrip(b"\0").decode() == want,
    "mpls": mpls,
    "0x": raw,
    "tos": lambda want, got, _: got == (int(want, 16) if isinstance(want, str) else want),
    "flags": flags,
    "number": lambda want, got, _: int(want) == got,
    "reason": lambda want, got, _: REASONS.get(got) == want,
    "protocol": protocol,
    "payload": lambda want, got, rec: want == (got if "payloadLengthIPv6" in rec else got - 4 * rec["internetHeaderLengthIPv4"]),
    "high": lambda want, got, _: got >> 8 == want,
    "low": lambda want, got, _: got & 255 == want,
    "unknown": lambda want, got, _: want == "unknown" and got == 0,
    "direction": lambda want, got, rec: (want == "ingress") == (got == rec["ingressInterface"]),
    "drop": lambda want, got, _: DROPS.get(want) == got,
    "version": lambda want, got, _: want == ("IPv6" if got == 6 or ":" in str(got) else "IPv4"),
    "ethertype": lambda want, got, _: got == {"IPv4": 0x0800, "IPv6": 0x86DD}[want],
    "fragment": lambda want, got, _: want == "".join("D" if i == 6 and got & 0x40 else "." for i in range(8)),
    "up": lambda want, got, _: want == ("up" if got & 1 else "down"),
    "dialect": lambda want, got, rec: want
    == {5: "sFlowV5" if "_agent" in rec else "NetFlowV5", 9: "NetFlowV9", 10: "IPFIX"}[got],
}

names = {}
for line in open(os.path.join(FLOW, "names.tsv"), encoding="utf-8"):
    if line[0] != "#":
        part = line.rstrip("\n").split("\t")
        names[part[0], part[1]] = part[2:]


def same(project, field, want, rec):
    """None: not to be compared; else whether the record has it so. Repeated elements: one of the values."""
    if project == "tcpdump" and (project, field) not in names:
        fail(f"tcpdump: nothing is known of {field}")
    keys, how, *why = names.get((project, field), [field, "="])
    if how == "not":
        assert why, field
        left_out[project, field, why[0]] = left_out.get((project, field, why[0]), 0) + 1
        return None
    for key in keys.split(","):
        if key in rec:
            got = rec[key]
            return any(HOW[how](want, one, rec) for one in (got if isinstance(got, list) else [got]))
    return False


def count(project, n=1):
    compared[project] = compared.get(project, 0) + n


def check(project, where, fields, rec):
    for field, want in fields.items():
        got = same(project, field, want, rec)
        if got is None:
            continue
        count(project)
        if not got:
            fail(f"{where}: {field} is not {want!r} in {json.dumps(rec)[:3000]}")


def logstash():
    for path in sorted(glob.glob(os.path.join(FLOW, "logstash-codec-netflow/golden/*.json"))):
        golden = json.load(open(path, encoding="utf-8"))
        name = os.path.basename(path)
        got = decode(*("logstash-codec-netflow/" + f for f in golden["datagrams"]))
        if golden["records_reference"] is not None and len(got) != golden["records_reference"]:
            fail(f"{name}: {len(got)} records, not {golden['records_reference']}")
        count("logstash")
        for expect in golden.get("expect") or []:
            rec = got[expect["index"]]
            check("logstash", name, expect["fields"], rec)
            count("logstash")
            if time_ms(expect["export_time"]) // 1000 != time_ms(rec["_exportTime"]) // 1000:
                fail(f"{name}: sent at {rec['_exportTime']}, not {expect['export_time']}")
        for one in [] if golden.get("expect") else golden.get("checks") or []:
            check("logstash", name, {one["field"]: one["value"]}, got[one["index"]])


def line_protocol(line):
    """InfluxDB's: measurement, tags, fields with text in quotes and u or i behind integers, a time."""
    head, rest = line.split(" ", 1)
    out = dict(tag.split("=", 1) for tag in head.split(",")[1:])
    for key, text, number in re.findall(r'([a-z0-9_]+)=(?:"((?:[^"\\]|\\.)*)"|(\d+)[ui])', rest):
        out[key] = int(number) if number else re.sub(r"\\(.)", r"\1", text)
    return head.split(",")[0], out


def telegraf():
    """Lines of a case stand in any order: each takes a record that has all of it."""
    for path in sorted(glob.glob(os.path.join(FLOW, "telegraf/*/expected.out"))):
        case = os.path.basename(os.path.dirname(path))
        files = sorted(os.path.basename(f) for f in glob.glob(os.path.join(FLOW, "telegraf", case, "*.bin")))
        got = decode(*(f"telegraf/{case}/{f}" for f in files))
        lines = [line for line in open(path, encoding="utf-8") if line.strip()]
        if len(got) != len(lines):
            fail(f"{case}: {len(got)} records, not {len(lines)}")
        for line in lines:
            kind, want = line_protocol(line)
            best, least = None, None
            for rec in got:
                wrong = [f for f, v in want.items() if same("telegraf", f, v, rec) is False]
                wrong += ["options"] if (kind == "netflow_options") != (rec["_kind"] == "options") else []
                if least is None or len(wrong) < len(least):
                    best, least = rec, wrong
            if least is None or least:
                fail(f"{case}: {least} of {line.strip()} in {json.dumps(best)}")
            else:
                got.remove(best)
            count("telegraf", sum(names.get(("telegraf", f), ["", "="])[1] != "not" for f in want))


# ipfixcol writes numbers as a machine that puts the low octet first has them in memory, leading zeros dropped.
WIDTH = {1: 4, 2: 4, 152: 8, 153: 8, 10: 2, 60: 1, 27: 16, 28: 16, 192: 1, 4: 1, 7: 2, 11: 2, 14: 2, 34: 4, 35: 1,
         8: 4, 12: 4, 5: 1, 6: 1, 139: 2, 32: 2}
NAMES = {1: "octetDeltaCount", 2: "packetDeltaCount", 152: "flowStartMilliseconds", 153: "flowEndMilliseconds",
         10: "ingressInterface", 60: "ipVersion", 27: "sourceIPv6Address", 28: "destinationIPv6Address", 192: "ipTTL",
         4: "protocolIdentifier", 7: "sourceTransportPort", 11: "destinationTransportPort", 14: "egressInterface",
         34: "samplingInterval", 35: "samplingAlgorithm", 8: "sourceIPv4Address", 12: "destinationIPv4Address",
         5: "ipClassOfService", 6: "tcpControlBits", 139: "icmpTypeCodeIPv6", 32: "icmpTypeCodeIPv4"}


def dumped(ie, hexed):
    """The value as weir writes it."""
    import ipaddress
    number = int(hexed, 16)
    octets = number.to_bytes(WIDTH[ie], "big")
    if ie in (27, 28):
        return str(ipaddress.ip_address(octets))
    if ie in (8, 12):
        return str(ipaddress.ip_address(octets[::-1]))
    return int.from_bytes(octets[::-1], "big")


def ipfixcol():
    got = decode("ipfixcol/03-odid0-a.ipfix", "ipfixcol/03-odid0-b.ipfix")
    n, rec, left = -1, {}, set()
    for line in open(os.path.join(FLOW, "ipfixcol/03-odid0-a-b.expected.txt"), encoding="utf-8"):
        if line.startswith("Data Record"):
            if left:
                fail(f"ipfixcol record {n}: {left} are told beside")
            n += 1
            rec = got[n]
            left = {k for k in rec if k[0] != "_"}
        value = re.match(r"\s+IE ID: (\d+)\s+Value: (\w+)", line)
        if value:
            ie = int(value[1])
            want, have = dumped(ie, value[2]), rec.get(NAMES[ie])
            left.discard(NAMES[ie])
            count("ipfixcol")
            if have != want and (ie not in (152, 153) or time_ms(have) != want):
                fail(f"ipfixcol record {n}: {NAMES[ie]} is {have}, not {want}")
    if n + 1 != len(got):
        fail(f"ipfixcol: {len(got)} records, not {n + 1}")
    want = re.findall(r"\[(\d+)\] Received IPFIX", open(os.path.join(FLOW, "ipfixcol/04-odid256-512.expected.txt")).read())
    have = [str(r["_domain"]) for r in decode("ipfixcol/04-odid256-512.ipfix")]
    once = [d for i, d in enumerate(have) if i == 0 or have[i - 1] != d]
    count("ipfixcol", len(want))
    if once != want:
        fail(f"ipfixcol: domains in order are {once}, not {want}")
    count("ipfixcol")
    if decode("ipfixcol/withdrawal-message-256.ipfix"):
        fail("ipfixcol: a withdrawal is a record")


def nvzflow():
    got = decode(*(f"ona-nvzflow/{f}.ipfix" for f in ("template_message", "data_message_267", "data_message_262")))
    for want in json.load(open(os.path.join(FLOW, "ona-nvzflow/nvzflow.golden.json"), encoding="utf-8")):
        rec = next(r for r in got if r["_template"] == want["templateId"])
        fields = {k: v["values"] if isinstance(v, dict) else v for k, v in want["record"].items()}
        head = {"_domain": want["observationDomainId"], "_sequence": want["sequence"]}
        for key, value in {**fields, **head}.items():
            have = rec.get(key)
            count("nvzflow")
            if have != value and not (key.endswith("Seconds") and time_ms(have) == value * 1000):
                fail(f"nvzflow: {key} is {have}, not {value}")
        count("nvzflow")
        if time_ms(rec["_exportTime"]) != want["exportTime"] * 1000:
            fail("nvzflow: time of export")
        if {k for k in rec if k[0] != "_"} != set(fields):
            fail(f"nvzflow: other fields than {sorted(fields)}")


COUNTERS = {
    "align errors": "dot3StatsAlignmentErrors", "fcs errors": "dot3StatsFCSErrors",
    "single collision": "dot3StatsSingleCollisionFrames", "multiple collision": "dot3StatsMultipleCollisionFrames",
    "test error": "dot3StatsSQETestErrors", "deferred": "dot3StatsDeferredTransmissions",
    "late collision": "dot3StatsLateCollisions", "excessive collision": "dot3StatsExcessiveCollisions",
    "mac trans error": "dot3StatsInternalMacTransmitErrors", "carrier error": "dot3StatsCarrierSenseErrors",
    "frames too long": "dot3StatsFrameTooLongs", "mac receive errors": "dot3StatsInternalMacReceiveErrors",
    "symbol errors": "dot3StatsSymbolErrors", "ifindex": "ifIndex", "iftype": "ifType", "ifspeed": "ifSpeed",
    "ifdirection": "ifDirection", "ifstatus": "ifStatus", "In octets": "ifInOctets", "In errors": "ifInErrors",
    "unknown protos": "ifInUnknownProtos", "Out octets": "ifOutOctets", "Out errors": "ifOutErrors",
    "promisc mode": "ifPromiscuousMode",
}
BOTH = {"unicast pkts": "UcastPkts", "multicast pkts": "MulticastPkts", "broadcast pkts": "BroadcastPkts",
        "discards": "Discards"}
SAMPLE = {"seqnum": "sampleSequence", "idx": "sampleSource", "rate": "samplingInterval", "pool": "samplePool",
          "drops": "sampleDrops", "input": "ingressInterface", "output": "egressInterface"}
SWITCH = {"src vlan": "vlanId", "src pri": "vlanPriority", "dst vlan": "postVlanId", "dst pri": "postVlanPriority"}


NOT_TCPDUMP = ("length", "type", "records", "stripped bytes", "header_size")


def tcpdump_line(line, rec):
    """Field and number pairs of one line of its text."""
    way = "Out" if line.lstrip().startswith("Out") else "In"
    known = dict(COUNTERS, **{k: "if" + way + v for k, v in BOTH.items()})
    if "sample (" in line:
        known = SAMPLE if "flow sample" in line else {"seqnum": "sampleSequence", "idx": "sampleSource"}
    elif "src vlan" in line:
        known = SWITCH
    elif "stripped bytes" in line:
        known = {"length": "dataLinkFrameSize"}
    for name, key in known.items():
        found = re.search(rf"(?:^|[ \t,]){name} (\d+)", line)
        if found:
            count("tcpdump")
            if rec.get(key) != int(found[1]):
                fail(f"tcpdump: {key} is {rec.get(key)}, not {found[1]}")
    for name in re.findall(r"([a-zA-Z_][a-z_ ]*) \d+", line):
        if not any(name.endswith(k) for k in known):
            same("tcpdump", next((k for k in NOT_TCPDUMP if name.endswith(k)), name), None, {})


def tcpdump():
    """Samples in order; a header line before those of each datagram."""
    got = iter(decode("tcpdump/sflow-print-v6.pcap"))
    head, rec = {}, {}
    for line in open(os.path.join(FLOW, "tcpdump/sflow-print-v6.out"), encoding="utf-8"):
        if "sFlowv5" in line:
            found = re.search(r"agent ([0-9a-f:]+), agent-id (\d+), seqnum (\d+), uptime (\d+)", line)
            head = dict(zip(("_agent", "_domain", "_sequence", "_sysUptime"), found.groups()))
        elif "sample (" in line:
            rec = next(got)
            for key, value in head.items():
                count("tcpdump")
                if str(rec.get(key)) != value:
                    fail(f"tcpdump: {key} is {rec.get(key)}, not {value}")
            tcpdump_line(line, rec)
        elif "enterprise" not in line:
            tcpdump_line(line, rec)
    if next(got, None):
        fail("tcpdump: more samples than it has")
    run = subprocess.run([WEIR, "decode", os.path.join(FLOW, "tcpdump/sflow_print-segv.pcap")], capture_output=True)
    count("tcpdump")
    if run.returncode != 1 or run.stdout:
        fail("tcpdump: the datagram of 8 octets is not refused")


def main():
    for one in (logstash, telegraf, ipfixcol, nvzflow, tcpdump):
        one()
    for (project, field, why), n in sorted(left_out.items()):
        print(f"not compared: {project} {field} ({why})")
    print(", ".join(f"{project} {n}" for project, n in sorted(compared.items())), "=", sum(compared.values()), "fields")
    return bad


sys.exit(1 if main() else 0)
