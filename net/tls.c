/* tls.c: see tls.h.
 *
 * GnuTLS writes a record with a call of its own. Here records are gathered, so
 * that a round costs one write.
 */
#include "net/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sys/socket.h>

#include "net/host.h"

#define PRIORITY                                                                                   \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+CHACHA20-POLY1305:+AES-256-GCM:"      \
    "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1"

enum {
    RECORD = 16384,
    GATHERED_MAX = 256 << 10,
    /* Before anybody has said who it is: certificates of ours have 500 bytes. */
    HANDSHAKE_MAX = 4096,
};

struct MobTls {
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
};

struct MobTlsSession {
    gnutls_session_t session;
    int fd;        /* borrowed */
    MobBuf cipher; /* encrypted, not sent yet */
    size_t cipher_at;
    int code;
};

/* --- what a machine shows --- */

static bool
load(MobTls *tls, const char *folder, bool ca, GError **error)
{
    g_autofree char *key = g_build_filename(folder, "key.pem", NULL);
    g_autofree char *crt = g_build_filename(folder, "cert.pem", NULL);
    g_autofree char *trust = g_build_filename(folder, "ca.pem", NULL);
    int code =
        gnutls_certificate_set_x509_key_file(tls->credentials, crt, key, GNUTLS_X509_FMT_PEM);

    if (code != 0) {
        g_set_error(error, MOB_NET_ERROR, 0, "the certificate in %s cannot be used: %s", folder,
                    gnutls_strerror(code));
        return false;
    }
    if (!ca)
        return true;
    code = gnutls_certificate_set_x509_trust_file(tls->credentials, trust, GNUTLS_X509_FMT_PEM);
    if (code > 0)
        return true;
    g_set_error(error, MOB_NET_ERROR, 0, "%s cannot be used: %s", trust,
                code == 0 ? "there is no certificate in it" : gnutls_strerror(code));
    return false;
}

MobTls *
mob_tls_new(const char *folder, bool ca, GError **error)
{
    MobTls *tls = g_new0(MobTls, 1);
    int code = gnutls_priority_init(&tls->priority, PRIORITY, NULL);

    if (code != 0)
        g_error("GnuTLS has no TLS 1.3: %s", gnutls_strerror(code));
    gnutls_certificate_allocate_credentials(&tls->credentials);
    if (load(tls, folder, ca, error))
        return tls;
    mob_tls_free(tls);
    return NULL;
}

void
mob_tls_free(MobTls *tls)
{
    if (tls == NULL)
        return;
    gnutls_certificate_free_credentials(tls->credentials);
    gnutls_priority_deinit(tls->priority);
    g_free(tls);
}

/* --- the socket --- */

static ssize_t
gather(gnutls_transport_ptr_t data, const giovec_t *parts, int count)
{
    MobTlsSession *session = data;
    ssize_t taken = 0;

    for (int i = 0; i < count; i++) {
        mob_buf_add(&session->cipher, parts[i].iov_base, parts[i].iov_len);
        taken += (ssize_t)parts[i].iov_len;
    }
    return taken;
}

