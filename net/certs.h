/* certs.h: keys and certificates of machines, as files of PEM that only their
 * owner may read: key.pem and cert.pem, and ca.pem where a CA vouches.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Makes a private CA in @folder: ca.pem for everybody and ca-key.pem for nobody
 * else. One that is there stays, and is an error. */
bool mob_certs_make_ca(const char *folder, GError **error);
/* Lets the CA in @ca_folder vouch for the machine @name: key.pem, cert.pem and
 * ca.pem in @folder, which is made. */
bool mob_certs_issue(const char *ca_folder, const char *name, const char *folder, GError **error);
/* A certificate that nobody vouches for, in @folder; one that is there stays. */
bool mob_certs_make_self(const char *folder, const char *name, GError **error);
/* SHA-256 of the certificate in @folder, in hexadecimal digits (transfer full). */
char *mob_certs_print(const char *folder, GError **error);
