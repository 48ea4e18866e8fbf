/* value.c: see value.h.
 *
 * While a value is written nothing is raised, so that the writer is always
 * cleared: the walk stops at the first thing that cannot travel, and the error
 * is raised afterwards. The path to it is made from the chain of steps then.
 */
#include "lua/value.h"

#include <string.h>

#include "lua/errors.h"
#include "lua/refs.h"
#include "lua/sandbox.h"
#include "runtime/fault.h"

static const char writer_key = 'w'; /* registry: the writer of the state */

enum {
    DEPTH_MAX = MOB_VALUE_DEPTH_MAX - 4, /* room for the tags */
    WRITER_KEEP_MAX = 1024 * 1024,       /* of memory that waits for the next value */
};

/* --- Lua to CBOR --- */

/* One level of the walk: a table and the key that is being looked at. */
typedef struct Step {
    const struct Step *up;
    const void *table;
    const char *name; /* of the key if it is a string, else NULL */
    lua_Integer number;
    bool other; /* the key is neither */
} Step;

typedef struct {
    lua_State *lua;
    MobCborWriter *writer; /* the state's: one for all values, one at a time */
    const char *code;      /* of the error; NULL: none so far */
    GString *problem;
} Walk;

static bool write_item(Walk *walk, int index, const Step *up, unsigned depth);

static bool
is_name(const char *text)
{
    if (!g_ascii_isalpha(*text) && *text != '_')
        return false;
    for (; *text != '\0'; text++)
        if (!g_ascii_isalnum(*text) && *text != '_')
            return false;
    return true;
}

static void
print_path(const Step *step, GString *into)
{
    if (step == NULL)
        return;
    print_path(step->up, into);
    if (step->other)
        g_string_append(into, "[key]");
    else if (step->name == NULL)
        g_string_append_printf(into, "[%" G_GINT64_FORMAT "]", (int64_t)step->number);
    else if (is_name(step->name))
        g_string_append_printf(into, ".%s", step->name);
    else
        g_string_append_printf(into, "[\"%.40s\"]", step->name);
}

static bool
refuse(Walk *walk, const Step *step, const char *code, const char *what)
{
    walk->code = code;
    walk->problem = g_string_new(NULL);
    print_path(step, walk->problem);
    g_string_append_printf(walk->problem, ": %s", what);
    return false;
}

static bool
is_inside_itself(const Step *step, const void *table)
{
    for (; step != NULL; step = step->up)
        if (step->table == table)
            return true;
    return false;
}

/* A key of a map, with what decides its place in the deterministic encoding. */
typedef struct {
    uint8_t rank;    /* the major type; 7 for booleans and 8 for floats */
    uint64_t number; /* integers: as encoded; booleans; the length of strings */
    lua_Integer integer;
    double real;
    const char *text;
    uint8_t bytes[9]; /* floats: as encoded */
    uint8_t length;
} MapKey;

static int
compare_map_keys(const void *left, const void *right)
{
    const MapKey *a = left;
    const MapKey *b = right;

    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->rank == 8)
        return memcmp(a->bytes, b->bytes, sizeof a->bytes);
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return a->text != NULL ? memcmp(a->text, b->text, a->number) : 0;
}

static void
read_float_key(double real, MapKey *key)
{
    MobCborWriter scratch;

    mob_cbor_init(&scratch);
    mob_cbor_float(&scratch, real);
    key->rank = 8;
    key->real = real;
    key->length = (uint8_t)scratch.bytes->len;
    memcpy(key->bytes, scratch.bytes->data, scratch.bytes->len);
    mob_cbor_clear(&scratch);
}

static void
read_string_key(const char *text, size_t length, MapKey *key)
{
    MobCborWriter scratch;

    key->text = text;
    key->number = length;
    key->rank = 3;
    if (!g_utf8_validate_len(text, length, NULL)) {
        mob_cbor_init(&scratch);
        mob_cbor_string(&scratch, text, length);
        key->rank = scratch.bytes->data[0] >> 5;
        mob_cbor_clear(&scratch);
    }
}

/* Reads the key at @index of the stack; false if it cannot travel. */
static bool
read_map_key(lua_State *lua, int index, MapKey *key)
{
    size_t length;

    *key = (MapKey){0};
    switch (lua_type(lua, index)) {
    case LUA_TNUMBER:
        if (!lua_isinteger(lua, index)) {
            read_float_key(lua_tonumber(lua, index), key);
            return true;
        }
        key->integer = lua_tointeger(lua, index);
        key->rank = key->integer < 0;
        key->number = key->integer < 0 ? ~(uint64_t)key->integer : (uint64_t)key->integer;
        return true;
    case LUA_TSTRING: {
        const char *text = lua_tolstring(lua, index, &length);
        read_string_key(text, length, key);
        return true;
    }
    case LUA_TBOOLEAN:
        key->rank = 7;
        key->number = (uint64_t)lua_toboolean(lua, index);
        return true;
    default:
        return false;
    }
}

