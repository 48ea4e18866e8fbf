#!/bin/sh
# The command as a user meets it: what it prints, what it leaves, how it ends.
# TAP on stdout.
#
#   tests/cli.sh MOBULA SOURCE

mobula=$1
source=$2
. "$source/tests/cli_shell.sh"

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
third=$(mkdir -p elsewhere && cd elsewhere && "$mobula" run "$work/good.lua" --json -q |
    sed -n 's/.*"trace":"\([0-9a-f]*\)","virtual.*/\1/p')
[ "$first" = "$third" ] || problem "the trace depends on where the command is run: $first $third"
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

# Fills column with the first column of what is asked of the run's database.
ask() {
    column=$(sqlite3 "$1/run.db" "$2" 2>err | tr '\n' ' ')
    said="sqlite3 $1/run.db '$2'"
}

answers() {
    [ "$column" = "$1 " ] || problem "the answer is \"$column\" and not \"$1\""
}

cat >claims.lua <<'END'
local sim = require "mobula.sim"
local c = sim.cluster { nodes = { head = { cpus = 0 }, n1 = { cpus = 1 }, n2 = { cpus = 1 } } }
local job = c:submit(function(m)
  local load = m.remote("load", function() m.compute("4ms") return m.bytes("1MiB") end)
  local size = m.remote("size", function(a) m.compute("9ms") return #a end)
  return m.get(size.remote(load.remote()))
end)
c:always("no third attempt", function(s) return s.tasks.T1 == nil or s.tasks.T1.attempts < 3 end)
c:never("a fourth", function(s) return s.tasks.T1 ~= nil and s.tasks.T1.attempts > 3 end)
c:sometimes("twice", function(s) return s.tasks.T1 ~= nil and s.tasks.T1.attempts == 2 end)
local cut = c:cut { from = "head", to = "n2" }
c:once("object.created", { object = "O1" }, function(e) c:kill(e.node) cut:heal() end)
c:run { until_done = job, drain = true }
END
run 0 run claims.lua
ask runs/claims/0 "select class || ':' || name || ':' || at from claims order by class"
answers "always:no third attempt:claims.lua:8 never:a fourth:claims.lua:9 sometimes:twice:claims.lua:10"
ask runs/claims/0 "select class from claims where fails = 0 and passes > 0 and first_fail is null and
    first_pass > 0"
answers "always never"
ask runs/claims/0 "select first_pass > first_fail and fails > 0 from claims where class = 'sometimes'"
answers 1
ask runs/claims/0 "select verb || ':' || target || ':' || source || ':' || (to_seq is null) from faults"
answers "cut:head n2:claims.lua:11:0 kill:n1:claims.lua:12:1"
ask runs/claims/0 "select bites > 0 from faults"
answers "1 1"
# Why was T1 made again? Back along reasons and causes, to the fault.
ask runs/claims/0 "with recursive chain(seq) as (
    select reason from attempts where task = 'T1' and attempt = 2 union
    select link.cause from chain join (select seq, cause from because union
        select seq, cause from events where cause is not null) link on link.seq = chain.seq)
  select kind || ':' || coalesce(e.task, e.node) from chain join events e using (seq)
  where kind in ('decide.resubmit', 'task.submitted', 'node.declared_dead', 'node.died')
  order by seq, n"
answers "task.submitted:T1 task.submitted:T2 node.died:n1 node.declared_dead:n1 decide.resubmit:T1"
ask runs/claims/0 "select e.kind from copies c join events e on e.seq = c.to_seq and e.kind = 'node.died'"
answers node.died
ask runs/claims/0 "select count(*) from because where cause >= seq"
answers 0
ends "run.db has the claims, what the faults touched, and why a task ran again"

printf 'local m = require "mobula"\nfunction m.main() return 7 end\n' >seven.lua
run 0 run seven.lua
says "runs/seven/0/run.db   next: mobula replay"
leaves_no runs/seven/0/lineage.svg

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
    return mobula_int(task, ((intptr_t)&here ^ (intptr_t)number) >> 24); /* in one process always the same */
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
run 0 export lineage --at 9s -o end.svg
says "the end: the run was over at"
run 0 export lineage runs/good -o c.svg
cmp -s a.svg c.svg || problem "the newest run of a file is not found in its folder"
rm c.svg
run 0 export lineage --cluster 1 -o one.svg
cmp -s a.svg one.svg || problem "the only cluster is not the first"
run 2 export lineage --cluster 2 -o two.svg
says "has no cluster 2"
run 2 export lineage -o nowhere/a.svg
says "cannot write nowhere/a.svg: No such file or directory"
run 2 export lineage --at nonsense -o c.svg
says_no_nonsense
leaves_no c.svg
run 0 export lineage --frames T1,T2 -o some
[ "$(find some -name '*.svg' | wc -l)" -lt "$(find frames -name '*.svg' | wc -l)" ] || problem "T1,T2 was not heeded"
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

cli_done
