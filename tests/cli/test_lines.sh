# A file of lines parsed by several threads gives what one thread gives (one processor allowed: no threads), notes
# included: clean JSON lines, such with other lines between them, JSON over several lines, and lines that break.
. "$(dirname "$0")/lib.sh"

python3 - "$TMP" <<'END'
import json, random, sys
random.seed(5)

def dns(i):
    return json.dumps({"ts": 1764000000.0 + i / 1000, "uid": "C%08x" % i, "id.orig_h": "10.1.%d.%d" % (i % 20, i % 251), "id.orig_p": 1024 + i % 60000,
                       "id.resp_h": "192.0.2.53", "id.resp_p": 53, "proto": "udp", "trans_id": i % 65536, "query": "h%d.example.org" % random.randrange(400),
                       "qtype": 1, "qtype_name": random.choice(["A", "AAAA", "TXT"]), "rcode": 0, "rcode_name": "NOERROR"}, separators=(",", ":"))

def write(name, lines):
    with open("%s/%s.jsonl" % (sys.argv[1], name), "w") as f:
        f.write("".join(lines))

n = 5000
clean = [dns(i) + "\n" for i in range(n)]
mixed = list(clean)
for i in range(0, n, 700):
    mixed[i] = random.choice(["<34>Nov 24 10:00:00 host app[7]: text {not json}\n", "\n", "plain text\n", dns(i) + " tail\n", dns(i)[:-9] + "\n",
                              '{"a": {"b": 1}}\n', "[" + dns(i) + "," + dns(i + 1) + "]\n", dns(i) + dns(i) + "\n", "  " + dns(i) + "\r\n"])
write("clean", clean)
write("mixed", mixed)
write("pretty", [json.dumps(json.loads(x), indent=1) + "\n" if i % 3 == 0 else x for i, x in enumerate(clean)])
write("array", [clean[0], "[\n"] + [x.strip() + ",\n" for x in clean[1:3000]] + [clean[3000], "]\n"] + clean[3001:])
write("crlf", [x.strip() + "\r\n" for x in clean])
write("unended", clean[:-1] + [clean[-1].strip()])
# what a later record asks of an earlier one: threads must not tear that apart
write("lookups", [x for i in range(4500) for x in (
    '{"event_simpleName":"ProcessRollup2","aid":"a%d","TargetProcessId":"%d","ImageFileName":"C:\\\\\\\\p%d.exe","timestamp":"1764000000000"}\n' % (i, i, i),
    '{"event_simpleName":"DnsRequest","aid":"a%d","ContextProcessId":"%d","DomainName":"h%d.example.org","RequestType":"1","timestamp":"1764000001000"}\n' % (i, i, i))])
END

dns='ASimDnsActivityLogs | summarize n = count(), last = max(TimeGenerated), names = dcount(DnsQuery) by SrcIpAddr, DnsQueryTypeName, Process = tostring(column_ifexists("SrcProcessName", ""))'
for name in clean mixed pretty array crlf unended lookups; do
    [ "$(wc -c <"$TMP/$name.jsonl")" -gt 1048576 ] || fail "$name.jsonl is too short for threads"
    other='ASimDnsActivityLogs | where DnsQueryTypeName == "TXT" | project TimeGenerated, DnsQuery'
    [ $name = mixed ] && other='Syslog | summarize n = count() by ProcessName, SyslogMessage'
    for query in "$dns" "$other"; do
        run 0 taskset -c "$(taskset -cp $$ | sed 's/.*[:,-] *//')" "$WEIR" query -i "$TMP/$name.jsonl" -f csv "$query"
        cp "$TMP/out" "$TMP/one.out"
        cp "$TMP/err" "$TMP/one.err"
        run 0 "$WEIR" query -i "$TMP/$name.jsonl" -f csv "$query"
        same "$TMP/one.out" "$TMP/out"
        same "$TMP/one.err" "$TMP/err"
    done
done
run 0 "$WEIR" query -i "$TMP/clean.jsonl" -f jsonl 'ASimDnsActivityLogs | summarize n = count()'
is out '{"n":5000}'
# the same through operators that keep rows, and through a query that asks for the time
run 0 "$WEIR" query -i "$TMP/clean.jsonl" -f jsonl 'ASimDnsActivityLogs | where TimeGenerated > ago(365d) | count'
is out '{"Count":5000}'
run 0 "$WEIR" query -i "$TMP/clean.jsonl" --now 2025-11-25T00:00:00Z -f jsonl 'ASimDnsActivityLogs | where TimeGenerated > ago(365d) | take 5 | count'
is out '{"Count":5}'
finish
