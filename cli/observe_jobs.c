/* observe_jobs.c: jobs of a cluster that stays, and who follows them; see
 * observe_parts.h. */
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/observe_parts.h"
#include "cli/text.h"
#include "runtime/fault.h"

enum {
    ANSWER_MAX = 60,
};

void
mob_follower_free(void *data)
{
    MobFollower *follower = data;

    g_free(follower->path);
    g_free(follower);
}

static int
follow(MobObserver *observer, MobClient *client, MobFollowKind kind, uint32_t job,
       const MobSink *sink)
{
    MobFollower *follower = g_new0(MobFollower, 1);

    follower->client = client;
    follower->kind = kind;
    follower->job = job;
    follower->sink = *sink;
    g_ptr_array_add(observer->followers, follower);
    return MOB_OBSERVE_LATER;
}

/* --- how a job ended --- */

static MobRows *
row_of(const MobObserver *observer, const MobLiveJob *job, guint *row)
{
    MobRows *rows = mob_live_rows(&observer->live, mob_noun("jobs", NULL));
    g_autofree char *name = g_strdup_printf("J%u", job->number);

    *row = mob_rows_find(rows, name);
    return rows;
}

static void
tell_json(const MobLiveJob *job, const char *state, const MobValue *result, const MobSink *sink)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *name = g_strdup_printf("J%u", job->number);
    MobJson json = mob_json(text);

    mob_json_open(&json, '{');
    mob_json_put_text(&json, "type", "summary");
    mob_json_put_bool(&json, "ok", strcmp(state, "SUCCEEDED") == 0);
    mob_json_put_text(&json, "job", name);
    mob_json_put_text(&json, "state", state);
    mob_json_key(&json, "result");
    if (result != NULL)
        mob_json_value(&json, result);
    else
        mob_json_null(&json);
    mob_json_close(&json, '}');
    g_string_append_c(text, '\n');
    sink->tell(sink->data, MOB_TELL_OUT, text->str, text->len);
}

static void
tell_failure(const MobObserver *observer, const MobLiveJob *job, const char *state,
             const MobValue *result, const MobSink *sink)
{
    g_autoptr(GString) text = g_string_new(NULL);
    MobControl *control = observer->live.control;
    const MobStateProc *driver =
        mob_state_proc_by_address(observer->state, control->job_driver(control, job->number));
    const char *why = driver != NULL && driver->why != NULL ? driver->why : "it never began";

    if (strcmp(state, "STOPPED") == 0)
        g_string_printf(text, "✗ J%u was stopped", job->number);
    else if (result == NULL)
        g_string_printf(text, "✗ J%u   its driver died: %s", job->number, why);
    else
        g_string_printf(text, "✗ J%u failed", job->number);
    mob_sink_say(sink, "%s", text->str);
    if (result == NULL)
        return;
    g_string_truncate(text, 0);
    mob_fault_report(result, text);
    g_auto(GStrv) lines = g_strsplit(g_strchomp(text->str), "\n", -1);
    for (char **line = lines; *line != NULL; line++)
        mob_sink_say(sink, "%s", *line);
}

static void
tell_success(const MobObserver *observer, const MobLiveJob *job, const MobValue *result,
             const MobSink *sink)
{
    guint row = 0;
    g_autoptr(MobRows) rows = row_of(observer, job, &row);
    g_autoptr(GString) text = g_string_new(NULL);
    uint64_t tasks = mob_rows_cell(rows, row, "tasks")->number;

    g_string_printf(text, "✓ J%u   ", job->number);
    mob_term_value(text, result, ANSWER_MAX);
    g_string_append_printf(text, "   %" G_GUINT64_FORMAT " task%s   ", tasks,
                           tasks == 1 ? "" : "s");
    mob_term_duration(text, mob_rows_cell(rows, row, "took_ns")->number);
    g_strdelimit(text->str, "\n", ' ');
    mob_sink_say(sink, "%s", text->str);
}

