#!/bin/sh
# Programs on real processes that nobody looks at. TAP on stdout.
#
#   tests/real.sh MOBULA

mobula=$1
work=$(mktemp -d) || exit 1
[ "${mobula#/}" = "$mobula" ] && mobula=$PWD/$mobula
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir tmp
export TMPDIR="$work/tmp" LC_ALL=C.UTF-8
count=0

# is NAME WANTED GOT
is() {
    count=$((count + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        echo "# wanted: $2"
        echo "# got: $3"
    fi
}

run() {
    "$mobula" run "$@" --on local --pace 1 -q --no-check 2>&1
    echo "exit $?"
}

# Values that are freed by hand, and references that are written down.
cat >hand.lua <<'END'
local m = require "mobula"
local make = m.remote("make", function(n) return m.bytes(n, 3) end)
local write = m.remote("write", function(t) return m.pin(t[1]) end)
local read = m.remote("read", function(text) return #m.get(m.ref(text)) end)
local free = m.remote("free", function(t)
  m.free(t)
  local _, err = m.try(t[1])
  return err.name .. " " .. err.reason
end)
function m.main()
  local x = make.remote(300000)
  local text = m.get(write.remote { x })
  x:drop()
  m.sleep "20ms"
  print(m.get(read.remote(text)), #m.get(m.ref(text)))
  print(m.get(free.remote { m.ref(text) }))
  m.sleep "20ms"
  local _, err = m.try(read.remote(text))
  print(err.cause.message)
end
END
is "values are freed by hand and references written down" "300000	300000
ObjectFreedError freed
O1 was freed by hand, while references to it were left
exit 0" "$(run hand.lua)"

# Whoever is busy for longer than a cluster at rest is given, says nothing.
cat >busy.lua <<'END'
local m = require "mobula"
local busy = m.remote("busy", function(n)
  local x = 0
  for i = 1, n do x = x + i % 7 end
  return "done"
end)
function m.main()
  local r = busy.remote(40000000)
  m.sleep "1ms"
  print(m.get(r))
end
END
is "a long body is no deadlock" "done
exit 0" "$(run busy.lua)"

cat >stuck.lua <<'END'
local m = require "mobula"
local never = m.remote("never", function() end)
function m.main()
  m.get(never.options { resources = { none = 1 } }.remote())
end
END
is "what was printed and how it ended is told all the same" "exit 1" \
    "$(run stuck.lua | tail -1)"

# Behind a long task others were sent ahead, as it was not known to be long.
cat >ahead.lua <<'END'
local m = require "mobula"
local some = m.remote("some", function(n)
  local x = 0
  for i = 1, n do x = x + i % 7 end
  return x
end)
function m.main()
  local refs = {}
  for i = 1, 3000 do refs[i] = some.remote(10) end
  local long = some.remote(60000000)
  for i = 3001, 6000 do refs[i] = some.remote(10) end
  m.get(refs)
  print(#m.wait({ long }, { timeout = 0 }) == 0 and "not yet" or "too late")
  m.get(long)
  print "well"
end
END
is "what waits behind a long body is run elsewhere" "not yet
well
exit 0" "$(run ahead.lua)"

# Who keeps a trace wants every step, the summary only what is noted.
events() {
    "$mobula" run busy.lua --on local --pace 1 -q --json "$@" | sed -n 's/.*"virtual_ns":[0-9]*,"events":\([0-9]*\),"wall.*/\1/p'
}
few=$(events)
many=$(events --trace)
is "steps in which nothing is noted are told to who wants them" "yes" \
    "$([ "$few" -gt 10 ] && [ "$many" -gt $((few + few / 2)) ] && echo yes || echo "$few and $many")"

is "nothing is left" "" "$(ls tmp)"
echo "1..$count"
