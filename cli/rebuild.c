/* rebuild.c: see rebuild.h.
 *
 * What recover.c of the runtime would say if the last copy went now, told from what
 * can be seen: the state of objects, who owns them, and what is left of retries.
 */
#include "cli/rebuild.h"

#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "runtime/lost.h"

enum {
    DEPTH_MAX = 12, /* tasks of a lineage that are shown, or looked at */
};

typedef struct {
    const MobRows *tasks;
    const MobRows *objects;
    const MobRows *workers;
    GString *text;
    int depth;
    MobLost lost; /* why not; MOB_LOST_COUNT: for no reason that an error would name */
} Lineage;

static const char *
get(const MobRows *rows, guint row, const char *key)
{
    return row != G_MAXUINT ? mob_rows_get(rows, row, key) : "";
}

static bool
is(const MobRows *rows, guint row, const char *key, const char *value)
{
    return strcmp(get(rows, row, key), value) == 0;
}

static char **
args_of(const Lineage *lineage, guint task)
{
    return g_strsplit(get(lineage->tasks, task, "args"), ", ", -1);
}

/* --- what it was made from --- */

static void append_object(Lineage *lineage, const char *name);

/* "T2 ← O1 ← T1", with several arguments in brackets. */
static void
append_task(Lineage *lineage, const char *name)
{
    g_auto(GStrv) args = args_of(lineage, mob_rows_find(lineage->tasks, name));
    bool several = args[0] != NULL && args[1] != NULL;

    g_string_append(lineage->text, name);
    if (args[0] == NULL)
        return;
    g_string_append(lineage->text, several ? " ← (" : " ← ");
    for (char **arg = args; *arg != NULL; arg++) {
        g_string_append(lineage->text, arg > args ? ", " : "");
        append_object(lineage, *arg);
    }
    g_string_append(lineage->text, several ? ")" : "");
}

static void
append_object(Lineage *lineage, const char *name)
{
    guint row = mob_rows_find(lineage->objects, name);
    const char *maker = get(lineage->objects, row, "maker");

    g_string_append(lineage->text, name);
    if (*maker == '\0' || is(lineage->objects, row, "put", "yes"))
        return;
    g_string_append(lineage->text, " ← ");
    if (++lineage->depth > DEPTH_MAX)
        g_string_append(lineage->text, "…");
    else
        append_task(lineage, maker);
}

/* --- whether it can be made again --- */

static bool no(Lineage *lineage, MobLost lost, const char *format, ...) G_GNUC_PRINTF(3, 4);

static bool
no(Lineage *lineage, MobLost lost, const char *format, ...)
{
    va_list args;

    lineage->lost = lost;
    va_start(args, format);
    g_string_vprintf(lineage->text, format, args);
    va_end(args);
    return false;
}

static bool can_be_made(Lineage *lineage, const char *name, bool here);

static bool
is_there(const Lineage *lineage, guint object)
{
    return is(lineage->objects, object, "state", "SEALED") ||
           is(lineage->objects, object, "state", "INLINE");
}

/* Its task runs again; says what that needs. */
static bool
can_run(Lineage *lineage, guint task)
{
    const char *name = get(lineage->tasks, task, "task");
    const char *retries = get(lineage->tasks, task, "retries");
    g_auto(GStrv) args = args_of(lineage, task);
    GString *text = lineage->text;

    if (mob_rows_cell(lineage->tasks, task, "evicted")->is)
        return no(lineage, MOB_LOST_LINEAGE_EVICTED, "the lineage of %s was evicted", name);
    if (strcmp(retries, "0 of 0 left") == 0)
        return no(lineage, MOB_LOST_RETRIES_OFF, "%s may not run again: its max_retries is 0",
                  name);
    if (g_str_has_prefix(retries, "0 of "))
        return no(lineage, MOB_LOST_RETRIES_USED_UP, "the retries of %s are used up", name);
    for (char **arg = args; *arg != NULL && lineage->depth < DEPTH_MAX; arg++) {
        guint object = mob_rows_find(lineage->objects, *arg);
        if (object == G_MAXUINT || is_there(lineage, object))
            continue;
        lineage->depth++;
        if (!can_be_made(lineage, *arg, false)) {
            g_string_append_printf(text, ", and %s needs it", name);
            return false;
        }
    }
    g_string_printf(text, "%s runs again (retries: %s)", name, retries);
    for (char **arg = args; *arg != NULL; arg++) {
        guint object = mob_rows_find(lineage->objects, *arg);
        const char *on = get(lineage->objects, object, "on");
        g_string_append(text, arg == args ? ", it needs " : ", ");
        g_string_append(text, *arg);
        if (*on != '\0')
            g_string_append_printf(text, " on %s", on);
        else if (object != G_MAXUINT && !is_there(lineage, object))
            g_string_append(text, ", made again first");
    }
    return true;
}

