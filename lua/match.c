/* match.c: see match.h.
 *
 * Everything that a match or an event table shows goes through fact_get(), so
 * a pattern can name exactly what the event tells.
 */
#include "lua/match.h"

#include <lauxlib.h>

#include "lua/words.h"

typedef enum {
    NOTHING,
    TEXT,
    NUMBER, /* an integer, or a time in seconds where it stands in a match */
    FLAG,
} FactKind;

typedef struct {
    FactKind kind;
    const char *text; /* in scratch, or borrowed from the fact */
    int64_t number;
    char scratch[96];
} FactValue;

typedef struct {
    MobEventField field;
    FactKind kind;
    char *text; /* owned */
    int64_t number;
} FieldTest;

struct MobMatch {
    MobNoteKind kind;
    char *suffix;  /* of decide.X and fault.X; NULL: any */
    GArray *tests; /* of FieldTest */
    uint32_t count;
    char *text;
};

static const char *const field_names[] = {
#define FIELD(name) #name,
    MOB_EVENT_FIELDS(FIELD)
#undef FIELD
        NULL,
};

static const char *const match_words[] = {
#define FIELD(name) #name,
    MOB_EVENT_FIELDS(FIELD)
#undef FIELD
        "count",
    "hold",
    NULL,
};

static void
set_text(FactValue *value, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    value->kind = TEXT;
    value->text = text;
}

static void
set_copy(FactValue *value, GString *text)
{
    g_strlcpy(value->scratch, text->str, sizeof value->scratch);
    g_string_free(text, TRUE);
    set_text(value, value->scratch);
}

static void
set_number(FactValue *value, int64_t number)
{
    value->kind = NUMBER;
    value->number = number;
}

static void
set_process(FactValue *value, const MobState *state, MobAddress address)
{
    if (mob_address_is(address))
        set_text(value, mob_state_proc_name(state, address));
}

static MobTaskId
task_of(const MobNote *note)
{
    return note->spec != NULL ? note->spec->id : note->task;
}

static void
get_task(const MobFact *fact, FactValue *value)
{
    MobTaskId id = task_of(fact->note);
    const MobStateTask *task = mob_task_is(id) ? mob_state_task_by_id(fact->state, id) : NULL;

    if (task != NULL) {
        set_text(value, task->name);
    } else if (fact->note->spec != NULL && mob_str(fact->note->spec->path)[0] != '\0') {
        GString *name = g_string_new(NULL);
        mob_name_task(name, fact->note->spec->path);
        set_copy(value, name);
    }
}

static void
get_object(const MobFact *fact, FactValue *value)
{
    const MobNote *note = fact->note;
    const MobStateObject *object;

    if (!mob_object_is(note->object))
        return;
    object = mob_state_object_by_id(fact->state, note->object);
    if (object != NULL) {
        set_text(value, object->name);
    } else if (note->path != NULL) {
        GString *name = g_string_new(NULL);
        mob_name_object(name, note->path, note->object.index);
        set_copy(value, name);
    }
}

/* The number that people see: executions of the path. */
static void
get_attempt(const MobFact *fact, FactValue *value)
{
    const MobStateAttempt *attempt;

    if (fact->note->attempt == 0)
        return;
    attempt = mob_state_attempt(fact->state, task_of(fact->note), fact->note->attempt);
    set_number(value, attempt != NULL ? attempt->number : fact->note->attempt);
}

static void
get_node(const MobFact *fact, FactValue *value)
{
    const MobNote *note = fact->note;
    MobNodeId node = note->node;

    if (node.v == 0)
        node.v = note->worker.node;
    if (node.v != 0)
        set_text(value, mob_state_node_name(fact->state, node));
    else if (note->kind >= MOB_NOTE_NODE_JOINED && note->kind <= MOB_NOTE_NODE_DECLARED_DEAD)
        set_text(value, note->label);
}

static void
get_to(const MobFact *fact, FactValue *value)
{
    const MobNote *note = fact->note;

    if (mob_address_is(note->to))
        set_process(value, fact->state, note->to);
    else if (note->target.v != 0)
        set_text(value, mob_state_node_name(fact->state, note->target));
}

