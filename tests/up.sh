#!/bin/sh
# Real clusters as a user meets them: up, jobs, lists, stop; what is said to
# those who err; and that nothing is left, however the end comes.
# TAP on stdout.
#
#   tests/up.sh MOBULA SOURCE

mobula=$1
source=$2
. "$source/tests/cli_shell.sh"
mkdir -p run tmp
chmod 700 run
export XDG_RUNTIME_DIR="$work/run" TMPDIR="$work/tmp"
unset MOBULA_ADDRESS
trap '"$mobula" stop >/dev/null 2>&1; "$mobula" stop >/dev/null 2>&1; chmod -R u+w "$work"; rm -rf "$work"' EXIT

# Ours are told by the folder that they were started from or live in.
ours() {
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/exe" 2>/dev/null)" = "$mobula" ] &&
            tr '\0' '\n' <"$process/environ" 2>/dev/null | grep -qxF "TMPDIR=$work/tmp" && echo "${process#/proc/}"
    done
}

# Nothing is left, at once or at most two seconds later.
nothing_is_left() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        left="$(ours) $(find run tmp -mindepth 2) $(find tmp -mindepth 1)"
        [ -z "$(echo "$left" | tr -d ' \n')" ] && return
        sleep 0.1
    done
    problem "this is left: $left"
}

pid_of() {
    "$mobula" list nodes -f "node=$1" --json 2>/dev/null | sed 's/.*"pid":\([0-9]*\).*/\1/'
}

cp "$source/scenarios/programs/wordcount.lua" .
echo "the cat and the dog" >a.txt
echo "and the end of the tale" >b.txt
cat >slow.lua <<'END'
local m = require "mobula"
local slow = m.remote("slow", function() m.sleep("60s") return 1 end)
function m.main()
  print("begun")
  return m.get(slow.remote())
end
END
cat >fails.lua <<'END'
local m = require "mobula"
local bad = m.remote("bad", function() error("no luck") end)
function m.main() return m.get(bad.remote()) end
END

# --- nobody is there ---

for verb in status "list tasks" "job list" stop doctor "logs J1" "summary tasks"; do
    # shellcheck disable=SC2086 # two words
    run 2 $verb
    says "no cluster is running"
    says "next: mobula up --local 3"
done
run 2 job submit -- wordcount.lua a.txt
says "no cluster is running"
run 2 status --address c7
says "there is no cluster c7, none is running"
ends "without a cluster everything says how to start one"

run 2 up
says "how many machines? mobula up --local 3"
run 2 up --local 0x
run 2 up --local 1000
says "1 to 100 machines"
run 2 up --local 2 --store 3
says "--store 3: a size is expected"
run 2 up --local 2 --cpus -1
says "--cpus -1"
run 2 up --local 2 --name ../x
says "letters, digits"
run 2 up lab.lua
says "up takes no words"
run 2 start
says "mobula start --head"
run 2 up --locl 3
says "did you mean --local?"
run 2 jbo list
says 'did you mean "mobula job"?'
run 2 _sweep
says_no_nonsense
ends "up and start say what is wrong with their options"

chmod 755 run && mkdir -p run/mobula && chmod 755 run/mobula
run 2 up --local 2
says "a folder of yours that nobody else can enter"
run 2 status
says "a folder of yours that nobody else can enter"
rmdir run/mobula && chmod 700 run
ends "a runtime folder that others can enter is not used"

# --- in the foreground ---

"$mobula" up --local 3 --cpus 2 --store 100MiB >up.out 2>up.err </dev/null &
up=$!
said="mobula up --local 3"
until_says up.err "Ctrl-C stops all of it"
for name in head n1 n2; do
    grep -q "^$name  *pid [0-9]*  *✓  2 cpu  100.0 MiB store$" up.err || problem "no line for $name: $(cat up.err)"
done
run 0 status
prints "c1   3 nodes   6 cpu   300.0 MiB store"
run 0 list nodes --json
[ "$(grep -c '"state":"ALIVE"' out)" = 3 ] || problem "not three nodes are alive"
run 0 doctor
says "✓ every machine reaches every other"
[ "$(grep -c '✓' out)" = 6 ] || problem "not six ways"
ends "up starts machines, one line each"

