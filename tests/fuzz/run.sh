#!/bin/sh
# Runs every fuzz target for a time each: sh tests/fuzz/run.sh [SECONDS [TARGET...]]. Three quarters of the time goes to short inputs,
# which run ten times as fast, the rest to long ones. flow.v5, flow.sflow and so on begin with those seeds of flow only whose names
# begin so. New inputs are kept in build/fuzz-corpus; a find is left as build/fuzz-corpus/TARGET-crash-*.
#   WEIR_FUZZ_LEDGER=tests/fuzz/ledger.tsv   adds a line a target: executions, of `flow` also the inputs with messages of each version
#   WEIR_FUZZ_OPTIONS=...                    goes to libFuzzer
#   WEIR_FUZZ_PRESET=asan                    the targets of that preset, which has batches of three rows and an allocation for each
#                                            object: fewer executions a second than those of the preset fuzz
#   WEIR_FUZZ_JOBS=1                         so many targets at a time; else as many as there are processors
#   WEIR_FUZZ_TRIM=1                         first leaves out of build/fuzz-corpus what reaches nothing that others do not
# Needs clang (Debian: clang, libclang-rt-14-dev).
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
one=""
[ "${1:-}" != --one ] || one=$2
preset=${WEIR_FUZZ_PRESET:-fuzz} jobs=${WEIR_FUZZ_JOBS:-$(nproc)}
if [ -z "$one" ]; then
    [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" >/dev/null
    [ $# -gt 0 ] || set -- $(find tests/fuzz -maxdepth 1 -name 'fuzz_*.c' -printf '%f\n' | sed 's/^fuzz_//; s/\.c$//' | sort)
    cmake --build --preset "$preset" --target $(for target in "$@"; do echo "fuzz_${target%%.*}"; done | sort -u)
fi
# Where memory was asked for is not kept: a third of the time. A find says it when its input is run alone.
export ASAN_OPTIONS="malloc_context_size=0:quarantine_size_mb=16:allocator_release_to_os_interval_ms=-1:${ASAN_OPTIONS:-}"
short=$((seconds * 3 / 4))
commit=$(git rev-parse --short HEAD)

# seeds TARGET: its seed corpus, of a part of flow those seeds
seeds() {
    case $1 in
    *.*) find "tests/fuzz/corpus/${1%%.*}" -name "${1#*.}*" -exec cp -n -t "build/fuzz-corpus/$1" {} + ;;
    *) echo "tests/fuzz/corpus/$1" ;;
    esac
}

# round TARGET SECONDS MAX_LEN: its output is added to the target's log
round() {
    [ "$2" -gt 0 ] || return 0
    dict=tests/fuzz/dict/${1%%.*}.dict
    "build/$preset/tests/fuzz_${1%%.*}" -max_total_time="$2" -max_len="$3" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -entropic=0 $([ ! -f "$dict" ] || echo "-dict=$dict") ${WEIR_FUZZ_OPTIONS:-} -artifact_prefix="build/fuzz-corpus/$1-" \
        "build/fuzz-corpus/$1" $(seeds "$1") >>"build/fuzz-corpus/$1.log" 2>&1
}

# sum LOG WORDS: the last number of all lines that begin so
sum() { awk -v words="$2" 'index($0, words) == 1 { n += $NF } END { print n + 0 }' "$1"; }

# fuzz TARGET: fails when there was a find
fuzz() {
    target=$1 kept=build/fuzz-corpus/$1 log=build/fuzz-corpus/$1.log finds=0
    mkdir -p "$kept"
    if [ "${WEIR_FUZZ_TRIM:-0}" = 1 ]; then
        rm -rf "$kept.less" && mkdir "$kept.less"
        "build/$preset/tests/fuzz_${target%%.*}" -merge=1 -rss_limit_mb=2048 "$kept.less" $(seeds "$target") "$kept" >"$log" 2>&1
        rm -rf "$kept" && mv "$kept.less" "$kept"
    fi
    : >"$log"
    { round "$target" "$short" 192 && round "$target" $((seconds - short)) 4096; } || finds=1
    executions=$(sum "$log" "stat::number_of_executed_units:")
    echo "$target: $executions executions, $finds finds"
    if [ -n "${WEIR_FUZZ_LEDGER:-}" ]; then
        day=$(date -u +%F)
        printf '%s\t%s\t%s\t%s\t%s\n' "${target%%.*}" "$executions" "$commit" "$day" "$finds" >>"$WEIR_FUZZ_LEDGER"
        for version in $(sed -n 's/^inputs_with: \([a-z0-9]*\) .*/\1/p' "$log" | sort -u); do
            printf '%s\t%s\t%s\t%s\t%s\n' "${target%%.*}.$version" "$(sum "$log" "inputs_with: $version ")" "$commit" "$day" - >>"$WEIR_FUZZ_LEDGER"
        done
    fi
    [ "$finds" -eq 0 ] || tail -n 40 "$log"
    return $finds
}

if [ -n "$one" ]; then
    fuzz "$one"
    exit
fi
echo "$# targets, $seconds s each, $jobs at a time"
failed=0
printf '%s\n' "$@" | xargs -P "$jobs" -n 1 sh tests/fuzz/run.sh "$seconds" --one || failed=1
[ -z "${WEIR_FUZZ_LEDGER:-}" ] || awk -F '\t' '!/^#/ { n[$1] += $2; f[$1] += $5 }
    END { for (t in n) printf "%-16s %12d executions in all, %d finds\n", t, n[t], f[t] }' "$WEIR_FUZZ_LEDGER" | sort
[ "$failed" -eq 0 ] || { echo "not all passed"; exit 1; }
echo "all passed"
