/* observe.c: see observe.h.
 *
 * A question that can be answered at once is; who follows a job or a log stays
 * in a list until it is over. What a client wants done to the cluster is done
 * as an event of the world, never in the middle of one.
 */
#include "cli/observe.h"

#include <string.h>

#include "cli/cli.h"
#include "cli/memory.h"
#include "cli/observe_parts.h"

enum {
    BEHIND_MOST = 4 << 20, /* bytes that a client may have to read yet */
};

uint32_t
mob_observer_job_of(const MobObserver *observer, const MobStateTask *task, MobAddress worker)
{
    MobControl *control = observer->live.control;
    uint32_t number = observer->live.jobs->len;

    if (task != NULL)
        return mob_live_job_of(task->name);
    while (number > 0 && !mob_address_eq(control->job_driver(control, number), worker))
        number--;
    return number;
}

/* --- who looks on --- */

void
mob_follower_say_missed(MobFollower *follower)
{
    if (follower->missed > 0)
        mob_sink_say(&follower->sink,
                     "%" G_GUINT64_FORMAT " bytes were printed meanwhile and are not shown here",
                     follower->missed);
    follower->missed = 0;
}

/* Who does not read what a job prints misses some of it instead of taking our memory. */
static void
tell_output(MobFollower *follower, const MobOutput *output)
{
    g_autoptr(GString) text = g_string_new(NULL);

    mob_append_output(text, output, follower->sink.json);
    if (mob_client_behind(follower->client) > BEHIND_MOST) {
        follower->missed += text->len;
        return;
    }
    mob_follower_say_missed(follower);
    mob_client_tell(follower->client, MOB_TELL_OUT, text->str, text->len);
}

static void
on_output(MobObserver *observer, const MobNote *note)
{
    MobOutput output = mob_output_of(observer->state, note);
    uint32_t job = mob_observer_job_of(observer, output.task, note->worker);

    if (job == 0)
        return; /* a worker without a task: it stands in its log */

    for (guint i = 0; i < observer->followers->len; i++) {
        MobFollower *follower = g_ptr_array_index(observer->followers, i);
        if (follower->job != job || follower->kind == MOB_FOLLOW_END)
            continue;
        tell_output(follower, &output);
    }
}

static void
look_at_joins(MobObserver *observer)
{
    size_t joined = 0;

    for (guint i = 0; i < observer->state->nodes->len; i++)
        joined += ((const MobStateNode *)g_ptr_array_index(observer->state->nodes, i))->joined != 0;
    observer->joined = joined >= observer->options.machine_count;
    if (observer->joined)
        observer->live.control->stop(observer->live.control);
}

static void
on_event(MobWatcher *watcher, const MobEvent *event)
{
    MobObserver *observer = ((MobObserverWatcher *)watcher)->observer;
    bool jobs = false;

    for (size_t i = 0; i < event->note_count; i++) {
        const MobNote *note = &event->notes[i];
        if (note->kind == MOB_NOTE_OUTPUT)
            on_output(observer, note);
        else if (note->kind == MOB_NOTE_NODE_JOINED && !observer->joined)
            look_at_joins(observer);
        jobs |= note->kind == MOB_NOTE_JOB_FINISHED;
    }
    if (jobs)
        mob_observer_look_at_jobs(observer);
    mob_attached_event(observer, event);
}

static void
on_born(MobWatcher *watcher, const MobProcInfo *born, MobWhen when)
{
    mob_attached_born(((MobObserverWatcher *)watcher)->observer, born, when);
}

static void
on_died(MobWatcher *watcher, MobAddress address, const char *why, MobWhen when)
{
    MobObserver *observer = ((MobObserverWatcher *)watcher)->observer;
    const char *head = mob_local_machine(observer->options.local, 0)->name;

    mob_attached_died(observer, address, why, when);
    if (strcmp(mob_state_proc_name(observer->state, address), head) == 0) {
        g_printerr("mobula: %s has died (%s), and with it the cluster\n", head, why);
        observer->broken = true;
        mob_observer_stop(observer);
    }
    mob_observer_look_at_jobs(observer);
}

/* --- what is asked --- */

static MobRows *
get_rows(void *data, const MobNoun *noun, GError **error)
{
    (void)error;
    return mob_live_rows(data, noun);
}

static void
sink_tell(void *data, MobTellKind kind, const char *text, size_t length)
{
    mob_client_tell(data, kind, text, length);
}

static MobSink
make_sink(MobClient *client, const MobAsk *ask)
{
    return (MobSink){
        .tell = sink_tell,
        .data = client,
        .json = ask->json,
        .plain = ask->plain,
        .detail = ask->detail,
        .limit = ask->limit,
    };
}

static int
answer_rows(MobObserver *observer, const MobAsk *ask, char **words, const MobSink *sink)
{
    MobRowSource source = {true, get_rows, &observer->live};
    const char *verb = mob_str(ask->verb);
    const char *filters = ask->filters != NULL ? mob_str(ask->filters) : "";

    if (strcmp(verb, "memory") == 0)
        return mob_tell_memory(&source, words[0], filters, sink);
    if (strcmp(verb, "list") == 0)
        return mob_tell_list(&source, words, filters, sink);
    return (strcmp(verb, "get") == 0 ? mob_tell_get : mob_tell_summary)(&source, words, sink);
}

