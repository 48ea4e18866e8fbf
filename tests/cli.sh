#!/bin/sh
# The command as a user meets it: what it prints, what it leaves, how it ends,
# and what it says about every kind of bad input. TAP on stdout.
#
#   tests/cli.sh MOBULA SOURCE

mobula=$1
source=$2
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
cat >words.lua <<'END'
local m = require "mobula"
local upper = m.remote("upper", function(s) return s:upper() end)
function m.main(...)
  local out = {}
  for i, word in ipairs { ... } do out[i] = m.get(upper.remote(word)) end
  return table.concat(out, " ")
end
END

# --- what works ---

run 0 run good.lua
says "seed 0   3 nodes"
says "T1 load"
says "kill "
says "good.lua:11"
says "✓ 41   T2 ran twice"
says "trace "
prints "adding	20	1"
leaves runs/good/0/run.db
leaves runs/good/0/lineage.svg
leaves runs/good/0/story.txt
[ "$(find runs -name '.*' | wc -l)" = 0 ] || problem "something half done is left in runs/"
ends "run tells the story and leaves a folder"

run 0 run good.lua --json -q
prints '{"type":"output","text":"adding\t20\t1'
prints '{"type":"summary","ok":true'
prints '"result":41'
prints '"T2":{"name":"add","attempts":2'
tail -1 out | grep -q '^{"type":"summary"' || problem "the summary is not the last line"
! grep -v '^{.*}$' out || problem "a line is no JSON object"
[ ! -s err ] || problem "-q is not quiet"
first=$(sed -n 's/.*"trace":"\([0-9a-f]*\)","virtual.*/\1/p' out)
run 0 run good.lua --json -q --no-check
second=$(sed -n 's/.*"trace":"\([0-9a-f]*\)","virtual.*/\1/p' out)
[ -n "$first" ] && [ "$first" = "$second" ] || problem "checks change the trace: $first $second"
ends "run --json prints one object a line and the summary last"

run 0 run good.lua --plain
grep -q '^[0-9.]*	driver	T1 load	' err || problem "no tabs between the fields"
ends "run --plain puts tabs between fields"

run 0 run good.lua --ascii
! LC_ALL=C grep -q '[^ -~	]' err || problem "not ASCII"
run 0 run good.lua --color=always
grep -q "$(printf '\033')\[32m✓" err || problem "no colour"
LC_ALL=C "$mobula" run good.lua >out 2>err
! LC_ALL=C grep -q '[^ -~	]' err || problem "not ASCII in an ASCII locale"
ends "glyphs and colours follow the terminal"

mkdir quiet && cd quiet || exit 1
run 0 run ../good.lua -q
leaves_no runs
run 0 run ../good.lua -q --trace --seed 7
leaves runs/good/7/run.db
cd ..
mv quiet/out quiet/err . 2>/dev/null
ends "-q leaves nothing, --trace the folder, --seed its number"

run 0 run words.lua -- two words
says '✓ TWO WORDS'
ends "words after -- go to the program's main"

run 0 run good.lua
run 0 replay
says "✓ the same trace as before"
run 0 replay runs/good/0
says "✓ the same trace as before"
echo 'c:run { until_idle = true }' >>good.lua
run 4 replay runs/good/0
says "another trace than before"
sed -i '$d' good.lua
ends "replay runs a folder again and compares"

run 0 check good.lua
says "the same trace twice"
ends "check finds the same trace under different circumstances"

cat >random.c <<'END'
/* What a program must not do: its value depends on where memory lies. */
#include <mobula.h>

static MobulaValue *
number(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    int here = 0;
    mobula_compute(task, 1000000);
    return mobula_int(task, ((intptr_t)&here ^ (intptr_t)number) >> 12);
}

static MobulaValue *
drive(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    mobula_get(task, mobula_call(task, "number"));
    mobula_print(task, "done");
    return NULL;
}

void
mobula_program(MobulaProgram *program)
{
    mobula_register(program, "main", drive);
    mobula_register_kernel(program, "number", number);
}
END
if cc -shared -fPIC -I"$source/runtime" -o random.so random.c 2>cc.err; then
    run 0 run ./random.so -q
    prints done
    run 4 check ./random.so
    says "not deterministic"
    grep -q '^first .*TaskReply' err || problem "the first event that differs is not shown"
    grep -q '^second .*TaskReply' err || problem "the first event that differs is not shown"
    says_no_nonsense
    run 2 run ./nowhere.so
    says "cannot read ./nowhere.so"
    echo "no object" >empty.so
    run 2 run ./empty.so
    says "cannot open ./empty.so"
else
    said="cc" && problem "the C program does not compile: $(head -3 cc.err)"
fi
ends "C programs run, and check finds the first event that differs"

