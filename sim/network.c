/* network.c: see network.h. Breaking is in breaks.c. */
#include "sim/network.h"

#include "sim/faults.h"
#include "sim/machine.h"
#include "sim/net_parts.h"

/* --- what counts as work --- */

/* A cluster that only exchanges these is at rest. */
static bool
is_background(MobMsgType type)
{
    return type == MOB_MSG_HEALTH_CHECK || type == MOB_MSG_HEALTH_REPLY ||
           type == MOB_MSG_RESOURCE_VIEW || type == MOB_MSG_REPORT_RESOURCES;
}

/* --- opening --- */

void
mob_net_unref(MobConn *conn)
{
    if (--conn->refs > 0)
        return;
    for (unsigned i = 0; i < 2; i++)
        if (conn->end[i].stalled != NULL)
            g_array_unref(conn->end[i].stalled);
    g_free(conn);
}

/* @end has somebody at it again: so it stands in his table. */
static void
attach(MobConn *conn, unsigned end, MobPlace *place)
{
    MobAddress peer = conn->end[!end].address;

    conn->end[end].place = place;
    conn->end[end].box = place->life->box;
    conn->local = conn->end[0].box == conn->end[1].box;
    mob_table_add(place->conns, mob_key_address(peer), conn);
    conn->refs++;
}

/* The other end knows nothing of it before something arrives. */
static MobConn *
open_conn(MobWorld *world, MobPlace *from, MobAddress to)
{
    MobPlace *other = mob_place_at(world, to);

    /* The other end may still hold the connection to who was here before. */
    MobConn *conn = other != NULL && other != from
                        ? mob_table_get(other->conns, mob_key_address(from->address))
                        : NULL;
    if (conn != NULL) {
        attach(conn, mob_net_side(conn, from->address), from);
        return conn;
    }
    conn = g_new0(MobConn, 1);
    conn->number = ++world->conn_count;
    conn->end[0] = (MobEnd){.address = from->address, .box = from->life->box};
    conn->end[1] = (MobEnd){.address = to, .box = mob_box_of(world, to)};
    attach(conn, 0, from);
    if (other == from)
        conn->end[1].place = from;
    return conn;
}

static inline bool
leads_to(const MobConn *conn, const MobPlace *from, MobAddress to)
{
    if (conn == NULL)
        return false;
    unsigned end = mob_net_side(conn, from->address);
    return conn->end[end].place == from && mob_address_eq(conn->end[!end].address, to);
}

static inline MobConn *
find_conn(MobWorld *world, MobPlace *from, MobAddress to)
{
    /* An answer goes back the way by which the question came. */
    if (leads_to(world->here, from, to))
        return world->here;
    if (leads_to(from->last, from, to))
        return from->last;
    MobConn *conn = mob_table_get(from->conns, mob_key_address(to));
    if (conn == NULL)
        conn = open_conn(world, from, to);
    from->last = conn;
    return conn;
}

/* --- travelling --- */

/* Returns when the last byte has left the machine. A network card serves its
 * connections in turn, packet by packet: so a single packet does not wait for
 * the megabytes of other connections, though these wait for it; and what must
 * not overtake on its own connection does not (last_arrive). */
static MobTime
leave_card(MobBox *box, MobTime now, uint64_t bytes)
{
    if (bytes > MOB_PACKET)
        return mob_link_occupy(&box->out, now, bytes);
    mob_link_occupy(&box->out, now, bytes);
    return mob_link_occupy(&box->quick, now, bytes);
}

/* Returns when a message of @bytes from @end arrives if nothing stands in its
 * way; MOB_TIME_NEVER: the connection is reset at *reset_at instead. */
static MobTime
travel(MobWorld *world, const MobConn *conn, unsigned end, uint64_t bytes, MobTime *reset_at)
{
    if (conn->local)
        return world->now + world->config.ipc_hop;

    MobTime depart = leave_card(conn->end[end].box, world->now, bytes);
    MobLink *link = world->linking > 0 ? mob_faults_link(world, conn, end) : NULL;
    if (link == NULL)
        link = &world->wire;
    if (link->jitter == 0 && link->loss_ppm == 0 && link->ns_per_byte == 0)
        return depart + link->latency;
    uint64_t key = mob_mix(mob_address_word(conn->end[end].address)) ^
                   mob_address_word(conn->end[!end].address);
    return mob_link_send(link, depart, bytes, world->picks, key, reset_at);
}

