/* test_counts.c: how many messages a task costs, by type, for the stories of
 * course/messages.md, and that a formula gives their sum:
 *
 *     2 for each attempt + 2 for each request for a lease + 1 for each return
 *     + 2 for each new worker + 1 + 2 x chunks for each copy (+ 4, if its owner
 *     is elsewhere) + 1 for each copy that is freed
 *
 * The head, with the GCS and the driver, has no CPUs, so every task runs on
 * another machine than its owner. Counted is what is delivered while main is
 * between two prints, except what the cluster says anyhow: health checks and
 * resources. The formula is applied to what is noted, not to messages.
 */
#include <criterion/criterion.h>

#include "runtime/cbor.h"
#include "runtime/program.h"
#include "sim/world.h"

enum {
    MIB = 1024 * 1024,
    MILLISECOND = 1000000,
    CHUNK = 5 * MIB,
};

/* --- the program --- */

static MobulaValue *
empty(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    return NULL;
}

static MobulaValue *
fails_once(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    if (mobula_attempt(task) == 1)
        mobula_raise(task, "no luck");
    return NULL;
}

/* 12 MiB: three chunks of 5 MiB. */
static MobulaValue *
large(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    return mobula_fill(task, 12 * MIB, count);
}

static MobulaValue *
holds(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    mobula_compute(task, 10 * MILLISECOND);
    return NULL;
}

/* Submits a task and returns the reference to its result. */
static MobulaValue *
hands_over(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    return mobula_array(task, 1, (MobulaValue *[]){mobula_call(task, "empty")});
}

static void
start_counting(MobulaTask *task)
{
    mobula_print(task, "count");
}

/* After so long whatever the tasks have set off is over. */
static void
stop_counting(MobulaTask *task, uint64_t after)
{
    mobula_sleep(task, after);
    mobula_print(task, "stop");
}

static void
run_one(MobulaTask *task, const char *function)
{
    MobulaValue *ref = mobula_call(task, function);

    mobula_get(task, ref);
    mobula_drop(task, ref);
}

static MobulaValue *
call_on(MobulaTask *task, const char *node, const char *function, size_t count,
        MobulaValue *const *args)
{
    MobulaOptions options = MOBULA_OPTIONS;

    options.node = node;
    return mobula_submit(task, &options, function, count, args);
}

/* --- what main does --- */

static void
cold(MobulaTask *task)
{
    start_counting(task);
    run_one(task, "empty");
    stop_counting(task, MILLISECOND);
}

static void
warm(MobulaTask *task)
{
    run_one(task, "empty");
    start_counting(task);
    for (int i = 0; i < 10; i++)
        run_one(task, "empty");
    stop_counting(task, MILLISECOND);
}

/* Ten tasks, each of which takes what the one before it returned. */
static void
chained(MobulaTask *task)
{
    MobulaValue *ref = mobula_call(task, "empty");

    mobula_get(task, ref);
    start_counting(task);
    for (int i = 0; i < 10; i++)
        ref = mobula_call(task, "empty", ref);
    mobula_get(task, ref);
    stop_counting(task, MILLISECOND);
}

static void
retried(MobulaTask *task)
{
    MobulaOptions options = MOBULA_OPTIONS;

    options.retry_exceptions = true;
    options.name = "fails once";
    mobula_get(task, mobula_submit(task, &options, "fails_once", 0, NULL));
    start_counting(task);
    mobula_get(task, mobula_submit(task, &options, "fails_once", 0, NULL));
    stop_counting(task, MILLISECOND);
}

/* The head knows by then that n1 is taken. */
static void
another_function(MobulaTask *task)
{
    run_one(task, "empty");
    mobula_sleep(task, 50 * MILLISECOND);
    start_counting(task);
    run_one(task, "holds");
    stop_counting(task, MILLISECOND);
}

/* It was not asked, and does not know it yet: so it sends the request to n1, which rejects it. */
static void
rejected(MobulaTask *task)
{
    mobula_get(task, call_on(task, "n1", "empty", 0, NULL));
    start_counting(task);
    run_one(task, "holds");
    stop_counting(task, MILLISECOND);
}

