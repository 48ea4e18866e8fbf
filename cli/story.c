/* story.c: see story.h. What each note is told as, and what is left out. */
#include "cli/story_parts.h"

#include <string.h>

#include "cli/text.h"

enum {
    HALF_WIDTH = 13, /* of where, when a second task follows on the line */
    RESULTS_MAX = 3,
    TENTH = 100 * 1000, /* of a millisecond, which is what people see */
};

/* --- tasks --- */

static void
on_running(MobTeller *teller, const MobNote *note)
{
    const MobStateTask *task = mob_teller_task(teller, note);
    const MobStateAttempt *attempt =
        task != NULL ? mob_state_attempt(teller->options.state, note->spec->id, note->attempt)
                     : NULL;
    const char *owner = mob_teller_proc(teller, note->owner);
    MobTellerLine *line = &teller->line;
    bool again = attempt != NULL && attempt->number > 1;

    if (!(again ? mob_teller_dear(teller) : mob_teller_ordinary(teller)))
        return;
    bool join = line->held && line->may_join && !again && line->at / TENTH == teller->now / TENTH &&
                strcmp(line->who->str, owner) == 0;
    if (join) {
        mob_teller_add_task(line->why, task, true);
        g_string_append_printf(line->why, " ▸ %s", mob_teller_proc(teller, note->worker));
        g_autofree char *where = g_strdup(line->where->str);
        g_string_truncate(line->where, 0);
        mob_term_pad(line->where, where, HALF_WIDTH, 2);
        mob_teller_flush(teller);
        return;
    }
    line = mob_teller_begin(teller, teller->now, owner);
    mob_teller_add_task(line->what, task, true);
    g_string_append_printf(line->where, "▸ %s", mob_teller_proc(teller, note->worker));
    if (again)
        g_string_append_printf(line->why, "attempt %u", attempt->number);
    line->may_join = !again;
}

