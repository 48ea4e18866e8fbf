/* node_spill.c: primary copies that go to disk and come back.
 *
 * The store is full when what must stay in memory leaves no room for what
 * waits. Then, and already a little before, primary copies that nobody reads
 * are written to files; when they are there, they may leave memory like any
 * copy that can be had again. Who wants one here waits for it as for a copy
 * from another node, except that it is asked of the disk. Other nodes are sent
 * what is on disk piece by piece as it is read, without a copy in the store.
 *
 * A copy that is read back has all the room it needs before it is asked for,
 * and may leave memory again as soon as nobody uses it. So copies that come
 * back never wait for each other, and one of them can always go on.
 */
#include "runtime/node_parts.h"

enum {
    BACK_OFF_MAX = 6 /* doublings */
};

/* --- writing --- */

static uint64_t
bytes_waiting(const MobNode *node)
{
    return node->create_bytes + node->fetches.queued_bytes;
}

/* Whether so much must stay in memory, with what waits for room, that more
 * has to go to disk than is on its way. */
static bool
is_tight(const MobNode *node)
{
    uint64_t stays = mob_store_pinned(&node->store) - node->spills.writing_bytes;

    return stays + bytes_waiting(node) > node->spill_above;
}

void
mob_node_spill(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobSpills *spills = &node->spills;
    MobSpillFile *file;

    while (node->store.spillable.oldest != NULL && is_tight(node) &&
           spills->writing < node->config->max_spills) {
        if (spills->retry_at > in->now) {
            if (bytes_waiting(node) > 0) /* else there is no hurry: when something happens */
                mob_node_wake(node, MOB_TIMER_PULL, spills->retry_at, out);
            return;
        }
        file = mob_spills_gather(spills, &node->store, node->config);
        if (file == NULL)
            return;
        mob_spills_write(spills, file, out);
    }
}

static void
back_off(MobNode *node, MobTime now)
{
    MobSpills *spills = &node->spills;
    uint32_t doublings = MIN(spills->failures, BACK_OFF_MAX);

    spills->failures++;
    spills->retry_at = now + (node->config->spill_retry << doublings);
}

static void
on_written(MobNode *node, const MobInput *in, MobSpillFile *file, MobOutbox *out)
{
    MobSpills *spills = &node->spills;

    if (in->disk->end == MOB_DISK_OK) {
        mob_spills_written(spills, &node->store, file, out);
        node->progress_at = in->now;
        return;
    }
    mob_spills_not_written(spills, &node->store, file);
    spills->full = in->disk->end == MOB_DISK_FULL;
    back_off(node, in->now);
}

/* --- leaving memory, and coming back --- */

static void
note_place(const MobNode *node, const MobCopy *copy, MobNoteKind kind, MobOutbox *out)
{
    mob_note(out, (MobNote){.kind = kind,
                            .object = copy->ref.id,
                            .node = node->self,
                            .owner = copy->ref.owner,
                            .bytes = copy->size});
}

void
mob_node_unload(MobNode *node, MobCopy *copy, MobOutbox *out)
{
    note_place(node, copy, MOB_NOTE_OBJECT_SPILLED, out);
    mob_store_unload(&node->store, copy);
}

void
mob_node_advance_restore(MobNode *node, MobFetch *fetch, const MobInput *in, MobOutbox *out)
{
    MobCopy *copy = mob_store_kept(&node->store, fetch->ref.id);
    MobDiskJob job = {.verb = MOB_DISK_READ, .object = fetch->ref.id};

    if (!mob_node_is_its_turn(node, fetch) ||
        !mob_node_claim_room(node, mob_node_claim_of(fetch), copy->size, in->now, out)) {
        if (fetch->stage != MOB_FETCH_QUEUED)
            mob_node_wait_for_room(node, fetch, in->now, out);
        return;
    }
    mob_node_make_room(node, copy->size, out);
    mob_store_begin_load(&node->store, copy);
    mob_fetches_set_stage(&node->fetches, fetch, MOB_FETCH_ACTIVE);
    fetch->read = mob_spills_read(&node->spills, copy, &job, copy->size, out);
}

static bool
is_right(const MobCopy *copy, const MobValue *value)
{
    return value != NULL && value->size == copy->size && value->hash == copy->hash;
}

static void
restored(MobNode *node, MobFetch *fetch, MobCopy *copy, const MobInput *in, MobOutbox *out)
{
    mob_store_load(&node->store, copy, in->disk->value);
    node->progress_at = in->now;
    note_place(node, copy, MOB_NOTE_OBJECT_RESTORED, out);
    mob_node_fetched(node, fetch, copy, copy->value, out);
}

