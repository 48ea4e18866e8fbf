/* buf.h: memory: a flat byte buffer that grows, and zeroed blocks. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <string.h>

/* Zeroed memory for what is made and freed all the time; g_free() frees it.
 * g_new0() leads to glibc's calloc, which does not take the blocks that were
 * freed last, the ones that the cache still has. */
static inline void *
mob_zeroed(size_t size)
{
    void *block = g_malloc(size);

    if (size > 0)
        memset(block, 0, size);
    return block;
}

#define mob_new0(Type, count) ((Type *)mob_zeroed(sizeof(Type) * (count)))

struct MobPlaces;

typedef struct {
    uint8_t *data; /* owned */
    size_t length;
    size_t capacity;
    struct MobPlaces *places; /* borrowed: where large values stand instead, see msg.h; or NULL */
} MobBuf;

static inline void
mob_buf_clear(MobBuf *buf)
{
    g_free(buf->data);
    *buf = (MobBuf){0};
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MobBuf, mob_buf_clear)

/* Returns room for @size more bytes, which the caller fills in. */
static inline uint8_t *
mob_buf_grow(MobBuf *buf, size_t size)
{
    if (buf->capacity - buf->length < size) {
        buf->capacity = MAX(buf->capacity * 2, buf->length + size + 64);
        buf->data = g_realloc(buf->data, buf->capacity);
    }
    uint8_t *room = buf->data + buf->length;
    buf->length += size;
    return room;
}

static inline void
mob_buf_add(MobBuf *buf, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(mob_buf_grow(buf, size), bytes, size);
}
