/* rows.h: what there is in a cluster or a run, as tables: `mobula list` and its kin.
 *
 * A noun is a table with fixed columns; rows_live.c fills it in from a cluster
 * that runs, rows_run.c from a run folder. Everything after that (filters,
 * limits, JSON) is the same for both. Rows are filtered first and counted
 * afterwards, and what is not shown is said.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/serve.h"

typedef enum {
    MOB_CELL_TEXT,
    MOB_CELL_COUNT,
    MOB_CELL_BYTES,
    MOB_CELL_TIME, /* nanoseconds */
} MobCellKind;

typedef struct {
    const char *key;   /* of filters and JSON */
    const char *title; /* of the table */
    MobCellKind kind;
    bool detail; /* with --detail only */
} MobColumn;

typedef struct {
    const char *name; /* "tasks" */
    const char *one;  /* "task": also the key that names a row, of those that have names */
    const MobColumn *columns;
    guint column_count;
} MobNoun;

typedef struct {
    const char *text; /* of a text; NULL: nothing */
    uint64_t number;  /* of anything else */
    bool is;          /* there is a value */
} MobCell;

typedef struct {
    const MobNoun *noun;
    GStringChunk *texts;
    GArray *cells;      /* of MobCell, row by row */
    uint64_t forgotten; /* rows that are no longer kept */
    bool ranked;        /* the largest first, not the newest last */
} MobRows;

/* How an answer is written, and where to. */
typedef struct {
    void (*tell)(void *data, MobTellKind kind, const char *text, size_t length);
    void *data;
    bool json;
    bool plain;
    bool detail;
    uint64_t limit; /* 0: as many as usual */
} MobSink;

/* What there is to be listed; ends with a NULL name. */
const MobNoun *mob_nouns(void);
/* NULL with an error that names what may be meant. */
const MobNoun *mob_noun(const char *name, GError **error);
/* Whether there is a column @key. */
bool mob_noun_has(const MobNoun *noun, const char *key);

#define MOB_ROWS_ERROR (g_quark_from_static_string("mob-rows-error"))

MobRows *mob_rows_new(const MobNoun *noun);
void mob_rows_free(MobRows *rows);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobRows, mob_rows_free)

/* Each adds the next cell of the row. */
void mob_rows_text(MobRows *rows, const char *text); /* NULL and "": nothing */
void mob_rows_number(MobRows *rows, uint64_t number);
void mob_rows_none(MobRows *rows);
/* @number if @is, else nothing. */
void mob_rows_maybe(MobRows *rows, bool is, uint64_t number);

guint mob_rows_count(const MobRows *rows);
const MobCell *mob_rows_cell(const MobRows *rows, guint row, const char *key);
/* "" if it is no text or there is none. */
const char *mob_rows_get(const MobRows *rows, guint row, const char *key);
/* The first row whose name is @name; G_MAXUINT: none. */
guint mob_rows_find(const MobRows *rows, const char *name);

/* Keeps the rows for which every one of @filters (key=value, key!=value, one a
 * line) holds; false with an error that says which keys there are. */
bool mob_rows_filter(MobRows *rows, const char *filters, GError **error);

/* The table, or JSON, and how many of how many were shown. */
void mob_rows_print(const MobRows *rows, const MobSink *sink);
/* One row, a line for each column. */
void mob_rows_print_one(const MobRows *rows, guint row, const MobSink *sink);

void mob_sink_say(const MobSink *sink, const char *format, ...) G_GNUC_PRINTF(2, 3);
void mob_sink_table(const MobSink *sink, const char *text);
