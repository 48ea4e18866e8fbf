/* tls.h: TLS 1.3 over a non-blocking socket, for a MobStream (GnuTLS).
 *
 * Who is at the other end is known by the fingerprint of its certificate, by
 * a CA that vouches for it, or both; whether that will do is asked after the
 * handshake, so that whoever is refused can be told why.
 */
#pragma once

#include "net/stream.h"

typedef struct MobTls MobTls;
typedef struct MobTlsSession MobTlsSession;

enum {
    MOB_TLS_BINDING = 32,
    MOB_TLS_PRINT = 64, /* digits of a fingerprint */
};

typedef enum {
    MOB_TLS_MORE, /* the socket has to be waited for */
    MOB_TLS_DONE,
    MOB_TLS_FAILED,
} MobTlsState;

/* What a machine shows of itself: key.pem and cert.pem in @folder, and with
 * @ca ca.pem, which vouches for others. */
MobTls *mob_tls_new(const char *folder, bool ca, GError **error);
void mob_tls_free(MobTls *tls);

/* Begins over @stream, which owns the session. */
MobTlsSession *mob_tls_begin(MobTls *tls, MobStream *stream, bool server);
MobTlsState mob_tls_handshake(MobTlsSession *session);
/* Why it failed. */
const char *mob_tls_why(const MobTlsSession *session);
/* Whether it waits until the socket can be written to. */
bool mob_tls_wants_to_write(const MobTlsSession *session);

/* The fingerprint of the other end's certificate; false: it has shown none. */
bool mob_tls_print(MobTlsSession *session, char print[MOB_TLS_PRINT + 1]);
/* What is wrong with the other end's certificate, as the end of a sentence; NULL:
 * our CA vouches for it, for now. */
const char *mob_tls_trouble(MobTlsSession *session);
/* What both ends of this connection know, and nobody else (tls-exporter): it
 * differs from that of any other connection. */
void mob_tls_binding(MobTlsSession *session, uint8_t binding[MOB_TLS_BINDING]);
