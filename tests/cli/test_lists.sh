# Lists beside rules and in the configuration: weir query, check, replay and run read them; run reads them again.
. "$(dirname "$0")/lib.sh"

mkdir -p "$TMP/rules/tuning" "$TMP/rules/functions"
printf 'SearchKey,Owner\nweb-1,ops\n' >"$TMP/rules/tuning/hosts.csv"
printf '(name: string) { Syslog | where HostName == name }' >"$TMP/rules/functions/OfHost.kql"
cat >"$TMP/rules/listed.kql" <<'Q'
let Hosts = _GetWatchlist('hosts') | project SearchKey;
Syslog | where HostName in (Hosts) | project HostName, SyslogMessage
Q
printf "OfHost('db-1') | project HostName" >"$TMP/rules/function.kql"
run 0 "$WEIR" check "$TMP/rules"
has out "2 rules: 0 errors"
run 0 "$WEIR" explain "$TMP/rules/listed.kql"
has out "list _GetWatchlist('hosts')"

printf '<13>1 2026-11-24T10:00:00Z web-1 app - - - one\n<13>1 2026-11-24T10:00:01Z db-1 app - - - two\n' >"$TMP/log"
run 0 "$WEIR" query -i "$TMP/log" -f jsonl "@$TMP/rules/listed.kql"
is out '{"HostName":"web-1","SyslogMessage":"one"}'
run 0 "$WEIR" replay --rules "$TMP/rules" "$TMP/log"
[ "$(jq -r '.columns.HostName' "$TMP/out" | sort | tr '\n' ' ')" = "db-1 web-1 " ] || fail "replay: $(cat "$TMP/out")"

# a configuration: addresses, own tables, what is wrong in them
printf 'ip,n\n192.0.2.7,3\n' >"$TMP/bad.csv"
cat >"$TMP/weir.yaml" <<Y
lists:
  externaldata:
    https://lists.example/bad.csv: $TMP/bad.csv
    https://lists.example/none.csv: {missing: empty}
  tables:
    Indicators: {file: $TMP/bad.csv, columns: {ip: string, n: long}}
    SigninLogs: {missing: empty, columns: {TimeGenerated: datetime, UserPrincipalName: string}}
Y
run 0 "$WEIR" check "$TMP/weir.yaml"
run 0 "$WEIR" query -c "$TMP/weir.yaml" -f jsonl \
    "union (Indicators | project n), (externaldata(ip: string, n: long)['https://lists.example/bad.csv'] with (ignoreFirstRecord=true) | project n), (externaldata(n: long)['https://lists.example/none.csv'])"
is out '{"n":3}
{"n":3}'
run 0 "$WEIR" query -c "$TMP/weir.yaml" -f jsonl 'SigninLogs | count'
is out '{"Count":0}'
run 1 "$WEIR" query "externaldata(n: long)['https://lists.example/bad.csv']"
has err "https://lists.example/bad.csv"
has err "lists: externaldata:"
printf 'ip,n\n"192.0.2.7,3\n' >"$TMP/bad.csv"
run 1 "$WEIR" check "$TMP/weir.yaml"
has out "$TMP/bad.csv:2: error: a quote is opened and never closed"
printf 'lists:\n  watchlists: {a: /none.csv, b: }\n  tables: {T: {file: x, columns: {a: strin}}}\n' >"$TMP/weir.yaml"
run 1 "$WEIR" check "$TMP/weir.yaml"
has out "the list 'b' has no file"
has out "this is no type of a column"

# a geo database
geo="$(dirname "$0")/mkmmdb.py"
python3 "$geo" "$TMP/geo.mmdb" France Bretagne Brest 48.39 -4.49 192.0.2.0/24 2001:db8::/32
printf 'lists: {geo: %s}\n' "$TMP/geo.mmdb" >"$TMP/geo.yaml"
run 0 "$WEIR" query -c "$TMP/geo.yaml" -f jsonl "range i from 0 to 3 step 1
| extend ip = tostring(dynamic(['192.0.2.9','2001:db8::1','198.51.100.1','none'])[i]), g = geo_info_from_ip_address(tostring(dynamic(['192.0.2.9','2001:db8::1','198.51.100.1','none'])[i]))
| project ip, country = tostring(g.country), g.city, lat = toreal(g.latitude)"
is out '{"ip":"192.0.2.9","country":"France","g_city":"Brest","lat":48.39}
{"ip":"2001:db8::1","country":"France","g_city":"Brest","lat":48.39}
{"ip":"198.51.100.1","country":"","g_city":null,"lat":null}
{"ip":"none","country":"","g_city":null,"lat":null}'
head -c 300 "$TMP/geo.mmdb" >"$TMP/cut.mmdb"
printf 'lists: {geo: %s}\n' "$TMP/cut.mmdb" >"$TMP/geo.yaml"
run 1 "$WEIR" query -c "$TMP/geo.yaml" "print geo_info_from_ip_address('192.0.2.9')"
has err "cannot open the geo database"
run 0 "$WEIR" query -f jsonl "print x = geo_info_from_ip_address('192.0.2.9')"
is out '{"x":null}'