/* If all copies of it go; @here: it is the object that was asked for, not an argument. */
static bool
can_be_made(Lineage *lineage, const char *name, bool here)
{
    const MobRows *objects = lineage->objects;
    guint row = mob_rows_find(objects, name);
    const char *owner = get(objects, row, "owner");
    guint task = mob_rows_find(lineage->tasks, get(objects, row, "maker"));

    if (is(lineage->workers, mob_rows_find(lineage->workers, owner), "state", "DEAD"))
        return no(lineage, MOB_LOST_OWNER_DEAD, "its owner, %s, is dead", owner);
    if (here && is(objects, row, "state", "FREED"))
        return no(lineage, MOB_LOST_OUT_OF_SCOPE,
                  "%s was freed: nobody holds a reference to it any more", name);
    if (is(objects, row, "state", "FAILED"))
        return no(lineage, MOB_LOST_COUNT, "an error stands in the place of %s", name);
    if (is(objects, row, "state", "INLINE"))
        return no(lineage, MOB_LOST_COUNT,
                  "its value is kept by its owner, %s, and goes with it alone", owner);
    if (is(objects, row, "put", "yes"))
        return no(lineage, MOB_LOST_PUT, "%s is a put, no task makes it", name);
    if (task == G_MAXUINT)
        return no(lineage, MOB_LOST_COUNT, "nothing is known any more of the task that made %s",
                  name);
    if (is(objects, row, "state", "PENDING")) {
        g_string_printf(lineage->text, "%s is to make it", get(lineage->tasks, task, "task"));
        return true;
    }
    return can_run(lineage, task);
}

/* --- telling --- */

static void
print_json(const char *name, bool can, const Lineage *lineage, const MobSink *sink)
{
    g_autoptr(GString) text = g_string_new(NULL);
    MobJson json = mob_json(text);

    mob_json_open(&json, '{');
    mob_json_put_text(&json, "type", "rebuildable");
    mob_json_put_text(&json, "object", name);
    mob_json_put_bool(&json, "ok", can);
    mob_json_put_text(&json, "reason",
                      lineage->lost != MOB_LOST_COUNT ? mob_lost_reason(lineage->lost) : NULL);
    mob_json_put_text(&json, "why", lineage->text->str);
    mob_json_close(&json, '}');
    g_string_append_c(text, '\n');
    sink->tell(sink->data, MOB_TELL_OUT, text->str, text->len);
}

static void
tell(Lineage *lineage, const char *name, bool is_task, const MobSink *sink)
{
    g_autoptr(GString) line = g_string_new("lineage     ");

    lineage->text = line;
    (is_task ? append_task : append_object)(lineage, name);
    g_string_append_c(line, '\n');
    if (!sink->json)
        mob_sink_table(sink, line->str);
    if (is_task)
        return;
    g_autoptr(GString) why = g_string_new(NULL);
    lineage->text = why;
    lineage->depth = 0;
    bool can = can_be_made(lineage, name, true);
    g_string_printf(line, "rebuildable %s%s\n", can ? "yes, " : "no, ", why->str);
    if (sink->json)
        print_json(name, can, lineage, sink);
    else
        mob_sink_table(sink, line->str);
}

int
mob_tell_lineage(const MobRowSource *source, const MobRows *rows, const char *name,
                 const MobSink *sink)
{
    bool is_task = strcmp(rows->noun->name, "tasks") == 0;
    g_autoptr(GError) error = NULL;
    g_autoptr(MobRows) other =
        source->rows(source->data, mob_noun(is_task ? "objects" : "tasks", NULL), &error);
    g_autoptr(MobRows) workers =
        other != NULL ? source->rows(source->data, mob_noun("workers", NULL), &error) : NULL;

    if (workers == NULL) {
        mob_sink_say(sink, "%s", error->message);
        return MOB_EXIT_USAGE;
    }
    Lineage lineage = {is_task ? rows : other, is_task ? other : rows, workers, NULL, 0,
                       MOB_LOST_COUNT};
    tell(&lineage, name, is_task, sink);
    return MOB_EXIT_OK;
}
