# Files that are broken, cut, empty or something else: told, counted, never fatal.
. "$(dirname "$0")/lib.sh"
count='DeviceNetworkEvents | count'

# Whatever the bytes are: exit code 0 or 1, and no sanitizer has a word.
ends_well() {
    "$@" >"$TMP/out" 2>"$TMP/err" </dev/null
    code=$?
    [ "$code" -le 1 ] || fail "exit code $code: $*"
    grep -E "Sanitizer|runtime error:|Assertion" "$TMP/err" && fail "$*"
}

survives() {
    ends_well "$WEIR" query -i "$1" -f jsonl "$count"
    ends_well "$WEIR" decode "$1"
}

: >"$TMP/empty"
run 0 "$WEIR" query -i "$TMP/empty" -f jsonl "$count"
is out '{"Count":0}'

run 1 "$WEIR" query -i "$TMP/none" "$count"
is err "weir: cannot read $TMP/none: No such file or directory"
is out ""
run 1 "$WEIR" query -i "$TMP" "$count"
is err "weir: cannot read $TMP: Is a directory"

printf '\000\001\002\003' >"$TMP/binary"
run 1 "$WEIR" query -i "$TMP/binary" "$count"
is err "weir: $TMP/binary: not a capture, IPFIX file or text: first bytes 00 01 02 03"
printf '\037\213\010\000\000\000\000' >"$TMP/gz"
run 1 "$WEIR" query -i "$TMP/gz" "$count"
has err "compressed with gzip"
run 1 "$WEIR" decode "$MAIL/lab-endpoint.jsonl"
has err "is text, not flow messages"
run 1 "$WEIR" decode "$MAIL/lab.pcap"
has err "capture of ordinary traffic"

# Lines that are no events are lines of Syslog, not errors.
printf 'not json\n{"a":\n{"Timestamp":"2026-01-05T08:00:00Z"\n\n\n' >"$TMP/lines"
run 0 "$WEIR" query -i "$TMP/lines" -f jsonl "$count"
is out '{"Count":0}'

# A capture that is cut anywhere, and one with bytes changed.
size=$(wc -c <"$MAIL/lab.pcap")
for at in 1 4 20 23 24 25 39 40 41 57 100 1000 4097 65537 $((size - 1)); do
    head -c "$at" "$MAIL/lab.pcap" >"$TMP/cut"
    survives "$TMP/cut"
done
for seed in 1 2 3 4 5 6 7 8; do
    head -c 65536 "$MAIL/lab.pcap" >"$TMP/cut"
    for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
        at=$(((seed * 7919 + i * 104729) % 65536))
        printf "\\$(printf %o $(((seed * 31 + i * 17) % 256)))" |
            dd of="$TMP/cut" bs=1 seek="$at" conv=notrunc 2>/dev/null
    done
    survives "$TMP/cut"
done

# An IPFIX file that ends inside a message: what was whole is used, and the end is told.
printf '\000\012\000\020\151\133\164\000\000\000\000\000\000\000\000\001' >"$TMP/ipfix"
run 0 "$WEIR" decode "$TMP/ipfix"
printf '\000\012\000\040\151\133\164\000' >>"$TMP/ipfix"
run 1 "$WEIR" decode "$TMP/ipfix"
has err "the file ends inside the message at byte 16"
finish
