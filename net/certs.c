/* certs.c: see certs.h. */
#include "net/certs.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "net/host.h"

#define YEARS(count) ((time_t)(count)*365 * 24 * 3600)

enum {
    SERIAL = 16,
    SHA256 = 32,
};

G_DEFINE_AUTO_CLEANUP_FREE_FUNC(gnutls_x509_crt_t, gnutls_x509_crt_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC(gnutls_x509_privkey_t, gnutls_x509_privkey_deinit, NULL)

static bool
fail(GError **error, const char *what, int code)
{
    g_set_error(error, MOB_NET_ERROR, 0, "%s: %s", what, gnutls_strerror(code));
    return false;
}

/* --- files --- */

static bool
write_pem(const char *folder, const char *name, const gnutls_datum_t *pem, GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return g_file_set_contents_full(path, (const char *)pem->data, pem->size,
                                    G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}

static bool
read_pem(const char *folder, const char *name, gnutls_datum_t *pem, GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    char *text;
    gsize length;

    if (!g_file_get_contents(path, &text, &length, error))
        return false;
    *pem = (gnutls_datum_t){(unsigned char *)text, (unsigned)length};
    return true;
}

static bool
is_there(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static bool
make_folder(const char *folder, GError **error)
{
    if (g_mkdir_with_parents(folder, 0700) == 0)
        return true;
    g_set_error(error, MOB_NET_ERROR, 0, "cannot make the folder %s: %s", folder,
                g_strerror(errno));
    return false;
}

static bool
save(const char *folder, const char *key_name, gnutls_x509_privkey_t key, const char *crt_name,
     gnutls_x509_crt_t crt, GError **error)
{
    gnutls_datum_t key_pem = {0};
    gnutls_datum_t crt_pem = {0};
    int code = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &key_pem);

    if (code == 0)
        code = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &crt_pem);
    bool saved = code == 0 ? write_pem(folder, key_name, &key_pem, error) &&
                                 write_pem(folder, crt_name, &crt_pem, error)
                           : fail(error, "a certificate cannot be written down", code);
    if (key_pem.data != NULL)
        gnutls_memset(key_pem.data, 0, key_pem.size);
    gnutls_free(key_pem.data);
    gnutls_free(crt_pem.data);
    return saved;
}

/* --- making --- */

static gnutls_x509_privkey_t
new_key(void)
{
    gnutls_x509_privkey_t key;

    gnutls_x509_privkey_init(&key);
    int code = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                            GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (code != 0)
        g_error("no key can be made: %s", gnutls_strerror(code));
    return key;
}

/* Signed an hour ago: clocks of machines differ. */
static gnutls_x509_crt_t
new_crt(const char *name, gnutls_x509_privkey_t key, bool ca)
{
    gnutls_x509_crt_t crt;
    uint8_t serial[SERIAL];
    uint8_t id[SHA256];
    size_t id_size = sizeof id;
    time_t now = time(NULL);

    gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial);
    serial[0] &= 0x7f; /* positive */
    gnutls_x509_crt_init(&crt);
    gnutls_x509_crt_set_version(crt, 3);
    gnutls_x509_crt_set_serial(crt, serial, sizeof serial);
    gnutls_x509_crt_set_activation_time(crt, now - 3600);
    gnutls_x509_crt_set_expiration_time(crt, now + YEARS(10));
    gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                  (unsigned)MIN(strlen(name), 64));
    gnutls_x509_crt_set_key(crt, key);
    gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, id, &id_size);
    gnutls_x509_crt_set_subject_key_id(crt, id, id_size);
    gnutls_x509_crt_set_basic_constraints(crt, ca, ca ? 0 : -1);
    gnutls_x509_crt_set_key_usage(crt, ca ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN
                                          : GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (!ca) {
        gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
        gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0);
    }
    return crt;
}

