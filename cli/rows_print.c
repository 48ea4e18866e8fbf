/* rows_print.c: tables for people and for programs; see rows.h. */
#include <string.h>

#include "cli/json.h"
#include "cli/rows.h"
#include "cli/term.h"

enum {
    LIMIT_DEFAULT = 100,
    TEXT_MAX = 60, /* columns of a cell, where it is for people */
    GAP = 2,
};

void
mob_sink_say(const MobSink *sink, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    sink->tell(sink->data, MOB_TELL_SAY, text, strlen(text));
}

void
mob_sink_table(const MobSink *sink, const char *text)
{
    sink->tell(sink->data, MOB_TELL_TABLE, text, strlen(text));
}

static const MobCell *
cell_at(const MobRows *rows, guint row, guint column)
{
    return &g_array_index(rows->cells, MobCell, row * rows->noun->column_count + column);
}

/* --- for people --- */

static void
append_text(GString *into, const char *text)
{
    size_t begin = into->len;

    for (const char *at = text; *at != '\0'; at++)
        g_string_append_c(into, *at == '\n' || *at == '\t' ? ' ' : *at);
    if (mob_term_width(into->str + begin) <= TEXT_MAX || !g_utf8_validate(text, -1, NULL))
        return;
    const char *end = g_utf8_offset_to_pointer(into->str + begin, TEXT_MAX - 1);
    g_string_truncate(into, (gsize)(end - into->str));
    g_string_append(into, "…");
}

static void
append_cell(GString *into, const MobColumn *column, const MobCell *cell)
{
    if (!cell->is)
        return;
    switch (column->kind) {
    case MOB_CELL_TEXT:
        append_text(into, cell->text);
        break;
    case MOB_CELL_COUNT:
        g_string_append_printf(into, "%" G_GUINT64_FORMAT, cell->number);
        break;
    case MOB_CELL_BYTES:
        mob_term_bytes(into, cell->number);
        break;
    case MOB_CELL_TIME:
        mob_term_duration(into, cell->number);
        break;
    }
}

/* A column of the table: its title and, below it, what it holds; owned texts. */
static GPtrArray *
make_column(const MobRows *rows, guint column, guint from, guint to, int *width)
{
    GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(texts, g_strdup(rows->noun->columns[column].title));
    for (guint row = from; row < to; row++) {
        GString *text = g_string_new(NULL);
        append_cell(text, &rows->noun->columns[column], cell_at(rows, row, column));
        g_ptr_array_add(texts, g_string_free(text, FALSE));
    }
    *width = 0;
    for (guint i = 0; i < texts->len; i++)
        *width = MAX(*width, mob_term_width(g_ptr_array_index(texts, i)));
    return texts;
}

static void
print_table(const MobRows *rows, guint from, guint to, const MobSink *sink)
{
    g_autoptr(GPtrArray) columns =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    g_autofree int *widths = g_new0(int, rows->noun->column_count);
    g_autoptr(GString) out = g_string_new(NULL);

    for (guint column = 0; column < rows->noun->column_count; column++)
        if (sink->detail || !rows->noun->columns[column].detail)
            g_ptr_array_add(columns, make_column(rows, column, from, to, &widths[columns->len]));
    for (guint line = 0; line <= to - from; line++) {
        for (guint i = 0; i < columns->len; i++)
            mob_term_pad(out, g_ptr_array_index((GPtrArray *)g_ptr_array_index(columns, i), line),
                         widths[i] + GAP, GAP);
        while (out->len > 0 && out->str[out->len - 1] == ' ')
            g_string_truncate(out, out->len - 1);
        g_string_append_c(out, '\n');
    }
    mob_sink_table(sink, out->str);
}

/* --- for programs --- */

static void
print_json(const MobRows *rows, guint row, const MobSink *sink)
{
    g_autoptr(GString) text = g_string_new(NULL);
    MobJson json = mob_json(text);

    mob_json_open(&json, '{');
    mob_json_put_text(&json, "type", rows->noun->one);
    for (guint i = 0; i < rows->noun->column_count; i++) {
        const MobCell *cell = cell_at(rows, row, i);
        mob_json_key(&json, rows->noun->columns[i].key);
        if (!cell->is)
            mob_json_null(&json);
        else if (rows->noun->columns[i].kind == MOB_CELL_TEXT)
            mob_json_text(&json, cell->text);
        else
            mob_json_uint(&json, cell->number);
    }
    mob_json_close(&json, '}');
    g_string_append_c(text, '\n');
    sink->tell(sink->data, MOB_TELL_OUT, text->str, text->len);
}

static void
print_plain(const MobRows *rows, guint row, const MobSink *sink)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *tab = "";

    for (guint i = 0; i < rows->noun->column_count; i++) {
        const MobCell *cell = cell_at(rows, row, i);
        if (!sink->detail && rows->noun->columns[i].detail)
            continue;
        g_string_append(text, tab);
        tab = "\t";
        if (cell->is && rows->noun->columns[i].kind == MOB_CELL_TEXT)
            append_text(text, cell->text);
        else if (cell->is)
            g_string_append_printf(text, "%" G_GUINT64_FORMAT, cell->number);
    }
    g_string_append_c(text, '\n');
    sink->tell(sink->data, MOB_TELL_OUT, text->str, text->len);
}

/* --- both --- */

static void
say_shown(const MobRows *rows, guint shown, const MobSink *sink)
{
    guint count = mob_rows_count(rows);

    if (shown == count)
        mob_sink_say(sink, "shown %u of %u", shown, count);
    else
        mob_sink_say(sink, "shown %u of %u, the %s; --limit %u shows all", shown, count,
                     rows->ranked ? "largest" : "newest", count);
    if (rows->forgotten > 0)
        mob_sink_say(sink, "%" G_GUINT64_FORMAT " older ones are over and no longer kept",
                     rows->forgotten);
}

void
mob_rows_print(const MobRows *rows, const MobSink *sink)
{
    guint count = mob_rows_count(rows);
    guint shown = (guint)MIN(count, sink->limit != 0 ? sink->limit : LIMIT_DEFAULT);

    guint from = rows->ranked ? 0 : count - shown;

    if (sink->json || sink->plain)
        for (guint row = from; row < from + shown; row++)
            (sink->json ? print_json : print_plain)(rows, row, sink);
    else
        print_table(rows, from, from + shown, sink);
    say_shown(rows, shown, sink);
}

void
mob_rows_print_one(const MobRows *rows, guint row, const MobSink *sink)
{
    g_autoptr(GString) out = g_string_new(NULL);

    if (sink->json) {
        print_json(rows, row, sink);
        return;
    }
    for (guint i = 0; i < rows->noun->column_count; i++) {
        const MobCell *cell = cell_at(rows, row, i);
        if (!cell->is)
            continue;
        g_autofree char *title = g_ascii_strdown(rows->noun->columns[i].title, -1);
        mob_term_pad(out, title, 12, GAP);
        append_cell(out, &rows->noun->columns[i], cell);
        g_string_append_c(out, '\n');
    }
    mob_sink_table(sink, out->str);
}
