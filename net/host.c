/* host.c: see host.h. */
#include "net/shared.h"

#include <string.h>

#include "runtime/gcs.h"
#include "runtime/node.h"
#include "runtime/worker.h"

enum {
    IN_FLIGHT_MAX = 64 << 20, /* bytes of one object */
};

/* --- effects --- */

static void
persist(MobNetHost *host)
{
    GArray *persists = host->out.persists;

    for (guint i = 0; i < persists->len; i++) {
        MobPersist *record = &g_array_index(persists, MobPersist, i);
        if (host->journal != NULL)
            mob_net_journal_write(host->journal, record->key, record->value);
        mob_str_unref(record->key);
        if (record->value != NULL)
            g_bytes_unref(record->value);
    }
    g_array_set_size(persists, 0);
}

static void
set_alarms(MobNetHost *host)
{
    if (!host->out.alarmed)
        return;
    host->out.alarmed = false;
    for (unsigned timer = 0; timer < MOB_TIMER_COUNT; timer++) {
        if (host->out.alarms[timer] != 0)
            host->alarms[timer] = host->out.alarms[timer];
        host->out.alarms[timer] = 0;
    }
}

void
mob_nethost_end(MobNetHost *host, const char *why)
{
    if (host->over)
        return;
    host->over = true;
    host->over_why = g_strdup(why);
}

/* What programs print goes to the log of the process too, among what the
 * process writes by itself. */
static void
write_output(MobNetHost *host, const char *text)
{
    g_autofree char *line = g_str_has_suffix(text, "\n") ? NULL : g_strconcat(text, "\n", NULL);

    mob_log_write(&host->log, line != NULL ? line : text, strlen(line != NULL ? line : text));
}

/* Carries out one effect and empties it. Returns whether the process goes on. */
static bool
carry_out(MobNetHost *host, MobEffect *effect)
{
    switch (effect->kind) {
    case MOB_EFFECT_SEND:
        mob_shim_send(host, effect->address, effect->msg);
        break;
    case MOB_EFFECT_START:
        mob_running_start(host, effect);
        break;
    case MOB_EFFECT_RESUME:
        mob_running_resume(host, effect);
        break;
    case MOB_EFFECT_COMPUTE:
    case MOB_EFFECT_SLEEP:
        mob_running_wait(host, effect);
        break;
    case MOB_EFFECT_END:
        mob_running_end(host, effect->body);
        break;
    case MOB_EFFECT_SPAWN:
        mob_daemon_spawn(host, effect->address);
        break;
    case MOB_EFFECT_KILL:
        mob_daemon_kill(host, effect->address);
        break;
    case MOB_EFFECT_OUTPUT:
        write_output(host, mob_str(effect->str));
        mob_str_unref(effect->str);
        break;
    case MOB_EFFECT_DISK:
        mob_net_disk_order(host->disk, effect->disk, host->events);
        break;
    case MOB_EFFECT_EXIT:
        mob_nethost_end(host, mob_str(effect->str));
        mob_str_unref(effect->str);
        return false;
    }
    return true;
}

/* A body has called, and whoever waits for what it called for has it before the
 * body goes on, or what it leaves is cleared up: they work at the same time.
 * Not if another body is to be started: then more will be sent in this round. */
static bool
is_hurried(const MobInput *input, MobEffectKind last)
{
    return input->kind == MOB_INPUT_CALL && (last == MOB_EFFECT_RESUME || last == MOB_EFFECT_END);
}

/* What comes behind an exit does not happen. */
static void
carry_out_all(MobNetHost *host, const MobInput *input)
{
    GArray *effects = host->out.effects;
    guint i = 0;

    persist(host);
    set_alarms(host);
    host->urgent = NULL;
    for (; i < effects->len; i++) {
        MobEffect *effect = &g_array_index(effects, MobEffect, i);
        if (i + 1 == effects->len && is_hurried(input, effect->kind))
            mob_peers_hurry(host);
        if (!carry_out(host, effect))
            break;
    }
    if (i < effects->len)
        g_array_remove_range(effects, 0, i + 1);
    else
        effects->len = 0;
    if (effects->len > 0)
        mob_outbox_drop(&host->out);
}

