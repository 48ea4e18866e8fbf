#!/bin/sh
# Machines that join by themselves, as their users type it: mobula start, token,
# cert; what is said to those who err; the head goes and comes back; and, where
# network namespaces can be made, machines that are really apart.
# TAP on stdout.
#
#   tests/machines.sh MOBULA SOURCE

mobula=$1
source=$2
. "$source/tests/cli_shell.sh"
id=mom$$
mkdir tmp
export TMPDIR="$work/tmp"
unset MOBULA_ADDRESS MOBULA_TOKEN_FILE MOBULA_CERTS

# Every machine has folders of its own; they are apart only in these.
machine() {
    mkdir -p "$1/run" "$1/config"
    chmod 700 "$1/run"
}
end_all() {
    for name in alice bob carol dave; do
        [ -d "$work/$name" ] && on "$name" "$mobula" stop >/dev/null 2>&1
    done
    for space in switch alice bob carol; do
        ip netns del "$id$space" 2>/dev/null
    done
    rm -rf "$work"
}
trap end_all EXIT
trap 'exit 1' INT TERM

# on NAME COMMAND…: as the user of that machine.
apart=
on() {
    name=$1
    shift
    if [ -n "$apart" ]; then
        nsenter --net="/run/netns/$id$name" env XDG_RUNTIME_DIR="$work/$name/run" \
            XDG_CONFIG_HOME="$work/$name/config" PATH="$work/bin:$PATH" "$@"
    else
        XDG_RUNTIME_DIR="$work/$name/run" XDG_CONFIG_HOME="$work/$name/config" PATH="$work/bin:$PATH" "$@"
    fi
}

# at NAME CODE WORD…: runs the command there; out and err hold what it says.
at() {
    where=$1
    wanted=$2
    shift 2
    on "$where" "$mobula" "$@" >out 2>err </dev/null
    code=$?
    said="$where: mobula $*"
    [ "$code" = "$wanted" ] || problem "exit code $code instead of $wanted"
}

# soon NAME TEXT WORD…: before long the command says that there; what is silent is dead after
# some twenty seconds.
soon() {
    where=$1
    text=$2
    shift 2
    said="$where: mobula $*"
    for _ in $(seq 400); do
        on "$where" "$mobula" "$@" >out 2>err </dev/null
        cat out err | grep -q -- "$text" && return
        sleep 0.1
    done
    problem "it never said \"$text\""
}

ours() {
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/exe" 2>/dev/null)" = "$mobula" ] &&
            tr '\0' '\n' <"$process/environ" 2>/dev/null | grep -qxF "TMPDIR=$work/tmp" && echo "${process#/proc/}"
    done
}

nothing_is_left() {
    for _ in $(seq 30); do
        left="$(ours) $(find ./*/run tmp -mindepth 2) $(find tmp -mindepth 1)"
        [ -z "$(echo "$left" | tr -d ' \n')" ] && return
        sleep 0.1
    done
    problem "this is left: $left"
}

# The daemon of that machine.
pid_of() {
    on alice "$mobula" list nodes -f "node=$1" --json 2>/dev/null | sed 's/.*"pid":\([0-9]*\).*/\1/'
}

give_token() {
    for name in "$@"; do
        mkdir -p "$name/config/mobula"
        cp -p alice/config/mobula/token "$name/config/mobula/token"
    done
}

# Every task is on a machine of its own for a while; what they make is added up there.
cat >spread.lua <<'END'
local m = require "mobula"
local make = m.remote("make", function(i, time) m.compute(time) return m.bytes(1000000 + i) end, { max_retries = -1 })
local size = m.remote("size", function(...)
  local sum = 0
  for _, part in ipairs { ... } do sum = sum + #part end
  return sum
end, { max_retries = -1 })
function m.main(time)
  local parts, sizes = {}, {}
  for i = 1, 12 do parts[i] = make.remote(i, time) end
  for i = 1, 4 do sizes[i] = size.remote(parts[i], parts[i + 4], parts[i + 8]) end
  local sum = 0
  for _, s in ipairs(m.get(sizes)) do sum = sum + s end
  return sum
end
END
answer=12000078

# A port that nobody else here has.
port=$((20000 + $$ % 20000))
machine alice
machine bob
machine carol
machine dave

