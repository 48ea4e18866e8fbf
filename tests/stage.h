/* stage.h: a host for scenarios in tests: every cluster is a simulated world,
 * every message passes through the codec, and what scripts say is kept.
 */
#pragma once

#include <criterion/criterion.h>

#include "lua/body.h"
#include "lua/run.h"
#include "lua/spec.h"
#include "sim/world.h"

typedef struct {
    MobScenarioHost host;
    MobLoader *loader;
    GPtrArray *worlds;  /* of MobWorld, owned; freed ones are NULL */
    const char *folder; /* where files are read, borrowed; NULL: here */
    GString *said;
} Stage;

static MobControl *
stage_cluster(void *data, const MobClusterOptions *from, GError **error)
{
    Stage *stage = data;
    MobWorldOptions options = {
        .config = from->config,
        .picks = {.seed = from->seed},
        .encode = true,
        .loader = stage->loader,
        .machines = from->machines,
        .machine_count = from->machine_count,
        .latency = from->latency,
        .jitter = from->jitter,
        .bps = from->bps,
    };
    MobWorld *world = mob_world_new(&options);

    g_ptr_array_add(stage->worlds, world);
    return mob_world_control(world);
}

static void
stage_close(void *data, MobControl *control)
{
    Stage *stage = data;

    for (guint i = 0; i < stage->worlds->len; i++)
        if (stage->worlds->pdata[i] != NULL &&
            mob_world_control(stage->worlds->pdata[i]) == control) {
            mob_world_free(stage->worlds->pdata[i]);
            stage->worlds->pdata[i] = NULL;
        }
}

static char *
stage_read(void *data, const char *path, size_t *length, GError **error)
{
    const char *folder = ((Stage *)data)->folder;
    g_autofree char *whole = g_build_filename(folder != NULL ? folder : ".", path, NULL);
    char *text = NULL;

    return g_file_get_contents(whole, &text, length, error) ? text : NULL;
}

static void
stage_say(void *data, const char *text)
{
    g_string_append(((Stage *)data)->said, text);
    g_string_append_c(((Stage *)data)->said, '\n');
}

static Stage *
stage_new(uint64_t seed)
{
    Stage *stage = g_new0(Stage, 1);

    stage->loader = mob_lua_loader_new();
    stage->worlds = g_ptr_array_new();
    stage->said = g_string_new(NULL);
    stage->host = (MobScenarioHost){
        .cluster = stage_cluster,
        .close = stage_close,
        .read = stage_read,
        .say = stage_say,
        .data = stage,
        .seed = seed,
    };
    return stage;
}

static void
stage_free(Stage *stage)
{
    g_ptr_array_unref(stage->worlds);
    mob_lua_loader_free(stage->loader);
    g_string_free(stage->said, TRUE);
    g_free(stage);
}
