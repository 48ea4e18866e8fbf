/* launch.h: starting the daemon of a machine: a process of the same command
 * that is told what to be on descriptor 3, and answers there when it has joined.
 */
#pragma once

#include <sys/types.h>

#include "net/birth.h"

enum {
    MOB_LAUNCH_FD = 3
};

/* Starts @argv with @fd as MOB_LAUNCH_FD; everything else that is open is
 * closed on exec. Returns an errno. */
int mob_launch_spawn(char *const *argv, int fd, pid_t *pid);

/* Starts the daemon @argv, which is to be @birth and, unless @join is NULL, to
 * connect with other machines so. Returns the socket on which it answers then, or -1
 * with an error. */
int mob_launch(char *const *argv, const MobJoin *join, const MobBirth *birth, pid_t *pid,
               GError **error);

/* Waits for the answer on @fd: where the machine is, with its node and its name
 * (transfer full); NULL with an error that is the daemon's reason. */
MobSite *mob_launch_joined(int fd, GError **error);
