/* bench_wire.c: bytes from one machine to another, over loopback TCP, next to
 * the bare limit: the same socket without anything of ours, with and without TLS.
 *
 *     bench_wire MEGABYTES [tls]
 *
 * What is sent are frames of 1 MiB, as of the chunks in which objects travel; both
 * ends are processes and read and write as daemons do, a buffer a round. The
 * bare ends read and write 1 MiB at a time, or records of TLS as large as they
 * may be. Both take turns, and the best of three counts. Prints a line of JSON.
 */
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/certs.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "tests/bench/bench.h"

enum {
    CHUNK = 1 << 20,
    BARE = 1 << 20,
    RECORD = 16384,
    AHEAD = 2 * CHUNK, /* so much waits to leave before more is put */
    ROUND = 4 << 20,
    ROUNDS = 3,
};

typedef struct {
    uint64_t bytes;
    MobTls *tls; /* NULL: plain */
    bool bare;
} Run;

static void
wait_for(int fd, short events)
{
    struct pollfd wait = {.fd = fd, .events = events};

    poll(&wait, 1, -1);
}

/* --- ours --- */

static MobStream
open_stream(const Run *run, int fd, bool server)
{
    MobStream stream;

    mob_stream_init(&stream, fd);
    stream.frame_max = MOB_FRAME_MAX;
    if (run->tls == NULL)
        return stream;
    MobTlsSession *session = mob_tls_begin(run->tls, &stream, server);
    MobTlsState state;
    while ((state = mob_tls_handshake(session)) == MOB_TLS_MORE)
        wait_for(fd, mob_tls_wants_to_write(session) ? POLLOUT : POLLIN);
    if (state == MOB_TLS_FAILED)
        g_error("%s", mob_tls_why(session));
    return stream;
}

static void
send_frames(const Run *run, int fd)
{
    MobStream stream = open_stream(run, fd, false);
    MobFrame frame = {.kind = MOB_FRAME_MESSAGE};
    g_autofree uint8_t *chunk = g_malloc(CHUNK);
    uint64_t put = 0;

    memset(chunk, 'x', CHUNK);
    while (put < run->bytes || mob_stream_has_output(&stream)) {
        while (put < run->bytes && stream.out.length - stream.out_at < AHEAD) {
            size_t length = MIN((uint64_t)CHUNK, run->bytes - put);
            mob_stream_put(&stream, &frame, chunk, length);
            put += length;
        }
        mob_stream_flush(&stream);
        if (stream.state != MOB_STREAM_OPEN)
            g_error("the connection is lost");
        if (mob_stream_has_output(&stream))
            wait_for(fd, POLLOUT);
    }
    mob_stream_clear(&stream);
}

static void
receive_frames(const Run *run, int fd)
{
    MobStream stream = open_stream(run, fd, true);
    MobFrame frame;
    const uint8_t *body;
    uint64_t got = 0;

    while (got < run->bytes && stream.state == MOB_STREAM_OPEN) {
        wait_for(fd, POLLIN);
        mob_stream_read(&stream, ROUND);
        while (mob_stream_next(&stream, &frame, &body))
            got += frame.length;
    }
    if (got < run->bytes)
        g_error("only %" G_GUINT64_FORMAT " bytes have come", got);
    mob_stream_clear(&stream);
}

/* --- bare --- */

static gnutls_session_t
open_bare(const char *folder, int fd, bool server)
{
    gnutls_certificate_credentials_t credentials;
    gnutls_session_t session;
    g_autofree char *key = g_build_filename(folder, "key.pem", NULL);
    g_autofree char *crt = g_build_filename(folder, "cert.pem", NULL);

    gnutls_certificate_allocate_credentials(&credentials);
    gnutls_certificate_set_x509_key_file(credentials, crt, key, GNUTLS_X509_FMT_PEM);
    gnutls_init(&session, server ? GNUTLS_SERVER : GNUTLS_CLIENT);
    gnutls_priority_set_direct(session, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM",
                               NULL);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_int(session, fd);
    int code = gnutls_handshake(session);
    if (code != 0)
        g_error("%s", gnutls_strerror(code));
    return session;
}

