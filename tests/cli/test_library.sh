# The mail detections over the lab as a site would have it: a capture, endpoint events and DNS in one run, messages and labelled
# flows in another. Each rule fires for the hosts of lab-expected.tsv and for no other.
. "$(dirname "$0")/lib.sh"
mkdir -p "$TMP/rules"
cp "$SRC"/rules/library/[wh][0-9][0-9]-*.yaml "$SRC"/rules/optional/*.yaml "$TMP/rules"
cp -r "$MAIL/watchlists" "$TMP/rules/tuning"
# W04 of the mail rules -> W04 and the rule's id
for f in "$TMP"/rules/*.yaml; do
    echo "$(sed -n '1s/^# \(...\) .*/\1/p' "$f") $(sed -n 's/^id: //p' "$f")"
done | sort >"$TMP/ids"
[ "$(wc -l <"$TMP/ids")" -eq 22 ] || fail "rules are missing: $(cat "$TMP/ids")"

# hosts FILE: "RULE HOST" of every alert.
hosts() {
    jq -r '.columns as $c | [.rule_id, ($c.SrcHostname // $c.DeviceName // $c.AnyDevice // $c.SrcIpAddr // $c.SrcIp)] | @tsv' "$1" |
        sort -u | join -1 2 -2 1 -o 1.1,2.2 "$TMP/ids.by" - |
        sed -E 's/\.lab\.example$//; s/10\.20\.0\.([0-9])$/lab-ws0\1/; s/10\.20\.0\.([0-9][0-9])$/lab-ws\1/' | sort -u
}
sort -k 2 "$TMP/ids" >"$TMP/ids.by"
# expected RULE...: the same from the table.
expected() {
    for rule; do
        grep -q "^$rule " "$TMP/ids" && awk -v r="$rule" '$1 == r { print $1, $3 }' "$MAIL/lab-expected.tsv"
    done | sort -u
}

run 0 "$WEIR" replay --rules "$TMP/rules" "$MAIL/lab.pcap" "$MAIL/lab-endpoint.jsonl" "$MAIL/lab-dns.jsonl"
hosts "$TMP/out" >"$TMP/have"
expected W01 W02 W03 W04 W05 W06 W07 W11 W12 W13 W14 W15 W16 >"$TMP/want"
[ "$(wc -l <"$TMP/want")" -gt 40 ] || fail "too little is expected"
same "$TMP/want" "$TMP/have"

run 0 "$WEIR" replay --mappings "$MAIL/mappings" --rules "$TMP/rules" "$MAIL/lab-flows.jsonl" "$MAIL/lab-smtp.jsonl"
hosts "$TMP/out" | grep -E '^(H|W08|W09)' >"$TMP/have"
expected W08 W09 H01 H02 H03 H04 H05 H06 >"$TMP/want"
[ "$(wc -l <"$TMP/want")" -ge 6 ] || fail "too little is expected"
same "$TMP/want" "$TMP/have"
finish
