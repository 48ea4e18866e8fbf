/* memory.c: see memory.h. */
#include "cli/memory.h"

#include <string.h>

#include "cli/cli.h"

static const MobColumn memory_columns[] = {
    {"object", "OBJECT", MOB_CELL_TEXT, false}, {"size", "SIZE", MOB_CELL_BYTES, false},
    {"kind", "KIND", MOB_CELL_TEXT, false},     {"holder", "HELD BY", MOB_CELL_TEXT, false},
    {"of", "OF", MOB_CELL_TEXT, false},         {"age_ns", "AGE", MOB_CELL_TIME, false},
    {"line", "MADE AT", MOB_CELL_TEXT, false},  {"node", "NODE", MOB_CELL_TEXT, true},
    {"state", "STATE", MOB_CELL_TEXT, true},    {"owner", "OWNER", MOB_CELL_TEXT, true},
    {"job", "JOB", MOB_CELL_TEXT, true},        {"from_ns", "SINCE", MOB_CELL_TIME, true},
};

static const MobNoun memory_noun = {"references", "reference", memory_columns,
                                    G_N_ELEMENTS(memory_columns)};

/* What is looked up by name. */
typedef struct {
    MobRows *rows;
    GHashTable *index; /* name, borrowed -> row + 1; never walked */
} Objects;

/* A reference, or a copy that is pinned. */
typedef struct {
    const MobRows *rows;
    guint row;
    guint order;
} Held;

static void
objects_clear(Objects *objects)
{
    mob_rows_free(objects->rows);
    g_clear_pointer(&objects->index, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Objects, objects_clear)

static bool
read_objects(const MobRowSource *source, Objects *objects, GError **error)
{
    objects->rows = source->rows(source->data, mob_noun("objects", NULL), error);
    if (objects->rows == NULL)
        return false;
    objects->index = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint row = 0; row < mob_rows_count(objects->rows); row++)
        g_hash_table_insert(objects->index, (char *)mob_rows_get(objects->rows, row, "object"),
                            GUINT_TO_POINTER(row + 1));
    return true;
}

static guint
find_object(const Objects *objects, const char *name)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(objects->index, name)) - 1;
}

/* --- rows --- */

static bool
is_pin(const MobRows *rows, guint row)
{
    return strcmp(mob_rows_get(rows, row, "kind"), "primary") == 0;
}

/* Adds those of @rows that have not ended; of copies, those that are pinned. */
static void
add_held(GArray *held, const MobRows *rows, bool copies)
{
    for (guint row = 0; row < mob_rows_count(rows); row++) {
        Held one = {rows, row, held->len};
        if (!mob_rows_cell(rows, row, "to_ns")->is && (!copies || is_pin(rows, row)))
            g_array_append_val(held, one);
    }
}