/* --- steps --- */

void
mob_nethost_step(MobNetHost *host, MobInput *input, MobAddress from, uint64_t event)
{
    if (host->over)
        return;
    input->now = mob_clock_now(&host->clock);
    input->event = ++host->events;
    input->picks = host->picks;
    host->cause = (MobCause){from, event};
    host->process->class->step(host->process, input, &host->out);
    mob_look_step(host, input);
    carry_out_all(host, input);
}

static void
start(MobNetHost *host)
{
    MobInput input = {.kind = MOB_INPUT_START};

    if (host->journal != NULL)
        input.records = mob_net_journal_records(host->journal, &input.record_count);
    mob_nethost_step(host, &input, host->address, 0);
}

void
mob_nethost_fire(MobNetHost *host, MobTimer timer)
{
    MobInput input = {.kind = MOB_INPUT_TIMER, .timer = timer};

    if (host->alarms[timer] > mob_clock_now(&host->clock))
        return;
    host->alarms[timer] = MOB_TIME_NEVER;
    mob_nethost_step(host, &input, host->address, host->events);
}

static MobTime
next_alarm(const MobNetHost *host)
{
    MobTime due = MOB_TIME_NEVER;

    for (unsigned timer = 0; timer < MOB_TIMER_COUNT; timer++)
        due = MIN(due, host->alarms[timer]);
    return due;
}

static void
fire_timers(MobNetHost *host)
{
    if (next_alarm(host) > mob_clock_now(&host->clock))
        return;
    for (unsigned timer = 0; timer < MOB_TIMER_COUNT; timer++)
        mob_nethost_fire(host, (MobTimer)timer);
}

/* --- the round --- */

static uint64_t
wait_until(const MobNetHost *host)
{
    MobTime due = MIN(MIN(mob_running_due(host), mob_shim_due(host)), next_alarm(host));

    return due == 0 ? 0 : MIN(mob_clock_when(&host->clock, due), host->look_at);
}

/* Durable before anything that was said of it leaves. A disk that is full may
 * have room later; until then nobody is answered, and it is said once. */
static bool
commit(MobNetHost *host)
{
    g_autoptr(GError) error = NULL;

    if (host->journal == NULL)
        return true;
    bool durable = mob_net_journal_commit(host->journal, &error);
    if (!durable && g_strcmp0(host->trouble, error->message) != 0) {
        g_printerr("mobula: %s: %s; until then nobody is answered\n", mob_str(host->birth->name),
                   error->message);
        g_free(host->trouble);
        host->trouble = g_strdup(error->message);
    } else if (durable && host->trouble != NULL) {
        g_printerr("mobula: %s: it can write again\n", mob_str(host->birth->name));
        g_clear_pointer(&host->trouble, g_free);
    }
    return durable;
}

bool
mob_nethost_finish_round(MobNetHost *host)
{
    mob_look_flush(host);
    bool sent = commit(host) && mob_peers_flush(host);
    mob_look_rest(host);
    return sent;
}

/* Who has just sent something waits for its answer, or is given more to do. */
static void
wait_for_more(MobNetHost *host, bool busy, bool sent)
{
    uint64_t until = busy ? 0 : wait_until(host);
    bool come = false;

    if (sent && until > 0 && host->daemon == NULL && host->role != MOB_ROLE_GCS &&
        mob_spin_may(&host->spin, host->clock.round)) {
        come = mob_lines_spin(host, mob_spin_time(&host->spin));
        mob_spin_learn(&host->spin, come);
    }
    if (!come)
        mob_loop_poll(host->loop, until);
    mob_clock_tick(&host->clock);
    mob_lines_act(host);
}

void
mob_nethost_begin(MobNetHost *host)
{
    mob_clock_tick(&host->clock);
    start(host);
}