static void
get_kind(const MobNote *note, FactValue *value)
{
    if (note->msg != NULL)
        set_text(value, mob_msg_info(note->msg->type)->name);
    else if (note->kind == MOB_NOTE_REF_ADDED || note->kind == MOB_NOTE_FAULT ||
             note->kind == MOB_NOTE_DECIDE)
        set_text(value, note->reason);
    else if (mob_object_is(note->object))
        set_text(value, mob_object_is_put(note->object) ? "put" : "return");
}

static void
get_name(const MobNote *note, FactValue *value)
{
    set_text(value, note->spec != NULL ? mob_str(note->spec->label) : note->label);
}

/* args is a list and is not here. */
static void
fact_get(const MobFact *fact, MobEventField field, FactValue *value)
{
    const MobNote *note = fact->note;

    value->kind = NOTHING;
    switch (field) {
    case MOB_EVENT_task:
        get_task(fact, value);
        return;
    case MOB_EVENT_name:
        get_name(note, value);
        return;
    case MOB_EVENT_attempt:
        get_attempt(fact, value);
        return;
    case MOB_EVENT_object:
        get_object(fact, value);
        return;
    case MOB_EVENT_node:
        get_node(fact, value);
        return;
    case MOB_EVENT_worker:
        set_process(value, fact->state, note->worker);
        return;
    case MOB_EVENT_owner:
        set_process(value, fact->state, note->owner);
        return;
    case MOB_EVENT_kind:
        get_kind(note, value);
        return;
    case MOB_EVENT_from:
        set_process(value, fact->state, note->from);
        return;
    case MOB_EVENT_to:
        get_to(fact, value);
        return;
    case MOB_EVENT_reason:
        set_text(value, note->reason);
        return;
    case MOB_EVENT_text:
        set_text(value, note->text);
        return;
    case MOB_EVENT_bytes:
        if (note->msg != NULL)
            set_number(value, (int64_t)mob_msg_weight(note->msg));
        else if (note->bytes != 0)
            set_number(value, (int64_t)note->bytes);
        return;
    case MOB_EVENT_final:
        if (note->kind == MOB_NOTE_TASK_FAILED)
            *value = (FactValue){.kind = FLAG, .number = note->final};
        return;
    case MOB_EVENT_at:
        set_number(value, (int64_t)fact->event->at);
        return;
    default:
        return;
    }
}

static const char *
arg_name(const MobFact *fact, uint32_t index, FactValue *value)
{
    const MobArg *arg = &fact->note->args->items[index];
    MobNote about = {.object = arg->ref.id, .path = arg->ref.path};
    MobFact object = {fact->state, &about, fact->event};

    value->kind = NOTHING;
    if (arg->value == NULL)
        get_object(&object, value);
    return value->kind == TEXT ? value->text : NULL;
}

static bool
takes_arg(const MobFact *fact, const char *name)
{
    FactValue value;

    for (uint32_t i = 0; fact->note->args != NULL && i < fact->note->args->count; i++)
        if (g_strcmp0(arg_name(fact, i, &value), name) == 0)
            return true;
    return false;
}

static bool
test_holds(const FieldTest *test, const MobFact *fact)
{
    FactValue value;

    if (test->field == MOB_EVENT_args)
        return takes_arg(fact, test->text);
    fact_get(fact, test->field, &value);
    if (value.kind != test->kind)
        return false;
    return test->kind == TEXT ? strcmp(value.text, test->text) == 0 : value.number == test->number;
}

bool
mob_match_fits(const MobMatch *match, const MobFact *fact)
{
    if (fact->note->kind != match->kind)
        return false;
    if (match->suffix != NULL && g_strcmp0(fact->note->reason, match->suffix) != 0)
        return false;
    for (guint i = 0; i < match->tests->len; i++)
        if (!test_holds(&g_array_index(match->tests, FieldTest, i), fact))
            return false;
    return true;
}

void
mob_fact_push(lua_State *lua, const MobFact *fact)
{
    const MobArgs *args = fact->note->args;
    FactValue value;

    lua_newtable(lua);
    lua_pushstring(lua, mob_note_name(fact->note->kind));
    lua_setfield(lua, -2, "event");
    lua_pushinteger(lua, (lua_Integer)fact->event->number);
    lua_setfield(lua, -2, "number");
    for (int field = 0; field < MOB_EVENT_args; field++) {
        fact_get(fact, (MobEventField)field, &value);
        if (value.kind == NOTHING)
            continue;
        if (value.kind == TEXT)
            lua_pushstring(lua, value.text);
        else if (value.kind == FLAG)
            lua_pushboolean(lua, value.number != 0);
        else if (field == MOB_EVENT_at)
            lua_pushnumber(lua, (lua_Number)value.number / 1e9);
        else
            lua_pushinteger(lua, (lua_Integer)value.number);
        lua_setfield(lua, -2, field_names[field]);
    }
    if (args == NULL)
        return;
    lua_newtable(lua);
    for (uint32_t i = 0, n = 0; i < args->count; i++) {
        const char *name = arg_name(fact, i, &value);
        if (name != NULL) {
            lua_pushstring(lua, name);
            lua_rawseti(lua, -2, ++n);
        }
    }
    lua_setfield(lua, -2, "args");
}

