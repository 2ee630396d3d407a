#!/bin/sh
# audit.sh VARIANT WEIR ROOT: a log as auditd writes it, read by weir and by audit's own ausearch -i: the same connections, with
# address, port, outcome, process and account, and the same processes.
# Variants: file (weir query), rsyslog (imfile ships the lines over TCP to a running weir, which alerts on each connection).
variant=$1 WEIR=$2 ROOT=$3
. "$ROOT/tests/support/live.sh"
here=$ROOT/tests/interop
columns="RemoteIP, RemotePort, ActionType, InitiatingProcessFolderPath, InitiatingProcessId, InitiatingProcessCommandLine, AccountName"
python3 "$here/audit_log.py" "$dir/audit.log" 400 "$(date +%s)"
TZ=UTC ausearch -if "$dir/audit.log" -i >"$dir/ausearch.txt" || live_fail "ausearch does not read the log"
case $variant in
file)
    "$WEIR" query -f jsonl -i "$dir/audit.log" "DeviceNetworkEvents | project $columns" >"$dir/rows"
    "$WEIR" query -f jsonl -i "$dir/audit.log" \
        "DeviceProcessEvents | project FolderPath, ProcessId, InitiatingProcessId, ProcessCommandLine, AccountName" >>"$dir/rows"
    python3 "$here/audit_check.py" all "$dir/ausearch.txt" "$dir/rows" || live_fail "weir query and ausearch differ" ;;
rsyslog)
    cat >"$dir/rule.kql" <<KQL
DeviceNetworkEvents | where Timestamp > ago(1h) | where ActionType != "ConnectionRequest"
| summarize N = count() by $columns | where N >= 1
KQL
    live_start --workers 2 --rules "$dir/rule.kql"
    cat >"$dir/sender.conf" <<CONF
global(workDirectory="$dir" maxMessageSize="64k")
module(load="imfile" PollingInterval="1")
input(type="imfile" File="$dir/audit.log" Tag="audit:" Severity="info" Facility="local6")
action(type="omfwd" target="127.0.0.1" port="$syslog" protocol="tcp")
CONF
    rsyslogd -n -f "$dir/sender.conf" -i "$dir/sender.pid" >"$dir/sender.log" 2>&1 &
    sender=$!
    right() { python3 "$here/audit_check.py" decided "$dir/ausearch.txt" "$alerts" >"$dir/diff"; }
    live_until 20 right || { cat "$dir/diff" "$dir/sender.log"; kill "$sender"; live_fail "alerts and ausearch differ"; }
    kill "$sender" && wait "$sender" 2>/dev/null || true
    [ "$(live_metric weir_log_audit_events_total)" -gt 0 ] && [ "$(live_metric weir_log_audit_incomplete_total)" -eq 0 ] || live_fail "an event without its end" ;;
*) live_fail "no such variant: $variant" ;;
esac
echo "$variant: as ausearch says"
