#!/bin/sh
# flow_instructions.sh: instructions per record of the decoder, from memory, by callgrind (so a busy machine does not matter).
# Needs the release preset (target bench_flow) and valgrind. Goals: 100 with every row kept, 30 with 1 % kept by port.
set -eu
cd "$(dirname "$0")/../.."
bench=${BENCH_FLOW:-$PWD/build/release/tests/bench_flow}
[ -x "$bench" ] || { echo "flow_instructions: build the release preset's bench_flow first" >&2; exit 1; }
rounds=256 passes=10 records=19
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for shape in ${1:-ipfix v9 v5 ipfix6 nvm}; do
    for mode in all port; do
        n=$(valgrind --tool=callgrind --callgrind-out-file="$out" --toggle-collect=weir_pass "$bench" $rounds "$shape" $mode 2>&1 |
            awk '/Collected/ { print $NF }')
        awk -v n="$n" -v r=$((rounds * passes * records)) -v s="$shape" -v m=$mode 'BEGIN { printf "%-8s %-5s %7.1f instructions a record\n", s, m, n / r }'
    done
done
