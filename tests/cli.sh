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

cat >two.lua <<'END'
local sim = require "mobula.sim"
local function program(m) m.sleep("1s") return 1 end
local a, b = sim.cluster { nodes = 2 }, sim.cluster { nodes = 2 }
a:submit(program)
b:submit(program)
a:run { until_time = "50ms" }
b:run { until_time = "50ms" }
a:kill "driver"
a:run { until_time = "60ms" }
b:run { until_time = "60ms" }
assert.are.equal(1, 2)
END
run 1 run two.lua
says "two.lua:11: expected 1, got 2"
says_no_nonsense
ends "of two clusters one may end while programs of the other run"

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

# --- what keeps objects, at any moment ---

cat >held.lua <<'END'
local m = require "mobula"
local make = m.remote("make", function(n) m.compute("4ms") return m.bytes(n) end)
local use = m.remote("use", function(a, list) m.compute("9ms") return #m.get(list[1]) + #a end)
local pair = m.remote("pair", function(a)
  local inner = m.put(m.bytes("300KiB"))
  return { inner, 7 }
end)
function m.main()
  local data = m.put(m.bytes("2MiB"))
  local big = make.remote(1 << 20)
  local sum = use.remote(big, { data })
  local boxed = m.put { data, big }
  local got = m.get(pair.remote(1))
  m.sleep("5ms")
  return m.get(sum) + #m.get(got[1])
end
END
mkdir held && cd held || exit 1
run 2 memory --at 8ms
says "there is no run in runs/; make one with: mobula run FILE"
cd .. && cp held/out held/err . && rm -r held
run 0 run held.lua
run 0 memory --run runs/held/0 -f kind=local
says "0 references to 0 objects"
run 0 get tasks T1 --at 8ms
prints "T1.1"
run 0 memory --at 8ms
says "17 references to 6 objects, 3.2 MiB in all"
for row in "P1      2.0 MiB    local     driver  *8.0 ms   held.lua:9" \
    "O1      1.0 MiB    argument  driver      T2  7.9 ms   held.lua:11" \
    "P1      2.0 MiB    nested    driver      P2  7.9 ms   held.lua:12" \
    "P3/1    300.0 KiB  borrowed  driver  *6.8 ms   held.lua:13" \
    "P3/1    300.0 KiB  primary   head store  *6.8 ms   held.lua:5" \
    "P1      2.0 MiB    local     n1/w0  *79.9 us  held.lua:11"; do
    grep -q "^$row" out || problem "no row \"$row\""
done
run 0 memory --at 40us
says "1 reference to 1 object"
run 0 memory --at 8ms -f kind=argument -f holder=driver --plain
says "2 references to 2 objects, 3.0 MiB in all"
[ "$(wc -l <out)" = 2 ] || problem "not two rows"
run 0 memory --at 8ms --limit 3
says "shown 3 of 17, the newest; --limit 17 shows all"
run 0 memory --at @100000 --json -f kind=argument
says "0 references"
run 2 memory --at 8ms --group-by size
says "--group-by size: it is line, node or holder"
run 2 memory --at 8ms -f knd=local
says 'references have no "knd"; did you mean kind?'
run 2 memory O1 --at 8ms
says "memory takes no words; mobula memory -f object=O1, or mobula get objects O1"
run 2 memory --at eight
says '"eight" is no moment: write a time like 28.6ms or an event like @58'
run 2 memory --at 8ms --address c1
says "--address is a cluster that runs"
run 2 memory --run nowhere
says "nowhere is no run folder: it has no run.db; mobula run FILE makes one"
run 2 list objects
says "no cluster is running"
says "of a run: mobula list --run runs/NAME/SEED"
ends "memory tells every reference of a run, at any moment"

# adds JSON-KEY: sums up that number over all lines of out.
adds() {
    sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" out | awk '{ s += $1 } END { print s + 0 }'
}
for at in 1ms 5.3ms 8ms 14ms 19.35ms; do
    run 0 memory --at $at --json
    rows=$(grep -c '"type":"reference"' out)
    grep '"kind":"primary"' out >primary
    primary=$(wc -l <primary)
    objects=$(sed 's/.*"object":"\([^"]*\)".*/\1/' out | sort -u | wc -l)
    for by in line node holder; do
        run 0 memory --at $at --group-by $by --json
        [ "$(adds refs)" = "$rows" ] || problem "--at $at: groups by $by have $(adds refs) of $rows references"
        says "$rows reference"
        says " to $objects object"
    done
    run 0 list refs --at $at --json
    [ "$(wc -l <out)" = $((rows - primary)) ] || problem "--at $at: list refs has not the same references"
    run 0 list copies -f kind=primary --at $at --json
    [ "$(wc -l <out)" = "$primary" ] || problem "--at $at: list copies has not the same primaries"
    run 0 list objects --at $at --json
    [ "$(adds refs)" = $((rows - primary)) ] || problem "--at $at: list objects counts other references"
    all=$(wc -l <out)
    run 0 summary objects --at $at --json
    [ "$(adds objects)" = "$all" ] || problem "--at $at: the summary has not as many objects"
    [ "$(adds refs)" = $((rows - primary)) ] || problem "--at $at: the summary counts other references"
done
ends "the numbers of memory, list and summary agree with each other"

cat >agree.lua <<'END'
local sim = require "mobula.sim"
local c = sim.cluster { nodes = 3, cpus = 2 }
local job = c:submit("held.lua")
for _, at in ipairs { "1ms", "8ms", "14ms" } do
  c:at(at, function()
    local seen = {}
    for r in c.state.refs do
      if r.live then
        seen[#seen + 1] = table.concat({ r.object, r.holder, r.kind, r.of or "", (r.file or "") .. ":" .. r.line }, " ")
      end
    end
    table.sort(seen)
    for _, line in ipairs(seen) do print(at .. " " .. line) end
  end)
end
c:run { until_done = job }
END
run 0 run agree.lua
grep ms out | grep -v borrowed >state
for at in 1ms 8ms 14ms; do
    run 0 list refs --at $at --run runs/agree/0 --plain --detail
    awk -F'\t' -v at=$at '$3 != "borrowed" { print at, $1, $2, $3, $4, $7 }' out | LC_ALL=C sort
done >listed
LC_ALL=C sort state >sorted
LC_ALL=C sort listed >out
cmp -s sorted out || problem "not what c.state.refs had: $(diff sorted out | head -5)"
[ "$(wc -l <sorted)" -gt 30 ] || problem "too few references to compare"
ends "at a moment a run's references are those that c.state.refs had then"

run 0 get objects O1 --at 8ms --run runs/held
prints "state       SEALED"
prints "on          head (primary), n1"
prints "made at     held.lua:10"
prints "lineage     O1 ← T1"
prints "rebuildable yes, T1 runs again (retries: 3 of 3 left)"
grep -q "^O1      head  primary  memory" out || problem "no primary copy"
grep -q "^O1      driver   argument  T2" out || problem "T2 does not use it"
run 0 get objects P1 --at 8ms --run runs/held
prints "rebuildable no, P1 is a put, no task makes it"
run 0 get objects O3 --at 8ms --run runs/held
prints "rebuildable no, its value is kept by its owner, driver, and goes with it alone"
run 0 get objects O2 --at 8ms --run runs/held --json
prints '{"type":"rebuildable","object":"O2","ok":true,"reason":null,"why":"T2 is to make it"}'
run 0 get objects P1 --at 8ms --run runs/held --json
prints '"ok":false,"reason":"put","why":"P1 is a put, no task makes it"'
run 0 get objects O1 --run runs/held
prints "rebuildable no"
prints "freed"
run 2 get objects O9 --at 8ms --run runs/held
says "there is no object O9 among 6; mobula list objects names them"
run 0 run "$source/scenarios/kill-task-2.lua"
run 0 get objects O1 --at 20ms
prints "state       LOST"
run 0 get objects O2 --at 20ms
prints "lineage     O2 ← T2 ← O1 ← T1"
run 0 get objects O1 --at 36ms
prints "rebuildable yes, T1 runs again (retries: 2 of 3 left)"
run 0 list tasks --at 20ms
grep -q "^T2    parse   PENDING" out || problem "nobody knows that T2 has died, and it does not run"
run 0 list nodes --at 20ms
grep -q "^n1    DEAD" out || problem "n1 is dead"
run 0 list workers --at 9ms
grep -q "^n1/w[01]  *worker  RUNNING  *T2" out || problem "T2 runs"
ends "get objects tells who holds an object and whether it can be made again"

cat >spills.lua <<'END'
local sim = require "mobula.sim"
local c = sim.cluster { nodes = { head = { cpus = 1, store = "10MiB" } } }
local job = c:submit(function(m)
  local a, b, c = m.put(m.bytes("4MiB")), m.put(m.bytes("4MiB")), m.put(m.bytes("4MiB"))
  m.sleep("300ms")
  local n = #m.get(a)
  m.sleep("300ms")
  return n
end)
c:run { until_done = job }
END
run 0 run spills.lua
run 0 memory --at 200ms -f kind=primary
grep -q "^P1      4.0 MiB  primary  head disk  " out || problem "P1 is not on disk"
grep -q "^P3      4.0 MiB  primary  head store  " out || problem "P3 is not in the store"
run 0 get objects P1 --at 200ms
prints "on          head (primary, on disk)"
grep -q "^P1      head  primary  disk  " out || problem "its copy is not on disk"
run 0 list copies --at 600ms
grep -q "^P1      head  primary  memory  " out || problem "P1 has not come back"
ends "a copy that was spilled is shown on disk until it is restored"

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
