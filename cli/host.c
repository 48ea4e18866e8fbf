/* host.c: see host.h. */
#include "cli/host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/folder.h"
#include "cli/guard.h"
#include "cli/json.h"
#include "cli/loaders.h"
#include "cli/print.h"
#include "cli/watchdog.h"
#include "net/local.h"
#include "net/remote.h"
#include "sim/check.h"
#include "sim/world.h"

enum {
    ORACLE_STEPS = 200 * 1000, /* calls that a program may make and still be evaluated twice */
};

typedef struct Cluster Cluster;

/* A job whose answer can be told beforehand. */
typedef struct {
    uint32_t number;
    MobOracle *oracle;
    MobValue *bundle; /* which the oracle borrows */
} Foreseen;

/* What programs print, and the events that somebody wants to see. */
typedef struct {
    MobWatcher watcher;
    Cluster *cluster;
} Printer;

struct Cluster {
    MobHostCluster base;
    MobHost *host;
    MobWorld *world;   /* NULL once it is closed, or if it is real */
    MobLocal *local;   /* likewise, if it is simulated */
    MobRemote *remote; /* likewise; if it was there before */
    MobGuard guard;    /* what others see of the world */
    MobTeller *teller;
    Printer printer;
    MobCheck *check;
    uint64_t seen; /* events, for the watchdog */
    size_t machines;
    bool oracle;
    GArray *foreseen; /* of Foreseen */
    MobConfig config;
    MobPickConfig picks;
    MobPickConfig oracle_picks; /* the same chance, unseen by the trace */
};

struct MobHost {
    MobHostOptions options;
    char *name;   /* of the file, without its folder */
    char *folder; /* of the file */
    MobScenarioHost scenario;
    MobLuaReader reader;
    MobLoaders loaders;
    GPtrArray *clusters; /* of Cluster, owned */
};

/* --- what is printed --- */

static void
on_event(MobWatcher *self, const MobEvent *event)
{
    Cluster *cluster = ((Printer *)self)->cluster;
    const MobHostOptions *options = &cluster->host->options;
    cluster->seen++;
    for (size_t i = 0; i < event->note_count; i++) {
        if (event->notes[i].kind != MOB_NOTE_OUTPUT || options->mute)
            continue;
        mob_teller_flush(cluster->teller);
        mob_print_output(cluster->base.state, &event->notes[i], options->json);
    }
    if (event->number >= options->print_from && event->number <= options->print_to)
        mob_print_event(cluster->base.state, event);
}

/* --- clusters --- */

static void
watch(Cluster *cluster)
{
    const MobHostOptions *options = &cluster->host->options;
    MobControl *control = cluster->base.control;

    if (cluster->base.state != NULL)
        control->watch(control, &cluster->base.state->watcher);
    if (cluster->check != NULL)
        control->watch(control, mob_check_watcher(cluster->check));
    if (cluster->base.trace != NULL)
        control->watch(control, &cluster->base.trace->watcher);
    if (options->story) {
        cluster->teller = mob_teller_new(&(MobTellerOptions){
            .term = options->term,
            .state = cluster->base.state,
            .verbose = options->verbose,
            .plain = options->plain,
            .file = cluster->host->name,
            .machines = cluster->machines,
        });
        control->watch(control, mob_teller_watcher(cluster->teller));
    }
    cluster->printer = (Printer){
        .watcher = {.wanted = MOB_WANT(OUTPUT) | (options->print_to > 0 ? MOB_WANT_STEPS : 0),
                    .event = on_event},
        .cluster = cluster,
    };
    control->watch(control, &cluster->printer.watcher);
}

static void
announce(Cluster *cluster, const MobClusterOptions *wanted)
{
    const MobHostOptions *options = &cluster->host->options;
    g_autoptr(GString) line = g_string_new(NULL);

    if (!options->story)
        return;
    if (wanted->number > 1)
        mob_term_say(options->term, "%s", "");
    g_string_printf(line, "seed %" G_GUINT64_FORMAT "   %u node%s", wanted->seed,
                    (unsigned)wanted->machine_count, wanted->machine_count == 1 ? "" : "s");
    if (wanted->profile != MOB_PROFILE_IDEAL)
        g_string_append_printf(line, "   %s", mob_profile_name(wanted->profile));
    if (options->connect != NULL)
        g_string_assign(line, "on a cluster that is there, whatever the scenario asks for");
    if (wanted->number > 1)
        g_string_append_printf(line, "   cluster %u, %s:%u", wanted->number, cluster->host->name,
                               wanted->line);
    mob_term_say(options->term, "%s", line->str);
}

static void
foreseen_clear(void *data)
{
    Foreseen *foreseen = data;
    mob_oracle_free(foreseen->oracle);
    mob_value_unref(foreseen->bundle);
}

