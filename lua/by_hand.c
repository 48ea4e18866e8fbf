/* by_hand.c: what programs do to references by hand: m.free gives up values
 * though references live, m.pin writes a reference down, m.ref reads it again.
 */
#include <string.h>

#include "lua/env.h"
#include "lua/errors.h"
#include "lua/refs.h"
#include "lua/value.h"
#include "runtime/ref_text.h"

static int
freed(lua_State *lua, int status, lua_KContext context)
{
    mob_lua_answer(lua);
    return 0;
}

int
mob_lua_free(lua_State *lua)
{
    MobLuaBody *body = mob_lua_calling(lua, "m.free");

    lua_settop(lua, 1);
    mob_lua_ask(lua, body, 1, "m.free");
    if (body->call.ref_count == 0)
        return 0;
    return mob_lua_call(lua, body, MOB_CALL_FREE, freed, 0);
}

static int
pinned(lua_State *lua, int status, lua_KContext context)
{
    const MobAnswer *answer = mob_lua_answer(lua);

    mob_lua_push_value(lua, answer->values[0], mob_lua_push_ref);
    return 1;
}

int
mob_lua_pin(lua_State *lua)
{
    MobLuaBody *body = mob_lua_calling(lua, "m.pin");

    lua_settop(lua, 1);
    mob_lua_check_ref(lua, 1, "m.pin");
    mob_lua_ask(lua, body, 1, "m.pin");
    return mob_lua_call_here(lua, body, MOB_CALL_PIN, pinned, 0);
}

static int
adopted(lua_State *lua, int status, lua_KContext context)
{
    const MobAnswer *answer = mob_lua_answer(lua);

    mob_lua_push_ref(lua, &answer->refs[0]);
    return 1;
}

int
mob_lua_ref(lua_State *lua)
{
    MobLuaBody *body = mob_lua_calling(lua, "m.ref");
    const char *why;
    size_t length;

    if (lua_type(lua, 1) != LUA_TSTRING)
        return luaL_error(lua, "m.ref needs the text that m.pin has returned, and not a %s",
                          luaL_typename(lua, 1));
    const char *text = lua_tolstring(lua, 1, &length);
    mob_ref_clear(&body->adopting);
    if (!mob_ref_read(text, length, body->context.spec->path, &body->adopting, &why))
        return mob_lua_raise(lua, "E113",
                             "   = keep the text as m.pin returns it, within one job\n",
                             "this text is no reference: %s", why);
    body->call.refs = &body->adopting;
    body->call.ref_count = 1;
    return mob_lua_call_here(lua, body, MOB_CALL_ADOPT, adopted, 0);
}