run 0 run good.lua
run 0 export lineage -o a.svg
leaves a.svg
run 0 export lineage runs/good/0 -o b.svg
cmp -s a.svg b.svg || problem "two pictures of one run differ"
run 0 export lineage --dot
prints digraph
run 0 export lineage --at 8ms -o at.svg
leaves at.svg
run 0 export lineage --frames -o frames
[ "$(find frames -name '*.svg' | wc -l)" -gt 4 ] || problem "too few frames"
run 2 export lineage --at nonsense -o c.svg
says_no_nonsense
leaves_no c.svg
run 2 export lineage nowhere
says "there is no run folder nowhere"
run 2 export linage
says "did you mean lineage?"
ends "export draws the lineage"

mkdir fresh && cd fresh || exit 1
run 0 new program p
run 0 run p.lua -- 1 2 3
says "✓ 14"
run 0 new scenario s
run 0 run s.lua
says "T2 ran twice"
run 0 new test t
run 0 test
says "2 of 2 passed"
run 0 test --seeds 20 -j 2
says "2 of 2 passed   40 runs"
run 0 test s.lua --seeds 20
says "1 of 1 passed"
run 2 new scenario s
says "s.lua exists"
run 2 new prgram x
says 'did you mean "mobula new program"?'
run 2 new program ../x
says "is no name"
cd ..
cp fresh/out fresh/err .
ends "new writes files that work"

run 0 help
prints "mobula VERB"
run 0 help run
prints "--seed"
run 0 run --help
prints "--seed"
run 0 help e103
prints "E103"
run 2 help E999
says "there is no error E999"
run 0 version
prints "mobula "
run 0 --version
ends "help explains verbs and errors"

# --- tests that fail ---

mkdir -p spec
cat >spec/bad_spec.lua <<'END'
local sim = require "mobula.sim"
describe("numbers", function()
  it("add up", function() assert.are.equal(2, 1 + 1) end)
  it("differ <&> \"quoted\"", function()
    local c = sim.cluster { nodes = 1 }
    local job = c:submit(function(m) return m.random(1, 10) end)
    c:run { until_done = job }
    assert.is_true(job:result() ~= 3)
  end)
  it("come last", function() end)
end)
END
run 1 test --seeds 200 -j 2
says "✗"
says "bad_spec.lua:8"
says "1 failed, 1 not run (--keep-going)"
seed=$(sed -n 's/^next: mobula replay //p' err)
run 1 test --seeds 200 -j 1
[ "$seed" = "$(sed -n 's/^next: mobula replay //p' err)" ] || problem "another seed is blamed with -j 1"
run 1 replay "$seed"
says "bad_spec.lua:8"
says "the same trace as in the test"
run 1 test --seeds 200 --keep-going --tap --junit j.xml
says "2 of 3 passed, 1 failed"
prints "1..3"
prints "not ok 2 - spec/bad_spec.lua: 1.2"
grep -q 'tests="3" failures="1" skipped="0"' j.xml || problem "the JUnit report is wrong"
grep -q '&lt;&amp;&gt;' j.xml || problem "JUnit is not escaped"
ends "test names the first seed that fails, and replay shows it again"

# --- bad input ---

run 2 run
run 2 run a b
run 2 rnu good.lua
says 'did you mean "mobula run"?'
run 2 xyzzy
says 'there is no verb "xyzzy"'
run 2 run good.lua --sed 7
says "did you mean --seed?"
run 2 new --seed 7
says "mobula new has no option --seed"
run 2 run good.lua --seed seven
says "--seed seven"
run 2 run good.lua --seed
run 2 run good.lua --limit soon
says "--limit soon"
run 2 run good.lua --on mars
says "--on mars"
run 2 run good.lua --color blue
run 2 test --seeds 0
run 2 test --jobs many
says_no_nonsense
ends "unknown verbs and options are named, with the nearest known one"

rm -rf runs
run 2 run missing.lua
says "cannot read missing.lua: No such file or directory"
run 2 run missing.so
says "missing.so"
run 2 run spec
says "spec"
run 2 test missing.lua
says "cannot read missing.lua"
run 2 check missing.lua
says "cannot read missing.lua"
run 2 replay nowhere
says "nowhere is no run folder"
printf 'a\0b' >binary.lua
run 2 run binary.lua
says "binary.lua is no text"
leaves_no runs
says_no_nonsense
ends "a missing or unreadable file is named, and nothing is left"

# scenario CODE TEXT: a file with these lines.
scenario() {
    wanted_code=$1
    printf 'local sim = require "mobula.sim"\n%s\n' "$2" >s.lua
    run "$wanted_code" run s.lua
    says "s.lua:"
    says_no_nonsense
}
cluster='local c = sim.cluster { nodes = 3, cpus = 1 }'
job='local job = c:submit(function(m)
  local f = m.remote("f", function(x) m.compute("5ms") return 1 end)
  return m.get(f.remote())
