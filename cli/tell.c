/* tell.c: see tell.h. */
#include "cli/tell.h"

#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/memory.h"
#include "cli/rebuild.h"

static int
complain(const MobSink *sink, const GError *error)
{
    mob_sink_say(sink, "%s", error->message);
    return MOB_EXIT_USAGE;
}

/* --- list --- */

int
mob_tell_list(const MobRowSource *source, char **words, const char *filters, const MobSink *sink)
{
    g_autoptr(GError) error = NULL;

    if (g_strv_length(words) != 1) {
        mob_sink_say(sink, "list what? mobula list nodes|tasks|objects|workers|jobs");
        return MOB_EXIT_USAGE;
    }
    const MobNoun *noun = mob_noun(words[0], &error);
    g_autoptr(MobRows) rows = noun != NULL ? source->rows(source->data, noun, &error) : NULL;
    if (rows == NULL || !mob_rows_filter(rows, filters, &error))
        return complain(sink, error);
    mob_rows_print(rows, sink);
    return MOB_EXIT_OK;
}

/* --- get --- */

/* The rows of another noun that are about @name, as a table of their own. */
static int
print_about(const MobRowSource *source, const char *noun, const char *key, const char *name,
            const MobSink *sink)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *filter = g_strdup_printf("%s=%s", key, name);
    g_autoptr(MobRows) rows = source->rows(source->data, mob_noun(noun, NULL), &error);

    if (rows == NULL || !mob_rows_filter(rows, filter, &error))
        return complain(sink, error);
    if (source->moment && mob_noun_has(rows->noun, "to_ns") &&
        !mob_rows_filter(rows, "to_ns=", &error))
        return complain(sink, error);
    if (mob_rows_count(rows) == 0)
        return MOB_EXIT_OK;
    if (!sink->json)
        mob_sink_table(sink, "\n");
    mob_rows_print(rows, sink);
    return MOB_EXIT_OK;
}

static int
print_all_about(const MobRowSource *source, const MobRows *rows, const char *name,
                const MobSink *sink)
{
    const char *noun = rows->noun->name;
    int code = MOB_EXIT_OK;

    if (strcmp(noun, "tasks") == 0 || strcmp(noun, "objects") == 0)
        code = mob_tell_lineage(source, rows, name, sink);
    if (code == MOB_EXIT_OK && strcmp(noun, "tasks") == 0)
        return print_about(source, "attempts", "task", name, sink);
    if (code == MOB_EXIT_OK && strcmp(noun, "objects") == 0)
        code = print_about(source, "copies", "object", name, sink);
    if (code == MOB_EXIT_OK && strcmp(noun, "objects") == 0)
        code = print_about(source, "refs", "object", name, sink);
    return code;
}

int
mob_tell_get(const MobRowSource *source, char **words, const MobSink *sink)
{
    g_autoptr(GError) error = NULL;

    if (g_strv_length(words) != 2) {
        mob_sink_say(sink, "get what? mobula get tasks T2, mobula get objects O2");
        return MOB_EXIT_USAGE;
    }
    const MobNoun *noun = mob_noun(words[0], &error);
    g_autoptr(MobRows) rows = noun != NULL ? source->rows(source->data, noun, &error) : NULL;
    if (rows == NULL)
        return complain(sink, error);
    guint row = mob_rows_find(rows, words[1]);
    if (row == G_MAXUINT) {
        mob_sink_say(sink, "there is no %s %s among %u; mobula list %s names them", noun->one,
                     words[1], mob_rows_count(rows), noun->name);
        if (rows->forgotten > 0)
            mob_sink_say(sink, "%" G_GUINT64_FORMAT " older ones are over and no longer kept",
                         rows->forgotten);
        return MOB_EXIT_USAGE;
    }
    mob_rows_print_one(rows, row, sink);
    return print_all_about(source, rows, words[1], sink);
}

/* --- summary --- */

static const char *const task_states[] = {"PENDING", "LEASED", "RUNNING", "FINISHED", "FAILED"};

/* How many of the rows of one name are in each state. */
typedef struct {
    const char *name;
    uint64_t counts[G_N_ELEMENTS(task_states)];
    uint64_t total;
    uint64_t executions;
} Group;

static Group *
find_group(GArray *groups, const char *name)
{
    for (guint i = 0; i < groups->len; i++)
        if (strcmp(g_array_index(groups, Group, i).name, name) == 0)
            return &g_array_index(groups, Group, i);
    g_array_append_val(groups, ((Group){.name = name}));
    return &g_array_index(groups, Group, groups->len - 1);
}

static GArray *
count_groups(const MobRows *rows)
{
    GArray *groups = g_array_new(FALSE, TRUE, sizeof(Group));

    for (guint row = 0; row < mob_rows_count(rows); row++) {
        Group *group = find_group(groups, mob_rows_get(rows, row, "name"));
        const char *state = mob_rows_get(rows, row, "state");
        for (size_t i = 0; i < G_N_ELEMENTS(task_states); i++)
            group->counts[i] += strcmp(task_states[i], state) == 0;
        group->total++;
        group->executions += mob_rows_cell(rows, row, "executions")->number;
    }
    return groups;
}

static const MobColumn group_columns[] = {
    {"name", "NAME", MOB_CELL_TEXT, false},          {"pending", "PENDING", MOB_CELL_COUNT, false},
    {"leased", "LEASED", MOB_CELL_COUNT, false},     {"running", "RUNNING", MOB_CELL_COUNT, false},
    {"finished", "FINISHED", MOB_CELL_COUNT, false}, {"failed", "FAILED", MOB_CELL_COUNT, false},
    {"total", "TOTAL", MOB_CELL_COUNT, false},       {"executions", "RAN", MOB_CELL_COUNT, false},
};

static const MobNoun group_noun = {"summary", "summary", group_columns,
                                   G_N_ELEMENTS(group_columns)};

int
mob_tell_summary(const MobRowSource *source, char **words, const MobSink *sink)
{
    g_autoptr(GError) error = NULL;

    if (g_strv_length(words) == 1 && strcmp(words[0], "objects") == 0)
        return mob_tell_objects(source, sink);
    if (g_strv_length(words) != 1 || strcmp(words[0], "tasks") != 0) {
        mob_sink_say(sink, "summary of what? mobula summary tasks, mobula summary objects");
        return MOB_EXIT_USAGE;
    }
    g_autoptr(MobRows) rows = source->rows(source->data, mob_noun("tasks", NULL), &error);
    if (rows == NULL)
        return complain(sink, error);
    g_autoptr(GArray) groups = count_groups(rows);
    g_autoptr(MobRows) summary = mob_rows_new(&group_noun);
    summary->forgotten = rows->forgotten;
    for (guint i = 0; i < groups->len; i++) {
        const Group *group = &g_array_index(groups, Group, i);
        mob_rows_text(summary, group->name);
        for (size_t state = 0; state < G_N_ELEMENTS(task_states); state++)
            mob_rows_number(summary, group->counts[state]);
        mob_rows_number(summary, group->total);
        mob_rows_number(summary, group->executions);
    }
    mob_rows_print(summary, sink);
    return MOB_EXIT_OK;
}
