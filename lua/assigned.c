/* assigned.c: finds functions that assign to locals which they have captured.
 *
 * Nothing in Lua's interface tells, so this reads the function as Lua itself
 * writes it out, and looks for SETUPVAL. The form is that of Lua 5.4; where
 * it is another, nothing is found, and only the early message is lost.
 */
#include <string.h>

#include "lua/env.h"

enum {
    OP_SETUPVAL = 10, /* lopcodes.h of Lua 5.4 */
    HEADER = 4 + 1 + 1 + 6 + 1 + 1 + 1 + 8 + 8,
    NOT_OUTER = -1,
    UPVALUES_MAX = 256,
    NESTING_MAX = 200,
};

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
    int upvalue; /* of the outermost function: the one that is assigned to, or -1 */
    uint32_t line;
} Dump;

static uint8_t
byte(Dump *dump)
{
    if (dump->at >= dump->end) {
        dump->bad = true;
        return 0;
    }
    return *dump->at++;
}

static size_t
number(Dump *dump)
{
    size_t value = 0;
    uint8_t part;

    do {
        part = byte(dump);
        value = value << 7 | (part & 0x7f);
    } while ((part & 0x80) == 0 && !dump->bad);
    return value;
}

static const uint8_t *
skip(Dump *dump, size_t size)
{
    const uint8_t *at = dump->at;

    if ((size_t)(dump->end - dump->at) < size) {
        dump->bad = true;
        return NULL;
    }
    dump->at += size;
    return at;
}

static void
skip_string(Dump *dump)
{
    size_t size = number(dump);

    if (size > 1)
        skip(dump, size - 1);
}

static void
skip_constants(Dump *dump)
{
    for (size_t count = number(dump); count > 0 && !dump->bad; count--) {
        uint8_t type = byte(dump);
        if (type == 0x13 || type == 0x03)
            skip(dump, 8);
        else if (type == 0x04 || type == 0x14)
            skip_string(dump);
    }
}

/* What is kept of one function until its line numbers are read. */
typedef struct {
    size_t first_line;
    const uint8_t *code;
    size_t count;
    int outer[UPVALUES_MAX]; /* which upvalue of the outermost each one is */
} Function;

static void
read_upvalues(Dump *dump, Function *function, const Function *around)
{
    size_t count = number(dump);

    for (size_t i = 0; i < count && !dump->bad; i++) {
        bool in_stack = byte(dump) != 0;
        uint8_t index = byte(dump);
        byte(dump);
        if (i >= UPVALUES_MAX)
            continue;
        if (around == NULL)
            function->outer[i] = (int)i;
        else
            function->outer[i] = in_stack ? NOT_OUTER : around->outer[index];
    }
}

/* The instruction that assigns to an upvalue of the outermost function. */
static size_t
find_instruction(const Function *function, int *upvalue)
{
    for (size_t i = 0; function->code != NULL && i < function->count; i++) {
        uint32_t instruction;
        memcpy(&instruction, function->code + i * 4, 4);
        int target = function->outer[instruction >> 16 & 0xff];
        if ((instruction & 0x7f) == OP_SETUPVAL && target != NOT_OUTER) {
            *upvalue = target;
            return i;
        }
    }
    return SIZE_MAX;
}

/* Reads the line numbers; returns that of instruction @wanted. */
static size_t
read_lines(Dump *dump, const Function *function, size_t wanted)
{
    size_t count = number(dump);
    const int8_t *deltas = (const int8_t *)skip(dump, count);
    size_t line = function->first_line;
    size_t absolute = number(dump);
    size_t at = 0;

    for (size_t i = 0; i < absolute && !dump->bad; i++) {
        size_t instruction = number(dump);
        size_t there = number(dump);
        if (wanted == SIZE_MAX || instruction > wanted)
            continue;
        line = there;
        at = instruction + 1;
    }
    for (; deltas != NULL && wanted != SIZE_MAX && at <= wanted && at < count; at++)
        line += (size_t)(ssize_t)deltas[at];
    for (size_t locals = number(dump); locals > 0 && !dump->bad; locals--) {
        skip_string(dump);
        number(dump);
        number(dump);
    }
    for (size_t names = number(dump); names > 0 && !dump->bad; names--)
        skip_string(dump);
    return line;
}

