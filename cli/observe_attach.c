/* observe_attach.c: clients that run a scenario on this cluster (net/remote.h).
 *
 * One at a time, and while nobody else's job runs: so what it hears from the
 * beginning is all that it needs to know what is true. Where it acts inside
 * an event, everything of that event stands still until it has answered, for a
 * few seconds at most. When it has gone, or says nothing for long, its faults are healed;
 * when it has gone, its jobs end too.
 */
#include <string.h>

#include "cli/cli.h"
#include "cli/observe_parts.h"
#include "net/clock.h"
#include "net/remote.h"
#include "runtime/report.h"
#include "runtime/str.h"

enum {
    WAIT_MS = 50,
};

struct MobAttached {
    MobClient *client;
    uint64_t wanted;
    uint64_t acts;
    GArray *jobs;    /* of uint32_t */
    GArray *faults;  /* of uint32_t: those that it has made and not healed */
    uint64_t heard;  /* real time */
    bool waited_for; /* something stands still until it has answered */
    bool begun;
    GQueue todo; /* of GBytes, owned: frames that are to be done as an event of the world */
};

/* --- telling --- */

static void
send_report(MobAttached *attached, const MobBuf *report, uint64_t event, bool held)
{
    MobFrame frame = {.kind = MOB_FRAME_REPORT, .clock = held, .event = event};

    mob_client_send(attached->client, &frame, report);
}

static bool
says_enough(const MobAttached *attached)
{
    return mob_clock_real() < attached->heard + MOB_REMOTE_SILENCE;
}

/* Until it has acted, or has gone. */
static void
wait_for(MobAttached *attached)
{
    attached->waited_for = true;
    while (attached->waited_for && says_enough(attached))
        if (!mob_client_wait(attached->client, WAIT_MS))
            break;
    attached->waited_for = false;
}

void
mob_attached_event(MobObserver *observer, const MobEvent *event)
{
    MobAttached *attached = observer->attached;
    g_auto(MobBuf) report = {0};
    uint64_t kinds = 0;

    if (attached == NULL || !attached->begun)
        return;
    for (size_t i = 0; i < event->note_count; i++)
        kinds |= UINT64_C(1) << event->notes[i].kind;
    if ((kinds & attached->wanted) == 0 && (attached->wanted & MOB_WANT_STEPS) == 0)
        return;
    /* What the world does, nobody can stop. */
    bool held = (kinds & attached->acts) != 0 && event->role != MOB_ROLE_WORLD;
    mob_report_event_encode(event, 0, &report);
    send_report(attached, &report, event->number, held);
    if (held)
        wait_for(attached);
}

void
mob_attached_born(MobObserver *observer, const MobProcInfo *born, MobWhen when)
{
    g_auto(MobBuf) report = {0};

    if (observer->attached == NULL || !observer->attached->begun)
        return;
    mob_report_born_encode(born, when.at, 0, &report);
    send_report(observer->attached, &report, when.event, false);
}

void
mob_attached_died(MobObserver *observer, MobAddress process, const char *why, MobWhen when)
{
    g_auto(MobBuf) report = {0};

    if (observer->attached == NULL || !observer->attached->begun)
        return;
    mob_report_died_encode(process, why, when.at, 0, &report);
    send_report(observer->attached, &report, when.event, false);
}

/* --- the beginning --- */

/* Who lives, as if all had just been born. */
static void
tell_who_is_there(MobObserver *observer)
{
    const MobState *state = observer->state;
    MobControl *control = observer->live.control;
    MobWhen when = {control->events(control), control->now(control)};
    g_autoptr(GArray) joined = g_array_new(FALSE, FALSE, sizeof(MobNote));

    for (guint i = 0; i < state->procs->len; i++) {
        const MobStateProc *proc = g_ptr_array_index(state->procs, i);
        MobProcInfo info = {.address = proc->address,
                            .name = proc->name,
                            .node_name = proc->node_name,
                            .role = proc->role,
                            .incarnation = proc->incarnation};
        if (proc->alive)
            mob_attached_born(observer, &info, when);
    }
    for (guint i = 0; i < state->nodes->len; i++) {
        const MobStateNode *node = g_ptr_array_index(state->nodes, i);
        MobNote note = {.kind = MOB_NOTE_NODE_JOINED, .node = node->node, .label = node->name};
        if (node->alive && !node->declared_dead)
            g_array_append_val(joined, note);
    }
    MobEvent event = {.number = when.event,
                      .at = when.at,
                      .role = MOB_ROLE_WORLD,
                      .notes = (const MobNote *)(const void *)joined->data,
                      .note_count = joined->len};
    mob_attached_event(observer, &event);
}

static void
answer(MobObserver *observer, uint64_t number, MobAddress from, const char *why)
{
    MobControl *control = observer->live.control;
    MobFrame done = {
        .kind = MOB_FRAME_DONE, .from = from, .event = number, .clock = control->now(control)};
    MobBuf body = {.data = (uint8_t *)why, .length = why != NULL ? strlen(why) : 0};

    mob_client_send(observer->attached->client, &done, &body);
}