void
mob_nethost_round(MobNetHost *host, bool waits)
{
    bool busy = true;

    for (int turn = 0; busy && turn < 64 && !host->over; turn++) {
        busy = mob_look_settle(host);
        busy |= mob_peers_settle(host);
        busy |= mob_running_run(host);
    }
    bool sent = mob_nethost_finish_round(host);
    if (host->over)
        return;
    if (!busy)
        mob_shared_ahead(host);
    wait_for_more(host, busy || !waits, sent);
    mob_shim_go_on(host);
    fire_timers(host);
}

const char *
mob_nethost_run(MobNetHost *host)
{
    mob_nethost_begin(host);
    while (!host->over)
        mob_nethost_round(host, true);
    mob_look_died(host, host->address, host->over_why);
    mob_peers_leave(host, host->over_why);
    mob_nethost_finish_round(host);
    return host->over_why;
}

/* --- making --- */

static MobProcess *
make_worker(MobNetHost *host)
{
    const MobBirth *birth = host->birth;
    MobWorkerOptions options = {
        .gcs = birth->gcs,
        .node_manager = mob_node_address(birth->address.node),
        .node_name = birth->node_name,
        .driver = birth->role == MOB_ROLE_DRIVER,
        .job_name = birth->job_name,
        .bundle_id = birth->bundle_id,
        .bundle = birth->bundle,
        .args = birth->args,
    };
    g_autoptr(MobStr) root_path =
        birth->job > 1 ? mob_str_printf("%u:", birth->job) : mob_str_new("");

    options.root = mob_task_root(birth->job);
    options.root_path = root_path;
    return mob_worker_new(host->address, &host->config, &options);
}

static MobProcess *
make_process(MobNetHost *host)
{
    const MobBirth *birth = host->birth;

    if (birth->role == MOB_ROLE_GCS)
        return mob_gcs_new(host->address, &host->config);
    if (birth->role != MOB_ROLE_NODE)
        return make_worker(host);
    MobNodeOptions options = {
        .name = birth->node_name,
        .total = birth->total,
        .store_bytes = birth->store_bytes,
        .cores = birth->cores,
        .head = birth->head,
        .gcs = birth->gcs,
        .room = mob_shared_room(host),
    };
    return mob_node_new(host->address, &host->config, &options, MOB_LOCAL_POOL);
}

static bool
open_journal(MobNetHost *host, GError **error)
{
    if (host->role != MOB_ROLE_GCS)
        return true;
    g_autofree char *path = g_build_filename(mob_str(host->birth->folder), "gcs.db", NULL);
    host->journal = mob_net_journal_open(path, error);
    return host->journal != NULL;
}

static void
on_disk(void *data, uint64_t event, const MobDiskAnswer *answer)
{
    MobNetHost *host = data;
    MobInput input = {.kind = MOB_INPUT_DISK, .disk = answer};

    mob_nethost_step(host, &input, host->address, event);
}

static void
on_disk_bite(void *data, uint32_t number)
{
    mob_look_bite(data, number);
}

/* What the cluster's disks take for a KiB: only a fault asks for it. */
static uint64_t
disk_time(const MobNetHost *host)
{
    const uint64_t bits = 8 * 1024;

    return bits * 1000 / MAX(host->config.disk_bandwidth, 1) * host->clock.pace;
}

/* One folder for all lives of a machine, so that each removes what the one before has left. */
static void
open_disk(MobNetHost *host)
{
    const MobBirth *birth = host->birth;
    const char *parent = mob_str(birth->spill != NULL ? birth->spill : birth->folder);
    g_autofree char *name = g_strconcat("spill.", mob_str(birth->node_name), NULL);
    g_autofree char *folder = g_build_filename(parent, name, NULL);

    host->disk = mob_net_disk_new(&(MobNetDiskOptions){.folder = folder,
                                                       .name = mob_str(birth->name),
                                                       .loop = host->loop,
                                                       .room = mob_shared_room(host),
                                                       .most = host->config.disk_full,
                                                       .ns_per_kib = disk_time(host),
                                                       .answer = on_disk,
                                                       .bite = on_disk_bite,
                                                       .data = host});
}

