#!/bin/sh
# Real processes in a storm (tests/real/storm.lua), one seed after another for so
# many seconds: every answer is right or a licensed error, and after each run no
# process, socket, segment or file is left.
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

# What was started in this folder and still lives, and what it left.
left() {
    find tmp -mindepth 1
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/cwd" 2>/dev/null)" = "$work" ] &&
            [ "$(readlink "$process/exe" 2>/dev/null)" = "$mobula" ] && echo "still runs: $process"
    done
}

end=$(($(date +%s) + seconds))
bad=0
first=$seed
while [ "$bad" = 0 ] && [ "$(date +%s)" -lt "$end" ]; do
    "$mobula" run "$source/tests/real/storm.lua" --on local --seed "$seed" -q >said 2>&1 </dev/null || bad=1
    left >>said
    [ -s said ] && bad=1
    seed=$((seed + 1))
done
if [ "$bad" = 0 ]; then
    echo "ok 1 - $((seed - first)) storms over real processes in $seconds s"
else
    echo "not ok 1 - the storm of seed $((seed - 1))"
    sed 's/^/# /' said
fi
echo "1..1"
[ "$bad" = 0 ]
