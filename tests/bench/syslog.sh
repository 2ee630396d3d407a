#!/bin/sh
# JSON over syslog: weir, rsyslog with mmjsonparse and syslog-ng with json-parser in turn on the same generator, each on one
# core, the generator on another. TCP: 950-byte Defender events until the receiver has read all of them; the table says
# messages a second, best and median, the CPU of the receiver a message, all its threads together, and weir's ratio to the
# others: messages a second need a quiet machine, CPU a message says something on a busy one, too. UDP: the highest rate that
# loses nothing, beside a receiver that only counts. A receiver that is not there is left out. Debian lets only one of
# rsyslog and syslog-ng be installed: WEIR_SYSLOG_NG names a folder with the other unpacked (tests/run.sh makes build/syslog-ng).
#
#   cmake --preset release && cmake --build --preset release --target weir loggen nullrecv
#   sh tests/bench/syslog.sh [build/release] [messages] [runs]
#   sh tests/bench/syslog.sh build/debug 2000 1 quick        # a few seconds, TCP only: that it runs and that weir loses nothing
set -eu
PATH=$PATH:/usr/sbin:/sbin
build=${1:-build/release}
count=${2:-300000}
runs=${3:-5}
quick=${4:-}
rules=${RULES:-}
root=$(cd "$(dirname "$0")/../.." && pwd)
weir=$build/weir
loggen=$build/tests/loggen
dir=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
pid=
finish() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    rm -rf "$dir"
}
trap finish EXIT
cores=$(nproc)
gen="taskset -c 0"
rec="taskset -c $((cores > 1 ? 1 : 0))"

cat >"$dir/rsyslog.conf" <<CONF
module(load="imtcp") module(load="mmjsonparse")
main_queue(queue.type="direct")
input(type="imtcp" port="$port" address="127.0.0.1" ruleset="in")
template(name="out" type="string" string="%\$!properties!RemotePort%\n")
ruleset(name="in" queue.type="direct") {
    action(type="mmjsonparse" cookie="" useRawMsg="on")
    if \$!properties!RemotePort == 587 then action(type="omfile" file="$dir/rsyslog.out" template="out")
}
CONF
cat >"$dir/syslog-ng.conf" <<CONF
@version: 3.38
options { stats-freq(0); };
source s { network(ip("127.0.0.1") port($port) flags(no-parse) log-msg-size(65536) log-iw-size(10000)); };
parser p { json-parser(prefix(".j.")); };
filter f { "\${.j.properties.RemotePort}" eq "587" };
destination d { file("$dir/syslog-ng.out"); };
log { source(s); parser(p); filter(f); destination(d); flags(flow-control); };
CONF

ng=${WEIR_SYSLOG_NG:-$root/build/syslog-ng}
ng_run() {
    libs=$(find "$ng/usr/lib" "$ng/lib" -name 'lib*.so.*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd:)
    LD_LIBRARY_PATH=$libs exec $rec "$ng/usr/sbin/syslog-ng" --module-path "$ng/usr/lib/syslog-ng/3.38" "$@"
}

start() {
    case $1 in
    weir) $rec "$weir" run --workers 1 --state "$dir/state" --http "127.0.0.1:$((port + 1))" --no-stdout --rules "$rules" \
        --listen flow_udp=off --listen flow_tcp=off --listen "syslog_udp=127.0.0.1:$port" --listen "syslog_tcp=127.0.0.1:$port" \
        >"$dir/log" 2>&1 & ;;
    rsyslog) $rec rsyslogd -n -f "$dir/rsyslog.conf" -i "$dir/rsyslog.pid" >"$dir/log" 2>&1 & ;;
    syslog-ng) ng_run -F --no-caps -f "$dir/syslog-ng.conf" -R "$dir/persist" -p "$dir/ng.pid" -c "$dir/ng.ctl" >"$dir/log" 2>&1 & ;;
    esac
    pid=$!
    for _ in $(seq 100); do
        "$loggen" tcp 127.0.0.1 $port 1 >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    echo "$1 did not start:" >&2
    tail -3 "$dir/log" >&2
    return 1
}
stop() {
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    pid=
}

