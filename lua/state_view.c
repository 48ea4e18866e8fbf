/* state_view.c: c.state: lists of what is true in a cluster, and filters.
 *
 * A list is walked in a fixed order with `for t in c.state.tasks do`, indexed
 * by number or by name, counted with #, and narrowed by calling it with a
 * table of fields. It looks at the state as it is now, so it may be kept.
 */
#include "lua/scenario_parts.h"

typedef struct {
    MobScene *scene;
    MobViewKind kind;
    GPtrArray *items; /* owned; NULL: all there are */
    guint at;         /* of the walk under way */
} List;

typedef struct {
    MobScene *scene;
    MobViewKind kind;
    const void *entry;
} Entry;

static const char *const view_names[] = {
#define VIEW(name) #name,
    MOB_VIEWS(VIEW)
#undef VIEW
        NULL,
};

static void
check_open(lua_State *lua, const MobScene *scene)
{
    if (scene->control == NULL)
        luaL_error(lua, "this is the state of a cluster that is closed");
}

/* --- entries --- */

void
mob_entry_push(lua_State *lua, MobScene *scene, MobViewKind kind, const void *entry)
{
    Entry *box = lua_newuserdatauv(lua, sizeof *box, 0);

    *box = (Entry){scene, kind, entry};
    luaL_setmetatable(lua, MOB_META_ENTRY);
}

static const MobViewField *
find_field(MobViewKind kind, const char *name)
{
    for (const MobViewField *field = mob_view_fields(kind); field->name != NULL; field++)
        if (strcmp(field->name, name) == 0)
            return field;
    return NULL;
}

static int
unknown_field(lua_State *lua, MobViewKind kind, const char *name)
{
    const char *words[32];
    size_t count = 0;

    for (const MobViewField *field = mob_view_fields(kind); field->name != NULL; field++)
        words[count++] = field->name;
    words[count] = NULL;
    lua_pushfstring(lua, "field of %s", view_names[kind]);
    return mob_unknown_word(lua, lua_tostring(lua, -1), name, words);
}

static int
index_entry(lua_State *lua)
{
    Entry *entry = luaL_checkudata(lua, 1, MOB_META_ENTRY);
    const char *name = luaL_checkstring(lua, 2);
    const MobViewField *field = find_field(entry->kind, name);

    check_open(lua, entry->scene);
    if (field == NULL)
        return unknown_field(lua, entry->kind, name);
    field->push(lua, entry->scene, entry->entry);
    return 1;
}

static int
entry_tostring(lua_State *lua)
{
    Entry *entry = luaL_checkudata(lua, 1, MOB_META_ENTRY);

    check_open(lua, entry->scene);
    mob_view_fields(entry->kind)->push(lua, entry->scene, entry->entry);
    luaL_tolstring(lua, -1, NULL);
    return 1;
}

static int
entry_eq(lua_State *lua)
{
    Entry *a = luaL_testudata(lua, 1, MOB_META_ENTRY), *b = luaL_testudata(lua, 2, MOB_META_ENTRY);

    lua_pushboolean(lua, a != NULL && b != NULL && a->entry == b->entry);
    return 1;
}

static const luaL_Reg entry_metas[] = {
    {"__index", index_entry}, {"__tostring", entry_tostring}, {"__eq", entry_eq}, {NULL, NULL}};

/* --- lists --- */

void
mob_list_push(lua_State *lua, MobScene *scene, MobViewKind kind, GPtrArray *items)
{
    List *list = lua_newuserdatauv(lua, sizeof *list, 0);

    *list = (List){scene, kind, items, 0};
    luaL_setmetatable(lua, MOB_META_LIST);
}

static List *
check_list(lua_State *lua, int index)
{
    List *list = luaL_checkudata(lua, index, MOB_META_LIST);

    check_open(lua, list->scene);
    return list;
}

static const GPtrArray *
items_of(lua_State *lua, const List *list)
{
    return list->items != NULL ? list->items : mob_view_items(lua, list->scene, list->kind);
}

/* Whether the value on top of the stack is what a filter's value at @wanted asks for. */
static bool
is_wanted(lua_State *lua, int wanted)
{
    if (lua_isfunction(lua, wanted)) {
        lua_pushvalue(lua, wanted);
        lua_pushvalue(lua, -2);
        lua_call(lua, 1, 1);
        bool good = lua_toboolean(lua, -1);
        lua_pop(lua, 1);
        return good;
    }
    return lua_compare(lua, -1, wanted, LUA_OPEQ);
}

static bool
fits(lua_State *lua, const List *list, const void *entry, int filter, int keys)
{
    bool good = true;

    for (lua_Integer i = 1; good && lua_rawgeti(lua, keys, i) == LUA_TSTRING; i++) {
        const MobViewField *field = find_field(list->kind, lua_tostring(lua, -1));
        lua_pushvalue(lua, -1);
        lua_gettable(lua, filter);
        field->push(lua, list->scene, entry);
        good = is_wanted(lua, lua_gettop(lua) - 1);
        lua_settop(lua, keys);
    }
    lua_settop(lua, keys);
    return good;
}

