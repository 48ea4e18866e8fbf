/* What programs see of Lua: the same in every run, and no way out. */
#include "tests/lua_fake.h"

Test(lua_sandbox, walks_have_a_fixed_order)
{
    assert_prints(
        "function m.main()\n"
        "  local t = { 'a', 'b', z = 1, y = 2, [10] = 'ten', [-1] = 'minus', [2.5] = 'f',\n"
        "    [true] = 't', [false] = 'f', ['10'] = 's', [1e300] = 'big', [-1e300] = 'small',\n"
        "    [math.maxinteger] = 'max', [math.mininteger] = 'min' }\n"
        "  local out = {}\n"
        "  for k in pairs(t) do out[#out + 1] = tostring(k) end\n"
        "  print(table.concat(out, ' '))\n"
        "  local again, k = {}, nil\n"
        "  repeat k = next(t, k) again[#again + 1] = tostring(k) until k == nil\n"
        "  print(table.concat(again, ' '))\n"
        "  print(next({}), rawlen(t), #t, rawget(t, 'z'))\n"
        "end\n",
        "1 2 -1e+300 -9223372036854775808 -1 2.5 10 9223372036854775807 1e+300 10 y z false true\n"
        "1 2 -1e+300 -9223372036854775808 -1 2.5 10 9223372036854775807 1e+300 10 y z false true "
        "nil\nnil\t2\t2\t1\n");
    assert_prints(
        "function m.main()\n"
        "  local t = {}\n"
        "  for i = 1, 2000 do t['k' .. i] = i end\n"
        "  local sum, last = 0, ''\n"
        "  for k, v in pairs(t) do assert(k > last) last = k sum = sum + v t[k] = nil end\n"
        "  print(sum, next(t))\n"
        "  local u = { 1, 2, 3, a = 1, b = 2, c = 3 }\n"
        "  for k in next, u do u[k] = nil u.b = nil end\n"
        "  print(next(u))\n"
        "  local s = { 1, 2, 10, [10.5] = 1, [11] = 2, [10] = 3 }\n"
        "  local n = 0 for k in next, s do n = n + 1 end print(n)\n"
        "end\n"
        "io_ = nil\n",
        "2001000\tnil\nnil\n6\n");
}

Test(lua_sandbox, keys_without_an_order_are_refused)
{
    assert_fails("function m.main() for k in pairs { [{}] = 1 } do end end\n", "[E110]",
                 "this table has a table as a key");
    assert_fails("function m.main() print(next { [print] = 1 }) end\n", "[E110]",
                 "this table has a function as a key");
    assert_prints("function m.main() local t = {} local seen = { [t] = 1 } print(seen[t]) end\n",
                  "1\n");
    assert_fails("function m.main() setmetatable({}, { __mode = 'k' }) end\n", "[E111]", "__mode");
    assert_fails("function m.main() setmetatable({}, { __gc = print }) end\n", "[E111]", "__gc");
}

Test(lua_sandbox, objects_print_as_serial_numbers_per_task)
{
    assert_prints("local f = m.remote('f', function() return tostring {} .. tostring(print) end)\n"
                  "function m.main()\n"
                  "  local a, b = {}, {}\n"
                  "  print(b, a, b, print)\n"
                  "  print(string.format('%s %5s %d %%', b, nil, 3), ('%s'):format(a))\n"
                  "  print(m.get(f.remote()), m.get(f.remote()))\n"
                  "  print(tostring(coroutine.create(print)), m.bytes(3))\n"
                  "  print(pcall(string.format, '%p', a))\n"
                  "end\n",
                  "table: #1\ttable: #2\ttable: #1\tfunction: #3\n"
                  "table: #1   nil 3 %\ttable: #2\n"
                  "table: #1function: #2\ttable: #1function: #2\n"
                  "thread: #4\tbytes(3)\n"
                  "false\tstring.format: %p shows an address, which differs in every run\n");
}

Test(lua_sandbox, sort_is_stable_and_needs_no_luck)
{
    assert_prints("function m.main()\n"
                  "  local t = {}\n"
                  "  for i = 1, 300 do t[i] = { i * 7 % 10, i } end\n"
                  "  table.sort(t, function(a, b) return a[1] < b[1] end)\n"
                  "  for i = 2, 300 do local a, b = t[i - 1], t[i]\n"
                  "    assert(a[1] < b[1] or a[1] == b[1] and a[2] < b[2]) end\n"
                  "  local s = { 'c', 'a', 'b' } table.sort(s) print(table.concat(s))\n"
                  "  local one = { 5 } table.sort(one) table.sort({})\n"
                  "  print(pcall(table.sort, { 1, 'x' }))\n"
                  "end\n",
                  "abc\nfalse\tattempt to compare string with number\n");
}

Test(lua_sandbox, what_is_outside_is_not_there)
{
    static const char *const gone[] = {"io.write('x')", "debug.getinfo(1)",     "load('return 1')",
                                       "dofile('x')",   "package.loaded.x = 1", "loadfile('x')"};

    for (size_t i = 0; i < G_N_ELEMENTS(gone); i++) {
        g_autofree char *text =
            g_strdup_printf("local m = require 'mobula'\nfunction m.main() %s end\n", gone[i]);
        fake_fails(text, (const char *const[]){"is not available in programs", "test.lua:2", NULL});
    }
    assert_prints(
        "function m.main()\n"
        "  print(os.execute, os.exit, os.getenv, string.dump, warn)\n"
        "  print(pcall(collectgarbage, 'count'))\n"
        "  collectgarbage() math.randomseed(3) assert(not getmetatable(''))\n"
        "end\n",
        "nil\tnil\tnil\tnil\tnil\n"
        "false\tcollectgarbage(\"count\") is not available: it differs from run to run\n");
}

