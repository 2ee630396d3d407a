# weir query: every format of a result, and what happens when nobody takes it.
. "$(dirname "$0")/lib.sh"

query='datatable(s:string, n:long, r:real, t:datetime, b:bool, d:dynamic) [
  "a,\"b\"", 1, 0.5, datetime(2026-01-05T08:12:13.6Z), true, dynamic({"k":[1,2]}),
  "", long(null), real(nan), datetime(null), bool(null), dynamic(null)]'
run 0 "$WEIR" query "$query"
jq -c '.columns | map(.type)' "$TMP/out" >"$TMP/got"
is got '["string","long","real","datetime","bool","dynamic"]'
jq -c '.rows[]' "$TMP/out" >"$TMP/got"
is got '["a,\"b\"",1,0.5,"2026-01-05T08:12:13.6000000Z",true,{"k":[1,2]}]
["",null,"NaN",null,null,null]'

run 0 "$WEIR" query -f jsonl "$query"
is out '{"s":"a,\"b\"","n":1,"r":0.5,"t":"2026-01-05T08:12:13.6000000Z","b":true,"d":{"k":[1,2]}}
{"s":"","n":null,"r":"NaN","t":null,"b":null,"d":null}'

run 0 "$WEIR" query -f csv "$query"
tr -d '\r' <"$TMP/out" >"$TMP/got"
is got 's,n,r,t,b,d
"a,""b""",1,0.5,2026-01-05T08:12:13.6000000Z,true,"{""k"":[1,2]}"
,,NaN,,,'

run 0 "$WEIR" query -f table 'print name = "x\ty", n = 12'
is out 'name     n
------  --
x\x09y  12'

run 0 "$WEIR" query --now 2026-01-05T08:00:00+01:00 -f jsonl 'print t = now()'
is out '{"t":"2026-01-05T07:00:00.0000000Z"}'

run 1 "$WEIR" query 'print x = nosuch(1)'
has err "query:1:11: error:"
is out ""

# A reader that goes away is no error; a full disk is one.
big='range i from 1 to 90000 step 1 | extend s = "some text that makes the row long enough"'
{
    "$WEIR" query -f csv --batch-rows 1024 "$big" 2>"$TMP/err"
    echo $? >"$TMP/code"
} | head -n 1 >"$TMP/out"
[ "$(cat "$TMP/code")" -eq 0 ] || fail "exit code $(cat "$TMP/code") when the reader goes away"
is err ""
"$WEIR" query --batch-rows 1024 "$big" >/dev/full 2>"$TMP/err"
[ $? -eq 1 ] || fail "a full disk is exit code 1"
has err "cannot write the output: No space left on device"
finish
