/* far.h: how a client reaches a cluster whose head is on another machine: it
 * meets the head's daemon as machines do (meet.h), then talks with whoever
 * answers there (serve.h).
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/stream.h"

typedef struct {
    const char *host;
    uint16_t port;
    const char *token;
    const char *certs; /* the folder; key and certificate are made if they are not there */
    bool ca;           /* a CA vouches for the head */
} MobFarHead;

/* Opens @stream; false with an error that says what to do. Blocks, for at most a few seconds. */
bool mob_far_call(const MobFarHead *head, MobStream *stream, GError **error);
