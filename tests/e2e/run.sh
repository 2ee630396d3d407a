#!/bin/sh
# run.sh VARIANT WEIR ROOT: the lab, live, through the real program: endpoint events over syslog TCP, then the flows of
# the same connections from softflowd. Whatever is varied, the alerts are the same: the six rows of lab-seed-rows.json.
# Variants:
#   workers-N, batch-N   N workers, N rows a batch
#   kill       kill -9 in the middle of the events and again among the flows; the ids are those of an undisturbed run
#   restart    SIGTERM in the middle; the same
#   torn       kill -9, then the log's last bytes are cut off: a tick of the clock was being written
#   reload     a running rule made bad, then a new bad one, over SIGHUP in the middle
#   snapshot   the process that writes a snapshot is stuck: kill -9 of weir then, and a restart at once; and once more, and
#              it is given up and the next one is written
#   settings   a bad configuration and good ones over SIGHUP: receivers come and go, what cannot change is said
variant=$1 WEIR=$2 ROOT=$3
. "$ROOT/tests/support/live.sh"
lab=$ROOT/tests/data/mail
mkdir "$dir/lab"
offset=$(python3 "$ROOT/deploy/lab_shift.py" "$lab" "$dir/lab")
total=$(wc -l <"$dir/lab/lab-endpoint.jsonl")
workers=1 batch=1024

# send_events FROM TO: lines of the endpoint events; returns when weir has parsed them.
send_events() {
    before=$(live_metric weir_log_frames_total)
    sed -n "$1,$2p" "$dir/lab/lab-endpoint.jsonl" >"$dir/part"
    python3 - "$dir/part" "$syslog" <<'PY'
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
s.sendall(open(sys.argv[1], "rb").read())
s.shutdown(socket.SHUT_WR)
s.recv(1)
PY
    want=$((before + $2 - $1 + 1))
    events_there() { [ "$(live_metric weir_log_frames_total)" -ge "$want" ] && [ "$(live_metric weir_ring_bytes)" -eq 0 ]; }
    live_until 10 events_there || live_fail "$(live_metric weir_log_frames_total) of $want events arrived"
}
send_flows() {
    softflowd -r "$dir/lab/lab.pcap" -n "127.0.0.1:$flow" -v 10 -A milli \
        -p none -c none >"$dir/exporter.log" 2>&1 || live_fail "softflowd: $(cat "$dir/exporter.log")"
}
kill_9() {
    kill -9 "$weir_pid"
    wait "$weir_pid" 2>/dev/null || true
    weir_pid=""
}
begin() { live_start --workers "$workers" --batch-rows "$batch"; }
right() { python3 "$ROOT/tests/support/lab.py" rows "$alerts" "$lab" "$offset" >"$dir/diff"; }
seed=$(sed -n 's/^id: //p' "$ROOT/rules/library/T1071.003-mail-protocols.yaml") # the others run on a schedule: tests/support/lab.py
ids() { "$WEIR" alerts --all --state "$dir/state" | jq -r 'select(.kind == "raised" and .rule_id == "'"$seed"'") | .alert_id' | sort; }
finish() { # an alert is told again after half its age: on a busy machine the flows come late in it
    live_until 60 right || { cat "$dir/diff"; live_get /metrics | grep -E '^weir_(listener|conn|rule|alerts)'; live_fail "$variant: rows differ"; }
    live_stop
    tail -n 1 "$dir/weir.log" | grep -q "msg=stopped" || live_fail "$variant: no clean stop"
    ! grep -E "Sanitizer|runtime error:|level=error" "$dir/weir.log" | grep -v -e "reload refused" -e "rules are refused" -e "a snapshot" || live_fail "$variant: errors in the log"
    ids >"$dir/ids"
    [ "$(uniq "$dir/ids" | wc -l)" -eq 6 ] || live_fail "$variant: $(uniq "$dir/ids" | wc -l) alert ids, not 6"
    [ -z "$(uniq -d "$dir/ids")" ] || live_fail "$variant: raised twice: $(uniq -d "$dir/ids")"
}

# An undisturbed run of the same input says which ids must come.
begin
send_events 1 "$total"
send_flows
finish
cp "$dir/ids" "$dir/want"
rm -rf "$dir/state" && mkdir "$dir/state"
: >"$alerts"

half=$((total / 2)) third=$((total / 3))
case $variant in
workers-*) workers=${variant#workers-}; begin; send_events 1 "$total"; send_flows ;;
batch-*) batch=${variant#batch-}; begin; send_events 1 "$total"; send_flows ;;
kill)
    begin; send_events 1 "$half"; kill_9
    begin; send_events $((half + 1)) "$total"; kill_9
    begin; send_flows
    live_until 60 right || true
    kill_9; begin ;;
restart)
    begin; send_events 1 "$third"; live_stop
    begin; send_events $((third + 1)) "$total"; send_flows
    live_stop; begin ;;
torn)
    begin; send_events 1 "$half"; sleep 0.5; kill_9
    log=$(ls "$dir"/state/log-* | tail -n 1)
    truncate -s -5 "$log"
    begin; send_events $((half + 1)) "$total"; send_flows
    [ "$(live_metric weir_recovery_torn_bytes)" -gt 0 ] || live_fail "no torn bytes were seen" ;;