# --- secrets ---

at alice 1 token
says "No such file"
says "mobula token copy HOST"
at alice 0 token new
says "token written to $work/alice/config/mobula/token (mode 600)"
[ "$(stat -c %a alice/config/mobula/token)" = 600 ] || problem "others can read the token"
at alice 1 token new
says "is there already"
at alice 0 token
prints "$work/alice/config/mobula/token"
at alice 2 token nw
says "mobula token, token new, or token copy HOST"
chmod 640 alice/config/mobula/token
at alice 2 start --head --listen 127.0.0.1 --port $port
says "can be read by others than its owner"
chmod 600 alice/config/mobula/token
ends "a token is made, once, and only its owner may read it"

mkdir bin
cat >bin/ssh <<'END'
#!/bin/sh
[ "$1" = -- ] && [ "$2" = bob ] || exit 255
shift 2
XDG_CONFIG_HOME=$(dirname "$TMPDIR")/bob/config exec sh -c "$*"
END
chmod +x bin/ssh
at alice 0 token copy bob
says "✓ bob has the token"
cmp -s alice/config/mobula/token bob/config/mobula/token || problem "bob has another token"
[ "$(stat -c %a bob/config/mobula/token)" = 600 ] || problem "others can read the copy"
at alice 1 token copy nowhere
says "did not get to nowhere"
at alice 2 token copy "bob;id"
says "is no name of a machine"
rm -r bob/config/mobula
ends "token copy brings it to another machine by ssh"

# --- joining ---

at alice 0 start --head --listen 127.0.0.1 --port $port --cpus 2 --store 100MiB --name lab
says "listening on 127.0.0.1, port $port (TLS"
says "join:  mobula start --address=127.0.0.1:$port --pin="
join=$(sed -n 's/^join:  mobula start //p' err)
at bob 2 start --address=127.0.0.1:$port
says "No such file"
says "mobula token copy HOST"
give_token bob carol dave
# shellcheck disable=SC2086 # two words
at bob 0 start $join --cpus 2 --store 100MiB
says "✓ joined as n1   2 cpu, 100.0 MiB store"
at carol 0 start --address=127.0.0.1:$port --cpus 2 --store 100MiB --name carol
says "✓ joined as carol"
for name in alice bob carol; do
    at $name 0 status
    prints "3 nodes   6 cpu   300.0 MiB store"
    soon $name "✓ every machine reaches every other" doctor
done
MOBULA_ADDRESS=127.0.0.1:$port
export MOBULA_ADDRESS
at dave 0 list nodes
says "shown 3 of 3"
at dave 2 stop
says "is ended on that machine"
unset MOBULA_ADDRESS
at bob 0 job submit --follow -- spread.lua 200ms
says "✓ J1   $answer"
at alice 0 list tasks --json
for name in head n1 carol; do
    grep -q "\"worker\":\"$name/" out || problem "no task ran on $name"
done
at bob 0 logs n1/w0
at alice 2 logs n1/w0
says "n1/w0 writes its log on the machine n1"
ends "machines join by the line that the head prints, work, and ask the head"

# --- who may not ---

on dave "$mobula" token new --token-file "$work/dave/other" >/dev/null 2>&1
at dave 1 start --address=127.0.0.1:$port --token-file "$work/dave/other"
says "token"
says_no_nonsense
at dave 1 start --address=127.0.0.1:$port --pin=0000000000000000000000000000000000000000000000000000000000000000
says "certificate"
at dave 1 start --address=127.0.0.1:$((port + 1))
says "nobody listens at"
at dave 2 start --address=no-such-host.invalid
says "no machine called 'no-such-host.invalid'"
at dave 2 start --address=127.0.0.1:99999
says "HOST or HOST:PORT of the head is expected"
at dave 1 start --address=127.0.0.1:$port --name carol
says "there is a machine with this name already"
at dave 1 start --address=127.0.0.1:$port --name "a b"
says "without a slash or a space"
at dave 2 start --head --listen 127.0.0.1 --port $port
says "something else listens there"
at dave 2 start --head --listen nowhere
says "is no address to listen at"
at dave 2 start --head --port 70000
says "a number from 1 to 65535 is expected"
at dave 2 start
says "mobula start --head, or on another machine mobula start --address=HOST"
at dave 2 start --address=127.0.0.1 --retry soon
says "a time is expected"
soon alice "✓ every machine reaches every other" doctor
ends "who may not join, or errs, is told why, and the others go on"

