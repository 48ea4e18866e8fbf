/* model_read.c: the model of a run that is in a run.db. */
#include <sqlite3.h>

#include "viz/model.h"
#include "viz/rundb.h"

typedef struct {
    MobModel *model;
    sqlite3 *sqlite;
    const char *path;
    int64_t run;
    GHashTable *tasks; /* name -> index + 1; never iterated */
    GHashTable *objects;
    GError **error;
    bool failed;
} Reader;

static void
fail(Reader *reader)
{
    if (reader->failed)
        return;
    reader->failed = true;
    g_set_error(reader->error, MOB_LINEAGE_ERROR, 1, "cannot read %s: %s", reader->path,
                sqlite3_errmsg(reader->sqlite));
}

static sqlite3_stmt *
query(Reader *reader, const char *sql)
{
    sqlite3_stmt *select = NULL;

    if (reader->failed)
        return NULL;
    if (sqlite3_prepare_v2(reader->sqlite, sql, -1, &select, NULL) != SQLITE_OK)
        fail(reader);
    else
        sqlite3_bind_int64(select, 1, reader->run);
    return select;
}

/* Whether there is another row; the query is gone when there is none. */
static bool
next(Reader *reader, sqlite3_stmt *select)
{
    int status = select != NULL && !reader->failed ? sqlite3_step(select) : SQLITE_DONE;

    if (status == SQLITE_ROW)
        return true;
    if (status != SQLITE_DONE)
        fail(reader);
    sqlite3_finalize(select);
    return false;
}

static const char *
text_at(Reader *reader, sqlite3_stmt *select, int column)
{
    return mob_model_text(reader->model, (const char *)sqlite3_column_text(select, column));
}

static const char *
text_or_empty(Reader *reader, sqlite3_stmt *select, int column)
{
    const char *text = text_at(reader, select, column);

    return text != NULL ? text : "";
}

static MobMoment
moment_at(sqlite3_stmt *select, int column)
{
    return (MobMoment){(uint64_t)sqlite3_column_int64(select, column),
                       (MobTime)sqlite3_column_int64(select, column + 1)};
}

static int
find(GHashTable *table, const char *name)
{
    return name != NULL ? GPOINTER_TO_INT(g_hash_table_lookup(table, name)) - 1 : -1;
}

static void
read_run(Reader *reader, int run)
{
    sqlite3_stmt *select = query(
        reader, run != 0 ? "SELECT run, scenario, seed, events, end_ns FROM runs WHERE run = ?1"
                         : "SELECT run, scenario, seed, events, end_ns FROM runs"
                           " WHERE ?1 IS NOT NULL ORDER BY run DESC LIMIT 1");

    if (select != NULL)
        sqlite3_bind_int64(select, 1, run);
    if (!next(reader, select)) {
        if (!reader->failed)
            g_set_error(reader->error, MOB_LINEAGE_ERROR, 2, "%s has no cluster %d", reader->path,
                        run);
        reader->failed = true;
        return;
    }
    reader->run = sqlite3_column_int64(select, 0);
    reader->model->scenario = g_strdup(text_or_empty(reader, select, 1));
    reader->model->seed = (uint64_t)sqlite3_column_int64(select, 2);
    reader->model->end = moment_at(select, 3);
    sqlite3_finalize(select);

    select = query(reader, "SELECT finished - 1, finished_ns FROM jobs WHERE run = ?1"
                           " ORDER BY job DESC LIMIT 1");
    while (next(reader, select))
        if (sqlite3_column_int64(select, 0) > 0)
            reader->model->end = moment_at(select, 0);
}

static void
read_tasks(Reader *reader)
{
    MobModel *model = reader->model;
    g_autoptr(GPtrArray) parents = g_ptr_array_new();
    sqlite3_stmt *select =
        query(reader, "SELECT t.task, t.name, p.name, t.error, t.parent, t.submitted,"
                      " t.submitted_ns FROM tasks t LEFT JOIN procs p ON p.proc = t.owner"
                      " WHERE t.run = ?1 ORDER BY t.n");

    while (next(reader, select)) {
        MobModelTask *task = mob_model_add_task(model);
        task->id = text_or_empty(reader, select, 0);
        task->label = text_or_empty(reader, select, 1);
        task->owner = text_or_empty(reader, select, 2);
        task->error = text_at(reader, select, 3);
        g_ptr_array_add(parents, (gpointer)text_at(reader, select, 4));
        task->submitted = moment_at(select, 5);
        g_hash_table_insert(reader->tasks, (gpointer)task->id,
                            GINT_TO_POINTER((int)model->tasks->len));
    }
    for (guint i = 0; i < parents->len; i++)
        g_array_index(model->tasks, MobModelTask, i).parent =
            find(reader->tasks, g_ptr_array_index(parents, i));
}

