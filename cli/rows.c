/* rows.c: see rows.h. */
#include "cli/rows.h"

#include <string.h>

#include "cli/cli.h"

#define NOUN(name, one)                                                                            \
    {                                                                                              \
        name, #one, one##_columns, G_N_ELEMENTS(one##_columns)                                     \
    }

static const MobColumn task_columns[] = {
    {"task", "TASK", MOB_CELL_TEXT, false},
    {"name", "NAME", MOB_CELL_TEXT, false},
    {"state", "STATE", MOB_CELL_TEXT, false},
    {"worker", "NODE", MOB_CELL_TEXT, false},
    {"attempt", "ATTEMPT", MOB_CELL_COUNT, false},
    {"running_ns", "RUNNING", MOB_CELL_TIME, false},
    {"waited_ns", "WAITED", MOB_CELL_TIME, false},
    {"job", "JOB", MOB_CELL_TEXT, true},
    {"node", "MACHINE", MOB_CELL_TEXT, true},
    {"owner", "OWNER", MOB_CELL_TEXT, true},
    {"parent", "PARENT", MOB_CELL_TEXT, true},
    {"executions", "RAN", MOB_CELL_COUNT, true},
    {"submitted_ns", "SUBMITTED", MOB_CELL_TIME, true},
    {"args", "ARGS", MOB_CELL_TEXT, true},
    {"at", "AT", MOB_CELL_TEXT, true},
    {"error", "ERROR", MOB_CELL_TEXT, true},
    {"retries", "RETRIES", MOB_CELL_TEXT, true},
    {"evicted", "EVICTED", MOB_CELL_COUNT, true},
};

static const MobColumn attempt_columns[] = {
    {"attempt", "ATTEMPT", MOB_CELL_TEXT, false},
    {"task", "TASK", MOB_CELL_TEXT, false},
    {"worker", "WORKER", MOB_CELL_TEXT, false},
    {"outcome", "OUTCOME", MOB_CELL_TEXT, false},
    {"submitted_ns", "SUBMITTED", MOB_CELL_TIME, false},
    {"started_ns", "STARTED", MOB_CELL_TIME, false},
    {"ended_ns", "ENDED", MOB_CELL_TIME, false},
};

static const MobColumn object_columns[] = {
    {"object", "OBJECT", MOB_CELL_TEXT, false},     {"size", "SIZE", MOB_CELL_BYTES, false},
    {"state", "STATE", MOB_CELL_TEXT, false},       {"on", "ON", MOB_CELL_TEXT, false},
    {"maker", "MADE BY", MOB_CELL_TEXT, false},     {"owner", "OWNER", MOB_CELL_TEXT, false},
    {"refs", "REFS", MOB_CELL_COUNT, false},        {"job", "JOB", MOB_CELL_TEXT, true},
    {"made", "MADE", MOB_CELL_COUNT, true},         {"lost", "LOST", MOB_CELL_COUNT, true},
    {"created_ns", "CREATED", MOB_CELL_TIME, true}, {"ended_ns", "ENDED", MOB_CELL_TIME, true},
    {"line", "MADE AT", MOB_CELL_TEXT, true},       {"put", "PUT", MOB_CELL_TEXT, true},
};

static const MobColumn copy_columns[] = {
    {"object", "OBJECT", MOB_CELL_TEXT, false}, {"node", "NODE", MOB_CELL_TEXT, false},
    {"kind", "KIND", MOB_CELL_TEXT, false},     {"place", "IN", MOB_CELL_TEXT, false},
    {"from_ns", "FROM", MOB_CELL_TIME, false},  {"to_ns", "TO", MOB_CELL_TIME, false},
    {"why", "WHY", MOB_CELL_TEXT, false},       {"age_ns", "AGE", MOB_CELL_TIME, true},
};

static const MobColumn ref_columns[] = {
    {"object", "OBJECT", MOB_CELL_TEXT, false}, {"holder", "HELD BY", MOB_CELL_TEXT, false},
    {"kind", "KIND", MOB_CELL_TEXT, false},     {"of", "OF", MOB_CELL_TEXT, false},
    {"from_ns", "FROM", MOB_CELL_TIME, false},  {"to_ns", "TO", MOB_CELL_TIME, false},
    {"line", "MADE AT", MOB_CELL_TEXT, false},  {"age_ns", "AGE", MOB_CELL_TIME, true},
    {"node", "NODE", MOB_CELL_TEXT, true},
};

