/* serve.c: see serve.h. */
#include "net/serve.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/clock.h"
#include "net/door.h"
#include "net/host.h"
#include "net/stream.h"

enum {
    CLIENTS_MAX = 256,
};

#define OTHER_BUILD                                                                                \
    "the cluster was started by mobula %.*s of another build; ask it with the same command, or "   \
    "end it and start it again with this one"

#define STRANGER_TIME (5 * MOB_SECOND)

struct MobClient {
    MobInterest interest; /* must be first */
    MobStream stream;
    MobServe *serve;
    uint64_t since; /* real time */
    bool known;     /* it has said hello */
    bool asked;
    bool waited; /* mob_client_wait() reads it, and nobody else */
    bool over;   /* nothing more is told; it goes when all of it has left */
};

struct MobServe {
    MobServeOptions options;
    char *path;    /* owned */
    char *version; /* owned */
    MobInterest listener;
    MobInterest timer;  /* looks for strangers who stay too long */
    uint64_t timer_at;  /* real time; 0: it is not set */
    GPtrArray *clients; /* of MobClient, owned */
};

/* --- both ends --- */

static bool
make_address(const char *path, struct sockaddr_un *address, GError **error)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) < sizeof address->sun_path) {
        g_strlcpy(address->sun_path, path, sizeof address->sun_path);
        return true;
    }
    g_set_error(error, MOB_NET_ERROR, 0, "the path of a socket is too long: %s", path);
    return false;
}

static void
put_hello(MobStream *stream, const char *version)
{
    MobFrame hello = {.kind = MOB_FRAME_HELLO, .event = mob_schema_hash()};

    mob_stream_put(stream, &hello, version, strlen(version));
}

static bool
is_same_version(const MobFrame *hello, const uint8_t *body, const char *version)
{
    return hello->event == mob_schema_hash() && hello->length == strlen(version) &&
           memcmp(body, version, hello->length) == 0;
}

/* --- the observer: clients --- */

static void
drop(MobClient *client)
{
    MobServe *serve = client->serve;

    if (client->asked && !client->over)
        serve->options.gone(serve->options.data, client);
    mob_loop_remove(serve->options.loop, &client->interest);
    mob_stream_clear(&client->stream);
    g_ptr_array_remove(serve->clients, client);
    g_free(client);
}

