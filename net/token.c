/* token.c: see token.h. */
#include "net/token.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/host.h"

/* 43 digits without the padding, which is no letter of a command line. */
enum {
    DIGITS = 43
};

char *
mob_token_new(void)
{
    uint8_t bytes[MOB_TOKEN_BYTES];

    if (gnutls_rnd(GNUTLS_RND_KEY, bytes, sizeof bytes) != 0)
        g_error("the system gives no random bytes");
    char *text = g_base64_encode(bytes, sizeof bytes);
    text[DIGITS] = '\0';
    return g_strdelimit(g_strdelimit(text, "+", '-'), "/", '_');
}

bool
mob_token_bytes(const char *token, uint8_t bytes[MOB_TOKEN_BYTES])
{
    gsize length;

    if (strlen(token) != DIGITS)
        return false;
    g_autofree char *text = g_strconcat(token, "=", NULL);
    g_strdelimit(g_strdelimit(text, "-", '+'), "_", '/');
    g_autofree guchar *data = g_base64_decode(text, &length);
    if (length != MOB_TOKEN_BYTES)
        return false;
    memcpy(bytes, data, length);
    return true;
}

char *
mob_token_load(const char *path, GError **error)
{
    struct stat info;
    uint8_t bytes[MOB_TOKEN_BYTES];
    g_autofree char *text = NULL;

    if (stat(path, &info) == 0 && (info.st_mode & 077) != 0) {
        g_set_error(error, MOB_NET_ERROR, 0,
                    "%s can be read by others than its owner; make a new token, or chmod 600 it",
                    path);
        return NULL;
    }
    if (!g_file_get_contents(path, &text, NULL, error))
        return NULL;
    g_strchomp(text);
    if (mob_token_bytes(text, bytes))
        return g_steal_pointer(&text);
    g_set_error(error, MOB_NET_ERROR, 0, "what %s holds is no token: those have %d letters", path,
                DIGITS);
    return NULL;
}

char *
mob_token_make(const char *path, GError **error)
{
    g_autofree char *token = mob_token_new();
    g_autofree char *line = g_strconcat(token, "\n", NULL);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno == EEXIST)
        return mob_token_load(path, error);
    bool written = fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);
    if (fd >= 0 && close(fd) == 0 && written)
        return g_steal_pointer(&token);
    g_set_error(error, MOB_NET_ERROR, 0, "cannot write the token to %s: %s", path,
                g_strerror(errno));
    return NULL;
}