/* Evaluates a job that was just submitted, in the simplest way there is. */
static void
on_submitted(void *data, const MobJob *job, uint32_t number)
{
    Cluster *cluster = data;
    g_autofree char *root = number == 1 ? g_strdup("") : g_strdup_printf("%u:", number);
    Foreseen foreseen = {.number = number};

    if (cluster->check == NULL || !cluster->oracle)
        return;
    foreseen.bundle = mob_value_ref(job->bundle);
    MobLoader *loader = mob_loaders_of(&cluster->host->loaders, job->bundle_id);
    mob_watchdog_begin(cluster->host->loaders.lua, &loader->resumed, true);
    foreseen.oracle =
        mob_oracle_new(loader, &cluster->oracle_picks, &cluster->config, job, root, ORACLE_STEPS);
    bool ended = mob_watchdog_end();
    const char *silent =
        ended ? "a body computes for very long" : mob_oracle_silent(foreseen.oracle);
    if (silent != NULL && cluster->host->options.verbose > 0)
        mob_term_say(cluster->host->options.term, "no oracle for %s: %s", job->name, silent);
    if (ended) { /* what it says of that body is not what the program makes */
        foreseen_clear(&foreseen);
        return;
    }
    if (number == 1)
        mob_check_set_oracle(cluster->check, foreseen.oracle);
    g_array_append_val(cluster->foreseen, foreseen);
}

static void
on_running(void *data)
{
    Cluster *cluster = data;
    mob_watchdog_begin(cluster->host->loaders.lua, &cluster->seen, false);
}

static void
on_rested(void *data)
{
    mob_watchdog_end();
    mob_teller_rest(((Cluster *)data)->teller);
}

static void
guard(Cluster *cluster, const MobClusterOptions *wanted, MobControl *control)
{
    bool simulated = cluster->world != NULL;
    cluster->guard = (MobGuard){
        .limit = cluster->host->options.limit,
        .submitted = on_submitted,
        .running = simulated ? on_running : NULL, /* else bodies run elsewhere */
        .rested = on_rested,
        .data = cluster,
    };
    mob_guard_init(&cluster->guard, control);
    cluster->base.control = &cluster->guard.base;
    cluster->oracle = wanted->oracle;
    cluster->machines = wanted->machine_count;
    cluster->foreseen = g_array_new(FALSE, TRUE, sizeof(Foreseen));
    g_array_set_clear_func(cluster->foreseen, foreseen_clear);
}

/* Real processes on this machine. The daemons look for files where we do. */
static bool
open_local(Cluster *cluster, const MobClusterOptions *wanted, GError **error)
{
    const MobHostOptions *options = &cluster->host->options;
    cluster->local = mob_local_new(
        &(MobLocalOptions){
            .config = wanted->config,
            .seed = wanted->seed,
            .pace = options->pace,
            .command = "/proc/self/exe",
            .machines = wanted->machines,
            .machine_count = wanted->machine_count,
            .wire = options->wire,
        },
        error);
    if (cluster->local == NULL)
        return false;
    g_setenv(MOB_FILES_VARIABLE, cluster->host->folder, TRUE);
    guard(cluster, wanted, mob_local_control(cluster->local));
    return true;
}

/* A cluster that is there: it is as it is, whatever the scenario asks for. */
static bool
open_remote(Cluster *cluster, const MobClusterOptions *wanted, GError **error)
{
    const MobHostOptions *options = &cluster->host->options;
    MobStream stream;

    for (guint i = 0; i < cluster->host->clusters->len; i++) {
        Cluster *before = g_ptr_array_index(cluster->host->clusters, i);
        if (before->remote != NULL) /* there is only one */
            mob_remote_leave(before->remote);
    }
    if (!options->connect(options->connect_data, &stream, error))
        return false;
    cluster->remote = mob_remote_new(&stream, wanted->seed);
    guard(cluster, wanted, mob_remote_control(cluster->remote));
    return true;
}

static bool
open_real(Cluster *cluster, const MobClusterOptions *wanted, GError **error)
{
    return cluster->host->options.connect != NULL ? open_remote(cluster, wanted, error)
                                                  : open_local(cluster, wanted, error);
}

/* When all watchers are there. */
static bool
begin_real(Cluster *cluster, GError **error)
{
    if (cluster->remote != NULL) {
        bool begun = mob_remote_begin(cluster->remote, MOBULA_VERSION, error);
        if (begun && cluster->base.state != NULL)
            mob_state_count_from(cluster->base.state, mob_remote_jobs_before(cluster->remote));
        return begun;
    }
    return cluster->local == NULL || mob_local_begin(cluster->local, error);
}

