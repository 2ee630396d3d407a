# Read by the tests beside it: sets WEIR, SRC, MAIL and an empty folder TMP that goes at the end.
set -u
WEIR=$1
SRC=$2
MAIL=$SRC/tests/data/mail
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
failures=0

fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# run CODE COMMAND...: runs it with output in $TMP/out and $TMP/err, and wants this exit code.
run() {
    want=$1
    shift
    "$@" >"$TMP/out" 2>"$TMP/err" </dev/null
    got=$?
    if [ "$got" -ne "$want" ]; then
        fail "exit code $got, not $want: $*"
        head -n 5 "$TMP/err"
    fi
    ! grep -E "AddressSanitizer|LeakSanitizer|runtime error:" "$TMP/err"
}

# has FILE TEXT: the file ("out" or "err") holds the text.
has() {
    grep -qF -e "$2" "$TMP/$1" || {
        fail "no '$2' in $1:"
        head -n 12 "$TMP/$1"
    }
}

# is FILE TEXT: the file is exactly the text and a line end.
is() {
    [ "$(cat "$TMP/$1")" = "$2" ] || {
        fail "$1 is not '$2' but:"
        head -n 12 "$TMP/$1"
    }
}

# same A B: two files are equal.
same() {
    diff -u "$1" "$2" >"$TMP/diff" || {
        fail "$1 and $2 differ:"
        head -n 30 "$TMP/diff"
    }
}

# wait_for PATTERN FILE: until the file has such a line, 20 s at most.
wait_for() {
    n=0
    until grep -q "$1" "$2"; do
        n=$((n + 1))
        if [ "$n" -gt 200 ]; then
            fail "no '$1' in $2 within 20 s: $(tail -n 3 "$2")"
            return
        fi
        sleep 0.1
    done
}

finish() {
    [ "$failures" -eq 0 ] || echo "$failures failed"
    exit "$((failures > 0))"
}