static void
push(MobWorld *world, MobConn *conn, MobTime at, const MobSlot *slot)
{
    MobLane lane = conn->local ? MOB_LANE_NEAR : MOB_LANE_FAR;

    conn->refs++;
    mob_queue_push(&world->queue, at, mob_net_tie(world, conn, slot->end, at), lane, slot);
}

/* @msg (transfer full) goes on the wire; @cause has sent it. */
static void
transmit(MobWorld *world, MobConn *conn, unsigned end, MobMsg *msg, uint8_t flags, uint64_t cause)
{
    MobEnd *from = &conn->end[end];
    bool weigh = !conn->local && (from->box->out.ns_per_byte != 0 || world->linking > 0);
    MobTime reset_at = 0;
    MobSlot slot = {
        .kind = MOB_AT_MESSAGE,
        .end = (uint8_t)end,
        .flags = flags,
        .epoch = from->epoch,
        .foreground = !is_background(msg->type),
        .subject = conn,
        .what = msg,
        .number = weigh ? mob_msg_weight(msg) : 0,
        .cause = cause,
    };

    MobTime at = travel(world, conn, end, slot.number, &reset_at);
    if (at == MOB_TIME_NEVER) {
        slot.kind = MOB_AT_BREAK;
        slot.foreground = true;
        slot.what = NULL;
        mob_msg_unref(msg);
        at = reset_at;
    }
    if (flags & MOB_FLAG_STRAY) {
        at += mob_net_hop(world, conn);
    } else {
        at = MAX(at, from->last_arrive);
        from->last_arrive = at;
    }
    slot.depth = mob_world_depth(world, at);
    push(world, conn, at, &slot);
}

/* --- holding back --- */

void
mob_net_list(MobWorld *world, MobConn *conn)
{
    if (conn->listed)
        return;
    conn->listed = true;
    conn->refs++;
    g_ptr_array_add(world->stalled, conn);
}

static void
stalled_clear(void *stalled)
{
    mob_msg_unref(((MobStalled *)stalled)->msg);
}

static void
stall(MobWorld *world, MobConn *conn, unsigned end, MobStalled stalled)
{
    MobEnd *from = &conn->end[end];

    if (from->stalled == NULL) {
        from->stalled = g_array_new(FALSE, FALSE, sizeof(MobStalled));
        g_array_set_clear_func(from->stalled, stalled_clear);
    }
    g_array_append_val(from->stalled, stalled);
    mob_net_list(world, conn);
}

/* Nothing gets through, or no acknowledgement gets back: the clock runs. */
static void
start_clock(MobWorld *world, MobConn *conn)
{
    if (conn->stall != 0)
        return;
    MobTime at = world->now + world->config.stall_limit;
    MobSlot slot = {.kind = MOB_AT_STALL, .foreground = true, .subject = conn};
    conn->refs++;
    conn->stall = mob_world_schedule(world, at, conn->number, slot);
}

/* Returns whether @msg (transfer full if so) was held back by a cut or hold. */
static bool
hold_back(MobWorld *world, MobConn *conn, unsigned end, MobMsg *msg, uint8_t flags)
{
    bool waits = conn->end[end].stalled != NULL && conn->end[end].stalled->len > 0;
    MobBlock block = mob_faults_block(world, conn, end, true);

    if (block == MOB_BLOCK_CUT || mob_faults_block(world, conn, !end, false) == MOB_BLOCK_CUT)
        start_clock(world, conn);
    if (block == MOB_BLOCK_NONE && !waits)
        return false;
    stall(world, conn, end, (MobStalled){msg, flags, world->cause});
    return true;
}

static void
send_stalled(MobWorld *world, MobConn *conn, unsigned end)
{
    GArray *stalled = conn->end[end].stalled;

    if (stalled == NULL || stalled->len == 0 ||
        mob_faults_block(world, conn, end, false) != MOB_BLOCK_NONE)
        return;
    conn->end[end].stalled = NULL;
    g_array_set_clear_func(stalled, NULL);
    for (guint i = 0; i < stalled->len; i++) {
        const MobStalled *one = &g_array_index(stalled, MobStalled, i);
        bool stray = (one->flags & MOB_FLAG_STRAY) != 0; /* its connection has broken since */
        transmit(world, conn, end, one->msg, one->flags, stray ? one->cause : world->cause);
    }
    g_array_unref(stalled);
}