void
mob_fact_subject(const MobFact *fact, GString *into)
{
    FactValue value = {NOTHING};

    get_task(fact, &value);
    if (value.kind == NOTHING && mob_object_is(fact->note->object)) {
        const MobStateObject *object = mob_state_object_by_id(fact->state, fact->note->object);
        if (object != NULL && object->maker != NULL && !object->put)
            set_text(&value, object->maker->name);
        else
            get_object(fact, &value);
    }
    if (value.kind == TEXT)
        g_string_append(into, value.text);
}

/* --- compiling --- */

/* The names of all events, for telling the nearest: at most MOB_NOTE_COUNT + 1. */
static int
unknown_event(lua_State *lua, const char *name)
{
    const char *names[MOB_NOTE_COUNT + 1];

    for (int i = 0; i < MOB_NOTE_COUNT; i++)
        names[i] = mob_note_name((MobNoteKind)i);
    names[MOB_NOTE_COUNT] = NULL;
    return mob_unknown_word(lua, "event", name, names);
}

static void
set_kind(lua_State *lua, MobMatch *match, const char *name)
{
    static const MobNoteKind open[] = {MOB_NOTE_DECIDE, MOB_NOTE_FAULT};

    match->kind = mob_note_by_name(name);
    if (match->kind != MOB_NOTE_COUNT)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(open); i++) {
        const char *stem = mob_note_name(open[i]);
        size_t length = strlen(stem);
        if (strncmp(name, stem, length) != 0 || name[length] != '.')
            continue;
        match->kind = open[i];
        if (strcmp(name + length + 1, "*") != 0)
            match->suffix = g_strdup(name + length + 1);
        return;
    }
    unknown_event(lua, name);
}

/* An entity of c.state stands for its name. */
static const char *
text_of(lua_State *lua, int index)
{
    if (lua_type(lua, index) == LUA_TUSERDATA) {
        luaL_tolstring(lua, index, NULL);
        lua_replace(lua, index);
    }
    return lua_tostring(lua, index);
}

/* task = "T2.1" is attempt 1 of T2. */
static void
add_task(MobMatch *match, const char *text)
{
    const char *dot = strrchr(text, '.');
    FieldTest task = {.field = MOB_EVENT_task, .kind = TEXT};

    if (dot != NULL && g_ascii_isdigit(dot[1])) {
        FieldTest attempt = {.field = MOB_EVENT_attempt, .kind = NUMBER};
        attempt.number = (int64_t)g_ascii_strtoll(dot + 1, NULL, 10);
        task.text = g_strndup(text, (gsize)(dot - text));
        g_array_append_val(match->tests, task);
        g_array_append_val(match->tests, attempt);
        return;
    }
    task.text = g_strdup(text);
    g_array_append_val(match->tests, task);
}

static bool
is_number_field(MobEventField field)
{
    return field == MOB_EVENT_attempt || field == MOB_EVENT_bytes;
}

/* The value is on top of the stack. */
static void
add_test(lua_State *lua, MobMatch *match, MobEventField field, const char *name)
{
    FieldTest test = {.field = field};

    if (field == MOB_EVENT_at)
        luaL_error(lua, "an event is not matched by its time; use c:at(time, ...)");
    if (is_number_field(field)) {
        if (!lua_isinteger(lua, -1))
            luaL_error(lua, "%s is matched with an integer, not %s", name, luaL_typename(lua, -1));
        test.kind = NUMBER;
        test.number = lua_tointeger(lua, -1);
    } else if (field == MOB_EVENT_final) {
        test.kind = FLAG;
        test.number = lua_toboolean(lua, -1);
    } else {
        const char *text = text_of(lua, lua_gettop(lua));
        if (text == NULL)
            luaL_error(lua, "%s is matched with a name, not %s", name, luaL_typename(lua, -1));
        if (field == MOB_EVENT_task) {
            add_task(match, text);
            return;
        }
        test.kind = TEXT;
        test.text = g_strdup(text);
    }
    g_array_append_val(match->tests, test);
}

