/* stream.h: frames over a non-blocking socket, in both directions.
 *
 * What is to be sent is gathered and leaves with one write a round. What has
 * not left piles up to a bound, after which the stream counts as lost: a peer
 * that does not read must not take our memory. Nothing here blocks.
 */
#pragma once

#include <sys/types.h>

#include "net/frame.h"
#include "net/pass.h"

typedef enum {
    MOB_STREAM_OPEN,
    MOB_STREAM_ENDED, /* the other end has closed; what was read before is still good */
    MOB_STREAM_LOST,  /* an error, or the bound was passed */
} MobStreamState;

/* What a stream goes through on its way to the socket: TLS, see tls.h. Both
 * functions are like recv() and send() on a non-blocking socket. */
typedef struct {
    ssize_t (*read)(void *session, uint8_t *into, size_t room);
    /* @backlog: how much it has taken that has not left; nothing more is given
     * to it then but NULL, to try again. */
    ssize_t (*write)(void *session, const uint8_t *data, size_t length, size_t *backlog);
    void (*free)(void *session);
} MobStreamVia;

typedef struct {
    int fd;                  /* owned; -1: none */
    const MobStreamVia *via; /* NULL: the socket itself */
    void *session;           /* owned */
    size_t backlog;
    MobStreamState state;
    MobBuf in;
    size_t in_at; /* read so far by mob_stream_next() */
    MobBuf out;
    size_t out_at;      /* written so far */
    size_t out_max;     /* the bound */
    uint32_t frame_max; /* the longest body that is believed */
    bool garbage;       /* what came was no frame */
    MobPass pass;
} MobStream;

/* Takes @fd, which becomes non-blocking. */
void mob_stream_init(MobStream *stream, int fd);
/* From now on it goes through @via; takes @session. */
void mob_stream_wrap(MobStream *stream, const MobStreamVia *via, void *session);
void mob_stream_clear(MobStream *stream);

static inline bool
mob_stream_has_output(const MobStream *stream)
{
    return stream->out.length > stream->out_at || stream->backlog > 0;
}

static inline bool
mob_stream_has_input(const MobStream *stream)
{
    return stream->in.length > stream->in_at || stream->state != MOB_STREAM_OPEN;
}

/* Reads what is there, up to about @most bytes. A peer whose longest frame is
 * FRAME_STRANGER_MAX gets no more memory than one of those takes. */
void mob_stream_read(MobStream *stream, size_t most);
/* The next whole frame and its body, which is good until the next read or
 * NULL; false if there is none. */
bool mob_stream_next(MobStream *stream, MobFrame *frame, const uint8_t **body);

/* Appends a frame with a body that is there already. */
void mob_stream_put(MobStream *stream, const MobFrame *frame, const void *body, size_t length);
/* The next frame that is put takes @fd along, which stays the caller's. */
static inline void
mob_stream_put_fd(MobStream *stream, int fd)
{
    mob_pass_put(&stream->pass, fd, stream->out.length - stream->out_at);
}
/* Writes what the socket takes. */
void mob_stream_flush(MobStream *stream);