/* The socket blocks. */
static void
move_bare(const Run *run, const char *folder, int fd, bool sends)
{
    bool tls = run->tls != NULL;
    size_t size = tls ? RECORD : BARE;
    g_autofree uint8_t *bytes = g_malloc0(size);
    gnutls_session_t session = tls ? open_bare(folder, fd, !sends) : NULL;

    for (uint64_t moved = 0; moved < run->bytes;) {
        size_t most = MIN((uint64_t)size, run->bytes - moved);
        ssize_t count =
            sends ? (tls ? gnutls_record_send(session, bytes, most)
                         : send(fd, bytes, most, MSG_NOSIGNAL))
                  : (tls ? gnutls_record_recv(session, bytes, most) : recv(fd, bytes, most, 0));
        if (count <= 0)
            g_error("the connection is lost");
        moved += (uint64_t)count;
    }
    close(fd);
}

/* --- both --- */

static void
block(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

typedef struct {
    double wall; /* GB per second of the clock on the wall … */
    double cpu;  /* … and of processor time, of both ends together */
} Rate;

static double
cpu_of(int who)
{
    struct rusage usage;

    getrusage(who, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static Rate
measure(const Run *run, const char *folder)
{
    uint16_t port;
    int listener = mob_tcp_listen("127.0.0.1", 0, &port, NULL);
    pid_t pid = fork();

    if (pid == 0) {
        int fd = mob_tcp_connect("127.0.0.1", port);
        wait_for(fd, POLLOUT);
        if (run->bare)
            block(fd);
        if (run->bare)
            move_bare(run, folder, fd, true);
        else
            send_frames(run, fd);
        _exit(0);
    }
    wait_for(listener, POLLIN);
    int fd = mob_tcp_accept(listener);
    double cpu = cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN);
    BenchClock begun = bench_now();
    if (run->bare)
        block(fd);
    if (run->bare)
        move_bare(run, folder, fd, false);
    else
        receive_frames(run, fd);
    double took = bench_since(begun).wall;
    close(listener);
    waitpid(pid, NULL, 0);
    cpu = cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN) - cpu;
    return (Rate){(double)run->bytes / took / 1e9, (double)run->bytes / cpu / 1e9};
}

int
main(int argc, char **argv)
{
    uint64_t bytes = (argc > 1 ? (uint64_t)atoll(argv[1]) : 1000) * 1000000;
    bool tls = argc > 2 && strcmp(argv[2], "tls") == 0;
    g_autofree char *folder = g_dir_make_tmp("mobula-bench-XXXXXX", NULL);
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", folder);
    Run run = {.bytes = bytes};
    Rate best[2] = {0};

    if (tls && !mob_certs_make_self(folder, "bench", NULL))
        g_error("no certificate can be made");
    run.tls = tls ? mob_tls_new(folder, false, NULL) : NULL;
    for (int i = 0; i < 2 * ROUNDS; i++) {
        run.bare = i % 2 == 1;
        Rate rate = measure(&run, folder);
        best[run.bare].wall = MAX(best[run.bare].wall, rate.wall);
        best[run.bare].cpu = MAX(best[run.bare].cpu, rate.cpu);
    }
    printf("{\"bench\":\"wire\",\"tls\":%s,\"megabytes\":%" G_GUINT64_FORMAT
           ",\"gb_per_s\":%.3f,\"bare_gb_per_s\":%.3f,\"gb_per_cpu_s\":%.3f,"
           "\"bare_gb_per_cpu_s\":%.3f}\n",
           tls ? "true" : "false", bytes / 1000000, best[0].wall, best[1].wall, best[0].cpu,
           best[1].cpu);
    return system(command) == 0 ? 0 : 1;
}
