/* story_losses.c: what goes with a process or a machine, and what is done again
 * because of it.
 *
 * Deaths are held back until the fault that caused them has been told. What
 * one event loses and redoes is told in one line if it is much.
 */
#include "cli/story_parts.h"

#include <string.h>

enum {
    TOLL_NAMES = 4,
};

/* --- what was there --- */

static bool
died_with(const MobTellerDeath *death, MobAddress address)
{
    return death->machine ? address.node == death->address.node
                          : mob_address_eq(address, death->address);
}

static bool
had_copy(const MobStateObject *object, const MobTellerDeath *death)
{
    for (guint i = 0; death->machine && i < object->copies->len; i++) {
        const MobStateCopy *copy = g_ptr_array_index(object->copies, i);
        if (copy->node.v == death->address.node && copy->to_at == death->at)
            return true;
    }
    return false;
}

/* Whether the death number @index took the only copy of @object; of several
 * machines that die at once it is the last. */
static bool
was_only_here(const MobTeller *teller, const MobStateObject *object, guint index)
{
    const MobTellerDeath *death = &g_array_index(teller->deaths, MobTellerDeath, index);

    if (object->state != MOB_OBJECT_LOST || object->ended_at != death->at ||
        !had_copy(object, death))
        return false;
    for (guint i = index + 1; i < teller->deaths->len; i++)
        if (had_copy(object, &g_array_index(teller->deaths, MobTellerDeath, i)))
            return false;
    return true;
}

static bool
ran_here(const MobStateAttempt *attempt, const MobTellerDeath *death)
{
    return attempt->started != 0 && g_strcmp0(attempt->outcome, "crashed") == 0 &&
           attempt->ended_at == death->at && died_with(death, attempt->worker);
}

/* "O1 ◌  O3 ◌  ", or "27 objects ◌  " where names would fill the line. */
static void
append_lost(GString *what, const GPtrArray *names, const char *noun, const char *glyph)
{
    if (names->len > TOLL_NAMES)
        g_string_append_printf(what, "%u %s %s  ", names->len, noun, glyph);
    for (guint i = 0; i < names->len && names->len <= TOLL_NAMES; i++)
        g_string_append_printf(what, "%s %s  ", (const char *)g_ptr_array_index(names, i), glyph);
}

/* What went with the death number @index: the values that were nowhere else and
 * the tasks that ran there. Returns false if that is nothing. */
static bool
append_toll(MobTeller *teller, guint index, GString *what, GString *why)
{
    const MobState *state = teller->options.state;
    const MobTellerDeath *death = &g_array_index(teller->deaths, MobTellerDeath, index);
    g_autoptr(GPtrArray) objects = g_ptr_array_new();
    g_autoptr(GPtrArray) tasks = g_ptr_array_new();
    for (guint i = 0; i < state->objects->len; i++) {
        const MobStateObject *object = g_ptr_array_index(state->objects, i);
        if (was_only_here(teller, object, index))
            g_ptr_array_add(objects, (char *)object->name);
    }
    for (guint i = 0; i < state->attempts->len; i++) {
        const MobStateAttempt *attempt = g_ptr_array_index(state->attempts, i);
        if (ran_here(attempt, death))
            g_ptr_array_add(tasks, (char *)attempt->task->name);
    }
    append_lost(what, objects, "objects", "◌");
    append_lost(what, tasks, "tasks", "✗");
    if (objects->len > 0)
        g_string_append(why, objects->len == 1 ? "the only copy" : "the only copies");
    if (tasks->len > 0)
        g_string_append_printf(why, "%sthe running task%s", objects->len > 0 ? ", " : "",
                               tasks->len == 1 ? "" : "s");
    return objects->len + tasks->len > 0;
}

void
mob_teller_deaths(MobTeller *teller)
{
    g_autoptr(GString) what = g_string_new(NULL);
    g_autoptr(GString) why = g_string_new(NULL);
    for (guint i = 0; i < teller->deaths->len; i++) {
        const MobTellerDeath *death = &g_array_index(teller->deaths, MobTellerDeath, i);
        bool told = false; /* with the machine it was on */
        for (guint j = 0; j < teller->deaths->len && !death->machine; j++) {
            const MobTellerDeath *other = &g_array_index(teller->deaths, MobTellerDeath, j);
            told |= other->machine && other->address.node == death->address.node;
        }
        g_string_truncate(what, 0);
        g_string_truncate(why, 0);
        if (told || !append_toll(teller, i, what, why))
            continue;
        MobNodeId node = {death->address.node};
        MobTellerLine *line =
            mob_teller_begin(teller, death->at,
                             death->machine ? mob_state_node_name(teller->options.state, node)
                                            : mob_teller_proc(teller, death->address));
        g_string_append(line->what, g_strchomp(what->str));
        g_string_append(line->why, why->str);
    }
    g_array_set_size(teller->deaths, 0);
}

/* --- what is done again --- */

bool
mob_teller_is_loss(const MobNote *note)
{
    if (note->kind == MOB_NOTE_OBJECT_RECOVERING)
        return note->node.v == 0;
    return note->kind == MOB_NOTE_TASK_RETRIED && mob_object_is(note->object);
}

/* "T2 T3 T6 T7 and 24 more" */
static void
append_names(GString *into, const GPtrArray *names)
{
    for (guint i = 0; i < names->len && i < TOLL_NAMES; i++)
        g_string_append_printf(into, "%s%s", i > 0 ? " " : "",
                               (const char *)g_ptr_array_index(names, i));
    if (names->len > TOLL_NAMES)
        g_string_append_printf(into, " and %u more", names->len - TOLL_NAMES);
}

bool
mob_teller_losses(MobTeller *teller, const MobEvent *event)
{
    g_autoptr(GPtrArray) tasks = g_ptr_array_new();
    guint objects = 0;

    for (size_t i = 0; i < event->note_count; i++) {
        const MobNote *note = &event->notes[i];
        if (!mob_teller_is_loss(note))
            continue;
        if (note->kind == MOB_NOTE_OBJECT_RECOVERING)
            objects++;
        else if (mob_teller_task(teller, note) != NULL)
            g_ptr_array_add(tasks, (char *)mob_teller_task(teller, note)->name);
    }
    if (objects <= TOLL_NAMES)
        return false;
    MobTellerLine *line =
        mob_teller_begin(teller, teller->now, mob_teller_proc(teller, event->process));
    g_string_append_printf(line->what, "%u objects", objects);
    g_string_append(line->where, "◌ lost, ↻ by their tasks");
    append_names(line->why, tasks);
    return true;
}
