/* test_program_world.c: programs in C over the whole protocol, on machines that
 * die under them.
 */
#include "runtime/cbor.h"
#include "sim/world.h"
#include "tests/program_tasks.h"

typedef struct {
    const char *victim;  /* what is killed … */
    MobTime when;        /* … at this time */
    const char *program; /* NULL: test.so */
    bool killed;         /* it was there */
    uint64_t hash;       /* of the trace */
} Run;

static MobJob
make_job(const char *program, int64_t n)
{
    MobJob job = {.name = "test", .args = mob_args_new(1)};
    MobCborWriter writer;

    job.bundle = mob_program_bundle(program, &job.bundle_id);
    mob_cbor_init(&writer);
    mob_cbor_int(&writer, n);
    job.args->items[0].value = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    return job;
}

static void
clear_job(MobJob *job)
{
    mob_args_unref(job->args);
    mob_value_unref(job->bundle);
    mob_str_unref(job->bundle_id);
}

static MobWorld *
make_world(uint64_t seed, MobLoader *loader)
{
    MobMachine machines[3];
    static const char *const names[] = {"head", "n1", "n2"};
    MobWorldOptions options = {
        .picks = {.seed = seed},
        .encode = true,
        .loader = loader,
        .machines = machines,
        .machine_count = G_N_ELEMENTS(machines),
        .latency = MOB_TIME_NEVER,
    };

    mob_config_init(&options.config, MOB_PROFILE_IDEAL);
    for (size_t i = 0; i < G_N_ELEMENTS(machines); i++)
        machines[i] = (MobMachine){
            .name = names[i],
            .cpus = 2 * MOB_UNIT,
            .speed_ppm = 1000000,
            .memory = 1 << 30,
            .store_bytes = 1 << 30,
            .head = i == 0,
        };
    return mob_world_new(&options);
}

static void
kill_victim(MobControl *control, Run *run)
{
    MobUntil then = {.time = run->when, .limit = MOB_TIME_NEVER};
    MobOrder order = {.verb = MOB_VERB_KILL, .target = run->victim};

    control->run(control, &then);
    run->killed = control->order(control, &order, NULL) != 0;
}

static int64_t
answer_of(const MobValue *value)
{
    cr_assert_not_null(value);
    MobCborReader reader = {value->bytes, value->bytes + value->length, false};
    MobCborItem item = mob_cbor_next(&reader);

    return item.type == MOB_CBOR_INT ? item.number : -1;
}

/* Runs fibonacci(@n) and returns what main returned. */
static int64_t
run_in_world(uint64_t seed, int64_t n, Run *run)
{
    int opened = 0;
    MobProgramOpener opener = {open_program, &opened};
    MobLoader *loader = mob_program_loader_new(&opener);
    MobWorld *world = make_world(seed, loader);
    MobControl *control = mob_world_control(world);
    MobJob job = make_job(run->program != NULL ? run->program : "test.so", n);

    uint32_t number = control->submit(control, &job, NULL);
    cr_assert_gt(number, 0);
    if (run->victim != NULL)
        kill_victim(control, run);
    MobUntil until = {.job = number, .time = MOB_TIME_NEVER, .limit = 100 * MOB_SECOND};
    control->run(control, &until);
    int64_t answer = answer_of(control->job_result(control, number));
    run->hash = control->hash(control);
    cr_assert_eq(opened, 1);
    mob_world_free(world);
    clear_job(&job);
    mob_program_loader_free(loader);
    return answer;
}

Test(program, in_c_runs_on_a_cluster_as_often_as_one_likes)
{
    for (uint64_t seed = 0; seed < 4; seed++) {
        Run one = {0};
        Run two = {0};
        cr_assert_eq(run_in_world(seed, 7, &one), 13);
        cr_assert_eq(run_in_world(seed, 7, &two), 13);
        cr_assert_eq(one.hash, two.hash, "the same run has the same trace");
    }
}

Test(program, in_c_survives_the_death_of_machines_and_workers)
{
    static const char *const victims[] = {"n1", "n2", "n1/w0", "n2/w0"};
    int killed = 0;

    for (MobTime when = MOB_MS; when < 12 * MOB_MS; when += 700 * MOB_US) {
        for (size_t i = 0; i < G_N_ELEMENTS(victims); i++) {
            Run run = {.victim = victims[i], .when = when};
            cr_assert_eq(run_in_world(1, 7, &run), 13);
            killed += run.killed;
        }
    }
    cr_assert_gt(killed, 20, "only %d of the victims were there", killed);
}

Test(program, in_c_frees_values_by_hand_and_writes_references_down)
{
    Run run = {.program = "hand.so"};

    cr_assert_eq(run_in_world(0, 0, &run), 26);
}
