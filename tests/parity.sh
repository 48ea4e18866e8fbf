#!/bin/sh
# Every scenario of the lecture on real processes: the assertions of the file
# hold there too (answers, errors, what ran again, who died for what), what is
# one-to-one is compared with the simulator, and nothing is left behind.
# NAME+tcp, NAME+tls: by connections as between machines that are apart.
#
#   tests/parity.sh MOBULA SOURCE NAME[+WIRE]… [waits NAME[+WIRE]…]      as TAP
#
# Those after "waits" mostly wait, and do so beside the others.

mobula=$1
source=$2
shift 2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir tmp
export TMPDIR="$work/tmp" LC_ALL=C.UTF-8
ln -s "$source/scenarios" scenarios

count=0
bad=0
ok() {
    count=$((count + 1))
    echo "ok $count - $1"
}
not_ok() {
    count=$((count + 1))
    bad=$((bad + 1))
    echo "not ok $count - $1"
    sed 's/^/# /' "$2" | tail -40
}

# The answer, and how often each task ran by name.
gist() {
    sed -n 's/.*"result":\(.*\),"seed".*/\1/p' "$1"
    grep -o '{"name":"[^"]*","attempts":[0-9]*' "$1" | sort
}

# on_real NAME: leaves NAME.json, NAME.said and NAME.code. Real time is part of
# it: on a machine that has much else to do the living are taken for dead, and
# then it is tried again, which is said.
on_real() {
    for try in 1 2 3 4 5; do
        [ "$try" = 1 ] || echo "# $1, try $try, after: $(tail -n 1 "$1.said" | cut -c1-200)"
        "$mobula" run "scenarios/${1%+*}.lua" --on "local${1#"${1%+*}"}" -q --json >"$1.json" 2>"$1.said" </dev/null
        echo $? >"$1.code"
        [ "$(cat "$1.code")" = 0 ] && return
    done
}

waits=
for name in "$@"; do
    case $waits$name in
    waits) waits=1 ;;
    1*) on_real "$name" & ;;
    esac
done
for name in "$@"; do
    [ "$name" = waits ] && break
    on_real "$name"
done
wait

for name in "$@"; do
    [ "$name" = waits ] && continue
    if [ "$(cat "$name.code")" = 0 ]; then
        ok "$name holds on real processes"
    else
        cat "$name.json" >>"$name.said"
        not_ok "$name holds on real processes" "$name.said"
        continue
    fi
    case $name in
    kill-task-2*)
        "$mobula" run "scenarios/${name%+*}.lua" -q --json >sim.json 2>said </dev/null
        gist sim.json >sim.gist
        gist "$name.json" >real.gist
        if [ -s sim.gist ] && diff sim.gist real.gist >said; then
            ok "$name: the same answer, and the same tasks again, as in the simulator"
        else
            not_ok "$name: the same answer, and the same tasks again, as in the simulator" said
        fi
        ;;
    esac
done

# Daemons are told apart by the folder that they were started in.
find tmp -mindepth 1 >left
for process in /proc/[0-9]*; do
    [ "$(readlink "$process/cwd" 2>/dev/null)" = "$work" ] && [ "$(readlink "$process/exe")" = "$mobula" ] &&
        echo "still runs: $process" >>left
done
if [ -s left ]; then
    not_ok "no process, socket or file is left" left
else
    ok "no process, socket or file is left"
fi
echo "1..$count"
[ "$bad" = 0 ]
