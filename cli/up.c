/* up.c: mobula up, and what mobula start --head begins: a cluster of real
 * processes that stays until it is told to end.
 *
 * The process that makes it is its observer. When it ends, however that comes,
 * all of the cluster does.
 */
#include "cli/up.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/behind.h"
#include "cli/clusters.h"
#include "cli/observe.h"
#include "net/nest.h"
#include "net/vitals.h"
#include "runtime/str.h"

#define JOIN_TIME   (10 * MOB_SECOND)
#define STORE_SHARE 10 / 3 /* of the memory of the machine: 30 % */
#define STORE_MOST  (UINT64_C(2) << 30)

typedef struct {
    int count;        /* of machines */
    MobJoin *outside; /* as it says the head listens for more; NULL: it does not */
} Wanted;

typedef struct {
    MobCli *cli;
    MobJoin *outside;
    GArray *machines;    /* of MobMachine */
    GStringChunk *names; /* theirs */
    MobClusterPlace place;
    MobLocal *local;
    MobObserver *observer;
    MobInterest signals;
    int ready; /* whoever started us in the background waits there; -1: nobody */
} Up;

/* --- the machines --- */

uint64_t
mob_up_store(const MobFlags *flags, int count)
{
    uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

    if (flags->store > 0)
        return flags->store;
    return MIN(memory / STORE_SHARE / (uint64_t)count, STORE_MOST);
}

static void
make_machines(Up *up, int count)
{
    const MobFlags *flags = &up->cli->flags;
    uint32_t cpus = flags->cpus > 0 ? (uint32_t)flags->cpus : g_get_num_processors();
    uint64_t store = mob_up_store(flags, count);

    up->machines = g_array_new(FALSE, FALSE, sizeof(MobMachine));
    up->names = g_string_chunk_new(256);
    for (int i = 0; i < count; i++) {
        g_autofree char *name = i == 0 ? g_strdup("head") : g_strdup_printf("n%d", i);
        MobMachine machine = {
            .name = g_string_chunk_insert(up->names, name),
            .cpus = cpus * MOB_UNIT,
            .cores = cpus,
            .speed_ppm = 1000000,
            .memory = (int64_t)mob_vitals_most(flags->memory),
            .store_bytes = store,
            .head = i == 0,
        };
        g_array_append_val(up->machines, machine);
    }
}

/* --- signals --- */

static void
on_signal(MobInterest *interest, uint32_t events)
{
    struct signalfd_siginfo info;

    (void)events;
    if (read(interest->fd, &info, sizeof info) > 0)
        mob_observer_stop(interest->data);
}

static void
take_signals(Up *up)
{
    up->signals = (MobInterest){
        .fd = mob_behind_signals(),
        .events = EPOLLIN,
        .ready = on_signal,
        .data = up->observer,
    };
    mob_loop_add(mob_local_loop(up->local), &up->signals);
}

/* --- from beginning to end --- */

static void
say_machines(const Up *up, gint64 us)
{
    MobTerm *term = up->cli->term;

    for (guint i = 0; i < up->machines->len; i++) {
        const MobMachine *machine = &g_array_index(up->machines, MobMachine, i);
        g_autoptr(GString) line = g_string_new(NULL);
        g_autofree char *pid =
            g_strdup_printf("pid %d", (int)mob_local_pid(up->local, machine->name));
        mob_term_pad(line, machine->name, 6, 2);
        mob_term_pad(line, pid, 12, 2);
        g_string_append_printf(line, "✓  %d cpu  ", (int)(machine->cpus / MOB_UNIT));
        mob_term_bytes(line, machine->store_bytes);
        mob_term_say(term, "%s store", line->str);
    }
    if (up->outside != NULL)
        mob_start_say_head(up->cli, mob_local_head(up->local), up->outside);
    mob_term_say(term, "%s is up after %d ms   export MOBULA_ADDRESS=%s", up->place.name,
                 (int)(us / 1000), up->place.name);
    if (up->ready < 0)
        mob_term_say(term, "Ctrl-C stops all of it   next: mobula job submit --follow -- FILE");
    else
        mob_term_say(term, "mobula stop ends it   next: mobula job submit --follow -- FILE");
}

