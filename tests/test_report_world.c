/* test_report_world.c: whoever looks on from another process sees the same.
 *
 * The scenarios of the lecture run with every watcher, the scenario's own
 * claims and hooks included, told through reports alone. Beside them a state
 * and a trace are told directly; the two databases are the same to the byte.
 */
#include <glib/gstdio.h>

#include "runtime/report.h"
#include "tests/stage.h"
#include "viz/rundb.h"

/* A watcher that passes on what it is told, as bytes. */
typedef struct {
    MobWatcher base;
    MobWatcher *to;
} Relay;

/* Who looks at one cluster: [0] is told directly, [1] by reports. */
typedef struct {
    MobControl *control;
    void (*watch)(MobControl *self, MobWatcher *watcher);
    MobState *states[2];
    MobTrace *traces[2];
} Looker;

typedef struct {
    Stage *stage;
    GPtrArray *relays; /* of Relay, owned */
    GArray *lookers;   /* of Looker, that are not closed */
    uint64_t reports;
    guint compared;
} Lookers;

/* A control has no place for whose it is; Criterion gives each test a process. */
static Lookers all;

/* Freed as soon as it is told: a watcher that kept a pointer is found out. */
static void
pass_on(const MobWatcher *self, const MobBuf *wire, uint64_t event)
{
    g_autofree uint8_t *exact = g_memdup2(wire->data, wire->length);
    g_autoptr(GError) error = NULL;
    g_autoptr(MobReport) report = mob_report_decode(exact, wire->length, &error);

    cr_assert_not_null(report, "%s", error != NULL ? error->message : "");
    mob_report_tell(report, event, ((const Relay *)self)->to);
    all.reports++;
}

static void
relay_event(MobWatcher *self, const MobEvent *event)
{
    g_auto(MobBuf) wire = {0};

    mob_report_event_encode(event, event->number, &wire);
    pass_on(self, &wire, event->number);
}

static void
relay_born(MobWatcher *self, const MobProcInfo *proc, MobWhen when)
{
    g_auto(MobBuf) wire = {0};

    mob_report_born_encode(proc, when.at, when.at, &wire);
    pass_on(self, &wire, when.event);
}

static void
relay_died(MobWatcher *self, MobAddress proc, const char *why, MobWhen when)
{
    g_auto(MobBuf) wire = {0};

    mob_report_died_encode(proc, why, when.at, when.at, &wire);
    pass_on(self, &wire, when.event);
}

static Looker *
looker_of(const MobControl *control)
{
    guint i = 0;

    while (g_array_index(all.lookers, Looker, i).control != control)
        i++;
    return &g_array_index(all.lookers, Looker, i);
}

/* Stands in the place of the world's own watch(). */
static void
watch_by_relay(MobControl *control, MobWatcher *watcher)
{
    Relay *relay = g_new(Relay, 1);

    *relay = (Relay){{watcher->wanted, relay_event, relay_born, relay_died}, watcher};
    g_ptr_array_add(all.relays, relay);
    looker_of(control)->watch(control, &relay->base);
}

static MobControl *
open_cluster(void *data, const MobClusterOptions *options, GError **error)
{
    MobControl *control = stage_cluster(data, options, error);
    Looker looker = {.control = control, .watch = control->watch};

    for (int i = 0; i < 2; i++) {
        looker.states[i] = mob_state_new();
        looker.traces[i] = mob_trace_new(looker.states[i], 0);
    }
    g_array_append_val(all.lookers, looker);
    control->watch(control, &looker.states[0]->watcher);
    control->watch(control, &looker.traces[0]->watcher);
    control->watch = watch_by_relay;
    control->watch(control, &looker.states[1]->watcher);
    control->watch(control, &looker.traces[1]->watcher);
    return control;
}

/* All that a state and a trace know, as their database has it. */
static GBytes *
dump(const MobState *state, const MobTrace *trace)
{
    g_autofree char *folder = g_dir_make_tmp("mobula-report-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "run.db", NULL);
    g_autoptr(GError) error = NULL;
    MobRun run = {.info = {.scenario = "report"}, .state = state, .trace = trace};
    char *bytes = NULL;
    size_t size = 0;

    mob_rundb_write(path, &run, 1, &error);
    cr_assert_null(error, "%s", error != NULL ? error->message : "");
    cr_assert(g_file_get_contents(path, &bytes, &size, NULL));
    g_unlink(path);
    g_rmdir(folder);
    return g_bytes_new_take(bytes, size);
}

static void
compare(const Looker *looker)
{
    g_autoptr(GBytes) directly = dump(looker->states[0], looker->traces[0]);
    g_autoptr(GBytes) by_report = dump(looker->states[1], looker->traces[1]);

    cr_assert_gt(looker->traces[1]->notes->len, 20);
    cr_assert_gt(looker->traces[1]->messages->len, 100);
    cr_assert_eq(looker->traces[0]->notes->len, looker->traces[1]->notes->len);
    cr_assert(g_bytes_equal(directly, by_report));
    all.compared++;
}

static void
close_cluster(void *data, MobControl *control)
{
    Looker *looker = looker_of(control);

    compare(looker);
    stage_close(data, control);
    for (int i = 0; i < 2; i++) {
        mob_trace_free(looker->traces[i]);
        mob_state_free(looker->states[i]);
    }
    looker->control = NULL;
}

static void
run_scenario(const char *name)
{
    g_autofree char *path = g_strdup_printf(SOURCE_ROOT "/scenarios/%s.lua", name);
    g_autofree char *text = NULL;
    MobScenarioResult result;

    all = (Lookers){.stage = stage_new(3),
                    .relays = g_ptr_array_new_with_free_func(g_free),
                    .lookers = g_array_new(FALSE, FALSE, sizeof(Looker))};
    all.stage->folder = SOURCE_ROOT "/scenarios";
    all.stage->host.cluster = open_cluster;
    all.stage->host.close = close_cluster;
    cr_assert(g_file_get_contents(path, &text, NULL, NULL), "%s", path);
    mob_scenario_result_init(&result);
    mob_scenario_run(&all.stage->host, name, text, &result);
    cr_expect_eq(result.outcome, MOB_OUTCOME_OK, "%s: %s", name, result.message);
    cr_expect_eq(all.compared, result.clusters->len);
    cr_expect_gt(all.reports, 500);
    mob_scenario_result_clear(&result);
    g_array_unref(all.lookers);
    stage_free(all.stage);
    g_ptr_array_unref(all.relays);
}

Test(report_world, scenarios_hold_and_runs_look_the_same_when_told_by_reports)
{
    static const char *const names[] = {"two-futures", "kill-task-2", "kill-task-2-by-call",
                                        "kill-the-owner", "spot-fleet"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        run_scenario(names[i]);
}