/* list{ state = "SEALED" } */
static int
filter_list(lua_State *lua, List *list)
{
    const GPtrArray *all = items_of(lua, list);
    GPtrArray *some;
    int keys;

    lua_settop(lua, 2);
    mob_lua_push_keys(lua, 2);
    keys = lua_gettop(lua);
    for (lua_Integer i = 1; lua_rawgeti(lua, keys, i) != LUA_TNIL; i++) {
        const char *name = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : NULL;
        if (name == NULL)
            luaL_error(lua, "a filter is a table of fields: { state = \"SEALED\" }");
        if (find_field(list->kind, name) == NULL)
            unknown_field(lua, list->kind, name);
        lua_pop(lua, 1);
    }
    lua_settop(lua, keys);
    some = g_ptr_array_new();
    mob_list_push(lua, list->scene, list->kind, some); /* owns it, should a filter raise */
    lua_insert(lua, 1);
    for (guint i = 0; i < all->len; i++)
        if (fits(lua, list, all->pdata[i], 3, keys + 1))
            g_ptr_array_add(some, all->pdata[i]);
    lua_settop(lua, 1);
    return 1;
}

/* `for` calls the list with nothing, and then with the entry it had last. */
static int
call_list(lua_State *lua)
{
    List *list = check_list(lua, 1);
    const GPtrArray *items;

    if (lua_istable(lua, 2))
        return filter_list(lua, list);
    luaL_argcheck(lua, lua_isnoneornil(lua, 2), 2, "a filter is a table of fields");
    if (lua_isnil(lua, 3) || lua_isnone(lua, 3))
        list->at = 0;
    items = items_of(lua, list);
    if (list->at >= items->len)
        return 0;
    mob_entry_push(lua, list->scene, list->kind, items->pdata[list->at++]);
    return 1;
}

static int
list_length(lua_State *lua)
{
    List *list = check_list(lua, 1);

    lua_pushinteger(lua, items_of(lua, list)->len);
    return 1;
}

static void
push_field(lua_State *lua, const List *list, guint i, const MobViewField *field)
{
    field->push(lua, list->scene, items_of(lua, list)->pdata[i]);
}

