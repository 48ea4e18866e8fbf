/* model.c: see model.h. */
#include "viz/model.h"

#include <string.h>

static void
clear_task(gpointer data)
{
    MobModelTask *task = data;

    g_array_unref(task->attempts);
    g_array_unref(task->args);
    g_array_unref(task->nested);
}

static void
clear_object(gpointer data)
{
    MobModelObject *object = data;

    g_array_unref(object->copies);
    g_array_unref(object->nested);
}

MobModel *
mob_model_new(void)
{
    MobModel *model = g_new0(MobModel, 1);

    model->tasks = g_array_new(FALSE, TRUE, sizeof(MobModelTask));
    g_array_set_clear_func(model->tasks, clear_task);
    model->objects = g_array_new(FALSE, TRUE, sizeof(MobModelObject));
    g_array_set_clear_func(model->objects, clear_object);
    model->texts = g_string_chunk_new(4096);
    return model;
}

void
mob_model_free(MobModel *model)
{
    if (model == NULL)
        return;
    g_array_unref(model->tasks);
    g_array_unref(model->objects);
    g_string_chunk_free(model->texts);
    g_free(model->scenario);
    g_free(model);
}

const char *
mob_model_text(MobModel *model, const char *text)
{
    return text == NULL ? NULL : g_string_chunk_insert_const(model->texts, text);
}

MobModelTask *
mob_model_add_task(MobModel *model)
{
    g_array_set_size(model->tasks, model->tasks->len + 1);
    MobModelTask *task = &g_array_index(model->tasks, MobModelTask, model->tasks->len - 1);
    task->attempts = g_array_new(FALSE, TRUE, sizeof(MobModelAttempt));
    task->args = g_array_new(FALSE, TRUE, sizeof(int));
    task->nested = g_array_new(FALSE, TRUE, sizeof(int));
    task->parent = -1;
    task->label = task->owner = "";
    return task;
}

MobModelObject *
mob_model_add_object(MobModel *model)
{
    g_array_set_size(model->objects, model->objects->len + 1);
    MobModelObject *object =
        &g_array_index(model->objects, MobModelObject, model->objects->len - 1);
    object->copies = g_array_new(FALSE, TRUE, sizeof(MobModelCopy));
    object->nested = g_array_new(FALSE, TRUE, sizeof(int));
    object->maker = -1;
    object->owner = "";
    return object;
}

/* --- what is true at a moment --- */

static bool
is_by(MobMoment moment, uint64_t seq)
{
    return moment.seq != 0 && moment.seq <= seq;
}

MobLook
mob_model_attempt_look(const MobModelAttempt *attempt, uint64_t seq)
{
    if (!is_by(attempt->submitted, seq))
        return MOB_LOOK_ABSENT;
    if (is_by(attempt->ended, seq))
        return g_strcmp0(attempt->outcome, "finished") == 0 ? MOB_LOOK_FINISHED : MOB_LOOK_FAILED;
    if (!is_by(attempt->started, seq))
        return MOB_LOOK_PENDING;
    return attempt->number > 1 ? MOB_LOOK_AGAIN : MOB_LOOK_RUNNING;
}

uint32_t
mob_model_executions(const MobModelTask *task, uint64_t seq)
{
    uint32_t count = 0;

    for (guint i = 0; i < task->attempts->len; i++)
        count += is_by(g_array_index(task->attempts, MobModelAttempt, i).started, seq);
    return count;
}

MobLook
mob_model_task_look(const MobModelTask *task, uint64_t seq)
{
    if (!is_by(task->submitted, seq))
        return MOB_LOOK_ABSENT;
    for (guint i = task->attempts->len; i-- > 0;) {
        const MobModelAttempt *attempt = &g_array_index(task->attempts, MobModelAttempt, i);
        MobLook look = mob_model_attempt_look(attempt, seq);
        if (look == MOB_LOOK_AGAIN && mob_model_executions(task, seq) < 2)
            return MOB_LOOK_RUNNING;
        if (look != MOB_LOOK_ABSENT)
            return look;
    }
    return MOB_LOOK_PENDING;
}

bool
mob_copy_is_lost(const MobModelCopy *copy, uint64_t seq)
{
    return is_by(copy->to, seq) && copy->why != NULL && strcmp(copy->why, "freed") != 0 &&
           strcmp(copy->why, "evicted") != 0;
}

MobLook
mob_model_object_look(const MobModelObject *object, uint64_t seq)
{
    bool before = false;

    if (!is_by(object->known, seq))
        return MOB_LOOK_ABSENT;
    if (is_by(object->failed, seq)) /* freed or not, it never had another value after that */
        return MOB_LOOK_FAILED;
    if (is_by(object->ended, seq)) {
        if (object->last == MOB_OBJECT_FREED)
            return MOB_LOOK_FREED;
        if (object->last == MOB_OBJECT_LOST)
            return MOB_LOOK_LOST;
    }
    for (guint i = 0; i < object->copies->len; i++) {
        const MobModelCopy *copy = &g_array_index(object->copies, MobModelCopy, i);
        if (mob_copy_is_there(copy, seq))
            return MOB_LOOK_FINISHED;
        before |= is_by(copy->to, seq);
    }
    if (before)
        return MOB_LOOK_LOST;
    bool inlined = object->made && object->copies->len == 0;
    return inlined && is_by(object->created, seq) ? MOB_LOOK_FINISHED : MOB_LOOK_PENDING;
}

/* --- when it changes --- */

static void
add_moment(GArray *moments, MobMoment moment)
{
    if (moment.seq != 0)
        g_array_append_val(moments, moment);
}

static bool
is_wanted(gchar **only, const char *id)
{
    return only == NULL || g_strv_contains((const gchar *const *)only, id);
}

static gint
by_seq(gconstpointer a, gconstpointer b)
{
    const MobMoment *x = a;
    const MobMoment *y = b;

    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

GArray *
mob_model_moments(const MobModel *model, const char *only)
{
    g_auto(GStrv) ids = only != NULL ? g_strsplit(only, ",", -1) : NULL;
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(MobMoment));
    GArray *moments = g_array_new(FALSE, FALSE, sizeof(MobMoment));

    for (guint i = 0; i < model->tasks->len; i++) {
        const MobModelTask *task = mob_model_task(model, (int)i);
        if (!is_wanted(ids, task->id))
            continue;
        add_moment(all, task->submitted);
        for (guint j = 0; j < task->attempts->len; j++) {
            const MobModelAttempt *attempt = &g_array_index(task->attempts, MobModelAttempt, j);
            add_moment(all, attempt->submitted);
            add_moment(all, attempt->started);
            add_moment(all, attempt->ended);
        }
    }
    for (guint i = 0; i < model->objects->len; i++) {
        const MobModelObject *object = mob_model_object(model, (int)i);
        if (!is_wanted(ids, object->id))
            continue;
        add_moment(all, object->known);
        if (object->made)
            add_moment(all, object->created);
        add_moment(all, object->ended);
        add_moment(all, object->failed);
        for (guint j = 0; j < object->copies->len; j++) {
            const MobModelCopy *copy = &g_array_index(object->copies, MobModelCopy, j);
            add_moment(all, copy->from);
            add_moment(all, copy->to);
        }
    }
    g_array_sort(all, by_seq);
    for (guint i = 0; i < all->len; i++) {
        MobMoment moment = g_array_index(all, MobMoment, i);
        if (i == 0 || moment.seq != g_array_index(all, MobMoment, i - 1).seq)
            g_array_append_val(moments, moment);
    }
    return moments;
}
