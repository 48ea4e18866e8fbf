/* check_rig.h: a whole simulated cluster whose processes can be bent: a test
 * steps in before or after any of their steps, and does there what a bug would
 * do. What the checks make of it is what is tested.
 *
 * The cluster is head (1), with the GCS, the driver and no CPUs, n1 (2) and n2
 * (3) with two CPUs each. Programs are in C.
 */
#pragma once

#include <criterion/criterion.h>

#include "runtime/cbor.h"
#include "runtime/gcs.h"
#include "runtime/node_parts.h"
#include "runtime/program.h"
#include "runtime/worker_parts.h"
#include "sim/cast.h"
#include "sim/check.h"

enum {
    MIB = 1024 * 1024,
    FAULTS_MAX = 4,
};

#define DRIVER ((MobAddress){1, MOB_LOCAL_WORKER})
#define N1     ((MobNodeId){2})
#define N2     ((MobNodeId){3})

/* Takes the step of @self, with whatever is wrong about it. */
typedef void (*Bend)(MobProcess *self, const MobInput *input, MobOutbox *out);

typedef struct {
    MobTime at;
    MobOrder order;
    MobTime heal; /* 0: never */
} Trouble;

typedef struct {
    void (*main)(MobulaTask *task);
    Bend gcs;
    Bend node;
    Bend worker; /* drivers are workers */
    Trouble troubles[FAULTS_MAX];
    MobTime stop;  /* look then, as if at rest; 0: when all is over */
    bool all_gone; /* by then nothing may be left */
} Plot;

/* Troubles: @who dies at @when milliseconds. */
#define KILL(when, who)                                                                            \
    {                                                                                              \
        {                                                                                          \
            .at = (when)*MOB_MS, .order = {.verb = MOB_VERB_KILL, .target = (who) }                \
        }                                                                                          \
    }

typedef enum {
    PART_GCS,
    PART_NODE,
    PART_WORKER,
    PART_COUNT,
} Part;

static const Plot *plot;
static const MobProcessClass *straight[PART_COUNT];
static MobProcessClass bent[PART_COUNT];
static uint32_t bends; /* how often a bend has done its deed */

static inline Part
part_of(const MobProcess *self)
{
    return self->address.local == MOB_LOCAL_NODE  ? PART_NODE
           : self->address.local == MOB_LOCAL_GCS ? PART_GCS
                                                  : PART_WORKER;
}

/* The step as it should be. */
static inline void
go_on(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    straight[part_of(self)]->step(self, input, out);
}

static void
bent_step(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    const Bend by_part[PART_COUNT] = {plot->gcs, plot->node, plot->worker};
    Bend bend = by_part[part_of(self)];

    if (bend != NULL)
        bend(self, input, out);
    else
        go_on(self, input, out);
}

static MobProcess *
bend_it(MobProcess *process)
{
    Part part = part_of(process);

    straight[part] = process->class;
    bent[part] = *process->class;
    bent[part].step = bent_step;
    process->class = &bent[part];
    return process;
}

static MobProcess *
bent_gcs(MobAddress address, const MobConfig *config)
{
    return bend_it(mob_gcs_new(address, config));
}

static MobProcess *
bent_node(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
          uint32_t first_worker)
{
    return bend_it(mob_node_new(address, config, options, first_worker));
}

static MobProcess *
bent_worker(MobAddress address, const MobConfig *config, const MobWorkerOptions *options)
{
    return bend_it(mob_worker_new(address, config, options));
}

static const MobValue *
bent_result(const MobProcess *driver)
{
    MobWorkerStats stats;

    mob_worker_stats(driver, &stats);
    return stats.finished ? mob_worker_result(driver) : NULL;
}

static const MobCast bent_cast = {
    .gcs = bent_gcs,
    .node = bent_node,
    .worker = bent_worker,
    .result = bent_result,
    .explain = mob_worker_explain,
};

/* --- what bends use --- */

static inline bool
is_message(const MobInput *input, MobMsgType type)
{
    return input->kind == MOB_INPUT_MESSAGE && input->msg->type == type;
}

static inline bool
is_driver(const MobProcess *self)
{
    return mob_address_eq(self->address, DRIVER);
}

static inline const MobNote *
find_note(const MobOutbox *out, MobNoteKind kind)
{
    for (guint i = 0; i < out->notes->len; i++)
        if (g_array_index(out->notes, MobNote, i).kind == kind)
            return &g_array_index(out->notes, MobNote, i);
    return NULL;
}

