/* host.h: one process of the protocol in a process of the operating system:
 * the twin of sim/world.h.
 *
 * The host gives its process one input at a time (what came over sockets,
 * timers, calls of bodies, children that ended) and carries out the effects.
 * It holds no line of the protocol.
 *
 * A round: wait; read what came and step; timers; bodies; then what was
 * persisted is made durable; then everything that is to be sent leaves, with
 * one write for each peer. So nothing is acknowledged before it is durable.
 * What a body's call sends to a peer that waits for it leaves at once, unless
 * the process persists anything.
 */
#pragma once

#include "net/birth.h"
#include "net/join.h"
#include "runtime/body.h"
#include "runtime/process.h"

typedef struct MobNetHost MobNetHost;

typedef struct {
    const MobBirth *birth; /* borrowed, outlives the host */
    MobLoader *loader;     /* borrowed; makes the bodies; NULL where none run */
    int leave;             /* node managers: can be read when the machine is to leave; 0: none */
    int zygote;            /* node managers: a stream to whoever forks children; else -1 */
    MobMesh *mesh;         /* node managers: owned; how to reach other machines, see join.h */
} MobNetHostOptions;

/* Returns NULL with an error that says what to do: a folder that is not
 * there, a socket that cannot be made, a journal that cannot be opened. */
MobNetHost *mob_nethost_new(const MobNetHostOptions *options, GError **error);
void mob_nethost_free(MobNetHost *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobNetHost, mob_nethost_free)

/* Whether @input comes again and again by itself: nothing is under way for it. */
bool mob_look_is_background(const MobInput *input);

/* Runs until the process is done; returns why, for people. */
const char *mob_nethost_run(MobNetHost *host);

#define MOB_NET_ERROR (g_quark_from_static_string("mob-net-error"))
