/* state.c: the watcher itself, its arena, and what is looked up; see state.h.
 *
 * state_world.c knows machines, processes and leases, state_tasks.c tasks and
 * attempts, state_objects.c objects, copies and references; state_forget.c
 * keeps it small.
 */
#include "runtime/state_parts.h"

enum {
    BLOCK_BYTES = 64 * 1024,
    LIST_FIRST = 2,
};

void *
mob_state_alloc(State *state, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    g_assert(size <= BLOCK_BYTES / 4);

    if (state->blocks->len == 0 || state->block_used + size > BLOCK_BYTES) {
        g_ptr_array_add(state->blocks, g_malloc0(BLOCK_BYTES));
        state->block_used = 0;
    }
    char *block = g_ptr_array_index(state->blocks, state->blocks->len - 1);
    void *memory = block + state->block_used;
    state->block_used += size;
    return memory;
}

/* Lists that outgrow the arena's blocks are rare: an object with thousands of
 * copies or references. They get a block of their own, put first so that the
 * newest block stays the one that is being filled. */
static gpointer *
list_memory(State *state, size_t size)
{
    if (size <= BLOCK_BYTES / 4)
        return mob_state_alloc(state, size);

    gpointer *memory = g_malloc0(size);
    g_ptr_array_insert(state->blocks, 0, memory);
    return memory;
}

void
mob_state_append(State *state, GPtrArray **list, void *item)
{
    List *own = (List *)*list;

    if (own == state->none) {
        own = mob_state_alloc(state, sizeof *own);
        *list = (GPtrArray *)own;
    }
    if (own->len == own->capacity) {
        guint capacity = own->capacity == 0 ? LIST_FIRST : own->capacity * 2;
        gpointer *items = list_memory(state, capacity * sizeof(gpointer));
        if (own->len > 0)
            memcpy(items, own->pdata, own->len * sizeof(gpointer));
        own->pdata = items;
        own->capacity = capacity;
    }
    own->pdata[own->len++] = item;
}

const char *
mob_state_text(State *state, const char *text)
{
    return text == NULL ? NULL : g_string_chunk_insert_const(state->texts, text);
}

MobKey
mob_state_key(const char *name)
{
    MobKey key = {UINT64_C(0x6d6f62756c61), 1};

    for (; *name != '\0'; name++) {
        key.a = mob_mix(key.a ^ (unsigned char)*name);
        key.b = mob_mix(key.b + (unsigned char)*name + key.a);
    }
    key.b |= key.a == 0 && key.b == 0;
    return key;
}

void
mob_state_set(MobTable *table, MobKey key, void *value)
{
    mob_table_take(table, key);
    mob_table_add(table, key, value);
}

/* --- the watcher --- */

static MobStateJob *
find_job(State *state, MobAddress driver)
{
    for (guint i = state->base.jobs->len; i-- > 0;) {
        MobStateJob *job = g_ptr_array_index(state->base.jobs, i);
        if (mob_address_eq(job->driver, driver))
            return job;
    }
    return NULL;
}

static void
on_job(State *state, const MobNote *note)
{
    MobStateJob *job = find_job(state, note->owner);

    if (job == NULL) {
        job = mob_state_alloc(state, sizeof *job);
        job->driver = note->owner;
        job->name = "";
        job->started_at = state->now;
        g_ptr_array_add(state->base.jobs, job);
    }
    if (note->kind == MOB_NOTE_JOB_STARTED) {
        job->number = (uint32_t)note->bytes;
        job->name = mob_state_text(state, note->label != NULL ? note->label : "");
    } else if (!job->finished) {
        job->finished = true;
        job->ended_at = state->now;
        job->ended = state->event;
        job->result = mob_value_ref((MobValue *)note->value);
    }
}

MobStateTask *
mob_state_printed(const MobState *base, const MobNote *note)
{
    const Proc *proc;

    if (note->spec != NULL || mob_task_is(note->task))
        return mob_state_task_by_id(base, note->spec != NULL ? note->spec->id : note->task);
    proc = mob_table_get(((const State *)base)->procs, mob_key_address(note->worker));
    const MobStateAttempt *attempt = proc == NULL            ? NULL
                                     : proc->running != NULL ? proc->running
                                                             : proc->last;
    return attempt != NULL ? attempt->task : NULL;
}

