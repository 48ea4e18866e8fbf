/* keys.h: where a user keeps what lets machines into a cluster: the token, and
 * the key and certificate of this machine.
 *
 * The flags say where, else the environment (MOBULA_TOKEN_FILE, MOBULA_CERTS),
 * else they are in the user's configuration folder, ~/.config/mobula.
 */
#pragma once

#include "cli/cli.h"
#include "net/tls.h"

/* (transfer full) */
char *mob_keys_token_path(const MobFlags *flags);
char *mob_keys_certs_path(const MobFlags *flags);
/* Whether a CA vouches for the machines of the cluster. */
bool mob_keys_has_ca(const char *certs);

/* Makes the folder that @path is in, for its owner only. */
bool mob_keys_make_folder_of(const char *path, GError **error);

/* The token (transfer full), or NULL after saying where one comes from. */
char *mob_keys_token(const MobCli *cli);
