#!/bin/sh
# loss.sh VARIANT WEIR ROOT FLOWGEN: weir is stopped in the middle of a stream with a receive buffer that is far too small. What it
# then says is exact: datagrams that arrived and datagrams that the kernel dropped are all that were sent, and the records
# missing by the exporters' sequence numbers are those of the dropped datagrams.
# Variants: ipfix, v9, v5: one datagram at a time. gso: in trains; the kernel counts a dropped train once, so only the
# sequence numbers are exact.
variant=$1 WEIR=$2 ROOT=$3 FLOWGEN=$4
. "$ROOT/tests/support/live.sh"
dialect=$variant gso=--no-gso per=19
case $variant in v5) per=30 ;; v9) per=22 ;; gso) dialect=ipfix gso="--train 8" ;; esac
echo "receive_buffer: 65536" >"$dir/more.yaml"
live_start
# shellcheck disable=SC2086
"$FLOWGEN" --port "$flow" --dialect "$dialect" $gso --exporters 3 --rate 60000 --seconds 2 --rest 1.5 >"$dir/sent" &
generator=$!
sleep 0.8
kill -STOP "$weir_pid"
sleep 0.6
kill -CONT "$weir_pid"
wait $generator || live_fail "flowgen failed"
sent=$(sed 's/.*datagrams=\([0-9]*\).*templates=\([0-9]*\)/\1 \2/' "$dir/sent" | awk '{ print $1 + $2 }')
records=$(sed 's/records=\([0-9]*\).*/\1/' "$dir/sent")
all_there() { [ "$(live_metric weir_ring_bytes)" -eq 0 ] && [ "$(live_metric weir_listener_received_total)" -gt 0 ]; }
live_until 10 all_there || live_fail "weir does not come to rest"
sleep 0.3
received=$(live_metric weir_listener_received_total) dropped=$(live_metric weir_listener_kernel_dropped_total)
got=$(live_metric weir_flow_records_total) lost=$(live_metric weir_flow_seq_lost_total)
echo "$variant: sent $sent datagrams, $records records; received $received, dropped $dropped; decoded $got, missing by sequence $lost"
[ "$lost" -gt 0 ] || live_fail "nothing was lost: the test shows nothing"
[ "$variant" = gso ] || [ $((received + dropped)) -eq "$sent" ] || live_fail "received and dropped are not what was sent"
if [ "$variant" = v9 ]; then # counts datagrams, those with templates too
    [ "$lost" -eq "$dropped" ] || live_fail "the kernel and the sequence numbers disagree"
    exit 0
fi
[ $((got + lost)) -eq "$records" ] || live_fail "decoded and missing are not what was sent"
# Among what was dropped are up to three datagrams with templates, which have no records.
spare=$((dropped * per - lost))
if [ "$variant" != gso ]; then
    [ $spare -ge 0 ] && [ $spare -le $((3 * per)) ] || live_fail "the kernel and the sequence numbers disagree"
fi
