#!/bin/sh
# Memory that real processes share: tests/real/shared.lua holds, and seen from
# outside a value stands in memory once, writable nowhere.
#
#   tests/shared.sh MOBULA SOURCE      as TAP

mobula=$1
source=$2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir tmp
export TMPDIR="$work/tmp" LC_ALL=C.UTF-8

bad=0
say() { # say CODE NUMBER TITLE FILE
    if [ "$1" = 0 ]; then
        echo "ok $2 - $3"
    else
        bad=1
        echo "not ok $2 - $3"
        sed 's/^/# /' "$4" | tail -40
    fi
}

"$mobula" run "$source/tests/real/shared.lua" --on local >said 2>&1 </dev/null
say $? 1 "values are right and outlive their writers; much more goes through a store than it holds" said

# Of each process that this folder's run has started: its name, then what it
# maps of large values, as access, whose it is, and how much of it is there (kB).
look() {
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/cwd" 2>/dev/null)" = "$work" ] || continue
        awk -v process="${process#/proc/}" '
            /^[0-9a-f]+-/ { access = $2; inode = $5; ours = /memfd:mobula/ }
            /^Rss:/ && ours { sum += $2 }
            /^Rss:/ && ours && $2 >= 90000 { print process, access, inode, $2 }
            END { if (sum > 0) print process, "all", sum >"/dev/stderr" }' "$process/smaps"
    done
}

"$mobula" run "$source/tests/real/shared_one.lua" --on local >said 2>&1 </dev/null &
run=$!
: >seen
while kill -0 $run 2>/dev/null && [ "$(wc -l <seen)" -lt 3 ]; do
    look >seen 2>sums
    sleep 0.1
done
wait $run
say $? 2 "the value is as long for both of its readers" said

# The writer, too, may only read it once it is sealed.
awk '{ who[$1]; if ($2 ~ /w/) bad = 1; inode[$3] }
    END { exit !(length(who) >= 3 && length(inode) == 1 && !bad) }' seen
say $? 3 "its bytes are there once, for three processes that can only read them" seen

# 320 MB went through its memory before.
sort -nk3 sums | tail -1 | awk '$3 < 250000 { fine = 1 } END { exit !fine }'
say $? 4 "memory of values that nobody needs is used again" sums

timeout 60 "$mobula" run "$source/tests/real/far.lua" --on local+tcp -q >said 2>&1 </dev/null
say $? 5 "a value of more than a line may hold gets to another machine" said

find tmp -mindepth 1 >left
for process in /proc/[0-9]*; do
    [ "$(readlink "$process/cwd" 2>/dev/null)" = "$work" ] &&
        [ "$(readlink "$process/exe")" = "$mobula" ] && echo "still runs: $process" >>left
done
[ ! -s left ]
say $? 6 "no process, socket or file is left" left
echo "1..6"
[ "$bad" = 0 ]
