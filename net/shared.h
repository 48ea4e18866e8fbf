/* shared.h: the object store of a machine, as its processes share it.
 *
 * Each process writes large values into memory of its own, its regions, and
 * maps those of others to read them. A message to the node manager or from it
 * says where such a value lies; nothing is copied on the way to a reader, and
 * the protocol knows none of this. Values that go elsewhere travel as they are.
 *
 * Whoever gives a value to another keeps it until the other says that it is not
 * read there any more, or has died. So the bytes of a value outlive its copy in
 * the store, and a worker outlives in the values that it wrote: its regions
 * stay mapped by the node manager until the last of them is gone.
 *
 *     shared.c        regions, and the values in them
 *     shared_peers.c  what was given to whom, and the frames that say so
 */
#pragma once

#include "net/inside.h"

typedef struct MobShared MobShared;

MobShared *mob_shared_new(MobNetHost *host);
/* Values that somebody still refers to keep their memory. */
void mob_shared_free(MobShared *shared);

/* Where a node manager collects what comes from other machines. */
MobRoom mob_shared_room(MobNetHost *host);

/* Appends a frame with @msg for @frame->to. False: it is an object that cannot
 * be stored here, of which the process will be told; nothing was appended. */
bool mob_shared_put(MobNetHost *host, MobLine *line, const MobFrame *frame, const MobMsg *msg);
/* Returns (transfer full) the message in @body, or NULL. */
MobMsg *mob_shared_get(MobNetHost *host, const MobFrame *frame, const uint8_t *body,
                       GError **error);
/* A frame of one of the kinds that are ours; false: it is none. */
bool mob_shared_frame(MobLine *line, const MobFrame *frame, const uint8_t *body);

/* The connection to @address has broken, and all that came over it is handled. */
void mob_shared_reset(MobNetHost *host, MobAddress address);
/* The child at @address has ended. */
void mob_shared_ended(MobNetHost *host, MobAddress address);

/* Steps for what could not be stored; true if there was any. */
bool mob_shared_settle(MobNetHost *host);
/* Says what is not read here any more. */
void mob_shared_flush(MobNetHost *host);
/* Faults in a little of what may be needed soon. */
void mob_shared_ahead(MobNetHost *host);
