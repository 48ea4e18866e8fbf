#!/bin/sh
# User code that does what it should not, on real processes: one is told who
# can act, and everybody else goes on. TAP on stdout.
#
#   tests/worker.sh MOBULA SOURCE WILD.SO jailed|free
#
# free: the build has no filter of system calls (sanitizers), so what that does
# is not tested.

mobula=$1
source=$2
wild=$3
jail=$4
[ "${wild#/}" = "$wild" ] && wild=$PWD/$wild
. "$source/tests/cli_shell.sh"
mkdir -p run tmp
chmod 700 run
export XDG_RUNTIME_DIR="$work/run" TMPDIR="$work/tmp"
unset MOBULA_ADDRESS
trap '"$mobula" stop >/dev/null 2>&1; rm -rf "$work"' EXIT

# The pid of the one process with this name.
pid_of() {
    "$mobula" list "$1" -f "${1%s}=$2" --json 2>/dev/null | sed 's/.*"pid":\([0-9]*\).*/\1/'
}

# The most memory that the process has ever had, in KiB.
peak_of() {
    sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"
}

others_went_on() {
    grep -qF "beside it 50 tasks went on" "${1:-out}" || problem "the others did not go on"
}

worker_of() {
    "$mobula" list tasks -f "job=$1" -f "name=$2" --json 2>/dev/null | sed -n 's/.*"worker":"\([^"]*\)".*/\1/p'
}

run 0 up --local 2 --cpus 2 --store 32MiB --memory 300MiB -d
run 0 list nodes
[ "$(grep -c ALIVE out)" = 2 ] || problem "not two machines"
head=$(pid_of nodes head)
observer=$(sed -n 's/^pid=//p' run/mobula/c1.ini)

# --- what it writes ---

run 0 job submit --follow -- "$wild" speaks
printf 'two, by stderr\nthree, by mobula\nfour, by write\nfive, without an end\n' >wanted
sed 1d out | head -4 | cmp -s - wanted || problem "it is not told all of it, in order"
worker=$(worker_of J1 speaks)
prints "one, by printf in $worker"
others_went_on
run 0 job logs J1
prints "one, by printf in $worker"
prints "five, without an end"
run 0 logs "$worker"
prints "one, by printf in $worker"
prints "two, by stderr"
prints "three, by mobula"
[ "$(grep -c "by" out)" = 4 ] || problem "the log does not have each line once"
run 0 job submit --follow --json -- "$wild" speaks
grep -F '"text":"two, by stderr\n"' out | grep -qF '"task":"J2:T1","worker":"' ||
    grep -F 'two, by stderr\n' out | grep -qF '"task":"J2:T1","worker":"' || problem "it is not said who wrote it"
ends "what C writes to stdout and stderr reaches the log of its worker and who follows the job"

run 1 job submit --follow -- "$wild" crashes
prints "these were its last words"
says "WorkerCrashedError: ended by signal 6 (Aborted)"
others_went_on
run 1 job submit --follow -- "$wild" main-crashes
prints "these were its last words"
says "its driver died: ended by signal 6 (Aborted)"
ends "what was written before a crash is told, and how it ended"

# --- what it may not ---

if [ "$jail" = jailed ]; then
    run 0 job submit --follow -- "$wild" forbidden
    for call in ptrace kill mount unshare listen execve; do
        prints "$call is refused"
    done
    others_went_on
    ends "what no task needs is refused, and the job goes on"

    run 0 job submit --follow -- "$wild" forks
    says "there is one of me"
    others_went_on
    ends "a task that forks is told that it cannot, and stays alone"
fi

# --- what has no end ---

