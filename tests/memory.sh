#!/bin/sh
# What keeps memory in a cluster that runs, as a user looks at it: memory, list, get and
# summary of objects and references, whose numbers agree.
# TAP on stdout.
#
#   tests/memory.sh MOBULA SOURCE

mobula=$1
source=$2
. "$source/tests/cli_shell.sh"
mkdir -p run tmp
chmod 700 run
export XDG_RUNTIME_DIR="$work/run" TMPDIR="$work/tmp"
unset MOBULA_ADDRESS
trap '"$mobula" stop >/dev/null 2>&1; chmod -R u+w "$work"; rm -rf "$work"' EXIT

cat >holds.lua <<'END2'
local m = require "mobula"
local make = m.remote("make", function(n) return m.bytes(n) end)
local keep = m.remote("keep", { max_retries = 0 }, function(n) return m.bytes(n) end)
local reader = m.remote("reader", function(list)
  local mine = m.get(list[1])
  print("reading " .. #mine)
  m.sleep("60s")
  return #mine
end)
local waiter = m.remote("waiter", function(a, n) return #a + n end)
function m.main()
  local data = m.put(m.bytes("2MiB"))
  local big = make.remote(1 << 20)
  local once = keep.remote(300000)
  m.wait({ big, once }, { num_returns = 2 })
  local boxed = m.put { data, big }
  local slow = reader.remote { data }
  local late = waiter.remote(big, slow)
  print("holding")
  return m.get(slow)
end
END2
sed -i 's/keep", { max_retries = 0 }, function(n) return m.bytes(n) end)/keep", function(n) return m.bytes(n) end, { max_retries = 0 })/' holds.lua

run 2 memory
says "no cluster is running"
says "of a run: mobula memory --run runs/NAME/SEED"
ends "without a cluster it is said how to look at a run"

run 0 up --local 2 -d --cpus 2 --store 100MiB
"$mobula" job submit --follow -- holds.lua >job.out 2>job.err &
until_says job.out "holding"
until_says job.out "reading 2097152"

# Until nothing has changed for a while, but ages.
for _ in $(seq 50); do
    "$mobula" memory --json 2>/dev/null | sed 's/"age_ns":[0-9]*//' >now
    cmp -s now before && break
    mv now before
    sleep 0.5
done

run 0 memory
for row in "P1      2.0 MiB    local     driver  .*  holds.lua:12" \
    "P1      2.0 MiB    primary   head store  .*  holds.lua:12" \
    "O1      1.0 MiB    local     driver  .*  holds.lua:13" \
    "P1      2.0 MiB    nested    driver      P2 .*  holds.lua:16" \
    "P1      2.0 MiB    argument  driver      T3 .*  holds.lua:17" \
    "O1      1.0 MiB    argument  driver      T4 .*  holds.lua:18" \
    "P1      2.0 MiB    local     [a-z0-9]*/w[0-9] .*  holds.lua:17"; do
    grep -q "^$row" out || problem "no row \"$row\""
done
run 0 memory -f kind=argument --json
[ "$(grep -c '"type":"reference"' out)" = 3 ] || problem "two tasks wait or run with three arguments"
says "3 references to 3 objects, 3.0 MiB in all"
run 2 memory --group-by size
says "it is line, node or holder"
run 2 memory -f kid=local
says "did you mean kind?"
run 2 memory --address c1 --at 8ms
says "--run and --at are about runs that are over"
ends "memory tells who holds what in a cluster, what for, and the line that made it"

# adds JSON-KEY: sums up that number over all lines of out.
adds() {
    sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" out | awk '{ s += $1 } END { print s + 0 }'
}
run 0 memory --json
rows=$(wc -l <out)
objects=$(sed 's/.*"object":"\([^"]*\)".*/\1/' out | sort -u | wc -l)
primaries=$(grep -c '"kind":"primary"' out)
for by in line node holder; do
    run 0 memory --group-by $by --json
    [ "$(adds refs)" = "$rows" ] || problem "groups by $by have $(adds refs) of $rows references"
    says "$rows references to $objects objects, "
done
run 0 memory --group-by line
grep -q "^holds.lua:12  *2  *1  *2.0 MiB  *local 1, primary 1 " out || problem "the put's line holds 2 MiB by two references"
run 0 list objects --json
[ "$(adds refs)" = $((rows - primaries)) ] || problem "list objects counts other references"
all=$(wc -l <out)
run 0 summary objects --json
[ "$(adds objects)" = "$all" ] || problem "the summary has not as many objects"
[ "$(adds refs)" = $((rows - primaries)) ] || problem "the summary counts other references"
run 0 list refs -f to_ns= --json
[ "$(wc -l <out)" = $((rows - primaries)) ] || problem "list refs has not the same references"
ends "the numbers of memory, list and summary agree with each other"

run 0 get objects P1
prints "made at     holds.lua:12"
prints "rebuildable no, P1 is a put, no task makes it"
grep -q "^P1 .*  primary  memory" out || problem "no primary copy"
grep -q "^P1      driver  *nested  *P2" out || problem "P2 does not mention it"
run 0 get objects O1
prints "lineage     O1 ← T1"
prints "rebuildable yes, T1 runs again (retries: 3 of 3 left)"
run 0 get objects O2
prints "rebuildable no, T2 may not run again: its max_retries is 0"
run 0 get objects O3
prints "rebuildable yes, T3 is to make it"
run 2 get objects O99
says "there is no object O99 among"
ends "get objects tells whether an object can be made again"

run 0 job stop J1
wait
for _ in $(seq 50); do
    "$mobula" memory --json >out 2>err
    [ -s out ] || break
    sleep 0.1
done
[ ! -s out ] || problem "something is held when the job is over: $(head -3 out)"
says "0 references to 0 objects, 0 B in all"
run 0 stop
ends "when a job is over nothing is held any more"
cli_done