static bool
sign(gnutls_x509_crt_t crt, gnutls_x509_crt_t by, gnutls_x509_privkey_t key, GError **error)
{
    int code = gnutls_x509_crt_sign2(crt, by, key, GNUTLS_DIG_SHA256, 0);

    return code == 0 || fail(error, "a certificate cannot be signed", code);
}

bool
mob_certs_make_ca(const char *folder, GError **error)
{
    if (!make_folder(folder, error))
        return false;
    if (is_there(folder, "ca.pem") || is_there(folder, "ca-key.pem")) {
        g_set_error(error, MOB_NET_ERROR, 0,
                    "%s has a CA already; machines trust it, so it is not replaced", folder);
        return false;
    }
    g_auto(gnutls_x509_privkey_t) key = new_key();
    g_auto(gnutls_x509_crt_t) crt = new_crt("Mobula cluster", key, true);
    return sign(crt, crt, key, error) && save(folder, "ca-key.pem", key, "ca.pem", crt, error);
}

bool
mob_certs_make_self(const char *folder, const char *name, GError **error)
{
    if (is_there(folder, "cert.pem") && is_there(folder, "key.pem"))
        return true;
    if (!make_folder(folder, error))
        return false;
    g_auto(gnutls_x509_privkey_t) key = new_key();
    g_auto(gnutls_x509_crt_t) crt = new_crt(name, key, false);
    return sign(crt, crt, key, error) && save(folder, "key.pem", key, "cert.pem", crt, error);
}

static bool
load_ca(const char *folder, gnutls_x509_privkey_t *key, gnutls_x509_crt_t *crt,
        gnutls_datum_t *crt_pem, GError **error)
{
    gnutls_datum_t key_pem;

    if (!read_pem(folder, "ca-key.pem", &key_pem, error))
        return false;
    gnutls_x509_privkey_init(key);
    int code = gnutls_x509_privkey_import(*key, &key_pem, GNUTLS_X509_FMT_PEM);
    gnutls_memset(key_pem.data, 0, key_pem.size);
    g_free(key_pem.data);
    if (code != 0)
        return fail(error, "ca-key.pem cannot be read", code);
    if (!read_pem(folder, "ca.pem", crt_pem, error))
        return false;
    gnutls_x509_crt_init(crt);
    code = gnutls_x509_crt_import(*crt, crt_pem, GNUTLS_X509_FMT_PEM);
    return code == 0 || fail(error, "ca.pem cannot be read", code);
}

bool
mob_certs_issue(const char *ca_folder, const char *name, const char *folder, GError **error)
{
    g_auto(gnutls_x509_privkey_t) ca_key = NULL;
    g_auto(gnutls_x509_crt_t) ca = NULL;
    gnutls_datum_t ca_pem = {0};

    if (!load_ca(ca_folder, &ca_key, &ca, &ca_pem, error) || !make_folder(folder, error)) {
        g_free(ca_pem.data);
        return false;
    }
    g_auto(gnutls_x509_privkey_t) key = new_key();
    g_auto(gnutls_x509_crt_t) crt = new_crt(name, key, false);
    bool done = sign(crt, ca, ca_key, error) && write_pem(folder, "ca.pem", &ca_pem, error) &&
                save(folder, "key.pem", key, "cert.pem", crt, error);
    g_free(ca_pem.data);
    return done;
}

char *
mob_certs_print(const char *folder, GError **error)
{
    g_auto(gnutls_x509_crt_t) crt = NULL;
    gnutls_datum_t pem;
    gnutls_datum_t der = {0};

    if (!read_pem(folder, "cert.pem", &pem, error))
        return NULL;
    gnutls_x509_crt_init(&crt);
    int code = gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM);
    g_free(pem.data);
    if (code == 0)
        code = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der);
    if (code != 0) {
        fail(error, "cert.pem cannot be read", code);
        return NULL;
    }
    char *print = g_compute_checksum_for_data(G_CHECKSUM_SHA256, der.data, der.size);
    gnutls_free(der.data);
    return print;
}
