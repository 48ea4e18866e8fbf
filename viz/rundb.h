/* rundb.h: a run as a database.
 *
 * run.db is what every tool reads and what people query: the tables stand in
 * rundb_schema.c. A file holds one run per cluster; rows of different runs are
 * told apart by `run`. It is written beside its place in one transaction and
 * renamed when it is whole, so that nobody ever sees half of one.
 */
#pragma once

#include "runtime/trace.h"

/* What the two watchers cannot know. Texts may be NULL. */
typedef struct {
    const char *name;
    const char *kind; /* "always", "never", "eventually" … */
    const char *at;   /* "kill-task-2.lua:20" */
    uint64_t passes;
    uint64_t fails;
    uint64_t first_pass; /* events */
    uint64_t first_fail;
} MobRunClaim;

typedef struct {
    uint64_t event;
    const char *name;
    const char *detail;
} MobRunMark;

typedef struct {
    const char *scenario; /* "kill-task-2" */
    const char *file;     /* "kill-task-2.lua" */
    const char *script_sha;
    uint64_t seed;
    const char *backend; /* "sim" */
    const char *verdict; /* "ok" */
    uint64_t hash;
    uint64_t events;
    MobTime end;
    const uint64_t *bites; /* of each fault, by its number */
    size_t bites_count;
    const MobRunClaim *claims;
    size_t claim_count;
    const MobRunMark *marks;
    size_t mark_count;
    const uint64_t *checkpoints; /* trace hashes, one each @checkpoint_events */
    size_t checkpoint_count;
    uint64_t checkpoint_events;
} MobRunInfo;

typedef struct {
    MobRunInfo info;
    const MobState *state;
    const MobTrace *trace; /* NULL: no events, messages and choices */
} MobRun;

#define MOB_RUNDB_ERROR (g_quark_from_static_string("mob-rundb-error"))

/* Writes @runs to @path, in the place of what was there. */
bool mob_rundb_write(const char *path, const MobRun *runs, size_t count, GError **error);

/* The statements that make the tables, those that make the indexes, and the
 * versions of the schema in both. */
const char *mob_rundb_tables(void);
const char *mob_rundb_indexes(void);

enum {
    MOB_RUNDB_SCHEMA = 2
};
