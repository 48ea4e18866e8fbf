/* frame.h: what goes over a socket: frames, each a header and a body.
 *
 *     0   length of the body        u32, little-endian like all of it
 *     4   kind                      u8
 *     5   flags                     u8
 *     6   zero                      u16
 *     8   from, to                  two addresses of 8 bytes
 *     24  clock                     u64: hybrid clock of the sender's event
 *     32  event                     u64: the number of that event at the sender
 *
 * A length is believed only up to the bound that its sender has earned: a
 * peer that has not said who it is may send FRAME_STRANGER_MAX bytes.
 */
#pragma once

#include "runtime/buf.h"
#include "runtime/ids.h"

typedef enum {
#define FRAME(CONSTANT, doc) MOB_FRAME_##CONSTANT,
#include "net/frames.def"
    MOB_FRAME_COUNT,
} MobFrameKind;

enum {
    MOB_FRAME_HEADER = 40,
    MOB_FRAME_STRANGER_MAX = 4096,
    MOB_FRAME_MAX = 64 << 20,
};

/* Bits of flags. */
enum {
    MOB_FRAME_LOSE_REPLY = 1, /* handled, then the connection breaks: an rpc fault */
    MOB_FRAME_STRAY = 2,      /* its connection is broken already; it is handled all the same */
};

typedef struct {
    uint32_t length;
    MobFrameKind kind;
    uint8_t flags;
    MobAddress from;
    MobAddress to;
    uint64_t clock;
    uint64_t event;
} MobFrame;

const char *mob_frame_name(MobFrameKind kind);

/* Begins a frame at the end of @into; what is appended until mob_frame_end()
 * is its body. Returns where it begins. */
size_t mob_frame_begin(MobBuf *into, const MobFrame *frame);
void mob_frame_end(MobBuf *into, size_t begin);

/* Reads the header at @data, of which MOB_FRAME_HEADER bytes are there. False
 * if no peer of ours would send it. */
bool mob_frame_read(const uint8_t *data, uint32_t length_max, MobFrame *frame);
