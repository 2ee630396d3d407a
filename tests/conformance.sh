#!/bin/sh
# conformance.sh ROOT: every demand has its row in conformance.tsv, and every test named there exists.
set -eu
cd "$1/tests"
bad=0
say() { echo "FAIL: $*"; bad=1; }
for id in $(seq -f 'c%02g' 1 21) X02 X03 X04 X06 X09 X10 X11 X12 X13 X14 X15 X16 X17 X18 X19 X20 X22 X23 X24 X25 X26 X29 X30 X31 X32 \
    N02 N03 N04 N06 N07 N10 B01 E01 E02 E03 L01 $(seq -f 'S%02g' 1 7); do
    [ "$(cut -f 1 conformance.tsv | grep -cx "$id")" -eq 1 ] || say "$id has no row, or several"
done
# Every thread of a group has its own row: so many are there.
g=0
for threads in 4 10 3 5 3 3 1 4 4 10 8 9 6 1 2 7 2 2 1 4 1; do
    g=$((g + 1))
    have=$(cut -f 1 conformance.tsv | grep -c "^$(printf 'c%02d' $g)[a-z]$" || :)
    want=$(for i in $(seq "$threads"); do printf 'c%02d\n' $g; done | awk '{printf "%s%c\n", $0, 96 + NR}')
    [ "$have" -eq "$threads" ] && [ "$(cut -f 1 conformance.tsv | grep "^$(printf 'c%02d' $g)[a-z]$")" = "$want" ] ||
        say "group $g has $have threads, not $threads, or others"
done
tab=$(printf '\t')
grep -v '^#' conformance.tsv >"${TMPDIR:-/tmp}/conformance.$$"
while IFS=$tab read -r id what tests; do
    [ -n "$what" ] && [ -n "$tests" ] || say "$id: no text or no test"
    for test in $tests; do
        file=${test%%:*} name=${test#*:}
        [ -f "$file" ] || { say "$id: no file $file"; continue; }
        case $file in
        unit/*) grep -q "^Test([a-z_0-9]*, $name)" "$file" || say "$id: $file has no test $name" ;;
        *) grep -q "$name" "$file" || say "$id: $file does not speak of $name"
            base=$(basename "$file")
            grep -q "$base" ./*.cmake || case $file in cli/test_*.sh) ;; *) say "$id: ctest does not run $file" ;; esac ;;
        esac
    done
done <"${TMPDIR:-/tmp}/conformance.$$"
rows=$(wc -l <"${TMPDIR:-/tmp}/conformance.$$")
rm "${TMPDIR:-/tmp}/conformance.$$"
[ "$bad" -eq 0 ] || exit 1
echo "$rows demands, each with tests that exist"
