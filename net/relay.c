/* relay.c: what processes report to whoever looks on at the head's machine.
 *
 * A process of another machine connects to a socket of its own machine, as if
 * somebody looked on there. Its daemon opens a connection to the head's daemon,
 * and that one a connection to whoever looks on: one chain for each process, so
 * what one process tells stays in order, and nobody in between reads it. If
 * one end goes, so does the other.
 */
#include "net/mesh.h"

#include <sys/socket.h>
#include <unistd.h>

#include "net/door.h"
#include "net/tcp.h"
#include "runtime/str.h"

enum {
    READ_MOST = 1 << 20,
    HELD_MOST = 4 << 20, /* so much may wait for the one who does not read */
};

typedef struct {
    MobInterest interest; /* must be first; fd -1: not in the loop */
    MobRelay *relay;
    MobStream stream;
} End;

struct MobRelay {
    MobMesh *mesh;
    MobMeet *meet; /* owned; there, until it is done … */
    uint64_t late; /* … or it is that time */
    End here;
    End there;
};

static size_t
held(const MobStream *stream)
{
    return stream->out.length - stream->out_at;
}

void
mob_relay_free(void *data)
{
    MobRelay *relay = data;
    MobLoop *loop = relay->mesh->host->loop;

    g_ptr_array_remove(relay->mesh->relays, relay);
    if (relay->here.interest.fd >= 0)
        mob_loop_remove(loop, &relay->here.interest);
    if (relay->there.interest.fd >= 0)
        mob_loop_remove(loop, &relay->there.interest);
    mob_meet_free(relay->meet);
    mob_stream_clear(&relay->here.stream);
    mob_stream_clear(&relay->there.stream);
    g_free(relay);
}

/* Bytes as they come: frames are not looked at. */
static void
pour(MobStream *from, MobStream *into)
{
    if (held(into) < HELD_MOST)
        mob_stream_read(from, READ_MOST);
    mob_buf_add(&into->out, from->in.data + from->in_at, from->in.length - from->in_at);
    from->in_at = from->in.length;
    mob_stream_flush(into);
}

static void
wait_for(End *end, const End *other)
{
    uint32_t events = (held(&other->stream) < HELD_MOST ? EPOLLIN : 0) |
                      (mob_stream_has_output(&end->stream) ? EPOLLOUT : 0);

    mob_loop_change(end->relay->mesh->host->loop, &end->interest, events);
}

static void
go_on(MobRelay *relay)
{
    End *here = &relay->here;
    End *there = &relay->there;

    pour(&here->stream, &there->stream);
    pour(&there->stream, &here->stream);
    if (here->stream.state != MOB_STREAM_OPEN || there->stream.state != MOB_STREAM_OPEN) {
        mob_relay_free(relay);
        return;
    }
    wait_for(here, there);
    wait_for(there, here);
}

static void
on_end(MobInterest *interest, uint32_t events)
{
    MobRelay *relay = ((End *)interest)->relay;

    (void)events;
    go_on(relay);
}

static void
add(End *end, uint32_t events, void (*ready)(MobInterest *, uint32_t), int fd)
{
    end->interest = (MobInterest){.fd = fd, .events = events, .ready = ready};
    mob_loop_add(end->relay->mesh->host->loop, &end->interest);
}

/* Each costs two descriptors and what waits for the one who does not read. */
static bool
has_room(MobMesh *mesh)
{
    if (mesh->relays->len < MOB_RELAYS_MAX)
        return true;
    mob_mesh_say(mesh,
                 "more than %d connections go through here to whoever looks on; the new "
                 "one is closed",
                 MOB_RELAYS_MAX);
    return false;
}

static MobRelay *
relay_new(MobMesh *mesh)
{
    MobRelay *relay = g_new0(MobRelay, 1);

    relay->mesh = mesh;
    relay->here.relay = relay->there.relay = relay;
    relay->here.interest.fd = relay->there.interest.fd = -1;
    relay->here.stream.fd = relay->there.stream.fd = -1;
    g_ptr_array_add(mesh->relays, relay);
    return relay;
}