/* The step notes what is not so. */
static inline void
lie(MobOutbox *out, MobNote note)
{
    bends++;
    mob_note_keep(out, &note);
}

/* The first row that the worker owns and that is in a store, or NULL. */
static inline MobRow *
stored_row(MobProcess *self)
{
    size_t at = 0;
    MobRow *row;

    while ((row = mob_table_next(((MobWorker *)self)->rows, &at)))
        if (row->owned && row->state == MOB_ROW_STORED)
            return row;
    return NULL;
}

static inline MobCopy *
first_copy(MobProcess *self)
{
    size_t at = 0;

    return mob_table_next(((MobNode *)self)->store.copies, &at);
}

/* --- the program --- */

static MobulaValue *
empty(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    return NULL;
}

static MobulaValue *
large(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    return mobula_fill(task, 12 * MIB, count);
}

static MobulaValue *
holds(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    mobula_compute(task, 30 * MOB_MS);
    return NULL;
}

static MobulaValue *
fails(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    mobula_raise(task, "no luck");
    return NULL;
}

/* Returns the reference to what a task of its own returns. */
static MobulaValue *
hands_over(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    return mobula_array(task, 1, (MobulaValue *[]){mobula_call(task, "empty")});
}

/* Hands the reference that it was given on to a task of its own. */
static MobulaValue *
lends(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    return mobula_array(task, 1, (MobulaValue *[]){mobula_call(task, "holds", args[0])});
}

static MobulaValue *
reads(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    mobula_get(task, mobula_at(task, args[0], 0));
    return NULL;
}

/* Another attempt is another program. */
static MobulaValue *
fickle(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    mobula_get(task, mobula_call(task, mobula_attempt(task) == 1 ? "empty" : "holds"));
    if (mobula_attempt(task) == 1)
        mobula_raise(task, "once more");
    return NULL;
}

static MobulaValue *
run_plot(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    plot->main(task);
    return NULL;
}

static void
program(MobulaProgram *program)
{
    mobula_register(program, "main", run_plot);
    mobula_register_kernel(program, "empty", empty);
    mobula_register_kernel(program, "large", large);
    mobula_register_kernel(program, "holds", holds);
    mobula_register_kernel(program, "fails", fails);
    mobula_register(program, "hands_over", hands_over);
    mobula_register(program, "lends", lends);
    mobula_register(program, "reads", reads);
    mobula_register(program, "fickle", fickle);
}

static MobProgramEntry
open_program(void *data, const char *path, GError **error)
{
    return program;
}

static inline MobulaValue *
call_on(MobulaTask *task, const char *node, const char *function, size_t count,
        MobulaValue *const *args)
{
    MobulaOptions options = MOBULA_OPTIONS;

    options.node = node;
    return mobula_submit(task, &options, function, count, args);
}

/* 12 MiB that are on n1, and owned by the driver. */
static inline MobulaValue *
make_large(MobulaTask *task)
{
    MobulaValue *ref = call_on(task, "n1", "large", 0, NULL);

    mobula_wait(task, 1, &ref, 1, MOBULA_FOREVER, (bool[1]){false});
    return ref;
}

/* --- mains --- */

static inline void
main_small(MobulaTask *task)
{
    mobula_get(task, mobula_call(task, "empty"));
}

static inline void
main_two(MobulaTask *task)
{
    MobulaValue *refs[2] = {call_on(task, "n1", "holds", 0, NULL),
                            call_on(task, "n1", "holds", 0, NULL)};

    mobula_get(task, refs[0]);
    mobula_get(task, refs[1]);
}

/* A large value comes here from n1. */
static inline void
main_large(MobulaTask *task)
{
    MobulaValue *ref = make_large(task);

    mobula_get(task, ref);
    mobula_sleep(task, 100 * MOB_MS);
}

/* A task on n2 takes it for a while. */
static inline void
main_argument(MobulaTask *task)
{
    MobulaValue *ref = make_large(task);

    mobula_get(task, call_on(task, "n2", "holds", 1, &ref));
}

static inline void
main_sleep(MobulaTask *task)
{
    MobulaValue *ref = make_large(task);

    mobula_sleep(task, 5 * MOB_SECOND);
    mobula_drop(task, ref);
}

