#!/bin/sh
# Real processes in a storm, for so many seconds: many clusters that live for a
# moment each (tests/real/storm.lua), one seed after another, and then one cluster
# (tests/real/long.lua). Every answer is right or a licensed error; after each run
# no process, socket, segment or file is left; and the one that lives for long
# needs no more memory and no more descriptors at its end than early on.
#
#   tests/endurance.sh MOBULA SOURCE SECONDS [FIRST-SEED]      as TAP

mobula=$1
source=$2
seconds=$3
seed=${4:-1}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir tmp
export TMPDIR="$work/tmp" LC_ALL=C.UTF-8

# The processes that were started in this folder.
ours() {
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/cwd" 2>/dev/null)" = "$work" ] || continue
        [ "$(readlink "$process/exe" 2>/dev/null)" = "$mobula" ] && echo "$process"
    done
}

# What still lives, and what it left. Who has been killed needs a moment to die.
left() {
    find tmp -mindepth 1
    for _ in $(seq 20); do
        [ -z "$(ours)" ] && return
        sleep 0.1
    done
    ours | while read -r process; do
        echo "still runs: $process $(tr '\0' ' ' <"$process/cmdline")"
        grep -E 'State|PPid|Sig' "$process/status"
    done
}

half=$((seconds / 2))
end=$(($(date +%s) + half))
bad=0
first=$seed
while [ "$bad" = 0 ] && [ "$(date +%s)" -lt "$end" ]; do
    "$mobula" run "$source/tests/real/storm.lua" --on local --seed "$seed" -q >said 2>&1 </dev/null || bad=1
    left >>said
    [ -s said ] && bad=1
    seed=$((seed + 1))
done
if [ "$bad" = 0 ]; then
    echo "ok 1 - $((seed - first)) storms over real processes in $half s"
else
    echo "not ok 1 - the storm of seed $((seed - 1))"
    sed 's/^/# /' said
fi

# What all processes of the cluster have together: KiB of memory, and descriptors.
# Not whoever plays the scenario: it remembers all that happened.
sample() {
    ours | while read -r process; do
        [ "${process#/proc/}" = "$run" ] && continue
        sed -n 's/^Pss: *\([0-9]*\) kB/\1/p' "$process/smaps_rollup" 2>/dev/null
        echo "fds $(find "$process/fd" -mindepth 1 2>/dev/null | wc -l)"
    done | awk '$1 == "fds" { fds += $2; next } { kib += $1 } END { print kib + 0, fds + 0 }'
}

# The middle value of the second quarter and of the last one, of column $1.
early_and_late() {
    lines=$(wc -l <samples)
    for last in $((lines / 2)) "$lines"; do
        head -n "$last" samples | tail -n $((lines / 4)) | sort -n -k"$1","$1" | cut -d' ' -f"$1" |
            sed -n "$((lines / 8 + 1))p"
    done
}

# is_flat WHAT COLUMN SLACK
is_flat() {
    early_and_late "$2" | {
        read -r early
        read -r late
        echo "# $1: $early early on, $late at the end"
        [ "$late" -le $((early + early / 5 + $3)) ]
    }
}

sed "s/^local SECONDS = 1 .*/local SECONDS = $((half / 10))/" "$source/tests/real/long.lua" >long.lua
"$mobula" run long.lua --on local --seed "$first" -q >said 2>&1 </dev/null &
run=$!
: >samples
while kill -0 $run 2>/dev/null; do
    sleep 0.5
    sample >>samples
done
wait $run && long=ok || long="not ok"
left >>said
[ -s said ] && long="not ok"
is_flat KiB 1 8192 || long="not ok"
is_flat descriptors 2 40 || long="not ok"
echo "$long 2 - one cluster over real processes for $half s keeps no memory and no descriptors"
[ "$long" = ok ] || sed 's/^/# /' said
echo "1..2"
[ "$bad" = 0 ] && [ "$long" = ok ]
