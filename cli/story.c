/* story.c: see story.h.
 *
 * A line is held back until the next thing happens, so that two tasks which
 * one process starts at the same instant can share it. Deaths are held back
 * as well, until the fault that caused them has been told.
 */
#include "cli/story.h"

#include <string.h>

#include "cli/text.h"

enum {
    WHO_WIDTH = 9,
    WHAT_WIDTH = 17,
    WHERE_WIDTH = 24,
    HALF_WIDTH = 13,    /* of where, when a second task follows on the line */
    DEAR_MAX = 1000,    /* and so many things that went wrong */
    ORDINARY_MAX = 200, /* so many tasks are told one by one */
    RUNNING_NAMES = 8,
};

typedef struct {
    MobTime at;
    GString *who;
    GString *what;
    GString *where; /* with the glyph */
    GString *why;
    bool held;
    bool may_join; /* a task like it may follow on the same line */
} Line;

typedef struct {
    MobAddress address;
    MobTime at;
    bool machine;
    const char *why;
} Death;

struct MobTeller {
    MobWatcher watcher;
    MobTellerOptions options;
    Line line;
    GArray *deaths; /* of Death */
    uint64_t ordinary;
    uint64_t dear;
    uint64_t untold;
    uint64_t joined;
    GString *failure; /* of the newest attempt that failed */
    MobTime now;
};

/* --- lines --- */

static void
flush(MobTeller *teller)
{
    Line *line = &teller->line;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GString) time = g_string_new(NULL);
    if (!line->held)
        return;
    mob_term_ms(time, line->at);
    if (teller->options.plain) {
        g_string_printf(text, "%s\t%s\t%s\t%s\t%s", time->str, line->who->str, line->what->str,
                        line->where->str, line->why->str);
    } else {
        g_string_printf(text, "%6s ms  ", time->str);
        mob_term_pad(text, line->who->str, WHO_WIDTH, 2);
        mob_term_pad(text, line->what->str, WHAT_WIDTH, 2);
        mob_term_pad(text, line->where->str, WHERE_WIDTH, 2);
        g_string_append(text, line->why->str);
        g_strchomp(text->str);
    }
    line->held = false;
    mob_term_say(teller->options.term, "%s", text->str);
}

/* Begins a line; what is said about it is appended to teller->line. */
static Line *
begin(MobTeller *teller, MobTime at, const char *who)
{
    Line *line = &teller->line;
    flush(teller);
    line->at = at;
    line->held = true;
    line->may_join = false;
    g_string_assign(line->who, *who != '\0' ? who : "?");
    g_string_truncate(line->what, 0);
    g_string_truncate(line->where, 0);
    g_string_truncate(line->why, 0);
    return line;
}

static const char *
proc_name(const MobTeller *teller, MobAddress address)
{
    return mob_state_proc_name(teller->options.state, address);
}

static const MobStateTask *
task_of(const MobTeller *teller, const MobNote *note)
{
    MobTaskId id = note->spec != NULL ? note->spec->id : note->task;
    return mob_state_task_by_id(teller->options.state, id);
}

/* "T2 parse(O1)" */
static void
append_task(GString *into, const MobStateTask *task, bool args)
{
    if (task == NULL) {
        g_string_append(into, "main");
        return;
    }
    g_string_append_printf(into, "%s %s", task->name, task->label);
    if (!args || task->args->len == 0)
        return;
    g_string_append_c(into, '(');
    for (guint i = 0; i < task->args->len && i < 3; i++) {
        const MobStateObject *object = g_ptr_array_index(task->args, i);
        g_string_append_printf(into, i > 0 ? ",%s" : "%s", object->name);
    }
    g_string_append(into, task->args->len > 3 ? ",…)" : ")");
}

static const char *
object_name(const MobTeller *teller, const MobNote *note)
{
    const MobStateObject *object = mob_state_object_by_id(teller->options.state, note->object);
    return object != NULL ? object->name : "an object";
}

