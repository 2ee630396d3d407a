#!/bin/sh
# Runs every fuzz target for a time each: sh tests/fuzz/run.sh [SECONDS [TARGET...]]. New inputs are kept in build/fuzz-corpus; a find is
# left as build/fuzz-corpus/TARGET-crash-* and ends the run. WEIR_FUZZ_OPTIONS goes to libFuzzer: '-max_len=400' runs short inputs, five times
# as many a second of `flow`. Needs clang (Debian: clang, libclang-rt-14-dev).
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz
[ $# -gt 0 ] || set -- $(find tests/fuzz -maxdepth 1 -name 'fuzz_*.c' -printf '%f\n' | sed 's/^fuzz_//; s/\.c$//' | sort)
passed=0
for target in "$@"; do
    mkdir -p "build/fuzz-corpus/$target"
    echo "== $target, $seconds s"
    "build/fuzz/tests/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 ${WEIR_FUZZ_OPTIONS:-} \
        -artifact_prefix="build/fuzz-corpus/$target-" "build/fuzz-corpus/$target" "tests/fuzz/corpus/$target" \
        >"build/fuzz-corpus/$target.log" 2>&1 || { tail -n 40 "build/fuzz-corpus/$target.log"; exit 1; }
    grep -E 'number_of_executed_units' "build/fuzz-corpus/$target.log"
    passed=$((passed + 1))
done
echo "$passed passed, 0 failed"