static int
tell_end(const MobObserver *observer, const MobLiveJob *job, const MobSink *sink)
{
    MobControl *control = observer->live.control;
    const char *state = mob_live_job_state(&observer->live, job);
    const MobValue *result = control->job_result(control, job->number);
    bool ok = strcmp(state, "SUCCEEDED") == 0;

    if (sink->json)
        tell_json(job, state, result, sink);
    else if (ok)
        tell_success(observer, job, result, sink);
    else
        tell_failure(observer, job, state, result, sink);
    return ok ? MOB_EXIT_OK : MOB_EXIT_FAILED;
}

void
mob_observer_look_at_jobs(MobObserver *observer)
{
    MobControl *control = observer->live.control;

    for (guint i = observer->followers->len; i > 0; i--) {
        MobFollower *follower = g_ptr_array_index(observer->followers, i - 1);
        if (follower->job == 0 || !control->job_done(control, follower->job))
            continue;
        const MobLiveJob *job = g_ptr_array_index(observer->live.jobs, follower->job - 1);
        mob_follower_say_missed(follower);
        int code = tell_end(observer, job, &follower->sink);
        if (follower->kind == MOB_FOLLOW_END)
            code = MOB_EXIT_OK; /* it has been stopped, as was asked */
        mob_client_over(follower->client, (uint32_t)code);
        g_ptr_array_remove_index(observer->followers, i - 1);
    }
}

/* --- job VERB --- */

static MobLiveJob *
find_job(const MobObserver *observer, const char *name, const MobSink *sink)
{
    const GPtrArray *jobs = observer->live.jobs;
    guint64 number = 0;

    if (name != NULL && (*name == 'J' || *name == 'j') &&
        g_ascii_string_to_unsigned(name + 1, 10, 1, jobs->len, &number, NULL))
        return g_ptr_array_index(jobs, number - 1);
    if (name == NULL)
        mob_sink_say(sink, "which job? mobula job list names them");
    else if (jobs->len == 0)
        mob_sink_say(sink, "there is no job %s; no job was submitted yet", name);
    else
        mob_sink_say(sink, "there is no job %s; there are J1 to J%u", name, jobs->len);
    return NULL;
}

uint32_t
mob_observer_submit(MobObserver *observer, const MobAsk *ask, GError **error)
{
    MobControl *control = observer->live.control;
    const char *name = ask->name != NULL ? mob_str(ask->name) : "";

    if (ask->bundle == NULL || ask->bundle_id == NULL) {
        g_set_error_literal(error, MOB_CONTROL_ERROR, 0, "there is no program in that");
        return 0;
    }
    MobJob job = {
        .name = name,
        .bundle_id = ask->bundle_id,
        .bundle = ask->bundle,
        .args = ask->args,
        .beside = ask->beside != NULL ? mob_str(ask->beside) : NULL,
        .where = ask->where != NULL ? mob_str(ask->where) : NULL,
    };
    uint32_t number = control->submit(control, &job, error);
    if (number == 0)
        return 0;
    MobLiveJob *live = g_new0(MobLiveJob, 1);
    live->number = number;
    live->name = g_strdup(name);
    g_ptr_array_add(observer->live.jobs, live);
    return number;
}

static int
submit(MobObserver *observer, MobClient *client, const MobAsk *ask, const MobSink *sink)
{
    g_autoptr(GError) error = NULL;
    const char *name = ask->name != NULL ? mob_str(ask->name) : "";
    uint32_t number = mob_observer_submit(observer, ask, &error);

    if (number == 0) {
        mob_sink_say(sink, "%s", error->message);
        return MOB_EXIT_USAGE;
    }
    g_autofree char *sha = g_strndup(mob_str(ask->bundle_id), 15);
    mob_sink_say(sink, "J%u   %s   %s%s", number, name, sha,
                 strlen(sha) < strlen(mob_str(ask->bundle_id)) ? "…" : "");
    if (ask->follow)
        return follow(observer, client, MOB_FOLLOW_JOB, number, sink);
    mob_sink_say(sink, "next: mobula job logs J%u -f", number);
    return MOB_EXIT_OK;
}