/* The same for what went wrong: a whole fleet may be lost. */
static bool
dear(MobTeller *teller)
{
    if (teller->options.verbose > 0 || teller->dear < DEAR_MAX) {
        teller->dear++;
        return true;
    }
    teller->untold++;
    return false;
}

/* Whether one more task may be told of; tasks without a story are counted. */
static bool
ordinary(MobTeller *teller)
{
    if (teller->options.verbose > 0 || teller->ordinary < ORDINARY_MAX) {
        teller->ordinary++;
        return true;
    }
    teller->untold++;
    return false;
}

/* --- tasks --- */

static void
on_running(MobTeller *teller, const MobNote *note)
{
    const MobStateTask *task = task_of(teller, note);
    const MobStateAttempt *attempt =
        task != NULL ? mob_state_attempt(teller->options.state, note->spec->id, note->attempt)
                     : NULL;
    const char *owner = proc_name(teller, note->owner);
    Line *line = &teller->line;
    bool again = attempt != NULL && attempt->number > 1;

    if (!again && !ordinary(teller))
        return;
    bool join = line->held && line->may_join && !again && line->at == teller->now &&
                strcmp(line->who->str, owner) == 0;
    if (join) {
        append_task(line->why, task, true);
        g_string_append_printf(line->why, " ▸ %s", proc_name(teller, note->worker));
        g_autofree char *where = g_strdup(line->where->str);
        g_string_truncate(line->where, 0);
        mob_term_pad(line->where, where, HALF_WIDTH, 2);
        flush(teller);
        return;
    }
    line = begin(teller, teller->now, owner);
    append_task(line->what, task, true);
    g_string_append_printf(line->where, "▸ %s", proc_name(teller, note->worker));
    if (again)
        g_string_append_printf(line->why, "attempt %u", attempt->number);
    line->may_join = !again;
}

static void
append_result(MobTeller *teller, Line *line, const MobStateObject *object)
{
    g_string_append_printf(line->where, " %s", object->name);
    if (object->state == MOB_OBJECT_FAILED)
        g_string_append(line->where, " ✗");
    if (mob_state_copy_count(object) == 0)
        return;
    g_string_append(line->where, "  ");
    mob_term_bytes(line->where, object->size);
    for (guint i = 0; i < object->copies->len; i++) {
        const MobStateCopy *copy = g_ptr_array_index(object->copies, i);
        if (copy->to != 0 || !copy->primary)
            continue;
        g_string_append_printf(line->where, " on %s",
                               mob_state_node_name(teller->options.state, copy->node));
        break;
    }
}

static void
on_finished(MobTeller *teller, const MobNote *note)
{
    const MobStateTask *task = task_of(teller, note);
    if (task == NULL || !ordinary(teller))
        return;
    Line *line = begin(teller, teller->now, proc_name(teller, note->worker));
    append_task(line->what, task, false);
    g_string_append(line->where, "✓");
    for (guint i = 0; i < task->returns->len && i < 3; i++)
        append_result(teller, line, g_ptr_array_index(task->returns, i));
}

static void
append_error(GString *into, const MobNote *note)
{
    g_autofree char *name = NULL;
    g_autofree char *message = NULL;
    if (note->value != NULL && mob_term_fault(note->value, &name, &message)) {
        char *end = strchr(message, '\n');
        if (end != NULL)
            *end = '\0';
        g_string_append_printf(into, "%s: %s", name, message);
    } else if (note->reason != NULL) {
        g_string_append(into, note->reason);
    }
}

static void
on_failed(MobTeller *teller, const MobNote *note)
{
    g_string_truncate(teller->failure, 0);
    append_error(teller->failure, note);
    if (!note->final && teller->options.verbose == 0)
        return; /* it is tried again, which says why */
    Line *line = begin(teller, teller->now, proc_name(teller, note->owner));
    append_task(line->what, task_of(teller, note), false);
    g_string_append(line->where, note->final ? "✗ for good" : "✗");
    g_string_append(line->why, teller->failure->str);
}