static void
on_output(State *state, const MobNote *note)
{
    MobStateLog *log = mob_state_alloc(state, sizeof *log);
    const char *text = note->text != NULL ? note->text : "";

    log->event = state->event;
    log->at = state->now;
    log->worker = note->worker;
    log->task = mob_state_printed(&state->base, note);
    log->text = g_string_chunk_insert(state->texts, text);
    state->log_bytes += strlen(text);
    g_ptr_array_add(state->base.logs, log);
}

#define WANT_TASKS                                                                                 \
    (MOB_WANT(TASK_SUBMITTED) | MOB_WANT(TASK_LEASED) | MOB_WANT(TASK_RUNNING) |                   \
     MOB_WANT(TASK_FINISHED) | MOB_WANT(TASK_FAILED) | MOB_WANT(TASK_RETRIED) |                    \
     MOB_WANT(TASK_HANDED_BACK) | MOB_WANT(TASK_CANCELLED))
#define WANT_OBJECTS                                                                               \
    (MOB_WANT(OBJECT_CREATED) | MOB_WANT(OBJECT_COPIED) | MOB_WANT(OBJECT_COPY_LOST) |             \
     MOB_WANT(OBJECT_LOST) | MOB_WANT(OBJECT_RECOVERED) | MOB_WANT(OBJECT_FAILED) |                \
     MOB_WANT(OBJECT_EVICTED) | MOB_WANT(OBJECT_FREED) | MOB_WANT(OBJECT_DELETED) |                \
     MOB_WANT(OBJECT_SPILLED) | MOB_WANT(OBJECT_RESTORED))
#define WANT_REFS   (MOB_WANT(REF_ADDED) | MOB_WANT(REF_BORROWED) | MOB_WANT(REF_DROPPED))
#define WANT_LEASES (MOB_WANT(LEASE_GRANTED) | MOB_WANT(LEASE_RETURNED))
#define WANT_MACHINES                                                                              \
    (MOB_WANT(WORKER_DIED) | MOB_WANT(WORKER_BLOCKED) | MOB_WANT(WORKER_UNBLOCKED) |               \
     MOB_WANT(NODE_JOINED) | MOB_WANT(NODE_LEFT) | MOB_WANT(NODE_DIED) |                           \
     MOB_WANT(NODE_DECLARED_DEAD) | MOB_WANT(GCS_DIED) | MOB_WANT(GCS_RESTARTED))
#define WANT_REST                                                                                  \
    (MOB_WANT(FAULT) | MOB_WANT(DECIDE) | MOB_WANT(JOB_STARTED) | MOB_WANT(JOB_FINISHED) |         \
     MOB_WANT(OUTPUT))

static void
on_note(State *state, const MobNote *note)
{
    uint64_t kind = UINT64_C(1) << note->kind;

    if (kind & WANT_TASKS)
        mob_state_on_task(state, note);
    else if (kind & WANT_OBJECTS)
        mob_state_on_object(state, note);
    else if (kind & WANT_REFS)
        mob_state_on_ref(state, note);
    else if (kind & WANT_LEASES)
        mob_state_on_lease(state, note);
    else if (kind & WANT_MACHINES)
        mob_state_on_machine(state, note);
    else if (note->kind == MOB_NOTE_OUTPUT)
        on_output(state, note);
    else if (note->kind == MOB_NOTE_FAULT)
        mob_state_on_fault(state, note);
    else if (note->kind == MOB_NOTE_DECIDE)
        mob_state_on_decision(state, note);
    else if (kind & WANT_REST)
        on_job(state, note);
}

static void
on_event(MobWatcher *self, const MobEvent *event)
{
    State *state = (State *)self;

    state->event = state->base.event = event->number;
    state->now = state->base.now = event->at;
    for (size_t i = 0; i < event->note_count; i++)
        on_note(state, &event->notes[i]);
    mob_state_look_back(state);
}

