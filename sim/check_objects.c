/* check_objects.c: objects: what value they have, who may know of them, when
 * they may be given up, and that what a live value mentions lives.
 */
#include "sim/check_parts.h"

/* --- values --- */

bool
mob_check_learn_value(MobCheck *check, MobObjectId object, MobAddress owner, uint64_t size,
                      uint64_t hash)
{
    Known *known = mob_table_get(check->known, mob_key_object(object));

    if (known == NULL) {
        known = mob_check_entry(check->known, mob_key_object(object), sizeof *known);
        *known = (Known){.hash = hash, .size = size, .owner = owner};
    }
    return known->hash == hash && known->size == size;
}

static void
compare_with_oracle(MobCheck *check, const MobNote *note, uint64_t size, uint64_t hash)
{
    const MobValue *want = check->oracle != NULL && !check->errors_seen
                               ? mob_oracle_value(check->oracle, note->path, note->object.index)
                               : NULL;

    if (want != NULL && want->ref_count == 0 && want->fault == 0 &&
        (want->hash != hash || want->size != size))
        mob_check_fail(check, "I2", "provenance", "%s is not the value that the program makes",
                       mob_check_object_name(check, note->object));
}

/* A reader is given @value for @object: it is the one that the object has. If it
 * mentions others, a task that ran again has made it anew: its children have
 * other identities. */
static void
check_read(MobCheck *check, const MobEvent *event, MobObjectId object, const MobValue *value)
{
    const Known *known = mob_table_get(check->known, mob_key_object(object));

    if (value == NULL || value->fault != 0)
        return;
    if (known == NULL && !check->sampled)
        mob_check_fail(check, "I4", "seal before read", "%s is given a value of %s, which has none",
                       mob_check_process_name(check, event->process),
                       mob_check_object_name(check, object));
    else if (known != NULL && mob_check_repeats(check) && value->ref_count == 0 &&
             (known->hash != value->hash || known->size != value->size))
        mob_check_fail(check, "I2", "provenance", "%s is given another value of %s than it has",
                       mob_check_process_name(check, event->process),
                       mob_check_object_name(check, object));
}

/* --- who may know of what --- */

static MobKey
brought_key(MobAddress process, MobObjectId object)
{
    MobKey key = mob_key_object(object);

    return (MobKey){key.a ^ mob_mix(mob_address_word(process)), key.b};
}

static void
bring(MobCheck *check, MobAddress process, const MobRef *refs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        MobKey key = brought_key(process, refs[i].id);
        if (!mob_address_eq(refs[i].owner, process) && mob_table_get(check->brought, key) == NULL)
            mob_table_add(check->brought, key, check);
    }
}

static void
bring_value(MobCheck *check, MobAddress process, const MobValue *value)
{
    if (value != NULL)
        bring(check, process, value->refs, value->ref_count);
}

static void
bring_args(MobCheck *check, MobAddress process, const MobArgs *args)
{
    for (uint32_t i = 0; args != NULL && i < args->count; i++) {
        if (mob_object_is(args->items[i].ref.id))
            bring(check, process, &args->items[i].ref, 1);
        bring_value(check, process, args->items[i].value);
    }
}

static void
bring_results(MobCheck *check, MobAddress process, const MobTaskReply *reply)
{
    for (uint32_t i = 0; i < reply->results.count; i++) {
        bring_value(check, process, reply->results.items[i].value);
        bring(check, process, reply->results.items[i].nested.items,
              reply->results.items[i].nested.count);
    }
}

void
mob_check_objects_message(MobCheck *check, const MobEvent *event)
{
    const MobMsg *msg = event->input->msg;

    switch ((int)msg->type) {
    case MOB_MSG_PUSH_TASK:
        bring_args(check, event->process, mob_push_task(msg)->args);
        break;
    case MOB_MSG_TASK_REPLY:
        bring_results(check, event->process, mob_task_reply(msg));
        break;
    case MOB_MSG_OBJECT_HERE: /* there may have been no room for it where it is read */
        check->errors_seen = check->errors_seen || mob_object_here(msg)->value == NULL ||
                             mob_object_here(msg)->value->fault != 0;
        bring_value(check, event->process, mob_object_here(msg)->value);
        check_read(check, event, mob_object_here(msg)->object, mob_object_here(msg)->value);
        break;
    case MOB_MSG_OBJECT_STATUS:
        bring_value(check, event->process, mob_object_status(msg)->value);
        check_read(check, event, mob_object_status(msg)->object, mob_object_status(msg)->value);
        break;
    case MOB_MSG_LOCATIONS:
        check_read(check, event, mob_locations(msg)->object, mob_locations(msg)->value);
        break;
    default:
        break;
    }
}

