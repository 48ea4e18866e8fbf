/* bench_master.c: a master and its workers, bare: two kinds of processes of
 * our own in the simulated world, without the protocol.
 *
 *     bench_master WORKERS TASKS
 *
 * A message of 100 bytes goes out, the worker's core is busy for 1 ms, a
 * message of 100 bytes comes back. The master keeps one task in flight per
 * worker; everybody has a machine to itself; 50 us and 125 MB/s lie between
 * machines. bench_simgrid.cpp is the same in SimGrid. Prints a line of JSON.
 *
 * A worker has a body that computes, as every task in the world has, so the
 * millisecond is one of a core that others could share, and not a timer.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

enum {
    MESSAGE_SIZE = 100,
    FIRST_WORKER = 2, /* node 1 is the head, where the master is alone */
};

typedef struct {
    MobProcess base;
    MobValue *load;
} Player;

typedef struct {
    Player player;
    uint32_t workers;
    uint64_t left; /* tasks to give out */
    uint64_t done;
} Master;

typedef struct {
    Player player;
    MobAddress master; /* nobody: the worker has nothing to do */
} Worker;

static void
send_load(const Player *player, MobAddress to, MobOutbox *out)
{
    MobKvPut *put = mob_kv_put_new();

    put->value = mob_value_ref(player->load);
    mob_send(out, to, put);
}

static void
give_out(Master *master, MobAddress to, MobOutbox *out)
{
    if (master->left == 0)
        return;
    master->left--;
    send_load(&master->player, to, out);
}

static void
master_step(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    Master *master = (Master *)self;

    if (input->kind == MOB_INPUT_START) {
        mob_set_timer(out, MOB_TIMER_SCHEDULE, 1);
    } else if (input->kind == MOB_INPUT_TIMER) {
        for (uint32_t i = 0; i < master->workers; i++)
            give_out(master, mob_node_address(FIRST_WORKER + i), out);
    } else if (input->kind == MOB_INPUT_MESSAGE) {
        master->done++;
        give_out(master, input->from, out);
    }
}

static void
worker_step(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    Worker *worker = (Worker *)self;
    const MobBodyId body = {1};

    if (input->kind == MOB_INPUT_START) {
        mob_start(out, body, mob_spec_new(), mob_args_new(0), 1, NULL);
    } else if (input->kind == MOB_INPUT_MESSAGE) {
        g_assert(!mob_address_is(worker->master));
        worker->master = input->from;
        mob_compute(out, body, MOB_MS);
    } else if (input->kind == MOB_INPUT_CALL && mob_address_is(worker->master)) {
        send_load(&worker->player, worker->master, out);
        worker->master = (MobAddress){0};
    }
}

static void
player_free(MobProcess *self)
{
    mob_value_unref(((Player *)self)->load);
    g_free(self);
}

static const MobProcessClass master_class = {
    .name = "master", .step = master_step, .free = player_free};
static const MobProcessClass worker_class = {
    .name = "worker", .step = worker_step, .free = player_free};

static void
init_player(Player *player, const MobProcessClass *class, MobAddress address)
{
    MobKvPut *put = mob_kv_put_new();

    player->base = (MobProcess){class, address};
    put->value = bench_bytes(MESSAGE_SIZE / 2);
    uint64_t head = mob_msg_weight(&put->base) - MESSAGE_SIZE / 2;
    mob_value_unref(put->value);
    put->value = bench_bytes(MESSAGE_SIZE - head);
    g_assert(mob_msg_weight(&put->base) == MESSAGE_SIZE);
    player->load = mob_value_ref(put->value);
    mob_msg_unref(&put->base);
}

static MobProcess *
master_new(MobAddress address, const MobConfig *config)
{
    Master *master = g_new0(Master, 1);

    init_player(&master->player, &master_class, address);
    return &master->player.base;
}

static MobProcess *
worker_new(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
           uint32_t first_worker)
{
    Worker *worker = g_new0(Worker, 1);

    init_player(&worker->player, &worker_class, address);
    return &worker->player.base;
}

static const MobCast cast = {.gcs = master_new, .node = worker_new};

/* --- the body: it is resumed when it has had the core, and stops again --- */

static void
body_resume(MobBody *body, const MobAnswer *answer, MobCall *call)
{
    *call = (MobCall){.kind = MOB_CALL_COMPUTE, .time = MOB_MS};
}

static void
body_free(MobBody *body)
{
    g_free(body);
}

static const MobBodyClass body_class = {body_resume, body_free};

static MobBody *
start(MobLoader *self, const MobBodyContext *context, const MobValue *bundle, const MobArgs *args)
{
    MobBody *body = g_new0(MobBody, 1);

    body->class = &body_class;
    return body;
}

static void
drop(MobLoader *self, MobAddress worker)
{
}

/* --- the run --- */

static Master *
first_master(MobControl *control)
{
    const MobUntil begin = {.time = 0, .limit = MOB_TIME_NEVER};

    control->run(control, &begin);
    return (Master *)control->process(control, (MobAddress){1, MOB_LOCAL_GCS});
}

int
main(int argc, char **argv)
{
    uint32_t workers = argc > 1 ? (uint32_t)atoi(argv[1]) : 10;
    uint64_t tasks = argc > 2 ? (uint64_t)atoll(argv[2]) : 1000000;
    MobLoader loader = {start, drop, 0};
    const MobUntil rest = {.time = MOB_TIME_NEVER, .limit = MOB_TIME_NEVER};

    bench_keep_memory();
    BenchClock begun = bench_now();
    g_autoptr(MobWorld) world = bench_world(&(BenchCluster){.machines = workers,
                                                            .cores = 1,
                                                            .idle_head = true,
                                                            .latency = 50 * MOB_US,
                                                            .bps = UINT64_C(1000000000),
                                                            .loader = &loader,
                                                            .cast = &cast});
    MobControl *control = mob_world_control(world);
    Master *master = first_master(control);
    master->workers = workers;
    master->left = tasks;
    control->run(control, &rest);
    BenchClock took = bench_since(begun);
    g_assert(master->done == tasks);
    printf("{\"bench\":\"master\",\"workers\":%u,\"tasks\":%" G_GUINT64_FORMAT
           ",\"virtual_s\":%.6f,\"wall_s\":%.3f,\"cpu_s\":%.3f,\"tasks_per_s\":%.0f,"
           "\"events_per_s\":%.0f,\"peak_kib\":%" G_GUINT64_FORMAT "}\n",
           workers, tasks, (double)control->now(control) / 1e9, took.wall, took.cpu,
           (double)tasks / took.cpu, (double)control->events(control) / took.cpu, bench_peak_kib());
    return 0;
}
