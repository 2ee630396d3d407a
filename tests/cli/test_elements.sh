# Files of elements (`--elements`, weir check): names for what an exporter sends and weir does not know.
. "$(dirname "$0")/lib.sh"
cat >"$TMP/acme.xml" <<'END'
<registry xmlns="a" xmlns:cert="b"><registry id="ipfix-information-elements">
  <record><cert:enterpriseId>4711</cert:enterpriseId><elementId>7</elementId><name>acmeTicket</name><dataType>unsigned32</dataType></record>
</registry></registry>
END
python3 - "$TMP/acme.ipfix" <<'END'
import struct, sys
template = struct.pack(">HHHHHHHHHHI", 2, 4 + 20, 256, 3, 8, 4, 12, 4, 0x8007, 4, 4711)
data = struct.pack(">HH4s4sI", 256, 16, b"\xc0\0\2\1", b"\xc0\0\2\2", 77)
open(sys.argv[1], "wb").write(struct.pack(">HHIII", 10, 16 + len(template + data), 1700000000, 0, 1) + template + data)
END
run 0 "$WEIR" decode "$TMP/acme.ipfix"
has out '"_4711_7":"0000004d"'
run 0 "$WEIR" decode --elements "$TMP/acme.xml" "$TMP/acme.ipfix"
has out '"acmeTicket":77'
run 0 "$WEIR" query --elements "$TMP/acme.xml" -i "$TMP/acme.ipfix" -f jsonl 'Flows | project t = toint(Fields.acmeTicket)'
is out '{"t":77}'
printf 'Flows | where Timestamp > ago(1h) | where toint(Fields.acmeTicket) == 77 | summarize N = count() by Exporter\n' >"$TMP/acme.kql"
run 0 "$WEIR" replay --rules "$TMP/acme.kql" --elements "$TMP/acme.xml" "$TMP/acme.ipfix"
has out '"columns":{"Exporter":'
run 0 "$WEIR" replay --rules "$TMP/acme.kql" "$TMP/acme.ipfix"
is out ""
run 1 "$WEIR" replay --rules "$TMP/acme.kql" --elements "$TMP/none.xml" "$TMP/acme.ipfix"
has err "none.xml"
run 0 "$WEIR" check "$TMP/acme.xml"
# Mail that a probe saw is rows of SmtpMessages, whether the flows themselves are wanted or not.
python3 - "$TMP/mail.ipfix" <<'END'
import struct, sys
fields = [(8, 4), (12, 4), (11, 2), (0x8000 | 185, 65535, 35632), (0x8000 | 186, 65535, 35632)]
spec = b"".join(struct.pack(">HH" + "I" * (len(f) > 2), *f) for f in fields)
template = struct.pack(">HHHH", 2, 8 + len(spec), 256, len(fields)) + spec
text = lambda s: bytes([len(s)]) + s.encode()
record = b"\xc0\0\2\1\xc0\0\2\2\0\x19" + text("a@example.org") + text("b@example.net")
data = struct.pack(">HH", 256, 4 + len(record)) + record
open(sys.argv[1], "wb").write(struct.pack(">HHIII", 10, 16 + len(template + data), 1700000000, 0, 1) + template + data)
END
for n in 1 1024; do
    run 0 "$WEIR" query -i "$TMP/mail.ipfix" -f jsonl --batch-rows $n 'SmtpMessages | project SrcIp, DstPort, MailFrom, RcptFirst, RcptCount'
    is out '{"SrcIp":"192.0.2.1","DstPort":25,"MailFrom":"a@example.org","RcptFirst":"b@example.net","RcptCount":1}'
done
sed 's/4711/0/; s/<elementId>7/<elementId>8/' "$TMP/acme.xml" >"$TMP/bad.xml"
run 1 "$WEIR" check "$TMP/bad.xml"
has out "bad.xml: error: no elements that can be used: element 0/8 (acmeTicket) is known, and of another type"
run 1 "$WEIR" decode --elements "$TMP/bad.xml" "$TMP/acme.ipfix"
has err "bad.xml: no elements that can be used"
run 1 "$WEIR" decode --elements "$TMP/none.xml" "$TMP/acme.ipfix"
echo "elements: [$TMP/bad.xml]" >"$TMP/weir.yaml"
run 1 "$WEIR" run -c "$TMP/weir.yaml" --state "$TMP/state"
has err "bad.xml: no elements that can be used"
for f in "$SRC"/parsers/flow/model/*.xml; do
    run 0 "$WEIR" check "$f"
done
finish
