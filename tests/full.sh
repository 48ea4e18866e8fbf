#!/bin/sh
# What real processes say when something is full: the store, shared memory, the
# disk; and that what can go on does. TAP on stdout.
#
#   tests/full.sh MOBULA SOURCE

mobula=$1
source=$2
. "$source/tests/cli_shell.sh"
mkdir run tmp full
chmod 700 run
export XDG_RUNTIME_DIR="$work/run" TMPDIR="$work/tmp"
unset MOBULA_ADDRESS
trap '"$mobula" stop >/dev/null 2>&1; umount "$work/full" 2>/dev/null; rm -rf "$work"' EXIT

cat >big.lua <<'LUA'
local m = require "mobula"
local make = m.remote("make", function(n) return m.bytes(n) end)
function m.main(n)
  n = tonumber(n)
  return #m.get(make.remote(n)) + #m.get(m.put(m.bytes(n)))
end
LUA
cat >prints.lua <<'LUA'
local m = require "mobula"
local print_much = m.remote("print_much", function()
  for i = 1, 30000 do print(("x"):rep(100)) end
  return 1
end)
function m.main() return m.get(print_much.remote()) end
LUA

run 0 up --local 2 --cpus 2 --store 1MiB -d
run 1 job submit --follow -- big.lua 9000000
says "is full: there is no room for 9000010 bytes, 0 of 1048576 bytes are in use"
says_no_nonsense
run 0 job submit --follow -- big.lua 300000
says "600000"
run 0 stop
ends "an object that fits into no store is refused with both sizes, and what fits goes on"

said="mobula up where no file may be large"
(
    ulimit -f 4000
    "$mobula" up --local 2 --cpus 2 --store 100MiB -d >out 2>err </dev/null
) || problem "it did not start"
run 0 job submit --follow -- big.lua 300000
says "600000"
ends "where no memory can be shared values travel in messages"

run 0 job submit --follow -- prints.lua
[ "$(grep -c x out)" = 30000 ] || problem "$(grep -c x out) lines of 30000 arrived"
[ "$(find tmp -name 'head-w0.log' -size -4100 | wc -l)" = 1 ] || problem "then this tests nothing: $(find tmp -size +1)"
run 0 stop
ends "where no log can be longer whoever follows a job is told all the same"

if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=1m tiny full 2>/dev/null; then
    TMPDIR=$work/full "$mobula" up --local 2 --cpus 2 --store 10MiB >up.out 2>up.err </dev/null &
    up=$!
    until_says up.err "Ctrl-C stops all of it"
    run 0 job submit --follow -- big.lua 300000
    cat /dev/zero >full/ballast 2>/dev/null
    "$mobula" job submit --follow -- prints.lua >job.out 2>job.err </dev/null &
    job=$!
    said="mobula up on a disk that is full"
    until_says up.err "the disk is full; make room"
    sleep 1
    run 0 status
    prints "2 nodes"
    [ "$(grep -c "the disk is full" up.err)" = 1 ] || problem "it said so more than once: $(cat up.err)"
    ! grep -q "✓" job.err || problem "a job was acknowledged that is written nowhere"
    rm full/ballast
    wait $job || problem "the job failed: $(cat job.err)"
    until_says up.err "it can write again"
    kill -INT $up
    wait $up
    umount -l full
    ends "a full disk is said once at the head, and when there is room all goes on"
else
    count=$((count + 1))
    echo "ok $count - a full disk # SKIP no tmpfs can be mounted"
fi
cli_done
