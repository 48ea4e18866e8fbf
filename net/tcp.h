/* tcp.h: sockets between machines. Names are looked up when a machine joins;
 * afterwards machines are known by numbers, and nothing here blocks.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The address behind the name @host, in digits (transfer full); looking it up may block. */
char *mob_tcp_resolve(const char *host, GError **error);

/* The address by which other machines most likely reach this one, in digits (transfer full). */
char *mob_tcp_own_address(void);

/* Whether the address @host, in digits, is one of this machine's. */
bool mob_tcp_is_own(const char *host);

/* Listens at the address @host, in digits; @port 0: at any that is free.
 * Returns the socket and what became of the port; -1 with an error. */
int mob_tcp_listen(const char *host, uint16_t port, uint16_t *actual, GError **error);

/* Begins to connect to the address @host, in digits; -1 with errno. The socket
 * can be written to when it is over; mob_tcp_connected() says how it went. */
int mob_tcp_connect(const char *host, uint16_t port);
/* 0, or the errno. */
int mob_tcp_connected(int fd);

/* Nanoseconds to the other end and back, at best so far; 0: the system does not say. */
uint64_t mob_tcp_round_trip(int fd);

/* Accepts one connection; -1: there is none. */
int mob_tcp_accept(int listener);

/* Who is at the other end: the address, in digits (transfer full). */
char *mob_tcp_peer(int fd);

/* Whether nobody but this machine is reached by @host. */
bool mob_tcp_is_loopback(const char *host);