received() { # LISTENER
    python3 -c 'import sys, urllib.request as u; print(sum(int(float(l.split()[-1])) for l in u.urlopen("http://127.0.0.1:'$((port + 1))'/metrics").read().decode().splitlines() if l.startswith("weir_listener_received_total{listener=\"" + sys.argv[1])))' "$1"
}
# Ticks of 10 ms that the receiver's threads took.
ticks() {
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$pid/stat"
}
[ -n "$rules" ] || rules=$root/tests/data/rules/T1071.003.kql
echo "$(date -u +%F), $cores cores, load $(cut -d' ' -f1 /proc/loadavg), $count messages of 950 bytes, $runs runs"
printf '%-10s %12s %12s %14s\n' receiver best/s median/s "CPU us/message"
for r in weir rsyslog syslog-ng; do
    case $r in
    rsyslog) command -v rsyslogd >/dev/null || { echo "rsyslog    not installed"; continue; } ;;
    syslog-ng) [ -x "$ng/usr/sbin/syslog-ng" ] || { echo "syslog-ng  not installed"; continue; } ;;
    esac
    start $r || continue
    : >"$dir/times"
    before=$(ticks)
    for _ in $(seq "$runs"); do
        $gen "$loggen" tcp 127.0.0.1 $port "$count" >>"$dir/times"
    done
    sleep 0.3 # what its other threads still do
    cpu=$(($(ticks) - before))
    [ $r = weir ] && got=$(received syslog_tcp)
    stop
    sort -n "$dir/times" | awk -v c="$count" -v n="$runs" -v cpu=$cpu -v r=$r -v f="$dir/rates" '
        { t[NR] = $1 }
        END {
            us = cpu * 10000 / c / n
            printf "%-10s %12d %12d %14.2f\n", r, c / t[1], c / t[int((NR + 1) / 2)], us
            print r, c / t[1], us >>f
        }'
done
awk '{ rate[$1] = $2; us[$1] = $3 }
     END { for (r in rate) if (r != "weir" && rate["weir"])
        printf "weir is %.1f times %s; its CPU a message %.3f of it\n", rate["weir"] / rate[r], r, us["weir"] / (us[r] ? us[r] : 1) }' "$dir/rates"
want=$((count * runs + 1)) # and the one that looked whether it is up
[ "$got" -eq "$want" ] || { echo "weir received $got messages, not $want"; exit 1; }
[ -z "$quick" ] || exit 0

# UDP: rates from high to low until nothing is lost; the counting receiver first.
lossless() { # NAME: prints the highest rate without loss; LOST is a command that prints how many were lost of $1
    for rate in 1000000 800000 600000 500000 400000 300000 250000 200000 150000 100000 70000 50000 30000 20000 10000; do
        n=$((rate / 2))
        lost=$(udp_run "$1" "$rate" "$n")
        # what the generator reached of that rate
        [ "$lost" -le 0 ] && { awk -v n=$n -v r=$rate '{ s = n / $1; printf "%d\n", s < r ? s : r }' "$dir/udp"; return; }
    done
    echo 0
}
udp_run() {
    if [ "$1" = count ]; then
        $rec "$build/tests/nullrecv" $port >"$dir/count" 2>/dev/null &
        pid=$!
        sleep 0.2
        $gen "$loggen" udp 127.0.0.1 $port "$3" "$2" >"$dir/udp"
        sleep 0.5
        stop
        awk -v n="$3" '{ sub(/.*datagrams=/, ""); print n - $1 + 0 }' "$dir/count"
    else
        before=$(received syslog_udp)
        $gen "$loggen" udp 127.0.0.1 $port "$3" "$2" >"$dir/udp"
        sleep 1
        echo $(($3 - ($(received syslog_udp) - before)))
    fi
}
counted=$(lossless count)
$rec "$weir" run --workers 1 --state "$dir/state2" --http 127.0.0.1:$((port + 1)) --no-stdout --rules "$rules" --listen flow_udp=off \
    --listen flow_tcp=off --listen "syslog_udp=127.0.0.1:$port" --listen syslog_tcp=off >"$dir/log" 2>&1 &
pid=$!
sleep 2
whole=$(lossless weir)
stop
echo "UDP without loss: counting receiver $counted/s, weir $whole/s"
