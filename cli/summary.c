/* summary.c: see summary.h. */
#include "cli/summary.h"

#include <stdio.h>
#include <string.h>

#include "cli/json.h"
#include "cli/text.h"

enum {
    AGAIN_MAX = 6, /* tasks that ran more than once and are named */
};

static const MobHostCluster *
last_cluster(const MobSummary *summary)
{
    guint count = mob_host_count(summary->host);
    return count > 0 ? mob_host_cluster(summary->host, count - 1) : NULL;
}

/* The job whose answer is the run's; NULL if no job has ended. */
static const MobStateJob *
last_job(const MobSummary *summary)
{
    const MobHostCluster *cluster = last_cluster(summary);
    if (cluster == NULL || cluster->state == NULL || cluster->state->jobs->len == 0)
        return NULL;
    const GPtrArray *jobs = cluster->state->jobs;
    const MobStateJob *job = g_ptr_array_index(jobs, jobs->len - 1);
    return job->finished ? job : NULL;
}

/* "T1 ran twice, T2 3 times   " */
static void
append_again(GString *into, const MobState *state)
{
    int count = 0;
    for (guint i = 0; state != NULL && i < state->tasks->len; i++) {
        const MobStateTask *task = g_ptr_array_index(state->tasks, i);
        if (task->executions < 2)
            continue;
        if (++count > AGAIN_MAX)
            continue;
        g_string_append_printf(into, count == 1 ? "%s ran " : ", %s ", task->name);
        mob_term_times(into, task->executions);
    }
    if (count > AGAIN_MAX)
        g_string_append_printf(into, " and %d more", count - AGAIN_MAX);
    if (count > 0)
        g_string_append(into, "   ");
}

static MobTime
simulated(const MobSummary *summary)
{
    MobTime sum = 0;
    for (guint i = 0; i < mob_host_count(summary->host); i++)
        sum += mob_host_cluster(summary->host, i)->now;
    return sum;
}

static void
append_answer(GString *into, const MobSummary *summary)
{
    const MobStateJob *job = last_job(summary);
    if (summary->result->outcome != MOB_OUTCOME_OK)
        g_string_append_printf(into, "✗ %s", mob_outcome_name(summary->result->outcome));
    else if (mob_host_count(summary->host) > 1)
        g_string_append_printf(into, "✓ %u clusters", mob_host_count(summary->host));
    else
        g_string_append(into, "✓ ");
    if (summary->result->outcome != MOB_OUTCOME_OK || mob_host_count(summary->host) > 1)
        return;
    size_t begin = into->len;
    if (job == NULL || job->result == NULL)
        g_string_append(into, "ok");
    else
        mob_term_value(into, job->result, 60);
    char *end = strchr(into->str + begin, '\n');
    if (end != NULL)
        g_string_truncate(into, (gsize)(end - into->str));
}

/* What chaos drew, so that a run that went wrong can be described. */
static void
say_settings(MobTerm *term, const MobSummary *summary)
{
    const GPtrArray *clusters = summary->result->clusters;
    for (guint i = 0; clusters != NULL && i < clusters->len; i++) {
        const MobClusterResult *cluster = g_ptr_array_index(clusters, i);
        if (cluster->settings == NULL || *cluster->settings == '\0')
            continue;
        g_auto(GStrv) lines = g_strsplit(cluster->settings, "\n", -1);
        for (char **line = lines; *line != NULL; line++)
            if (**line != '\0')
                mob_term_say(term, "chaos  %s", *line);
    }
}

static void
say_failure(MobTerm *term, const MobSummary *summary)
{
    const MobScenarioResult *result = summary->result;
    if (result->message == NULL)
        return;
    g_autofree char *message = g_strdup(result->message);
    bool placed =
        strstr(message, ".lua:") != NULL || strstr(message, ".c:") != NULL || result->line == 0;
    g_strchomp(message);
    if (placed)
        mob_term_complain(term, "✗ %s", message);
    else
        mob_term_complain(term, "✗ %s\n  --> %s:%u", message, summary->file, result->line);
}

