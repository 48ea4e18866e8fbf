/* model.h: the lineage of a run, ready to be drawn at any moment of it.
 *
 * The same model is made from a MobState, right after a run, and from run.db
 * later, so both give the same picture. Everything is an interval of event
 * numbers; what is true at a moment is asked, never stored.
 */
#pragma once

#include "runtime/state.h"
#include "viz/style.h"

typedef struct {
    uint64_t seq; /* event; 0: never */
    MobTime at;
} MobMoment;

typedef struct {
    uint32_t number;
    const char *worker;  /* "n1/w0"; "" before it was leased */
    const char *outcome; /* NULL: it runs, or had not ended */
    MobMoment submitted;
    MobMoment started;
    MobMoment ended;
} MobModelAttempt;

typedef struct {
    const char *id;    /* "T2" */
    const char *label; /* "parse" */
    const char *owner; /* "driver" */
    const char *error; /* it failed for good with this; may be NULL */
    int parent;        /* of tasks; -1: the driver's */
    MobMoment submitted;
    GArray *attempts; /* of MobModelAttempt, by number */
    GArray *args;     /* of int: objects it takes */
    GArray *nested;   /* of int: objects that its arguments mention */
} MobModelTask;

typedef struct {
    const char *place; /* "n1" */
    const char *why;   /* it ended; NULL while it exists */
    MobMoment from;
    MobMoment to;
} MobModelCopy;

typedef struct {
    const char *id;
    const char *owner;
    int maker; /* of tasks; -1: the driver has put it */
    bool put;
    bool made; /* it ever existed */
    uint64_t bytes;
    MobMoment known;   /* its task was submitted */
    MobMoment created; /* it exists for the first time */
    MobMoment ended;
    MobMoment failed;    /* an error took its place */
    MobObjectState last; /* its state at the end of the run */
    GArray *copies;      /* of MobModelCopy, by beginning */
    GArray *nested;      /* of int: objects that its value mentions */
} MobModelObject;

typedef struct {
    char *scenario;
    uint64_t seed;
    MobMoment end;   /* what a picture of the whole run shows: the last job's end, before its driver
                        gives everything up, or where the run stopped */
    GArray *tasks;   /* of MobModelTask, in order of submission */
    GArray *objects; /* of MobModelObject, in order of being known */
    GStringChunk *texts;
} MobModel;

MobModel *mob_model_new(void);
void mob_model_free(MobModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobModel, mob_model_free)

MobModel *mob_model_of_state(const MobState *state, const char *scenario, uint64_t seed);

#define MOB_LINEAGE_ERROR (g_quark_from_static_string("mob-lineage-error"))

/* Reads run @run of the database; 0 is the last. NULL with MOB_LINEAGE_ERROR. */
MobModel *mob_model_read(const char *path, int run, GError **error);

MobModelTask *mob_model_add_task(MobModel *model);
MobModelObject *mob_model_add_object(MobModel *model);
const char *mob_model_text(MobModel *model, const char *text);

static inline const MobModelTask *
mob_model_task(const MobModel *model, int task)
{
    return &g_array_index(model->tasks, MobModelTask, task);
}

static inline const MobModelObject *
mob_model_object(const MobModel *model, int object)
{
    return &g_array_index(model->objects, MobModelObject, object);
}

/* --- what is true at the event @seq --- */

MobLook mob_model_attempt_look(const MobModelAttempt *attempt, uint64_t seq);
MobLook mob_model_task_look(const MobModelTask *task, uint64_t seq);
MobLook mob_model_object_look(const MobModelObject *object, uint64_t seq);
/* How often it has begun to run. */
uint32_t mob_model_executions(const MobModelTask *task, uint64_t seq);

static inline bool
mob_copy_is_there(const MobModelCopy *copy, uint64_t seq)
{
    return copy->from.seq <= seq && (copy->to.seq == 0 || copy->to.seq > seq);
}

/* The copy went away without anybody's wish. */
bool mob_copy_is_lost(const MobModelCopy *copy, uint64_t seq);

/* Every moment at which the picture changes, ascending: (transfer full) of
 * MobMoment. @only is NULL or a list of ids, "T1,O2", whose changes count. */
GArray *mob_model_moments(const MobModel *model, const char *only);