/* Writes @key and pushes it. */
static void
write_map_key(Walk *walk, const MapKey *key)
{
    lua_State *lua = walk->lua;

    if (key->text != NULL) {
        mob_cbor_string(walk->writer, key->text, key->number);
        lua_pushlstring(lua, key->text, key->number);
    } else if (key->rank == 7) {
        mob_cbor_bool(walk->writer, key->number != 0);
        lua_pushboolean(lua, key->number != 0);
    } else if (key->rank == 8) {
        mob_cbor_float(walk->writer, key->real);
        lua_pushnumber(lua, key->real);
    } else {
        mob_cbor_int(walk->writer, key->integer);
        lua_pushinteger(lua, key->integer);
    }
}

static bool
write_map(Walk *walk, int table, Step *step, unsigned depth)
{
    lua_State *lua = walk->lua;
    g_autoptr(GArray) keys = g_array_new(FALSE, FALSE, sizeof(MapKey));
    MapKey key;

    lua_pushnil(lua);
    while (lua_next(lua, table)) {
        lua_pop(lua, 1);
        if (!read_map_key(lua, -1, &key)) {
            step->other = true;
            g_autofree char *what = g_strdup_printf("a %s as a key", luaL_typename(lua, -1));
            return refuse(walk, step, "E104", what);
        }
        g_array_append_val(keys, key);
    }
    g_array_sort(keys, compare_map_keys);
    mob_cbor_map(walk->writer, keys->len);
    for (guint i = 0; i < keys->len; i++) {
        const MapKey *at = &g_array_index(keys, MapKey, i);
        step->name = at->text;
        step->number = at->integer;
        step->other = at->rank > 6;
        write_map_key(walk, at);
        lua_rawget(lua, table);
        if (!write_item(walk, lua_gettop(lua), step, depth))
            return false;
        lua_pop(lua, 1);
    }
    return true;
}

/* Whether the keys of the table are 1 to @count and nothing else. */
static bool
is_sequence(lua_State *lua, int table, lua_Integer *count)
{
    lua_Integer seen = 0;

    *count = (lua_Integer)lua_rawlen(lua, table);
    lua_pushnil(lua);
    while (lua_next(lua, table)) {
        lua_pop(lua, 1);
        if (!lua_isinteger(lua, -1) || lua_tointeger(lua, -1) < 1 ||
            lua_tointeger(lua, -1) > *count) {
            lua_pop(lua, 1);
            return false;
        }
        seen++;
    }
    return seen == *count;
}

static bool
write_plain_table(Walk *walk, int table, const Step *up, unsigned depth)
{
    lua_State *lua = walk->lua;
    Step step = {.up = up, .table = lua_topointer(lua, table)};
    lua_Integer count;

    if (!is_sequence(lua, table, &count))
        return write_map(walk, table, &step, depth);
    mob_cbor_array(walk->writer, (size_t)count);
    for (step.number = 1; step.number <= count; step.number++) {
        lua_rawgeti(lua, table, step.number);
        if (!write_item(walk, lua_gettop(lua), &step, depth))
            return false;
        lua_pop(lua, 1);
    }
    return true;
}

static bool
write_table(Walk *walk, int index, const Step *up, unsigned depth)
{
    lua_State *lua = walk->lua;

    if (mob_lua_is_error(lua, index)) {
        g_autoptr(MobValue) error = mob_lua_error_to_value(lua, index);
        mob_cbor_value(walk->writer, error);
        return true;
    }
    mob_lua_push_behind(lua, index);
    int table = lua_gettop(lua);
    if (lua_getmetatable(lua, table))
        return refuse(walk, up, "E107", "a table with a metatable");
    if (is_inside_itself(up, lua_topointer(lua, table)))
        return refuse(walk, up, "E104", "a table that contains itself");
    if (depth >= DEPTH_MAX)
        return refuse(walk, up, "E104", "tables nested too deeply");
    if (!write_plain_table(walk, table, up, depth + 1))
        return false;
    lua_settop(lua, table - 1);
    return true;
}

