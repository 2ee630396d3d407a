#!/bin/sh
# tee.sh VARIANT WEIR ROOT: an old collector (nfcapd) behind `tee:`, in network namespaces: softflowd sends from 10.9.0.2
# to weir on 10.9.0.1, which sends on to nfcapd on 10.9.1.2 in a third namespace. nfcapd has all records that weir has.
# Variants: kept (it sees the exporter's address), beside (so it does on 127.0.0.1 of weir's machine), own (weir without
# CAP_NET_RAW: it sees weir's, and the log says so).
# Exit code 77: no right to make network namespaces here.
variant=$1 WEIR=$2 ROOT=$3
if [ -z "${WEIR_TEE_NS:-}" ]; then
    unshare -n true 2>/dev/null || { echo "skipped: no network namespaces"; exit 77; }
    WEIR_TEE_NS=1 exec unshare -n sh "$0" "$@"
fi
. "$ROOT/tests/support/live.sh"
holders=""
tee_clean() {
    for pid in $holders; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
    live_clean
}
trap tee_clean EXIT

# neighbour NAME NET: a namespace of its own at NET.2, this one is NET.1; sets neighbour_pid.
neighbour() {
    unshare -n sleep 120 &
    neighbour_pid=$!
    holders="$holders $neighbour_pid"
    apart() { [ "$(readlink "/proc/$neighbour_pid/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
    live_until 5 apart || live_fail "no namespace"
    ip link add "$1" type veth peer name up0 netns "$neighbour_pid"
    ip addr add "$2.1/24" dev "$1"
    ip link set "$1" up
    nsenter -t "$neighbour_pid" -n sh -c "ip link set lo up; ip addr add $2.2/24 dev up0; ip link set up0 up
        ip route add default via $2.1"
}
ip link set lo up
neighbour exporter 10.9.0
exporter_ns=$neighbour_pid
neighbour old 10.9.1
old_ns=$neighbour_pid old_addr=10.9.1.2
[ "$variant" != beside ] || { old_ns=$$ old_addr=127.0.0.1; }

mkdir "$dir/old" "$dir/state" "$dir/lab"
python3 "$ROOT/deploy/lab_shift.py" "$ROOT/tests/data/mail" "$dir/lab" >"$dir/offset"
nsenter -t "$old_ns" -n nfcapd -b "$old_addr" -p 9995 -w "$dir/old" >"$dir/nfcapd.log" 2>&1 &
nfcapd=$!
holders="$nfcapd $holders"
set_ports 2055 4739 5514 8686
cat >"$dir/weir.yaml" <<YAML
listen: {flow_udp: "10.9.0.1:2055", flow_tcp: off, syslog_udp: off, syslog_tcp: off}
tee: ["$old_addr:9995"]
http: "127.0.0.1:$http"
rules: ["$ROOT/rules/library"]
YAML
if [ "$variant" = own ]; then # the program loses the right, not this script
    printf '#!/bin/sh\nexec setpriv --bounding-set -net_raw %s "$@"\n' "$WEIR" >"$dir/weir"
    chmod +x "$dir/weir"
    WEIR=$dir/weir
fi
live_start --workers 2
bound() { nsenter -t "$old_ns" -n cat /proc/net/udp | grep -q ':270B '; }
live_until 10 bound || live_fail "nfcapd: $(cat "$dir/nfcapd.log")"
nsenter -t "$exporter_ns" -n softflowd -r "$dir/lab/lab.pcap" -n 10.9.0.1:2055 -v 9 -A milli -p none -c none \
    >"$dir/exporter.log" 2>&1 || live_fail "softflowd: $(cat "$dir/exporter.log")"
sent_on() { n=$(live_metric weir_tee_sent_total); [ "$n" -gt 0 ] && [ "$n" -eq "$(live_metric weir_listener_received_total)" ]; }
live_until 10 sent_on || live_fail "$(live_get /metrics | grep -E '^weir_(tee|listener_received)')"
sleep 0.5
sent_on || live_fail "still arriving"
[ "$(live_metric weir_tee_dropped_total)" -eq 0 ] || live_fail "dropped: $(live_get /metrics | grep ^weir_tee)"
records=$(live_metric weir_flow_records_total)
kill "$nfcapd" && wait "$nfcapd" || true # closes its file
nfdump -R "$dir/old" -q -N -o 'fmt:%ra' | tr -d ' ' | sort | uniq -c | awk '{ print $1, $2 }' >"$dir/seen"
[ "$variant" = own ] && source=10.9.1.1 || source=10.9.0.2
[ "$(cat "$dir/seen")" = "$records $source" ] || live_fail "nfcapd has (records, exporter) $(cat "$dir/seen"), not $records $source"
said=$(grep -c "CAP_NET_RAW" "$dir/weir.log" || true)
[ "$said" -eq "$([ "$variant" = own ] && echo 1 || echo 0)" ] || live_fail "CAP_NET_RAW was said $said times"
echo "$variant: nfcapd has all $records records from $source"