void
mob_node_leave_file(MobNode *node, MobCopy *copy, MobOutbox *out)
{
    MobFetch *fetch = mob_fetches_get(&node->fetches, copy->ref.id);

    if (copy->file == NULL)
        return;
    if (fetch != NULL && fetch->disk)
        mob_node_look_elsewhere(node, fetch, out);
    mob_spills_leave(&node->spills, &node->store, copy, out);
}

/* What is in memory as well stays, and may be spilled anew. */
static void
file_is_lost(MobNode *node, MobCopy *copy, MobOutbox *out)
{
    if (copy->value != NULL)
        mob_spills_leave(&node->spills, &node->store, copy, out);
    else
        mob_node_drop_copy(node, copy, MOB_DROP_FILE_LOST, out);
}

/* A piece that is all of it comes as the value itself. One that could not be read
 * is sent from wherever the copy is now. */
static void
on_piece(MobNode *node, const MobCopy *copy, const MobDiskJob *job, const MobDiskAnswer *answer,
         MobOutbox *out)
{
    uint64_t length = MIN(node->config->chunk, copy->size - job->offset);
    MobValue *whole = answer->value != NULL ? answer->value : copy->value;
    MobSlice piece = {whole, NULL, job->offset, length};

    if (answer->piece.value != NULL || answer->piece.bytes != NULL)
        piece = answer->piece;
    if (piece.value != NULL || piece.bytes != NULL)
        mob_pushes_on_read(&node->pushes, copy, job, &piece, out);
    else
        mob_spills_read(&node->spills, copy, job, length, out);
}

static bool
is_good(const MobCopy *copy, const MobDiskAnswer *answer)
{
    if (answer->end != MOB_DISK_OK)
        return false;
    return answer->value != NULL ? is_right(copy, answer->value)
                                 : answer->piece.value != NULL || answer->piece.bytes != NULL;
}

static void
on_read(MobNode *node, const MobInput *in, const MobDiskJob *job, MobOutbox *out)
{
    MobCopy *copy = mob_store_kept(&node->store, job->object);
    MobFetch *fetch = mob_fetches_get(&node->fetches, job->object);
    bool good = copy != NULL && is_good(copy, in->disk);
    MobDiskAnswer nothing = {0};

    if (copy != NULL && copy->durable && copy->file->number == job->from && !good) {
        file_is_lost(node, copy, out);
        copy = mob_store_kept(&node->store, job->object);
    }
    if (copy == NULL)
        return; /* it has gone, and who waited for it knows */
    if (job->push != 0)
        on_piece(node, copy, job, good ? in->disk : &nothing, out);
    else if (good && fetch != NULL && fetch->disk && fetch->stage == MOB_FETCH_ACTIVE &&
             fetch->read == in->disk->number)
        restored(node, fetch, copy, in, out);
}

void
mob_node_on_disk(MobNode *node, const MobInput *in, MobOutbox *out)
{
    MobDiskJob job;

    if (!mob_spills_take_job(&node->spills, in->disk->number, &job))
        return;
    if (job.verb == MOB_DISK_WRITE)
        on_written(node, in, job.file, out);
    else
        on_read(node, in, &job, out);
    mob_node_arm_graces(node, in, out);
}

/* --- what waits for room --- */

static bool
creates_here(const MobNode *node, MobAddress worker)
{
    for (const GList *at = node->creates.head; at != NULL; at = at->next)
        if (mob_address_eq(((const MobCreate *)at->data)->worker, worker))
            return true;
    return false;
}

/* Whether a task works with arguments that it will let go of: it waits neither
 * in get, perhaps for what waits here, nor for room itself. */
static bool
somebody_works(const MobNode *node)
{
    for (const MobLease *lease = node->leases.held.first; lease != NULL; lease = lease->next)
        if (!lease->blocked && lease->arg_bytes > 0 && lease->worker != NULL &&
            !creates_here(node, lease->worker->address))
            return true;
    return false;
}

MobTime
mob_node_grace_ends(const MobNode *node, MobTime since)
{
    if (node->spills.writing > 0)
        return MOB_TIME_NEVER;
    return MAX(since, node->progress_at) + node->config->store_full_grace;
}

bool
mob_node_may_get_room(MobNode *node, MobTime now)
{
    if (node->spills.writing == 0 && !somebody_works(node))
        return false;
    node->progress_at = now;
    return true;
}

MobFaultKind
mob_node_no_room(const MobNode *node)
{
    bool disk = node->spills.full && node->store.spillable.oldest != NULL;

    return disk ? MOB_FAULT_OUT_OF_DISK : MOB_FAULT_STORE_FULL;
}