/* n2 wants the idle worker back for another function that is bound to it. */
static void
reclaimed(MobulaTask *task)
{
    mobula_get(task, call_on(task, "n2", "empty", 0, NULL));
    start_counting(task);
    mobula_get(task, call_on(task, "n2", "holds", 0, NULL));
    stop_counting(task, MILLISECOND);
}

static void
idle(MobulaTask *task)
{
    run_one(task, "empty");
    start_counting(task);
    stop_counting(task, 600 * MILLISECOND);
}

/* Four tasks at once for two CPUs. */
static void
many(MobulaTask *task)
{
    MobulaValue *refs[4];
    MobulaValue *values[4];

    start_counting(task);
    for (int i = 0; i < 4; i++)
        refs[i] = mobula_call(task, "holds");
    mobula_get_all(task, 4, refs, values);
    stop_counting(task, MILLISECOND);
}

/* Returns the reference to 12 MiB that are on n1. */
static MobulaValue *
make_large(MobulaTask *task)
{
    MobulaValue *ref = call_on(task, "n1", "large", 0, NULL);

    mobula_wait(task, 1, &ref, 1, MOBULA_FOREVER, (bool[1]){false});
    return ref;
}

static void
large_result(MobulaTask *task)
{
    make_large(task);
    start_counting(task);
    make_large(task);
    stop_counting(task, MILLISECOND);
}

/* n2 has a worker that knows the program, and nobody has a lease on it. */
static void
large_argument(MobulaTask *task)
{
    MobulaValue *ref = make_large(task);

    mobula_get(task, call_on(task, "n2", "empty", 0, NULL));
    mobula_sleep(task, 600 * MILLISECOND);
    start_counting(task);
    mobula_get(task, call_on(task, "n2", "empty", 1, &ref));
    stop_counting(task, MILLISECOND);
}

static void
large_get(MobulaTask *task)
{
    MobulaValue *ref = make_large(task);

    start_counting(task);
    mobula_get(task, ref);
    stop_counting(task, MILLISECOND);
}

/* The copy on n1 and the one on the head. */
static void
large_drop(MobulaTask *task)
{
    MobulaValue *ref = make_large(task);

    mobula_get(task, ref);
    mobula_sleep(task, MILLISECOND);
    start_counting(task);
    mobula_drop(task, ref);
    stop_counting(task, MILLISECOND);
}

static void
reference(MobulaTask *task)
{
    run_one(task, "hands_over");
    mobula_sleep(task, 100 * MILLISECOND);
    start_counting(task);
    MobulaValue *outer = mobula_call(task, "hands_over");
    MobulaValue *inner = mobula_at(task, mobula_get(task, outer), 0);
    mobula_get(task, inner);
    mobula_drop(task, outer);
    mobula_drop(task, inner);
    stop_counting(task, MILLISECOND);
}

typedef struct {
    void (*run)(MobulaTask *task);
    const char *between; /* what machines say to each other */
    const char *inside;  /* what is said inside a machine */
    uint32_t besides;    /* of the former, what nothing that is noted says */
} Story;

#define PUSH_1 "PushTask 1, TaskReply 1"
/* Asked at the head, sent away, and asked again where it runs. */
#define LEASE_1   "RequestLease 1, LeaseReply 1"
#define PROGRAM_1 "KvGet 1, KvGetReply 1"
#define WORKER_1  "RegisterWorker 1, WorkerRegistered 1"