static bool
write_userdata(Walk *walk, int index, const Step *up)
{
    const MobRef *ref;
    const MobLuaBytes *bytes = mob_lua_get_bytes(walk->lua, index);

    if (bytes != NULL) {
        if (bytes->size > MOB_FILL_MAX - walk->writer->unwritten)
            return refuse(walk, up, "E104", "more bytes than a value can have");
        mob_cbor_fill(walk->writer, bytes->size, bytes->fill);
        return true;
    }
    if (!mob_lua_get_ref(walk->lua, index, &ref))
        return refuse(walk, up, "E104", "an object that stays where it is");
    if (ref == NULL)
        return refuse(walk, up, "E108", "a reference that was dropped");
    mob_cbor_ref(walk->writer, ref);
    return true;
}

static bool
write_item(Walk *walk, int index, const Step *up, unsigned depth)
{
    lua_State *lua = walk->lua;
    size_t length;

    if (!lua_checkstack(lua, 12))
        return refuse(walk, up, "E104", "tables nested too deeply");
    if (walk->writer->bytes->len > MOB_LUA_VALUE_BYTES_MAX)
        return refuse(walk, up, "E104", "a value of more than 256 MiB");
    switch (lua_type(lua, index)) {
    case LUA_TNIL:
        mob_cbor_nil(walk->writer);
        return true;
    case LUA_TBOOLEAN:
        mob_cbor_bool(walk->writer, lua_toboolean(lua, index));
        return true;
    case LUA_TNUMBER:
        if (lua_isinteger(lua, index))
            mob_cbor_int(walk->writer, lua_tointeger(lua, index));
        else
            mob_cbor_float(walk->writer, lua_tonumber(lua, index));
        return true;
    case LUA_TSTRING: {
        const char *text = lua_tolstring(lua, index, &length);
        if (length > MOB_LUA_VALUE_BYTES_MAX)
            return refuse(walk, up, "E104", "a value of more than 256 MiB");
        mob_cbor_string(walk->writer, text, length);
        return true;
    }
    case LUA_TTABLE:
        return write_table(walk, index, up, depth);
    case LUA_TFUNCTION:
        return refuse(walk, up, "E104", "a function");
    case LUA_TTHREAD:
        return refuse(walk, up, "E104", "a coroutine");
    default:
        return write_userdata(walk, index, up);
    }
}

/* Moves the problem of @walk to the Lua heap and raises it. */
static void
raise_problem(Walk *walk, const char *what, uint32_t number)
{
    const char *code = walk->code;
    char path[512];

    if (number != 0)
        g_snprintf(path, sizeof path, "%s %" G_GUINT32_FORMAT "%s", what, number,
                   walk->problem->str);
    else
        g_snprintf(path, sizeof path, "%s%s", what, walk->problem->str);
    g_string_free(walk->problem, TRUE);
    const char *help =
        strcmp(code, "E107") == 0
            ? "   = copy the fields into a plain table, and call setmetatable there\n"
        : strcmp(code, "E108") == 0
            ? "   = drop a reference after its last use\n"
            : "   = send data, and let the other side build the rest from it\n";
    mob_lua_raise(walk->lua, code, help, "cannot travel: %s", path);
}

static void
renew(MobCborWriter *writer)
{
    mob_cbor_clear(writer);
    mob_cbor_init(writer);
}

static int
free_writer(lua_State *lua)
{
    mob_cbor_clear(lua_touserdata(lua, 1));
    return 0;
}

/* The writer of the state, made when it is needed first. */
static MobCborWriter *
get_writer(lua_State *lua)
{
    MobLuaSandbox *sandbox = mob_lua_sandbox(lua);

    if (sandbox->writer != NULL)
        return sandbox->writer;
    MobCborWriter *writer = lua_newuserdatauv(lua, sizeof *writer, 0);
    *writer = (MobCborWriter){0};
    lua_createtable(lua, 0, 1);
    lua_pushcfunction(lua, free_writer);
    lua_setfield(lua, -2, "__gc");
    lua_setmetatable(lua, -2);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &writer_key);
    mob_cbor_init(writer);
    sandbox->writer = writer;
    return writer;
}

MobValue *
mob_lua_to_nth_value(lua_State *lua, int index, const char *what, uint32_t number)
{
    Walk walk = {.lua = lua};
    int top = lua_gettop(lua);

    if (mob_lua_is_error(lua, index))
        return mob_lua_error_to_value(lua, index);
    walk.writer = get_writer(lua);
    if (write_item(&walk, lua_absindex(lua, index), NULL, 0)) {
        MobValue *value = mob_cbor_finish(walk.writer, 0);
        if (value->length > WRITER_KEEP_MAX)
            renew(walk.writer);
        return value;
    }
    renew(walk.writer);
    lua_settop(lua, top);
    raise_problem(&walk, what, number);
    return NULL;
}

