/* loader.c: the programs that the workers of a world have loaded. */
#include "lua/env.h"
#include "runtime/table.h"

typedef struct {
    MobLoader base;
    MobLuaLoaderOptions options;
    MobTable *workers; /* address -> GPtrArray of MobLuaEnv, owned */
    MobAddress last_worker;
    GPtrArray *last_envs; /* of that worker: most starts are for the same one */
    lua_State *volatile running;
} Loader;

static void
free_envs(void *data)
{
    g_ptr_array_free(data, TRUE);
}

static void
free_env(void *data)
{
    mob_lua_env_drop(data);
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

    return mob_lua_body_new(env, context, args);
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

static void
poke(MobLoader *loader, void (*func)(void *data), void *data)
{
    lua_State *running = ((Loader *)loader)->running;

    if (running != NULL)
        mob_lua_sandbox_poke(running, func, data);
}

MobLoader *
mob_lua_loader_new(void)
{
    Loader *self = g_new0(Loader, 1);

    self->base = (MobLoader){.start = loader_start, .drop = loader_drop, .poke = poke};
    self->options = (MobLuaLoaderOptions){.budget = MOB_LUA_BUDGET,
                                          .memory_max = MOB_LUA_MEMORY,
                                          .running = &self->running,
                                          .impure = &self->base.impure};
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

void
mob_lua_loader_interrupt(MobLoader *loader, const char *how_long)
{
    lua_State *running = ((Loader *)loader)->running;

    if (running != NULL)
        mob_lua_sandbox_interrupt(running, how_long);
}

bool
mob_lua_loader_where(MobLoader *loader, char *into, size_t size)
{
    lua_State *running = ((Loader *)loader)->running;
    lua_Debug info;

    if (running == NULL)
        return false;
    for (int level = 0; lua_getstack(running, level, &info); level++) {
        lua_getinfo(running, "Sl", &info);
        if (info.currentline <= 0)
            continue;
        g_snprintf(into, size, "%s:%d", *info.source == '@' ? info.source + 1 : info.source,
                   info.currentline);
        return true;
    }
    return false;
}
