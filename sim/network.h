/* network.h: connections between processes, as TCP would give them.
 *
 * A connection is opened by the first message from one address to another. On
 * it messages arrive in the order in which they were sent, however long each
 * one takes. It breaks
 *  - when a process at an end of it dies: what the dead one had sent before
 *    still arrives, then the other end is told (MOB_INPUT_RESET); what was
 *    under way to the dead one is lost;
 *  - when nobody is at the other end of a machine that lives: the sender is
 *    told after a round trip;
 *  - when nothing gets through for stall_limit (a cut), after six losses in a
 *    row, or by an rpc fault: both ends are told, and what was under way is
 *    lost.
 * A machine that dies tells nobody anything. What a process sends between the
 * break and being told goes into the void, as into a socket whose reset has
 * not been read yet; what it sends after that opens a new connection.
 *
 * How long a message takes: it queues for the sender's network card, travels
 * for the link's latency, and queues for the receiver's network card. A single
 * packet waits for other single packets at most, because cards serve their
 * connections in turn. Inside a machine there is only the latency.
 */
#pragma once

#include "sim/inside.h"

/* Sends @msg (transfer full). */
void mob_net_send(MobWorld *world, MobPlace *from, MobAddress to, MobMsg *msg);

/* A message or a reset has come to the end of the wire: returns the place that
 * is to be given it, or NULL if it was put off, refused or lost, and consumed. */
MobPlace *mob_net_arrive(MobWorld *world, const MobEntry *entry, MobSlot *slot);
/* The process is told now that its connection broke. */
void mob_net_told(MobConn *conn, unsigned end);

/* Breaks the connection between two processes for both ends, at once. */
void mob_net_break(MobWorld *world, MobConn *conn);
/* Slots MOB_AT_BREAK and MOB_AT_STALL. */
void mob_net_broken(MobWorld *world, MobSlot *slot);
void mob_net_stalled(MobWorld *world, MobSlot *slot);
/* Faults have changed: sends on whatever is not held back any more. */
void mob_net_unstall(MobWorld *world);

/* @place has died; its machine too, if @silent. */
void mob_net_end(MobWorld *world, MobPlace *place, bool silent);
/* When what @from has sent to @to so far will have arrived, or now. */
MobTime mob_net_settled(const MobWorld *world, const MobPlace *from, const MobPlace *to);

void mob_net_unref(MobConn *conn);