static void
read_tests(lua_State *lua, MobMatch *match, int index)
{
    mob_check_words(lua, index, "match", match_words);
    for (int field = 0; field < MOB_EVENT_FIELD_COUNT; field++) {
        if (lua_getfield(lua, index, field_names[field]) != LUA_TNIL)
            add_test(lua, match, (MobEventField)field, field_names[field]);
        lua_pop(lua, 1);
    }
    if (lua_getfield(lua, index, "count") != LUA_TNIL) {
        lua_Integer count = lua_isinteger(lua, -1) ? lua_tointeger(lua, -1) : 0;
        if (count < 1 || count > UINT32_MAX)
            luaL_error(lua, "count is how many such events must come: a whole number from 1");
        match->count = (uint32_t)count;
    }
    lua_pop(lua, 1);
    /* Every process stands still where it is awaited, in both worlds: hold says so, and no more. */
    if (lua_getfield(lua, index, "hold") != LUA_TNIL && !lua_isboolean(lua, -1))
        luaL_error(lua, "hold is true or false");
    lua_pop(lua, 1);
}

static void
write_text(MobMatch *match, const char *name)
{
    GString *text = g_string_new(name);

    for (guint i = 0; i < match->tests->len; i++) {
        const FieldTest *test = &g_array_index(match->tests, FieldTest, i);
        g_string_append_printf(text, " %s=", field_names[test->field]);
        if (test->kind == TEXT)
            g_string_append(text, test->text);
        else
            g_string_append_printf(text, "%" G_GINT64_FORMAT, test->number);
    }
    if (match->count > 1)
        g_string_append_printf(text, " count=%u", match->count);
    match->text = g_string_free(text, FALSE);
}

static void
clear_test(void *test)
{
    g_free(((FieldTest *)test)->text);
}

/* Compiles in protected mode, so that an error frees what was compiled. */
static int
compile(lua_State *lua)
{
    MobMatch *match = lua_touserdata(lua, 1);
    const char *name = lua_touserdata(lua, 2);

    if (name == NULL) {
        luaL_checktype(lua, 3, LUA_TTABLE);
        if (lua_rawgeti(lua, 3, 1) != LUA_TSTRING)
            luaL_error(
                lua,
                "a match begins with the name of an event: { \"task.running\", task = \"T2\" }");
        name = lua_tostring(lua, -1);
    }
    set_kind(lua, match, name);
    if (lua_istable(lua, 3))
        read_tests(lua, match, 3);
    else if (!lua_isnoneornil(lua, 3))
        luaL_error(lua, "a match is a table of fields, not %s", luaL_typename(lua, 3));
    write_text(match, name);
    return 0;
}

MobMatch *
mob_match_new(lua_State *lua, const char *name, int index)
{
    MobMatch *match = g_new0(MobMatch, 1);

    index = lua_absindex(lua, index);
    match->count = 1;
    match->tests = g_array_new(FALSE, FALSE, sizeof(FieldTest));
    g_array_set_clear_func(match->tests, clear_test);
    lua_pushcfunction(lua, compile);
    lua_pushlightuserdata(lua, match);
    lua_pushlightuserdata(lua, (void *)name);
    lua_pushvalue(lua, index);
    if (lua_pcall(lua, 3, 0, 0) != LUA_OK) {
        mob_match_free(match);
        luaL_where(lua, 1);
        lua_insert(lua, -2);
        lua_concat(lua, 2);
        lua_error(lua);
    }
    return match;
}

void
mob_match_free(MobMatch *match)
{
    if (match == NULL)
        return;
    g_array_unref(match->tests);
    g_free(match->suffix);
    g_free(match->text);
    g_free(match);
}

MobNoteKind
mob_match_kind(const MobMatch *match)
{
    return match->kind;
}

uint32_t
mob_match_count(const MobMatch *match)
{
    return match->count;
}

void
mob_match_set_count(MobMatch *match, uint32_t count)
{
    match->count = count;
}

const char *
mob_match_text(const MobMatch *match)
{
    return match->text;
}
