#!/bin/sh
# The lecture's chain in C, as a user runs it. TAP on stdout.
#
#   tests/program.sh MOBULA CHAIN.SO

mobula=$1
chain=$2
work=$(mktemp -d) || exit 1
[ "${mobula#/}" = "$mobula" ] && mobula=$PWD/$mobula
[ "${chain#/}" = "$chain" ] && chain=$PWD/$chain
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
unset NO_COLOR
export LC_ALL=C.UTF-8
count=0

# is NAME WANTED GOT
is() {
    count=$((count + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        echo "# wanted: $2"
        echo "# got: $3"
    fi
}

is "it prints what its tasks print" "the sum of the squares is 385" \
    "$("$mobula" run "$chain" 2>err)"
is "its story ends with what main returned" "385" "$(sed -n 's/^✓ \([0-9]*\) .*/\1/p' err)"
is "its tasks have their names" "T1 load T2 square(O1) T3 sum(O2) T4 tell(O3) " \
    "$(grep -oE 'T[0-9] [a-z]+(\(O[0-9]\))? +▸' err | sed 's/ *▸//' | tr '\n' ' ')"
trace() {
    "$mobula" run "$chain" --json "$@" 2>/dev/null | sed -n 's/.*"trace":"\([0-9a-f]*\)".*/\1/p'
}
first=$(trace --seed 3)
is "a trace is 16 digits" 16 "${#first}"
is "the same seed has the same trace" "$first" "$(trace --seed 3)"
echo "1..$count"