static const MobColumn node_columns[] = {
    {"node", "NODE", MOB_CELL_TEXT, false},        {"state", "STATE", MOB_CELL_TEXT, false},
    {"cpus", "CPUS", MOB_CELL_COUNT, false},       {"store", "STORE", MOB_CELL_BYTES, false},
    {"workers", "WORKERS", MOB_CELL_COUNT, false}, {"running", "RUNNING", MOB_CELL_COUNT, false},
    {"pid", "PID", MOB_CELL_COUNT, false},         {"joined_ns", "JOINED", MOB_CELL_TIME, true},
    {"died_ns", "DIED", MOB_CELL_TIME, true},      {"reason", "REASON", MOB_CELL_TEXT, true},
};

static const MobColumn worker_columns[] = {
    {"worker", "WORKER", MOB_CELL_TEXT, false}, {"role", "ROLE", MOB_CELL_TEXT, false},
    {"state", "STATE", MOB_CELL_TEXT, false},   {"task", "TASK", MOB_CELL_TEXT, false},
    {"pid", "PID", MOB_CELL_COUNT, false},      {"node", "NODE", MOB_CELL_TEXT, true},
    {"born_ns", "BORN", MOB_CELL_TIME, true},   {"died_ns", "DIED", MOB_CELL_TIME, true},
    {"why", "WHY", MOB_CELL_TEXT, true},
};

static const MobColumn job_columns[] = {
    {"job", "JOB", MOB_CELL_TEXT, false},           {"name", "NAME", MOB_CELL_TEXT, false},
    {"state", "STATE", MOB_CELL_TEXT, false},       {"tasks", "TASKS", MOB_CELL_COUNT, false},
    {"took_ns", "TOOK", MOB_CELL_TIME, false},      {"driver", "DRIVER", MOB_CELL_TEXT, true},
    {"started_ns", "STARTED", MOB_CELL_TIME, true}, {"answer", "ANSWER", MOB_CELL_TEXT, true},
};

static const MobNoun nouns[] = {
    NOUN("tasks", task),     NOUN("attempts", attempt), NOUN("objects", object),
    NOUN("copies", copy),    NOUN("refs", ref),         NOUN("nodes", node),
    NOUN("workers", worker), NOUN("jobs", job),         {0},
};

const MobNoun *
mob_nouns(void)
{
    return nouns;
}

const MobNoun *
mob_noun(const char *name, GError **error)
{
    const char *names[G_N_ELEMENTS(nouns)] = {NULL};

    for (size_t i = 0; nouns[i].name != NULL; i++) {
        names[i] = nouns[i].name;
        if (strcmp(nouns[i].name, name) == 0)
            return &nouns[i];
    }
    const char *nearest = mob_nearest(name, names);
    g_autofree char *all = g_strjoinv(", ", (char **)names);
    if (nearest != NULL)
        g_set_error(error, MOB_ROWS_ERROR, 0, "there are no \"%s\"; did you mean %s?", name,
                    nearest);
    else
        g_set_error(error, MOB_ROWS_ERROR, 0, "there are no \"%s\"; there are %s", name, all);
    return NULL;
}

/* --- rows --- */

MobRows *
mob_rows_new(const MobNoun *noun)
{
    MobRows *rows = g_new0(MobRows, 1);

    rows->noun = noun;
    rows->texts = g_string_chunk_new(4096);
    rows->cells = g_array_new(FALSE, FALSE, sizeof(MobCell));
    return rows;
}

void
mob_rows_free(MobRows *rows)
{
    if (rows == NULL)
        return;
    g_string_chunk_free(rows->texts);
    g_array_unref(rows->cells);
    g_free(rows);
}

static void
add(MobRows *rows, MobCell cell)
{
    g_array_append_val(rows->cells, cell);
}

void
mob_rows_text(MobRows *rows, const char *text)
{
    bool is = text != NULL && *text != '\0';

    add(rows,
        (MobCell){.text = is ? g_string_chunk_insert_const(rows->texts, text) : NULL, .is = is});
}

void
mob_rows_number(MobRows *rows, uint64_t number)
{
    add(rows, (MobCell){.number = number, .is = true});
}

void
mob_rows_none(MobRows *rows)
{
    add(rows, (MobCell){0});
}

