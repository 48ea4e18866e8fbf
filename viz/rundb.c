/* rundb.c: see rundb.h. */
#include "viz/rundb.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>

#include "runtime/process.h"
#include "runtime/table.h"

typedef enum {
    TABLE_META,
    TABLE_RUNS,
    TABLE_JOBS,
    TABLE_PROCS,
    TABLE_EVENTS,
    TABLE_BECAUSE,
    TABLE_MESSAGES,
    TABLE_TASKS,
    TABLE_ATTEMPTS,
    TABLE_ARGS,
    TABLE_OBJECTS,
    TABLE_NESTED,
    TABLE_COPIES,
    TABLE_REFS,
    TABLE_FAULTS,
    TABLE_CHOICES,
    TABLE_CLAIMS,
    TABLE_MARKS,
    TABLE_HASHES,
    TABLE_COUNT,
} Table;

/* A process of one incarnation; an earlier one at the same address is linked. */
typedef struct Place Place;

struct Place {
    int64_t number;
    const MobStateProc *proc;
    Place *earlier;
};

typedef struct {
    sqlite3 *sqlite;
    sqlite3_stmt *inserts[TABLE_COUNT];
    int status; /* the first code that was not SQLITE_OK */
    int64_t run;
    int64_t last_proc;
    MobTable *places;      /* address -> Place, newest incarnation */
    GPtrArray *all_places; /* owned */
} Db;

/* --- rows --- */

static void
note_status(Db *db, int status)
{
    if (db->status == SQLITE_OK && status != SQLITE_OK && status != SQLITE_DONE)
        db->status = status;
}

static void
run_sql(Db *db, const char *sql)
{
    if (db->status == SQLITE_OK)
        note_status(db, sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL));
}

/* Inserts a row. @format has a letter per column: 'i' an int64_t, 'z' one whose
 * zero is NULL, 's' a text that outlives the call or NULL, '-' NULL. */
static void
row(Db *db, Table table, const char *format, ...)
{
    sqlite3_stmt *insert = db->inserts[table];
    va_list values;

    if (db->status != SQLITE_OK)
        return;
    g_assert((size_t)sqlite3_bind_parameter_count(insert) == strlen(format));
    va_start(values, format);
    for (int column = 1; *format != '\0'; format++, column++) {
        int64_t number = 0;
        const char *text;
        switch (*format) {
        case 's':
            text = va_arg(values, const char *);
            sqlite3_bind_text(insert, column, text, -1, SQLITE_STATIC);
            break;
        case 'i':
        case 'z':
            number = va_arg(values, int64_t);
            if (number == 0 && *format == 'z')
                sqlite3_bind_null(insert, column);
            else
                sqlite3_bind_int64(insert, column, number);
            break;
        default:
            sqlite3_bind_null(insert, column);
        }
    }
    va_end(values);
    note_status(db, sqlite3_step(insert));
    sqlite3_reset(insert);
}

#define INT(x) ((int64_t)(x))

static int64_t
place_of(const Db *db, MobAddress address, uint64_t event)
{
    const Place *place = mob_table_get(db->places, mob_key_address(address));

    while (place != NULL && place->earlier != NULL && event < place->proc->born)
        place = place->earlier;
    return place != NULL ? place->number : 0;
}

static const char *
role_name(MobRole role)
{
    switch (role) {
    case MOB_ROLE_NODE:
        return "node";
    case MOB_ROLE_GCS:
        return "gcs";
    case MOB_ROLE_WORKER:
        return "worker";
    case MOB_ROLE_DRIVER:
        return "driver";
    case MOB_ROLE_WORLD:
        return "world";
    }
    g_assert_not_reached();
}

/* --- what is true --- */

static void
write_procs(Db *db, const MobState *state)
{
    for (guint i = 0; i < state->procs->len; i++) {
        const MobStateProc *proc = g_ptr_array_index(state->procs, i);
        Place *place = g_new0(Place, 1);

        place->number = ++db->last_proc;
        place->proc = proc;
        place->earlier = mob_table_take(db->places, mob_key_address(proc->address));
        mob_table_add(db->places, mob_key_address(proc->address), place);
        g_ptr_array_add(db->all_places, place);
        row(db, TABLE_PROCS, "iissizzssiz", place->number, db->run, proc->node_name,
            role_name(proc->role), INT(proc->incarnation), INT(proc->born), INT(proc->died),
            proc->why, proc->name, INT(proc->born_at), INT(proc->died_at));
    }
}