/* What a program frees by hand may be an error from then on; and a reference that
 * it has read from a text it has. */
void
mob_check_objects_call(MobCheck *check, const MobEvent *event)
{
    const MobCall *call = event->input->call;

    if (call->kind == MOB_CALL_ADOPT)
        bring(check, event->process, call->refs, call->ref_count);
    for (uint32_t i = 0; call->kind == MOB_CALL_FREE && i < call->ref_count; i++) {
        MobKey key = mob_key_object(call->refs[i].id);
        if (mob_table_get(check->by_hand, key) == NULL)
            mob_table_add(check->by_hand, key, check);
    }
}

/* A reference was made here or came by message; nobody makes them up. */
static void
on_ref_added(MobCheck *check, const MobNote *note)
{
    if (mob_address_eq(note->owner, note->to) ||
        mob_table_get(check->brought, brought_key(note->to, note->object)) != NULL)
        return;
    mob_check_fail(
        check, "I16", "conservation of references", "%s holds %s, which nobody has given to it",
        mob_check_process_name(check, note->to), mob_check_object_name(check, note->object));
}

/* --- values that mention others --- */

typedef struct {
    MobKey outer;
    uint32_t value; /* of the outer one that mentions it */
} Inner;

void
mob_check_inners_free(gpointer inners)
{
    g_array_unref(inners);
}

static void
mention(MobCheck *check, MobObjectId outer_id, const MobRef *refs, uint32_t count)
{
    Outer *outer = mob_table_get(check->outers, mob_key_object(outer_id));

    if (count == 0 && outer == NULL)
        return;
    outer = mob_check_entry(check->outers, mob_key_object(outer_id), sizeof *outer);
    outer->id = outer_id;
    outer->value++;
    outer->gone = false;
    for (uint32_t i = 0; i < count; i++) {
        MobKey key = mob_key_object(refs[i].id);
        GArray *inners = mob_table_get(check->inners, key);
        if (inners == NULL) {
            inners = g_array_new(FALSE, FALSE, sizeof(Inner));
            mob_table_add(check->inners, key, inners);
        }
        Inner inner = {mob_key_object(outer_id), outer->value};
        g_array_append_val(inners, inner);
    }
}

/* What the new value of the object mentions: it stands in the note, or in the
 * reply that has brought it. */
static void
learn_mentions(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    const MobMsg *msg = event->input != NULL ? event->input->msg : NULL;

    if (note->value != NULL) {
        mention(check, note->object, note->value->refs, note->value->ref_count);
    } else if (msg != NULL && msg->type == MOB_MSG_TASK_REPLY && !mob_object_is_put(note->object) &&
               mob_task_eq(mob_task_reply(msg)->task, note->object.task) &&
               note->object.index <= mob_task_reply(msg)->results.count) {
        const MobResult *result = &mob_task_reply(msg)->results.items[note->object.index - 1];
        const MobValue *value = result->value;
        mention(check, note->object, value != NULL ? value->refs : result->nested.items,
                value != NULL ? value->ref_count : result->nested.count);
    }
}

static void
outer_is_gone(MobCheck *check, MobObjectId object)
{
    Outer *outer = mob_table_get(check->outers, mob_key_object(object));

    if (outer != NULL)
        outer->gone = true;
}

static void
check_mentions(MobCheck *check, const MobNote *note)
{
    const GArray *inners = mob_table_get(check->inners, mob_key_object(note->object));

    for (guint i = 0; inners != NULL && i < inners->len; i++) {
        const Inner *inner = &g_array_index(inners, Inner, i);
        const Outer *outer = mob_table_get(check->outers, inner->outer);
        const Known *known = mob_table_get(check->known, inner->outer);
        if (outer->gone || outer->value != inner->value || known == NULL ||
            mob_check_runs_in_vain(check, known->owner))
            continue;
        mob_check_fail(check, "I17", "containment", "%s is freed, and %s mentions it",
                       mob_check_object_name(check, note->object),
                       mob_check_object_name(check, outer->id));
    }
}

/* --- coming, and going --- */

/* What a task returns comes to be with the reply of its newest attempt, and not
 * because a copy was seen somewhere. */
static void
check_origin(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    const MobInput *input = event->input;

    if (mob_object_is_put(note->object))
        return;
    if (input == NULL || input->kind != MOB_INPUT_MESSAGE ||
        input->msg->type != MOB_MSG_TASK_REPLY ||
        !mob_task_eq(mob_task_reply(input->msg)->task, note->object.task))
        mob_check_fail(check, "I12", "a result comes with a reply",
                       "%s has come to be, and no reply has brought it",
                       mob_check_object_name(check, note->object));
}

