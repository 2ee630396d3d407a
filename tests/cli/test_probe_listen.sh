# weir probe --listen: log lines and flow records on one port, UDP and TCP, told apart by themselves; the summary.
. "$(dirname "$0")/lib.sh"

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
listen() { # WANTED-CODE ARGUMENT...: with send.py beside it, whose end is its end, too, where `end` is set
    want=$1
    shift
    "$WEIR" probe --listen "127.0.0.1:$port" "$@" >"$TMP/out" 2>"$TMP/err" &
    pid=$!
    n=0
    until grep -q listening "$TMP/err" || [ $n -gt 100 ]; do
        n=$((n + 1))
        sleep 0.1
    done
    python3 "$TMP/send.py" "$port"
    [ -z "${end:-}" ] || kill -INT "$pid"
    wait "$pid"
    got=$?
    [ "$got" = "$want" ] || fail "probe --listen $*: exit code $got, not $want: $(cat "$TMP/err")"
}
cat >"$TMP/send.py" <<'P'
import socket, struct, sys, time
to = ("127.0.0.1", int(sys.argv[1]))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
zeek = b'{"ts":1700000000.123,"uid":"C","nobody":1,"id.orig_h":"10.1.2.3","id.orig_p":51514,"id.resp_h":"203.0.113.25","id.resp_p":587,"proto":"tcp","conn_state":"SF"}'
for i in range(4):
    u.sendto(zeek, to)
u.sendto(b"<13>Nov 24 08:00:00 web1 su: \x1b]0;title\x07text", to)
v5 = struct.pack("!HHIIIIBBH", 5, 1, 1000, int(time.time()), 0, 1, 0, 0, 0)
v5 += b"\x0a\x01\x02\x03\xcb\x00\x71\x19" + b"\0" * 4 + struct.pack("!HHIIIIHHBBBBHHBBH", 1, 2, 3, 180, 0, 900, 51514, 587, 0, 0x1B, 6, 0, 0, 0, 24, 24, 0)
u.sendto(v5, to)
time.sleep(0.2)
t = socket.create_connection(to)
t.sendall(b'{"a":')
time.sleep(0.05)
t.sendall(b"1}\n<13>Nov 24 08:00:00 web2 su: by tcp\n")
t.close()
time.sleep(0.2)
template = struct.pack("!HHHHHHHHHHHH", 2, 24, 256, 4, 8, 4, 12, 4, 7, 2, 11, 2)
data = struct.pack("!HH", 256, 16) + b"\x0a\x01\x02\x03\xcb\x00\x71\x19" + struct.pack("!HH", 51515, 587)
message = struct.pack("!HHIII", 10, 16 + len(template) + len(data), int(time.time()), 0, 7) + template + data
t = socket.create_connection(to)
t.sendall(message[:1])
time.sleep(0.05)
t.sendall(message[1:])
t.close()
time.sleep(0.2)
u.sendto(struct.pack("!HHIIII", 9, 1, 1000, int(time.time()), 1, 1) + struct.pack("!HH", 256, 200), to)
P
listen 1 --count 10 --seconds 30
has out "1: zeek-conn, a row of DeviceNetworkEvents, from udp 127.0.0.1"
grep -q "^4: zeek-conn" "$TMP/out" && fail "more than three of a kind"
has out "4 zeek-conn, rows of DeviceNetworkEvents"
grep -q '^        filled: .*RemotePort' "$TMP/out" || fail "no columns in the summary"
grep -q '^        not used: .*"nobody"' "$TMP/out" || fail "no unused fields in the summary"
has out "NetFlow v5, 1 records, from udp 127.0.0.1"
has out "IPFIX, 1 records, from tcp 127.0.0.1"
has out "NetFlow v9, rejected (set_length), 0 records"
has out "no_mapping, a row of Syslog, from tcp 127.0.0.1"
has out "---- 10 messages in"
has out "flows: 2 records, 1 templates"
grep -q "$(printf '\033')" "$TMP/out" && fail "an escape reached the terminal"

cat >"$TMP/send.py" <<'P'
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
s.recv(1)
P
end=yes listen 1 --seconds 120 # the sender waits until it is told and cut off
end=
has err "this is TLS"
has out "---- 0 messages in"
run 2 "$WEIR" probe --listen 5514 "$TMP/in"
run 2 "$WEIR" probe --count 3 "$TMP/in"
run 1 "$WEIR" probe --listen 70000
finish