static int
by_age(const void *left, const void *right)
{
    const Held *a = left;
    const Held *b = right;
    uint64_t from_a = mob_rows_cell(a->rows, a->row, "from_ns")->number;
    uint64_t from_b = mob_rows_cell(b->rows, b->row, "from_ns")->number;

    if (from_a != from_b)
        return from_a < from_b ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static void
copy_cell(MobRows *into, const MobRows *from, guint row, const char *key)
{
    const MobCell *cell = row != G_MAXUINT ? mob_rows_cell(from, row, key) : &(MobCell){0};

    if (cell->text != NULL)
        mob_rows_text(into, cell->text);
    else
        mob_rows_maybe(into, cell->is, cell->number);
}

/* Else it takes no memory, whoever refers to it. */
static bool
exists(const Objects *objects, guint object)
{
    const char *state = object != G_MAXUINT ? mob_rows_get(objects->rows, object, "state") : "";

    return strcmp(state, "INLINE") == 0 || strcmp(state, "SEALED") == 0;
}

static void
add_row(MobRows *into, const Held *held, const Objects *objects)
{
    const MobRows *rows = held->rows;
    bool pin = strcmp(rows->noun->name, "copies") == 0;
    guint object = find_object(objects, mob_rows_get(rows, held->row, "object"));
    bool on_disk = pin && strcmp(mob_rows_get(rows, held->row, "place"), "disk") == 0;
    g_autofree char *store = pin ? g_strdup_printf("%s %s", mob_rows_get(rows, held->row, "node"),
                                                   on_disk ? "disk" : "store")
                                 : NULL;

    copy_cell(into, rows, held->row, "object");
    copy_cell(into, objects->rows, pin || exists(objects, object) ? object : G_MAXUINT, "size");
    mob_rows_text(into, pin ? "primary" : mob_rows_get(rows, held->row, "kind"));
    mob_rows_text(into, pin ? store : mob_rows_get(rows, held->row, "holder"));
    mob_rows_text(into, pin ? NULL : mob_rows_get(rows, held->row, "of"));
    copy_cell(into, rows, held->row, "age_ns");
    mob_rows_text(into, pin && object != G_MAXUINT ? mob_rows_get(objects->rows, object, "line")
                        : pin                      ? NULL
                                                   : mob_rows_get(rows, held->row, "line"));
    copy_cell(into, rows, held->row, "node");
    copy_cell(into, objects->rows, object, "state");
    copy_cell(into, objects->rows, object, "owner");
    copy_cell(into, objects->rows, object, "job");
    copy_cell(into, rows, held->row, "from_ns");
}

static MobRows *
read_memory(const MobRowSource *source, GError **error)
{
    g_auto(Objects) objects = {0};
    g_autoptr(MobRows) refs = source->rows(source->data, mob_noun("refs", NULL), error);
    g_autoptr(MobRows) copies =
        refs != NULL ? source->rows(source->data, mob_noun("copies", NULL), error) : NULL;
    g_autoptr(GArray) held = g_array_new(FALSE, FALSE, sizeof(Held));

    if (copies == NULL || !read_objects(source, &objects, error))
        return NULL;
    add_held(held, refs, false);
    add_held(held, copies, true);
    g_array_sort(held, by_age);
    MobRows *rows = mob_rows_new(&memory_noun);
    for (guint i = 0; i < held->len; i++)
        add_row(rows, &g_array_index(held, Held, i), &objects);
    return rows;
}

/* --- groups --- */

#define GROUP_COLUMNS(by, title)                                                                   \
    static const MobColumn by##_columns[] = {                                                      \
        {"group", title, MOB_CELL_TEXT, false},                                                    \
        {"refs", "REFS", MOB_CELL_COUNT, false},                                                   \
        {"objects", "OBJECTS", MOB_CELL_COUNT, false},                                             \
        {"bytes", "BYTES", MOB_CELL_BYTES, false},                                                 \
        {"kinds", "KINDS", MOB_CELL_TEXT, false},                                                  \
        {"oldest_ns", "OLDEST", MOB_CELL_TIME, false},                                             \
    }

GROUP_COLUMNS(line, "MADE AT");
GROUP_COLUMNS(node, "NODE");
GROUP_COLUMNS(holder, "HELD BY");

static const struct {
    const char *by;
    MobNoun noun;
} groupings[] = {
    {"line", {"groups", "group", line_columns, G_N_ELEMENTS(line_columns)}},
    {"node", {"groups", "group", node_columns, G_N_ELEMENTS(node_columns)}},
    {"holder", {"groups", "group", holder_columns, G_N_ELEMENTS(holder_columns)}},
};

static const char *const kinds[] = {"local",    "argument", "nested", "lineage",
                                    "borrowed", "pinned",   "primary"};

typedef struct {
    const char *name;
    GHashTable *objects; /* name, borrowed -> not NULL if its bytes are counted; never walked */
    uint64_t bytes;
    uint64_t refs;
    uint64_t oldest;
    uint64_t counts[G_N_ELEMENTS(kinds)];
} Group;

static void
group_free(void *data)
{
    Group *group = data;

    g_hash_table_unref(group->objects);
    g_free(group);
}