static void
on_retried(MobTeller *teller, const MobNote *note)
{
    if (!dear(teller))
        return;
    Line *line = begin(teller, teller->now, proc_name(teller, note->owner));
    append_task(line->what, task_of(teller, note), true);
    g_string_append(line->where, "↻ again");
    g_string_append(line->why, teller->failure->len > 0 ? teller->failure->str
                               : note->reason != NULL   ? note->reason
                                                        : "");
    g_string_truncate(teller->failure, 0);
}

/* --- objects --- */

/* "T3 ← O2 ← T2": who still needs it, and what makes it. */
static void
append_lineage(MobTeller *teller, GString *into, const MobStateObject *object)
{
    const GPtrArray *tasks = teller->options.state->tasks;
    for (guint i = 0; i < tasks->len; i++) {
        const MobStateTask *task = g_ptr_array_index(tasks, i);
        if (task->state >= MOB_TASK_FINISHED || !g_ptr_array_find(task->args, object, NULL))
            continue;
        g_string_append_printf(into, "%s ← ", task->name);
        break;
    }
    g_string_append(into, object->name);
    if (object->maker != NULL)
        g_string_append_printf(into, " ← %s", object->maker->name);
}

static void
on_recovering(MobTeller *teller, const MobNote *note)
{
    if (!dear(teller))
        return;
    const MobStateObject *object = mob_state_object_by_id(teller->options.state, note->object);
    Line *line = begin(teller, teller->now, proc_name(teller, note->owner));
    g_string_assign(line->what, object_name(teller, note));
    if (note->node.v != 0) {
        g_string_append_printf(line->where, "◌ lost, ↻ from %s",
                               mob_state_node_name(teller->options.state, note->node));
        g_string_append(line->why, "another copy is there");
        return;
    }
    g_string_append(line->where, "◌ lost, ↻ by its task");
    if (object != NULL) {
        g_string_append(line->why, "lineage: ");
        append_lineage(teller, line->why, object);
    }
}

static void
on_object(MobTeller *teller, const MobNote *note)
{
    if (!dear(teller))
        return;
    const char *glyph = note->kind == MOB_NOTE_OBJECT_LOST        ? "◌ lost"
                        : note->kind == MOB_NOTE_OBJECT_FAILED    ? "✗"
                        : note->kind == MOB_NOTE_OBJECT_RECOVERED ? "✓"
                                                                  : "·";
    const char *who = mob_address_is(note->owner)
                          ? proc_name(teller, note->owner)
                          : mob_state_node_name(teller->options.state, note->node);
    Line *line = begin(teller, teller->now, who);
    g_string_assign(line->what, object_name(teller, note));
    g_string_append(line->where, glyph);
    if (note->kind >= MOB_NOTE_OBJECT_EVICTED && note->kind <= MOB_NOTE_OBJECT_RESTORED)
        g_string_append_printf(line->where, " %s", mob_note_name(note->kind) + strlen("object."));
    if (note->node.v != 0)
        g_string_append_printf(line->where, " on %s",
                               mob_state_node_name(teller->options.state, note->node));
    append_error(line->why, note);
}

/* --- machines, processes, faults --- */

static bool
died_with(const Death *death, MobAddress address)
{
    return death->machine ? address.node == death->address.node
                          : mob_address_eq(address, death->address);
}

/* What went with @death: the tasks that ran there and the values that were
 * nowhere else. Returns false if that is nothing. */