reload)
    cp -r "$ROOT/rules/library" "$dir/rules"
    sed -i "s|^rules:.*|rules: [\"$dir/rules\"]|" "$dir/weir.yaml"
    begin; send_events 1 "$third"
    rule=$(ls "$dir"/rules/*.yaml | head -n 1)
    cp "$rule" "$dir/kept"
    echo "severity: dreadful" >>"$rule"
    kill -HUP "$weir_pid"
    refused() { [ "$(live_metric weir_reload_errors_total)" -eq 1 ]; }
    live_until 5 refused || live_fail "a rule that runs went away because its file is wrong now"
    send_events $((third + 1)) "$half"
    cp "$dir/kept" "$rule"
    rules=$(live_metric weir_rules)
    echo 'DeviceNetworkEvents | wher true' >"$dir/rules/bad.kql"
    kill -HUP "$weir_pid"
    taken() { [ "$(live_metric weir_reloads_total)" -eq 1 ]; }
    live_until 5 taken || live_fail "a new rule that is wrong stopped the others"
    [ "$(live_metric weir_rules)" -eq "$rules" ] || live_fail "$(live_metric weir_rules) rules, not $rules"
    [ "$(live_metric weir_rule_files_refused)" -eq 1 ] || live_fail "the refused file is not counted"
    grep -q "bad.kql:1:23: error:" "$dir/weir.log" || live_fail "what is wrong is not said"
    send_events $((half + 1)) "$total"; send_flows ;;
snapshot)
    echo "snapshot: 1s" >"$dir/more.yaml"
    rm "$dir/weir.yaml"
    stuck() { # stops the process of the next snapshot; one comes because something comes in
        python3 - "$weir_pid" "$syslog" <<'PY'
import os, signal, socket, sys, time
end = time.monotonic() + 30
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while time.monotonic() < end:
    line.sendto(b"<13>1 - host app - - - x", ("127.0.0.1", int(sys.argv[2])))
    time.sleep(0.002)
    with open(f"/proc/{sys.argv[1]}/task/{sys.argv[1]}/children") as f:
        for pid in f.read().split():
            try:
                os.kill(int(pid), signal.SIGSTOP)
                time.sleep(0.05)
                with open(f"/proc/{pid}/stat") as stat, open(f"/proc/{pid}/oom_score_adj") as score:
                    if stat.read().rsplit(")", 1)[1].split()[0] == "T" and score.read().strip() == "1000":
                        print(pid)
                        sys.exit()
                os.kill(int(pid), signal.SIGCONT) # it has just begun: not yet tied to its parent's end
            except OSError:
                pass
sys.exit("no process of a snapshot was caught")
PY
    }
    gone() { [ ! -e "/proc/$child" ] || grep -q ') Z ' "/proc/$child/stat" 2>/dev/null; }
    begin; send_events 1 "$third"
    child=$(stuck) || live_fail "no snapshot"
    send_events $((third + 1)) "$half"
    kill_9
    live_until 5 gone || live_fail "the snapshot's process outlives weir"
    begin
    child=$(stuck) || live_fail "no snapshot after the restart"
    send_events $((half + 1)) "$total"; send_flows
    given_up() { [ "$(live_metric weir_snapshot_errors_total)" -ge 1 ]; }
    live_until 20 given_up || live_fail "the stuck snapshot was not given up"
    gone || live_fail "the stuck process is still there"
    grep -q "msg=\"a snapshot is not getting done" "$dir/weir.log" || live_fail "it was not said"
    before=$(live_metric weir_snapshots_total)
    next() {
        printf '<13>1 - host app - - - x' | python3 -c 'import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(sys.stdin.buffer.read(), ("127.0.0.1", int(sys.argv[1])))' "$syslog"
        [ "$(live_metric weir_snapshots_total)" -gt "$before" ]
    }
    live_until 20 next || live_fail "no snapshot after that"
    child=$(stuck) || live_fail "no third snapshot" ;; # and the stop does not wait for it
settings)
    begin; send_events 1 "$third"
    cp "$dir/weir.yaml" "$dir/first.yaml"
    hup() { # METRIC VALUE
        kill -HUP "$weir_pid"
        counted() { [ "$(live_metric "$1")" -eq "$2" ]; }
        live_until 5 counted "$1" "$2" || live_fail "$1 is $(live_metric "$1"), not $2"
    }
    echo "retentoin: 3d" >>"$dir/weir.yaml"
    hup weir_reload_errors_total 1
    grep -q "weir.yaml:$(wc -l <"$dir/weir.yaml"):.*retentoin" "$dir/weir.log" || live_fail "the mistake's place is not said"
    { cat "$dir/first.yaml"; echo "alerts: {files: [$dir/copy.jsonl]}"; echo "memory: 256M"
      echo "forward: [{name: nobody, host: 127.0.0.1, port: 9}]"; } >"$dir/weir.yaml"
    hup weir_reloads_total 1
    grep -q "setting=memory" "$dir/weir.log" || live_fail "memory changed in silence"
    ! grep -q "setting=listen" "$dir/weir.log" || live_fail "listeners have not changed"
    [ "$(live_get /metrics | grep -c '^weir_sink_pending')" -eq 3 ] || live_fail "not three receivers"
    send_events $((third + 1)) "$half"
    { cat "$dir/first.yaml"; echo "alerts: {files: [$dir/copy.jsonl]}"; } >"$dir/weir.yaml"
    hup weir_reloads_total 2
    [ "$(live_get /metrics | grep -c '^weir_sink_pending')" -eq 2 ] || live_fail "not two receivers"
    send_events $((half + 1)) "$total"; send_flows
    live_until 60 right || true
    [ -s "$dir/copy.jsonl" ] || live_fail "the file got no alert"
    tail -n "$(wc -l <"$dir/copy.jsonl")" "$alerts" | cmp - "$dir/copy.jsonl" || live_fail "the file and standard output differ" ;;
*) live_fail "no such variant: $variant" ;;
esac
finish
cmp "$dir/ids" "$dir/want" || live_fail "$variant: other ids than in the undisturbed run"
echo "$variant: the same six ids, none twice"
