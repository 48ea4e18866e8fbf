/* jail.h: what a process that runs user code gives up before it runs any.
 *
 * A program in C may do what its process may, so a worker and a driver keep
 * only what a body needs: memory, threads, files, connections to others.
 * They give up capabilities (also those of root, whose files they still read),
 * the making of processes, and all system calls that change the machine or
 * look into other processes; those fail with EPERM and nothing else happens. So
 * a body leaves nobody behind who outlives its cluster, keeps the sockets of a
 * worker that has died, or speaks for it.
 *
 * It is no wall between a body and its own process, whose memory it shares.
 */
#pragma once

/* For good, and for all that the process starts from now on: threads. What it
 * listens at has to be there already. What cannot be given up is said. */
void mob_jail_enter(const char *name);