run 0 job submit --follow -- wordcount.lua a.txt b.txt
printf 'the\t4\nand\t2\ncat\t1\n' >wanted
cmp -s wanted out || problem "the output is not that of the program"
says "J1   wordcount.lua   sha256:"
says "✓ J1   11   3 tasks"
run 1 job submit --follow -- fails.lua
says "✗ J2 failed"
says "no luck"
run 0 job submit --follow --json -- wordcount.lua a.txt b.txt
prints '{"type":"output","text":"the\t4'
prints '{"type":"summary","ok":true,"job":"J3","state":"SUCCEEDED","result":11}'
mkdir -p else && cd else || exit 1
cp ../a.txt near.txt
mkdir far && mv ../b.txt far # beside the program there is none
run 0 job submit --follow -- ../wordcount.lua near.txt far/b.txt
mv far/b.txt ..
cd ..
cp else/out else/err .
says "✓ J4   11"
ends "job submit --follow shows what the job prints, and its answer"

run 0 list tasks -f state=FINISHED -f job=J1
says "shown 3 of 3"
grep -q "^T3    merge  FINISHED  [a-z0-9]*/w[0-9]" out || problem "no line of T3"
run 0 list tasks --limit 2
says "shown 2 of "
says "the newest; --limit"
[ "$(wc -l <out)" = 3 ] || problem "not two rows and a head"
run 0 list tasks -f name=count -f 'job!=J1' --limit 1
says "shown 1 of 4" # filtered first, then counted
run 0 list tasks -f state=running
says "shown 0 of 0"
run 0 get tasks T3
prints "lineage     T3 ← (O1 ← T1, O2 ← T2)"
prints "T3.1"
run 0 get objects O3
prints "made by     T3"
run 0 summary tasks
grep -q "^count  0  *0  *0  *6  *0  *6  *6$" out || problem "the summary does not count six"
run 0 list jobs
says "shown 4 of 4"
run 0 job status J2
prints "FAILED"
run 0 job logs J1
cmp -s wanted out || problem "job logs is not what it printed"
run 0 job logs J1 -f
cmp -s wanted out || problem "job logs -f is not what it printed"
says "✓ J1   11"
run 0 logs driver
cmp -s wanted out || problem "the log of the driver is not what it printed"
ends "list, get, summary, logs tell what happened"

run 2 list taks
says "did you mean tasks?"
run 2 list
says "list what?"
run 2 list tasks -f stat=RUNNING
says "did you mean state?"
run 2 list tasks -f RUNNING
says "key=value or key!=value is expected"
run 2 list tasks --limit none
says "--limit none"
run 2 get tasks T99
says "there is no task T99"
run 2 get objects
says "get what?"
run 2 summary nodes
says "mobula summary tasks"
run 2 logs n9/w9
says "there is no log of n9/w9"
run 2 logs J99
says "there is no job J99; there are J1 to J4"
run 2 job status J99
says "there is no job J99"
run 2 job stop
says "which job?"
run 2 job sbumit -- wordcount.lua
says 'did you mean "mobula job submit"?'
run 2 job
says "job what?"
run 2 job submit wordcount.lua
says 'the program follows "--"'
run 2 job submit -- nosuch.lua
says "nosuch.lua"
run 2 job submit -- nosuch.so
says "nosuch.so"
run 2 job submit -- a.txt
says "a.txt is no program"
run 2 status --address c9
says "there is no cluster c9; running: c1"
run 2 up --local 2 --name c1
says "a cluster named c1 runs already"
run 0 help job
prints "mobula job submit --follow -- wordcount.lua a.txt b.txt"
ends "mistakes are told with what there is instead"

"$mobula" job submit --follow -- slow.lua >slow.out 2>slow.err </dev/null &
slow=$!
said="mobula job stop"
until_says slow.out "begun"
run 0 list tasks -f state=RUNNING -f name=slow
says "shown 1 of 1"
run 0 job stop J5
says "✗ J5 was stopped"
wait $slow
[ $? = 1 ] || problem "who followed did not end with 1"
grep -qF "✗ J5 was stopped" slow.err || problem "who followed is not told"
run 0 job status J5
prints "STOPPED"
run 0 job stop J5
says "J5 is over already"
ends "job stop ends a job, and whoever follows it is told"

# --- those who mean no good ---

if command -v python3 >/dev/null; then
    said="strangers"
    python3 - run/mobula/c1.sock >strangers 2>&1 <<'END' || problem "$(cat strangers)"
import os, socket, struct, sys, time

def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.settimeout(10)
    return s

def frame(kind, body, event=0, length=None):
    return struct.pack("<IBBHQQQQ", len(body) if length is None else length, kind, 0, 0, 0, 0, 0, event) + body

def ends_soon(s, seconds):
    begin = time.time()
    try:
        while s.recv(65536):
            pass
    except ConnectionResetError:
        pass
    assert time.time() - begin < seconds, "it stayed for %.1f s" % (time.time() - begin)

