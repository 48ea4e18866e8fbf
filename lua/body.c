/* body.c: see body.h. */
#include "lua/body.h"

#include <string.h>

#include "lua/env.h"
#include "lua/errors.h"
#include "lua/refs.h"
#include "lua/value.h"
#include "runtime/table.h"

enum {
    IDLE_MAX = 16,   /* coroutines that are kept to be used again */
    FRAMES_MAX = 20, /* of a traceback */
};

typedef struct {
    MobLoader base;
    MobLuaLoaderOptions options;
    MobTable *workers; /* address -> GPtrArray of MobLuaEnv, owned */
    MobAddress last_worker;
    GPtrArray *last_envs; /* of that worker: most starts are for the same one */
} Loader;

/* --- calls --- */

/* Frees what a call would have given away but did not. */
static void
clear_call(MobLuaBody *body)
{
    if (body->call.spec != NULL)
        mob_spec_unref(body->call.spec);
    if (body->call.args != NULL)
        mob_args_unref(body->call.args);
    mob_value_unref(body->call.fault);
    mob_str_unref(body->call.text);
    for (uint32_t i = 0; i < body->result_count; i++)
        mob_value_unref(body->results[i]);
    body->result_count = 0;
    body->call = (MobCall){.timeout = MOB_TIME_NEVER};
}

MobLuaBody *
mob_lua_calling(lua_State *lua, const char *what)
{
    MobLuaBody *body = mob_lua_env(lua)->body;

    mob_lua_check_effect(lua, what);
    if (body == NULL)
        luaL_error(lua, "%s needs a running task", what);
    mob_lua_check_yieldable(lua, what);
    clear_call(body);
    return body;
}

int
mob_lua_call(lua_State *lua, MobLuaBody *body, MobCallKind kind, lua_KFunction then,
             lua_KContext context)
{
    body->call.kind = kind;
    body->env->sandbox.calling = true;
    return lua_yieldk(lua, 0, context, then);
}

const MobAnswer *
mob_lua_answer(lua_State *lua)
{
    MobLuaEnv *env = mob_lua_env(lua);
    const MobAnswer *answer = env->body->answer;

    env->sandbox.calling = false;
    if (answer->fault != NULL) {
        mob_lua_push_error(lua, answer->fault);
        lua_error(lua);
    }
    return answer;
}

/* --- what the sandbox asks for --- */

static MobTime
body_now(MobLuaSandbox *sandbox, lua_State *lua)
{
    MobLuaEnv *env = (MobLuaEnv *)sandbox;

    mob_lua_env_impure(env);
    return env->body != NULL ? env->body->now : 0;
}

/* Numbers are drawn by the task's path and how many it has drawn, so another
 * attempt draws the same ones, wherever it runs. Of the world's chance one
 * pick per worker and program goes in: asking again would give another. */
static uint64_t
body_random(MobLuaSandbox *sandbox, lua_State *lua, uint64_t n)
{
    __extension__ typedef unsigned __int128 Wide;
    MobLuaEnv *env = (MobLuaEnv *)sandbox;
    MobLuaBody *body = env->body;

    if (body == NULL)
        luaL_error(lua, "random needs a running task");
    if (!env->has_chance) {
        env->chance =
            body->context.picks != NULL
                ? mob_pick(body->context.picks, MOB_PICK_APP, mob_str_hash(env->bundle_id),
                           UINT64_C(1) << 62, UINT64_C(0x6d6f62756c61))
                : 0;
        env->has_chance = true;
    }
    uint64_t key = mob_mix(env->chance ^ mob_mix(mob_str_hash(body->context.spec->path)));
    uint64_t word = mob_mix(key + mob_mix(++body->draws));
    return n == 0 ? word : (uint64_t)(((Wide)word * n) >> 64);
}

static int
printed(lua_State *lua, int status, lua_KContext context)
{
    mob_lua_answer(lua);
    return 0;
}

static int
body_print(MobLuaSandbox *sandbox, lua_State *lua, const char *text, size_t length)
{
    MobLuaBody *body = ((MobLuaEnv *)sandbox)->body;

    if (body == NULL)
        return luaL_error(lua, "print needs a running task");
    if (!lua_isyieldable(lua)) {
        g_queue_push_tail(&body->outputs, mob_str_new_len(text, length));
        return 0;
    }
    clear_call(body);
    body->call.text = mob_str_new_len(text, length);
    return mob_lua_call(lua, body, MOB_CALL_OUTPUT, printed, 0);
}