MobValue *
mob_lua_to_value(lua_State *lua, int index, const char *what)
{
    return mob_lua_to_nth_value(lua, index, what, 0);
}

/* --- CBOR to Lua --- */

typedef struct {
    lua_State *lua;
    MobCborReader reader;
    const MobValue *value;
    uint32_t refs; /* how many references were met */
    MobLuaPushRef push_ref;
} Read;

static void push_item(Read *read);

static void
push_reference(Read *read)
{
    g_assert(read->refs < read->value->ref_count);
    const MobRef *ref = &read->value->refs[read->refs++];

    mob_cbor_pass_ref(&read->reader);
    if (read->push_ref != NULL) {
        read->push_ref(read->lua, ref);
        return;
    }
    g_autoptr(GString) name = g_string_new(NULL);
    mob_name_object(name, ref->path, ref->id.index);
    lua_pushlstring(read->lua, name->str, name->len);
}

static void
push_nested_error(Read *read, const uint8_t *begin)
{
    MobCborReader at = {begin, read->reader.end, false, .checked = true};

    mob_cbor_skip(&at);
    read->reader = at;
    g_autoptr(MobValue) error = mob_value_parse(begin, (size_t)(at.at - begin), NULL);
    if (error == NULL) {
        lua_pushnil(read->lua);
        return;
    }
    read->refs += error->ref_count;
    mob_lua_push_error(read->lua, error);
}

static void
push_tagged(Read *read, int64_t tag, const uint8_t *begin)
{
    MobFill fill;

    if (tag == MOB_CBOR_REF) {
        push_reference(read);
    } else if (tag == MOB_CBOR_FILL && mob_cbor_read_fill(&read->reader, &fill)) {
        mob_lua_push_fill(read->lua, &fill, read->value);
    } else if (tag == MOB_CBOR_ERROR) {
        push_nested_error(read, begin);
    } else {
        push_item(read); /* a tag of somebody else's: the bare item */
    }
}

static void
push_map(Read *read, uint64_t pairs)
{
    lua_State *lua = read->lua;

    lua_createtable(lua, 0, (int)MIN(pairs, 1 << 20));
    for (uint64_t i = 0; i < pairs; i++) {
        push_item(read);
        if (lua_isnil(lua, -1) ||
            (lua_isnumber(lua, -1) && lua_tonumber(lua, -1) != lua_tonumber(lua, -1)))
            luaL_error(lua, "a map in the value has a key that Lua tables cannot have");
        push_item(read);
        lua_rawset(lua, -3);
    }
}

static void
push_array(Read *read, uint64_t count)
{
    lua_createtable(read->lua, (int)MIN(count, 1 << 20), 0);
    for (uint64_t i = 1; i <= count; i++) {
        push_item(read);
        lua_rawseti(read->lua, -2, (lua_Integer)i);
    }
}

static void
push_item(Read *read)
{
    const uint8_t *begin = read->reader.at;
    MobCborItem item = mob_cbor_next(&read->reader);

    switch (item.type) {
    case MOB_CBOR_BOOL:
        lua_pushboolean(read->lua, item.number != 0);
        return;
    case MOB_CBOR_INT:
        lua_pushinteger(read->lua, item.number);
        return;
    case MOB_CBOR_DOUBLE:
        lua_pushnumber(read->lua, item.real);
        return;
    case MOB_CBOR_STRING:
        lua_pushlstring(read->lua, item.text, item.length);
        return;
    case MOB_CBOR_ARRAY:
        luaL_checkstack(read->lua, 6, "a value is nested too deeply");
        push_array(read, item.length);
        return;
    case MOB_CBOR_MAP:
        luaL_checkstack(read->lua, 6, "a value is nested too deeply");
        push_map(read, item.length);
        return;
    case MOB_CBOR_TAG:
        push_tagged(read, item.number, begin);
        return;
    default:
        lua_pushnil(read->lua);
        return;
    }
}

void
mob_lua_push_value(lua_State *lua, const MobValue *value, MobLuaPushRef push_ref)
{
    Read read = {.lua = lua,
                 .reader = {value->bytes, value->bytes + value->length, false, .checked = true},
                 .value = value,
                 .push_ref = push_ref};

    luaL_checkstack(lua, 6, NULL);
    if (value->fault != 0)
        mob_lua_push_error(lua, (MobValue *)value);
    else
        push_item(&read);
}
