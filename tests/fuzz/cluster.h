/* cluster.h: the doors of a machine, in the process of a fuzzer: the head's node
 * manager with its port (plain, and another one with TLS), the GCS, a driver,
 * the socket of an observer's clients and that at which processes report.
 *
 * Nobody waits here: cluster_round() lets each take what is there.
 */
#pragma once

#include "net/inside.h"
#include "net/local_parts.h"
#include "net/mesh.h"
#include "net/serve.h"

typedef enum {
    DOOR_TCP,
    DOOR_TLS,
    DOOR_NODE,
    DOOR_GCS,
    DOOR_DRIVER,
    DOOR_CLIENT,
    DOOR_CONTROLLER,
    DOORS,
} Door;

typedef struct {
    char *folder;
    char *token;
    MobTls *tls; /* of whoever connects */
    MobNetHost *hosts[DOORS];
    MobBirth *births[DOORS];
    int zygotes[DOORS]; /* the other ends: nobody is ever born */
    MobLoop *loop;      /* of the observer's clients */
    MobServe *serve;
    MobLocal *local; /* at which processes report */
    MobState *state;
} Cluster;

void cluster_begin(Cluster *cluster);
/* Starts again whoever has ended: somebody was told to. */
void cluster_mend(Cluster *cluster);
void cluster_end(Cluster *cluster);
void cluster_round(Cluster *cluster);
/* A connection to @door, or -1. */
int cluster_knock(const Cluster *cluster, Door door);
/* Meets the daemon behind @door over @fd, as the daemon of the machine @node; false if it may
 * not. @stream is trusted then. */
bool cluster_meet(Cluster *cluster, Door door, int fd, uint32_t node, MobMeetPurpose purpose,
                  MobStream *stream);
/* Strangers have no more memory than they may. */
void cluster_check(const Cluster *cluster);
/* Whoever means well is served by all. */
void cluster_serves(Cluster *cluster);
