/* clusters.h: which clusters of this user run on this machine.
 *
 * In a folder that only the user can enter, every cluster has a socket and a
 * file that says what it is, which its observer keeps locked: so what was left
 * by one that was killed is told from one that runs, and is removed by whoever
 * sees it first.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/term.h"

typedef struct {
    char *name;
    char *socket;
    char *version;
    pid_t pid;
    int64_t started_us;
    int64_t nodes;
    char *head; /* HOST:PORT, for a machine of a cluster whose head is elsewhere; else NULL */
    char *logs; /* then: the folder of the logs of its processes */
} MobClusterInfo;

/* One's own place among them. */
typedef struct {
    char *name;   /* "c1" */
    char *socket; /* where to listen */
    char *file;
    int lock; /* 0 if there is none */
} MobClusterPlace;

#define MOB_CLUSTERS_ERROR (g_quark_from_static_string("mob-clusters-error"))

/* @name NULL: the first that is free. */
bool mob_clusters_enter(const char *name, MobClusterPlace *place, GError **error);
/* From now on others find it. @head, @logs: see MobClusterInfo. */
bool mob_clusters_publish(const MobClusterPlace *place, int64_t nodes, const char *head,
                          const char *logs, GError **error);
void mob_clusters_leave(MobClusterPlace *place);

/* (transfer full) of MobClusterInfo, the newest last. Removes what is left of dead ones. */
GPtrArray *mob_clusters_list(GError **error);
/* Whether it runs still. */
bool mob_clusters_runs(const MobClusterInfo *info);

/* (transfer full) The cluster that is meant by @address (NULL: by MOBULA_ADDRESS, or
 * the newest), or NULL after saying what is wrong. */
MobClusterInfo *mob_clusters_find(MobTerm *term, const char *address);
void mob_cluster_info_free(void *info);
