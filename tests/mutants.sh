#!/bin/sh
# Breaks the runtime in one classical way after the other, and says which test
# or property notices, and after how many runs.
#
#   tests/mutants.sh [--seeds N] [NAME …]   all of tests/mutants/, or these
#   tests/mutants.sh --check                only whether each still applies (TAP)
#
# A copy of the tree is built in a temporary folder; each mutant costs a file or
# two of compilation, then mobula test tests/spec with one seed, ten, a hundred …
# up to N (1000), and if they find nothing the unit tests. What is found is printed
# as the rows of course/mutants.md. A mutant that nothing finds is a hole; then
# this ends with 1.

root=$(cd "$(dirname "$0")/.." && pwd)
mutate=$root/tests/mutants/mutate.py
most=1000

if [ "$1" = --check ]; then
    exec python3 "$mutate" check "$root" "$root"/tests/mutants/*.txt
fi
if [ "$1" = --seeds ]; then
    most=$2
    shift 2
fi
[ $# = 0 ] && set -- $(cd "$root/tests/mutants" && ls ./*.txt | sed 's|^\./||; s|\.txt$||')

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
tree=$work/tree
mkdir "$tree"
(cd "$root" && git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$tree") || exit 2
{
    meson setup "$work/build" "$tree" -Dtests=enabled -Dbuildtype=debugoptimized &&
        ninja -C "$work/build" cli/mobula
} >"$work/log" 2>&1 || {
    cat "$work/log"
    exit 2
}

# What mobula test said of the first failure, in a few words.
say_failure() {
    sed -n 's/.*property \([^,]*\), \([^,]*\), broke.*/\1 (\2)/p' "$1" | head -1 >"$work/found"
    if [ ! -s "$work/found" ]; then
        if grep -q 'Mobula itself crashed' "$1"; then
            sed -n 's/.*ERROR:[^:]*:[^:]*:\([^:]*: assertion.*\)/\1/p' "$1" | head -1 | cut -c1-70 >"$work/found"
            [ -s "$work/found" ] || echo "a crash" >"$work/found"
        elif grep -qE 'deadlock:|livelock:|limit reached|that was in' "$1"; then
            echo "a hang" >"$work/found"
        else
            echo "a claim of the test" >"$work/found"
        fi
    fi
    cat "$work/found"
}

# Which test failed, as its name stands behind the number.
say_test() {
    sed -n 's/^[0-9.]* *\(.*[^ ]\)  *✗.*/\1/p; s/.*crashed in [^,]*, "[0-9.]* \([^"]*\)".*/\1/p' "$1" | head -1
}

# How many runs there were until it failed: $1 what was printed, $2 seeds of each test.
count_runs() {
    passed=$(grep -c '✓' "$1")
    seed=$(sed -n 's/.*✗.* seed \([0-9]*\)$/\1/p; s/.*crashed in .* seed \([0-9]*\)$/\1/p' "$1" | head -1)
    echo $((passed * $2 + ${seed:--1} + 1))
}

# Sets by, test and runs; false if nothing was found.
find_by_spec() {
    seeds=1
    runs=0
    while [ "$seeds" -le "$most" ]; do
        (cd "$tree" && timeout 600 "$work/build/cli/mobula" test tests/spec --seeds "$seeds" -j 1 \
            --color never) >"$work/out" 2>&1
        code=$?
        runs=$((runs + $(count_runs "$work/out" "$seeds")))
        if [ "$code" = 124 ]; then
            by="no end in 10 minutes" test=
            return 0
        fi
        if [ "$code" != 0 ]; then
            by=$(say_failure "$work/out") test=$(say_test "$work/out")
            return 0
        fi
        seeds=$((seeds * 10))
    done
    return 1
}

# The unit tests that fail; nothing if all pass.
find_by_units() {
    ninja -C "$work/build" >"$work/log" 2>&1
    timeout 900 meson test -C "$work/build" --no-rebuild -t 2 --num-processes 1 \
        $(cd "$work/build" && meson test --list 2>/dev/null | sed 's/.* \/ //; s/^mobula://' |
            grep -vE '^(specs|golden|parity|tidy|mutants|fuzz.*|net_.*)$') >"$work/units" 2>&1
    sed -n 's/^ *[0-9]*\/[0-9]* \([^ ]*\) .*\(FAIL\|ERROR\|TIMEOUT\).*/\1/p' "$work/units" | sed 's/^mobula://' |
        sort -u | tr '\n' ' ' | sed 's/ $//'
}

bad=0
echo "| mutant | what it breaks | found by | in | after runs |"
echo "|---|---|---|---|---|"
for name in "$@"; do
    file=$root/tests/mutants/$name.txt
    files=$(python3 "$mutate" apply "$tree" "$file") || {
        echo "$name does not apply any more" >&2
        bad=$((bad + 1))
        continue
    }
    by= test= runs=0
    if ninja -C "$work/build" cli/mobula >"$work/log" 2>&1; then
        if ! find_by_spec; then
            by=$(find_by_units) test="unit tests"
            [ -n "$by" ] || by="nothing" test="" bad=$((bad + 1))
        fi
    else
        grep -E 'error|warning' "$work/log" >&2
        echo "$name does not compile" >&2
        by="the compiler" bad=$((bad + 1))
    fi
    echo "| \`$name\` | $(python3 "$mutate" what "$file") | $by | $test | $runs |"
    for changed in $files; do
        cp "$root/$changed" "$tree/$changed"
    done
done
[ "$bad" = 0 ] || {
    echo "$bad survived or could not be made" >&2
    exit 1
}
