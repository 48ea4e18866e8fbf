/* program.c: see program.h. */
#include "cli/program.h"

#include <string.h>

#include "cli/folder.h"
#include "cli/text.h"
#include "lua/program.h"
#include "runtime/cbor.h"
#include "runtime/program.h"

enum {
    LIMIT_DEFAULT = 3600, /* simulated seconds; as for scenarios */
};

MobArgs *
mob_program_args(char **words)
{
    MobArgs *args = mob_args_new(g_strv_length(words));
    MobCborWriter writer;
    mob_cbor_init(&writer);
    for (uint32_t i = 0; i < args->count; i++) {
        mob_cbor_string(&writer, words[i], strlen(words[i]));
        args->items[i].value = mob_cbor_finish(&writer, 0);
    }
    mob_cbor_clear(&writer);
    return args;
}

static void
fail(MobScenarioResult *result, MobOutcome outcome, char *message)
{
    result->outcome = outcome;
    result->message = message;
}

/* What the end of the run says about the job; a property that broke, which also
 * ends the run, says more. */
static void
judge(const MobScenarioHost *scenario, MobControl *control, uint32_t job, MobRunEnd end,
      MobScenarioResult *result)
{
    const MobValue *value = control->job_result(control, job);
    char *broken = scenario->verdict(scenario->data, control, true);
    g_autoptr(GString) text = g_string_new(NULL);

    if (broken != NULL) {
        fail(result, MOB_OUTCOME_FAILED, broken);
        return;
    }
    if (control->job_done(control, job)) {
        if (value == NULL || value->fault == 0)
            return;
        mob_fault_report(value, text);
        fail(result, MOB_OUTCOME_FAILED, g_strdup(text->str));
        return;
    }
    if (end == MOB_RUN_LIMIT)
        g_string_assign(text, "the program had not ended when the limit was reached (--limit)\n");
    else if (end == MOB_RUN_LIVELOCK)
        g_string_assign(text,
                        "livelock: events follow each other at one instant and nothing changes\n");
    else
        g_string_assign(text, "deadlock: nothing is left that could happen\n");
    control->explain(control, text);
    fail(result, MOB_OUTCOME_HANG, g_strdup(text->str));
}

static void
run_job(MobHost *host, const MobJob *job, MobTime limit, MobScenarioResult *result)
{
    g_autoptr(GError) error = NULL;
    limit = MIN(limit, LIMIT_DEFAULT * MOB_SECOND);
    MobControl *control = mob_host_default_cluster(host, &error);
    uint32_t number = control != NULL ? control->submit(control, job, &error) : 0;
    if (number == 0) {
        fail(result, MOB_OUTCOME_BAD_INPUT, g_strdup(error->message));
    } else {
        MobRunEnd end = control->run(
            control, &(MobUntil){.job = number, .time = MOB_TIME_NEVER, .limit = limit});
        judge(mob_host_scenario(host), control, number, end, result);
    }
    if (control != NULL)
        mob_host_close(host, control);
}

bool
mob_program_load(const char *file, const MobLuaReader *reader, const MobLoaders *loaders,
                 MobJob *job, GError **error)
{
    if (g_str_has_suffix(file, ".so")) {
        job->bundle = mob_program_bundle(file, &job->bundle_id);
        return mob_program_check(loaders->c, job->bundle_id, error);
    }
    g_autofree char *base = g_path_get_basename(file);
    job->bundle = mob_lua_program_load(base, reader, &job->bundle_id, error);
    return job->bundle != NULL;
}

void
mob_program_run(MobHost *host, const char *file, char **words, MobTime limit,
                MobScenarioResult *result)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = mob_run_name(file);
    const MobScenarioHost *scenario = mob_host_scenario(host);
    MobLuaReader reader = {.read = scenario->read, .data = scenario->data};
    MobJob job = {.name = name};

    if (mob_program_load(file, &reader, mob_host_loaders(host), &job, &error)) {
        job.args = mob_program_args(words);
        run_job(host, &job, limit, result);
        mob_args_unref(job.args);
    } else {
        fail(result, MOB_OUTCOME_BAD_INPUT, g_strdup(error->message));
    }
    mob_value_unref(job.bundle);
    mob_str_unref(job.bundle_id);
}