static inline void
main_inner(MobulaTask *task)
{
    MobulaValue *outer = call_on(task, "n1", "hands_over", 0, NULL);
    MobulaValue *inner = mobula_at(task, mobula_get(task, outer), 0);

    mobula_get(task, inner);
    mobula_sleep(task, 200 * MOB_MS);
}

static inline void
main_retried(MobulaTask *task)
{
    MobulaOptions options = MOBULA_OPTIONS;
    MobulaValue *error;

    options.retry_exceptions = true;
    options.max_retries = 1;
    mobula_try_get(task, mobula_submit(task, &options, "fails", 0, NULL), MOBULA_FOREVER, &error);
}

/* --- the play --- */

static inline MobWorld *
make_world(MobLoader *loader, MobConfig *config)
{
    static const MobMachine machines[] = {
        {.name = "head", .cpus = 0, .speed_ppm = 1000000, .store_bytes = 1 << 30, .head = true},
        {.name = "n1", .cpus = 2 * MOB_UNIT, .speed_ppm = 1000000, .store_bytes = 1 << 30},
        {.name = "n2", .cpus = 2 * MOB_UNIT, .speed_ppm = 1000000, .store_bytes = 1 << 30},
    };
    MobWorldOptions options = {
        .encode = true,
        .loader = loader,
        .machines = machines,
        .machine_count = G_N_ELEMENTS(machines),
        .latency = MOB_TIME_NEVER,
    };

    mob_config_init(config, MOB_PROFILE_IDEAL);
    options.config = *config;
    return mob_world_new_with(&options, &bent_cast);
}

static inline void
run_until(MobControl *control, MobTime time)
{
    control->run(control, &(MobUntil){.time = time, .limit = MOB_TIME_NEVER});
}

static inline void
make_trouble(MobControl *control)
{
    g_autoptr(GError) error = NULL;

    for (int i = 0; i < FAULTS_MAX && plot->troubles[i].at > 0; i++) {
        const Trouble *trouble = &plot->troubles[i];
        run_until(control, trouble->at);
        uint32_t fault = control->order(control, &trouble->order, &error);
        cr_assert(fault != 0, "%s", error != NULL ? error->message : "");
        if (trouble->heal == 0)
            continue;
        run_until(control, trouble->heal);
        control->heal(control, fault);
    }
}

static inline void
submit(MobControl *control)
{
    g_autoptr(GError) error = NULL;
    MobJob job = {.name = "plot", .args = mob_args_new(0)};

    job.bundle = mob_program_bundle("plot.so", &job.bundle_id);
    cr_assert(control->submit(control, &job, &error) != 0);
    mob_args_unref(job.args);
    mob_value_unref(job.bundle);
    mob_str_unref(job.bundle_id);
}

static inline void
play_to_the_end(MobControl *control)
{
    submit(control);
    make_trouble(control);
    if (plot->stop != 0)
        run_until(control, plot->stop);
    else
        control->run(control, &(MobUntil){.time = MOB_TIME_NEVER, .limit = 20 * MOB_SECOND});
}

/* Plays @it, and returns (transfer full) what broke: "I24: …"; "" if nothing did. */
static inline char *
play(const Plot *it)
{
    MobProgramOpener opener = {.open = open_program};
    MobLoader *loader = mob_program_loader_new(&opener);
    MobConfig config;

    plot = it;
    bends = 0;
    MobWorld *world = make_world(loader, &config);
    MobControl *control = mob_world_control(world);
    MobState *state = mob_state_new();
    MobCheck *check = mob_check_new(world, state, &config);
    control->watch(control, &state->watcher);
    control->watch(control, mob_check_watcher(check));
    run_until(control, 10 * MOB_MS);
    play_to_the_end(control);
    mob_check_at_rest(check, it->stop == 0 || it->all_gone);
    const MobViolation *violation = mob_check_violation(check);
    cr_assert(mob_check_count(check) > 10);
    char *text = violation != NULL ? g_strdup_printf("%s: %s", violation->property, violation->text)
                                   : g_strdup("");
    mob_check_free(check);
    mob_world_free(world);
    mob_state_free(state);
    mob_program_loader_free(loader);
    return text;
}

/* What broke is @property, and its sentence contains @says. */
static inline void
expect(const char *property, const char *says, const Plot *it)
{
    g_autofree char *broke = play(it);
    g_autofree char *prefix = g_strdup_printf("%s:", property);

    cr_expect(g_str_has_prefix(broke, prefix) && strstr(broke, says) != NULL,
              "%s was to break (%s), and this did: %s", property, says, broke);
}