static void
on_ask(void *data, MobClient *client, const MobAsk *ask)
{
    MobObserver *observer = data;
    MobSink sink = make_sink(client, ask);
    const char *verb = ask->verb != NULL ? mob_str(ask->verb) : "";
    const char *text = ask->words != NULL ? mob_str(ask->words) : "";
    g_auto(GStrv) words = *text != '\0' ? g_strsplit(text, "\n", -1) : g_new0(char *, 1);
    int code = MOB_EXIT_USAGE;

    if (strcmp(verb, "list") == 0 || strcmp(verb, "get") == 0 || strcmp(verb, "memory") == 0 ||
        strcmp(verb, "summary") == 0)
        code = answer_rows(observer, ask, words, &sink);
    else if (strcmp(verb, "status") == 0)
        code = mob_observer_status(observer, &sink);
    else if (strcmp(verb, "job") == 0)
        code = mob_observer_job(observer, client, ask, words, &sink);
    else if (strcmp(verb, "doctor") == 0)
        code = mob_observer_doctor(observer, client, &sink);
    else if (strcmp(verb, "attach") == 0)
        code = mob_observer_attach(observer, client, &sink);
    else if (strcmp(verb, "logs") == 0)
        code = mob_observer_logs(observer, client, ask, words, &sink);
    else
        mob_sink_say(&sink, "the cluster does not know the verb \"%s\"", verb);
    if (code != MOB_OBSERVE_LATER)
        mob_client_over(client, (uint32_t)code);
}

static void
on_gone(void *data, MobClient *client)
{
    MobObserver *observer = data;

    for (guint i = observer->followers->len; i > 0; i--) {
        const MobFollower *follower = g_ptr_array_index(observer->followers, i - 1);
        if (follower->client == client)
            g_ptr_array_remove_index(observer->followers, i - 1);
    }
    mob_observer_forget_rounds(observer, client);
    mob_attached_gone(observer, client);
}

static void
on_frame(void *data, MobClient *client, const MobFrame *frame, const uint8_t *body)
{
    mob_attached_frame(data, client, frame, body);
}

/* --- its life --- */

static void
live_job_free(void *data)
{
    MobLiveJob *job = data;

    g_free(job->name);
    g_free(job);
}

static void
watch(MobObserver *observer)
{
    MobControl *control = observer->live.control;

    observer->state = mob_state_new();
    mob_state_keep(observer->state,
                   observer->options.keep != 0 ? observer->options.keep : MOB_OBSERVE_KEEP);
    observer->live.state = observer->state;
    observer->watcher = (MobObserverWatcher){
        .base = {.wanted = MOB_OBSERVED, .event = on_event, .born = on_born, .died = on_died},
        .observer = observer,
    };
    control->watch(control, &observer->state->watcher);
    control->watch(control, &observer->watcher.base);
}

MobObserver *
mob_observer_new(const MobObserverOptions *options, GError **error)
{
    MobObserver *observer = g_new0(MobObserver, 1);

    observer->options = *options;
    observer->left = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    observer->followers = g_ptr_array_new_with_free_func(mob_follower_free);
    observer->rounds = g_ptr_array_new_with_free_func(mob_round_free);
    observer->live = (MobLive){
        .control = mob_local_control(options->local),
        .local = options->local,
        .jobs = g_ptr_array_new_with_free_func(live_job_free),
    };
    watch(observer);
    observer->serve = mob_serve_new(
        &(MobServeOptions){
            .loop = mob_local_loop(options->local),
            .path = options->socket,
            .version = options->version,
            .ask = on_ask,
            .frame = on_frame,
            .gone = on_gone,
            .data = observer,
        },
        error);
    mob_observer_tail_init(observer);
    if (observer->serve != NULL)
        return observer;
    mob_observer_free(observer);
    return NULL;
}

void
mob_observer_free(MobObserver *observer)
{
    if (observer == NULL)
        return;
    mob_attached_gone(observer, NULL);
    mob_serve_free(observer->serve);
    g_array_unref(observer->left);
    mob_observer_tail_clear(observer);
    g_ptr_array_unref(observer->followers);
    g_ptr_array_unref(observer->rounds);
    g_ptr_array_unref(observer->live.jobs);
    mob_state_free(observer->state);
    g_free(observer);
}

bool
mob_observer_wait(MobObserver *observer, MobTime limit)
{
    MobControl *control = observer->live.control;
    MobTime until = control->now(control) + limit;
    MobRunEnd end = MOB_RUN_STOPPED;

    while (!observer->joined && !observer->stopped && end == MOB_RUN_STOPPED)
        end = control->run(control, &(MobUntil){.time = MOB_TIME_NEVER, .limit = until});
    return observer->joined && !observer->stopped;
}

bool
mob_observer_run(MobObserver *observer)
{
    MobControl *control = observer->live.control;

    while (!observer->stopped)
        control->run(control, &(MobUntil){.time = MOB_TIME_NEVER, .limit = MOB_TIME_NEVER});
    return !observer->broken;
}

void
mob_observer_stop(MobObserver *observer)
{
    observer->stopped = true;
    observer->live.control->stop(observer->live.control);
}

bool
mob_observer_stopped(const MobObserver *observer)
{
    return observer->stopped;
}