void
mob_rows_maybe(MobRows *rows, bool is, uint64_t number)
{
    add(rows, (MobCell){.number = is ? number : 0, .is = is});
}

guint
mob_rows_count(const MobRows *rows)
{
    g_assert(rows->cells->len % rows->noun->column_count == 0);
    return rows->cells->len / rows->noun->column_count;
}

static const MobCell *
cell_at(const MobRows *rows, guint row, guint column)
{
    return &g_array_index(rows->cells, MobCell, row * rows->noun->column_count + column);
}

static guint
find_column(const MobNoun *noun, const char *key)
{
    guint column = 0;

    while (column < noun->column_count && strcmp(noun->columns[column].key, key) != 0)
        column++;
    return column;
}

bool
mob_noun_has(const MobNoun *noun, const char *key)
{
    return find_column(noun, key) < noun->column_count;
}

const MobCell *
mob_rows_cell(const MobRows *rows, guint row, const char *key)
{
    guint column = find_column(rows->noun, key);

    g_assert(column < rows->noun->column_count);
    return cell_at(rows, row, column);
}

const char *
mob_rows_get(const MobRows *rows, guint row, const char *key)
{
    const char *text = mob_rows_cell(rows, row, key)->text;

    return text != NULL ? text : "";
}

guint
mob_rows_find(const MobRows *rows, const char *name)
{
    bool named = mob_noun_has(rows->noun, rows->noun->one);

    for (guint row = 0; named && row < mob_rows_count(rows); row++)
        if (strcmp(mob_rows_get(rows, row, rows->noun->one), name) == 0)
            return row;
    return G_MAXUINT;
}

/* --- filters --- */

typedef struct {
    guint column;
    bool differs; /* != */
    const char *value;
} Filter;

static bool
read_filter(const MobNoun *noun, char *text, Filter *filter, GError **error)
{
    char *sign = strchr(text, '=');

    if (sign == NULL || sign == text || (sign == text + 1 && *text == '!')) {
        g_set_error(error, MOB_ROWS_ERROR, 0,
                    "-f %s: key=value or key!=value is expected: -f state=RUNNING", text);
        return false;
    }
    filter->differs = sign[-1] == '!';
    filter->value = sign + 1;
    sign[filter->differs ? -1 : 0] = '\0';
    filter->column = find_column(noun, text);
    if (filter->column < noun->column_count)
        return true;
    g_autofree const char **keys = g_new0(const char *, noun->column_count + 1);
    for (guint i = 0; i < noun->column_count; i++)
        keys[i] = noun->columns[i].key;
    const char *nearest = mob_nearest(text, keys);
    g_autofree char *all = g_strjoinv(", ", (char **)keys);
    if (nearest != NULL)
        g_set_error(error, MOB_ROWS_ERROR, 0, "%s have no \"%s\"; did you mean %s?", noun->name,
                    text, nearest);
    else
        g_set_error(error, MOB_ROWS_ERROR, 0, "%s have no \"%s\", they have %s", noun->name, text,
                    all);
    return false;
}

static bool
passes(const MobRows *rows, guint row, const Filter *filter)
{
    const MobCell *cell = cell_at(rows, row, filter->column);
    g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, cell->number);
    bool is_text = rows->noun->columns[filter->column].kind == MOB_CELL_TEXT;
    const char *value = !cell->is ? "" : is_text ? cell->text : number;

    return (g_ascii_strcasecmp(value, filter->value) == 0) != filter->differs;
}

static void
keep(MobRows *rows, const Filter *filter)
{
    guint columns = rows->noun->column_count;
    guint count = mob_rows_count(rows);
    guint kept = 0;

    for (guint row = 0; row < count; row++) {
        if (!passes(rows, row, filter))
            continue;
        memmove(&g_array_index(rows->cells, MobCell, kept * columns), cell_at(rows, row, 0),
                columns * sizeof(MobCell));
        kept++;
    }
    g_array_set_size(rows->cells, kept * columns);
}

bool
mob_rows_filter(MobRows *rows, const char *filters, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(filters != NULL ? filters : "", "\n", -1);

    for (char **line = lines; *line != NULL; line++) {
        Filter filter;
        if (**line == '\0')
            continue;
        if (!read_filter(rows->noun, *line, &filter, error))
            return false;
        keep(rows, &filter);
    }
    return true;
}
