/* refs.c: see refs.h. */
#include "lua/refs.h"

#include <string.h>

#include "lua/env.h"
#include "lua/errors.h"

#define BYTES_META "mobula.Bytes"

static const char ref_key = 'r'; /* registry: the metatable of references */

/* What the userdata holds: a place in the refs of one body, and what is needed
 * to name it when that is gone. */
typedef struct {
    uint32_t place; /* 0: dropped */
    uint32_t body;
    uint32_t index; /* of the object */
    char path[];
} Ref;

/* --- references --- */

/* The reference at @index, or NULL if it is something else. */
static Ref *
to_ref(lua_State *lua, int index)
{
    if (lua_type(lua, index) != LUA_TUSERDATA || !lua_getmetatable(lua, index))
        return NULL;
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &ref_key);
    bool same = lua_rawequal(lua, -1, -2);
    lua_pop(lua, 2);
    return same ? lua_touserdata(lua, index) : NULL;
}

static MobRef *
find_ref(lua_State *lua, const Ref *ref)
{
    MobLuaBody *body = mob_lua_env(lua)->body;

    if (ref->place == 0 || body == NULL || body->number != ref->body)
        return NULL;
    return &g_array_index(body->refs, MobRef, ref->place);
}

static Ref *
check_self(lua_State *lua)
{
    Ref *self = to_ref(lua, 1);

    if (self == NULL)
        luaL_error(lua, "a reference is needed: call it as ref:drop()");
    return self;
}

/* Pushes the short name of the reference, dropped or not. */
static const char *
push_ref_name(lua_State *lua, const Ref *ref)
{
    MobStr *path = mob_str_new(ref->path);
    GString *name = g_string_new(NULL);

    mob_name_object(name, path, ref->index);
    mob_str_unref(path);
    lua_pushlstring(lua, name->str, name->len);
    g_string_free(name, TRUE);
    return lua_tostring(lua, -1);
}

static int
ref_drop(lua_State *lua)
{
    Ref *self = check_self(lua);
    MobRef *ref = find_ref(lua, self);

    if (ref == NULL)
        return 0; /* dropped before, or its body has ended */
    MobLuaBody *body = mob_lua_env(lua)->body;
    if (body->drops == NULL)
        body->drops = g_array_new(FALSE, FALSE, sizeof(MobObjectId));
    if (body->spare == NULL)
        body->spare = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    g_array_append_val(body->drops, ref->id);
    g_array_append_val(body->spare, self->place);
    mob_ref_clear(ref);
    self->place = 0;
    return 0;
}

static int
ref_index(lua_State *lua)
{
    Ref *self = check_self(lua);
    const char *key = luaL_checkstring(lua, 2);

    if (strcmp(key, "drop") == 0) {
        lua_pushcfunction(lua, ref_drop);
    } else if (strcmp(key, "id") == 0) {
        push_ref_name(lua, self);
    } else if (strcmp(key, "owner") == 0) {
        const MobRef *ref = mob_lua_check_ref(lua, 1, "owner");
        lua_pushfstring(lua, "%d.%d", (int)ref->owner.node, (int)ref->owner.local);
    } else {
        return luaL_error(
            lua, "a reference has id, owner and drop(), and no '%s'; m.get gives its value", key);
    }
    return 1;
}

static int
ref_tostring(lua_State *lua)
{
    push_ref_name(lua, check_self(lua));
    return 1;
}

static int
ref_eq(lua_State *lua)
{
    const MobRef *a;
    const MobRef *b;

    bool both = mob_lua_get_ref(lua, 1, &a) && mob_lua_get_ref(lua, 2, &b);
    lua_pushboolean(lua, both && a != NULL && b != NULL && mob_object_eq(a->id, b->id));
    return 1;
}

static int
ref_call(lua_State *lua)
{
    return luaL_error(lua, "a reference is not a function: m.get(ref) gives its value");
}

static void
push_ref_metatable(lua_State *lua)
{
    static const luaL_Reg methods[] = {{"__index", ref_index}, {"__tostring", ref_tostring},
                                       {"__eq", ref_eq},       {"__close", ref_drop},
                                       {"__call", ref_call},   {NULL, NULL}};

    if (lua_rawgetp(lua, LUA_REGISTRYINDEX, &ref_key) == LUA_TTABLE)
        return;
    lua_pop(lua, 1);
    lua_newtable(lua);
    luaL_setfuncs(lua, methods, 0);
    lua_pushliteral(lua, "reference");
    lua_setfield(lua, -2, "__name");
    lua_pushvalue(lua, -1);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &ref_key);
}

void
mob_lua_push_ref(lua_State *lua, const MobRef *ref)
{
    MobLuaBody *body = mob_lua_env(lua)->body;
    size_t length = ref->path != NULL ? ref->path->length : 0;
    Ref *self = lua_newuserdatauv(lua, sizeof *self + length + 1, 0);
    MobRef own = *ref;

    *self = (Ref){0, body->number, ref->id.index};
    memcpy(self->path, mob_str(ref->path), length + 1);
    push_ref_metatable(lua);
    lua_setmetatable(lua, -2);
    mob_str_ref(own.path);
    if (body->refs == NULL) {
        body->refs = g_array_new(FALSE, TRUE, sizeof(MobRef));
        g_array_set_size(body->refs, 1); /* place 0 is none */
    }
    if (body->spare != NULL && body->spare->len > 0) {
        self->place = g_array_index(body->spare, uint32_t, body->spare->len - 1);
        g_array_set_size(body->spare, body->spare->len - 1);
        g_array_index(body->refs, MobRef, self->place) = own;
    } else {
        self->place = body->refs->len;
        g_array_append_val(body->refs, own);
    }
}

