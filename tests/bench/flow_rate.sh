#!/bin/sh
# flow_rate.sh [DIALECT [SECONDS]]: highest rate without loss and CPU per million records of weir (seed rule), nfcapd and the null
# receiver on the same packets, in one run: collector on core 0, generator on core 1. Prints one table. Needs the release preset,
# Debian's nfdump and a quiet machine.
set -eu
cd "$(dirname "$0")/../.."
dialect=${1:-ipfix} seconds=${2:-5}
bin=$PWD/build/release
for f in weir tests/flowgen tests/nullrecv; do
    [ -x "$bin/$f" ] || { echo "flow_rate: build the release preset first ($bin/$f is missing)" >&2; exit 1; }
done
dir=$(mktemp -d)
pid=""
trap '[ -z "$pid" ] || kill $pid 2>/dev/null; rm -rf "$dir"' EXIT
port=29155
per_datagram=19; [ "$dialect" != v5 ] || per_datagram=30; [ "$dialect" != v9 ] || per_datagram=22

start() {
    case $1 in
    weir)
        cat >"$dir/weir.yaml" <<YAML
listen: {flow_udp: ["127.0.0.1:$port"]}
http: "127.0.0.1:29186"
rules: ["$PWD/rules/library"]
alerts: {stdout: no}
workers: 1
YAML
        rm -rf "$dir/state"; mkdir "$dir/state"
        taskset -c 0 "$bin/weir" run -c "$dir/weir.yaml" --state "$dir/state" >"$dir/out" 2>"$dir/err" & ;;
    nfcapd)
        rm -rf "$dir/nf"; mkdir "$dir/nf"
        taskset -c 0 nfcapd -w "$dir/nf" -p $port -B 33554432 -t 3600 >"$dir/out" 2>&1 & ;;
    null) taskset -c 0 "$bin/tests/nullrecv" $port >"$dir/out" 2>&1 & ;;
    esac
    pid=$!
    sleep 1
}
cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
metric() { python3 -c 'import sys,urllib.request as u; sys.stdout.write(u.urlopen("http://127.0.0.1:29186/metrics").read().decode())' |
    awk -v name="$1" '$1 == name || index($1, name "{") == 1 { n += $2 } END { printf "%d\n", n }'; }
# received COLLECTOR: records that it took, after it stopped (weir: before)
received() {
    case $1 in
    weir) metric weir_flow_records_total ;;
    nfcapd) nfdump -I -R "$dir/nf" 2>/dev/null | awk '/^Flows:/ { n += $2 } END { print n + 0 }' ;;
    null) awk -v n=$per_datagram -F'[= ]' '/^datagrams/ { print $2 * n }' "$dir/out" ;;
    esac
}
# try COLLECTOR RATE: prints "sent received loss_percent cpu_s_per_million rate"
try() {
    start "$1"
    before=$(cpu_ticks)
    sent=$(taskset -c 1 "$bin/tests/flowgen" --port $port --dialect "$dialect" --rate "$2" --seconds "$seconds")
    sleep 1
    after=$(cpu_ticks)
    n=""; [ "$1" != weir ] || n=$(received weir)
    kill $pid; wait $pid 2>/dev/null || true; pid=""
    [ -n "$n" ] || n=$(received "$1")
    echo "$sent" | awk -v got="$n" -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" -F'[= ]' \
        '{ loss = 100 * (1 - got / $2); if (loss < 0) loss = 0; printf "%d %d %.3f %.3f %d\n", $2, got, loss, got ? t / hz / got * 1e6 : 0, $8 }'
}
printf '%-8s %12s %12s %9s %16s\n' collector "rate, rec/s" received "loss, %" "CPU s/million"
for collector in null nfcapd weir; do
    best=0
    for rate in 500000 1000000 1500000 2000000 2500000 3000000 4000000 5000000 0; do
        set -- $(try $collector $rate)
        printf '%-8s %12d %12d %9.3f %16.3f\n' $collector "$5" "$2" "$3" "$4"
        awk -v l="$3" 'BEGIN { exit !(l <= 0.1) }' || break
        best=$5
    done
    printf '%-8s highest rate at 0.1 %% loss or less: %d records/s\n' $collector "$best"
done