# --- leaving and dying ---

at bob 0 stop
says "✓ this machine has left the cluster of 127.0.0.1:$port"
at alice 0 list nodes -f node=n1 --detail
prints "left"
at bob 0 start --address=127.0.0.1:$port --cpus 1 --store 100MiB
says "✓ joined as n1   1 cpu"
soon alice "shown 3 of 3" list nodes -f state=ALIVE
kill -9 "$(pid_of carol)"
soon alice "carol  *DEAD" list nodes
at alice 0 job submit --follow -- spread.lua 1ms
says "✓ J2   $answer"
soon carol "no cluster is running" status
at carol 0 start --address=127.0.0.1:$port --cpus 1 --store 100MiB --name carol
says "✓ joined as carol"
soon alice "carol  *ALIVE" list nodes
ends "a machine leaves, or is killed, and comes again"

at alice 0 stop
at alice 0 start --head --listen 127.0.0.1 --port $port --cpus 1 --store 100MiB
soon alice "shown 3 of 3" list nodes -f state=ALIVE
at carol 0 job submit --follow -- spread.lua 1ms
says "✓ J1   $answer"
at alice 0 stop
soon bob "nobody listens at" status
for name in bob carol; do
    at $name 0 stop
done
nothing_is_left
ends "when the head comes back, so do the others"

XDG_RUNTIME_DIR=$work/bob/run XDG_CONFIG_HOME=$work/bob/config "$mobula" start --address=127.0.0.1:$port \
    --retry 20s --block >bob.out 2>bob.err </dev/null &
bob=$!
at carol 1 start --address=127.0.0.1:$port --retry 1s
says "nobody listens at"
at alice 0 start --head --listen 127.0.0.1 --port $port --cpus 1 --store 100MiB
soon alice "n1  *ALIVE" list nodes
kill -TERM $bob
wait $bob || problem "bob did not end well"
grep -q "n1 has left the cluster" bob.err || problem "bob says: $(cat bob.err)"
at alice 0 stop
nothing_is_left
ends "with --retry a machine may be there before its head, in the foreground too"

# --- scenarios on a cluster that is there ---

