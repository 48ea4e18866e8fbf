/* test_join.c: large clusters come up by themselves: hundreds of machines join
 * over thin or slow wires while the first job is waiting for them, each says
 * little, and nobody is taken for dead.
 */
#include <criterion/criterion.h>

#include "runtime/cbor.h"
#include "runtime/program.h"
#include "sim/world.h"

enum {
    MACHINES = 300, /* the head is one more */
    TASKS = 900,
};

/* --- the program --- */

static MobulaValue *
leaf(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    mobula_compute(task, MOB_MS);
    return NULL;
}

static void
run_all(MobulaTask *task, const char *function, size_t count)
{
    g_autofree MobulaValue **refs = g_new(MobulaValue *, count);

    for (size_t i = 0; i < count; i++)
        refs[i] = mobula_call(task, function);
    for (size_t i = 0; i < count; i++)
        mobula_get(task, refs[i]);
}

/* Its machine has no room for these, and must know of others. */
static MobulaValue *
branch(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    run_all(task, "leaf", 2);
    return NULL;
}

static MobulaValue *
drive(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    bool nested = mobula_to_int(task, args[0]) != 0;

    run_all(task, nested ? "branch" : "leaf", nested ? 2 * MACHINES : TASKS);
    return NULL;
}

static void
program(MobulaProgram *self)
{
    mobula_register(self, "main", drive);
    mobula_register(self, "branch", branch);
    mobula_register(self, "leaf", leaf);
}

static MobProgramEntry
open_program(void *data, const char *path, GError **error)
{
    return program;
}

/* --- the cluster --- */

typedef struct {
    MobTime latency; /* MOB_TIME_NEVER: the profile's */
    uint64_t bps;
    MobTime health_period; /* 0: the profile's */
    bool nested;
} Setting;

typedef struct {
    MobWatcher base;
    uint32_t messages[MOB_MSG_COUNT]; /* to node managers and the GCS */
    uint32_t died;
} Outcome;

static void
look(MobWatcher *self, const MobEvent *event)
{
    Outcome *outcome = (Outcome *)self;

    for (size_t i = 0; i < event->note_count; i++)
        outcome->died += event->notes[i].kind == MOB_NOTE_NODE_DECLARED_DEAD;
    if (event->input != NULL && event->input->kind == MOB_INPUT_MESSAGE &&
        event->process.local <= MOB_LOCAL_GCS)
        outcome->messages[event->input->msg->type]++;
}

static MobWorld *
make_world(const Setting *setting, MobLoader *loader)
{
    MobMachine machines[MACHINES + 1];
    char names[MACHINES + 1][8] = {"head"};
    MobWorldOptions options = {
        .loader = loader,
        .machines = machines,
        .machine_count = G_N_ELEMENTS(machines),
        .latency = setting->latency,
        .bps = setting->bps,
    };

    mob_config_init(&options.config, MOB_PROFILE_IDEAL);
    if (setting->health_period != 0)
        options.config.health_period = setting->health_period;
    for (uint32_t i = 0; i <= MACHINES; i++) {
        if (i > 0)
            g_snprintf(names[i], sizeof names[i], "n%u", i);
        machines[i] = (MobMachine){.name = names[i],
                                   .cpus = i == 0 ? 0 : 2 * MOB_UNIT,
                                   .speed_ppm = 1000000,
                                   .store_bytes = 1 << 30,
                                   .head = i == 0};
    }
    return mob_world_new(&options);
}

static void
run(const Setting *setting, Outcome *outcome)
{
    MobProgramOpener opener = {.open = open_program};
    MobLoader *loader = mob_program_loader_new(&opener);
    MobWorld *world = make_world(setting, loader);
    MobControl *control = mob_world_control(world);
    MobJob job = {.name = "join", .args = mob_args_new(1)};
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_int(&writer, setting->nested);
    job.args->items[0].value = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    *outcome = (Outcome){.base = {.wanted = MOB_WANT_ALL, look}};
    control->watch(control, &outcome->base);
    job.bundle = mob_program_bundle("join.so", &job.bundle_id);
    uint32_t number = control->submit(control, &job, NULL);
    MobUntil until = {.job = number, .time = MOB_TIME_NEVER, .limit = 30 * MOB_SECOND};
    cr_assert_eq(control->run(control, &until), MOB_RUN_DONE);
    cr_assert_eq(control->job_result(control, number)->fault, 0);
    mob_world_free(world);
    mob_program_loader_free(loader);
    mob_args_unref(job.args);
    mob_value_unref(job.bundle);
    mob_str_unref(job.bundle_id);
}

/* --- tests --- */

Test(join, of_hundreds_costs_each_two_messages_and_the_first_job_waits_for_them)
{
    static const uint64_t rates[] = {0, 1000000000, 100000000};

    for (size_t i = 0; i < G_N_ELEMENTS(rates); i++) {
        Outcome outcome;
        run(&(Setting){.latency = MOB_TIME_NEVER, .bps = rates[i]}, &outcome);
        cr_assert_eq(outcome.messages[MOB_MSG_REGISTER_NODE], MACHINES + 1);
        cr_assert_eq(outcome.messages[MOB_MSG_NODE_REGISTERED], MACHINES + 1);
        cr_assert_leq(outcome.messages[MOB_MSG_NODE_CHANGED], MACHINES,
                      "the head hears of all, and nobody else does");
        cr_assert_eq(outcome.died, 0);
    }
}

/* Who registers again, because the answer takes longer than that, gets one all the same. */
Test(join, over_slow_wires_registers_again_and_is_answered_once)
{
    Outcome outcome;

    run(&(Setting){.latency = 30 * MOB_MS, .health_period = 100 * MOB_MS}, &outcome);
    cr_assert_geq(outcome.messages[MOB_MSG_REGISTER_NODE], 3 * MACHINES);
    cr_assert_eq(outcome.messages[MOB_MSG_NODE_REGISTERED], MACHINES + 1);
    cr_assert_eq(outcome.died, 0);
}

/* Then n nodes get views of n nodes, and probes have to wait for wires. */
Test(join, nobody_is_taken_for_dead_when_every_node_places_tasks)
{
    Outcome outcome;

    run(&(Setting){.latency = MOB_TIME_NEVER, .bps = 100000000, .nested = true}, &outcome);
    cr_assert_geq(outcome.messages[MOB_MSG_RESOURCE_VIEW], MACHINES);
    cr_assert_eq(outcome.died, 0);
}
