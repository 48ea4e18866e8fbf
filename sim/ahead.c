/* ahead.c: see ahead.h. */
#include "sim/ahead.h"

/* So many places behind the front each step is taken: far enough apart for
 * memory to answer in between. */
enum {
    FETCH_SLOT = 16,
    FETCH_CONN = 12,
    FETCH_PLACE = 8,
    FETCH_PROCESS = 4,
    FETCH_KEPT = 2,
};

enum {
    LINE = 64,
    PROCESS_SIZE = 576 /* of a worker, about; beyond the end of one it does no harm */
};

static inline void
fetch(const void *what, size_t size)
{
    for (size_t at = 0; at < size; at += LINE)
        __builtin_prefetch((const char *)what + at);
}

/* What the messages of every task point to. */
static void
fetch_content(const MobMsg *msg)
{
    if (msg->type == MOB_MSG_PUSH_TASK)
        fetch(mob_push_task(msg)->spec, sizeof(MobTaskSpec));
    else if (msg->type == MOB_MSG_TASK_REPLY)
        fetch(mob_task_reply(msg)->results.items, sizeof(MobResult));
}

static void
fetch_result(const MobMsg *msg)
{
    if (msg->type == MOB_MSG_TASK_REPLY && mob_task_reply(msg)->results.count > 0)
        fetch(mob_task_reply(msg)->results.items[0].value, sizeof(MobValue));
    else if (msg->type == MOB_MSG_PUSH_TASK && mob_push_task(msg)->spec != NULL)
        fetch(mob_push_task(msg)->spec->path, LINE);
}

static const MobPlace *
receiver(const MobSlot *slot)
{
    const MobConn *conn = slot->subject;

    return conn->end[!slot->end].place;
}

/* What the receiver keeps about the message. */
static void
fetch_kept(const MobSlot *slot, MobAhead how_near)
{
    const MobMsg *msg = slot->what;
    const MobPlace *place = receiver(slot);

    /* Of most other messages the receiver is not in the cache itself yet. */
    if (msg->type == MOB_MSG_TASK_REPLY && place != NULL && place->process != NULL &&
        place->process->class->ahead != NULL)
        place->process->class->ahead(place->process, msg, how_near);
}

static const MobSlot *
message_at(const MobWorld *world, MobLane lane, uint32_t ahead)
{
    const MobSlot *slot = mob_queue_soon(&world->queue, lane, ahead);

    return slot != NULL && slot->kind == MOB_AT_MESSAGE ? slot : NULL;
}

void
mob_look_ahead(const MobWorld *world, MobLane lane)
{
    const MobSlot *slot;
    const MobPlace *place;

    if (lane < MOB_LANE_FAR || lane > MOB_LANE_FAR_LAST)
        return;
    mob_queue_prefetch(&world->queue, lane, FETCH_SLOT);
    slot = message_at(world, lane, FETCH_CONN);
    if (slot != NULL) {
        fetch(slot->subject, sizeof(MobConn));
        fetch(slot->what, 2 * LINE);
    }
    slot = message_at(world, lane, FETCH_PLACE);
    if (slot != NULL) {
        fetch_content(slot->what);
        place = receiver(slot);
        if (place != NULL)
            fetch(place, 2 * LINE);
        fetch_kept(slot, MOB_AHEAD_FAR);
    }
    slot = message_at(world, lane, FETCH_PROCESS);
    if (slot != NULL) {
        fetch_result(slot->what);
        place = receiver(slot);
        if (place != NULL)
            fetch(place->process, PROCESS_SIZE);
        fetch_kept(slot, MOB_AHEAD_NEAR);
    }
    slot = message_at(world, lane, FETCH_KEPT);
    if (slot != NULL)
        fetch_kept(slot, MOB_AHEAD_NEXT);
}