static const Story stories[] = {
    {cold, PROGRAM_1 ", " LEASE_1 ", " PUSH_1, WORKER_1 ", " LEASE_1},
    {warm, "PushTask 10, TaskReply 10", ""},
    {chained, "PushTask 10, TaskReply 10", ""},
    {retried, "PushTask 2, TaskReply 2", ""},
    {another_function, PROGRAM_1 ", " LEASE_1 ", " PUSH_1, WORKER_1 ", " LEASE_1},
    {rejected, PROGRAM_1 ", RequestLease 2, LeaseReply 2, " PUSH_1,
     WORKER_1 ", RequestLease 2, LeaseReply 2"},
    {reclaimed, LEASE_1 ", ReturnLease 1, ReclaimLease 1, " PUSH_1, "", .besides = 1},
    {idle, "ReturnLease 1", ""},
    {many, "KvGet 2, KvGetReply 2, RequestLease 2, LeaseReply 2, PushTask 4, TaskReply 4",
     "RegisterWorker 2, WorkerRegistered 2, RequestLease 4, LeaseReply 4, CancelLease 2"},
    {large_result, PUSH_1, "StoreObject 1, ObjectStored 1"},
    {large_argument,
     LEASE_1 ", ReturnLease 1, SubscribeLocations 1, UnsubscribeLocations 1, Locations 1, "
             "ObjectMoved 1, Pull 1, Chunk 3, ChunkReceived 3, " PUSH_1,
     "GetObject 1, ObjectHere 1"},
    {large_get, "Pull 1, Chunk 3, ChunkReceived 3",
     "GetObject 1, ObjectHere 1, SubscribeLocations 1, UnsubscribeLocations 1, Locations 1, "
     "ObjectMoved 1"},
    {large_drop, "FreeObjects 1", "FreeObjects 1"},
    {reference,
     "PushTask 2, TaskReply 2, GetStatus 1, ObjectStatus 1, RemoveBorrower 1, BorrowerRemoved 1",
     "", .besides = 4},
};

static MobulaValue *
drive(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    stories[mobula_to_int(task, args[0])].run(task);
    return NULL;
}

static void
program(MobulaProgram *program)
{
    mobula_register(program, "main", drive);
    mobula_register_kernel(program, "empty", empty);
    mobula_register_kernel(program, "fails_once", fails_once);
    mobula_register_kernel(program, "large", large);
    mobula_register_kernel(program, "holds", holds);
    mobula_register(program, "hands_over", hands_over);
}

static MobProgramEntry
open_program(void *data, const char *path, GError **error)
{
    return program;
}

/* --- counting --- */

typedef struct {
    MobWatcher base;
    bool on;
    uint32_t between[MOB_MSG_COUNT];
    uint32_t inside[MOB_MSG_COUNT];
    uint32_t formula; /* messages between machines that what was noted must have cost */
} Counter;

/* What this fact has cost between machines: the formula. */
static uint32_t
cost_of(const MobNote *note)
{
    switch (note->kind) {
    case MOB_NOTE_TASK_LEASED:
        return 2; /* PushTask, TaskReply */
    case MOB_NOTE_LEASE_REQUESTED:
        return note->node.v != note->owner.node ? 2 : 0; /* RequestLease, LeaseReply */
    case MOB_NOTE_LEASE_RETURNED:
        return note->node.v != note->owner.node; /* ReturnLease */
    case MOB_NOTE_WORKER_STARTED:
        return 2; /* KvGet, KvGetReply */
    case MOB_NOTE_OBJECT_COPIED:
        return 1 + 2 * (uint32_t)((note->bytes + CHUNK - 1) / CHUNK) +
               (note->node.v != note->owner.node ? 4 : 0); /* Pull, Chunk, … Locations … */
    case MOB_NOTE_OBJECT_DELETED:
        return note->node.v != note->owner.node; /* FreeObjects */
    default:
        return 0;
    }
}

static void
count_event(MobWatcher *self, const MobEvent *event)
{
    Counter *counter = (Counter *)self;

    for (size_t i = 0; i < event->note_count; i++) {
        if (event->notes[i].kind == MOB_NOTE_OUTPUT)
            counter->on = g_strcmp0(event->notes[i].text, "count") == 0;
        counter->formula += counter->on ? cost_of(&event->notes[i]) : 0;
    }
    if (!counter->on || event->input == NULL || event->input->kind != MOB_INPUT_MESSAGE)
        return;
    if (event->input->from.node == event->process.node)
        counter->inside[event->input->msg->type]++;
    else
        counter->between[event->input->msg->type]++;
}