static void
set_timer(MobServe *serve, uint64_t when)
{
    if (serve->timer_at != 0 && serve->timer_at <= when)
        return;
    serve->timer_at = when;
    struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(when / MOB_SECOND), .tv_nsec = (long)(when % MOB_SECOND)}};

    timerfd_settime(serve->timer.fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* Sends what can be sent and waits for room where there is more. */
static void
push(MobClient *client)
{
    mob_stream_flush(&client->stream);
    bool more = mob_stream_has_output(&client->stream);
    if (client->stream.state != MOB_STREAM_OPEN)
        set_timer(client->serve, mob_clock_real()); /* it goes, but not under our caller */
    mob_loop_change(client->serve->options.loop, &client->interest,
                    EPOLLIN | (more ? EPOLLOUT : 0));
}

void
mob_client_tell(MobClient *client, MobTellKind kind, const char *text, size_t length)
{
    MobFrame tell = {.kind = MOB_FRAME_TELL, .event = kind};

    if (client->stream.state == MOB_STREAM_LOST)
        return;
    mob_stream_put(&client->stream, &tell, text, length);
    push(client);
}

void
mob_client_over(MobClient *client, uint32_t code)
{
    MobFrame over = {.kind = MOB_FRAME_OVER, .event = code};

    client->over = true;
    mob_stream_put(&client->stream, &over, NULL, 0);
    push(client);
}

void
mob_client_send(MobClient *client, const MobFrame *frame, const MobBuf *body)
{
    if (client->stream.state == MOB_STREAM_LOST)
        return;
    mob_stream_put(&client->stream, frame, body != NULL ? body->data : NULL,
                   body != NULL ? body->length : 0);
    push(client);
}

size_t
mob_client_behind(const MobClient *client)
{
    return client->stream.out.length - client->stream.out_at;
}

static void
on_hello(MobClient *client, const MobFrame *frame, const uint8_t *body)
{
    const char *version = client->serve->version;

    put_hello(&client->stream, version);
    client->known = true;
    if (is_same_version(frame, body, version)) {
        client->stream.frame_max = MOB_FRAME_MAX;
        return;
    }
    g_autofree char *said = g_strdup_printf(OTHER_BUILD, (int)strlen(version), version);
    mob_client_tell(client, MOB_TELL_SAY, said, strlen(said));
    mob_client_over(client, 2);
}

static void
on_ask(MobClient *client, const MobFrame *frame, const uint8_t *body)
{
    MobServe *serve = client->serve;
    g_autoptr(GError) error = NULL;
    MobAsk *ask = mob_record_decode(MOB_RECORD_ask, body, frame->length, &error);

    if (ask == NULL || client->asked) {
        client->stream.garbage = true;
    } else {
        client->asked = true;
        serve->options.ask(serve->options.data, client, ask);
    }
    if (ask != NULL)
        mob_record_free(MOB_RECORD_ask, ask);
}

static void
take_frames(MobClient *client)
{
    const MobServeOptions *options = &client->serve->options;
    MobFrame frame;
    const uint8_t *body;

    mob_stream_read(&client->stream, MOB_FRAME_MAX);
    if (client->over) /* it has been answered: nothing that it says is kept */
        client->stream.in.length = client->stream.in_at = 0;
    while (!client->over && mob_stream_next(&client->stream, &frame, &body)) {
        if (frame.kind == MOB_FRAME_HELLO && !client->known)
            on_hello(client, &frame, body);
        else if (frame.kind == MOB_FRAME_ASK && client->known)
            on_ask(client, &frame, body);
        else if (client->asked && options->frame != NULL)
            options->frame(options->data, client, &frame, body);
        else
            client->stream.garbage = true;
    }
}

bool
mob_client_wait(MobClient *client, int ms)
{
    struct pollfd wait = {.fd = client->stream.fd, .events = POLLIN};

    mob_stream_flush(&client->stream);
    if (mob_stream_has_output(&client->stream))
        wait.events |= POLLOUT;
    poll(&wait, 1, ms);
    client->waited = true;
    take_frames(client);
    client->waited = false;
    bool here = client->stream.state == MOB_STREAM_OPEN && !client->stream.garbage;
    if (!here)
        set_timer(client->serve, mob_clock_real()); /* it goes, but not under our caller */
    return here;
}

static void
on_client(MobInterest *interest, uint32_t events)
{
    MobClient *client = (MobClient *)interest;

    (void)events;
    if (client->waited)
        return;
    push(client);
    take_frames(client);
    if (client->stream.garbage || client->stream.state != MOB_STREAM_OPEN ||
        (client->over && !mob_stream_has_output(&client->stream)))
        drop(client);
}

/* --- the observer: who comes --- */

static void
on_timer(MobInterest *interest, uint32_t events)
{
    MobServe *serve = interest->data;
    uint64_t now = mob_clock_real();
    uint64_t next = 0;
    uint64_t count;

    (void)events;
    if (read(interest->fd, &count, sizeof count) < 0)
        return;
    serve->timer_at = 0;
    for (guint i = serve->clients->len; i > 0; i--) {
        MobClient *client = g_ptr_array_index(serve->clients, i - 1);
        bool stranger = !client->asked;
        if (client->waited)
            continue;
        if (client->stream.state != MOB_STREAM_OPEN || client->stream.garbage ||
            (stranger && now >= client->since + STRANGER_TIME))
            drop(client);
        else if (stranger && (next == 0 || client->since + STRANGER_TIME < next))
            next = client->since + STRANGER_TIME;
    }
    if (next != 0)
        set_timer(serve, next);
}

static void
on_listener(MobInterest *interest, uint32_t events)
{
    MobServe *serve = interest->data;
    int fd;

    (void)events;
    while ((fd = mob_door_next(interest->fd, NULL)) >= 0) {
        if (serve->clients->len == CLIENTS_MAX) {
            close(fd);
            continue;
        }
        MobClient *client = g_new0(MobClient, 1);
        mob_stream_init(&client->stream, fd);
        client->serve = serve;
        client->since = mob_clock_real();
        client->interest = (MobInterest){.fd = fd, .events = EPOLLIN, .ready = on_client};
        g_ptr_array_add(serve->clients, client);
        mob_loop_add(serve->options.loop, &client->interest);
        set_timer(serve, mob_clock_real() + STRANGER_TIME);
    }
}

/* The folder is the user's alone; that the socket is too costs nothing. */
static int
listen_at(const char *path, GError **error)
{
    struct sockaddr_un address;

    if (!make_address(path, &address, error))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        chmod(path, 0600) == 0 && listen(fd, 64) == 0)
        return fd;
    g_set_error(error, MOB_NET_ERROR, 0, "cannot listen at %s: %s", path, g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

MobServe *
mob_serve_new(const MobServeOptions *options, GError **error)
{
    int fd = listen_at(options->path, error);

    if (fd < 0)
        return NULL;
    MobServe *serve = g_new0(MobServe, 1);
    serve->options = *options;
    serve->path = g_strdup(options->path);
    serve->version = g_strdup(options->version);
    serve->clients = g_ptr_array_new();
    serve->listener =
        (MobInterest){.fd = fd, .events = EPOLLIN, .ready = on_listener, .data = serve};
    serve->timer = (MobInterest){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                                 .events = EPOLLIN,
                                 .ready = on_timer,
                                 .data = serve};
    mob_loop_add(options->loop, &serve->listener);
    mob_loop_add(options->loop, &serve->timer);
    return serve;
}

void
mob_serve_free(MobServe *serve)
{
    if (serve == NULL)
        return;
    while (serve->clients->len > 0) {
        MobClient *client = g_ptr_array_index(serve->clients, 0);
        push(client);
        drop(client);
    }
    MobInterest *mine[] = {&serve->listener, &serve->timer};
    for (size_t i = 0; i < G_N_ELEMENTS(mine); i++) {
        mob_loop_remove(serve->options.loop, mine[i]);
        close(mine[i]->fd);
    }
    unlink(serve->path);
    g_ptr_array_unref(serve->clients);
    g_free(serve->path);
    g_free(serve->version);
    g_free(serve);
}

/* --- the client --- */

static int
connect_to(const char *path, GError **error)
{
    struct sockaddr_un address;

    if (!make_address(path, &address, error))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        mob_door_is_ours(fd, NULL))
        return fd;
    g_set_error(error, MOB_NET_ERROR, 0, "no cluster of yours answers at %s: %s", path,
                g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static void
put_ask(MobStream *stream, const MobAsk *ask)
{
    MobFrame frame = {.kind = MOB_FRAME_ASK};
    size_t begin = mob_frame_begin(&stream->out, &frame);

    mob_record_encode(MOB_RECORD_ask, ask, &stream->out);
    mob_frame_end(&stream->out, begin);
}

static void
move(MobStream *stream)
{
    struct pollfd wait = {.fd = stream->fd, .events = POLLIN};

    mob_stream_flush(stream);
    if (mob_stream_has_output(stream))
        wait.events |= POLLOUT;
    poll(&wait, 1, -1);
    mob_stream_read(stream, SIZE_MAX);
}

bool
mob_ask_heard(const MobFrame *hello, const uint8_t *body, const char *version, GError **error)
{
    if (is_same_version(hello, body, version))
        return true;
    g_set_error(error, MOB_NET_ERROR, 0, OTHER_BUILD, (int)MIN(hello->length, 40),
                (const char *)body);
    return false;
}

void
mob_ask_begin(MobStream *stream, const char *version, const MobAsk *ask)
{
    put_hello(stream, version);
    put_ask(stream, ask);
}

bool
mob_ask_connect(const char *path, MobStream *stream, GError **error)
{
    int fd = connect_to(path, error);

    if (fd >= 0)
        mob_stream_init(stream, fd);
    return fd >= 0;
}

int
mob_ask_over(MobStream *stream, const char *version, const MobAsk *ask,
             void (*told)(void *data, MobTellKind kind, const char *text, size_t length),
             void *data, GError **error)
{
    MobFrame frame;
    const uint8_t *body;
    int code = -1;

    stream->frame_max = MOB_FRAME_MAX;
    mob_ask_begin(stream, version, ask);
    while (code < 0 && stream->state == MOB_STREAM_OPEN && !stream->garbage) {
        move(stream);
        while (code < 0 && mob_stream_next(stream, &frame, &body)) {
            if (frame.kind == MOB_FRAME_HELLO && !mob_ask_heard(&frame, body, version, error)) {
                mob_stream_clear(stream);
                return -1;
            }
            if (frame.kind == MOB_FRAME_TELL && frame.event < MOB_TELL_COUNT)
                told(data, (MobTellKind)frame.event, (const char *)body, frame.length);
            else if (frame.kind == MOB_FRAME_OVER)
                code = (int)MIN(frame.event, 255);
        }
    }
    if (code < 0)
        g_set_error(error, MOB_NET_ERROR, 0, "%s",
                    stream->garbage ? "what answers is no cluster of mobula"
                                    : "the cluster ended before it had answered");
    mob_stream_clear(stream);
    return code;
}
