#!/bin/sh
# What the command says about every kind of bad input: one clear message, the
# right exit code, nothing half done. TAP on stdout.
#
#   tests/bad_input.sh MOBULA SOURCE

mobula=$1
source=$2
. "$source/tests/cli_shell.sh"

# --- the command line ---

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
run 2 run good.lua --seed 99999999999999999999
says "--seed 99999999999999999999: a whole number from 0 to 18446744073709551615 is expected"
run 2 test good.lua --seeds 0
run 2 --seed 7 run good.lua
says "the verb comes first, then its options: mobula run FILE --seed"
run 2 help tets
says 'did you mean "mobula help test"?'
run 2 run good.lua --events 9..3
says "the lesser first"
run 2 run good.lua --limit soon
says "--limit soon"
run 2 run good.lua --on mars
says "--on mars: it is sim, local"
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
mkdir -p spec
run 2 run spec
says "spec is a folder, and a file is wanted; mobula test spec runs all that is in it"
printf 'it("adds", function() end)\n' >spec/sum_spec.lua
run 2 run spec/sum_spec.lua
says "spec/sum_spec.lua holds tests"
says "next: mobula test spec/sum_spec.lua"
rm spec/sum_spec.lua
run 2 test spec
says "there is no test in spec"
: >none_spec.lua
run 2 test none_spec.lua
says "there is no test in none_spec.lua"
run 2 test missing.lua
says "cannot read missing.lua"
run 2 check missing.lua
says "cannot read missing.lua"
run 2 replay nowhere
says "nowhere is no run folder"
printf 'print("hello")\n' >hello.lua
run 2 run hello.lua
says "hello.lua makes no cluster"
[ "$(wc -l <err)" = 1 ] || problem "more than one line"
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
says "s.lua:7: c:on(task.running task=T99) never fired"
scenario 5 "$cluster
$job
c:at(\"9s\"):kill(\"n1\")
c:run { until_done = job }"
says "s.lua:7: the time of c:at never came"
scenario 5 "$cluster
$job
c:cut { from = \"n1\", to = \"n2\" }
c:run { until_time = \"1ms\" }"
says "s.lua:7: cut from n1 to n2 touched nothing"
scenario 2 "$cluster
$job
c:at(\"1ms\"):kill(\"n9\")
c:run { until_done = job }"
says "s.lua:7: kill: there is no machine or process 'n9'"
scenario 2 "$cluster
c:run { until_done = 3 }"
says "s.lua:3: until_done is a job"
scenario 2 'sim.cluster()'
says "s.lua:2: sim.cluster is given a table"
scenario 2 'require "other"'
says "s.lua:2: cannot require 'other'"
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
  local f = m.remote(\"f\", function() return { coroutine.create(print) } end)
  return m.get(f.remote())
end)
c:run { until_done = job }"
says "result 1[1]: a coroutine"
says "  s.lua:4"
scenario 1 "$cluster
local job = c:submit(function(m)
  local function f() return 1 + f() end
  return f()
end)
c:run { until_done = job }"
says "stack overflow"
[ "$(grep -c '^ *s.lua:4$' err)" = 1 ] || problem "a recursion is told again and again"
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
# loops LINE TEXT: a program whose body loops in that line.
loops() {
    printf 'local m = require "mobula"\n%s\n' "$2" >loop.lua
    run 1 run loop.lua --body-limit 200ms
    says "the body loops: loop.lua:$1 has run for 0.2 s without a call"
    says_no_nonsense
}
loops 4 'function m.main()
  local n = 0
  while true do n = n + 1 end
end'
loops 4 'function m.main()
  while true do
    pcall(function() while true do end end)
  end
end'
loops 3 'local f = m.remote("f", function()
  coroutine.wrap(function() while true do end end)()
end, { max_retries = 0 })
function m.main() return m.get(f.remote()) end'
# Nothing can end a search in C but the end of the process.
printf 'local m = require "mobula"\nfunction m.main()\n  return (("a"):rep(99)):find((".-"):rep(40) .. "b")\nend\n' >loop.lua
rm -rf runs
run 3 run loop.lua --body-limit 200ms
says "called in loop.lua:3 has run for more than 0.2 s"
leaves_no runs
printf 'it("searches", function()\n%s\nc:submit(function(m)
  return (("a"):rep(99)):find((".-"):rep(40) .. "b")
end)\nc:run {}\nend)\n' 'local c = require("mobula.sim").cluster { nodes = 1 }' >loop_spec.lua
run 3 test loop_spec.lua --body-limit 200ms
says "called in loop_spec.lua:4 has run"
says 'that was in loop_spec.lua, "1 searches", seed 0'
# What takes long and calls now and then does not loop.
printf 'local m = require "mobula"\nfunction m.main()\n  for i = 1, 100 do
    for j = 1, 1500000 do end
    m.sleep("1ms")
  end\nend\n' >loop.lua
run 0 run loop.lua --body-limit 200ms
run 0 run loop.lua --body-limit 800ms -v
! grep -q "no oracle" err || problem "the oracle took the calls for one long loop"
run 2 run loop.lua --body-limit 1ms
says "--body-limit 1ms"
ends "a body that loops is ended, wherever it is, and named with file and line"

printf 'local m = require "mobula"\nfunction m.main()\n  m.sleep("2s")\nend\n' >sleepy.lua
run 3 run sleepy.lua --limit 1s
says "limit"
ends "what does not end is a hang"

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

cli_done
