/* cast.c: the world with the processes of the runtime in it. */
#include "runtime/gcs.h"
#include "sim/inside.h"

static const MobValue *
result(const MobProcess *driver)
{
    const MobValue *value = mob_worker_result(driver);
    MobWorkerStats stats;

    if (value == NULL)
        return NULL;
    mob_worker_stats(driver, &stats);
    return stats.finished ? value : NULL;
}

static const MobCast cast = {
    .gcs = mob_gcs_new,
    .node = mob_node_new,
    .worker = mob_worker_new,
    .result = result,
    .explain = mob_worker_explain,
};

MobWorld *
mob_world_new(const MobWorldOptions *options)
{
    return mob_world_new_with(options, &cast);
}
