/* up.h: clusters that stay, and how machines come to be of one. */
#pragma once

#include "cli/cli.h"
#include "cli/clusters.h"
#include "net/local.h"
#include "net/stream.h"

enum {
    MOB_UP_PORT = 7979, /* unless another one is given */
};

/* Runs a cluster of @count machines on this one until it is told to end; its head
 * listens for others as @outside says (borrowed; NULL: it does not). */
MobExit mob_up_run(MobCli *cli, int count, MobJoin *outside, bool behind);

/* The bytes of the store of each of @count machines. */
uint64_t mob_up_store(const MobFlags *flags, int count);

/* start.c: says where the head listens and how others join it. */
void mob_start_say_head(MobCli *cli, const MobSite *head, const MobJoin *join);

/* "HOST", "HOST:PORT" or "[HOST]:PORT"; false if it is none. */
bool mob_start_read_address(const char *text, char **host, uint16_t *port);

/* client.c: opens a way to the observer of that cluster; false with an error. */
bool mob_client_connect(const MobCli *cli, const MobClusterInfo *info, MobStream *stream,
                        GError **error);

/* member.c: makes this machine one of a cluster whose head is elsewhere, until it is told
 * to end or the head has gone for good. */
MobExit mob_member_run(MobCli *cli, MobJoin *join, bool behind);
