/* frame.c: see frame.h. */
#include "net/frame.h"

static const char *const names[MOB_FRAME_COUNT] = {
#define FRAME(CONSTANT, doc) #CONSTANT,
#include "net/frames.def"
};

const char *
mob_frame_name(MobFrameKind kind)
{
    return kind < MOB_FRAME_COUNT ? names[kind] : "?";
}

static void
put32(uint8_t *at, uint32_t word)
{
    word = GUINT32_TO_LE(word);
    memcpy(at, &word, sizeof word);
}

static void
put64(uint8_t *at, uint64_t word)
{
    word = GUINT64_TO_LE(word);
    memcpy(at, &word, sizeof word);
}

static uint32_t
get32(const uint8_t *at)
{
    uint32_t word;

    memcpy(&word, at, sizeof word);
    return GUINT32_FROM_LE(word);
}

static uint64_t
get64(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return GUINT64_FROM_LE(word);
}

size_t
mob_frame_begin(MobBuf *into, const MobFrame *frame)
{
    size_t begin = into->length;
    uint8_t *at = mob_buf_grow(into, MOB_FRAME_HEADER);

    put32(at, frame->length);
    at[4] = (uint8_t)frame->kind;
    at[5] = frame->flags;
    at[6] = at[7] = 0;
    put32(at + 8, frame->from.node);
    put32(at + 12, frame->from.local);
    put32(at + 16, frame->to.node);
    put32(at + 20, frame->to.local);
    put64(at + 24, frame->clock);
    put64(at + 32, frame->event);
    return begin;
}

void
mob_frame_end(MobBuf *into, size_t begin)
{
    put32(into->data + begin, (uint32_t)(into->length - begin - MOB_FRAME_HEADER));
}

bool
mob_frame_read(const uint8_t *data, uint32_t length_max, MobFrame *frame)
{
    *frame = (MobFrame){
        .length = get32(data),
        .kind = (MobFrameKind)data[4],
        .flags = data[5],
        .from = {get32(data + 8), get32(data + 12)},
        .to = {get32(data + 16), get32(data + 20)},
        .clock = get64(data + 24),
        .event = get64(data + 32),
    };
    return frame->length <= length_max && data[4] < MOB_FRAME_COUNT && data[6] == 0 && data[7] == 0;
}
