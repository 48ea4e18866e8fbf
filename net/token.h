/* token.h: the secret of a cluster: 32 random bytes, in base64url.
 *
 * Who knows it belongs to the cluster. It never travels: both ends of a
 * connection prove that they know it (meet.h).
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    MOB_TOKEN_BYTES = 32
};

/* A new one (transfer full). */
char *mob_token_new(void);
/* Makes one and writes it to @path, which only its owner may read; one that is
 * there stays. Returns it (transfer full). */
char *mob_token_make(const char *path, GError **error);
/* (transfer full); a file that others may read is refused. */
char *mob_token_load(const char *path, GError **error);
/* The bytes of @token; false if it is no token. */
bool mob_token_bytes(const char *token, uint8_t bytes[MOB_TOKEN_BYTES]);