static void
read_attempts(Reader *reader)
{
    sqlite3_stmt *select =
        query(reader, "SELECT a.task, a.attempt, p.name, a.outcome, a.submitted, a.submitted_ns,"
                      " a.started, a.started_ns, a.ended, a.ended_ns FROM attempts a"
                      " LEFT JOIN procs p ON p.proc = a.proc WHERE a.run = ?1"
                      " ORDER BY a.task, a.attempt");

    while (next(reader, select)) {
        int task = find(reader->tasks, text_or_empty(reader, select, 0));
        MobModelAttempt attempt = {
            .number = (uint32_t)sqlite3_column_int64(select, 1),
            .worker = text_or_empty(reader, select, 2),
            .outcome = text_at(reader, select, 3),
            .submitted = moment_at(select, 4),
            .started = moment_at(select, 6),
            .ended = moment_at(select, 8),
        };
        if (task >= 0)
            g_array_append_val(g_array_index(reader->model->tasks, MobModelTask, task).attempts,
                               attempt);
    }
}

static MobObjectState
object_state(const char *name)
{
    for (MobObjectState state = MOB_OBJECT_PENDING; state < MOB_OBJECT_FREED; state++)
        if (g_strcmp0(name, mob_object_state_name(state)) == 0)
            return state;
    return MOB_OBJECT_FREED;
}

static void
read_objects(Reader *reader)
{
    MobModel *model = reader->model;
    sqlite3_stmt *select =
        query(reader, "SELECT o.obj, p.name, o.maker, o.put, o.made, o.bytes, o.state, o.created,"
                      " o.created_ns, o.ended, o.ended_ns, o.failed, o.failed_ns FROM objects o"
                      " LEFT JOIN procs p ON p.proc = o.owner WHERE o.run = ?1 ORDER BY o.n");

    while (next(reader, select)) {
        MobModelObject *object = mob_model_add_object(model);
        object->id = text_or_empty(reader, select, 0);
        object->owner = text_or_empty(reader, select, 1);
        object->maker = find(reader->tasks, text_at(reader, select, 2));
        object->put = sqlite3_column_int64(select, 3) != 0;
        object->made = sqlite3_column_int64(select, 4) != 0;
        object->bytes = (uint64_t)sqlite3_column_int64(select, 5);
        object->last = object_state(text_at(reader, select, 6));
        object->known = object->created = moment_at(select, 7);
        object->ended = moment_at(select, 9);
        object->failed = moment_at(select, 11);
        if (object->maker >= 0 && !object->put)
            object->known = mob_model_task(model, object->maker)->submitted;
        g_hash_table_insert(reader->objects, (gpointer)object->id,
                            GINT_TO_POINTER((int)model->objects->len));
    }
}

static void
read_copies(Reader *reader)
{
    sqlite3_stmt *select =
        query(reader, "SELECT obj, place, end_why, from_seq, from_ns, to_seq, to_ns FROM copies"
                      " WHERE run = ?1 ORDER BY rowid");

    while (next(reader, select)) {
        int object = find(reader->objects, text_or_empty(reader, select, 0));
        MobModelCopy copy = {
            .place = text_or_empty(reader, select, 1),
            .why = text_at(reader, select, 2),
            .from = moment_at(select, 3),
            .to = moment_at(select, 5),
        };
        if (object >= 0)
            g_array_append_val(g_array_index(reader->model->objects, MobModelObject, object).copies,
                               copy);
    }
}

static void
read_links(Reader *reader)
{
    MobModel *model = reader->model;
    sqlite3_stmt *select =
        query(reader, "SELECT task, obj, kind FROM args WHERE run = ?1 ORDER BY task, n");

    while (next(reader, select)) {
        int task = find(reader->tasks, text_or_empty(reader, select, 0));
        int object = find(reader->objects, text_or_empty(reader, select, 1));
        if (task < 0 || object < 0)
            continue;
        MobModelTask *taker = &g_array_index(model->tasks, MobModelTask, task);
        bool data = g_str_equal(text_or_empty(reader, select, 2), "data");
        g_array_append_val(data ? taker->args : taker->nested, object);
    }
    select = query(reader, "SELECT obj, inner FROM nested WHERE run = ?1 ORDER BY obj, n");
    while (next(reader, select)) {
        int outer = find(reader->objects, text_or_empty(reader, select, 0));
        int inner = find(reader->objects, text_or_empty(reader, select, 1));
        if (outer >= 0 && inner >= 0)
            g_array_append_val(g_array_index(model->objects, MobModelObject, outer).nested, inner);
    }
}

MobModel *
mob_model_read(const char *path, int run, GError **error)
{
    g_autoptr(MobModel) model = mob_model_new();
    Reader reader = {.model = model, .path = path, .error = error};

    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_set_error(error, MOB_LINEAGE_ERROR, 3, "there is no %s: run something first", path);
        return NULL;
    }
    reader.tasks = g_hash_table_new(g_str_hash, g_str_equal);
    reader.objects = g_hash_table_new(g_str_hash, g_str_equal);
    if (sqlite3_open_v2(path, &reader.sqlite, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        fail(&reader);
    read_run(&reader, run);
    read_tasks(&reader);
    read_attempts(&reader);
    read_objects(&reader);
    read_copies(&reader);
    read_links(&reader);
    sqlite3_close(reader.sqlite);
    g_hash_table_unref(reader.tasks);
    g_hash_table_unref(reader.objects);
    return reader.failed ? NULL : g_steal_pointer(&model);
}
