/* bench_world.c: what the simulated world costs alone, with processes that do
 * next to nothing. Prints one JSON object a line.
 *
 *   queue          pushes and pops, with so many pending
 *   ping           messages that go to and fro between machines
 *   master-worker  a 100-byte message out, 1 ms of work, a 100-byte answer,
 *                  one task in flight per worker
 */
#include <stdio.h>
#include <time.h>

#include "runtime/cbor.h"
#include "sim/inside.h"

static double
seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* others may use the machine too */
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- the queue --- */

static void
bench_queue(size_t pending, MobLane lane, uint64_t spread, const char *name)
{
    const size_t rounds = 5 * 1000 * 1000;
    MobQueue queue;
    MobSlot slot = {.number = 1};
    uint64_t state = 1;

    mob_queue_init(&queue);
    for (size_t i = 0; i < pending; i++)
        mob_queue_push(&queue, i, 0, lane, &slot);
    double begun = seconds();
    for (size_t i = 0; i < rounds; i++) {
        MobEntry entry = mob_queue_pop(&queue, &slot);
        state = mob_mix(state + i);
        mob_queue_push(&queue, entry.at + pending + state % spread, 0, lane, &slot);
    }
    double took = seconds() - begun;
    printf("{\"bench\":\"queue\",\"lane\":\"%s\",\"pending\":%zu,\"per_second\":%.0f}\n", name,
           pending, (double)rounds / took);
    mob_queue_clear(&queue);
}

/* --- processes --- */

typedef struct {
    MobProcess base;
    bool master;
    uint32_t workers;
    uint64_t left; /* tasks to give out */
    uint64_t done;
    MobValue *load;
    MobAddress back; /* the master, while the work is done */
} Player;

static void
send_load(MobOutbox *out, MobAddress to, MobValue *load)
{
    MobKvPut *put = mob_kv_put_new();

    put->value = mob_value_ref(load);
    mob_send(out, to, put);
}

static void
master_step(Player *self, const MobInput *input, MobOutbox *out)
{
    if (input->kind == MOB_INPUT_START)
        mob_set_timer(out, MOB_TIMER_SCHEDULE, 1);
    if (input->kind == MOB_INPUT_TIMER) {
        for (uint32_t node = 1; node <= self->workers && self->left > 0; node++, self->left--)
            send_load(out, mob_node_address(node), self->load);
    } else if (input->kind == MOB_INPUT_MESSAGE) {
        self->done++;
        if (self->left > 0) {
            self->left--;
            send_load(out, input->from, self->load);
        }
    }
}

static void
worker_step(Player *self, const MobInput *input, MobOutbox *out)
{
    if (input->kind == MOB_INPUT_MESSAGE) {
        self->back = input->from;
        mob_set_timer(out, MOB_TIMER_DEADLINE, input->now + MOB_MS);
    } else if (input->kind == MOB_INPUT_TIMER) {
        send_load(out, self->back, self->load);
    }
}

static void
answer_step(Player *self, const MobInput *input, MobOutbox *out)
{
    if (input->kind == MOB_INPUT_MESSAGE)
        send_load(out, input->from, self->load);
}

static void
work_step(MobProcess *base, const MobInput *input, MobOutbox *out)
{
    Player *self = (Player *)base;

    if (self->master)
        master_step(self, input, out);
    else
        worker_step(self, input, out);
}

static void
ping_step(MobProcess *base, const MobInput *input, MobOutbox *out)
{
    Player *self = (Player *)base;

    if (self->master)
        master_step(self, input, out);
    else
        answer_step(self, input, out);
}

static void
player_free(MobProcess *base)
{
    mob_value_unref(((Player *)base)->load);
    g_free(base);
}

static const MobProcessClass work_class = {.name = "work", .step = work_step, .free = player_free};
static const MobProcessClass ping_class = {.name = "ping", .step = ping_step, .free = player_free};

static MobProcess *
player(const MobProcessClass *class, MobAddress address, bool master)
{
    Player *self = g_new0(Player, 1);
    MobCborWriter writer;

    self->base = (MobProcess){class, address};
    self->master = master;
    mob_cbor_init(&writer);
    mob_cbor_fill(&writer, 70, 0); /* 100 bytes with the head of the message */
    self->load = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    return &self->base;
}

static MobProcess *
work_gcs(MobAddress address, const MobConfig *config)
{
    return player(&work_class, address, true);
}

static MobProcess *
work_node(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
          uint32_t first_worker)
{
    return player(&work_class, address, false);
}

static MobProcess *
ping_gcs(MobAddress address, const MobConfig *config)
{
    return player(&ping_class, address, true);
}

static MobProcess *
ping_node(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
          uint32_t first_worker)
{
    return player(&ping_class, address, false);
}

static const MobCast work_cast = {.gcs = work_gcs, .node = work_node};
static const MobCast ping_cast = {.gcs = ping_gcs, .node = ping_node};

/* --- runs --- */

static MobWorld *
make_world(const MobCast *cast, uint32_t machines, bool encode)
{
    MobWorldOptions options = {
        .encode = encode,
        .machine_count = machines,
        .latency = MOB_TIME_NEVER,
        .jitter = MOB_TIME_NEVER,
    };
    g_autofree MobMachine *list = g_new0(MobMachine, machines);
    g_autoptr(GStringChunk) names = g_string_chunk_new(4096);

    for (uint32_t i = 0; i < machines; i++) {
        g_autofree char *name = g_strdup_printf("n%u", i);
        list[i].name = g_string_chunk_insert(names, name);
        list[i].cpus = MOB_UNIT;
    }
    options.machines = list;
    mob_config_init(&options.config, MOB_PROFILE_IDEAL);
    return mob_world_new_with(&options, cast);
}

static void
bench_run(const char *name, const MobCast *cast, uint32_t machines, uint64_t tasks, bool encode)
{
    g_autoptr(MobWorld) world = make_world(cast, machines, encode);
    MobControl *control = mob_world_control(world);
    MobUntil start = {.time = 0, .limit = MOB_TIME_NEVER};
    MobUntil rest = {.time = MOB_TIME_NEVER, .limit = MOB_TIME_NEVER};

    control->run(control, &start);
    Player *master = (Player *)control->process(control, (MobAddress){1, MOB_LOCAL_GCS});
    master->workers = machines;
    master->left = tasks;
    double begun = seconds();
    control->run(control, &rest);
    double took = seconds() - begun;
    g_assert(master->done == tasks);
    printf("{\"bench\":\"%s\",\"machines\":%u,\"encode\":%s,\"tasks_per_second\":%.0f,"
           "\"events_per_second\":%.0f,\"trace\":\"%016" G_GINT64_MODIFIER "x\"}\n",
           name, machines, encode ? "true" : "false", (double)tasks / took,
           (double)control->events(control) / took, control->hash(control));
}

int
main(void)
{
    for (size_t pending = 100; pending <= 100000; pending *= 100 / 10) {
        bench_queue(pending, MOB_LANE_NONE, 1000, "heap");
        bench_queue(pending, MOB_LANE_FAR, 1, "ring");
    }
    for (uint32_t machines = 10; machines <= 1000; machines *= 10) {
        bench_run("ping", &ping_cast, machines, 2000000, false);
        bench_run("master-worker", &work_cast, machines, 1000000, false);
    }
    bench_run("ping", &ping_cast, 10, 500000, true);
    return 0;
}
