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

# The same program in a scenario, which kills the machine that runs its second task.
mkdir lecture && cp "$chain" lecture/chain.so
cat >lecture/kill.lua <<'END'
local sim = require "mobula.sim"
local c = sim.cluster { nodes = 3, cpus = 1 }
local job = c:submit("./chain.so")
c:on("task.running", { task = "T2", attempt = 1 }, function(e) c:kill(e.worker) end)
c:run { until_done = job, limit = "5s" }
assert.are.equal(385, job:result())
assert.are.equal(2, c.state.tasks.T2.attempts)
assert.are.equal(1, c.state.tasks.T3.attempts)
END
is "a scenario may submit it, kill what runs it, and it recovers" "the sum of the squares is 385" \
    "$("$mobula" run lecture/kill.lua 2>err)"
is "the story tells it" "✓ 385   T2 ran twice" "$(grep -o '^✓ 385   T2 ran twice' err)"
there=$("$mobula" run lecture/kill.lua -q --json 2>err | sed -n 's/.*"trace":"\([0-9a-f]*\)".*/\1/p')
here=$(cd lecture && "$mobula" run kill.lua -q --json | sed -n 's/.*"trace":"\([0-9a-f]*\)".*/\1/p')
is "its trace does not depend on where it is run" "$there" "$here"
sed -i 's/chain.so/chian.so/' lecture/kill.lua
"$mobula" run lecture/kill.lua 2>err
is "what is not there is bad input" 2 $?
is "and named with file and line" 1 \
    "$(grep -c '^✗ lecture/kill.lua:3: c:submit: cannot read ./chian.so: No such file or directory' err)"
echo "no object" >lecture/chian.so
"$mobula" run lecture/kill.lua 2>err
is "what is no program is bad input" 2 $?
is "and said to be none" 1 "$(grep -c 'kill.lua:3: c:submit: cannot open ./chian.so' err)"
echo "1..$count"