bool
mob_lua_get_ref(lua_State *lua, int index, const MobRef **ref)
{
    const Ref *self = to_ref(lua, index);

    *ref = self != NULL ? find_ref(lua, self) : NULL;
    return self != NULL;
}

const MobRef *
mob_lua_check_ref(lua_State *lua, int index, const char *what)
{
    const Ref *self = to_ref(lua, index);

    if (self == NULL)
        luaL_error(lua, "%s needs a reference, such as task.remote() returns, and not a %s", what,
                   luaL_typename(lua, index));
    const MobRef *ref = find_ref(lua, self);
    if (ref == NULL)
        mob_lua_raise(lua, "E108", "   = drop a reference after its last use\n",
                      "%s of the reference %s, which was dropped", what, push_ref_name(lua, self));
    return ref;
}

/* --- byte views --- */

const MobLuaBytes *
mob_lua_get_bytes(lua_State *lua, int index)
{
    return luaL_testudata(lua, index, BYTES_META);
}

static const MobLuaBytes *
check_bytes(lua_State *lua)
{
    return luaL_checkudata(lua, 1, BYTES_META);
}

static int
bytes_length(lua_State *lua)
{
    lua_pushinteger(lua, (lua_Integer)check_bytes(lua)->size);
    return 1;
}

/* Turns positions as in string.sub into [*from, *to), from 0. */
static void
read_range(lua_State *lua, uint64_t size, lua_Integer from, lua_Integer to, uint64_t range[2])
{
    lua_Integer count = (lua_Integer)size;

    if (from < 0)
        from = MAX(count + from + 1, 1);
    if (to < 0)
        to = count + to + 1;
    from = MAX(from, 1);
    to = MIN(to, count);
    range[0] = (uint64_t)from - 1;
    range[1] = to < from ? range[0] : (uint64_t)to;
}

static int
bytes_sub(lua_State *lua)
{
    const MobLuaBytes *self = check_bytes(lua);
    uint64_t range[2];
    luaL_Buffer buffer;

    read_range(lua, self->size, luaL_optinteger(lua, 2, 1), luaL_optinteger(lua, 3, -1), range);
    uint64_t count = range[1] - range[0];
    if (count > 64 * 1024 * 1024)
        return luaL_error(lua, "b:sub: a string of more than 64 MiB; take it in pieces");
    char *into = luaL_buffinitsize(lua, &buffer, count);
    if (self->bytes != NULL)
        memcpy(into, self->bytes + range[0], count);
    else
        mob_fill_write(self->fill, range[0], (uint8_t *)into, count);
    luaL_pushresultsize(&buffer, count);
    return 1;
}

static int
bytes_byte(lua_State *lua)
{
    const MobLuaBytes *self = check_bytes(lua);
    lua_Integer from = luaL_optinteger(lua, 2, 1);
    uint64_t range[2];

    read_range(lua, self->size, from, luaL_optinteger(lua, 3, from), range);
    if (range[1] - range[0] > 1000)
        return luaL_error(lua, "b:byte: more than 1000 results; use b:sub");
    luaL_checkstack(lua, (int)(range[1] - range[0]), NULL);
    for (uint64_t i = range[0]; i < range[1]; i++)
        lua_pushinteger(lua, self->bytes != NULL ? self->bytes[i] : mob_fill_byte(self->fill, i));
    return (int)(range[1] - range[0]);
}

static int
bytes_tostring(lua_State *lua)
{
    lua_pushfstring(lua, "bytes(%I)", (lua_Integer)check_bytes(lua)->size);
    return 1;
}

static int
bytes_eq(lua_State *lua)
{
    const MobLuaBytes *a = mob_lua_get_bytes(lua, 1);
    const MobLuaBytes *b = mob_lua_get_bytes(lua, 2);

    lua_pushboolean(lua, a != NULL && b != NULL && a->size == b->size &&
                             (a->fill == b->fill || a->size == 0));
    return 1;
}

static int
bytes_free(lua_State *lua)
{
    MobLuaBytes *self = luaL_checkudata(lua, 1, BYTES_META);

    self->bytes = NULL;
    g_clear_pointer(&self->value, mob_value_unref);
    return 0;
}

enum {
    GC_STEP_MAX = 1 << 20, /* KiB */
};

void
mob_lua_push_fill(lua_State *lua, const MobFill *fill, const MobValue *value)
{
    mob_lua_push_bytes(lua, fill->size, fill->rule);
    MobLuaBytes *self = lua_touserdata(lua, -1);
    if (fill->bytes == NULL)
        return;
    self->bytes = fill->bytes;
    self->value = mob_value_ref((MobValue *)value);
    /* The collector sees a few words, and what they hold on to is large. */
    lua_gc(lua, LUA_GCSTEP, (int)MIN(fill->size / 1024, GC_STEP_MAX));
}

void
mob_lua_push_bytes(lua_State *lua, uint64_t size, uint64_t fill)
{
    static const luaL_Reg metamethods[] = {{"__len", bytes_length},
                                           {"__tostring", bytes_tostring},
                                           {"__eq", bytes_eq},
                                           {"__gc", bytes_free},
                                           {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"sub", bytes_sub}, {"byte", bytes_byte}, {"len", bytes_length}, {NULL, NULL}};
    MobLuaBytes *self = lua_newuserdatauv(lua, sizeof *self, 0);

    *self = (MobLuaBytes){.size = size, .fill = fill};
    if (luaL_newmetatable(lua, BYTES_META)) {
        luaL_setfuncs(lua, metamethods, 0);
        luaL_newlib(lua, methods);
        lua_setfield(lua, -2, "__index");
        lua_pushliteral(lua, "bytes");
        lua_setfield(lua, -2, "__name");
    }
    lua_setmetatable(lua, -2);
}