# tables of indicators have Microsoft's columns where none are given
printf 'Active,NetworkIP,IndicatorId,ExpirationDateTime\ntrue,203.0.113.66,i1,2027-01-01T00:00:00Z\nfalse,203.0.113.67,i2,2027-01-01T00:00:00Z\n' >"$TMP/ti.csv"
printf 'lists: {tables: {ThreatIntelligenceIndicator: %s, ThreatIntelIndicators: {missing: empty}}}\n' "$TMP/ti.csv" >"$TMP/ti.yaml"
run 0 "$WEIR" query -f jsonl -c "$TMP/ti.yaml" "ThreatIntelligenceIndicator | where Active == true and ExpirationDateTime > datetime(2026-11-01) and TimeGenerated > ago(1h)
| project IndicatorId, NetworkIP, Url, ConfidenceScore"
is out '{"IndicatorId":"i1","NetworkIP":"203.0.113.66","Url":"","ConfidenceScore":null}'
run 0 "$WEIR" query -f jsonl -c "$TMP/ti.yaml" "ThreatIntelIndicators | where IsActive and tostring(Data.x) == ObservableValue and ValidUntil > now() | count"
is out '{"Count":0}'

# a running weir: the list changes, and with it the result
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$TMP/run.yaml" <<Y
rules: $TMP/rules
state: $TMP/state
http: off
workers: 1
lists: {check: 100ms}
listen: {flow_udp: off, flow_tcp: off, syslog_udp: off, syslog_tcp: "127.0.0.1:$port"}
Y
: >"$TMP/log.run"
"$WEIR" run -c "$TMP/run.yaml" >"$TMP/alerts" 2>"$TMP/log.run" &
pid=$!
wait_for '"ready"\|msg=ready\|ready' "$TMP/log.run"
lines() { # each host sends one
    python3 - "$port" "$@" <<'P'
import datetime, socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
for host in sys.argv[2:]:
    s.sendall(f"<13>1 {now} {host} app - - - x\n".encode())
time.sleep(0.2)
P
}
lines web-1 db-2
wait_for '"web-1"' "$TMP/alerts"
grep -q '"db-2"' "$TMP/alerts" && fail "db-2 stands in no list yet"
printf 'SearchKey,Owner\n"db-2,ops\n' >"$TMP/rules/tuning/hosts.csv"
wait_for 'its old content stays' "$TMP/log.run"
printf 'SearchKey,Owner\ndb-2,ops\n' >"$TMP/rules/tuning/hosts.csv"
wait_for 'lists were read again' "$TMP/log.run"
lines db-2 web-1 # a line is judged by the list as it is when it comes
wait_for '"db-2"' "$TMP/alerts"
[ "$(grep -c '"web-1"' "$TMP/alerts")" -eq 1 ] || fail "web-1 stands in no list any more"
kill "$pid"
wait "$pid"

# Reverse names of devices.
printf '# lab\n10.20.0.1 ws-one.lab.example\n' >"$TMP/hosts"
printf 'names: %s\n' "$TMP/hosts" >"$TMP/names.yaml"
run 0 "$WEIR" query -i "$MAIL/lab.pcap" --config "$TMP/names.yaml" -f jsonl \
    "DeviceNetworkEvents | where LocalIP in ('10.20.0.1', '10.20.0.2') | distinct LocalIP, DeviceName | sort by LocalIP asc"
is out '{"LocalIP":"10.20.0.1","DeviceName":"ws-one.lab.example"}
{"LocalIP":"10.20.0.2","DeviceName":"10.20.0.2"}'
printf 'ws-one 10.20.0.1\n' >>"$TMP/hosts"
run 1 "$WEIR" check "$TMP/names.yaml"
has out "hosts:3"
has out "no address and name"

finish