void
mob_lua_body_hooks(MobLuaSandbox *sandbox)
{
    sandbox->now = body_now;
    sandbox->random = body_random;
    sandbox->print = body_print;
}

/* --- inside the coroutine --- */

/* Where the function of the body stands, for errors about its results. */
static void
raise_too_many(lua_State *lua, const MobLuaBody *body, int count)
{
    const MobTaskSpec *spec = body->context.spec;
    bool error_habit = count == 2 && lua_isnil(lua, 1) && lua_isstring(lua, 2);
    char notes[256];
    char message[256];
    lua_Debug info;

    mob_lua_env_push_function(body->env, lua, spec->function);
    lua_getinfo(lua, ">S", &info);
    if (error_habit)
        g_snprintf(notes, sizeof notes, "   = use error(\"message\") to fail a task\n");
    else
        g_snprintf(notes, sizeof notes,
                   "   = say how many:   task.options { num_returns = %d }   or return a table\n",
                   count);
    g_snprintf(message, sizeof message, "task '%s' returned %d values, and its num_returns is %u",
               mob_str(spec->label), count, spec->returns);
    mob_lua_raise_at(lua, "E106", *info.source == '@' ? info.source + 1 : info.source,
                     (uint32_t)MAX(info.linedefined, 0), notes, message);
}

/* Turns what the function returned into the results. */
static int
body_returned(lua_State *lua, int status, lua_KContext context)
{
    MobLuaBody *body = mob_lua_env(lua)->body;
    uint32_t returns = body->context.spec->returns;
    int count = lua_gettop(lua);

    if ((uint32_t)count > returns)
        raise_too_many(lua, body, count);
    clear_call(body);
    g_free(body->results);
    body->results = g_new0(MobValue *, MAX(returns, 1));
    for (uint32_t i = 0; i < returns; i++) {
        body->results[i] = (int)i < count ? mob_lua_to_nth_value(lua, (int)i + 1, "result", i + 1)
                                          : mob_value_nil();
        body->result_count = i + 1;
    }
    return 0;
}

static int
body_main(lua_State *lua)
{
    MobLuaEnv *env = mob_lua_env(lua);
    MobLuaBody *body = env->body;
    const MobArgs *args = body->args;
    bool with_module = env->is_inline && strcmp(mob_str(body->context.spec->function), "main") == 0;

    luaL_checkstack(lua, (int)args->count + 8, "too many arguments");
    mob_lua_env_push_function(env, lua, body->context.spec->function);
    if (with_module)
        mob_lua_push_module(lua);
    for (uint32_t i = 0; i < args->count; i++) {
        g_assert(args->items[i].value != NULL);
        mob_lua_push_value(lua, args->items[i].value, mob_lua_push_ref);
    }
    lua_callk(lua, (int)args->count + with_module, LUA_MULTRET, 0, body_returned);
    return body_returned(lua, LUA_OK, 0);
}

/* --- errors --- */

/* Appends the user's frames, innermost first. */
static void
append_trace(lua_State *thread, GString *into)
{
    lua_Debug info;

    for (int level = 0, frames = 0; frames < FRAMES_MAX && lua_getstack(thread, level, &info);
         level++) {
        lua_getinfo(thread, "Sl", &info);
        if (info.currentline <= 0)
            continue;
        g_string_append_printf(into, "%s%s:%d", frames > 0 ? "\n" : "",
                               *info.source == '@' ? info.source + 1 : info.source,
                               info.currentline);
        frames++;
    }
}

/* Cuts "file:line: " off the message if the trace begins with that place, so
 * that it is not said twice. */
static void
strip_place(GString *message, const GString *trace)
{
    size_t length = strcspn(trace->str, "\n");

    if (length > 0 && message->len > length + 2 && strncmp(message->str, trace->str, length) == 0 &&
        strncmp(message->str + length, ": ", 2) == 0)
        g_string_erase(message, 0, (gssize)length + 2);
}