static void
on_created(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    const Known *known = mob_table_get(check->known, mob_key_object(note->object));

    check_origin(check, event, note);
    if (note->value != NULL) {
        compare_with_oracle(check, note, note->value->size, note->value->hash);
        mob_check_learn_value(check, note->object, note->owner, note->value->size,
                              note->value->hash);
    } else if (known != NULL) {
        compare_with_oracle(check, note, known->size, known->hash);
    }
    learn_mentions(check, event, note);
}

/* Whether @holder counts on @object: a reference that would be left hanging. */
static bool
counts_on(const MobProcess *holder, MobObjectId object)
{
    MobRefInfo ref;

    return mob_worker_find_ref(holder, object, &ref) &&
           ref.local + ref.submitted + ref.contained > 0 &&
           !(ref.value != NULL && ref.value->fault != 0);
}

static void
on_freed(MobCheck *check, const MobNote *note)
{
    size_t at = 0;
    MobProcInfo info;
    const MobProcess *process;
    Known *known = mob_table_get(check->known, mob_key_object(note->object));

    if (known != NULL)
        known->freed = check->state->event;
    outer_is_gone(check, note->object);
    if (note->reason != NULL)
        return; /* by hand, whoever holds it */
    check_mentions(check, note);
    if (!mob_check_affords(check, check->state->procs->len))
        return;
    while ((process = mob_world_next_process(check->world, &at, &info))) {
        if (info.role != MOB_ROLE_WORKER && info.role != MOB_ROLE_DRIVER)
            continue;
        if (!mob_address_eq(info.address, note->owner) && counts_on(process, note->object) &&
            !mob_check_runs_in_vain(check, info.address))
            mob_check_fail(check, "I5", "no premature free", "%s frees %s, and %s still holds it",
                           mob_check_process_name(check, note->owner),
                           mob_check_object_name(check, note->object), info.name);
    }
}

/* --- giving up --- */

/* What was lost is not made again only if nothing can make it. */
static void
check_given_up(MobCheck *check, const MobNote *note)
{
    const TaskSeen *task =
        mob_object_is_put(note->object) ? NULL : mob_check_task(check, note->object.task);

    if (note->value->fault != MOB_FAULT_RECONSTRUCTION || task == NULL || task->evicted)
        return;
    /* An attempt whose argument is an error is not sent, and has cost its retry. */
    uint32_t begun = MAX(task->leased, task->failed);
    if (task->retries >= 0 && begun > (uint64_t)task->retries)
        return;
    mob_check_fail(check, "I8", "recoverability",
                   "%s is given up after attempt %u of its task, which may be retried "
                   "%" G_GINT64_FORMAT " times",
                   mob_check_object_name(check, note->object), begun, task->retries);
}

/* An owner is not dead because somebody says so. */
static void
check_owner_died(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    const MobStateNode *node = mob_state_node_by_id(check->state, (MobNodeId){note->owner.node});

    if (note->value->fault != MOB_FAULT_OWNER_DIED || mob_address_eq(event->process, note->owner) ||
        mob_check_process(check, note->owner) == NULL || (node != NULL && node->declared_dead))
        return;
    mob_check_fail(check, "I39", "accuracy", "%s holds the owner of %s for dead, and it lives",
                   mob_check_process_name(check, event->process),
                   mob_check_object_name(check, note->object));
}

static void
on_failed(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    MobFaultKind kind = (MobFaultKind)note->value->fault;

    check->errors_seen = true;
    if (mob_address_eq(event->process, note->owner)) {
        outer_is_gone(check, note->object);
        check_given_up(check, note);
    }
    check_owner_died(check, event, note);
    if (!mob_check_is_licensed(check, kind) ||
        (kind == MOB_FAULT_OBJECT_FREED &&
         mob_table_get(check->by_hand, mob_key_object(note->object)) == NULL))
        mob_check_fail(check, "I8", "an error has a licence",
                       "%s is %s, and nothing that happened excuses it",
                       mob_check_object_name(check, note->object), mob_fault_name(kind));
}

void
mob_check_object_note(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    switch ((int)note->kind) {
    case MOB_NOTE_OBJECT_CREATED:
        on_created(check, event, note);
        break;
    case MOB_NOTE_OBJECT_RECOVERED:
        learn_mentions(check, event, note);
        break;
    case MOB_NOTE_OBJECT_LOST:
        outer_is_gone(check, note->object);
        break;
    case MOB_NOTE_OBJECT_FAILED:
        on_failed(check, event, note);
        break;
    case MOB_NOTE_OBJECT_FREED:
        on_freed(check, note);
        break;
    default:
        on_ref_added(check, note);
        break;
    }
}
