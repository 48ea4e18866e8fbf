/* body.c: see body.h. */
#include "lua/body.h"

#include <string.h>

#include "lua/env.h"
#include "lua/errors.h"
#include "lua/refs.h"
#include "lua/value.h"

enum {
    IDLE_MAX = 16, /* coroutines that are kept to be used again */
};

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

int
mob_lua_call_here(lua_State *lua, MobLuaBody *body, MobCallKind kind, lua_KFunction then,
                  lua_KContext context)
{
    if (body->places)
        body->call.file = mob_lua_where(lua, &body->call.line);
    return mob_lua_call(lua, body, kind, then, context);
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

    body->returning = true;
    if ((uint32_t)count > returns)
        raise_too_many(lua, body, count);
    clear_call(body);
    g_free(body->results);
    body->results = mob_new0(MobValue *, MAX(returns, 1));
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

/* Ends the body with @error (transfer full). */
static void
end_by_error(MobLuaBody *body, MobValue *error)
{
    clear_call(body);
    body->ended = true;
    body->call.kind = MOB_CALL_RAISE;
    body->call.fault = error;
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
    mob_lua_sandbox_note_running(&env->sandbox, body->thread);
    int status = lua_resume(body->thread, env->lua, 0, &count);
    mob_lua_sandbox_note_running(&env->sandbox, NULL);
    mob_lua_sandbox_leave(&env->sandbox);
    if (status == LUA_YIELD) {
        lua_pop(body->thread, count);
    } else {
        env->sandbox.calling = false;
        if (status == LUA_OK)
            body->call = (MobCall){.kind = MOB_CALL_RETURN, .timeout = MOB_TIME_NEVER};
        else
            end_by_error(body, mob_lua_raised(body, status));
        body->ended = true;
        if (status != LUA_OK)
            lua_resetthread(body->thread); /* closes its <close> variables */
        lua_settop(body->thread, 0);
        give_thread(body, true);
    }
    env->body = NULL;
    env->sandbox.base = NULL;
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
    body->places = answer->places;
    if (!body->stashed) {
        g_assert(!body->ended);
        if (body->drops != NULL)
            g_array_set_size(body->drops, 0);
        body->answer = answer;
        if (body->env->broken != NULL)
            end_by_error(body, mob_lua_broken(body));
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
    mob_ref_clear(&body->adopting);
    free_array(body->refs);
    free_array(body->spare);
    free_array(body->drops);
    free_array(body->asked);
    g_queue_clear_full(&body->outputs, (GDestroyNotify)mob_str_unref);
    g_free(body->results);
    mob_lua_env_leave(body->env);
    g_free(body);
}

static const MobBodyClass body_class = {body_resume, body_free};

MobBody *
mob_lua_body_new(MobLuaEnv *env, const MobBodyContext *context, const MobArgs *args)
{
    MobLuaBody *body = mob_new0(MobLuaBody, 1);

    body->base.class = &body_class;
    body->env = env;
    body->context = *context;
    body->args = mob_args_ref((MobArgs *)args);
    body->number = ++env->bodies;
    env->living++;
    body->now = context->now;
    body->call.timeout = MOB_TIME_NEVER;
    if (env->broken == NULL)
        take_thread(body);
    return &body->base;
}
