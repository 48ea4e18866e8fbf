/* model_state.c: the model of a run that is still in memory. */
#include "viz/model.h"

typedef struct {
    MobModel *model;
    const MobState *state;
    GHashTable *tasks; /* MobStateTask -> index + 1; never iterated */
    GHashTable *objects;
} Reader;

static int
find(GHashTable *table, const void *item)
{
    return item != NULL ? GPOINTER_TO_INT(g_hash_table_lookup(table, item)) - 1 : -1;
}

static void
copy_indexes(Reader *reader, GArray *into, const GPtrArray *objects)
{
    for (guint i = 0; i < objects->len; i++) {
        int index = find(reader->objects, g_ptr_array_index(objects, i));
        g_array_append_val(into, index);
    }
}

static void
read_task(Reader *reader, MobModelTask *to, const MobStateTask *task)
{
    to->id = mob_model_text(reader->model, task->name);
    to->label = mob_model_text(reader->model, task->label);
    to->owner = mob_model_text(reader->model, mob_state_proc_name(reader->state, task->owner));
    to->error = mob_model_text(reader->model, task->error);
    to->parent = find(reader->tasks, task->parent);
    to->submitted = (MobMoment){task->submitted, task->submitted_at};
    copy_indexes(reader, to->args, task->args);
    copy_indexes(reader, to->nested, task->nested);
    for (guint i = 0; i < task->attempts->len; i++) {
        const MobStateAttempt *attempt = g_ptr_array_index(task->attempts, i);
        MobModelAttempt copy = {
            .number = attempt->number,
            .worker =
                mob_model_text(reader->model, mob_state_proc_name(reader->state, attempt->worker)),
            .outcome = mob_model_text(reader->model, attempt->outcome),
            .submitted = {attempt->submitted, attempt->submitted_at},
            .started = {attempt->started, attempt->started_at},
            .ended = {attempt->ended, attempt->ended_at},
        };
        g_array_append_val(to->attempts, copy);
    }
}

static void
read_object(Reader *reader, MobModelObject *to, const MobStateObject *object)
{
    to->id = mob_model_text(reader->model, object->name);
    to->owner = mob_model_text(reader->model, mob_state_proc_name(reader->state, object->owner));
    to->maker = find(reader->tasks, object->maker);
    to->put = object->put;
    to->made = object->times_made > 0;
    to->bytes = object->size;
    to->last = object->state;
    to->created = (MobMoment){object->created, object->created_at};
    to->ended = (MobMoment){object->ended, object->ended_at};
    to->failed = (MobMoment){object->failed, object->failed_at};
    to->known = to->created;
    if (object->maker != NULL && !object->put)
        to->known = (MobMoment){object->maker->submitted, object->maker->submitted_at};
    copy_indexes(reader, to->nested, object->nested);
    for (guint i = 0; i < object->copies->len; i++) {
        const MobStateCopy *copy = g_ptr_array_index(object->copies, i);
        MobModelCopy row = {
            .place = mob_model_text(reader->model, mob_state_node_name(reader->state, copy->node)),
            .why = mob_model_text(reader->model, copy->end_why),
            .from = {copy->from, copy->from_at},
            .to = {copy->to, copy->to_at},
        };
        g_array_append_val(to->copies, row);
    }
}

static MobMoment
end_of(const MobState *state)
{
    MobMoment end = {state->event, state->now};

    if (state->jobs->len > 0) {
        const MobStateJob *job = g_ptr_array_index(state->jobs, state->jobs->len - 1);
        if (job->ended > 1)
            end = (MobMoment){job->ended - 1, job->ended_at};
    }
    return end;
}

MobModel *
mob_model_of_state(const MobState *state, const char *scenario, uint64_t seed)
{
    Reader reader = {
        .model = mob_model_new(),
        .state = state,
        .tasks = g_hash_table_new(NULL, NULL),
        .objects = g_hash_table_new(NULL, NULL),
    };

    for (guint i = 0; i < state->tasks->len; i++)
        g_hash_table_insert(reader.tasks, g_ptr_array_index(state->tasks, i),
                            GINT_TO_POINTER((int)i + 1));
    for (guint i = 0; i < state->objects->len; i++)
        g_hash_table_insert(reader.objects, g_ptr_array_index(state->objects, i),
                            GINT_TO_POINTER((int)i + 1));
    for (guint i = 0; i < state->tasks->len; i++)
        read_task(&reader, mob_model_add_task(reader.model), g_ptr_array_index(state->tasks, i));
    for (guint i = 0; i < state->objects->len; i++)
        read_object(&reader, mob_model_add_object(reader.model),
                    g_ptr_array_index(state->objects, i));
    g_hash_table_unref(reader.tasks);
    g_hash_table_unref(reader.objects);
    reader.model->scenario = g_strdup(scenario);
    reader.model->seed = seed;
    reader.model->end = end_of(state);
    return reader.model;
}