/* Shows a table that was raised as an error: { code = 3, text = "no" }. */
static void
describe_table(lua_State *lua, int index, GString *into)
{
    size_t length;

    index = lua_absindex(lua, index);
    lua_getfield(lua, index, "message");
    if (lua_type(lua, -1) == LUA_TSTRING) {
        g_string_append(into, lua_tostring(lua, -1));
        lua_pop(lua, 1);
        return;
    }
    lua_pop(lua, 1);
    mob_lua_push_keys(lua, index);
    lua_Integer count = (lua_Integer)lua_rawlen(lua, -1);
    g_string_append(into, "{");
    for (lua_Integer i = 1; i <= MIN(count, 8); i++) {
        lua_rawgeti(lua, -1, i);
        g_string_append_printf(into, "%s%s = ", i > 1 ? ", " : " ",
                               mob_lua_tostring(lua, -1, &length));
        lua_pop(lua, 1);
        lua_gettable(lua, index);
        g_string_append_printf(into, "%.80s", mob_lua_tostring(lua, -1, &length));
        lua_pop(lua, 2);
    }
    g_string_append(into, count > 8 ? ", … }" : " }");
    lua_pop(lua, 1);
}

/* Protected: describing may run the user's __tostring. Stack: the error, a GString. */
static int
describe_raised(lua_State *lua)
{
    GString *into = lua_touserdata(lua, 2);
    size_t length;

    bool shown = luaL_getmetafield(lua, 1, "__tostring") != LUA_TNIL;
    if (lua_istable(lua, 1) && !shown)
        describe_table(lua, 1, into);
    else
        g_string_append(into, mob_lua_tostring(lua, 1, &length));
    return 0;
}

static const char *
field_text(lua_State *lua, int index, const char *name)
{
    lua_pushstring(lua, name);
    lua_rawget(lua, index);
    const char *text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : NULL;
    lua_pop(lua, 1); /* the table still holds it */
    return text;
}

/* Appends the place that the error object is about, if the trace does not
 * begin with it. */
static void
append_place(lua_State *lua, int error, const GString *trace, GString *into)
{
    const char *file = field_text(lua, error, "file");

    if (file == NULL)
        return;
    lua_pushliteral(lua, "line");
    lua_rawget(lua, error);
    g_autofree char *place = g_strdup_printf("%s:%d", file, (int)lua_tointeger(lua, -1));
    lua_pop(lua, 1);
    size_t length = strcspn(trace->str, "\n");
    if (strlen(place) != length || strncmp(place, trace->str, length) != 0)
        g_string_append_printf(into, "\n  --> %s", place);
}

/* Reads the error on top of the thread's stack into @fault and @message. */
static void
read_raised(lua_State *thread, MobFault *fault, const GString *trace, GString *message)
{
    int error = lua_gettop(thread);
    MobValue *cause = mob_lua_error_value(thread, error);

    if (cause != NULL) {
        fault->cause = cause;
        g_string_append_printf(message, "%s was not caught",
                               mob_fault_name((MobFaultKind)cause->fault));
    } else if (mob_lua_is_error(thread, error)) {
        const char *text = field_text(thread, error, "message");
        const char *notes = field_text(thread, error, "notes");
        fault->code = field_text(thread, error, "code");
        g_string_append(message, text != NULL ? text : "");
        append_place(thread, error, trace, message);
        if (notes != NULL)
            g_string_append_printf(message, "\n%s", notes);
        g_strchomp(message->str);
        message->len = strlen(message->str);
    } else {
        lua_pushcfunction(thread, describe_raised);
        lua_pushvalue(thread, error);
        lua_pushlightuserdata(thread, message);
        if (lua_pcall(thread, 2, 0, 0) != LUA_OK)
            g_string_append(message, "an error that cannot be shown");
    }
    lua_settop(thread, error);
}

static char *
task_title(const MobLuaBody *body)
{
    const MobTaskSpec *spec = body->context.spec;
    const char *path = mob_str(spec->path);
    GString *title = g_string_new(NULL);

    if (*path == '\0' || g_str_has_suffix(path, ":")) {
        g_string_append(title, "main");
    } else {
        mob_name_task(title, spec->path);
        if (spec->label != NULL)
            g_string_append_printf(title, " %s", mob_str(spec->label));
    }
    return g_string_free(title, FALSE);
}

static MobValue *
make_fault(const MobLuaBody *body, MobFault *fault)
{
    const MobTaskSpec *spec = body->context.spec;
    g_autofree char *title = task_title(body);

    fault->kind = MOB_FAULT_TASK;
    fault->task = title;
    fault->attempt = strcmp(title, "main") == 0 ? 0 : body->context.attempt;
    fault->attempts_max = fault->attempt != 0 && spec->retries >= 0 && spec->retries < UINT32_MAX
                              ? (uint32_t)spec->retries + 1
                              : 0;
    fault->node = body->context.worker_name;
    fault->at = body->now;
    return mob_fault_value(fault);
}