MobState *
mob_state_new(void)
{
    State *state = g_new0(State, 1);
    GPtrArray **lists[] = {&state->base.nodes,    &state->base.procs,   &state->base.tasks,
                           &state->base.attempts, &state->base.objects, &state->base.copies,
                           &state->base.refs,     &state->base.leases,  &state->base.logs,
                           &state->base.jobs,     &state->base.faults};
    MobTable **tables[] = {&state->nodes,    &state->procs,   &state->tasks,
                           &state->attempts, &state->objects, &state->names,
                           &state->copies,   &state->refs,    &state->leases};

    G_STATIC_ASSERT(G_STRUCT_OFFSET(State, base) == 0);
    G_STATIC_ASSERT(G_STRUCT_OFFSET(MobState, watcher) == 0);
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
        *lists[i] = g_ptr_array_new();
    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
        *tables[i] = mob_table_new();
    state->blocks = g_ptr_array_new_with_free_func(g_free);
    state->texts = g_string_chunk_new(4096);
    state->scratch = g_string_new(NULL);
    state->none = mob_state_alloc(state, sizeof(List));
    state->base.watcher = (MobWatcher){
        .wanted = WANT_TASKS | WANT_OBJECTS | WANT_REFS | WANT_LEASES | WANT_MACHINES | WANT_REST,
        .event = on_event,
        .born = mob_state_on_born,
        .died = mob_state_on_died,
    };
    return &state->base;
}

void
mob_state_free(MobState *base)
{
    State *state = (State *)base;

    if (state == NULL)
        return;
    for (guint i = 0; i < base->tasks->len; i++)
        mob_spec_unref(((MobStateTask *)g_ptr_array_index(base->tasks, i))->spec);
    for (guint i = 0; i < base->jobs->len; i++)
        mob_value_unref(((MobStateJob *)g_ptr_array_index(base->jobs, i))->result);

    GPtrArray *lists[] = {base->nodes,   base->procs,  base->tasks, base->attempts,
                          base->objects, base->copies, base->refs,  base->leases,
                          base->logs,    base->jobs,   base->faults};
    MobTable *tables[] = {state->nodes,    state->procs,   state->tasks,
                          state->attempts, state->objects, state->names,
                          state->copies,   state->refs,    state->leases};
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
        g_ptr_array_unref(lists[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
        mob_table_free(tables[i]);
    g_ptr_array_unref(state->blocks);
    g_string_chunk_free(state->texts);
    g_string_free(state->scratch, TRUE);
    g_free(state);
}

/* --- names --- */

void
mob_state_count_from(MobState *base, uint32_t before)
{
    ((State *)base)->jobs_before = before;
}

void
mob_state_own_name(State *state)
{
    const char *colon = strchr(state->scratch->str, ':');
    uint64_t job = colon != NULL ? g_ascii_strtoull(state->scratch->str + 1, NULL, 10) : 1;

    if (state->jobs_before == 0 || job <= state->jobs_before)
        return;
    job -= state->jobs_before;
    if (colon != NULL)
        g_string_erase(state->scratch, 0, colon + 1 - state->scratch->str);
    if (job > 1) {
        g_autofree char *prefix = g_strdup_printf("J%" G_GUINT64_FORMAT ":", job);
        g_string_prepend(state->scratch, prefix);
    }
}

/* --- what is looked up --- */

MobStateTask *
mob_state_task(const MobState *base, const char *name)
{
    const State *state = (const State *)base;
    const char *kind = strchr(name, ':') != NULL ? strchr(name, ':') + 1 : name;

    return *kind != 'T' ? NULL : mob_table_get(state->names, mob_state_key(name));
}

MobStateObject *
mob_state_object(const MobState *base, const char *name)
{
    const State *state = (const State *)base;
    const char *kind = strchr(name, ':') != NULL ? strchr(name, ':') + 1 : name;

    return *kind == 'T' ? NULL : mob_table_get(state->names, mob_state_key(name));
}

MobStateTask *
mob_state_task_by_id(const MobState *base, MobTaskId id)
{
    const State *state = (const State *)base;

    return mob_task_is(id) ? mob_table_get(state->tasks, mob_key_task(id)) : NULL;
}

MobStateObject *
mob_state_object_by_id(const MobState *base, MobObjectId id)
{
    const State *state = (const State *)base;

    return mob_object_is(id) ? mob_table_get(state->objects, mob_key_object(id)) : NULL;
}

MobStateAttempt *
mob_state_attempt(const MobState *base, MobTaskId id, uint32_t attempt)
{
    const State *state = (const State *)base;

    if (!mob_task_is(id))
        return NULL;
    return mob_table_get(state->attempts, mob_key_task(mob_task_execution(id, attempt)));
}
