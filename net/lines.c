/* lines.c: the sockets of a process: how one is opened, read and closed. Who is
 * at the other end, and what is said, is the business of peers.c; see inside.h.
 */
#include "net/mesh.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/door.h"

enum {
    BACKLOG = 4096,
    READ_MOST = 4 << 20, /* a round: others wait too */
    TRIES = 4,           /* of the line that was heard last, for each look at all of them */
};

#define STRANGER_TIME MOB_MEET_TIME
/* So long at most two talk before the others are looked at. */
#define LOOK_TIME (50 * MOB_US)
/* A process that ends closes all its lines at once, or nearly so. */
#define ENDING_TIME (20 * MOB_MS)

void
mob_lines_look_by(MobNetHost *host, uint64_t when)
{
    host->look_at = MIN(host->look_at, when);
}

void
mob_line_free(void *data)
{
    MobLine *line = data;

    mob_meet_free(line->meet);
    mob_stream_clear(&line->stream);
    g_free(line);
}

void
mob_line_touch(MobLine *line)
{
    if (line->meet != NULL && line->stream.out.length > line->stream.out_max)
        mob_line_close(line);
    if (line->dirty || line->closed || line->meet != NULL)
        return;
    line->dirty = true;
    g_ptr_array_add(line->host->dirty, line);
}

void
mob_line_hello(MobLine *line)
{
    MobFrame hello = {.kind = MOB_FRAME_HELLO,
                      .from = line->host->address,
                      .clock = mob_clock_stamp(&line->host->clock),
                      .event = mob_schema_hash()};

    mob_stream_put(&line->stream, &hello, NULL, 0);
    mob_line_touch(line);
}

int
mob_line_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

void
mob_line_close(MobLine *line)
{
    MobNetHost *host = line->host;
    MobPeer *peer = line->peer;

    if (line->closed)
        return;
    line->closed = true;
    if (host->heard == line)
        host->heard = NULL;
    if (host->urgent == line)
        host->urgent = NULL;
    mob_loop_remove(host->loop, &line->interest);
    if (line->dirty)
        g_ptr_array_remove(host->dirty, line);
    if (line->kind == MOB_LINE_CONTROLLER)
        mob_look_gone(host);
    if (line->stream.fd >= 0)
        close(line->stream.fd);
    line->stream.fd = -1;
    g_clear_pointer(&line->meet, mob_meet_free);
    if (peer == NULL)
        return;
    if (peer->out == line)
        peer->out = NULL;
    if (peer->in == line)
        peer->in = NULL;
    if (peer->in == NULL && peer->out == NULL)
        mob_peers_reset(host, peer);
    else
        mob_lines_look_by(host, peer->ending = mob_clock_real() + ENDING_TIME);
}

/* --- reading --- */

static void
read_frames(MobLine *line)
{
    MobFrame frame;
    const uint8_t *body;

    while (!line->closed && mob_stream_next(&line->stream, &frame, &body)) {
        if (line->kind == MOB_LINE_CONTROLLER)
            mob_look_frame(line->host, &frame, body);
        else if (line->kind == MOB_LINE_ZYGOTE)
            mob_daemon_frame(line->host, &frame);
        else if (line->kind == MOB_LINE_IN)
            mob_peers_frame(line, &frame, body);
    }
}

void
mob_line_drain(MobLine *line)
{
    mob_stream_read(&line->stream, READ_MOST);
    read_frames(line);
}

/* It is over if what came says so. */
static void
review(MobLine *line)
{
    if (line->closed)
        return;
    if (line->stream.garbage) {
        g_printerr("mobula: %s: what came over a connection is no frame; it is closed\n",
                   mob_str(line->host->birth->name));
        mob_line_close(line);
    } else if (line->stream.state != MOB_STREAM_OPEN) {
        mob_line_close(line);
    }
}

static void
on_line(MobInterest *interest, uint32_t events)
{
    MobLine *line = (MobLine *)interest;

    if (line->meet != NULL) {
        mob_mesh_meet(line, false);
        return;
    }
    if (events & EPOLLOUT)
        mob_line_touch(line);
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        if (line->kind == MOB_LINE_IN && line->peer != NULL)
            line->host->heard = line;
        mob_line_drain(line);
    }
    review(line);
}

