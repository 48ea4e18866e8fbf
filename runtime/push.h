/* push.h: objects on their way from this machine to others.
 *
 * There is one push per object and node. It has a few pieces under way and
 * sends the next for each that is acknowledged; pushes share the number of
 * pieces, so that they share the wire and other messages get through between
 * them. A copy in memory is not evicted while it is pushed. Of a copy that is still
 * being collected here what has come is sent, and the rest as it comes; of one that
 * is on disk alone each piece is read when its turn comes, so it takes no room in
 * the store. A push ends when
 * all pieces are acknowledged, when the other side has enough, or when the
 * connection breaks; the other side then asks again.
 */
#pragma once

#include "runtime/process.h"
#include "runtime/pull.h"
#include "runtime/spill.h"

typedef struct MobPush MobPush;

typedef struct {
    MobTable *rows; /* object and node -> MobPush, owned */
    uint64_t numbers;
    MobSpills *spills; /* borrowed: who reads from disk */
} MobPushes;

void mob_pushes_init(MobPushes *pushes, MobSpills *spills);
void mob_pushes_clear(MobPushes *pushes);

/* What is pushed: @copy is sealed, in memory or on disk, or @fetch collects it. */
typedef struct {
    MobCopy *copy;
    const MobFetch *fetch; /* NULL: it is sealed */
    uint64_t offset;       /* what is before it need not be sent */
} MobPushed;

/* Does nothing if the push runs. */
void mob_pushes_start(MobPushes *pushes, MobStore *store, const MobConfig *config,
                      const MobPushed *what, MobNodeId to, MobOutbox *out);
/* More of @copy has come; all of it, if it is sealed now. */
void mob_pushes_go_on(MobPushes *pushes, const MobConfig *config, const MobCopy *copy,
                      MobOutbox *out);
void mob_pushes_on_received(MobPushes *pushes, MobStore *store, const MobConfig *config,
                            MobNodeId from, const MobChunkReceived *received, MobOutbox *out);
/* @piece of @copy was read for @job. */
void mob_pushes_on_read(MobPushes *pushes, const MobCopy *copy, const MobDiskJob *job,
                        const MobSlice *piece, MobOutbox *out);
/* Nothing goes to @node any more. */
void mob_pushes_drop_node(MobPushes *pushes, MobStore *store, MobNodeId node);
/* The copy is to go: whoever waits for the rest is told that it is not here. */
void mob_pushes_drop_object(MobPushes *pushes, MobStore *store, MobObjectId object, MobOutbox *out);
