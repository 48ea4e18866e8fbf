/* pass.h: file descriptors that go along with bytes over a Unix socket.
 *
 * A descriptor is tied to the byte at which it was put, and comes no later
 * than that byte does; so those that come are in the order of the frames that
 * they belong to. Other sockets carry none.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What goes with one direction of a stream. */
typedef struct {
    GArray *come;    /* of int, owned: read and not taken yet; NULL: none */
    GArray *leaving; /* of MobPassing, owned; NULL: none */
    uint64_t sent;   /* bytes that have left */
    bool bare;       /* none come: who sends has none to give; that saves looking for them */
} MobPass;

void mob_pass_clear(MobPass *pass);

/* @fd, which stays the caller's, leaves with the byte that @before others
 * leave before. */
void mob_pass_put(MobPass *pass, int fd, size_t before);
/* The first that came and was not taken: the caller's from now on; -1: none. */
int mob_pass_take(MobPass *pass);

/* As recv() and send() do, with what goes along. */
ssize_t mob_pass_recv(MobPass *pass, int fd, void *at, size_t room);
ssize_t mob_pass_send(MobPass *pass, int fd, const void *at, size_t size);