static void
read_function(Dump *dump, const Function *around, unsigned depth)
{
    Function function = {0};
    int upvalue = NOT_OUTER;

    if (depth > NESTING_MAX) {
        dump->bad = true;
        return;
    }
    skip_string(dump);
    function.first_line = number(dump);
    number(dump);
    skip(dump, 3);
    function.count = number(dump);
    function.code = skip(dump, function.count * 4);
    skip_constants(dump);
    read_upvalues(dump, &function, around);
    size_t found = dump->bad ? SIZE_MAX : find_instruction(&function, &upvalue);
    for (size_t inner = number(dump); inner > 0 && !dump->bad; inner--)
        read_function(dump, &function, depth + 1);
    size_t line = read_lines(dump, &function, found);
    if (!dump->bad && found != SIZE_MAX && dump->upvalue == NOT_OUTER) {
        dump->upvalue = upvalue;
        dump->line = (uint32_t)line;
    }
}

static int
append(lua_State *lua, const void *bytes, size_t size, void *into)
{
    g_byte_array_append(into, bytes, (guint)size);
    return 0;
}

uint32_t
mob_lua_find_assignment(lua_State *lua, int index)
{
    static const uint8_t start[] = {0x1b, 'L', 'u', 'a', 0x54, 0x00};
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    index = lua_absindex(lua, index);
    lua_pushvalue(lua, index);
    lua_dump(lua, append, bytes, 0);
    lua_pop(lua, 1);
    if (bytes->len < HEADER + 1 || memcmp(bytes->data, start, sizeof start) != 0)
        return 0;
    Dump dump = {
        .at = bytes->data + HEADER + 1, .end = bytes->data + bytes->len, .upvalue = NOT_OUTER};
    read_function(&dump, NULL, 0);
    if (dump.bad || dump.upvalue == NOT_OUTER)
        return 0;
    const char *name = lua_getupvalue(lua, index, dump.upvalue + 1);
    if (name == NULL)
        return 0;
    lua_pop(lua, 1);
    lua_pushstring(lua, name);
    return dump.line;
}

/* --- and all the functions that it reaches --- */

/* Whether the value on top is to be looked at, for the first time. */
static bool
visit(lua_State *lua, int seen)
{
    if (!lua_istable(lua, -1) && (!lua_isfunction(lua, -1) || lua_iscfunction(lua, -1)))
        return false;
    lua_pushvalue(lua, -1);
    bool fresh = lua_rawget(lua, seen) == LUA_TNIL;
    lua_pop(lua, 1);
    if (fresh) {
        lua_pushvalue(lua, -1);
        lua_pushboolean(lua, 1);
        lua_rawset(lua, seen);
    }
    return fresh;
}

static uint32_t search(lua_State *lua, int seen, unsigned depth);

static uint32_t
search_table(lua_State *lua, int seen, unsigned depth)
{
    uint32_t line = 0;

    mob_lua_push_behind(lua, -1);
    mob_lua_push_some_keys(lua, -1);
    int keys = lua_gettop(lua);
    for (lua_Integer i = 1; line == 0 && lua_rawgeti(lua, keys, i) != LUA_TNIL; i++) {
        lua_rawget(lua, keys - 1);
        if (visit(lua, seen))
            line = search(lua, seen, depth + 1);
        if (line == 0)
            lua_settop(lua, keys);
    }
    return line;
}

/* Looks at the value on top. If it finds something it leaves the file and the
 * name on top. */
static uint32_t
search(lua_State *lua, int seen, unsigned depth)
{
    int function = lua_gettop(lua);
    lua_Debug info;

    luaL_checkstack(lua, 16, NULL);
    if (depth > NESTING_MAX)
        return 0;
    if (lua_istable(lua, function))
        return search_table(lua, seen, depth);
    uint32_t line = mob_lua_find_assignment(lua, function);
    if (line != 0) {
        lua_pushvalue(lua, function);
        lua_getinfo(lua, ">S", &info);
        lua_pushstring(lua, *info.source == '@' ? info.source + 1 : info.source);
        lua_insert(lua, -2);
        return line;
    }
    for (int i = 1; lua_getupvalue(lua, function, i) != NULL; i++) {
        if (visit(lua, seen)) {
            line = search(lua, seen, depth + 1);
            if (line != 0)
                return line;
        }
        lua_settop(lua, function);
    }
    return 0;
}

uint32_t
mob_lua_find_assignment_below(lua_State *lua, int index, const char **file)
{
    lua_pushvalue(lua, index);
    lua_newtable(lua);
    lua_insert(lua, -2);
    int seen = lua_gettop(lua) - 1;
    uint32_t line = search(lua, seen, 0);
    if (line != 0) {
        *file = lua_tostring(lua, -2); /* stays on the stack, with the name above it */
        return line;
    }
    lua_settop(lua, seen - 1);
    return 0;
}
