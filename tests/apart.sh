#!/bin/sh
# Machines that are really apart: three network namespaces behind one switch, a
# daemon in each, a shuffle over TLS; one machine is cut off and comes back.
#
#   tests/apart.sh MOBULA SOURCE      as TAP; skipped where no namespace can be made

mobula=$1
source=$2
work=$(mktemp -d) || exit 1
id=mob$$
export TMPDIR="$work/tmp" LC_ALL=C.UTF-8
mkdir "$TMPDIR"

undo() {
    for space in switch head n1 n2; do
        ip netns del "$id$space" 2>/dev/null
    done
    rm -rf "$work"
}
trap undo EXIT
trap 'exit 1' INT TERM

skip() {
    echo "1..0 # SKIP $1"
    exit 0
}
command -v ip >/dev/null && command -v nsenter >/dev/null || skip 'ip (iproute2) or nsenter is missing'
ip netns add "${id}switch" 2>"$work/why" || skip "no network namespace can be made here: $(cat "$work/why")"

on_switch() {
    ip -n "${id}switch" "$@"
}

# machine NAME NUMBER: a namespace with the address 10.77.0.NUMBER.
machine() {
    ip netns add "$id$1" &&
        on_switch link add "to-$1" type veth peer name eth0 netns "$id$1" &&
        on_switch link set "to-$1" master switch up &&
        ip -n "$id$1" address add "10.77.0.$2/24" dev eth0 &&
        ip -n "$id$1" link set lo up &&
        ip -n "$id$1" link set eth0 up
}
{
    on_switch link add switch type bridge && on_switch link set switch up &&
        machine head 1 && machine n1 2 && machine n2 3
} 2>"$work/why" || skip "no switch can be made here: $(cat "$work/why")"

count=0
bad=0
# check TEXT COMMAND…
check() {
    text=$1
    shift
    count=$((count + 1))
    if "$@" >>"$work/said" 2>&1; then
        echo "ok $count - $text"
    else
        bad=$((bad + 1))
        echo "not ok $count - $text"
        tail -40 "$work/said" | cut -c1-300 | sed 's/^/# /'
    fi
}

# wait_for TEXT SECONDS: until the story tells it.
wait_for() {
    for _ in $(seq "$(($2 * 50))"); do
        grep "$1" story && return
        sleep 0.02
    done
    return 1
}

# begin PACE: leaves its story in the file story.
begin() {
    "$mobula" run "$source/tests/apart.lua" --pace "$1" --json \
        --on "local+tls:${id}head@10.77.0.1,${id}n1@10.77.0.2,${id}n2@10.77.0.3" >result 2>story </dev/null &
    run=$!
    : >"$work/said"
}

# finished: it has ended well, with the answer.
finished() {
    wait "$run"
    code=$?
    cat story
    [ $code = 0 ] && grep -q '"result":1296' result
}

again() {
    grep -q '"attempts":[2-9]' result
}

nobody_dead() {
    ! grep -q ' gcs .* is dead ' story
}

nobody_again() {
    ! again && nobody_dead
}

# crossed NAME BYTES: at least so many have come in at that machine.
crossed() {
    bytes=$(ip netns exec "$id$1" sed -n 's/^ *eth0: *\([0-9]*\).*/\1/p' /proc/net/dev)
    echo "$bytes bytes have come in at $1"
    [ "$bytes" -gt "$2" ]
}

cd "$work" || exit 1

begin 10
check 'a machine has made its part of the shuffle' wait_for ' map .*✓ .* on n2' 20
ip -n "${id}n2" link set eth0 down
check 'a machine whose cable is pulled is dead after a while' wait_for ' n2 is dead ' 20
ip -n "${id}n2" link set eth0 up
check 'the answer is right all the same' finished
check 'what was lost has run again' again
check 'megabytes have crossed the wire' crossed n1 2000000

begin 50
check 'another shuffle has begun' wait_for ' map .*▸ ' 20
ip -n "${id}n2" link set eth0 down
sleep 0.4
ip -n "${id}n2" link set eth0 up
check 'a cable that is pulled for a moment only is not noticed' finished
check 'nothing has run again' nobody_again

begin 50
check 'a third shuffle has begun' wait_for ' map .*✓ .* on n2' 20
if ip netns exec "${id}n2" ss -K -tn 2>/dev/null | grep -q 10.77.0; then
    check 'connections that are broken are made again' finished
    check 'and no machine is dead' nobody_dead
else
    count=$((count + 1))
    echo "ok $count - connections that are broken are made again # SKIP ss cannot break one here"
    finished >/dev/null
fi

find tmp -mindepth 1 >left
for space in head n1 n2; do
    ip netns pids "$id$space" >>left
done
check 'no process, socket or file is left' test ! -s left
echo "1..$count"
[ "$bad" = 0 ]