silent = connect()
silent_since = time.time()
s = connect(); s.sendall(b"GET / HTTP/1.0\r\n\r\n" + os.urandom(100)); ends_soon(s, 2)
s = connect(); s.sendall(frame(0, b"x" * 5000)); ends_soon(s, 2)          # too long for a stranger
s = connect(); s.sendall(frame(0, b"", length=1 << 31)); ends_soon(s, 2)  # believed by nobody
s = connect(); s.sendall(frame(3, b"hello")); ends_soon(s, 2)             # no hello
s = connect(); s.sendall(frame(0, b"0.0.1"))                              # another version
answer = b""
while True:
    got = s.recv(65536)
    if not got:
        break
    answer += got
assert b"another build" in answer, answer
s = connect(); s.sendall(frame(0, b"0.1")[:20]); s.close()                # half a frame
crowd = [connect() for _ in range(300)]                                   # more than are let in
for s in crowd:
    s.close()
ends_soon(silent, 8)
assert time.time() - silent_since > 3, "it was not given its time"
END
    run 0 status
    prints "c1   3 nodes"
    ends "strangers, garbage and other versions are cut off, and the cluster goes on"
fi

# --- the end ---

said="Ctrl-C"
begin=$(date +%s%N)
kill -INT $up
wait $up || problem "up did not end well: $?"
[ $(($(date +%s%N) - begin)) -lt 2000000000 ] || problem "it took more than 2 s"
nothing_is_left
ends "Ctrl-C ends all of it"

run 0 up --local 2 --cpus 1 -d
says "c1 is up after"
run 0 start --head --name lab --cpus 1 --port $((20000 + $$ % 20000))
says "lab is up after"
run 0 list nodes
says "2 clusters run (c1, lab); this is lab, the newest"
says "shown 1 of 1"
run 0 list nodes --address c1
says "shown 2 of 2"
MOBULA_ADDRESS=c1 "$mobula" job submit --follow -- wordcount.lua a.txt >out 2>err </dev/null || problem "a job by MOBULA_ADDRESS"
says "✓ J1   5"
run 0 stop
says "✓ lab has ended"
run 0 list nodes
says "shown 2 of 2"
ends "two clusters at once are told apart"

said="kill -9 of a machine"
kill -9 "$(pid_of n1)"
sleep 0.2
run 0 list nodes
grep -q "^n1    DEAD" out || problem "n1 is not dead"
run 1 doctor
prints "head → n1     ✗ dead"
run 0 job submit --follow -- wordcount.lua a.txt
says "✓ J2   5"
said="kill -9 of the observer"
kill -9 "$(sed -n 's/^pid=//p' run/mobula/c1.ini)"
nothing_is_left
run 0 up --local 2 --cpus 1 -d
says "c1 is up after"
run 0 stop
nothing_is_left
ends "whoever is killed, nothing is left, and the next one starts at once"

said="kill -9 of everything at once"
run 0 up --local 2 --cpus 1 -d
# shellcheck disable=SC2046 # numbers; nobody is to see another one die
kill -STOP $(ours)
# shellcheck disable=SC2046
kill -9 $(ours)
sleep 0.2
run 2 status
says "no cluster is running"
[ -n "$(find tmp -mindepth 1)" ] || problem "then this tests nothing"
run 0 up --local 1 --cpus 1 -d
run 0 stop
nothing_is_left
ends "what is left when everything is killed at once, the next one removes"