/* Returns whether @conn still waits for something. */
static bool
unstall(MobWorld *world, MobConn *conn)
{
    bool cut = false;
    bool waits = false;

    for (unsigned end = 0; end < 2; end++) {
        send_stalled(world, conn, end);
        cut |= mob_faults_block(world, conn, end, false) == MOB_BLOCK_CUT;
        waits |= conn->end[end].stalled != NULL && conn->end[end].stalled->len > 0;
        waits |= mob_net_tell_owed(world, conn, end);
    }
    if (!cut)
        mob_net_stop_clock(world, conn);
    return waits;
}

void
mob_net_unstall(MobWorld *world)
{
    guint kept = 0;

    for (guint i = 0; i < world->stalled->len; i++) {
        MobConn *conn = g_ptr_array_index(world->stalled, i);
        if (unstall(world, conn)) {
            world->stalled->pdata[kept++] = conn;
        } else {
            conn->listed = false;
            mob_net_unref(conn);
        }
    }
    g_ptr_array_set_size(world->stalled, (int)kept);
}

/* --- sending --- */

/* A piece of a value that exists only as a rule has no bytes to send along:
 * the copy is given the value itself. */
static void
attach_values(const MobMsg *msg, MobMsg *copy)
{
    const MobMsgInfo *info = mob_msg_info(msg->type);

    for (size_t i = 0; i < info->field_count; i++) {
        if (info->fields[i].kind != MOB_KIND_slice)
            continue;
        const MobSlice *from = (const void *)((const char *)msg + info->fields[i].offset);
        MobSlice *to = (void *)((char *)copy + info->fields[i].offset);
        if (to->value == NULL && to->bytes == NULL)
            to->value = mob_value_ref(from->value);
    }
}

/* Returns (transfer full) what comes out at the other end of the codec; takes @msg. */
static MobMsg *
through_codec(MobWorld *world, MobMsg *msg)
{
    g_autoptr(GError) error = NULL;

    world->scratch.length = 0;
    mob_msg_encode(msg, &world->scratch);
    MobMsg *copy = mob_msg_decode(world->scratch.data, world->scratch.length, &error);
    g_assert_no_error(error);
    attach_values(msg, copy);
    g_assert(mob_msg_fold(msg, 0) == mob_msg_fold(copy, 0));
    mob_msg_unref(msg);
    return copy;
}

/* An rpc fault strikes: the message is marked, or goes astray at once. */
static uint8_t
trip(MobWorld *world, MobConn *conn, unsigned end, const MobMsg *msg)
{
    switch (mob_faults_trip(world, conn, end, msg->type)) {
    case MOB_TRIP_REQUEST:
        return MOB_FLAG_LOSE_IT;
    case MOB_TRIP_REPLY:
        return MOB_FLAG_LOSE_REPLY;
    case MOB_TRIP_INFLIGHT:
        mob_net_break(world, conn);
        return MOB_FLAG_STRAY;
    case MOB_TRIP_NONE:
        break;
    }
    return 0;
}

void
mob_net_send(MobWorld *world, MobPlace *from, MobAddress to, MobMsg *msg)
{
    MobConn *conn = find_conn(world, from, to);
    unsigned end = mob_net_side(conn, from->address);
    uint8_t flags = 0;

    if (conn->end[!end].box == NULL) {
        conn->end[!end].box = mob_box_of(world, to);
        conn->local = conn->end[0].box == conn->end[1].box;
    }
    if (conn->end[end].broken != conn->end[end].told || conn->end[!end].box == NULL ||
        mob_address_eq(to, world->deaf)) {
        mob_msg_unref(msg);
        return;
    }
    if (conn->end[!end].dangling)
        mob_net_tell(world, conn, !end, world->now);
    if (world->encode)
        msg = through_codec(world, msg);
    if (world->tripping > 0)
        flags = trip(world, conn, end, msg);
    if (world->blocking > 0 && hold_back(world, conn, end, msg, flags))
        return;
    transmit(world, conn, end, msg, flags, world->cause);
}

