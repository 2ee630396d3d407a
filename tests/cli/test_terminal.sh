# Nothing of a message, a file's name or a rule reaches a terminal as a control: every command that shows what strangers wrote.
. "$(dirname "$0")/lib.sh"

esc=$(printf '\033')
# clean WHAT FILE..: no ESC, BEL, CSI as one character (U+009B), backspace or carriage return in it.
clean() {
    what=$1
    shift
    for f in "$@"; do
        [ -s "$TMP/$f" ] || continue
        python3 - "$TMP/$f" <<'P' || fail "$what: a control character in $f: $(head -c 300 "$TMP/$f" | od -c | head -n 12)"
import sys
data = open(sys.argv[1], "rb").read()
bad = [b for b in (b"\x1b", b"\x07", b"\xc2\x9b", b"\x08", b"\r", b"\x7f") if b in data]
sys.exit(bool(bad))
P
    done
}

python3 - "$TMP" <<'P'
import json, struct, sys, time
top = sys.argv[1]
evil = "\x1b[2J\x1b]0;owned\x07\x9b31m\x08\r\x7fx"
now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
event = {"category": "AdvancedHunting-DeviceNetworkEvents", "properties": {"Timestamp": now, "DeviceName": "ws" + evil, "ActionType": "ConnectionSuccess",
         "Protocol": "Tcp", "LocalIP": "10.1.2.3", "LocalPort": 51514, "RemoteIP": "203.0.113.25", "RemotePort": 587, "RemoteUrl": evil,
         "InitiatingProcessFileName": evil + ".exe", "InitiatingProcessCommandLine": evil, "AdditionalFields": {evil: evil}, "Odd" + evil: evil}}
with open(f"{top}/in.log", "w", newline="") as f:
    f.write(json.dumps(event) + "\n")
    f.write(json.dumps({evil: evil, "a": 1}) + "\n")
    f.write(f"<13>1 {now} host{evil.replace(chr(13), '')} app{evil.replace(chr(13), '')} - - - text {evil.replace(chr(13), '')}\n")
    f.write(f"<13>Nov 24 08:00:00 web1 CEF:0|v{evil.replace(chr(13), '')}|p|1|id|n|3|src=10.1.2.3 msg={evil.replace(chr(13), '')}\n")
    f.write("\x1b{broken\x07\n")
# IPFIX: userName (371) and applicationName (96), of variable length
name = evil.encode()
template = struct.pack("!HHHH" + "HH" * 6, 2, 32, 256, 6, 8, 4, 12, 4, 7, 2, 11, 2, 371, 65535, 96, 65535)
record = b"\x0a\x01\x02\x03\xcb\x00\x71\x19" + struct.pack("!HH", 51515, 587) + bytes([len(name)]) + name + bytes([len(name)]) + name
data = struct.pack("!HH", 256, 4 + len(record)) + record
open(f"{top}/in.ipfix", "wb").write(struct.pack("!HHIII", 10, 16 + len(template) + len(data), int(time.time()), 0, 7) + template + data)
open(f"{top}/evil.kql", "w").write("DeviceNetworkEvents | where RemoteUrl == '" + evil.replace("\r", "") + "' | where Nonsense" + evil.replace("\r", "") + " == 1\n")
P
cat >"$TMP/all.kql" <<'Q'
DeviceNetworkEvents | where RemotePort == 587 | summarize N = count() by DeviceName, InitiatingProcessFileName, RemoteUrl, InitiatingProcessCommandLine
Q
cat >"$TMP/lines.kql" <<'Q'
Syslog | summarize N = count() by HostName, ProcessName, SyslogMessage
Q

run 1 "$WEIR" probe "$TMP/in.log"
has out "1: defender, a row of DeviceNetworkEvents"
clean "probe" out err
for format in table jsonl; do
    run 0 "$WEIR" query -i "$TMP/in.log" -f $format 'union DeviceNetworkEvents, Syslog, CommonSecurityLog | take 20'
    clean "query -f $format" out err
    run 0 "$WEIR" query -i "$TMP/in.log" -f $format 'DeviceNetworkEvents | extend D = parse_json(strcat("{\"k\":\"", RemoteUrl, "\"}")), P = pack(RemoteUrl, RemoteUrl) | project D, P'
    clean "query -f $format of values made by functions" out err
done
run 0 "$WEIR" decode "$TMP/in.ipfix"
grep -q userName "$TMP/out" || fail "decode shows no name"
clean "decode" out err
run 1 "$WEIR" check "$TMP/evil.kql"
clean "check" out err
run 1 "$WEIR" query -i "$TMP/in.log" "Syslog | where x$esc[31m == 1"
clean "query with a mistake" out err
run 1 "$WEIR" query -i "$TMP/no$esc[31mfile" 'Syslog | count'
clean "a file's name" out err
run 0 "$WEIR" replay -r "$TMP/all.kql" -r "$TMP/lines.kql" "$TMP/in.log"
clean "replay" out err

# The daemon: alerts on standard output, its log, `weir alerts`.
mkdir "$TMP/rules"
cp "$TMP/all.kql" "$TMP/lines.kql" "$TMP/rules"
"$WEIR" run --stdin --rules "$TMP/rules" --state "$TMP/state" --http off --listen flow_udp=off --listen flow_tcp=off --listen syslog_udp=off \
    --listen syslog_tcp=off <"$TMP/in.log" >"$TMP/out" 2>"$TMP/err" || fail "run: exit code $?"
grep -q '"N":1' "$TMP/out" || fail "no alert: $(cat "$TMP/err")"
clean "run" out err
for format in table jsonl; do
    run 0 "$WEIR" alerts --state "$TMP/state" --format $format
    [ -s "$TMP/out" ] || fail "no alerts listed"
    clean "alerts --format $format" out err
done
finish
