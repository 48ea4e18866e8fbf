/* stream.c: see stream.h. */
#include "net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    OUT_MAX = 256 << 20,
    READ_SIZE = 256 << 10,
    KEEP = 1 << 20, /* a larger buffer is given back when it is hardly used any more */
};

void
mob_stream_init(MobStream *stream, int fd)
{
    *stream = (MobStream){.fd = fd, .out_max = OUT_MAX, .frame_max = MOB_FRAME_STRANGER_MAX};
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void
mob_stream_wrap(MobStream *stream, const MobStreamVia *via, void *session)
{
    stream->via = via;
    stream->session = session;
}

void
mob_stream_clear(MobStream *stream)
{
    if (stream->via != NULL)
        stream->via->free(stream->session);
    if (stream->fd >= 0)
        close(stream->fd);
    mob_buf_clear(&stream->in);
    mob_buf_clear(&stream->out);
    mob_pass_clear(&stream->pass);
    *stream = (MobStream){.fd = -1, .state = MOB_STREAM_LOST};
}

/* Moves what is left to the front. A large buffer stays while it is filled again
 * and again, as by the chunks of an object: fresh memory would cost a page
 * fault every 4 KiB. */
static void
compact(MobBuf *buf, size_t *at)
{
    size_t left = buf->length - *at;

    if (left == 0 && buf->capacity > KEEP && buf->length < buf->capacity / 8 && buf->length > 0) {
        mob_buf_clear(buf);
    } else if (*at > 0) {
        memmove(buf->data, buf->data + *at, left);
        buf->length = left;
    }
    *at = 0;
}

/* The size of the frame at the front; 0: not known yet. */
static size_t
front(const MobStream *stream)
{
    MobFrame frame;

    if (stream->in.length - stream->in_at < MOB_FRAME_HEADER ||
        !mob_frame_read(stream->in.data + stream->in_at, stream->frame_max, &frame))
        return 0;
    return MOB_FRAME_HEADER + (size_t)frame.length;
}

/* How much the frame at the front still lacks, so that one read may bring it. */
static size_t
lacking(const MobStream *stream)
{
    size_t want = front(stream);
    size_t have = stream->in.length - stream->in_at;

    return want > have ? want - have : 0;
}

/* A large frame is there: to read on would only mean to move what comes behind it. */
static bool
has_large(const MobStream *stream)
{
    size_t want = front(stream);

    return want >= READ_SIZE && stream->in.length - stream->in_at >= want;
}

static size_t
room_for(const MobStream *stream)
{
    size_t most = MOB_FRAME_HEADER + MOB_FRAME_STRANGER_MAX;

    if (stream->frame_max > MOB_FRAME_STRANGER_MAX)
        return MAX((size_t)READ_SIZE, lacking(stream));
    return most > stream->in.length ? most - stream->in.length : 0;
}

static ssize_t
pull(MobStream *stream, uint8_t *into, size_t room)
{
    return stream->via == NULL ? mob_pass_recv(&stream->pass, stream->fd, into, room)
                               : stream->via->read(stream->session, into, room);
}

static ssize_t
push(MobStream *stream, const uint8_t *data, size_t length)
{
    return stream->via == NULL
               ? mob_pass_send(&stream->pass, stream->fd, data, length)
               : stream->via->write(stream->session, data, length, &stream->backlog);
}

void
mob_stream_read(MobStream *stream, size_t most)
{
    size_t taken = 0;

    compact(&stream->in, &stream->in_at);
    while (stream->state == MOB_STREAM_OPEN && taken < most) {
        size_t room = room_for(stream);
        if (room == 0)
            return;
        uint8_t *at = mob_buf_grow(&stream->in, room);
        ssize_t got = pull(stream, at, room);
        stream->in.length -= room - (got > 0 ? (size_t)got : 0);
        if (got == 0)
            stream->state = MOB_STREAM_ENDED;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno != EAGAIN)
            stream->state = MOB_STREAM_LOST;
        if (got <= 0)
            return;
        taken += (size_t)got;
        if ((size_t)got < room && stream->via == NULL)
            return; /* there was no more; asking again would cost a call */
        if (has_large(stream))
            return;
    }
}

/* Whether its first four bytes say already that no frame of ours will come. */
static bool
is_too_long(const MobStream *stream)
{
    uint32_t length;

    memcpy(&length, stream->in.data + stream->in_at, sizeof length);
    return GUINT32_FROM_LE(length) > stream->frame_max;
}

bool
mob_stream_next(MobStream *stream, MobFrame *frame, const uint8_t **body)
{
    size_t have = stream->in.length - stream->in_at;
    const uint8_t *at = stream->in.data + stream->in_at;

    if (have < sizeof(uint32_t) || stream->garbage)
        return false;
    if (is_too_long(stream))
        stream->garbage = true;
    if (have < MOB_FRAME_HEADER || stream->garbage)
        return false;
    if (!mob_frame_read(at, stream->frame_max, frame)) {
        stream->garbage = true;
        return false;
    }
    if (have - MOB_FRAME_HEADER < frame->length)
        return false;
    *body = at + MOB_FRAME_HEADER;
    stream->in_at += MOB_FRAME_HEADER + (size_t)frame->length;
    return true;
}

void
mob_stream_put(MobStream *stream, const MobFrame *frame, const void *body, size_t length)
{
    size_t begin = mob_frame_begin(&stream->out, frame);

    mob_buf_add(&stream->out, body, length);
    mob_frame_end(&stream->out, begin);
}

void
mob_stream_flush(MobStream *stream)
{
    while (stream->state == MOB_STREAM_OPEN && mob_stream_has_output(stream)) {
        size_t left = stream->out.length - stream->out_at;
        ssize_t sent = push(stream, left > 0 ? stream->out.data + stream->out_at : NULL, left);
        if (sent >= 0) {
            stream->out_at += (size_t)sent;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            stream->state = MOB_STREAM_LOST;
        break;
    }
    if (!mob_stream_has_output(stream) || stream->out_at > stream->out.length / 4 * 3)
        compact(&stream->out, &stream->out_at);
    if (stream->out.length - stream->out_at > stream->out_max)
        stream->state = MOB_STREAM_LOST;
}
