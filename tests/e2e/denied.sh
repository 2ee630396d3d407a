#!/bin/sh
# denied.sh WEIR ROOT: a file of `files:` that weir may not read: `weir check` says so, weir says it once and runs, and reads the
# file when it may, as it does for a directory that it may not search. Run by root, weir runs as nobody.
WEIR=$1 ROOT=$2
. "$ROOT/tests/support/live.sh"
chmod 755 "$dir"
mkdir "$dir/logs" "$dir/closed" "$dir/state"
for at in logs closed; do echo '<13>1 2026-01-01T00:00:00Z h app - - - line' >"$dir/$at/app.log"; done
if [ "$(id -u)" -eq 0 ]; then
    cp "$WEIR" "$dir/weir.bin"
    printf '#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups %s "$@"\n' "$dir/weir.bin" >"$dir/weir"
    chmod 755 "$dir/weir" "$dir/weir.bin"
    WEIR=$dir/weir
    chown 65534 "$dir/state"
fi
chmod 000 "$dir/logs/app.log" "$dir/closed"
echo "files: [\"$dir/logs/app.log\", \"$dir/closed/app.log\", \"$dir/logs/none.log\"]" >"$dir/more.yaml"
live_start --workers 1
code=0
"$WEIR" check "$dir/weir.yaml" >"$dir/check" 2>&1 || code=$?
says() { grep -qF "$1" "$dir/check" || { cat "$dir/check"; live_fail "weir check does not say: $1"; }; }
[ "$code" -eq 1 ] || live_fail "weir check ends with $code"
says "error: files: cannot read '$dir/logs/app.log': Permission denied"
says "error: files: there is no '$dir/closed/app.log', or a directory of it may not be searched"
says "warning: files: there is no '$dir/logs/none.log' yet: weir reads it when it comes"
told() { grep -F "$1" "$dir/weir.log" | grep -q 'Permission denied'; }
live_until 10 told "$dir/logs/app.log" || live_fail "nothing in the log about the file"
live_until 10 told "$dir/closed/app.log" || live_fail "nothing in the log about the directory"
for i in 1 2 3 4 5; do [ "$(live_metric weir_log_frames_total)" -eq 0 ] || live_fail "read what it may not"; done
[ "$(grep -c 'Permission denied' "$dir/weir.log")" -eq 2 ] || live_fail "said more than once"
frames() { [ "$(live_metric weir_log_frames_total)" -eq "$1" ]; }
chmod 644 "$dir/logs/app.log"
live_until 15 frames 1 || live_fail "the file is not read when it may be"
chmod 755 "$dir/closed"
live_until 15 frames 2 || live_fail "the file in the directory is not read when it may be"
echo "denied, told, read"