# A folder that is left has its lock, by which the next cluster knows it, or nothing at all.
said="kill -9 of who removes a folder"
halfway=0
for _ in 1 2 3 4 5 6 7 8; do
    mkdir tmp/mobula-abcdef && (cd tmp/mobula-abcdef && seq 800 | xargs touch lock)
    "$mobula" _sweep tmp/mobula-abcdef 3</dev/null &
    while set -- tmp/mobula-abcdef/* && [ $# = 801 ]; do :; done
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    left=$(find tmp/mobula-abcdef -mindepth 1 2>/dev/null | wc -l)
    [ "$left" -gt 0 ] && [ "$left" -lt 801 ] && halfway=$((halfway + 1))
    [ "$left" = 0 ] || [ -e tmp/mobula-abcdef/lock ] || problem "$left files are left, without a lock"
    rm -rf tmp/mobula-abcdef
done
[ "$halfway" -gt 0 ] || problem "then this tests nothing"
# Those who die remove their sockets, and write a little longer.
for _ in 1 2 3 4 5; do
    mkdir -p tmp/mobula-abcdef/logs && (cd tmp/mobula-abcdef && touch lock && cd logs && seq 2000 | xargs touch)
    (cd tmp/mobula-abcdef/logs && for i in $(seq 2000); do echo "$i"; done | xargs rm -f) &
    "$mobula" _sweep tmp/mobula-abcdef 3</dev/null
    wait $!
    [ ! -e tmp/mobula-abcdef ] || problem "somebody else removed something in it, and so it was left"
    rm -rf tmp/mobula-abcdef
done
mkdir tmp/mobula-abcdef tmp/mobula-notes
run 0 up --local 1 --cpus 1 -d
run 0 stop
rmdir tmp/mobula-notes || problem "a folder of somebody else was removed"
nothing_is_left
ends "who is killed while removing leaves what the next one removes"

"$mobula" up --local 2 --cpus 1 -d >/dev/null 2>&1
kill -STOP "$(sed -n 's/^pid=//p' run/mobula/c1.ini)"
run 0 stop
says "does not answer"
nothing_is_left
ends "a cluster that hangs is ended all the same"

cat >long.lua <<'END'
local sim = require "mobula.sim"
local c = sim.cluster { nodes = 2, cpus = 1 }
local job = c:submit(function(m) print("begun") m.sleep("60s") end)
c:run { until_done = job, limit = "100s" }
END
said="mobula run --on local"
"$mobula" run long.lua --on local -q >run.out 2>run.err </dev/null &
long=$!
until_says run.out "begun"
kill -TERM $long # a shell without a terminal makes its jobs ignore the other one
wait $long 2>/dev/null
nothing_is_left
ends "a run on real processes that is interrupted leaves nothing"

cat >many.lua <<'END'
local m = require "mobula"
local one = m.remote("one", function(i) return i end)
function m.main()
  local refs, sum = {}, 0
  for i = 1, 1000 do refs[i] = one.remote(i) end
  for _, ref in ipairs(refs) do sum = sum + m.get(ref) end
  return sum
end
END
rm -f up.out up.err
"$mobula" up --local 2 --cpus 1 --keep 100 >up.out 2>up.err </dev/null &
up=$!
until_says up.err "Ctrl-C stops all of it"
for job in 1 2 3; do
    run 0 job submit --follow -- many.lua
    says "✓ J$job   500500   "
done
run 0 list tasks --limit 1
grep -qE '^[0-9]+ older ones are over and no longer kept' err || problem "it forgets nothing, or does not say so"
kept=$(sed -n 's/^shown 1 of \([0-9]*\),.*/\1/p' err)
[ "${kept:-9999}" -le 1500 ] || problem "it keeps $kept"
run 2 get tasks T1
says "no longer kept"
ends "of what is over a cluster keeps no more than it was told"

said="kill -9 of the head"
kill -9 "$(pid_of head)"
wait $up
[ $? = 1 ] || problem "up ended with $?"
grep -qF "head has died" up.err || problem "up does not say why it ends"
nothing_is_left
ends "when the head dies the cluster ends and says so"

# --- the same tables of a run ---

"$mobula" run "$source/scenarios/kill-task-2.lua" >/dev/null 2>&1
run 0 list tasks --run runs/kill-task-2/0
grep -q "^T2    parse   FINISHED  n2/w1  2  " out || problem "no line of T2"
says "shown 4 of 4"
run 0 list tasks --run runs/kill-task-2 -f executions=2 --json
says "shown 2 of 2"
run 0 get objects O3 --run runs/kill-task-2/0
prints "lineage     O3 ← T3 ← O2 ← T2 ← O1 ← T1"
run 0 get tasks T1 --run runs/kill-task-2/0
prints "T1.2     T1    n2/w0"
for noun in attempts objects copies refs nodes workers jobs; do
    run 0 list $noun --run runs/kill-task-2/0 --detail
    [ "$(wc -l <out)" -gt 1 ] || problem "no $noun"
done
run 0 summary tasks --run runs/kill-task-2/0
prints "parse"
run 2 list tasks --run runs
says "is no run folder"
ends "list, get and summary tell of run folders too"

# --- the README ---

run 0 up --local 3 --cpus 1 -d
sed -n '/^## A real cluster/,/^## /{/^```sh/,/^```/{/^```/d;p}}' "$source/README.md" >commands
grep -q "job submit" commands || problem "the README shows no commands"
mkdir -p scenarios && cp -r "$source/scenarios/programs" scenarios/ && cp "$source/README.md" "$source/LICENSE" .
while read -r word rest; do
    case "$word $rest" in "mobula up"* | "mobula stop"* | "") continue ;; esac
    rest=${rest%%#*}
    # shellcheck disable=SC2086 # words
    "$mobula" $rest >out 2>err </dev/null || problem "the README's \"$word $rest\" fails: $(cat err)"
done <commands
run 0 stop
ends "the commands of the README work"

cli_done
