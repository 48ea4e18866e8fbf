/* remote.h: a cluster that is there already, behind control.h: whoever runs a
 * scenario on it looks on through the cluster's observer (cli/observe_attach.c),
 * from whatever machine, and gives orders there.
 *
 * The observer tells of every event as it tells its own watchers, and waits where this
 * end acts inside an event. It heals all faults of somebody who has gone.
 */
#pragma once

#include "net/stream.h"
#include "runtime/control.h"

/* How often it says that it is there; who says nothing for MOB_REMOTE_SILENCE has gone. */
#define MOB_REMOTE_BEAT    MOB_SECOND
#define MOB_REMOTE_SILENCE (4 * MOB_SECOND)

typedef struct MobRemote MobRemote;

/* Takes @stream, which leads to the observer (serve.h, far.h). */
MobRemote *mob_remote_new(MobStream *stream, uint64_t seed);
/* Others may have the cluster now, and nothing happens here any more; its faults are healed and
 * its jobs ended. Freeing it does so too. */
void mob_remote_leave(MobRemote *remote);
void mob_remote_free(MobRemote *remote);
MobControl *mob_remote_control(MobRemote *remote); /* borrowed */
/* Once all watchers have been added: asks for what they want, and hears who is there.
 * False with an error that says why that cannot be had now. Borrows @version. */
bool mob_remote_begin(MobRemote *remote, const char *version, GError **error);
/* After that: how many jobs had been submitted there before. */
uint32_t mob_remote_jobs_before(const MobRemote *remote);
