/* link.h: the model of a wire in one direction, pure, shared by both worlds.
 *
 * What is sent leaves the sender one after the other at the link's rate, then
 * travels for its latency; only sending occupies the link. Losses are TCP's:
 * a lost packet stalls what is behind it and is sent again after a time-out
 * that doubles; after six losses in a row the connection is reset.
 * Integers only: rates are nanoseconds per byte in 16.16 fixed point.
 */
#pragma once

#include "runtime/pick.h"

typedef struct {
    MobTime latency;
    MobTime jitter;       /* up to so much is added, by pick */
    uint64_t ns_per_byte; /* 16.16; 0: no limit */
    uint32_t loss_ppm;
    MobTime rto;
    MobTime free_at; /* the link is busy until then */
} MobLink;

/* Bits per second to the fixed-point rate; 0 stays 0. */
uint64_t mob_link_rate(uint64_t bits_per_second);

/* How long @bytes take at a rate in 16.16. */
static inline MobTime
mob_link_time(uint64_t ns_per_byte, uint64_t bytes)
{
    __extension__ typedef unsigned __int128 Wide;

    return (MobTime)(((Wide)bytes * ns_per_byte) >> 16);
}

/* Only occupies the link: when the last of @bytes has left. */
MobTime mob_link_occupy(MobLink *link, MobTime now, uint64_t bytes);

/* When a message of @bytes that is sent at @now arrives; occupies the link.
 * @key names the message for the picks. MOB_TIME_NEVER: the connection is
 * reset instead, at *reset_at. */
MobTime mob_link_send(MobLink *link, MobTime now, uint64_t bytes, MobPicks *picks, uint64_t key,
                      MobTime *reset_at);