/* Makes the call that ends the body: the error on top of its stack. */
static void
end_by_error(MobLuaBody *body, int status)
{
    g_autoptr(GString) message = g_string_new(NULL);
    g_autoptr(GString) trace = g_string_new(NULL);
    MobFault fault = {0};

    append_trace(body->thread, trace);
    if (status == LUA_ERRMEM)
        g_string_append_printf(
            message,
            "not enough memory: the programs of one worker may use %" G_GUINT64_FORMAT " MiB",
            body->env->sandbox.memory_max / (1024 * 1024));
    else
        read_raised(body->thread, &fault, trace, message);
    strip_place(message, trace);
    fault.message = message->str;
    fault.trace = trace->len > 0 ? trace->str : NULL;
    clear_call(body);
    body->call.kind = MOB_CALL_RAISE;
    body->call.fault = make_fault(body, &fault);
}

/* --- the body --- */

/* Takes a coroutine that has finished, or makes one. */
static void
take_thread(MobLuaBody *body)
{
    MobLuaEnv *env = body->env;

    if (env->idle->len > 0) {
        MobLuaThread *idle = &g_array_index(env->idle, MobLuaThread, env->idle->len - 1);
        body->thread = idle->thread;
        body->anchor = idle->anchor;
        g_array_set_size(env->idle, env->idle->len - 1);
        return;
    }
    body->thread = lua_newthread(env->lua);
    body->anchor = luaL_ref(env->lua, LUA_REGISTRYINDEX);
}

/* Gives the coroutine back; @reusable if it has run to its end. */
static void
give_thread(MobLuaBody *body, bool reusable)
{
    MobLuaEnv *env = body->env;
    MobLuaThread idle = {body->thread, body->anchor};

    if (body->thread == NULL)
        return;
    body->thread = NULL;
    if (reusable && env->idle->len < IDLE_MAX)
        g_array_append_val(env->idle, idle);
    else
        luaL_unref(env->lua, LUA_REGISTRYINDEX, idle.anchor);
}

static void
run(MobLuaBody *body)
{
    MobLuaEnv *env = body->env;
    int count;

    env->body = body;
    env->sandbox.base = body->thread;
    env->sandbox.printer = body;
    mob_lua_sandbox_enter(&env->sandbox);
    if (!body->started) {
        body->started = true;
        lua_pushcfunction(body->thread, body_main);
    }
    int status = lua_resume(body->thread, env->lua, 0, &count);
    mob_lua_sandbox_leave(&env->sandbox);
    if (status == LUA_YIELD) {
        lua_pop(body->thread, count);
    } else {
        env->sandbox.calling = false;
        if (status == LUA_OK)
            body->call = (MobCall){.kind = MOB_CALL_RETURN, .timeout = MOB_TIME_NEVER};
        else
            end_by_error(body, status);
        body->ended = true;
        if (status != LUA_OK)
            lua_resetthread(body->thread); /* closes its <close> variables */
        lua_settop(body->thread, 0);
        give_thread(body, true);
    }
    env->body = NULL;
    env->sandbox.base = NULL;
}

static void
raise_broken(MobLuaBody *body)
{
    MobFault fault = {.message = body->env->broken};

    body->ended = true;
    body->call = (MobCall){.kind = MOB_CALL_RAISE, .timeout = MOB_TIME_NEVER};
    body->call.fault = make_fault(body, &fault);
}

/* Hands over the call; what is given away is not the body's any more. */
static void
hand_over(MobLuaBody *body, MobCall *call)
{
    MobStr *text = g_queue_pop_head(&body->outputs);

    body->stashed = text != NULL;
    if (body->stashed) { /* what could not be printed by a yield goes first */
        *call = (MobCall){.kind = MOB_CALL_OUTPUT, .text = text, .timeout = MOB_TIME_NEVER};
        return;
    }
    *call = body->call;
    if (call->kind == MOB_CALL_RETURN || call->kind == MOB_CALL_PUT) {
        call->values = body->results;
        call->value_count = body->result_count;
    }
    if (body->drops != NULL && body->drops->len > 0) {
        call->drops = (MobObjectId *)(void *)body->drops->data;
        call->drop_count = body->drops->len;
    }
    body->result_count = 0;
    body->call = (MobCall){.timeout = MOB_TIME_NEVER};
}