static void
write_args(Db *db, const MobStateTask *task, const GPtrArray *objects, const char *kind,
           int64_t first)
{
    for (guint i = 0; i < objects->len; i++) {
        const MobStateObject *object = g_ptr_array_index(objects, i);
        row(db, TABLE_ARGS, "isiss", db->run, task->name, first + i, object->name, kind);
    }
}

static void
write_tasks(Db *db, const MobState *state)
{
    for (guint i = 0; i < state->tasks->len; i++) {
        const MobStateTask *task = g_ptr_array_index(state->tasks, i);
        const MobTaskSpec *spec = task->spec;

        row(db, TABLE_TASKS, "issszssiiisziiz", db->run, task->name, task->label,
            task->parent != NULL ? task->parent->name : NULL,
            place_of(db, task->owner, task->submitted), mob_task_state_name(task->state),
            task->error, INT(task->executions), INT(task->submitted), INT(task->submitted_at),
            spec->file != NULL ? mob_str(spec->file) : NULL, INT(spec->line), INT(i + 1),
            spec->retries, INT(task->evicted));
        write_args(db, task, task->args, "data", 1);
        write_args(db, task, task->nested, "nested", 1 + task->args->len);
    }
    for (guint i = 0; i < state->attempts->len; i++) {
        const MobStateAttempt *attempt = g_ptr_array_index(state->attempts, i);

        row(db, TABLE_ATTEMPTS, "isizsizzzszizzz", db->run, attempt->task->name,
            INT(attempt->number), place_of(db, attempt->worker, attempt->leased),
            attempt->task->label, INT(attempt->submitted), INT(attempt->leased),
            INT(attempt->started), INT(attempt->ended), attempt->outcome, INT(attempt->reason),
            INT(attempt->submitted_at), INT(attempt->leased_at), INT(attempt->started_at),
            INT(attempt->ended_at));
    }
}

static void
write_objects(Db *db, const MobState *state)
{
    for (guint i = 0; i < state->objects->len; i++) {
        const MobStateObject *object = g_ptr_array_index(state->objects, i);

        row(db, TABLE_OBJECTS, "issziisiiizizzzi", db->run, object->name,
            object->maker != NULL ? object->maker->name : NULL,
            place_of(db, object->owner, object->created), INT(object->size), INT(object->put),
            mob_object_state_name(object->state), INT(object->times_lost), INT(object->times_made),
            INT(object->created), INT(object->ended), INT(object->created_at),
            INT(object->ended_at), INT(object->failed), INT(object->failed_at), INT(i + 1));
        for (guint j = 0; j < object->nested->len; j++) {
            const MobStateObject *inner = g_ptr_array_index(object->nested, j);
            row(db, TABLE_NESTED, "isis", db->run, object->name, INT(j + 1), inner->name);
        }
    }
}

static void
write_intervals(Db *db, const MobState *state)
{
    for (guint i = 0; i < state->copies->len; i++) {
        const MobStateCopy *copy = g_ptr_array_index(state->copies, i);
        row(db, TABLE_COPIES, "iszsizsizi", db->run, copy->object->name,
            place_of(db, mob_node_address(copy->node.v), copy->from),
            mob_state_node_name(state, copy->node), INT(copy->from), INT(copy->to), copy->end_why,
            INT(copy->from_at), INT(copy->to_at), INT(copy->primary));
    }
    for (guint i = 0; i < state->refs->len; i++) {
        const MobStateRef *ref = g_ptr_array_index(state->refs, i);
        row(db, TABLE_REFS, "iszsizizszss", db->run, ref->object->name,
            place_of(db, ref->holder, ref->from), ref->kind, INT(ref->from), INT(ref->to),
            INT(ref->from_at), INT(ref->to_at), ref->file, INT(ref->line),
            ref->task != NULL ? ref->task->name : NULL,
            ref->outer != NULL ? ref->outer->name : NULL);
    }
}