static bool
is_background(MobMsgType type)
{
    return type == MOB_MSG_HEALTH_CHECK || type == MOB_MSG_HEALTH_REPLY ||
           type == MOB_MSG_REPORT_RESOURCES || type == MOB_MSG_RESOURCE_VIEW;
}

/* "RequestLease 1, PushTask 2", in the order of messages.def; and the sum. */
static char *
list(const uint32_t *counts, uint32_t *sum)
{
    GString *text = g_string_new(NULL);

    *sum = 0;
    for (MobMsgType type = 0; type < MOB_MSG_COUNT; type++) {
        if (counts[type] == 0 || is_background(type))
            continue;
        g_string_append_printf(text, "%s%s %u", text->len > 0 ? ", " : "", mob_msg_info(type)->name,
                               counts[type]);
        *sum += counts[type];
    }
    return g_string_free(text, FALSE);
}

static MobWorld *
make_world(MobLoader *loader)
{
    static const MobMachine machines[] = {
        {.name = "head", .cpus = 0, .speed_ppm = 1000000, .store_bytes = 1 << 30, .head = true},
        {.name = "n1", .cpus = MOB_UNIT, .speed_ppm = 1000000, .store_bytes = 1 << 30},
        {.name = "n2", .cpus = MOB_UNIT, .speed_ppm = 1000000, .store_bytes = 1 << 30},
    };
    MobWorldOptions options = {
        .encode = true,
        .loader = loader,
        .machines = machines,
        .machine_count = G_N_ELEMENTS(machines),
        .latency = MOB_TIME_NEVER,
    };

    mob_config_init(&options.config, MOB_PROFILE_IDEAL);
    return mob_world_new(&options);
}

static MobArgs *
number_arg(int64_t number)
{
    MobArgs *args = mob_args_new(1);
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_int(&writer, number);
    args->items[0].value = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    return args;
}

static void
tell(size_t story, Counter *counter)
{
    MobProgramOpener opener = {.open = open_program};
    MobLoader *loader = mob_program_loader_new(&opener);
    MobWorld *world = make_world(loader);
    MobControl *control = mob_world_control(world);
    MobJob job = {.name = "counts", .args = number_arg((int64_t)story)};
    g_autoptr(GError) error = NULL;

    *counter = (Counter){.base = {.wanted = MOB_WANT_ALL, count_event}};
    control->watch(control, &counter->base);
    control->run(control, &(MobUntil){.time = 50 * MILLISECOND, .limit = MOB_TIME_NEVER});
    job.bundle = mob_program_bundle("counts.so", &job.bundle_id);
    uint32_t number = control->submit(control, &job, &error);
    MobUntil until = {.job = number, .time = MOB_TIME_NEVER, .limit = 10 * MOB_SECOND};
    cr_assert_eq(control->run(control, &until), MOB_RUN_DONE);
    cr_assert_eq(control->job_result(control, number)->fault, 0);
    mob_world_free(world);
    mob_program_loader_free(loader);
    mob_args_unref(job.args);
    mob_value_unref(job.bundle);
    mob_str_unref(job.bundle_id);
}

Test(counts, are_those_of_the_chapter_on_messages)
{
    for (size_t i = 0; i < G_N_ELEMENTS(stories); i++) {
        Counter counter;
        uint32_t sum;
        tell(i, &counter);
        g_autofree char *inside = list(counter.inside, &sum);
        g_autofree char *between = list(counter.between, &sum);
        cr_expect_str_eq(between, stories[i].between, "story %zu, between machines: %s", i,
                         between);
        cr_expect_str_eq(inside, stories[i].inside, "story %zu, inside them: %s", i, inside);
        cr_expect_eq(sum, counter.formula + stories[i].besides,
                     "story %zu: %u, the formula says %u", i, sum, counter.formula);
    }
}