static void
on_want(MobObserver *observer, const MobFrame *frame)
{
    MobAttached *attached = observer->attached;
    MobWatcher *hub = &observer->watcher.base;

    attached->wanted = frame->clock;
    attached->acts = frame->event;
    hub->wanted = MOB_OBSERVED | attached->wanted;
    hub->acts = attached->acts;
}

/* It has said what it wants. */
static void
on_begin(MobObserver *observer)
{
    observer->attached->begun = true;
    answer(observer, observer->live.jobs->len + 1, (MobAddress){0}, NULL);
    tell_who_is_there(observer);
}

/* --- what it asks for --- */

static const char *
some(const MobStr *text)
{
    return text != NULL && mob_str(text)[0] != '\0' ? mob_str(text) : NULL;
}

static void
on_demand(MobObserver *observer, const MobDemand *demand)
{
    MobControl *control = observer->live.control;
    g_autoptr(GError) error = NULL;
    MobMachine machine = {.name = mob_str(demand->machine),
                          .cpus = demand->cpus,
                          .cores = demand->cores,
                          .speed_ppm = 1000000,
                          .memory = INT64_C(8) << 30,
                          .store_bytes = demand->store_bytes};
    MobOrder order = {
        .verb = (MobVerb)demand->verb,
        .target = some(demand->target),
        .from = some(demand->from),
        .to = some(demand->to),
        .oneway = demand->oneway,
        .wipe = demand->wipe,
        .speed_ppm = demand->speed_ppm,
        .trouble = (MobTrouble)demand->trouble,
        .latency = demand->latency,
        .jitter = demand->jitter,
        .bps = demand->bps,
        .loss_ppm = demand->loss_ppm,
        .message = some(demand->message),
        .lose = (MobLose)demand->lose,
        .times = demand->times,
        .chance_ppm = demand->chance_ppm,
        .object = demand->object,
        .object_name = some(demand->object_name),
        .machine = demand->verb == MOB_VERB_JOIN ? &machine : NULL,
        .file = some(demand->file),
        .line = demand->line,
    };
    if (demand->verb >= MOB_VERB_COUNT || demand->lose > MOB_LOSE_INFLIGHT ||
        demand->trouble >= MOB_TROUBLE_COUNT) {
        answer(observer, 0, (MobAddress){0}, "there is no such order");
        return;
    }
    uint32_t number = control->order(control, &order, &error);
    if (number != 0)
        g_array_append_val(observer->attached->faults, number);
    answer(observer, number, (MobAddress){0}, number != 0 ? NULL : error->message);
}

static bool
is_its(const MobAttached *attached, uint64_t fault)
{
    for (guint i = 0; i < attached->faults->len; i++)
        if (g_array_index(attached->faults, uint32_t, i) == fault)
            return true;
    return false;
}

static void
on_fault_frame(MobObserver *observer, const MobFrame *frame)
{
    MobControl *control = observer->live.control;

    if (!is_its(observer->attached, frame->event)) {
        answer(observer, 0, (MobAddress){0}, "it has made no such fault");
    } else if (frame->kind == MOB_FRAME_HEAL) {
        control->heal(control, (uint32_t)frame->event);
        answer(observer, 1, (MobAddress){0}, NULL);
    } else { /* from 1, since 0 is no answer */
        answer(observer, control->bites(control, (uint32_t)frame->event) + 1, (MobAddress){0},
               NULL);
    }
}

static void
on_submit(MobObserver *observer, const MobAsk *ask)
{
    g_autoptr(GError) error = NULL;
    uint32_t number = mob_observer_submit(observer, ask, &error);

    if (number == 0) {
        answer(observer, 0, (MobAddress){0}, error->message);
        return;
    }
    g_array_append_val(observer->attached->jobs, number);
    answer(observer, number, observer->live.control->job_driver(observer->live.control, number),
           NULL);
}

static bool
decode(MobRecord kind, const MobFrame *frame, const uint8_t *body, void **record)
{
    *record = mob_record_decode(kind, body, frame->length, NULL);
    return *record != NULL;
}

static void
carry_out(MobObserver *observer, const MobFrame *frame, const uint8_t *body)
{
    void *record;

    if (frame->kind == MOB_FRAME_ORDER && decode(MOB_RECORD_demand, frame, body, &record)) {
        on_demand(observer, record);
        mob_record_free(MOB_RECORD_demand, record);
    } else if (frame->kind == MOB_FRAME_SUBMIT && decode(MOB_RECORD_ask, frame, body, &record)) {
        on_submit(observer, record);
        mob_record_free(MOB_RECORD_ask, record);
    } else if (frame->kind == MOB_FRAME_HEAL || frame->kind == MOB_FRAME_BITES) {
        on_fault_frame(observer, frame);
    } else {
        answer(observer, 0, (MobAddress){0}, "it cannot be read");
    }
}

static void
do_todo(void *data, uint64_t tag)
{
    MobObserver *observer = data;
    GBytes *bytes;

    while (observer->attached != NULL && tag == observer->attachments &&
           (bytes = g_queue_pop_head(&observer->attached->todo)) != NULL) {
        const uint8_t *at = g_bytes_get_data(bytes, NULL);
        MobFrame frame;
        memcpy(&frame, at, sizeof frame);
        carry_out(observer, &frame, at + sizeof frame);
        g_bytes_unref(bytes);
    }
}