static void
write_jobs(Db *db, const MobState *state)
{
    for (guint i = 0; i < state->jobs->len; i++) {
        const MobStateJob *job = g_ptr_array_index(state->jobs, i);
        row(db, TABLE_JOBS, "iisiziz", db->run, INT(i + 1), job->name,
            place_of(db, job->driver, state->event), INT(job->ended), INT(job->started_at),
            INT(job->ended_at));
    }
}

/* --- what happened --- */

/* What was delivered: a message's type, a timer, a call. */
static const char *
detail_of(const MobTrace *trace, const MobTraceEvent *event)
{
    if (event->input == MOB_INPUT_TIMER)
        return mob_timer_name((MobTimer)event->detail);
    if (event->input == MOB_INPUT_CALL)
        return mob_call_name((MobCallKind)event->detail);
    if (event->message == 0)
        return NULL;
    const MobTraceMessage *message =
        &g_array_index(trace->messages, MobTraceMessage, event->message - 1);
    return mob_msg_info((MobMsgType)message->type)->name;
}

static void
write_note(Db *db, const MobRun *run, const MobTraceEvent *event, int64_t n)
{
    const MobTraceNote *note =
        &g_array_index(run->trace->notes, MobTraceNote, event->note + (guint)n - 1);
    g_autofree char *decision = NULL;
    const char *kind = mob_note_name((MobNoteKind)note->kind);

    if (note->kind == MOB_NOTE_DECIDE && note->text != NULL)
        kind = decision = g_strconcat("decide.", note->text, NULL);
    row(db, TABLE_EVENTS, "iiiizszszszzzss", db->run, INT(event->number), n, INT(event->at),
        place_of(db, event->process, event->number), kind, INT(event->cause),
        note->task != NULL ? note->task->name : NULL,
        note->attempt != NULL ? INT(note->attempt->number) : INT(0),
        note->object != NULL ? note->object->name : NULL, INT(0),
        place_of(db, mob_address_is(note->worker) ? note->worker : note->other, event->number),
        INT(note->bytes),
        note->node != 0 ? mob_state_node_name(run->state, (MobNodeId){note->node}) : NULL,
        note->text);
    for (guint i = 0; i < note->because_count; i++) {
        const MobBecause *because =
            &g_array_index(run->trace->because, MobBecause, note->because + i);
        row(db, TABLE_BECAUSE, "iiis", db->run, INT(event->number), INT(because->event),
            because->role != NULL ? because->role : "");
    }
}

static void
write_events(Db *db, const MobRun *run)
{
    const MobTrace *trace = run->trace;

    for (guint i = 0; i < trace->events->len; i++) {
        const MobTraceEvent *event = &g_array_index(trace->events, MobTraceEvent, i);
        const char *kind =
            event->input == MOB_INPUT_COUNT ? "world" : mob_input_name((MobInputKind)event->input);

        row(db, TABLE_EVENTS, "iiiizsz---z---s", db->run, INT(event->number), INT(0),
            INT(event->at), place_of(db, event->process, event->number), kind, INT(event->cause),
            INT(event->message), detail_of(trace, event));
        for (int64_t n = 1; n <= event->note_count; n++)
            write_note(db, run, event, n);
    }
}

static void
write_messages(Db *db, const MobTrace *trace)
{
    for (guint i = 0; i < trace->messages->len; i++) {
        const MobTraceMessage *message = &g_array_index(trace->messages, MobTraceMessage, i);

        row(db, TABLE_MESSAGES, "iizzsii-zs-iz", db->run, INT(i + 1),
            place_of(db, message->from, message->sent), place_of(db, message->to, message->sent),
            mob_msg_info((MobMsgType)message->type)->name, INT(mob_trace_bytes(message)),
            INT(message->sent), INT(message->arrived),
            mob_fate_name(mob_trace_fate(trace, message)), INT(message->sent_at),
            INT(message->arrived_at));
    }
}