/* --- awake --- */

/* To read is to see whether anything is there, and saves a call if it is. */
static bool
has_come(MobLine *line)
{
    size_t before = line->stream.in.length - line->stream.in_at;

    mob_stream_read(&line->stream, READ_MOST);
    return line->stream.in.length - line->stream.in_at > before ||
           line->stream.state != MOB_STREAM_OPEN;
}

/* The others are looked at every time, so that none waits longer than the
 * others talk. */
bool
mob_lines_spin(MobNetHost *host, uint64_t time)
{
    uint64_t until = mob_clock_real() + time;
    bool come = false;

    do {
        for (int i = 0; !come && i < TRIES && host->heard != NULL; i++)
            come = has_come(host->heard);
        if (come && mob_clock_real() < host->looked + LOOK_TIME)
            return true;
        host->looked = mob_clock_real();
        come |= mob_loop_poll(host->loop, 0) > 0;
    } while (!come && host->looked < until);
    return come;
}

void
mob_lines_act(MobNetHost *host)
{
    MobLine *line = host->heard;

    if (line != NULL && mob_stream_has_input(&line->stream)) {
        read_frames(line);
        review(line);
    }
    mob_loop_act(host->loop);
}

MobLine *
mob_line_new(MobNetHost *host, int fd, MobLineKind kind, MobPeer *peer)
{
    MobLine *line = g_new0(MobLine, 1);

    mob_stream_init(&line->stream, fd);
    if (kind != MOB_LINE_IN)
        line->stream.frame_max = MOB_FRAME_MAX;
    line->host = host;
    line->kind = kind;
    line->peer = peer;
    line->since = mob_clock_real();
    line->interest = (MobInterest){.fd = fd, .events = EPOLLIN | EPOLLRDHUP, .ready = on_line};
    mob_loop_add(host->loop, &line->interest);
    g_ptr_array_add(host->lines, line);
    mob_lines_look_by(host, line->since + STRANGER_TIME);
    return line;
}

/* --- listening --- */

static void
on_listener(MobInterest *interest, uint32_t events)
{
    MobNetHost *host = interest->data;
    int fd;

    (void)events;
    while ((fd = mob_door_next(interest->fd, NULL)) >= 0)
        mob_line_new(host, fd, MOB_LINE_IN, NULL);
}

bool
mob_peers_listen(MobNetHost *host, GError **error)
{
    g_autofree char *path = mob_birth_socket(host->birth, host->address);

    host->look_at = MOB_TIME_NEVER;
    host->peers = mob_table_new();
    host->lines = g_ptr_array_new_with_free_func(mob_line_free);
    host->dirty = g_ptr_array_new();
    host->resets = g_ptr_array_new();
    g_queue_init(&host->self);
    host->listener.fd = -1;
    int fd = mob_door_open(path, BACKLOG, error);
    if (fd < 0)
        return false;
    host->listener = (MobInterest){.fd = fd, .events = EPOLLIN, .ready = on_listener, .data = host};
    mob_loop_add(host->loop, &host->listener);
    return true;
}

/* --- what is overdue --- */

/* Lines that are overdue: strangers who say nothing, peers that are half gone. */
void
mob_lines_look(MobNetHost *host)
{
    uint64_t now = mob_clock_read(&host->clock);

    if (now < host->look_at)
        return;
    host->look_at = host->mesh != NULL ? mob_relays_look(host->mesh) : MOB_TIME_NEVER;
    for (guint i = 0; i < host->lines->len; i++) {
        MobLine *line = g_ptr_array_index(host->lines, i);
        MobPeer *peer = line->peer;
        if (line->closed)
            continue;
        if (line->meet != NULL || (line->kind == MOB_LINE_IN && peer == NULL)) {
            if (now >= line->since + STRANGER_TIME && line->meet != NULL)
                mob_mesh_meet(line, true);
            else if (now >= line->since + STRANGER_TIME)
                mob_line_close(line);
            else
                mob_lines_look_by(host, line->since + STRANGER_TIME);
        } else if (peer != NULL && peer->ending != 0) {
            if (now >= peer->ending)
                mob_peers_reset(host, peer);
            else
                mob_lines_look_by(host, peer->ending);
        }
    }
}