/* As an event of the world, which the one that brings the frame is not. */
static void
put_off(MobObserver *observer, const MobFrame *frame, const uint8_t *body)
{
    MobControl *control = observer->live.control;
    uint8_t *copy = g_malloc(sizeof *frame + frame->length);

    memcpy(copy, frame, sizeof *frame);
    if (frame->length > 0)
        memcpy(copy + sizeof *frame, body, frame->length);
    g_queue_push_tail(&observer->attached->todo,
                      g_bytes_new_take(copy, sizeof *frame + frame->length));
    control->at(control, control->now(control), do_todo, observer, observer->attachments);
}

void
mob_attached_frame(MobObserver *observer, MobClient *client, const MobFrame *frame,
                   const uint8_t *body)
{
    MobAttached *attached = observer->attached;

    if (attached == NULL || attached->client != client) {
        mob_client_over(client, MOB_EXIT_USAGE);
        return;
    }
    attached->heard = mob_clock_real();
    switch (frame->kind) {
    case MOB_FRAME_WANT:
        on_want(observer, frame);
        break;
    case MOB_FRAME_GO:
        attached->waited_for = false;
        break;
    case MOB_FRAME_ORDER:
    case MOB_FRAME_SUBMIT:
    case MOB_FRAME_HEAL:
    case MOB_FRAME_BITES:
        if (attached->waited_for) /* inside an event, as it has asked for */
            carry_out(observer, frame, body);
        else
            put_off(observer, frame, body);
        break;
    case MOB_FRAME_OVER:
        answer(observer, 1, (MobAddress){0}, NULL);
        mob_attached_gone(observer, client);
        break;
    default: /* it is there */
        if (!attached->begun)
            on_begin(observer);
        break;
    }
}

/* --- its end --- */

static void
heal_all(MobObserver *observer, GArray *faults)
{
    MobControl *control = observer->live.control;

    for (guint i = 0; i < faults->len; i++)
        control->heal(control, g_array_index(faults, uint32_t, i));
    g_array_set_size(faults, 0);
}

/* In an event of the world. */
static void
heal_left(void *data, uint64_t tag)
{
    MobObserver *observer = data;

    (void)tag;
    heal_all(observer, observer->left);
}

/* Looked at again and again while it is there. */
static void
on_look(void *data, uint64_t tag)
{
    MobObserver *observer = data;
    MobControl *control = observer->live.control;

    if (observer->attached == NULL || tag != observer->attachments)
        return;
    if (!says_enough(observer->attached))
        heal_all(observer, observer->attached->faults);
    control->at(control, control->now(control) + MOB_REMOTE_BEAT, on_look, observer, tag);
}

void
mob_attached_gone(MobObserver *observer, const MobClient *client)
{
    MobAttached *attached = observer->attached;

    if (attached == NULL || (client != NULL && attached->client != client))
        return;
    attached->waited_for = false;
    if (client != NULL) {
        MobControl *control = observer->live.control;
        g_array_append_vals(observer->left, attached->faults->data, attached->faults->len);
        control->at(control, control->now(control), heal_left, observer, 0);
        for (guint i = 0; i < attached->jobs->len; i++)
            mob_observer_stop_job(observer, g_array_index(attached->jobs, uint32_t, i));
    }
    observer->watcher.base.wanted = MOB_OBSERVED;
    observer->watcher.base.acts = 0;
    observer->attached = NULL;
    g_queue_clear_full(&attached->todo, (GDestroyNotify)g_bytes_unref);
    g_array_unref(attached->faults);
    g_array_unref(attached->jobs);
    g_free(attached);
}

static const MobLiveJob *
running_job(const MobObserver *observer)
{
    for (guint i = 0; i < observer->live.jobs->len; i++) {
        const MobLiveJob *job = g_ptr_array_index(observer->live.jobs, i);
        if (!observer->live.control->job_done(observer->live.control, job->number))
            return job;
    }
    return NULL;
}

int
mob_observer_attach(MobObserver *observer, MobClient *client, const MobSink *sink)
{
    const MobLiveJob *job = running_job(observer);
    MobControl *control = observer->live.control;

    if (observer->attached != NULL) {
        mob_sink_say(sink, "somebody runs a scenario on this cluster already");
        return MOB_EXIT_USAGE;
    }
    if (job != NULL) {
        mob_sink_say(sink,
                     "J%u (%s) runs on this cluster, and a scenario wants it for itself; mobula "
                     "job stop J%u ends it",
                     job->number, job->name, job->number);
        return MOB_EXIT_USAGE;
    }
    MobAttached *attached = observer->attached = g_new0(MobAttached, 1);
    attached->client = client;
    g_queue_init(&attached->todo);
    attached->faults = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    attached->jobs = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    attached->heard = mob_clock_real();
    control->at(control, control->now(control) + MOB_REMOTE_BEAT, on_look, observer,
                ++observer->attachments);
    return MOB_OBSERVE_LATER;
}