/* --- arriving --- */

/* The bytes come in one after the other. Returns whether the message has to
 * wait until they are through, or until those before it are. */
static bool
comes_later(MobWorld *world, const MobEntry *entry, MobSlot *slot)
{
    MobConn *conn = slot->subject;
    MobEnd *from = &conn->end[slot->end];
    MobBox *box = conn->end[!slot->end].box;
    MobTime at = from->ready_at;

    if (slot->flags & MOB_FLAG_TAKEN_IN)
        return false;
    if (slot->number > MOB_PACKET && !conn->local && box->in.ns_per_byte != 0) {
        slot->flags |= MOB_FLAG_TAKEN_IN;
        MobTime takes = mob_link_time(box->in.ns_per_byte, slot->number);
        /* It began to come in while it was sent: only a queue delays it. */
        MobTime begun = world->now > takes ? world->now - takes : 0;
        MobTime through = mob_link_occupy(&box->in, begun, slot->number);
        at = MAX(at, through);
        from->ready_at = at;
        from->last_arrive = MAX(from->last_arrive, at);
    }
    if (at <= world->now)
        return false;
    slot->flags |= MOB_FLAG_TAKEN_IN; /* it has its place: what comes behind does not put it off */
    mob_queue_push_aged(&world->queue, at, mob_net_tie(world, conn, slot->end, at), entry->seq,
                        slot);
    return true;
}

/* Nobody is there: the machine refuses, if it lives. */
static void
refuse(MobWorld *world, MobConn *conn, unsigned sender)
{
    if (!conn->end[!sender].box->alive)
        return;
    conn->end[sender].epoch++;
    mob_net_tell(world, conn, sender, world->now + mob_net_hop(world, conn));
}

static bool
is_lost(const MobSlot *slot)
{
    const MobConn *conn = slot->subject;

    return slot->epoch != conn->end[slot->end].epoch && !(slot->flags & MOB_FLAG_STRAY);
}

MobPlace *
mob_net_receiver(MobWorld *world, MobConn *conn, unsigned sender)
{
    MobEnd *to = &conn->end[!sender];

    if (to->place != NULL)
        return to->place;
    if (conn->end[sender].dangling)
        return NULL;
    MobPlace *place = mob_place_at(world, to->address);
    MobKey peer = mob_key_address(conn->end[sender].address);
    if (place != NULL && mob_table_get(place->conns, peer) == NULL)
        attach(conn, !sender, place);
    return place;
}

static MobPlace *
message_arrives(MobWorld *world, const MobEntry *entry, MobSlot *slot)
{
    MobConn *conn = slot->subject;

    if (!is_lost(slot) && comes_later(world, entry, slot))
        return NULL;

    MobPlace *place = NULL;
    if (!is_lost(slot)) {
        place = mob_net_receiver(world, conn, slot->end);
        if (place == NULL || conn->end[slot->end].dangling) {
            refuse(world, conn, slot->end);
            place = NULL;
        } else if (slot->flags & MOB_FLAG_LOSE_IT) {
            mob_net_break(world, conn);
            place = NULL;
        }
    }
    if (place == NULL)
        mob_world_discard(world, slot);
    return place;
}

/* A reset comes behind whatever the other end had sent. */
static MobPlace *
reset_arrives(MobWorld *world, const MobEntry *entry, MobSlot *slot)
{
    MobConn *conn = slot->subject;
    MobPlace *place = slot->what;
    MobTime ready_at = conn->end[!slot->end].ready_at;

    if (ready_at > world->now) {
        mob_queue_push_aged(&world->queue, ready_at, mob_net_tie(world, conn, !slot->end, ready_at),
                            entry->seq, slot);
        return NULL;
    }
    if (place->state == MOB_PLACE_LIVE)
        return place;
    mob_world_discard(world, slot);
    return NULL;
}

MobPlace *
mob_net_arrive(MobWorld *world, const MobEntry *entry, MobSlot *slot)
{
    return slot->kind == MOB_AT_RESET ? reset_arrives(world, entry, slot)
                                      : message_arrives(world, entry, slot);
}
