/* state_parts.h: what the files of the state share; nobody else includes it.
 *
 * What the state knows lives as long as the state, or until all that stays is
 * copied (state_forget.c), so it comes from one arena. The public arrays have the layout of
 * GPtrArray and are ours: a task has half a dozen of them, most with one element or none.
 */
#pragma once

#include "runtime/state.h"
#include "runtime/table.h"

typedef struct {
    gpointer *pdata;
    guint len;
    guint capacity;
} List;

G_STATIC_ASSERT(G_STRUCT_OFFSET(List, pdata) == G_STRUCT_OFFSET(GPtrArray, pdata));
G_STATIC_ASSERT(G_STRUCT_OFFSET(List, len) == G_STRUCT_OFFSET(GPtrArray, len));

typedef struct Copy Copy;
typedef struct Ref Ref;

typedef struct {
    MobStateNode base;
    Copy *copies; /* that are on it now, linked */
} Node;

typedef struct {
    MobStateProc base;
    MobStateAttempt *running;
    MobStateAttempt *last; /* that it ran when it died: of what it wrote we may hear later */
    MobStateLease *lease;
    bool owns; /* something, ever */
} Proc;

struct Copy {
    MobStateCopy base;
    MobObjectId id; /* of the execution whose copy it is */
    Node *node;
    Copy *next;
    Copy *previous;
};

struct Ref {
    MobStateRef base;
    MobKey key;       /* of the holder, the object, the kind, and the task or value */
    MobAddress owner; /* of the object */
};

typedef struct {
    MobState base;
    GPtrArray *blocks; /* the arena: owned chunks of zeroed memory */
    size_t block_used;
    GStringChunk *texts;
    GString *scratch;
    uint32_t jobs_before; /* see mob_state_count_from() */
    List *none;           /* stands for every empty array */
    uint64_t event;       /* the number of the event that is being read */
    MobTime now;
    MobTable *nodes;    /* MobNodeId -> Node */
    MobTable *procs;    /* MobAddress -> Proc, the newest there */
    MobTable *tasks;    /* MobTaskId of any execution -> MobStateTask */
    MobTable *attempts; /* execution -> MobStateAttempt */
    MobTable *objects;  /* MobObjectId of any execution -> MobStateObject */
    MobTable *names;    /* short name of a task or object -> it */
    MobTable *copies;   /* object id and node -> Copy, while it exists */
    MobTable *refs;     /* key of a Ref -> it, while it is held */
    MobTable *leases;   /* MobLeaseId -> MobStateLease, while it is held */
    size_t keep;        /* of each kind, of what is over; 0: all */
    size_t look_at;     /* so many entries: time to forget */
    size_t log_bytes;   /* what programs printed, that is kept */
    const char *file;   /* of the place in a program that was told last */
} State;

void *mob_state_alloc(State *state, size_t size);
/* Appends to one of the public arrays of a task or an object. */
void mob_state_append(State *state, GPtrArray **list, void *item);
const char *mob_state_text(State *state, const char *text);
MobKey mob_state_key(const char *name);
void mob_state_set(MobTable *table, MobKey key, void *value);

/* state_forget.c: at the end of an event */
void mob_state_look_back(State *state);
/* A driver has died: much may be over at once. */
void mob_state_job_is_over(State *state);

/* state_world.c */
void mob_state_on_born(MobWatcher *self, const MobProcInfo *info, MobWhen when);
void mob_state_on_died(MobWatcher *self, MobAddress address, const char *why, MobWhen when);
void mob_state_on_machine(State *state, const MobNote *note);
void mob_state_on_fault(State *state, const MobNote *note);
void mob_state_on_lease(State *state, const MobNote *note);
Node *mob_state_get_node(State *state, MobNodeId id, const char *name);

/* state_tasks.c */
void mob_state_on_task(State *state, const MobNote *note);
void mob_state_on_decision(State *state, const MobNote *note);
void mob_state_end_attempt(State *state, MobStateAttempt *attempt, const char *outcome);

/* state_objects.c */
void mob_state_on_object(State *state, const MobNote *note);
void mob_state_on_ref(State *state, const MobNote *note);
/* The entry of @id, made now if need be; NULL if nothing says what it is called. */
MobStateObject *mob_state_get_object(State *state, MobObjectId id, const MobStr *path);
/* Its store is gone. */
void mob_state_drop_copies(State *state, Node *node, const char *why);
/* What it kept of its own objects is gone. */
void mob_state_drop_owner(State *state, MobAddress owner);
void mob_state_drop_holder(State *state, MobAddress dead);

/* Makes of "J8:T1" in scratch what it is called here. */
void mob_state_own_name(State *state);