static void
open_world(Cluster *cluster, const MobClusterOptions *wanted)
{
    MobHost *host = cluster->host;
    cluster->world = mob_world_new(&(MobWorldOptions){
        .config = wanted->config,
        .picks = cluster->picks,
        .encode = host->options.encode,
        .shuffle = wanted->seed != 0,
        .loader = &host->loaders.loader,
        .machines = wanted->machines,
        .machine_count = wanted->machine_count,
        .latency = wanted->latency,
        .jitter = wanted->jitter,
        .bps = wanted->bps,
    });
    guard(cluster, wanted, mob_world_control(cluster->world));
    if (wanted->check)
        cluster->check = mob_check_new(cluster->world, cluster->base.state, &cluster->config);
}

static MobControl *
make_cluster(void *data, const MobClusterOptions *wanted, GError **error)
{
    MobHost *host = data;
    Cluster *cluster = g_new0(Cluster, 1);

    cluster->host = host;
    cluster->config = wanted->config;
    cluster->base.line = wanted->line;
    cluster->base.seed = wanted->seed;
    if (host->options.state || host->options.trace || host->options.story || wanted->check)
        cluster->base.state = mob_state_new();
    if (host->options.trace)
        cluster->base.trace = mob_trace_new(cluster->base.state, 0);
    cluster->picks = (MobPickConfig){
        .seed = wanted->seed,
        .listener = cluster->base.trace != NULL ? mob_trace_pick : NULL,
        .listener_data = cluster->base.trace,
    };
    cluster->oracle_picks = (MobPickConfig){.seed = wanted->seed};
    g_ptr_array_add(host->clusters, cluster);
    if (!host->options.local)
        open_world(cluster, wanted);
    else if (!open_real(cluster, wanted, error))
        return NULL;
    announce(cluster, wanted);
    watch(cluster);
    if (!begin_real(cluster, error))
        return NULL;
    return cluster->base.control;
}

static Cluster *
find_cluster(MobHost *host, MobControl *control)
{
    for (guint i = host->clusters->len; i-- > 0;) {
        Cluster *cluster = g_ptr_array_index(host->clusters, i);
        if (cluster->base.control == control)
            return cluster;
    }
    return NULL;
}

static GArray *
count_bites(MobControl *control)
{
    GArray *bites = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    for (uint32_t fault = 1; fault <= control->fault_count(control); fault++) {
        uint64_t count = control->bites(control, fault);
        g_array_append_val(bites, count);
    }
    return bites;
}

static void
close_cluster(Cluster *cluster)
{
    size_t count = 0;
    MobControl *control = cluster->base.control;
    if (control == NULL)
        return;
    mob_teller_free(g_steal_pointer(&cluster->teller));
    const uint64_t *checkpoints =
        cluster->world != NULL ? mob_world_checkpoints(cluster->world, &count) : NULL;
    cluster->base.checkpoints = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    if (count > 0)
        g_array_append_vals(cluster->base.checkpoints, checkpoints, (guint)count);
    cluster->base.bites = count_bites(control);
    cluster->base.events = control->events(control);
    cluster->base.hash = control->hash(control);
    cluster->base.now = control->now(control);
    cluster->base.control = NULL;
    g_clear_pointer(&cluster->check, mob_check_free);
    g_clear_pointer(&cluster->foreseen, g_array_unref);
    g_clear_pointer(&cluster->world, mob_world_free);
    g_clear_pointer(&cluster->local, mob_local_free);
    g_clear_pointer(&cluster->remote, mob_remote_free);
}

void
mob_host_close(MobHost *host, MobControl *control)
{
    Cluster *cluster = find_cluster(host, control);
    g_assert(cluster != NULL);
    close_cluster(cluster);
}

static void
on_close(void *data, MobControl *control)
{
    mob_host_close(data, control);
}

/* What the built-in properties and the oracle found; (transfer full). */
static char *
on_verdict(void *data, MobControl *control, bool final)
{
    Cluster *cluster = find_cluster(data, control);
    if (cluster == NULL || cluster->check == NULL)
        return NULL;
    for (guint i = 0; i < cluster->foreseen->len; i++) {
        const Foreseen *foreseen = &g_array_index(cluster->foreseen, Foreseen, i);
        if (control->job_done(control, foreseen->number))
            mob_check_answer(cluster->check, foreseen->oracle,
                             control->job_result(control, foreseen->number));
    }
    if (final && mob_world_pending(cluster->world) == 0)
        mob_check_at_rest(cluster->check, false);
    const MobViolation *violation = mob_check_violation(cluster->check);
    if (violation == NULL)
        return NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_printf(text, "property %s, %s, broke at @%" G_GUINT64_FORMAT ", ", violation->property,
                    violation->name, violation->event);
    mob_term_ms(text, violation->at);
    g_string_append_printf(text, " ms: %s", violation->text);
    return g_strdup(text->str);
}

static MobState *
on_state(void *data, MobControl *control)
{
    Cluster *cluster = find_cluster(data, control);
    return cluster != NULL ? cluster->base.state : NULL;
}

