# weir decode gives every field that the captures' own projects expect of them, and no field is left out silently.
. "$(dirname "$0")/lib.sh"
run 0 python3 "$SRC/tests/cli/goldens.py" "$WEIR" "$SRC/tests/data/flow"
[ "$failures" -eq 0 ] || cat "$TMP/out"
tail -n 1 "$TMP/out"
[ "$(tail -n 1 "$TMP/out" | sed 's/.*= \([0-9]*\) fields/\1/')" -ge 8700 ] || fail "fields compared: $(tail -n 1 "$TMP/out")"
finish