void
mob_relay_start(MobMesh *mesh, MobStream *here, MobStream *there)
{
    if (!has_room(mesh)) {
        mob_stream_clear(here);
        mob_stream_clear(there);
        return;
    }
    MobRelay *relay = relay_new(mesh);
    relay->here.stream = *here;
    relay->there.stream = *there;
    relay->here.stream.frame_max = relay->there.stream.frame_max = MOB_FRAME_MAX;
    add(&relay->here, EPOLLIN, on_end, here->fd);
    add(&relay->there, EPOLLIN, on_end, there->fd);
    go_on(relay);
}

/* --- the machine that reports --- */

static void
meet_on(MobRelay *relay)
{
    MobMeetState state = mob_meet_step(relay->meet);
    End *there = &relay->there;

    if (state == MOB_MEET_MORE && mob_clock_real() >= relay->late) {
        mob_meet_late(relay->meet);
        state = MOB_MEET_FAILED;
    }
    if (state == MOB_MEET_MORE) {
        mob_loop_change(relay->mesh->host->loop, &there->interest, mob_meet_events(relay->meet));
        return;
    }
    if (state != MOB_MEET_DONE) {
        mob_mesh_say(relay->mesh, "reports do not arrive: %s", mob_meet_why(relay->meet));
        mob_relay_free(relay);
        return;
    }
    mob_meet_take(relay->meet, &there->stream);
    g_clear_pointer(&relay->meet, mob_meet_free);
    there->interest.ready = on_end;
    add(&relay->here, EPOLLIN, on_end, relay->here.stream.fd);
    go_on(relay);
}

static void
on_meeting(MobInterest *interest, uint32_t events)
{
    (void)events;
    meet_on(((End *)interest)->relay);
}

uint64_t
mob_relays_look(MobMesh *mesh)
{
    uint64_t next = UINT64_MAX;
    uint64_t now = mob_clock_real();

    for (guint i = mesh->relays->len; i > 0; i--) {
        MobRelay *relay = g_ptr_array_index(mesh->relays, i - 1);
        if (relay->meet != NULL && now < relay->late)
            next = MIN(next, relay->late);
        else if (relay->meet != NULL)
            meet_on(relay);
    }
    return next;
}

static void
on_process(MobInterest *interest, uint32_t events)
{
    MobMesh *mesh = interest->data;
    const MobSite *head = mob_roster_get(&mesh->roster, mesh->head_node)->site;
    int fd;

    (void)events;
    while ((fd = mob_door_next(interest->fd, NULL)) >= 0) {
        int there =
            has_room(mesh) ? mob_tcp_connect(mob_str(head->host), (uint16_t)head->port) : -1;
        if (there < 0) {
            close(fd);
            continue;
        }
        MobRelay *relay = relay_new(mesh);
        mob_stream_init(&relay->here.stream, fd);
        relay->here.stream.frame_max = MOB_FRAME_MAX;
        relay->meet = mob_mesh_approach(mesh, head, there, MOB_MEET_RELAY);
        relay->late = mob_clock_real() + MOB_MEET_TIME;
        mob_lines_look_by(mesh->host, relay->late);
        add(&relay->there, EPOLLOUT, on_meeting, there);
    }
}

bool
mob_relay_listen(MobMesh *mesh, MobNetHost *host)
{
    g_autoptr(GError) error = NULL;
    int fd = mob_door_open(mesh->reports_path, SOMAXCONN, &error);

    if (fd < 0) {
        g_printerr("mobula: %s\n", error->message);
        return false;
    }
    mesh->reports = (MobInterest){.fd = fd, .events = EPOLLIN, .ready = on_process, .data = mesh};
    mob_loop_add(host->loop, &mesh->reports);
    return true;
}