cat >lose.lua <<'END'
local sim = require "mobula.sim"
local c = sim.cluster { nodes = 2 }
local job = c:submit("spread.lua", "300ms")
c:story("lose a worker, then its machine", function()
  local e = c:await { "task.running", name = "make", node = "n1" }
  c:kill(e.worker)
  c:await { "task.running", name = "make", node = "n1" }
  c:kill "n1"
end)
c:run { until_done = job, limit = "60s" }
assert.are.equal(12000078, job:result())
assert.is_true(#c.state.tasks { replayed = true } > 0, "what was lost has run again")
assert.is_false(c.state.nodes.n1.alive)
END
cat >cut.lua <<'END'
local sim = require "mobula.sim"
local c = sim.cluster { nodes = 2 }
local job = c:submit("spread.lua", "20ms")
c:run { until_done = job, limit = "20s" }
c:pause "carol/w0"
c:cut { from = "head", to = "carol" }
print("cut")
c:run { until_time = "600s" }
END
at alice 0 start --head --listen 127.0.0.1 --port $port --cpus 1 --store 100MiB
at bob 0 start --address=127.0.0.1:$port --cpus 2 --store 100MiB
at carol 0 start --address=127.0.0.1:$port --cpus 2 --store 100MiB --name carol
at carol 0 run lose.lua --on 127.0.0.1:$port
says "fault    kill n1/w"
says "fault    kill n1 "
says "✓ $answer"
leaves runs/lose/0/run.db
soon alice "n1  *DEAD" list nodes
ends "a scenario runs on a cluster that is there, and kills what is on other machines"

at bob 0 start --address=127.0.0.1:$port --cpus 2 --store 100MiB
says "✓ joined as n1"
soon alice "n1  *ALIVE" list nodes
XDG_RUNTIME_DIR=$work/bob/run XDG_CONFIG_HOME=$work/bob/config "$mobula" run cut.lua -q --on 127.0.0.1:$port \
    >cut.out 2>cut.err </dev/null &
cut=$!
for _ in $(seq 200); do grep -q cut cut.out && break; sleep 0.1; done
grep -q cut cut.out || problem "it never came to that: $(cat cut.err)"
at dave 2 run lose.lua -q --on 127.0.0.1:$port
says "somebody runs a scenario on this cluster already"
at alice 1 doctor
prints "head → carol  ✗"
kill -STOP $cut
soon alice "every machine reaches every other" doctor
kill -9 $cut
wait $cut 2>/dev/null
at carol 0 job submit -- spread.lua 30s
at dave 2 run lose.lua -q --on 127.0.0.1:$port
says "and a scenario wants it for itself"
at alice 0 job stop J3
at dave 2 run lose.lua --on nowhere
says "there is no cluster nowhere"
for name in carol bob alice; do
    on $name "$mobula" stop >/dev/null 2>&1
done
nothing_is_left
ends "whoever runs a scenario and falls silent leaves no fault behind"

# --- certificates ---

at alice 0 cert init ca
says "a private CA is in"
at alice 1 cert init ca
says "has a CA already"
for name in alice bob; do
    at alice 0 cert issue $name $name/ca-certs --ca ca
done
at alice 0 cert init ca2
at alice 0 cert issue carol carol/ca-certs --ca ca2
at alice 0 cert --certs alice/ca-certs
says "which a CA vouches for"
at alice 2 cert isue bob x
says "cert issue NAME FOLDER"
at alice 0 start --head --listen 127.0.0.1 --port $port --cpus 1 --store 100MiB --certs alice/ca-certs
! grep -q -- --pin err || problem "a pin where a CA vouches"
at bob 0 start --address=127.0.0.1:$port --cpus 1 --certs bob/ca-certs
says "✓ joined as n1"
at carol 1 start --address=127.0.0.1:$port --certs carol/ca-certs
says "certificate"
at dave 1 start --address=127.0.0.1:$port
says "certificate"
at alice 0 list nodes
says "shown 2 of 2"
at alice 0 stop
at bob 0 stop
nothing_is_left
ends "a CA of one's own vouches for machines, and no other does"

# --- really apart ---

on_switch() {
    ip -n "${id}switch" "$@"
}
space() {
    ip netns add "$id$1" && on_switch link add "to-$1" type veth peer name eth0 netns "$id$1" &&
        on_switch link set "to-$1" master switch up && ip -n "$id$1" address add "10.78.0.$2/24" dev eth0 &&
        ip -n "$id$1" link set lo up && ip -n "$id$1" link set eth0 up
}
apart_is_possible() {
    command -v ip && command -v nsenter && ip netns add "${id}switch" && on_switch link add switch type bridge &&
        on_switch link set switch up && space alice 1 && space bob 2 && space carol 3
}
if apart_is_possible >/dev/null 2>why; then
    apart=yes
    at alice 0 start --head --cpus 2 --store 100MiB
    says "join:  mobula start --address=10.78.0.1:7979"
    for name in bob carol; do
        at $name 0 start --address=10.78.0.1 --cpus 2 --store 100MiB --name $name
        says "✓ joined as $name   2 cpu, 100.0 MiB store   port 7979"
    done
    soon carol "✓ every machine reaches every other" doctor
    on carol "$mobula" job submit --follow -- spread.lua 1s >job.out 2>job.err </dev/null &
    job=$!
    soon alice "bob/w" list tasks -f state=RUNNING
    ip -n "${id}bob" link set eth0 down
    soon alice "bob  *DEAD" list nodes
    wait $job
    grep -q "✓ J1   $answer" job.err || problem "the job says: $(cat job.err)"
    ip -n "${id}bob" link set eth0 up
    soon alice "bob  *ALIVE" list nodes
    at bob 0 job submit --follow -- spread.lua 1ms
    says "✓ J2   $answer"
    for name in carol bob alice; do
        at $name 0 stop
    done
    nothing_is_left
    ends "machines that are apart: one is cut off, its work is done again, and it comes back"
else
    count=$((count + 1))
    echo "ok $count - machines that are apart # SKIP no network namespace can be made here: $(head -1 why)"
fi
cli_done