static bool
append_toll(MobTeller *teller, const Death *death, GString *what, GString *why)
{
    const MobState *state = teller->options.state;
    int tasks = 0;
    int objects = 0;
    for (guint i = 0; i < state->objects->len; i++) {
        const MobStateObject *object = g_ptr_array_index(state->objects, i);
        if (object->state != MOB_OBJECT_LOST || object->ended_at != death->at)
            continue;
        for (guint j = 0; j < object->copies->len; j++) {
            const MobStateCopy *copy = g_ptr_array_index(object->copies, j);
            if (!death->machine || copy->node.v != death->address.node || copy->to_at != death->at)
                continue;
            if (++objects <= RUNNING_NAMES)
                g_string_append_printf(what, "%s ◌  ", object->name);
            break;
        }
    }
    for (guint i = 0; i < state->attempts->len; i++) {
        const MobStateAttempt *attempt = g_ptr_array_index(state->attempts, i);
        bool crashed = attempt->started != 0 && attempt->outcome != NULL &&
                       strcmp(attempt->outcome, "crashed") == 0 && attempt->ended_at == death->at &&
                       died_with(death, attempt->worker);
        if (crashed && ++tasks <= RUNNING_NAMES)
            g_string_append_printf(what, "%s ✗  ", attempt->task->name);
    }
    if (objects > 0)
        g_string_append(why, objects == 1 ? "the only copy" : "the only copies");
    if (tasks > 0)
        g_string_append_printf(why, "%sthe running task%s", objects > 0 ? ", " : "",
                               tasks == 1 ? "" : "s");
    if (MAX(objects, tasks) > RUNNING_NAMES)
        g_string_append_printf(why, " (%d)", objects + tasks);
    return objects + tasks > 0;
}

static void
tell_deaths(MobTeller *teller)
{
    g_autoptr(GString) what = g_string_new(NULL);
    g_autoptr(GString) why = g_string_new(NULL);
    for (guint i = 0; i < teller->deaths->len; i++) {
        const Death *death = &g_array_index(teller->deaths, Death, i);
        bool told = false; /* with the machine it was on */
        for (guint j = 0; j < teller->deaths->len && !death->machine; j++) {
            const Death *other = &g_array_index(teller->deaths, Death, j);
            told |= other->machine && other->address.node == death->address.node;
        }
        g_string_truncate(what, 0);
        g_string_truncate(why, 0);
        if (told || !append_toll(teller, death, what, why))
            continue;
        MobNodeId node = {death->address.node};
        Line *line = begin(teller, death->at,
                           death->machine ? mob_state_node_name(teller->options.state, node)
                                          : proc_name(teller, death->address));
        g_string_append(line->what, g_strchomp(what->str));
        g_string_append(line->why, why->str);
    }
    g_array_set_size(teller->deaths, 0);
}

static void
on_fault(MobTeller *teller, const MobNote *note)
{
    Line *line = begin(teller, teller->now, "fault");
    g_string_append(line->what, note->text != NULL ? note->text : note->reason);
    g_string_append(line->where, "✗");
    if (note->line > 0)
        g_string_append_printf(line->why, "%s:%u", teller->options.file, note->line);
}

static void
on_machine(MobTeller *teller, const MobNote *note)
{
    static const char *const says[] = {"is dead", "left", "joined", "was killed", "is back"};
    const char *node =
        note->label != NULL ? note->label : mob_state_node_name(teller->options.state, note->node);
    int what = note->kind == MOB_NOTE_NODE_DECLARED_DEAD ? 0
               : note->kind == MOB_NOTE_NODE_LEFT        ? 1
               : note->kind == MOB_NOTE_NODE_JOINED      ? 2
               : note->kind == MOB_NOTE_GCS_DIED         ? 3
                                                         : 4;
    bool gcs = note->kind == MOB_NOTE_GCS_DIED || note->kind == MOB_NOTE_GCS_RESTARTED;
    Line *line = begin(teller, teller->now, "gcs");
    g_string_append_printf(line->what, "%s %s", gcs ? "gcs" : node, says[what]);
    if (note->reason != NULL)
        g_string_append(line->why, note->reason);
}