Test(lua_sandbox, what_the_top_level_made_is_frozen)
{
    assert_prints("local T = {}\n"
                  "T.__index = T\n"
                  "function T.new(x) return setmetatable({ x = x }, T) end\n"
                  "function T:get() return self.x end\n"
                  "T.__add = function(a, b) return T.new(a.x + b.x) end\n"
                  "local config = { list = { 3, 1, 2 }, deep = { a = 1 } }\n"
                  "local shared = T.new(7)\n"
                  "function helper(x) return x * 2 end\n"
                  "local f = m.remote('f', function(x)\n"
                  "  local copy = table.move(config.list, 1, #config.list, 1, {})\n"
                  "  table.sort(copy)\n"
                  "  local keys = {}\n"
                  "  for k in pairs(config) do keys[#keys + 1] = k end\n"
                  "  for i, v in ipairs(config.list) do keys[#keys + 1] = i .. v end\n"
                  "  keys[#keys + 1] = (shared + shared):get() + shared:get()\n"
                  "  keys[#keys + 1] = tostring(getmetatable(shared) == T) .. next(config)\n"
                  "  return helper(x), table.concat(copy), table.concat(keys, ' '), config\n"
                  "end, { num_returns = 4 })\n"
                  "function m.main()\n"
                  "  local a, b, c, d = f.remote(4)\n"
                  "  print(m.get(a), m.get(b), m.get(c), m.get(d).list[2])\n"
                  "end\n",
                  "8\t123\tdeep list 13 21 32 21 truedeep\t1\n");
}

Test(lua_sandbox, a_change_of_what_is_frozen_is_refused)
{
    static const char *const writes[] = {
        "config.deep.a = 2",
        "config.new = 1",
        "table.insert(config.list, 4)",
        "global = 1",
        "table.remove(config.list)",
        "rawset(config, 'x', 1)",
        "setmetatable(config, {})",
        "table.sort(config.list)",
        "string.x = 1",
        "math.pi = 3",
        "_G.x = 1",
        "m.errors.x = 1",
        "helper = nil",
        "m.main = print",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(writes); i++) {
        g_autofree char *text =
            g_strdup_printf("local m = require 'mobula'\n"
                            "local config = { list = { 3, 1, 2 }, deep = { a = 1 } }\n"
                            "function helper() return config end\n"
                            "function m.main() %s end\n",
                            writes[i]);
        fake_fails(text, (const char *const[]){"[E109]", "test.lua:4", NULL});
    }
}

Test(lua_sandbox, a_local_of_the_top_level_is_assigned_at_the_top_level_only)
{
    assert_refuses("local m = require 'mobula'\n"
                   "local count = 0\n"
                   "local function tick()\n"
                   "  count = count + 1\n"
                   "  return count\n"
                   "end\n"
                   "m.remote('f', function() return tick() end)\n"
                   "function m.main() end\n",
                   "error[E109]: 'count' is a local of the top level", "--> test.lua:4");
    assert_refuses("local m = require 'mobula'\n"
                   "local seen\n"
                   "function m.main()\n"
                   "  local function inner() local function more() seen = 1 end return more end\n"
                   "end\n",
                   "'seen'", "--> test.lua:4");
    assert_refuses("local m = require 'mobula'\n"
                   "local count, T = 0, {}\n"
                   "T[T] = 1\n"
                   "function T.tick() count = count + 1 end\n"
                   "m.remote('f', function() T.tick() end)\n"
                   "function m.main() end\n",
                   "'count'", "--> test.lua:4");
    /* what runs at the top level only may count */
    assert_prints("local n = 0\n"
                  "local function next_name() n = n + 1 return 'task' .. n end\n"
                  "local f = m.remote(next_name(), function() local k = 1 return (function() k = k "
                  "+ 1 return k end)() end)\n"
                  "local g, odd = nil, { [print] = 1 }\n"
                  "g = m.remote(next_name(), function() return 1 end)\n"
                  "function m.main()\n"
                  "  local h = m.remote('h', function() return f ~= nil and odd[print] end)\n"
                  "  print(f, g, m.get(f.remote()), m.get(h.remote()), n)\n"
                  "end\n",
                  "task task1\ttask task2\t2\t1\t2\n");
}

Test(lua_sandbox, m_sorted_and_m_top_walk_in_order)
{
    assert_prints("function m.main()\n"
                  "  local t = { b = 2, a = 2, c = 5, d = 1.5 }\n"
                  "  for k, v in m.top(t, 3) do print(k, v) end\n"
                  "  for k, v in m.sorted(t) do print(k, v) end\n"
                  "  for k in m.top({}, 3) do print(k) end\n"
                  "  print(pcall(m.top, { a = 'x' }))\n"
                  "end\n",
                  "c\t5\na\t2\nb\t2\na\t2\nb\t2\nc\t5\nd\t1.5\n"
                  "false\tm.top: the values must be numbers, and one is a string\n");
}