static void
on_say(void *data, const char *text)
{
    MobHost *host = data;
    if (host->options.mute)
        return;
    for (guint i = 0; i < host->clusters->len; i++)
        mob_teller_flush(((const Cluster *)host->clusters->pdata[i])->teller);
    if (!host->options.json) {
        puts(text);
        fflush(stdout);
        return;
    }
    g_autoptr(GString) line = g_string_new(NULL);
    MobJson json = mob_json(line);
    mob_json_open(&json, '{');
    mob_json_put_text(&json, "type", "print");
    mob_json_put_text(&json, "text", text);
    mob_json_close(&json, '}');
    puts(line->str);
}

static char *
on_read(void *data, const char *path, size_t *length, GError **error)
{
    const MobHost *host = data;
    g_autofree char *found = mob_loaders_find(host->folder, path);
    return mob_read_whole(found, length, error);
}

static bool
on_check_program(void *data, const MobStr *bundle_id, GError **error)
{
    return mob_host_check_program(data, bundle_id, error);
}

MobControl *
mob_host_default_cluster(MobHost *host, GError **error)
{
    static const char *const names[] = {"head", "n1", "n2"};
    MobMachine machines[G_N_ELEMENTS(names)] = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        machines[i] = (MobMachine){
            .name = names[i],
            .cpus = 2 * 10000,
            .cores = 2,
            .speed_ppm = 1000000,
            .memory = INT64_C(8) << 30,
            .store_bytes = UINT64_C(2) << 30,
            .head = i == 0,
        };
    MobClusterOptions options = {
        .machines = machines,
        .machine_count = G_N_ELEMENTS(machines),
        /* Real machines may be busy for longer than the textbook's take to be dead. */
        .profile = host->options.local ? MOB_PROFILE_MODERN : MOB_PROFILE_IDEAL,
        .latency = MOB_TIME_NEVER,
        .seed = host->options.seed,
        .oracle = host->options.oracle,
        .check = host->options.check,
        .number = 1,
    };
    if (host->options.local)
        mob_local_config(&options.config);
    else
        mob_config_init(&options.config, options.profile);
    return make_cluster(host, &options, error);
}

bool
mob_host_check_program(MobHost *host, const MobStr *bundle_id, GError **error)
{
    return mob_program_check(host->loaders.c, bundle_id, error);
}

/* --- the host --- */

const MobLoaders *
mob_host_loaders(const MobHost *host)
{
    return &host->loaders;
}

static void
cluster_free(void *data)
{
    Cluster *cluster = data;
    close_cluster(cluster);
    g_clear_pointer(&cluster->base.checkpoints, g_array_unref);
    g_clear_pointer(&cluster->base.bites, g_array_unref);
    mob_trace_free(cluster->base.trace);
    mob_state_free(cluster->base.state);
    g_free(cluster);
}

MobHost *
mob_host_new(const MobHostOptions *options)
{
    MobHost *host = g_new0(MobHost, 1);
    host->options = *options;
    host->name = g_path_get_basename(options->file);
    host->clusters = g_ptr_array_new_with_free_func(cluster_free);
    host->folder = g_path_get_dirname(options->file);
    mob_loaders_init(&host->loaders, host->folder);
    host->reader = (MobLuaReader){.read = on_read, .data = host};
    mob_lua_loader_set_reader(host->loaders.lua, &host->reader);
    host->scenario = (MobScenarioHost){
        .cluster = make_cluster,
        .close = on_close,
        .state = on_state,
        .verdict = on_verdict,
        .read = on_read,
        .check_program = on_check_program,
        .say = on_say,
        .data = host,
        .world = options->local ? "local" : "sim",
        .seed = options->seed,
        .check = options->check,
        .oracle = options->oracle,
    };
    return host;
}

void
mob_host_free(MobHost *host)
{
    if (host == NULL)
        return;
    g_ptr_array_unref(host->clusters);
    mob_loaders_clear(&host->loaders);
    g_free(host->folder);
    g_free(host->name);
    g_free(host);
}

const MobScenarioHost *
mob_host_scenario(MobHost *host)
{
    return &host->scenario;
}

guint
mob_host_count(const MobHost *host)
{
    return host->clusters->len;
}

const MobHostCluster *
mob_host_cluster(const MobHost *host, guint index)
{
    return &((Cluster *)g_ptr_array_index(host->clusters, index))->base;
}

uint64_t
mob_host_hash(const MobHost *host)
{
    if (host->clusters->len == 1)
        return mob_host_cluster(host, 0)->hash;
    uint64_t hash = 0;
    for (guint i = 0; i < host->clusters->len; i++)
        hash = mob_mix(hash ^ mob_host_cluster(host, i)->hash);
    return hash;
}
