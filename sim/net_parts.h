/* net_parts.h: what network.c and breaks.c share. */
#pragma once

#include "sim/network.h"

/* Which end @address is. */
static inline unsigned
mob_net_side(const MobConn *conn, MobAddress address)
{
    return mob_address_eq(conn->end[0].address, address) ? 0 : 1;
}

static inline unsigned
mob_net_other(const MobConn *conn, MobAddress address)
{
    return !mob_net_side(conn, address);
}

/* One way, if nothing is in the way. */
static inline MobTime
mob_net_hop(const MobWorld *world, const MobConn *conn)
{
    return conn->local ? world->config.ipc_hop : world->wire.latency;
}

/* All that comes out of one wire at one instant has one tie, so that shuffling
 * does not change the order on it. */
static inline uint64_t
mob_net_tie(const MobWorld *world, const MobConn *conn, unsigned sender, MobTime at)
{
    return mob_world_tie(world, (uint64_t)conn->number << 1 | sender, at);
}

/* Returns who is at the receiving end, which now knows of the connection, or NULL. */
MobPlace *mob_net_receiver(MobWorld *world, MobConn *conn, unsigned sender);

/* The process at @end will be told at @at, or as soon as what is on the wire
 * before has arrived. Nothing if that pends already, or if nobody is there. */
void mob_net_tell(MobWorld *world, MobConn *conn, unsigned end, MobTime at);
bool mob_net_tell_owed(MobWorld *world, MobConn *conn, unsigned end);
/* Looks at the connection again whenever faults have changed. */
void mob_net_list(MobWorld *world, MobConn *conn);
void mob_net_stop_clock(MobWorld *world, MobConn *conn);