void
mob_summary_say(MobTerm *term, const MobSummary *summary)
{
    const MobHostCluster *cluster = last_cluster(summary);
    g_autoptr(GString) line = g_string_new(NULL);

    if (cluster != NULL) /* a story has begun */
        mob_term_say(term, "%s", "");
    say_settings(term, summary);
    say_failure(term, summary);
    if (cluster == NULL || summary->result->outcome == MOB_OUTCOME_BAD_INPUT)
        return; /* the file itself is wrong */
    append_answer(line, summary);
    g_string_append(line, "   ");
    if (mob_host_count(summary->host) == 1)
        append_again(line, cluster->state);
    mob_term_duration(line, simulated(summary));
    g_string_append(line, summary->real ? " on real processes in " : " simulated in ");
    if (summary->wall_us < 10 * G_USEC_PER_SEC) /* a tenth of it would be noise */
        g_string_append_printf(line, "%d ms", (int)((summary->wall_us + 500) / 1000));
    else
        mob_term_duration(line, (MobTime)summary->wall_us * MOB_US);
    if (!summary->real) { /* no two real runs have the same trace */
        g_string_append(line, "   trace ");
        mob_term_hash(line, mob_host_hash(summary->host));
    }
    mob_term_say(term, "%s", line->str);
}

/* --- as JSON --- */

static void
put_hash(MobJson *json, const char *key, uint64_t hash)
{
    g_autofree char *text = g_strdup_printf("%016" G_GINT64_MODIFIER "x", hash);
    mob_json_put_text(json, key, text);
}

static void
put_tasks(MobJson *json, const MobState *state)
{
    mob_json_key(json, "tasks");
    mob_json_open(json, '{');
    for (guint i = 0; state != NULL && i < state->tasks->len; i++) {
        const MobStateTask *task = g_ptr_array_index(state->tasks, i);
        mob_json_key(json, task->name);
        mob_json_open(json, '{');
        mob_json_put_text(json, "name", task->label);
        mob_json_put_uint(json, "attempts", task->executions);
        mob_json_put_text(json, "state", mob_task_state_name(task->state));
        mob_json_close(json, '}');
    }
    mob_json_close(json, '}');
}

static void
put_runs(MobJson *json, const MobHost *host)
{
    mob_json_key(json, "runs");
    mob_json_open(json, '[');
    for (guint i = 0; i < mob_host_count(host); i++) {
        const MobHostCluster *cluster = mob_host_cluster(host, i);
        mob_json_open(json, '{');
        mob_json_put_uint(json, "seed", cluster->seed);
        mob_json_put_uint(json, "line", cluster->line);
        put_hash(json, "trace", cluster->hash);
        mob_json_put_uint(json, "virtual_ns", cluster->now);
        mob_json_put_uint(json, "events", cluster->events);
        mob_json_close(json, '}');
    }
    mob_json_close(json, ']');
}

static void
print_checkpoints(const MobHost *host)
{
    for (guint i = 0; i < mob_host_count(host); i++) {
        const MobHostCluster *cluster = mob_host_cluster(host, i);
        g_autoptr(GString) text = g_string_new(NULL);
        MobJson json = mob_json(text);
        mob_json_open(&json, '{');
        mob_json_put_text(&json, "type", "checkpoints");
        mob_json_put_uint(&json, "run", i + 1);
        mob_json_key(&json, "hashes");
        mob_json_open(&json, '[');
        for (guint j = 0; j < cluster->checkpoints->len; j++) {
            g_autofree char *hash = g_strdup_printf(
                "%016" G_GINT64_MODIFIER "x", g_array_index(cluster->checkpoints, uint64_t, j));
            mob_json_text(&json, hash);
        }
        mob_json_close(&json, ']');
        mob_json_close(&json, '}');
        puts(text->str);
    }
}

void
mob_summary_json(const MobSummary *summary, bool checkpoints)
{
    const MobHostCluster *cluster = last_cluster(summary);
    const MobStateJob *job = last_job(summary);
    const MobScenarioResult *result = summary->result;
    g_autoptr(GString) text = g_string_new(NULL);
    MobJson json = mob_json(text);

    if (checkpoints)
        print_checkpoints(summary->host);
    mob_json_open(&json, '{');
    mob_json_put_text(&json, "type", "summary");
    mob_json_put_bool(&json, "ok", result->outcome == MOB_OUTCOME_OK);
    mob_json_put_text(&json, "outcome", mob_outcome_name(result->outcome));
    mob_json_put_text(&json, "error", result->message);
    mob_json_key(&json, "result");
    mob_json_value(&json, job != NULL ? job->result : NULL);
    mob_json_put_text(&json, "file", summary->file);
    mob_json_put_uint(&json, "seed", summary->seed);
    put_hash(&json, "trace", mob_host_hash(summary->host));
    mob_json_put_uint(&json, "virtual_ns", cluster != NULL ? cluster->now : 0);
    mob_json_put_uint(&json, "events", cluster != NULL ? cluster->events : 0);
    mob_json_put_uint(&json, "wall_ms", ((uint64_t)summary->wall_us + 500) / 1000);
    put_tasks(&json, cluster != NULL ? cluster->state : NULL);
    put_runs(&json, summary->host);
    mob_json_close(&json, '}');
    puts(text->str);
}
