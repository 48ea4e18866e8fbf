#!/bin/sh
# Whatever course/ray-tests.md names as a test of ours is there: a scenario, or a
# file and the sentence in it.
#
#   tests/ray_tests.sh SOURCE        as TAP

cd "$1" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# Of each row the last column, one test a line: "file.lua: a sentence".
awk -F'|' '/^\| / { print $(NF - 1) }' course/ray-tests.md | grep '`' | sed 's/; `/\n`/g' |
    sed 's/^ *`\([^`]*\)`/\1/; s/ *$//' >"$work/named"

count=0
bad=0
while IFS= read -r line; do
    file=${line%%:*}
    sentence=${line#"$file"}
    sentence=${sentence#: }
    count=$((count + 1))
    path=$(find tests/spec scenarios tests -maxdepth 1 -name "$file" | head -1)
    if [ -n "$path" ] && grep -qF -- "$sentence" "$path"; then
        echo "ok $count - $line"
    else
        bad=$((bad + 1))
        echo "not ok $count - $line"
    fi
done <"$work/named"
echo "1..$count"
[ "$count" -gt 150 ] && [ "$bad" = 0 ]