static int
status(MobObserver *observer, const MobLiveJob *job, const MobSink *sink)
{
    guint row = 0;
    g_autoptr(MobRows) rows = row_of(observer, job, &row);

    mob_rows_print_one(rows, row, sink);
    return MOB_EXIT_OK;
}

/* In an event of the world. */
static void
stop_job(void *data, uint64_t number)
{
    MobObserver *observer = data;
    MobControl *control = observer->live.control;
    MobAddress driver = control->job_driver(control, (uint32_t)number);
    g_autoptr(GError) error = NULL;
    const char *name = mob_state_proc_name(observer->state, driver);

    if (control->job_done(control, (uint32_t)number))
        return;
    MobOrder order = {.verb = MOB_VERB_KILL, .target = name};
    if (*name != '\0' && control->order(control, &order, &error) == 0)
        g_printerr("mobula: %s\n", error->message);
    if (*name == '\0') /* it has not begun */
        control->at(control, control->now(control) + 10 * MOB_MS, stop_job, observer, number);
}

void
mob_observer_stop_job(MobObserver *observer, uint32_t number)
{
    MobControl *control = observer->live.control;

    control->at(control, control->now(control), stop_job, observer, number);
}

static int
stop(MobObserver *observer, MobClient *client, MobLiveJob *job, const MobSink *sink)
{
    MobControl *control = observer->live.control;

    if (control->job_done(control, job->number)) {
        mob_sink_say(sink, "J%u is over already", job->number);
        tell_end(observer, job, sink);
        return MOB_EXIT_OK;
    }
    job->stopped = true;
    mob_observer_stop_job(observer, job->number);
    return follow(observer, client, MOB_FOLLOW_END, job->number, sink);
}

static int
list(MobObserver *observer, const MobAsk *ask, const MobSink *sink)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MobRows) rows = mob_live_rows(&observer->live, mob_noun("jobs", NULL));

    if (mob_rows_filter(rows, ask->filters != NULL ? mob_str(ask->filters) : "", &error)) {
        mob_rows_print(rows, sink);
        return MOB_EXIT_OK;
    }
    mob_sink_say(sink, "%s", error->message);
    return MOB_EXIT_USAGE;
}

int
mob_observer_job_logs(MobObserver *observer, MobClient *client, const MobAsk *ask, const char *name,
                      const MobSink *sink)
{
    const MobLiveJob *job = find_job(observer, name, sink);
    const GPtrArray *logs = observer->state->logs;
    MobControl *control = observer->live.control;

    if (job == NULL)
        return MOB_EXIT_USAGE;
    for (guint i = 0; i < logs->len; i++) {
        const MobStateLog *log = g_ptr_array_index(logs, i);
        if (mob_observer_job_of(observer, log->task, log->worker) != job->number)
            continue;
        g_autoptr(GString) text = g_string_new(NULL);
        MobOutput output = {log->text, log->worker, log->task, observer->state, log->at};
        mob_append_output(text, &output, sink->json);
        sink->tell(sink->data, MOB_TELL_OUT, text->str, text->len);
    }
    if (!ask->follow)
        return MOB_EXIT_OK;
    if (control->job_done(control, job->number))
        return tell_end(observer, job, sink);
    return follow(observer, client, MOB_FOLLOW_JOB, job->number, sink);
}

int
mob_observer_job(MobObserver *observer, MobClient *client, const MobAsk *ask, char **words,
                 const MobSink *sink)
{
    const char *verb = words[0] != NULL ? words[0] : "";
    const char *name = words[0] != NULL ? words[1] : NULL;

    if (strcmp(verb, "submit") == 0)
        return submit(observer, client, ask, sink);
    if (strcmp(verb, "list") == 0)
        return list(observer, ask, sink);
    if (strcmp(verb, "logs") == 0)
        return mob_observer_job_logs(observer, client, ask, name, sink);
    MobLiveJob *job = find_job(observer, name, sink);
    if (job == NULL)
        return MOB_EXIT_USAGE;
    return strcmp(verb, "stop") == 0 ? stop(observer, client, job, sink)
                                     : status(observer, job, sink);
}
