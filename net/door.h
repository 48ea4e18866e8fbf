/* door.h: sockets in a folder, at which processes of the same user are let in
 * and nobody else is. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* Returns a non-blocking socket that listens at @path, in the place of one of
 * an earlier life; -1 and MOB_NET_ERROR if it cannot. */
int mob_door_open(const char *path, int backlog, GError **error);

/* Whether the other end of @fd is a process of our user, and which; @pid may be NULL. */
bool mob_door_is_ours(int fd, pid_t *pid);

/* The next who has come to @door, of our user; the others are turned away.
 * -1: nobody is waiting. */
int mob_door_next(int door, pid_t *pid);