"$mobula" job submit --follow -- "$wild" floods >flood.out 2>flood.err </dev/null &
follower=$!
said="a task that prints without end"
until_says flood.out "beside it 50 tasks went on"
job=$(sed -n 's/^\(J[0-9]*\) .*/\1/p' flood.err)
for _ in $(seq 100); do
    worker=$(worker_of "$job" floods)
    log=$(echo tmp/*/logs/"$(echo "$worker" | tr / -)".log)
    [ "$(stat -c %s "$log")" -gt $((12 << 20)) ] && break
    sleep 0.1
done
[ "$(stat -c %s "$log")" -gt $((12 << 20)) ] || problem "it was not long enough to test anything: $(stat -c %s "$log")"
[ "$(du -k "$log" | cut -f1)" -lt 10240 ] || problem "its log takes $(du -k "$log" | cut -f1) KiB of the disk"
run 0 logs "$worker"
says "MiB before this are not kept"
[ "$(wc -c <out)" -le $((9 << 20)) ] && [ "$(wc -c <out)" -ge $((7 << 20)) ] ||
    problem "of its log $(wc -c <out) bytes are told"
said="a client that does not read"
kill -STOP $follower
sleep 2
run 0 job submit --follow -- "$wild" speaks # others are served
others_went_on
kill -CONT $follower
until_says flood.err "bytes were printed meanwhile and are not shown here"
run 0 job stop "$job"
wait $follower
says "was stopped"
for process in "$head" "$observer"; do # the sanitizers keep what was freed
    [ "$jail" = free ] || [ "$(peak_of "$process")" -lt 204800 ] || problem "process $process took $(peak_of "$process") KiB"
done
ends "a task that prints without end takes neither memory nor the disk, and can be stopped"

cat >loud.lua <<'LUA'
local m = require "mobula"
local loud = m.remote("loud", function()
  local line = ("a line that nobody wants to read to its end, because it has none. "):rep(100)
  while true do print(line) end
end)
local add = m.remote("add", function(x) return x + 1 end)
function m.main()
  local endless, x = loud.options { max_retries = 0 }.remote(), 0
  m.sleep "100ms"
  for _ = 1, 50 do x = m.get(add.remote(x)) end
  print("beside it " .. x .. " tasks went on")
  m.get(endless)
end
LUA
rm -f flood.out flood.err
"$mobula" job submit --follow -- loud.lua >flood.out 2>flood.err </dev/null &
follower=$!
said="a task in Lua that prints without end"
until_says flood.out "beside it 50 tasks went on"
job=$(sed -n 's/^\(J[0-9]*\) .*/\1/p' flood.err)
worker=$(worker_of "$job" loud)
log=$(echo tmp/*/logs/"$(echo "$worker" | tr / -)".log)
for _ in $(seq 300); do
    [ "$(stat -c %s "$log")" -gt $((12 << 20)) ] && break
    sleep 0.1
done
[ "$(stat -c %s "$log")" -gt $((12 << 20)) ] || problem "it was not long enough to test anything"
[ "$(du -k "$log" | cut -f1)" -lt 10240 ] || problem "its log takes $(du -k "$log" | cut -f1) KiB of the disk"
run 0 job stop "$job"
wait $follower
[ "$jail" = free ] || [ "$(peak_of "$observer")" -lt 204800 ] || problem "the observer took $(peak_of "$observer") KiB"
ends "nor does one in Lua"

run 1 job submit --follow -- "$wild" swallows
says "MiB of memory, and a process may take 300 MiB here (mobula up --memory)"
took=$(sed -n 's/.*it took \([0-9]*\) MiB.*/\1/p' err)
[ "${took:-9999}" -lt 1500 ] || problem "it was noticed late, at $took MiB"
others_went_on
ends "a task that takes memory without end is ended, and whoever submitted it is told the bound"

"$mobula" job submit --follow -- "$wild" waits >wait.out 2>wait.err </dev/null &
follower=$!
said="a worker that is stopped"
until_says wait.out "pid "
pid=$(sed -n 's/^pid //p' wait.out)
kill -STOP "$pid"
until_says wait.out "is stopped, and so is its task; it goes on after kill -CONT $pid"
run 0 list workers -f state=STOPPED
says "shown 1 of 1"
run 0 status
says "is stopped, and so is its task; it goes on after kill -CONT $pid"
run 1 doctor
says "kill -CONT $pid"
run 0 job submit --follow -- "$wild" speaks
others_went_on
kill -CONT "$pid"
wait $follower || problem "its job ended with $?"
grep -q "^✓ .* it went on " wait.err || problem "it did not go on"
others_went_on wait.out
ends "a worker that is stopped is seen, and goes on when it may"

[ "$(pid_of nodes head)" = "$head" ] || problem "the daemon is another one"
run 0 doctor
run 0 stop
ends "after all of that the cluster is whole"

cli_done
