#!/bin/sh
# exporters.sh VARIANT WEIR ROOT: a network-only site. A real exporter meters the lab capture and sends it to a running weir;
# the alerts' connection counts must be those of sessions.tsv. Variants: softflowd-5, -9, -10, -10b (biflow), nfprobe-9, -10.
variant=$1 WEIR=$2 ROOT=$3
. "$ROOT/tests/support/live.sh"
lab=$ROOT/tests/data/mail
mkdir "$dir/lab"
python3 "$ROOT/deploy/lab_shift.py" "$lab" "$dir/lab" >"$dir/offset"
live_start --workers 2
exporter="" # runs on after the capture: ended when the alerts are right

case $variant in
softflowd-*)
    version=${variant#softflowd-}; biflow=""
    [ "$version" != 10b ] || { version=10; biflow=-b; }
    softflowd -r "$dir/lab/lab.pcap" -n "127.0.0.1:$flow" -v "$version" -A milli $biflow \
        -p none -c none >"$dir/exporter.log" 2>&1 || live_fail "softflowd: $(cat "$dir/exporter.log")" ;;
nfprobe-*)
    cat >"$dir/pmacct.conf" <<CONF
daemonize: false
pcap_savefile: $dir/lab/lab.pcap
aggregate: src_host, dst_host, src_port, dst_port, proto, tcpflags
plugins: nfprobe
nfprobe_receiver: 127.0.0.1:$flow
nfprobe_version: ${variant#nfprobe-}
nfprobe_timeouts: tcp=60:tcp.rst=5:tcp.fin=5:udp=5:general=5:maxlife=3600:expint=1
CONF
    timeout 20 pmacctd -f "$dir/pmacct.conf" >"$dir/exporter.log" 2>&1 &
    exporter=$! ;;
*) live_fail "no such variant: $variant" ;;
esac

right() { python3 "$ROOT/tests/support/lab.py" flows "$alerts" "$lab" >"$dir/diff"; }
live_until 20 right || { cat "$dir/diff"; tail -n 5 "$dir/exporter.log"; live_get /metrics | grep -E '^weir_(flow|exporter|conn)'; live_fail "alerts differ from sessions.tsv"; }
if [ -n "$exporter" ]; then
    kill "$exporter" 2>/dev/null || true
    wait "$exporter" 2>/dev/null || true
fi
echo "$variant: $(wc -l <"$alerts") alert lines, connections as in sessions.tsv"