static void
write_choices(Db *db, const MobTrace *trace)
{
    for (guint i = 0; i < trace->choices->len; i++) {
        const MobTraceChoice *choice = &g_array_index(trace->choices, MobTraceChoice, i);
        char key[17];

        g_snprintf(key, sizeof key, "%016" G_GINT64_MODIFIER "x", choice->key);
        row(db, TABLE_CHOICES, "iiissiiii-", db->run, INT(i + 1), INT(choice->event),
            mob_pick_name((MobPickKind)choice->kind), key, INT(choice->ordinal), INT(choice->arity),
            INT(choice->picked), INT(choice->boring));
    }
}

/* --- what the world was told --- */

static void
write_faults(Db *db, const MobRun *run)
{
    for (guint i = 0; i < run->state->faults->len; i++) {
        const MobStateFault *fault = g_ptr_array_index(run->state->faults, i);
        bool counted = fault->number >= 1 && fault->number <= run->info.bites_count;
        g_autofree char *source =
            fault->line != 0 ? g_strdup_printf("%s:%u", run->info.file, fault->line) : NULL;

        row(db, TABLE_FAULTS, counted ? "iissizsi" : "iissizs-", db->run, INT(fault->number),
            fault->verb, fault->target, INT(fault->from), INT(fault->to), source,
            INT(counted ? run->info.bites[fault->number - 1] : 0));
    }
}

static void
write_info(Db *db, const MobRun *run)
{
    const MobRunInfo *info = &run->info;
    char hash[17];

    write_faults(db, run);
    for (size_t i = 0; i < info->claim_count; i++) {
        const MobRunClaim *claim = &info->claims[i];
        row(db, TABLE_CLAIMS, "isssiizz", db->run, claim->name, claim->kind, claim->at,
            INT(claim->passes), INT(claim->fails), INT(claim->first_pass), INT(claim->first_fail));
    }
    for (size_t i = 0; i < info->mark_count; i++) {
        const MobRunMark *mark = &info->marks[i];
        row(db, TABLE_MARKS, "iiss", db->run, INT(mark->event), mark->name, mark->detail);
    }
    for (size_t i = 0; i < info->checkpoint_count; i++) {
        g_snprintf(hash, sizeof hash, "%016" G_GINT64_MODIFIER "x", info->checkpoints[i]);
        row(db, TABLE_HASHES, "iis-", db->run, INT(i * info->checkpoint_events), hash);
    }
    g_snprintf(hash, sizeof hash, "%016" G_GINT64_MODIFIER "x", info->hash);
    row(db, TABLE_RUNS, "issis--siis", db->run, info->scenario, info->script_sha, INT(info->seed),
        info->backend, info->verdict, INT(MAX(info->end, run->state->now)),
        INT(MAX(info->events, run->state->event)), hash);
}

static void
write_run(Db *db, const MobRun *run)
{
    db->run++;
    db->places = mob_table_new();
    db->all_places = g_ptr_array_new_with_free_func(g_free);
    write_procs(db, run->state);
    write_jobs(db, run->state);
    write_tasks(db, run->state);
    write_objects(db, run->state);
    write_intervals(db, run->state);
    if (run->trace != NULL) {
        write_events(db, run);
        write_messages(db, run->trace);
        write_choices(db, run->trace);
    }
    write_info(db, run);
    if (run->trace != NULL && run->trace->cut_at != 0) {
        g_autofree char *key = g_strdup_printf("run %" G_GINT64_FORMAT " cut_at", db->run);
        g_autofree char *value = g_strdup_printf(
            "the trace was full: events from %" G_GUINT64_FORMAT " on are not in it",
            run->trace->cut_at);
        row(db, TABLE_META, "ss", key, value);
    }
    g_clear_pointer(&db->places, mob_table_free);
    g_clear_pointer(&db->all_places, g_ptr_array_unref);
}

static void
write_meta(Db *db)
{
    g_autofree char *schema = g_strdup_printf("%d", MOB_RUNDB_SCHEMA);
    g_autofree char *messages = g_strdup_printf("%016" G_GINT64_MODIFIER "x", mob_schema_hash());

    row(db, TABLE_META, "ss", "schema", schema);
    row(db, TABLE_META, "ss", "messages", messages);
    row(db, TABLE_META, "ss", "time", "nanoseconds of the run");
    row(db, TABLE_META, "ss", "seq", "number of the event, from 1");
    row(db, TABLE_META, "ss", "compiler", __VERSION__);
}