static Group *
group_new(const char *name)
{
    Group *group = g_new0(Group, 1);

    group->name = name;
    group->objects = g_hash_table_new(g_str_hash, g_str_equal);
    return group;
}

static void
count_row(Group *group, const MobRows *rows, guint row)
{
    const char *kind = mob_rows_get(rows, row, "kind");

    group->refs++;
    group->oldest = MAX(group->oldest, mob_rows_cell(rows, row, "age_ns")->number);
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        group->counts[i] += strcmp(kinds[i], kind) == 0;
    char *object = (char *)mob_rows_get(rows, row, "object");
    const MobCell *size = mob_rows_cell(rows, row, "size");
    bool weighed = g_hash_table_lookup(group->objects, object) != NULL;
    if (size->is && !weighed)
        group->bytes += size->number;
    g_hash_table_insert(group->objects, object, size->is || weighed ? object : NULL);
}

static int
by_bytes(const void *left, const void *right)
{
    const Group *a = *(const Group *const *)left;
    const Group *b = *(const Group *const *)right;

    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    if (a->refs != b->refs)
        return a->refs > b->refs ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* (transfer full) of Group, the largest first. */
static GPtrArray *
make_groups(const MobRows *rows, const char *key)
{
    GPtrArray *groups = g_ptr_array_new_with_free_func(group_free);
    g_autoptr(GHashTable) index = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint row = 0; row < mob_rows_count(rows); row++) {
        const char *name = mob_rows_get(rows, row, key);
        name = *name != '\0' ? name : "?";
        Group *group = g_hash_table_lookup(index, name);
        if (group == NULL) {
            group = group_new(name);
            g_hash_table_insert(index, (char *)name, group);
            g_ptr_array_add(groups, group);
        }
        count_row(group, rows, row);
    }
    g_ptr_array_sort(groups, by_bytes);
    return groups;
}

/* "local 3, argument 1" */
static void
kinds_cell(MobRows *rows, const Group *group)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (group->counts[i] > 0)
            g_string_append_printf(text, "%s%s %" G_GUINT64_FORMAT, text->len > 0 ? ", " : "",
                                   kinds[i], group->counts[i]);
    mob_rows_text(rows, text->str);
}

static MobRows *
rows_of_groups(const MobNoun *noun, const GPtrArray *groups)
{
    MobRows *rows = mob_rows_new(noun);

    rows->ranked = true;
    for (guint i = 0; i < groups->len; i++) {
        const Group *group = g_ptr_array_index(groups, i);
        mob_rows_text(rows, group->name);
        mob_rows_number(rows, group->refs);
        mob_rows_number(rows, g_hash_table_size(group->objects));
        mob_rows_number(rows, group->bytes);
        kinds_cell(rows, group);
        mob_rows_number(rows, group->oldest);
    }
    return rows;
}

/* --- both --- */

static void
say_total(const MobRows *rows, const MobSink *sink)
{
    Group *total = group_new("");
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint row = 0; row < mob_rows_count(rows); row++)
        count_row(total, rows, row);
    mob_term_bytes(text, total->bytes);
    mob_sink_say(sink, "%" G_GUINT64_FORMAT " reference%s to %u object%s, %s in all", total->refs,
                 total->refs == 1 ? "" : "s", g_hash_table_size(total->objects),
                 g_hash_table_size(total->objects) == 1 ? "" : "s", text->str);
    group_free(total);
}

static int
print_groups(const MobRows *rows, const char *by, const MobSink *sink)
{
    for (size_t i = 0; i < G_N_ELEMENTS(groupings); i++) {
        if (strcmp(groupings[i].by, by) != 0)
            continue;
        g_autoptr(GPtrArray) groups = make_groups(rows, by);
        g_autoptr(MobRows) shown = rows_of_groups(&groupings[i].noun, groups);
        mob_rows_print(shown, sink);
        say_total(rows, sink);
        return MOB_EXIT_OK;
    }
    mob_sink_say(sink, "--group-by %s: it is line, node or holder", by);
    return MOB_EXIT_USAGE;
}