/* Somebody on this machine wants it to leave in order. */
static void
on_leave(MobInterest *interest, uint32_t events)
{
    MobNetHost *host = interest->data;
    MobInput input = {.kind = MOB_INPUT_LEAVE};

    (void)events;
    mob_loop_remove(host->loop, interest);
    mob_nethost_step(host, &input, host->address, 0);
}

static void
heed_leave(MobNetHost *host, int fd)
{
    if (fd == 0)
        return;
    host->leave = (MobInterest){.fd = fd, .events = EPOLLIN, .ready = on_leave, .data = host};
    mob_loop_add(host->loop, &host->leave);
}

/* A line with too much in it counts as lost, and what was under way would be
 * sent again, and again. */
static void
bound_in_flight(MobConfig *config)
{
    uint64_t most = MAX(IN_FLIGHT_MAX / MAX(config->chunk, 1), 1);

    config->chunks_in_flight = MIN(config->chunks_in_flight, most);
}

MobNetHost *
mob_nethost_new(const MobNetHostOptions *options, GError **error)
{
    g_autoptr(MobNetHost) host = g_new0(MobNetHost, 1);
    const MobBirth *birth = options->birth;

    host->birth = birth;
    host->mesh = options->mesh;
    host->loader = options->loader;
    host->log = mob_birth_runs_programs(birth->role)
                    ? mob_log_open(mob_str(birth->folder), mob_str(birth->name))
                    : (MobLog){.fd = -1};
    host->address = birth->address;
    host->role = (MobRole)birth->role;
    host->clock = (MobClock){.epoch = birth->epoch, .pace = MAX(birth->pace, 1)};
    host->pick_config.seed = birth->seed;
    host->speed_ppm = 1000000;
    for (unsigned timer = 0; timer < MOB_TIMER_COUNT; timer++)
        host->alarms[timer] = MOB_TIME_NEVER;
    mob_spin_init(&host->spin);
    mob_outbox_init(&host->out);
    host->out.wanted = birth->wanted;
    host->picks = mob_picks_new(&host->pick_config);
    host->running = g_ptr_array_new();
    host->bundles = g_ptr_array_new_with_free_func((GDestroyNotify)mob_value_unref);
    host->loop = mob_loop_new();
    if (!mob_birth_read_config(birth->config, &host->config)) {
        g_set_error(error, MOB_NET_ERROR, 0,
                    "the settings that %s was given are not those of this version",
                    mob_str(birth->name));
        return NULL;
    }
    bound_in_flight(&host->config);
    if (!mob_peers_listen(host, error) || !open_journal(host, error))
        return NULL;
    if (host->mesh != NULL)
        mob_mesh_begin(host);
    mob_shim_init(host);
    mob_look_init(host);
    if (host->role != MOB_ROLE_GCS)
        host->shared = mob_shared_new(host);
    if (host->role == MOB_ROLE_NODE) {
        host->pairs = mob_pairs_new();
        open_disk(host);
        mob_daemon_init(host, options->zygote);
    }
    heed_leave(host, options->leave);
    host->process = make_process(host);
    return g_steal_pointer(&host);
}

void
mob_nethost_free(MobNetHost *host)
{
    if (host == NULL)
        return;
    if (host->daemon != NULL)
        mob_daemon_free(host);
    mob_nudge_clear(host);
    mob_running_clear(host);
    if (host->process != NULL)
        host->process->class->free(host->process);
    mob_net_disk_free(host->disk);
    if (host->shim != NULL)
        mob_shim_free(host);
    if (host->look != NULL)
        mob_look_free(host);
    mob_peers_free(host);
    mob_pairs_free(host->pairs);
    mob_texts_clear(&host->texts);
    mob_mesh_free(host->mesh);
    mob_net_journal_free(host->journal);
    mob_outbox_clear(&host->out);
    mob_shared_free(host->shared);
    mob_picks_free(host->picks);
    g_ptr_array_unref(host->running);
    g_ptr_array_unref(host->bundles);
    mob_loop_free(host->loop);
    mob_spin_clear(&host->spin);
    mob_log_close(&host->log);
    g_free(host->over_why);
    g_free(host->trouble);
    g_free(host);
}