static void
body_resume(MobBody *base, const MobAnswer *answer, MobCall *call)
{
    MobLuaBody *body = (MobLuaBody *)base;

    body->now = answer->now;
    if (!body->stashed) {
        g_assert(!body->ended);
        if (body->drops != NULL)
            g_array_set_size(body->drops, 0);
        body->answer = answer;
        if (body->env->broken != NULL)
            raise_broken(body);
        else
            run(body);
        body->answer = NULL;
    }
    hand_over(body, call);
}

static void
free_array(GArray *array)
{
    if (array != NULL)
        g_array_free(array, TRUE);
}

static void
body_free(MobBody *base)
{
    MobLuaBody *body = (MobLuaBody *)base;

    clear_call(body);
    mob_lua_sandbox_forget_serials(body->env->lua, body);
    give_thread(body, false);
    mob_args_unref(body->args);
    for (guint i = 0; body->refs != NULL && i < body->refs->len; i++)
        mob_ref_clear(&g_array_index(body->refs, MobRef, i));
    free_array(body->refs);
    free_array(body->spare);
    free_array(body->drops);
    free_array(body->asked);
    g_queue_clear_full(&body->outputs, (GDestroyNotify)mob_str_unref);
    g_free(body->results);
    g_free(body);
}

static const MobBodyClass body_class = {body_resume, body_free};

/* --- the loader --- */

static void
free_envs(void *data)
{
    g_ptr_array_free(data, TRUE);
}

static void
free_env(void *data)
{
    mob_lua_env_free(data);
}

static GPtrArray *
find_envs(Loader *self, MobAddress worker)
{
    if (self->last_envs != NULL && mob_address_eq(self->last_worker, worker))
        return self->last_envs;
    GPtrArray *envs = mob_table_get(self->workers, mob_key_address(worker));
    if (envs == NULL) {
        envs = g_ptr_array_new_with_free_func(free_env);
        mob_table_add(self->workers, mob_key_address(worker), envs);
    }
    self->last_worker = worker;
    self->last_envs = envs;
    return envs;
}

static MobLuaEnv *
find_env(Loader *self, const MobBodyContext *context, const MobValue *bundle)
{
    GPtrArray *envs = find_envs(self, context->worker);
    MobStr *id = context->spec->bundle;

    for (guint i = 0; i < envs->len; i++) {
        MobLuaEnv *env = g_ptr_array_index(envs, i);
        if (env->bundle_id == id || mob_str_eq(env->bundle_id, id))
            return env;
    }
    MobLuaEnv *env = mob_lua_env_new(&self->options, id, (MobValue *)bundle, NULL, NULL);
    env->worker = context->worker;
    g_ptr_array_add(envs, env);
    return env;
}

static MobBody *
loader_start(MobLoader *base, const MobBodyContext *context, const MobValue *bundle,
             const MobArgs *args)
{
    MobLuaEnv *env = find_env((Loader *)base, context, bundle);
    MobLuaBody *body = g_new0(MobLuaBody, 1);

    body->base.class = &body_class;
    body->env = env;
    body->context = *context;
    body->args = mob_args_ref((MobArgs *)args);
    body->number = ++env->bodies;
    body->now = context->now;
    body->call.timeout = MOB_TIME_NEVER;
    if (env->broken == NULL)
        take_thread(body);
    return &body->base;
}

static void
loader_drop(MobLoader *base, MobAddress worker)
{
    Loader *self = (Loader *)base;
    GPtrArray *envs = mob_table_take(self->workers, mob_key_address(worker));

    self->last_envs = NULL;
    if (envs != NULL)
        free_envs(envs);
}

MobLoader *
mob_lua_loader_new(void)
{
    Loader *self = g_new0(Loader, 1);

    self->base = (MobLoader){.start = loader_start, .drop = loader_drop};
    self->options = (MobLuaLoaderOptions){MOB_LUA_BUDGET, MOB_LUA_MEMORY, NULL, &self->base.impure};
    self->workers = mob_table_new();
    return &self->base;
}

void
mob_lua_loader_free(MobLoader *loader)
{
    Loader *self = (Loader *)loader;

    if (self == NULL)
        return;
    mob_table_free_full(self->workers, free_envs);
    g_free(self);
}

void
mob_lua_loader_set_budget(MobLoader *loader, uint64_t instructions)
{
    ((Loader *)loader)->options.budget = instructions;
}

void
mob_lua_loader_set_memory(MobLoader *loader, uint64_t bytes)
{
    ((Loader *)loader)->options.memory_max = bytes;
}

void
mob_lua_loader_set_reader(MobLoader *loader, const MobLuaReader *reader)
{
    ((Loader *)loader)->options.reader = reader;
}