end)'

scenario 2 'local = 1'
says "s.lua:2"
scenario 2 'local x = nil
x.y = 1'
says "s.lua:3"
scenario 2 'local c = sim.clutser {}'
scenario 2 'local c = sim.cluster { noeds = 3 }'
says "nodes"
scenario 2 "$cluster
c:kill(\"n9\")"
says "n9"
scenario 2 "$cluster
$job
c:kil(\"n1\")"
ends "mistakes in a scenario are named with file and line"

scenario 2 "$cluster
$job
c:on(\"task.runing\", {}, function() end)"
says "task.running"
scenario 2 "$cluster
$job
c:run { until_don = job }"
says "until_done"
scenario 5 "$cluster
$job
c:on(\"task.running\", { task = \"T99\" }, function(e) c:kill(e.worker) end)
c:run { until_done = job }"
says "T99"
ends "events, options and tasks that do not exist are named"

scenario 1 "$cluster
local job = c:submit(function(m)
  local f = m.remote(\"f\", function(x) return x end)
  return m.get(f.remote({ items = { 1, 2, { g = function() end } } }))
end)
c:run { until_done = job }"
says "items[3].g"
scenario 1 "$cluster
local job = c:submit(function(m)
  local f = m.remote(\"f\", function() return 1 end, { num_cpus = 16 })
  return m.get(f.remote())
end)
c:run { until_done = job }"
says "E130"
scenario 1 "$cluster
local job = c:submit(function(m) error(\"out of cheese\") end)
c:run { until_done = job }"
says "out of cheese"
scenario 1 "$cluster
$job
c:run { until_done = job }
assert.are.equal(2, job:result())"
says "s.lua:8"
ends "values that cannot travel, impossible resources and errors of programs end with 1"

scenario 3 "$cluster
$job
c:run { until_done = job, limit = \"1ms\" }"
scenario 1 "$cluster
local job = c:submit(function(m) while true do end end)
c:run { until_done = job }"
says "loops"
says "s.lua:3"
printf 'local m = require "mobula"\nfunction m.main()\n  m.sleep("2s")\nend\n' >sleepy.lua
run 3 run sleepy.lua --limit 1s
says "limit"
ends "what does not end is a hang, and a loop is named"

# --- places where nothing can be written ---

# The small disk holds a few pages: the run fails somewhere on its way to it.
"$mobula" run good.lua >/dev/null 2>&1
if [ "$(id -u)" = 0 ] && mkdir -p full && mount -t tmpfs -o size=16k,nr_inodes=40 none full 2>/dev/null; then
    (cd full && "$mobula" run ../good.lua >../out 2>../err)
    code=$?
    said="mobula run on a full disk"
    [ "$code" = 2 ] || problem "exit code $code instead of 2"
    says "could not be written"
    says "full"
    says_no_nonsense
    [ -z "$(find full -type f)" ] || problem "files are left: $(find full -type f | tr '\n' ' ')"
    dd if=/dev/zero of=full/filler bs=1k 2>/dev/null
    for words in "-o big.svg" "--dot -o big.dot" "--frames -o frames"; do
        # shellcheck disable=SC2086
        (cd full && "$mobula" export lineage ../runs/good/0 $words >../out 2>../err)
        code=$?
        said="mobula export lineage $words on a full disk"
        [ "$code" = 2 ] || problem "exit code $code instead of 2"
        says_no_nonsense
        [ -z "$(find full -type f ! -name filler)" ] || problem "files are left: $(find full -type f)"
    done
    (cd full && "$mobula" new scenario x >../out 2>../err)
    code=$?
    said="mobula new on a full disk"
    [ "$code" = 2 ] || problem "exit code $code instead of 2"
    leaves_no full/x.lua
    umount full
    ends "a full disk is said, and no partial file is left"
else
    count=$((count + 1))
    echo "ok $count - a full disk # SKIP no tmpfs can be mounted"
fi

mkdir -p shut && cd shut && touch runs && cd .. || exit 1
(cd shut && "$mobula" run ../good.lua >../out 2>../err)
code=$?
said="mobula run where runs/ cannot be made"
[ "$code" = 2 ] || problem "exit code $code instead of 2"
says "runs"
says_no_nonsense
"$mobula" run good.lua -q --json >/dev/full 2>err
code=$?
said="mobula run >/dev/full"
[ "$code" = 2 ] || problem "exit code $code instead of 2"
says_no_nonsense
ends "an unwritable run folder or output is said"

echo "1..$count"
[ "$bad" = 0 ]