/* True if all has left; else errno says why not. */
static bool
send_gathered(MobTlsSession *session)
{
    while (session->cipher_at < session->cipher.length) {
        ssize_t sent = send(session->fd, session->cipher.data + session->cipher_at,
                            session->cipher.length - session->cipher_at, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return false;
        session->cipher_at += (size_t)sent;
    }
    session->cipher_at = session->cipher.length = 0;
    return true;
}

/* --- reading and writing --- */

static ssize_t
tls_read(void *data, uint8_t *into, size_t room)
{
    MobTlsSession *session = data;
    ssize_t got;

    do
        got = gnutls_record_recv(session->session, into, room);
    while (got == GNUTLS_E_INTERRUPTED);
    if (got >= 0)
        return got;
    if (got == GNUTLS_E_PREMATURE_TERMINATION)
        return 0; /* frames say for themselves whether they are whole */
    errno = gnutls_error_is_fatal((int)got) ? ECONNRESET : EAGAIN;
    return -1;
}

static ssize_t
tls_write(void *data, const uint8_t *plain, size_t length, size_t *backlog)
{
    MobTlsSession *session = data;
    size_t taken = 0;

    if (!send_gathered(session))
        return -1;
    while (taken < length && session->cipher.length < GATHERED_MAX) {
        ssize_t put = gnutls_record_send(session->session, plain + taken,
                                         MIN(length - taken, (size_t)RECORD));
        if (put < 0) {
            errno = EIO;
            return -1;
        }
        taken += (size_t)put;
    }
    bool gone = send_gathered(session) || errno == EAGAIN;
    *backlog = session->cipher.length - session->cipher_at;
    return gone ? (ssize_t)taken : -1;
}

static void
tls_free(void *data)
{
    MobTlsSession *session = data;

    gnutls_deinit(session->session);
    mob_buf_clear(&session->cipher);
    g_free(session);
}

static const MobStreamVia via = {.read = tls_read, .write = tls_write, .free = tls_free};

/* --- the handshake --- */

MobTlsSession *
mob_tls_begin(MobTls *tls, MobStream *stream, bool server)
{
    MobTlsSession *session = g_new0(MobTlsSession, 1);
    unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS;

    session->fd = stream->fd;
    gnutls_init(&session->session, flags | (server ? GNUTLS_SERVER : GNUTLS_CLIENT));
    gnutls_priority_set(session->session, tls->priority);
    gnutls_credentials_set(session->session, GNUTLS_CRD_CERTIFICATE, tls->credentials);
    gnutls_handshake_set_max_packet_length(session->session, HANDSHAKE_MAX);
    if (server)
        gnutls_certificate_server_set_request(session->session, GNUTLS_CERT_REQUEST);
    gnutls_transport_set_ptr2(session->session, GINT_TO_POINTER(stream->fd), session);
    gnutls_transport_set_vec_push_function(session->session, gather);
    mob_stream_wrap(stream, &via, session);
    return session;
}

MobTlsState
mob_tls_handshake(MobTlsSession *session)
{
    int code;

    do
        code = gnutls_handshake(session->session);
    while (code == GNUTLS_E_INTERRUPTED || code == GNUTLS_E_WARNING_ALERT_RECEIVED);
    if (code != 0 && gnutls_error_is_fatal(code)) {
        session->code = code;
        gnutls_alert_send_appropriate(session->session, code);
        send_gathered(session);
        return MOB_TLS_FAILED;
    }
    if (!send_gathered(session) && errno != EAGAIN) {
        session->code = GNUTLS_E_PUSH_ERROR;
        return MOB_TLS_FAILED;
    }
    return code == 0 && !mob_tls_wants_to_write(session) ? MOB_TLS_DONE : MOB_TLS_MORE;
}

const char *
mob_tls_why(const MobTlsSession *session)
{
    return gnutls_strerror(session->code);
}

bool
mob_tls_wants_to_write(const MobTlsSession *session)
{
    return session->cipher_at < session->cipher.length;
}

/* --- who is there --- */

bool
mob_tls_print(MobTlsSession *session, char print[MOB_TLS_PRINT + 1])
{
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session->session, &count);

    print[0] = '\0';
    if (chain == NULL || count == 0)
        return false;
    g_autofree char *text =
        g_compute_checksum_for_data(G_CHECKSUM_SHA256, chain[0].data, chain[0].size);
    g_strlcpy(print, text, MOB_TLS_PRINT + 1);
    return true;
}

const char *
mob_tls_trouble(MobTlsSession *session)
{
    unsigned status = 0;
    unsigned early = GNUTLS_CERT_NOT_ACTIVATED | GNUTLS_CERT_SIGNER_NOT_FOUND;

    if (gnutls_certificate_verify_peers2(session->session, &status) != 0)
        return "is none of this cluster's CA; mobula cert makes one";
    if (status == 0)
        return NULL;
    if ((status & early) == GNUTLS_CERT_NOT_ACTIVATED)
        return "is not valid yet by the clock here: set that right";
    if ((status & GNUTLS_CERT_EXPIRED) != 0)
        return "has expired by the clock here; if that is right, mobula cert makes a new one";
    return "is not of this cluster's CA; mobula cert makes one that is";
}

void
mob_tls_binding(MobTlsSession *session, uint8_t binding[MOB_TLS_BINDING])
{
    gnutls_datum_t data = {0};
    int code = gnutls_session_channel_binding(session->session, GNUTLS_CB_TLS_EXPORTER, &data);

    if (code != 0 || data.size != MOB_TLS_BINDING)
        g_error("a connection of TLS 1.3 without a binding: %s", gnutls_strerror(code));
    memcpy(binding, data.data, MOB_TLS_BINDING);
    gnutls_free(data.data);
}