static void
append_place(MobTeller *teller, MobTellerLine *line, const MobStateObject *object)
{
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
append_result(MobTeller *teller, MobTellerLine *line, const MobStateObject *object)
{
    g_string_append_printf(line->where, " %s", object->name);
    if (object->state == MOB_OBJECT_FAILED)
        g_string_append(line->where, " ✗");
    if (mob_state_copy_count(object) == 0)
        return;
    g_string_append(line->where, "  ");
    mob_term_bytes(line->where, object->size);
    append_place(teller, line, object);
}

/* "O1 to O1.8  64.0 MiB on n1": what is stored is all on one machine. */
static void
append_results(MobTeller *teller, MobTellerLine *line, const GPtrArray *objects)
{
    const MobStateObject *first = g_ptr_array_index(objects, 0);
    const MobStateObject *last = g_ptr_array_index(objects, objects->len - 1);
    const MobStateObject *stored = NULL;
    uint64_t bytes = 0;

    for (guint i = 0; i < objects->len; i++) {
        const MobStateObject *object = g_ptr_array_index(objects, i);
        if (mob_state_copy_count(object) == 0)
            continue;
        bytes += object->size;
        stored = object;
    }
    g_string_append_printf(line->where, " %s to %s", first->name, last->name);
    if (stored == NULL)
        return;
    g_string_append(line->where, "  ");
    mob_term_bytes(line->where, bytes);
    append_place(teller, line, stored);
}

static void
on_finished(MobTeller *teller, const MobNote *note)
{
    const MobStateTask *task = mob_teller_task(teller, note);
    if (task == NULL || !mob_teller_ordinary(teller))
        return;
    MobTellerLine *line =
        mob_teller_begin(teller, teller->now, mob_teller_proc(teller, note->worker));
    mob_teller_add_task(line->what, task, false);
    g_string_append(line->where, "✓");
    if (task->returns->len > RESULTS_MAX)
        append_results(teller, line, task->returns);
    for (guint i = 0; i < task->returns->len && task->returns->len <= RESULTS_MAX; i++)
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
    MobTellerLine *line =
        mob_teller_begin(teller, teller->now, mob_teller_proc(teller, note->owner));
    mob_teller_add_task(line->what, mob_teller_task(teller, note), false);
    g_string_append(line->where, note->final ? "✗ for good" : "✗");
    g_string_append(line->why, teller->failure->str);
}

static void
on_retried(MobTeller *teller, const MobNote *note)
{
    if (!mob_teller_dear(teller))
        return;
    MobTellerLine *line =
        mob_teller_begin(teller, teller->now, mob_teller_proc(teller, note->owner));
    mob_teller_add_task(line->what, mob_teller_task(teller, note), true);
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
    if (!mob_teller_dear(teller))
        return;
    const MobStateObject *object = mob_state_object_by_id(teller->options.state, note->object);
    MobTellerLine *line =
        mob_teller_begin(teller, teller->now, mob_teller_proc(teller, note->owner));
    g_string_assign(line->what, mob_teller_object(teller, note));
    if (note->node.v != 0) {
        g_string_append_printf(line->where, "↻ kept by %s",
                               mob_state_node_name(teller->options.state, note->node));
        g_string_append(line->why, "the primary copy is lost, another is there");
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
    if (!mob_teller_dear(teller))
        return;
    const char *glyph = note->kind == MOB_NOTE_OBJECT_LOST        ? "◌ lost"
                        : note->kind == MOB_NOTE_OBJECT_FAILED    ? "✗"
                        : note->kind == MOB_NOTE_OBJECT_RECOVERED ? "✓"
                                                                  : "·";
    MobTellerLine *line =
        mob_teller_begin(teller, teller->now, mob_teller_proc(teller, teller->process));
    g_string_assign(line->what, mob_teller_object(teller, note));
    g_string_append(line->where, glyph);
    if (note->kind >= MOB_NOTE_OBJECT_EVICTED && note->kind <= MOB_NOTE_OBJECT_RESTORED)
        g_string_append_printf(line->where, " %s", mob_note_name(note->kind) + strlen("object."));
    if (note->node.v != 0)
        g_string_append_printf(line->where, " on %s",
                               mob_state_node_name(teller->options.state, note->node));
    append_error(line->why, note);
}

/* --- machines, processes, faults --- */

static const char *
fault_glyph(const char *verb)
{
    if (g_strcmp0(verb, "kill") == 0)
        return "✗";
    if (g_strcmp0(verb, "restart") == 0 || g_strcmp0(verb, "join") == 0)
        return "↻";
    return "·";
}

static void
on_fault(MobTeller *teller, const MobNote *note)
{
    MobTellerLine *line = mob_teller_begin(teller, teller->now, "fault");
    g_string_append(line->what, note->text != NULL ? note->text : note->reason);
    g_string_append(line->where, fault_glyph(note->reason));
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
    MobTellerLine *line = mob_teller_begin(teller, teller->now, "gcs");
    g_string_append_printf(line->what, "%s %s", gcs ? "gcs" : node, says[what]);
    if (note->reason != NULL)
        g_string_append(line->why, note->reason);
}

static void
on_worker_died(MobTeller *teller, const MobNote *note)
{
    if (!mob_teller_dear(teller))
        return;
    MobTellerLine *line = mob_teller_begin(teller, teller->now,
                                           mob_state_node_name(teller->options.state, note->node));
    bool done = g_strcmp0(note->reason, "its job is over") == 0;
    g_string_append_printf(line->what, "%s %s", mob_teller_proc(teller, note->worker),
                           done ? "has ended" : "is dead");
    if (note->reason != NULL)
        g_string_append(line->why, note->reason);
}

/* --- the rest --- */

static void
on_job(MobTeller *teller, const MobNote *note)
{
    MobTellerLine *line =
        mob_teller_begin(teller, teller->now, mob_teller_proc(teller, note->owner));
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
        who = mob_address_is(whos[i]) ? mob_teller_proc(teller, whos[i]) : "";
    MobTellerLine *line = mob_teller_begin(teller, teller->now, who);
    g_string_assign(line->what, mob_note_name(note->kind));
    if (note->kind == MOB_NOTE_DECIDE)
        g_string_append_printf(line->what, ".%s", note->reason);
    else if (note->reason != NULL)
        g_string_append(line->why, note->reason);
    if (mob_teller_task(teller, note) != NULL)
        mob_teller_add_task(line->where, mob_teller_task(teller, note), false);
    else if (mob_object_is(note->object))
        g_string_append(line->where, mob_teller_object(teller, note));
    if (note->node.v != 0)
        g_string_append_printf(line->where, " %s",
                               mob_state_node_name(teller->options.state, note->node));
    if (note->msg != NULL) {
        g_string_append_printf(line->where, "→ %s", mob_teller_proc(teller, note->to));
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
    teller->process = event->process;
    for (size_t i = 0; i < event->note_count; i++)
        if (event->notes[i].kind == MOB_NOTE_FAULT)
            on_fault(teller, &event->notes[i]);
    mob_teller_deaths(teller);
    bool many = teller->options.verbose == 0 && mob_teller_losses(teller, event);
    for (size_t i = 0; i < event->note_count; i++) {
        const MobNote *note = &event->notes[i];
        bool wanted = (self->wanted >> note->kind & 1) != 0 && note->kind != MOB_NOTE_FAULT;
        if (wanted && !is_recovered_at_once(event, i) && !(many && mob_teller_is_loss(note)))
            tell(teller, note);
    }
}

static void
on_died(MobWatcher *self, MobAddress proc, const char *why, MobWhen when)
{
    MobTeller *teller = (MobTeller *)self;
    MobTellerDeath death = {proc, when.at, proc.local == MOB_LOCAL_NODE, why};
    g_array_append_val(teller->deaths, death);
}

void
mob_teller_rest(MobTeller *teller)
{
    if (teller == NULL)
        return;
    mob_teller_deaths(teller);
    mob_teller_flush(teller);
    if (teller->untold > 0)
        mob_term_say(teller->options.term,
                     "and %" G_GUINT64_FORMAT " more lines like these; -v tells all",
                     teller->untold);
    teller->untold = 0;
}

MobTeller *
mob_teller_new(const MobTellerOptions *options)
{
    MobTeller *teller = g_new0(MobTeller, 1);
    teller->options = *options;
    teller->deaths = g_array_new(FALSE, TRUE, sizeof(MobTellerDeath));
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
    mob_teller_rest(teller);
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
