/* tcp.c: see tcp.h. */
#include "net/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/host.h"

enum {
    BACKLOG = 256,
    BUFFER = 4 << 20,
    /* A machine that says nothing for so long is not there any more. */
    SILENCE_MS = 15000,
    PROBE_S = 5,
};

typedef struct {
    struct sockaddr_storage address;
    socklen_t size;
} Address;

/* --- addresses --- */

static bool
read_address(const char *host, uint16_t port, Address *into)
{
    struct sockaddr_in *four = (struct sockaddr_in *)&into->address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&into->address;

    memset(into, 0, sizeof *into);
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        into->size = sizeof *four;
        return true;
    }
    if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        into->size = sizeof *six;
        return true;
    }
    return false;
}

char *
mob_tcp_resolve(const char *host, GError **error)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char text[NI_MAXHOST];
    int code = getaddrinfo(host, NULL, &hints, &found);

    if (code == 0) {
        code = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0,
                           NI_NUMERICHOST);
        freeaddrinfo(found);
    }
    if (code == 0)
        return g_strdup(text);
    g_set_error(error, MOB_NET_ERROR, 0,
                "there is no machine called '%s' (%s); check the name, or give its address", host,
                gai_strerror(code));
    return NULL;
}

char *
mob_tcp_own_address(void)
{
    struct ifaddrs *all = NULL;
    char text[INET_ADDRSTRLEN] = "127.0.0.1";

    if (getifaddrs(&all) != 0)
        return g_strdup(text);
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)one->ifa_addr;
        if (four == NULL || four->sin_family != AF_INET || (one->ifa_flags & IFF_UP) == 0 ||
            (one->ifa_flags & IFF_LOOPBACK) != 0)
            continue;
        inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
        break;
    }
    freeifaddrs(all);
    return g_strdup(text);
}

bool
mob_tcp_is_loopback(const char *host)
{
    return g_str_has_prefix(host, "127.") || g_str_equal(host, "::1");
}

char *
mob_tcp_peer(int fd)
{
    Address peer = {.size = sizeof peer.address};
    char text[NI_MAXHOST] = "?";

    if (getpeername(fd, (struct sockaddr *)&peer.address, &peer.size) == 0)
        getnameinfo((const struct sockaddr *)&peer.address, peer.size, text, sizeof text, NULL, 0,
                    NI_NUMERICHOST);
    return g_strdup(text);
}

/* --- sockets --- */

static void
set(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof value);
}

/* Small frames leave at once; whoever has gone without a word is noticed. */
static void
tune(int fd)
{
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, PROBE_S);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_S);
    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, SILENCE_MS);
    set(fd, SOL_SOCKET, SO_SNDBUF, BUFFER);
}

static uint16_t
port_of(int fd)
{
    Address own = {.size = sizeof own.address};

    getsockname(fd, (struct sockaddr *)&own.address, &own.size);
    return ntohs(own.address.ss_family == AF_INET6
                     ? ((const struct sockaddr_in6 *)&own.address)->sin6_port
                     : ((const struct sockaddr_in *)&own.address)->sin_port);
}

int
mob_tcp_listen(const char *host, uint16_t port, uint16_t *actual, GError **error)
{
    Address own;

    if (!read_address(host, port, &own)) {
        g_set_error(error, MOB_NET_ERROR, 0, "'%s' is no address to listen at; 0.0.0.0 is all",
                    host);
        return -1;
    }
    int fd = socket(own.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&own.address, own.size) == 0 &&
        listen(fd, BACKLOG) == 0) {
        *actual = port_of(fd);
        return fd;
    }
    int why = errno;
    g_set_error(error, MOB_NET_ERROR, 0, "cannot listen at %s, port %u: %s%s", host, port,
                g_strerror(why),
                why == EADDRINUSE ? "; something else listens there, choose another port" : "");
    if (fd >= 0)
        close(fd);
    errno = why;
    return -1;
}

bool
mob_tcp_is_own(const char *host)
{
    Address own;
    int fd = read_address(host, 0, &own)
                 ? socket(own.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)
                 : -1;
    bool is_own = fd >= 0 && bind(fd, (const struct sockaddr *)&own.address, own.size) == 0;

    if (fd >= 0)
        close(fd);
    return is_own;
}

int
mob_tcp_connect(const char *host, uint16_t port)
{
    Address peer;

    if (!read_address(host, port, &peer)) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(peer.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    tune(fd);
    if (connect(fd, (const struct sockaddr *)&peer.address, peer.size) == 0 || errno == EINPROGRESS)
        return fd;
    int code = errno;
    close(fd);
    errno = code;
    return -1;
}

uint64_t
mob_tcp_round_trip(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0
               ? (uint64_t)info.tcpi_min_rtt * MOB_US
               : 0;
}

int
mob_tcp_connected(int fd)
{
    int code = 0;
    socklen_t size = sizeof code;

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) == 0 ? code : errno;
}

int
mob_tcp_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0)
        tune(fd);
    return fd;
}
