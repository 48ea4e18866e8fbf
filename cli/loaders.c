/* loaders.c: see loaders.h. */
#include "cli/loaders.h"

#include <errno.h>
#include <gmodule.h>

MobLoader *
mob_loaders_of(const MobLoaders *loaders, const MobStr *bundle_id)
{
    return mob_program_is_ours(bundle_id) ? loaders->c : loaders->lua;
}

static MobBody *
start_body(MobLoader *self, const MobBodyContext *context, const MobValue *bundle,
           const MobArgs *args)
{
    MobLoader *loader = mob_loaders_of((MobLoaders *)self, context->spec->bundle);

    return loader->start(loader, context, bundle, args);
}

static void
drop_worker(MobLoader *self, MobAddress worker)
{
    MobLoaders *loaders = (MobLoaders *)self;

    loaders->lua->drop(loaders->lua, worker);
    loaders->c->drop(loaders->c, worker);
}

static void
poke_body(MobLoader *self, void (*func)(void *data), void *data)
{
    MobLoader *lua = ((MobLoaders *)self)->lua;

    lua->poke(lua, func, data); /* what is written in C cannot be stopped */
}

char *
mob_loaders_find(const char *beside, const char *path)
{
    g_autofree char *near = beside == NULL || g_path_is_absolute(path)
                                ? g_strdup(path)
                                : g_build_filename(beside, path, NULL);

    return g_strdup(g_file_test(near, G_FILE_TEST_IS_REGULAR) ? near : path);
}

/* Opens a shared object for the life of the process: what it registered may
 * be pointed to from anywhere. */
static MobProgramEntry
open_program(void *data, const char *path, GError **error)
{
    g_autofree char *found = mob_loaders_find(data, path);
    g_autofree char *place = g_canonicalize_filename(found, NULL);
    void *entry = NULL;
    if (!g_file_test(place, G_FILE_TEST_EXISTS)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "cannot read %s: %s", path,
                    g_strerror(ENOENT));
        return NULL;
    }
    GModule *module = g_module_open(place, G_MODULE_BIND_LOCAL);
    if (module == NULL) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "cannot open %s: %s", path,
                    g_module_error());
        return NULL;
    }
    g_module_make_resident(module);
    if (!g_module_symbol(module, "mobula_program", &entry) || entry == NULL)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "%s is no program: it has no function mobula_program (see mobula.h)", path);
    return (MobProgramEntry)entry;
}

void
mob_loaders_init(MobLoaders *loaders, const char *beside)
{
    *loaders = (MobLoaders){
        .loader = {.start = start_body, .drop = drop_worker, .poke = poke_body},
        .lua = mob_lua_loader_new(),
        .opener = {.open = open_program, .data = (void *)beside},
    };
    loaders->c = mob_program_loader_new(&loaders->opener);
    mob_lua_loader_set_budget(loaders->lua, 0); /* a watchdog costs nothing */
}

void
mob_loaders_clear(MobLoaders *loaders)
{
    mob_lua_loader_free(loaders->lua);
    mob_program_loader_free(loaders->c);
}