static int
list_ids(lua_State *lua)
{
    List *list = check_list(lua, 1);
    guint count = items_of(lua, list)->len;

    lua_createtable(lua, (int)count, 0);
    for (guint i = 0; i < count; i++) {
        push_field(lua, list, i, mob_view_fields(list->kind));
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* list:sum("bytes") */
static int
list_sum(lua_State *lua)
{
    List *list = check_list(lua, 1);
    const char *name = luaL_checkstring(lua, 2);
    const MobViewField *field = find_field(list->kind, name);
    guint count = items_of(lua, list)->len;

    if (field == NULL)
        return unknown_field(lua, list->kind, name);
    lua_pushinteger(lua, 0);
    for (guint i = 0; i < count; i++) {
        push_field(lua, list, i, field);
        if (!lua_isnumber(lua, -1))
            luaL_error(lua, "%s is not a number", name);
        lua_arith(lua, LUA_OPADD);
    }
    return 1;
}

static int
index_list(lua_State *lua)
{
    List *list = check_list(lua, 1);
    const GPtrArray *items = items_of(lua, list);
    const char *name;

    if (lua_isinteger(lua, 2)) {
        lua_Integer i = lua_tointeger(lua, 2);
        if (i < 1 || i > (lua_Integer)items->len)
            return 0;
        mob_entry_push(lua, list->scene, list->kind, items->pdata[i - 1]);
        return 1;
    }
    name = luaL_checkstring(lua, 2);
    if (strcmp(name, "ids") == 0 || strcmp(name, "sum") == 0) {
        lua_pushcfunction(lua, name[0] == 'i' ? list_ids : list_sum);
        return 1;
    }
    for (guint i = items->len; i-- > 0;) { /* the newest of a name */
        push_field(lua, list, i, mob_view_fields(list->kind));
        if (lua_type(lua, -1) == LUA_TSTRING && strcmp(lua_tostring(lua, -1), name) == 0) {
            mob_entry_push(lua, list->scene, list->kind, items->pdata[i]);
            return 1;
        }
        lua_pop(lua, 1);
    }
    return 0;
}

static int
list_gc(lua_State *lua)
{
    List *list = luaL_checkudata(lua, 1, MOB_META_LIST);

    g_clear_pointer(&list->items, g_ptr_array_unref);
    return 0;
}

static int
list_tostring(lua_State *lua)
{
    List *list = check_list(lua, 1);

    lua_pushfstring(lua, "%d %s", (int)items_of(lua, list)->len, view_names[list->kind]);
    return 1;
}

static const luaL_Reg list_metas[] = {{"__index", index_list},       {"__len", list_length},
                                      {"__call", call_list},         {"__gc", list_gc},
                                      {"__tostring", list_tostring}, {NULL, NULL}};

/* --- c.state itself --- */

const GPtrArray *
mob_view_items(lua_State *lua, MobScene *scene, MobViewKind kind)
{
    const MobState *state = scene->state;

    scene->views_read |= UINT32_C(1) << kind;
    switch (kind) {
    case MOB_VIEW_nodes:
        return state->nodes;
    case MOB_VIEW_workers:
        return state->procs;
    case MOB_VIEW_tasks:
        return state->tasks;
    case MOB_VIEW_attempts:
        return state->attempts;
    case MOB_VIEW_objects:
        return state->objects;
    case MOB_VIEW_copies:
        return state->copies;
    case MOB_VIEW_refs:
        return state->refs;
    case MOB_VIEW_leases:
        return state->leases;
    case MOB_VIEW_logs:
        return state->logs;
    case MOB_VIEW_jobs:
        return state->jobs;
    case MOB_VIEW_messages:
        if (scene->traffic == NULL && scene->control->events(scene->control) > 0)
            luaL_error(lua, "messages are counted from the start or not at all: "
                            "sim.cluster { messages = true, ... }");
        mob_scene_count_messages(scene);
        return scene->traffic;
    default:
        g_assert_not_reached();
    }
}

/* Only processes that run bodies: node managers and the GCS are not workers. */
static void
push_workers(lua_State *lua, MobScene *scene)
{
    const GPtrArray *procs = mob_view_items(lua, scene, MOB_VIEW_workers);
    GPtrArray *workers = g_ptr_array_new();

    for (guint i = 0; i < procs->len; i++) {
        const MobStateProc *proc = procs->pdata[i];
        if (proc->role == MOB_ROLE_WORKER || proc->role == MOB_ROLE_DRIVER)
            g_ptr_array_add(workers, procs->pdata[i]);
    }
    mob_list_push(lua, scene, MOB_VIEW_workers, workers);
}

static void
push_store(lua_State *lua, MobScene *scene)
{
    const GPtrArray *nodes = scene->state->nodes;
    uint64_t used = 0;

    for (guint i = 0; i < nodes->len; i++)
        used += mob_store_used(scene, nodes->pdata[i]);
    lua_createtable(lua, 0, 1);
    lua_pushinteger(lua, (lua_Integer)used);
    lua_setfield(lua, -2, "used");
}

static void
push_gcs(lua_State *lua, MobScene *scene)
{
    scene->views_read |= MOB_VIEW_ALL;
    lua_createtable(lua, 0, 1);
    lua_pushboolean(lua, scene->state->gcs_alive);
    lua_setfield(lua, -2, "alive");
}

static const char *const state_words[] = {
#define VIEW(name) #name,
    MOB_VIEWS(VIEW)
#undef VIEW
        "store",
    "gcs",
    "now",
    "event",
    NULL,
};

static int
index_state(lua_State *lua)
{
    MobScene *scene = *(MobScene **)luaL_checkudata(lua, 1, MOB_META_STATE);
    const char *name = luaL_checkstring(lua, 2);

    check_open(lua, scene);
    for (int kind = 0; kind < MOB_VIEW_COUNT; kind++) {
        if (strcmp(name, view_names[kind]) != 0)
            continue;
        if (kind == MOB_VIEW_workers) {
            push_workers(lua, scene);
            return 1;
        }
        mob_view_items(lua, scene, (MobViewKind)kind);
        mob_list_push(lua, scene, (MobViewKind)kind, NULL);
        return 1;
    }
    if (strcmp(name, "store") == 0) {
        push_store(lua, scene);
    } else if (strcmp(name, "gcs") == 0) {
        push_gcs(lua, scene);
    } else if (strcmp(name, "now") == 0) {
        scene->views_read |= MOB_VIEW_ALL;
        lua_pushnumber(lua, (lua_Number)scene->state->now / 1e9);
    } else if (strcmp(name, "event") == 0) {
        scene->views_read |= MOB_VIEW_ALL;
        lua_pushinteger(lua, (lua_Integer)scene->state->event);
    } else {
        return mob_unknown_word(lua, "part of c.state", name, state_words);
    }
    return 1;
}

void
mob_state_push(lua_State *lua, MobScene *scene)
{
    MobScene **box = lua_newuserdatauv(lua, sizeof(MobScene *), 0);

    *box = scene;
    luaL_setmetatable(lua, MOB_META_STATE);
}

static const luaL_Reg state_metas[] = {{"__index", index_state}, {NULL, NULL}};

void
mob_state_view_open(lua_State *lua)
{
    mob_class_new(lua, MOB_META_STATE, NULL, state_metas);
    mob_class_new(lua, MOB_META_LIST, NULL, list_metas);
    mob_class_new(lua, MOB_META_ENTRY, NULL, entry_metas);
}
