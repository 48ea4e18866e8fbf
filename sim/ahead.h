/* ahead.h: what is needed soon comes into the cache while something else is done.
 *
 * A world of thousands of machines does not fit into a cache, and a message
 * that arrives touches a slot, a connection, itself, a place and a process,
 * each of which says where the next one is: one miss after the other. The
 * lanes of the queue tell which messages will arrive next, so each of these
 * steps is taken in advance, for another message each. What a process keeps
 * about a message it fetches itself (MobProcessClass.ahead).
 *
 * Nothing here changes what happens.
 */
#pragma once

#include "sim/inside.h"

/* Something has been taken from @lane. */
void mob_look_ahead(const MobWorld *world, MobLane lane);
