/* Programs in Lua, from their text to what they print, with a fake runtime. */
#include "tests/lua_fake.h"

Test(lua_body, a_program_submits_gets_and_prints)
{
    assert_prints("local square = m.remote(function(x) return x * x end)\n"
                  "function m.main()\n"
                  "  local refs = {}\n"
                  "  for i = 0, 3 do refs[#refs + 1] = square.remote(i) end\n"
                  "  print(table.unpack(m.get(refs)))\n"
                  "  print(m.get(square.remote(2.5)), refs[2], refs[2].id)\n"
                  "end\n",
                  "0\t1\t4\t9\n6.25\tO2\tO2\n");
}
