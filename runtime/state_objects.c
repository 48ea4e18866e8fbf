/* state_objects.c: objects, their copies and who refers to them; see state.h.
 *
 * An object is LOST as soon as its last copy is gone, whoever knows.
 */
#include "runtime/state_parts.h"

const char *
mob_object_state_name(MobObjectState state)
{
    switch (state) {
    case MOB_OBJECT_PENDING:
        return "PENDING";
    case MOB_OBJECT_INLINE:
        return "INLINE";
    case MOB_OBJECT_SEALED:
        return "SEALED";
    case MOB_OBJECT_LOST:
        return "LOST";
    case MOB_OBJECT_FAILED:
        return "FAILED";
    case MOB_OBJECT_FREED:
        return "FREED";
    }
    g_assert_not_reached();
}

/* --- which object --- */

/* The task that returned @id, or whose execution has put it. */
static MobStateTask *
find_maker(const State *state, MobObjectId id)
{
    if (!mob_object_is_put(id))
        return mob_table_get(state->tasks, mob_key_task(id.task));
    MobStateAttempt *attempt = mob_table_get(state->attempts, mob_key_task(id.task));
    return attempt != NULL ? attempt->task : NULL;
}

static MobStateObject *
new_object(State *state, MobObjectId id, const char *name, MobKey key)
{
    MobStateObject *object = mob_state_alloc(state, sizeof *object);
    GPtrArray *none = (GPtrArray *)state->none;

    object->name = g_string_chunk_insert(state->texts, name);
    object->put = mob_object_is_put(id);
    object->copies = object->refs = object->nested = none;
    object->created = state->event;
    object->created_at = state->now;
    mob_table_add(state->names, key, object);
    g_ptr_array_add(state->base.objects, object);
    return object;
}

MobStateObject *
mob_state_get_object(State *state, MobObjectId id, const MobStr *path)
{
    if (!mob_object_is(id))
        return NULL;
    MobStateObject *object = mob_table_get(state->objects, mob_key_object(id));
    if (object != NULL)
        return object;

    MobStateTask *maker = find_maker(state, id);
    if (path == NULL && maker != NULL && !mob_object_is_put(id))
        path = maker->spec->path;
    if (path == NULL)
        return NULL;
    g_string_truncate(state->scratch, 0);
    mob_name_object(state->scratch, path, id.index);
    mob_state_own_name(state);

    MobKey key = mob_state_key(state->scratch->str);
    object = mob_table_get(state->names, key);
    if (object == NULL)
        object = new_object(state, id, state->scratch->str, key);
    object->id = id;
    object->state = MOB_OBJECT_PENDING;
    object->maker = maker;
    mob_table_add(state->objects, mob_key_object(id), object);
    return object;
}

/* --- copies --- */

static MobKey
copy_key(MobObjectId id, MobNodeId node)
{
    MobKey key = mob_key_object(id);

    return (MobKey){key.a ^ mob_mix(node.v), key.b};
}

uint32_t
mob_state_copy_count(const MobStateObject *object)
{
    uint32_t count = 0;

    for (guint i = 0; i < object->copies->len; i++) {
        const Copy *copy = g_ptr_array_index(object->copies, i);
        count += copy->base.to == 0 && mob_object_eq(copy->id, object->id);
    }
    return count;
}

MobNodeId
mob_state_sole_holder(const MobStateObject *object)
{
    MobNodeId holder = {0};

    for (guint i = 0; i < object->copies->len; i++) {
        const Copy *copy = g_ptr_array_index(object->copies, i);
        if (copy->base.to != 0 || !mob_object_eq(copy->id, object->id))
            continue;
        if (holder.v != 0)
            return (MobNodeId){0};
        holder = copy->base.node;
    }
    return holder;
}

static Copy *
open_copy(State *state, MobStateObject *object, MobObjectId id, MobNodeId where)
{
    MobKey key = copy_key(id, where);
    Copy *copy = mob_table_get(state->copies, key);

    if (copy != NULL)
        return copy;
    copy = mob_state_alloc(state, sizeof *copy);
    copy->base.object = object;
    copy->base.node = where;
    copy->base.from = state->event;
    copy->base.from_at = state->now;
    copy->id = id;
    copy->node = mob_state_get_node(state, where, NULL);
    copy->next = copy->node->copies;
    if (copy->next != NULL)
        copy->next->previous = copy;
    copy->node->copies = copy;
    mob_table_add(state->copies, key, copy);
    mob_state_append(state, &object->copies, copy);
    g_ptr_array_add(state->base.copies, copy);
    return copy;
}

static void
end_object(State *state, MobStateObject *object, MobObjectState how)
{
    object->state = how;
    object->ended = state->event;
    object->ended_at = state->now;
}

/* It exists, whatever was before. */
static void
begin_again(MobStateObject *object)
{
    object->ended = object->failed = 0;
    object->ended_at = object->failed_at = 0;
}