static bool
open_cluster(Up *up, GError **error)
{
    MobConfig config;

    mob_local_config(&config);
    if (!mob_clusters_enter(up->cli->flags.name, &up->place, error))
        return false;
    if (up->outside != NULL) {
        mob_str_unref(up->outside->answers);
        up->outside->answers = mob_str_new(up->place.socket);
    }
    up->local = mob_local_new(
        &(MobLocalOptions){
            .config = config,
            .pace = 1,
            .command = "/proc/self/exe",
            .machines = (const MobMachine *)(const void *)up->machines->data,
            .machine_count = up->machines->len,
            .stays = true,
            .outside = up->outside,
            .spill = up->cli->flags.spill_dir,
        },
        error);
    if (up->local == NULL)
        return false;
    up->observer = mob_observer_new(
        &(MobObserverOptions){
            .name = up->place.name,
            .version = MOBULA_VERSION,
            .socket = up->place.socket,
            .local = up->local,
            .machine_count = up->machines->len,
            .keep = up->cli->flags.keep,
        },
        error);
    if (up->observer == NULL)
        return false;
    take_signals(up);
    return mob_local_begin(up->local, error);
}

static MobExit
serve(Up *up, gint64 begin)
{
    MobTerm *term = up->cli->term;
    g_autoptr(GError) error = NULL;

    if (!open_cluster(up, &error)) {
        mob_term_complain(term, "%s", error->message);
        return MOB_EXIT_USAGE;
    }
    if (!mob_observer_wait(up->observer, JOIN_TIME) && !mob_observer_stopped(up->observer)) {
        mob_term_complain(term, "not all machines have joined within %d s",
                          (int)(JOIN_TIME / MOB_SECOND));
        return MOB_EXIT_FAILED;
    }
    if (mob_observer_stopped(up->observer))
        return MOB_EXIT_OK;
    if (!mob_clusters_publish(&up->place, up->machines->len, NULL, NULL, &error)) {
        mob_term_complain(term, "%s", error->message);
        return MOB_EXIT_USAGE;
    }
    say_machines(up, g_get_monotonic_time() - begin);
    if (up->ready >= 0) {
        g_autofree char *log =
            g_build_filename(mob_local_folder(up->local), "logs", "observer.log", NULL);
        mob_behind_ready(up->ready, log);
    }
    bool whole = mob_observer_run(up->observer);
    mob_term_say(term, "%s has ended", up->place.name);
    return whole ? MOB_EXIT_OK : MOB_EXIT_FAILED;
}

static MobExit
run(MobCli *cli, void *data, int ready)
{
    gint64 begin = g_get_monotonic_time();
    const Wanted *wanted = data;
    Up up = {.cli = cli, .outside = wanted->outside, .signals = {.fd = -1}, .ready = ready};

    make_machines(&up, wanted->count);
    MobExit code = serve(&up, begin);
    mob_observer_free(up.observer);
    mob_local_free(up.local);
    mob_clusters_leave(&up.place);
    if (up.signals.fd >= 0)
        close(up.signals.fd);
    g_array_unref(up.machines);
    g_string_chunk_free(up.names);
    return code;
}

/* --- the verbs --- */

MobExit
mob_up_run(MobCli *cli, int count, MobJoin *outside, bool behind)
{
    Wanted wanted = {count, outside};

    return behind ? mob_behind(cli, run, &wanted) : run(cli, &wanted, -1);
}

MobExit
mob_cli_up(MobCli *cli)
{
    const MobFlags *flags = &cli->flags;

    if (cli->word_count > 0) {
        mob_term_complain(cli->term, "up takes no words; mobula up --local 3");
        return MOB_EXIT_USAGE;
    }
    if (flags->local == 0) {
        mob_term_complain(cli->term, "how many machines? mobula up --local 3");
        return MOB_EXIT_USAGE;
    }
    return mob_up_run(cli, flags->local, NULL, flags->detach);
}

MobExit
mob_cli_sweep(MobCli *cli)
{
    if (cli->word_count != 1) {
        mob_term_complain(cli->term, "_sweep is started by mobula itself; see mobula help up");
        return MOB_EXIT_USAGE;
    }
    mob_nest_clean(cli->words[0]);
    g_clear_pointer(&(GPtrArray *){mob_clusters_list(NULL)}, g_ptr_array_unref);
    return MOB_EXIT_OK;
}
