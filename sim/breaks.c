/* breaks.c: how connections end; see network.h.
 *
 * broken counts the breaks that an end will be told of, told those that it has
 * been told of; they differ by at most one. In between the end does not know,
 * and what it sends is lost.
 */
#include "sim/faults.h"
#include "sim/net_parts.h"

void
mob_net_tell(MobWorld *world, MobConn *conn, unsigned end, MobTime at)
{
    MobEnd *told = &conn->end[end];
    MobEnd *other = &conn->end[!end];

    if (told->place == NULL || told->place->state != MOB_PLACE_LIVE || told->broken != told->told)
        return;
    told->broken++;
    told->dangling = told->owed = false;
    at = MAX(at, other->last_arrive);
    other->last_arrive = at;

    MobSlot slot = {
        .kind = MOB_AT_RESET,
        .end = (uint8_t)end,
        .foreground = true,
        .subject = conn,
        .what = told->place,
        .cause = world->cause,
        .depth = mob_world_depth(world, at),
    };
    conn->refs++;
    mob_queue_push(&world->queue, at, mob_net_tie(world, conn, !end, at),
                   at == world->now ? MOB_LANE_NOW : MOB_LANE_NONE, &slot);
}

static void
forget_conn(MobPlace *place, MobConn *conn, MobAddress peer)
{
    if (place->last == conn)
        place->last = NULL;
    if (mob_table_take(place->conns, mob_key_address(peer)) != NULL)
        mob_net_unref(conn);
}

void
mob_net_told(MobConn *conn, unsigned end)
{
    MobEnd *told = &conn->end[end];
    MobEnd *other = &conn->end[!end];

    told->told = told->broken;
    /* Nobody is there: what is sent from now on opens a new one. */
    if (other->place == NULL) {
        MobPlace *place = told->place;
        told->place = NULL;
        forget_conn(place, conn, other->address);
    }
}

void
mob_net_stop_clock(MobWorld *world, MobConn *conn)
{
    if (conn->stall == 0)
        return;
    mob_queue_cancel(&world->queue, conn->stall);
    conn->stall = 0;
    mob_net_unref(conn);
}

/* What @end has sent and has not arrived is lost. */
static void
lose(MobConn *conn, unsigned end)
{
    MobEnd *from = &conn->end[end];

    from->epoch++;
    if (from->stalled != NULL)
        g_array_set_size(from->stalled, 0);
}

void
mob_net_break(MobWorld *world, MobConn *conn)
{
    mob_net_stop_clock(world, conn);
    for (unsigned end = 0; end < 2; end++) {
        lose(conn, end);
        conn->end[end].last_arrive = world->now;
        conn->end[end].ready_at = 0;
        /* It is told as well if nothing had arrived yet: something was to come. */
        mob_net_receiver(world, conn, end);
    }
    for (unsigned end = 0; end < 2; end++)
        mob_net_tell(world, conn, end, world->now);
}

void
mob_net_broken(MobWorld *world, MobSlot *slot)
{
    MobConn *conn = slot->subject;

    if (conn->end[slot->end].epoch == slot->epoch)
        mob_net_break(world, conn);
    mob_world_discard(world, slot);
}

void
mob_net_stalled(MobWorld *world, MobSlot *slot)
{
    MobConn *conn = slot->subject;

    conn->stall = 0;
    mob_net_break(world, conn);
    mob_world_discard(world, slot);
}

/* Whether the word of a death can get through to @end. */
static bool
can_tell(MobWorld *world, const MobConn *conn, unsigned end)
{
    return world->blocking == 0 || mob_faults_block(world, conn, !end, false) == MOB_BLOCK_NONE;
}

/* The machine of the dead keeps trying to close the connection, so the word
 * gets through when the cut is healed. Returns whether it still cannot. */
bool
mob_net_tell_owed(MobWorld *world, MobConn *conn, unsigned end)
{
    if (conn->end[end].owed && !conn->end[!end].box->alive)
        conn->end[end].owed = false; /* the machine has died since: it says nothing any more */
    if (!conn->end[end].owed || !can_tell(world, conn, end))
        return conn->end[end].owed;
    mob_net_tell(world, conn, end, world->now + mob_net_hop(world, conn));
    return false;
}

static void
end_conn(MobWorld *world, MobPlace *place, MobConn *conn, bool silent)
{
    unsigned mine = mob_net_side(conn, place->address);
    MobEnd *end = &conn->end[mine];
    MobEnd *peer = &conn->end[!mine];

    end->place = NULL;
    end->told = end->broken;
    end->dangling = end->owed = false;
    lose(conn, !mine);
    if (end->stalled != NULL)
        g_array_set_size(end->stalled, 0);
    if (peer->place == place) {
        peer->place = NULL;
        return;
    }
    if (silent || !can_tell(world, conn, !mine)) {
        peer->dangling = peer->broken == peer->told;
        peer->owed = peer->dangling && !silent;
        if (peer->owed)
            mob_net_list(world, conn);
        return;
    }
    mob_net_stop_clock(world, conn);
    mob_net_tell(world, conn, !mine, world->now + mob_net_hop(world, conn));
}

void
mob_net_end(MobWorld *world, MobPlace *place, bool silent)
{
    size_t at = 0;
    MobConn *conn;

    while ((conn = mob_table_next(place->conns, &at)) != NULL) {
        end_conn(world, place, conn, silent);
        mob_net_unref(conn);
    }
    mob_table_free(place->conns);
    place->conns = mob_table_new();
    place->last = NULL;
}

MobTime
mob_net_settled(const MobWorld *world, const MobPlace *from, const MobPlace *to)
{
    const MobConn *conn = mob_table_get(from->conns, mob_key_address(to->address));

    if (conn == NULL)
        return world->now;
    return MAX(world->now, conn->end[mob_net_side(conn, from->address)].last_arrive);
}