static void
lose(State *state, MobStateObject *object)
{
    if (object->state != MOB_OBJECT_SEALED && object->state != MOB_OBJECT_INLINE)
        return;
    end_object(state, object, MOB_OBJECT_LOST);
    object->times_lost++;
}

static void
close_copy(State *state, Copy *copy, const char *why)
{
    MobStateObject *object = copy->base.object;

    copy->base.to = state->event;
    copy->base.to_at = state->now;
    copy->base.end_why = mob_state_text(state, why);
    if (copy->previous != NULL)
        copy->previous->next = copy->next;
    else
        copy->node->copies = copy->next;
    if (copy->next != NULL)
        copy->next->previous = copy->previous;
    mob_table_take(state->copies, copy_key(copy->id, copy->base.node));

    if (object->state == MOB_OBJECT_SEALED && mob_object_eq(copy->id, object->id) &&
        mob_state_copy_count(object) == 0)
        lose(state, object);
}

void
mob_state_drop_copies(State *state, Node *node, const char *why)
{
    while (node->copies != NULL)
        close_copy(state, node->copies, why);
}

void
mob_state_drop_owner(State *state, MobAddress owner)
{
    for (guint i = 0; i < state->base.objects->len; i++) {
        MobStateObject *object = g_ptr_array_index(state->base.objects, i);
        if (object->state == MOB_OBJECT_INLINE && mob_address_eq(object->owner, owner))
            lose(state, object);
    }
}

/* --- notes about objects --- */

static void
learn_nested(State *state, MobStateObject *object, const MobValue *value)
{
    if (value == NULL || object->nested->len > 0)
        return;
    for (uint32_t i = 0; i < value->ref_count; i++) {
        MobStateObject *inner = mob_state_get_object(state, value->refs[i].id, value->refs[i].path);
        if (inner != NULL)
            mob_state_append(state, &object->nested, inner);
    }
}

/* News of a copy may come later than the death of its machine. */
static void
has_copy(State *state, MobStateObject *object, const MobNote *note, bool primary)
{
    Copy *copy = open_copy(state, object, note->object, note->node);

    copy->base.primary |= primary;
    if (!copy->node->base.alive)
        close_copy(state, copy, "node died");
}

static void
on_created(State *state, const MobNote *note, MobStateObject *object)
{
    bool stored = note->node.v != 0;
    bool here = stored && mob_table_get(state->copies, copy_key(note->object, note->node)) != NULL;

    if (object->times_made == 0) {
        object->created = state->event;
        object->created_at = state->now;
    }
    if (mob_address_is(note->owner)) {
        Proc *proc = mob_table_get(state->procs, mob_key_address(note->owner));
        object->owner = note->owner;
        if (proc != NULL)
            proc->owns = true;
    }
    if (note->bytes != 0)
        object->size = note->bytes;
    learn_nested(state, object, note->value);
    object->times_made += !here;
    object->state = stored ? MOB_OBJECT_SEALED : MOB_OBJECT_INLINE;
    begin_again(object);
    if (stored)
        has_copy(state, object, note, true);
}

static void
on_recovered(State *state, const MobNote *note, MobStateObject *object)
{
    if (note->node.v == 0) {
        if (object->state != MOB_OBJECT_LOST)
            return;
        object->times_made++;
        object->state = MOB_OBJECT_INLINE;
        begin_again(object);
    } else {
        bool here = mob_table_get(state->copies, copy_key(note->object, note->node)) != NULL;
        object->times_made += !here;
        object->state = MOB_OBJECT_SEALED;
        begin_again(object);
        has_copy(state, object, note, true);
    }
}

static const char *
why_copy_ended(const MobNote *note)
{
    if (note->kind == MOB_NOTE_OBJECT_EVICTED)
        return note->reason != NULL ? note->reason : "evicted";
    if (note->kind == MOB_NOTE_OBJECT_DELETED)
        return "freed";
    return note->reason != NULL ? note->reason : "lost";
}

void
mob_state_on_object(State *state, const MobNote *note)
{
    MobStateObject *object = mob_state_get_object(state, note->object, note->path);
    Copy *copy;

    if (object == NULL)
        return;
    switch ((int)note->kind) {
    case MOB_NOTE_OBJECT_CREATED:
        on_created(state, note, object);
        break;
    case MOB_NOTE_OBJECT_RECOVERED:
        on_recovered(state, note, object);
        break;
    case MOB_NOTE_OBJECT_COPIED:
        has_copy(state, object, note, false);
        if (object->size == 0)
            object->size = note->bytes;
        break;
    case MOB_NOTE_OBJECT_COPY_LOST:
    case MOB_NOTE_OBJECT_EVICTED:
    case MOB_NOTE_OBJECT_DELETED:
        copy = mob_table_get(state->copies, copy_key(note->object, note->node));
        if (copy != NULL)
            close_copy(state, copy, why_copy_ended(note));
        break;
    case MOB_NOTE_OBJECT_SPILLED:
    case MOB_NOTE_OBJECT_RESTORED:
        copy = mob_table_get(state->copies, copy_key(note->object, note->node));
        if (copy != NULL)
            copy->base.on_disk = note->kind == MOB_NOTE_OBJECT_SPILLED;
        break;
    case MOB_NOTE_OBJECT_LOST:
        lose(state, object);
        break;
    case MOB_NOTE_OBJECT_FAILED:
        end_object(state, object, MOB_OBJECT_FAILED);
        object->failed = state->event;
        object->failed_at = state->now;
        break;
    case MOB_NOTE_OBJECT_FREED:
        if (mob_object_eq(object->id, note->object))
            end_object(state, object, MOB_OBJECT_FREED);
        break;
    default:
        g_assert_not_reached();
    }
}

