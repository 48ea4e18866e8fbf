/* join.h: how a machine becomes part of a cluster over TCP.
 *
 * A daemon is told so before its birth: a frame JOIN with a Join record
 * (MobJoin, runtime/records.def), then a frame BIRTH, on descriptor 3. It
 * answers with one frame JOINED: its node and where it is; or node 0 and why it is
 * not of the cluster, in one sentence.
 *
 * What a Birth record leaves empty is filled in here.
 *  - The head: address (its node from a count that is kept in its folder).
 *  - Others: address, name (n1, n2 …), epoch, pace, seed, config, gcs, wanted, held;
 *    the head says.
 *
 * A node number names one life of a machine and is never used again. The head
 * takes a number that a birth asks for if nobody has it, for whoever starts all
 * machines and gives the numbers itself (local.h).
 *
 * Outside loopback nothing starts without TLS and a token. The token vouches for
 * both ends of a connection (meet.h), so the head's fingerprint need not be known.
 */
#pragma once

#include "net/birth.h"

typedef struct MobMesh MobMesh;

/* Listens, joins the head (or is it), and completes @birth. Returns NULL with an error
 * that says what to do. Blocks, for at most a few seconds. */
MobMesh *mob_mesh_new(const MobJoin *join, MobBirth *birth, GError **error);
void mob_mesh_free(MobMesh *mesh);

/* Where it is, and its name. Borrowed. */
const MobSite *mob_mesh_site(const MobMesh *mesh);
uint16_t mob_mesh_port(const MobMesh *mesh);
/* The fingerprint of its certificate, for the join line; "" without TLS. */
const char *mob_mesh_print(const MobMesh *mesh);

void mob_join_free(MobJoin *join);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobJoin, mob_join_free)
