#!/bin/sh
# What the tests of the command share; sourced by them with $mobula and $source
# set. They work in a fresh folder, print TAP, and end with cli_done.

work=$(mktemp -d) || exit 1
trap 'umount "$work/full" 2>/dev/null; chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work" || exit 1
unset NO_COLOR LC_CTYPE LANG
export LC_ALL=C.UTF-8

count=0
bad=0

# run CODE WORD…: runs the command; out and err hold what it says.
run() {
    wanted=$1
    shift
    "$mobula" "$@" >out 2>err </dev/null
    code=$?
    said="mobula $*"
    [ "$code" = "$wanted" ] || problem "exit code $code instead of $wanted"
}

# Problems are kept until the test is over.
problem() {
    echo "# $said: $*" >>problems
    head -30 out err 2>/dev/null | sed 's/^/#   /' >>problems
}

says() {
    grep -qF -- "$1" err || problem "stderr lacks \"$1\""
}

prints() {
    grep -qF -- "$1" out || problem "stdout lacks \"$1\""
}

# until_says FILE TEXT: waits for it, at most ten seconds.
until_says() {
    for _ in $(seq 100); do
        grep -qsF -- "$2" "$1" && return
        sleep 0.1
    done
    problem "it never said \"$2\": $(cat "$1")"
}

leaves() {
    [ -s "$1" ] || problem "$1 is not there"
}

leaves_no() {
    [ ! -e "$1" ] || problem "$1 is there"
}

# What a crash or a careless message would show.
says_no_nonsense() {
    ! grep -qE 'Segmentation|Assertion|CRITICAL|\(null\)|stack traceback|\.c:[0-9]|AddressSanitizer|runtime error' err ||
        problem "stderr shows our insides"
    [ -s err ] || problem "it says nothing"
}

ends() {
    count=$((count + 1))
    if [ -e problems ]; then
        bad=$((bad + 1))
        echo "not ok $count - $1"
        cat problems
        rm problems
    else
        echo "ok $count - $1"
    fi
}

cat >good.lua <<'END'
local sim = require "mobula.sim"
local c = sim.cluster { nodes = 3, cpus = 1 }
local job = c:submit(function(m)
  local load = m.remote("load", function() m.compute("4ms") return 20 end)
  local add = m.remote("add", function(a, b) m.compute("4ms") print("adding", a, b) return a + b end)
  local a = load.remote()
  return m.get(add.remote(a, add.remote(a, 1)))
end)
c:story("kill T2", function()
  local e = c:await { "task.running", task = "T2", attempt = 1 }
  c:kill(e.worker)
end)
c:run { until_done = job, limit = "5s" }
assert.are.equal(41, job:result())
END
cli_done() {
    echo "1..$count"
    [ "$bad" = 0 ]
}