static void
on_worker_died(MobTeller *teller, const MobNote *note)
{
    Line *line = begin(teller, teller->now, mob_state_node_name(teller->options.state, note->node));
    g_string_append_printf(line->what, "%s is dead", proc_name(teller, note->worker));
    if (note->reason != NULL)
        g_string_append(line->why, note->reason);
}

/* --- the rest --- */

static void
on_job(MobTeller *teller, const MobNote *note)
{
    Line *line = begin(teller, teller->now, proc_name(teller, note->owner));
    mob_term_value(line->what, note->value, 60);
    char *end = strchr(line->what->str, '\n');
    if (end != NULL)
        g_string_truncate(line->what, (gsize)(end - line->what->str));
}

static void
on_detail(MobTeller *teller, const MobNote *note)
{
    const MobAddress whos[] = {note->owner, note->worker, note->from};
    const char *who = "";
    for (size_t i = 0; i < G_N_ELEMENTS(whos) && *who == '\0'; i++)
        who = mob_address_is(whos[i]) ? proc_name(teller, whos[i]) : "";
    Line *line = begin(teller, teller->now, who);
    g_string_assign(line->what, mob_note_name(note->kind));
    if (note->kind == MOB_NOTE_DECIDE)
        g_string_append_printf(line->what, ".%s", note->reason);
    else if (note->reason != NULL)
        g_string_append(line->why, note->reason);
    if (task_of(teller, note) != NULL)
        append_task(line->where, task_of(teller, note), false);
    else if (mob_object_is(note->object))
        g_string_append(line->where, object_name(teller, note));
    if (note->node.v != 0)
        g_string_append_printf(line->where, " %s",
                               mob_state_node_name(teller->options.state, note->node));
    if (note->msg != NULL) {
        g_string_append_printf(line->where, "→ %s", proc_name(teller, note->to));
        mob_msg_print(note->msg, line->why);
    }
}

/* --- the watcher --- */

#define TOLD                                                                                       \
    (MOB_WANT(TASK_RUNNING) | MOB_WANT(TASK_FINISHED) | MOB_WANT(TASK_FAILED) |                    \
     MOB_WANT(TASK_RETRIED) | MOB_WANT(OBJECT_LOST) | MOB_WANT(OBJECT_RECOVERING) |                \
     MOB_WANT(OBJECT_FAILED) | MOB_WANT(WORKER_DIED) | MOB_WANT(NODE_JOINED) |                     \
     MOB_WANT(NODE_LEFT) | MOB_WANT(NODE_DECLARED_DEAD) | MOB_WANT(GCS_DIED) |                     \
     MOB_WANT(GCS_RESTARTED) | MOB_WANT(JOB_FINISHED) | MOB_WANT(FAULT))
#define DETAILS                                                                                    \
    (MOB_WANT(TASK_SUBMITTED) | MOB_WANT(LEASE_REQUESTED) | MOB_WANT(LEASE_GRANTED) |              \
     MOB_WANT(LEASE_SPILLED) | MOB_WANT(LEASE_RETURNED) | MOB_WANT(WORKER_STARTED) |               \
     MOB_WANT(GET_BLOCKED) | MOB_WANT(GET_RESUMED) | MOB_WANT(OBJECT_COPIED) |                     \
     MOB_WANT(OBJECT_EVICTED) | MOB_WANT(OBJECT_RECOVERED) | MOB_WANT(OBJECT_FREED) |              \
     MOB_WANT(DECIDE))

