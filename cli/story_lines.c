/* story_lines.c: the lines of a story, and the names in them.
 *
 * A line is held back until the next thing happens, so that two tasks which
 * one process starts at the same instant can share it.
 */
#include "cli/story_parts.h"

#include <string.h>

enum {
    WHO_WIDTH = 9,
    WHAT_WIDTH = 17,
    WHERE_WIDTH = 24,
    ORDINARY_MAX = 120, /* so many tasks are told one by one */
    DEAR_MAX = 150,     /* and so many things that went wrong */
};

void
mob_teller_flush(MobTeller *teller)
{
    if (teller == NULL || !teller->line.held)
        return;
    MobTellerLine *line = &teller->line;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GString) time = g_string_new(NULL);
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
MobTellerLine *
mob_teller_begin(MobTeller *teller, MobTime at, const char *who)
{
    MobTellerLine *line = &teller->line;
    mob_teller_flush(teller);
    line->at = at;
    line->held = true;
    line->may_join = false;
    g_string_assign(line->who, *who != '\0' ? who : "?");
    g_string_truncate(line->what, 0);
    g_string_truncate(line->where, 0);
    g_string_truncate(line->why, 0);
    return line;
}

const char *
mob_teller_proc(const MobTeller *teller, MobAddress address)
{
    return mob_state_proc_name(teller->options.state, address);
}

const MobStateTask *
mob_teller_task(const MobTeller *teller, const MobNote *note)
{
    MobTaskId id = note->spec != NULL ? note->spec->id : note->task;
    return mob_state_task_by_id(teller->options.state, id);
}

/* "T2 parse(O1)" */
void
mob_teller_add_task(GString *into, const MobStateTask *task, bool args)
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

const char *
mob_teller_object(const MobTeller *teller, const MobNote *note)
{
    const MobStateObject *object = mob_state_object_by_id(teller->options.state, note->object);
    return object != NULL ? object->name : "an object";
}

/* The same for what went wrong: a whole fleet may be lost. */
bool
mob_teller_dear(MobTeller *teller)
{
    if (teller->options.verbose > 0 || teller->dear < DEAR_MAX) {
        teller->dear++;
        return true;
    }
    teller->untold++;
    return false;
}

/* Whether one more task may be told of; tasks without a story are counted. */
bool
mob_teller_ordinary(MobTeller *teller)
{
    if (teller->options.verbose > 0 || teller->ordinary < ORDINARY_MAX) {
        teller->ordinary++;
        return true;
    }
    teller->untold++;
    return false;
}