/* --- references --- */

/* Mostly it is the file of the one before. */
static const char *
keep_file(State *state, const char *file)
{
    if (file != NULL && (state->file == NULL || !g_str_equal(file, state->file)))
        state->file = mob_state_text(state, file);
    return file != NULL ? state->file : NULL;
}

/* The place that the note names, or where the task that it is about was submitted. */
static void
learn_place(State *state, MobStateRef *ref, const MobNote *note)
{
    ref->file = keep_file(state, note->text);
    ref->line = note->line;
    if (ref->file != NULL || ref->task == NULL || ref->task->spec->file == NULL)
        return;
    ref->file = keep_file(state, mob_str(ref->task->spec->file));
    ref->line = ref->task->spec->line;
}

/* What was put is told of here for the first time. */
static MobStateObject *
get_outer(State *state, const MobNote *note)
{
    MobStateObject *outer = mob_state_object_by_id(&state->base, note->outer);

    if (outer != NULL || !mob_object_is(note->outer) || note->label == NULL)
        return outer;
    g_autoptr(MobStr) path = mob_str_new(note->label);
    return mob_state_get_object(state, note->outer, path);
}

static const char *
kind_of(const MobNote *note)
{
    if (note->kind == MOB_NOTE_REF_BORROWED)
        return "borrowed";
    return note->reason != NULL ? note->reason : "local";
}

static MobKey
ref_key(const MobNote *note)
{
    MobKey key = mob_key_object(note->object);
    MobKey task = mob_key_task(note->task);
    MobKey outer = mob_key_object(note->outer);
    const char *kind = kind_of(note); /* no two begin with the same two letters */

    key.a ^= mob_mix(mob_address_word(note->to));
    key.b ^= *kind != '\0' ? (uint64_t)(uint8_t)kind[0] << 8 | (uint8_t)kind[1] : 0;
    if (mob_task_is(note->task))
        key = (MobKey){mob_mix(key.a) ^ task.a, mob_mix(key.b) ^ task.b};
    if (mob_object_is(note->outer))
        key = (MobKey){mob_mix(key.a) ^ outer.a, mob_mix(key.b) ^ outer.b};
    return key;
}

static void
add_ref(State *state, MobStateObject *object, const MobNote *note)
{
    MobKey key = ref_key(note);
    Ref *ref = mob_table_get(state->refs, key);

    if (ref != NULL) {
        ref->base.times++;
        return;
    }
    ref = mob_state_alloc(state, sizeof *ref);
    ref->base = (MobStateRef){
        .object = object,
        .holder = note->to,
        .kind = mob_state_text(state, kind_of(note)),
        .from = state->event,
        .from_at = state->now,
        .task = mob_state_task_by_id(&state->base, note->task),
        .outer = get_outer(state, note),
        .times = 1,
    };
    learn_place(state, &ref->base, note);
    ref->key = key;
    ref->owner = note->owner;
    mob_table_add(state->refs, key, ref);
    mob_state_append(state, &object->refs, ref);
    g_ptr_array_add(state->base.refs, ref);
}

static void
end_ref(State *state, Ref *ref)
{
    mob_table_take(state->refs, ref->key);
    ref->base.to = state->event;
    ref->base.to_at = state->now;
}

void
mob_state_on_ref(State *state, const MobNote *note)
{
    MobStateObject *object = mob_state_get_object(state, note->object, note->path);
    Ref *ref;

    if (object == NULL)
        return;
    if (!mob_address_is(object->owner))
        object->owner = note->owner;
    if (note->kind != MOB_NOTE_REF_DROPPED) {
        add_ref(state, object, note);
        return;
    }
    ref = mob_table_get(state->refs, ref_key(note));
    if (ref != NULL && --ref->base.times == 0)
        end_ref(state, ref);
}

/* What a dead process held, it holds no more, whether or not it could say so;
 * nor does it count any more who borrows what it owned. */
void
mob_state_drop_holder(State *state, MobAddress dead)
{
    size_t at = 0;
    Ref *ref;

    while ((ref = mob_table_next(state->refs, &at)))
        if (mob_address_eq(ref->base.holder, dead) ||
            (mob_address_eq(ref->owner, dead) && g_str_equal(ref->base.kind, "borrowed")))
            end_ref(state, ref);
}