static void
tell(MobTeller *teller, const MobNote *note)
{
    switch ((int)note->kind) {
    case MOB_NOTE_TASK_RUNNING:
        on_running(teller, note);
        break;
    case MOB_NOTE_TASK_FINISHED:
        on_finished(teller, note);
        break;
    case MOB_NOTE_TASK_FAILED:
        on_failed(teller, note);
        break;
    case MOB_NOTE_TASK_RETRIED:
        on_retried(teller, note);
        break;
    case MOB_NOTE_OBJECT_RECOVERING:
        on_recovering(teller, note);
        break;
    case MOB_NOTE_OBJECT_LOST:
    case MOB_NOTE_OBJECT_FAILED:
    case MOB_NOTE_OBJECT_EVICTED:
    case MOB_NOTE_OBJECT_RECOVERED:
        on_object(teller, note);
        break;
    case MOB_NOTE_WORKER_DIED:
        on_worker_died(teller, note);
        break;
    case MOB_NOTE_NODE_JOINED:
        if (++teller->joined > teller->options.machines) /* the first ones are not news */
            on_machine(teller, note);
        break;
    case MOB_NOTE_NODE_LEFT:
    case MOB_NOTE_NODE_DECLARED_DEAD:
    case MOB_NOTE_GCS_DIED:
    case MOB_NOTE_GCS_RESTARTED:
        on_machine(teller, note);
        break;
    case MOB_NOTE_JOB_FINISHED:
        on_job(teller, note);
        break;
    default:
        on_detail(teller, note);
    }
}

/* Whether the note is of a loss that the same step goes about to mend: then
 * that line says it all. */
static bool
is_recovered_at_once(const MobEvent *event, size_t i)
{
    if (event->notes[i].kind != MOB_NOTE_OBJECT_LOST)
        return false;
    for (size_t j = i + 1; j < event->note_count; j++)
        if (event->notes[j].kind == MOB_NOTE_OBJECT_RECOVERING &&
            mob_object_eq(event->notes[j].object, event->notes[i].object))
            return true;
    return false;
}

static void
on_event(MobWatcher *self, const MobEvent *event)
{
    MobTeller *teller = (MobTeller *)self;

    if (event->note_count == 0 && teller->deaths->len == 0)
        return;
    teller->now = event->at;
    for (size_t i = 0; i < event->note_count; i++)
        if (event->notes[i].kind == MOB_NOTE_FAULT)
            on_fault(teller, &event->notes[i]);
    tell_deaths(teller);
    for (size_t i = 0; i < event->note_count; i++) {
        const MobNote *note = &event->notes[i];
        bool wanted = (self->wanted >> note->kind & 1) != 0 && note->kind != MOB_NOTE_FAULT;
        if (wanted && !is_recovered_at_once(event, i))
            tell(teller, note);
    }
}

static void
on_died(MobWatcher *self, MobAddress proc, const char *why, MobTime at)
{
    MobTeller *teller = (MobTeller *)self;
    Death death = {proc, at, proc.local == MOB_LOCAL_NODE, why};
    g_array_append_val(teller->deaths, death);
}

MobTeller *
mob_teller_new(const MobTellerOptions *options)
{
    MobTeller *teller = g_new0(MobTeller, 1);
    teller->options = *options;
    teller->deaths = g_array_new(FALSE, TRUE, sizeof(Death));
    teller->failure = g_string_new(NULL);
    GString **texts[] = {&teller->line.who, &teller->line.what, &teller->line.where,
                         &teller->line.why};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        *texts[i] = g_string_new(NULL);
    teller->watcher = (MobWatcher){
        .wanted = TOLD | (options->verbose > 0 ? DETAILS : 0) |
                  (options->verbose > 1 ? MOB_WANT(MESSAGE_SENT) : 0),
        .event = on_event,
        .died = on_died,
    };
    return teller;
}

void
mob_teller_free(MobTeller *teller)
{
    if (teller == NULL)
        return;
    tell_deaths(teller);
    flush(teller);
    if (teller->untold > 0)
        mob_term_say(teller->options.term,
                     "and %" G_GUINT64_FORMAT " more lines like these; -v tells all",
                     teller->untold);
    GString *texts[] = {teller->line.who, teller->line.what, teller->line.where, teller->line.why};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_string_free(texts[i], TRUE);
    g_array_unref(teller->deaths);
    g_string_free(teller->failure, TRUE);
    g_free(teller);
}

MobWatcher *
mob_teller_watcher(MobTeller *teller)
{
    return &teller->watcher;
}