int
mob_tell_memory(const MobRowSource *source, const char *by, const char *filters,
                const MobSink *sink)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MobRows) rows = read_memory(source, &error);

    if (rows == NULL || !mob_rows_filter(rows, filters, &error)) {
        mob_sink_say(sink, "%s", error->message);
        return MOB_EXIT_USAGE;
    }
    if (by != NULL)
        return print_groups(rows, by, sink);
    mob_rows_print(rows, sink);
    say_total(rows, sink);
    return MOB_EXIT_OK;
}

/* --- summary objects --- */

static const char *const states[] = {"PENDING", "INLINE", "SEALED", "LOST", "FAILED", "FREED"};

static const MobColumn summary_columns[] = {
    {"line", "MADE AT", MOB_CELL_TEXT, false},   {"objects", "OBJECTS", MOB_CELL_COUNT, false},
    {"bytes", "BYTES", MOB_CELL_BYTES, false},   {"pending", "PENDING", MOB_CELL_COUNT, false},
    {"inline", "INLINE", MOB_CELL_COUNT, false}, {"sealed", "SEALED", MOB_CELL_COUNT, false},
    {"lost", "LOST", MOB_CELL_COUNT, false},     {"failed", "FAILED", MOB_CELL_COUNT, false},
    {"freed", "FREED", MOB_CELL_COUNT, false},   {"refs", "REFS", MOB_CELL_COUNT, false},
};

static const MobNoun summary_noun = {"summary", "summary", summary_columns,
                                     G_N_ELEMENTS(summary_columns)};

typedef struct {
    const char *line;
    uint64_t objects;
    uint64_t bytes; /* of those that exist */
    uint64_t counts[G_N_ELEMENTS(states)];
    uint64_t refs;
} Made;

static Made *
find_made(GPtrArray *all, GHashTable *index, const char *line)
{
    Made *made = g_hash_table_lookup(index, line);

    if (made == NULL) {
        made = g_new0(Made, 1);
        made->line = line;
        g_hash_table_insert(index, (char *)line, made);
        g_ptr_array_add(all, made);
    }
    return made;
}

static void
count_object(Made *made, const MobRows *rows, guint row)
{
    const char *state = mob_rows_get(rows, row, "state");
    bool exists = strcmp(state, "INLINE") == 0 || strcmp(state, "SEALED") == 0;

    made->objects++;
    made->bytes += exists ? mob_rows_cell(rows, row, "size")->number : 0;
    made->refs += mob_rows_cell(rows, row, "refs")->number;
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++)
        made->counts[i] += strcmp(states[i], state) == 0;
}

static int
by_line(const void *left, const void *right)
{
    return strcmp((*(const Made *const *)left)->line, (*(const Made *const *)right)->line);
}

int
mob_tell_objects(const MobRowSource *source, const MobSink *sink)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MobRows) rows = source->rows(source->data, mob_noun("objects", NULL), &error);
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) index = g_hash_table_new(g_str_hash, g_str_equal);

    if (rows == NULL) {
        mob_sink_say(sink, "%s", error->message);
        return MOB_EXIT_USAGE;
    }
    for (guint row = 0; row < mob_rows_count(rows); row++) {
        const char *line = mob_rows_get(rows, row, "line");
        count_object(find_made(all, index, *line != '\0' ? line : "?"), rows, row);
    }
    g_ptr_array_sort(all, by_line);
    g_autoptr(MobRows) shown = mob_rows_new(&summary_noun);
    shown->forgotten = rows->forgotten;
    for (guint i = 0; i < all->len; i++) {
        const Made *made = g_ptr_array_index(all, i);
        mob_rows_text(shown, made->line);
        mob_rows_number(shown, made->objects);
        mob_rows_number(shown, made->bytes);
        for (size_t state = 0; state < G_N_ELEMENTS(states); state++)
            mob_rows_number(shown, made->counts[state]);
        mob_rows_number(shown, made->refs);
    }
    mob_rows_print(shown, sink);
    return MOB_EXIT_OK;
}
