#!/bin/sh
# senders.sh VARIANT WEIR ROOT: a real syslog daemon ships the lab's endpoint events (JSON) to a running weir, softflowd the flows of
# the same connections; the rows must be the six of lab-seed-rows.json, one alert each.
# Variants: rsyslog-udp, rsyslog-tcp, rsyslog-octets, syslog-ng-udp, syslog-ng-tcp, syslog-ng-octets;
# rsyslog-tls, syslog-ng-tls (RFC 5425, both sides with certificates).
variant=$1 WEIR=$2 ROOT=$3
. "$ROOT/tests/support/live.sh"
lab=$ROOT/tests/data/mail
mkdir "$dir/lab"
offset=$(python3 "$ROOT/deploy/lab_shift.py" "$lab" "$dir/lab")
case $variant in
*-tls)
    tls=$(live_ports 1)
    for who in server client; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$who.test" \
            -addext "subjectAltName=DNS:$who.test,IP:127.0.0.1" -keyout "$dir/$who.key" -out "$dir/$who.pem" 2>"$dir/openssl.log" ||
            live_fail "openssl: $(cat "$dir/openssl.log")"
    done
    echo "tls: {cert: $dir/server.pem, key: $dir/server.key, client_ca: $dir/client.pem}" >"$dir/more.yaml"
    live_start --workers 2 --listen "syslog_tls=127.0.0.1:$tls" ;;
*) live_start --workers 2 ;;
esac
sender=""

start_rsyslog() {
    case $1 in
    udp) action='protocol="udp"' ;;
    tcp) action='protocol="tcp"' ;;
    octets) action='protocol="tcp" tcp_framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"' ;;
    tls)
        driver="DefaultNetstreamDriver=\"ossl\" DefaultNetstreamDriverCAFile=\"$dir/server.pem\"
            DefaultNetstreamDriverCertFile=\"$dir/client.pem\" DefaultNetstreamDriverKeyFile=\"$dir/client.key\""
        syslog=$tls
        action='protocol="tcp" tcp_framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format" StreamDriver="ossl"
            StreamDriverMode="1" StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="server.test"' ;;
    esac
    cat >"$dir/sender.conf" <<CONF
global(workDirectory="$dir" maxMessageSize="64k" ${driver:-})
module(load="imfile" PollingInterval="1")
input(type="imfile" File="$dir/lab/lab-endpoint.jsonl" Tag="defender:" Severity="info" Facility="local3")
action(type="omfwd" target="127.0.0.1" port="$syslog" $action)
CONF
    rsyslogd -n -f "$dir/sender.conf" -i "$dir/sender.pid" >"$dir/sender.log" 2>&1 &
    sender=$!
}

# Debian lets only one of rsyslog and syslog-ng be installed: the second is unpacked beside the test.
start_syslog_ng() {
    ng=${WEIR_SYSLOG_NG:?folder with the unpacked syslog-ng}
    [ -x "$ng/usr/sbin/syslog-ng" ] || live_fail "no syslog-ng in $ng: sh tests/run.sh unpacks it there"
    case $1 in
    udp) to="network(\"127.0.0.1\" port($syslog) transport(\"udp\"))" ;;
    tcp) to="network(\"127.0.0.1\" port($syslog) transport(\"tcp\"))" ;;
    octets) to="syslog(\"127.0.0.1\" port($syslog) transport(\"tcp\"))" ;;
    tls) to="syslog(\"127.0.0.1\" port($tls) transport(\"tls\") tls(ca-file(\"$dir/server.pem\") cert-file(\"$dir/client.pem\")
        key-file(\"$dir/client.key\") peer-verify(required-trusted)))" ;;
    esac
    cat >"$dir/sender.conf" <<CONF
@version: 3.38
options { log-msg-size(65536); };
source s { file("$dir/lab/lab-endpoint.jsonl" flags(no-parse) follow-freq(0.1)); };
destination d { $to; };
log { source(s); destination(d); };
CONF
    libs=$(find "$ng/usr/lib" "$ng/lib" -name 'lib*.so.*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd:)
    LD_LIBRARY_PATH=$libs "$ng/usr/sbin/syslog-ng" -F -f "$dir/sender.conf" --module-path "$ng/usr/lib/syslog-ng/3.38" \
        -R "$dir/sender.persist" -p "$dir/sender.pid" -c "$dir/sender.ctl" --no-caps >"$dir/sender.log" 2>&1 &
    sender=$!
}

case $variant in
rsyslog-*) start_rsyslog "${variant#rsyslog-}" ;;
syslog-ng-*) start_syslog_ng "${variant#syslog-ng-}" ;;
*) live_fail "no such variant: $variant" ;;
esac
events=$(wc -l <"$lab/lab-endpoint.jsonl")
arrived() { [ "$(live_metric weir_log_frames_total)" -ge "$events" ]; }
live_until 20 arrived || { cat "$dir/sender.log"; kill "$sender" || true; live_fail "$variant: $(live_metric weir_log_frames_total) of $events events arrived"; }
kill "$sender" && wait "$sender" 2>/dev/null || true
softflowd -r "$dir/lab/lab.pcap" -n "127.0.0.1:$flow" -v 10 -A milli -p none -c none >/dev/null

right() { python3 "$ROOT/tests/support/lab.py" rows "$alerts" "$lab" "$offset" >"$dir/diff"; }
live_until 60 right || { cat "$dir/diff"; live_fail "$variant: rows differ from lab-seed-rows.json"; }
echo "$variant: six rows, $(wc -l <"$alerts") alert lines"
