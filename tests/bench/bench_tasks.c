/* bench_tasks.c: empty tasks through the whole protocol: submit, leases, push,
 * reply, inlined result, references dropped.
 *
 *     bench_tasks MACHINES CORES TASKS [WINDOW]
 *
 * The driver keeps WINDOW tasks in flight, gets their results in order and
 * drops each reference. Bodies are plain C. Prints one line of JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <malloc.h>
#include <sys/resource.h>
#include <time.h>

#include "sim/world.h"

typedef struct {
    MobLoader base;
    uint64_t tasks;
    uint64_t window;
    bool keep; /* keep every reference, for the memory figure */
    MobStr *function;
    MobStr *bundle;
} Loader;

/* main: submits, and gets the oldest when the window is full. */
typedef struct {
    MobBody base;
    Loader *loader;
    uint64_t submitted;
    uint64_t got;
    MobRef *refs; /* a ring of window references */
    MobObjectId drop;
    MobValue *result;
    bool submitting;
} Driver;

static void
submit_next(Driver *driver, MobCall *call)
{
    MobTaskSpec *spec = mob_spec_new();

    spec->function = mob_str_ref(driver->loader->function);
    spec->label = mob_str_ref(driver->loader->function);
    spec->bundle = mob_str_ref(driver->loader->bundle);
    spec->returns = 1;
    spec->needs.cpu = MOB_UNIT;
    spec->retries = 3;
    driver->submitting = true;
    driver->submitted++;
    *call = (MobCall){.kind = MOB_CALL_SUBMIT, .spec = spec, .args = mob_args_new(0)};
}

static void
get_next(Driver *driver, MobCall *call)
{
    driver->submitting = false;
    *call = (MobCall){.kind = MOB_CALL_GET,
                      .refs = &driver->refs[driver->got % driver->loader->window],
                      .ref_count = 1,
                      .timeout = MOB_TIME_NEVER};
}

static void
driver_resume(MobBody *body, const MobAnswer *answer, MobCall *call)
{
    Driver *driver = (Driver *)body;
    const Loader *loader = driver->loader;
    bool dropped = false;

    if (driver->submitted > 0 && driver->submitting) {
        MobRef *slot = &driver->refs[(driver->submitted - 1) % loader->window];
        *slot = mob_ref_copy(&answer->refs[0]);
    } else if (driver->submitted > 0) {
        MobRef *oldest = &driver->refs[driver->got++ % loader->window];
        driver->drop = oldest->id;
        mob_ref_clear(oldest);
        dropped = !loader->keep;
    }
    if (driver->submitted < loader->tasks && driver->submitted - driver->got < loader->window)
        submit_next(driver, call);
    else if (driver->got < driver->submitted)
        get_next(driver, call);
    else
        *call = (MobCall){.kind = MOB_CALL_RETURN, .values = &driver->result, .value_count = 1};
    if (dropped) {
        call->drops = &driver->drop;
        call->drop_count = 1;
    }
}

static void
driver_free(MobBody *body)
{
    g_free(((Driver *)body)->refs);
    g_free(body);
}

static const MobBodyClass driver_class = {driver_resume, driver_free};

/* The task: returns nil at once. */
typedef struct {
    MobBody base;
    MobValue *result;
} Empty;

static void
empty_resume(MobBody *body, const MobAnswer *answer, MobCall *call)
{
    Empty *empty = (Empty *)body;

    empty->result = mob_value_nil();
    *call = (MobCall){.kind = MOB_CALL_RETURN, .values = &empty->result, .value_count = 1};
}

static void
empty_free(MobBody *body)
{
    g_free(body);
}

static const MobBodyClass empty_class = {empty_resume, empty_free};

static MobBody *
start(MobLoader *self, const MobBodyContext *context, const MobValue *bundle, const MobArgs *args)
{
    Loader *loader = (Loader *)self;

    if (g_strcmp0(mob_str(context->spec->function), "main") != 0) {
        Empty *empty = g_new0(Empty, 1);
        empty->base.class = &empty_class;
        return &empty->base;
    }
    Driver *driver = g_new0(Driver, 1);
    driver->base.class = &driver_class;
    driver->loader = loader;
    driver->refs = g_new0(MobRef, loader->window);
    driver->result = mob_value_nil();
    return &driver->base;
}

static void
drop(MobLoader *self, MobAddress worker)
{
}

static double
seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static MobWorld *
make_world(Loader *loader, uint32_t machines, uint32_t cores)
{
    g_autofree MobMachine *specs = g_new0(MobMachine, machines);
    g_autoptr(GStringChunk) names = g_string_chunk_new(4096);
    MobWorldOptions options = {.loader = &loader->base,
                               .machines = specs,
                               .machine_count = machines,
                               .latency = MOB_TIME_NEVER};

    mob_config_init(&options.config, MOB_PROFILE_IDEAL);
    for (uint32_t i = 0; i < machines; i++) {
        g_autofree char *name = i == 0 ? g_strdup("head") : g_strdup_printf("n%u", i);
        specs[i] = (MobMachine){.name = g_string_chunk_insert(names, name),
                                .cpus = cores * MOB_UNIT,
                                .cores = cores,
                                .speed_ppm = 1000000,
                                .memory = INT64_C(8) << 30,
                                .store_bytes = UINT64_C(2) << 30,
                                .head = i == 0};
    }
    return mob_world_new(&options);
}

int
main(int argc, char **argv)
{
    uint32_t machines = argc > 1 ? (uint32_t)atoi(argv[1]) : 10;
    uint32_t cores = argc > 2 ? (uint32_t)atoi(argv[2]) : 4;
    Loader loader = {.base = {start, drop, 0},
                     .tasks = argc > 3 ? (uint64_t)atoll(argv[3]) : 1000000,
                     .window = argc > 4 ? (uint64_t)atoll(argv[4]) : 10000,
                     .keep = argc > 5,
                     .function = mob_str_new("empty"),
                     .bundle = mob_str_new("bench:empty")};

    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_TOP_PAD, 64 << 20);
    double before = seconds();
    g_autoptr(MobWorld) world = make_world(&loader, machines, cores);
    MobControl *control = mob_world_control(world);
    MobJob job = {.name = "bench", .bundle_id = loader.bundle, .bundle = mob_value_nil()};
    uint32_t number = control->submit(control, &job, NULL);
    MobRunEnd end = control->run(control, &(MobUntil){.job = number,
                                                       .time = MOB_TIME_NEVER,
                                                       .limit = 3600 * MOB_SECOND});
    double wall = seconds() - before;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"bench\":\"many-tasks\",\"machines\":%u,\"cores\":%u,\"tasks\":%" G_GUINT64_FORMAT
           ",\"window\":%" G_GUINT64_FORMAT ",\"end\":%d,\"wall_s\":%.3f,\"tasks_per_s\":%.0f"
           ",\"events\":%" G_GUINT64_FORMAT ",\"events_per_s\":%.0f,\"virtual_ms\":%.3f"
           ",\"rss_mib\":%ld,\"trace\":\"%016" G_GINT64_MODIFIER "x\"}\n",
           machines, cores, loader.tasks, loader.window, (int)end, wall,
           (double)loader.tasks / wall, control->events(control),
           (double)control->events(control) / wall, (double)control->now(control) / 1e6,
           usage.ru_maxrss / 1024, control->hash(control));
    mob_str_unref(loader.function);
    mob_str_unref(loader.bundle);
    mob_value_unref(job.bundle);
    return end == MOB_RUN_DONE ? 0 : 1;
}