/* --- the file --- */

static void
prepare(Db *db)
{
    static const struct {
        const char *name;
        int columns;
    } tables[TABLE_COUNT] = {
        [TABLE_META] = {"meta", 2},          [TABLE_RUNS] = {"runs", 11},
        [TABLE_PROCS] = {"procs", 11},       [TABLE_JOBS] = {"jobs", 7},
        [TABLE_EVENTS] = {"events", 15},     [TABLE_BECAUSE] = {"because", 4},
        [TABLE_MESSAGES] = {"messages", 13}, [TABLE_TASKS] = {"tasks", 15},
        [TABLE_ATTEMPTS] = {"attempts", 15}, [TABLE_ARGS] = {"args", 5},
        [TABLE_OBJECTS] = {"objects", 16},   [TABLE_NESTED] = {"nested", 4},
        [TABLE_COPIES] = {"copies", 10},     [TABLE_REFS] = {"refs", 12},
        [TABLE_FAULTS] = {"faults", 8},      [TABLE_CHOICES] = {"choices", 10},
        [TABLE_CLAIMS] = {"claims", 8},      [TABLE_MARKS] = {"marks", 4},
        [TABLE_HASHES] = {"hashes", 4},
    };
    g_autoptr(GString) sql = g_string_new(NULL);

    for (int i = 0; i < TABLE_COUNT && db->status == SQLITE_OK; i++) {
        g_string_printf(sql, "INSERT OR IGNORE INTO %s VALUES (?", tables[i].name);
        for (int column = 1; column < tables[i].columns; column++)
            g_string_append(sql, ",?");
        g_string_append_c(sql, ')');
        note_status(db, sqlite3_prepare_v3(db->sqlite, sql->str, (int)sql->len,
                                           SQLITE_PREPARE_PERSISTENT, &db->inserts[i], NULL));
    }
}

static void
fill(Db *db, const MobRun *runs, size_t count)
{
    /* A file that is thrown away if anything fails needs no journal. */
    run_sql(db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
                "PRAGMA locking_mode=EXCLUSIVE; PRAGMA temp_store=MEMORY;"
                "PRAGMA cache_size=-65536; BEGIN");
    run_sql(db, mob_rundb_tables());
    prepare(db);
    write_meta(db);
    for (size_t i = 0; i < count; i++)
        write_run(db, &runs[i]);
    run_sql(db, mob_rundb_indexes());
    run_sql(db, "COMMIT");
}

static void
fail(const Db *db, const char *path, GError **error)
{
    int code = db->status & 0xff;
    int saved = db->sqlite != NULL ? sqlite3_system_errno(db->sqlite) : 0;

    if (code == SQLITE_FULL || saved == ENOSPC)
        g_set_error(error, MOB_RUNDB_ERROR, ENOSPC,
                    "cannot write %s: the disk is full; make room or choose another folder", path);
    else if (saved != 0)
        g_set_error(error, MOB_RUNDB_ERROR, saved, "cannot write %s: %s", path, g_strerror(saved));
    else
        g_set_error(error, MOB_RUNDB_ERROR, code, "cannot write %s: %s", path,
                    sqlite3_errstr(db->status));
}

static void
close_db(Db *db)
{
    for (int i = 0; i < TABLE_COUNT; i++)
        sqlite3_finalize(db->inserts[i]);
    sqlite3_close(db->sqlite);
}

bool
mob_rundb_write(const char *path, const MobRun *runs, size_t count, GError **error)
{
    g_autofree char *part = g_strconcat(path, ".part", NULL);
    Db db = {0};

    g_unlink(part);
    note_status(&db, sqlite3_open_v2(
                         part, &db.sqlite,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));
    if (db.sqlite != NULL)
        fill(&db, runs, count);
    if (db.status != SQLITE_OK)
        fail(&db, path, error);
    bool ok = db.status == SQLITE_OK;
    close_db(&db);
    if (ok && g_rename(part, path) != 0) {
        g_set_error(error, MOB_RUNDB_ERROR, errno, "cannot write %s: %s", path, g_strerror(errno));
        ok = false;
    }
    if (!ok)
        g_unlink(part);
    return ok;
}
