/* push.h: objects on their way from this machine to others.
 *
 * There is one push per object and node. It has a few pieces under way and
 * sends the next for each that is acknowledged; pushes share the number of
 * pieces, so that they share the wire and other messages get through between
 * them. The copy is not evicted while it is pushed. A push ends when
 * all pieces are acknowledged, when the other side has enough, or when the
 * connection breaks; the other side then asks again.
 */
#pragma once

#include "runtime/process.h"
#include "runtime/store.h"

typedef struct MobPush MobPush;

typedef struct {
    MobTable *rows; /* object and node -> MobPush, owned */
    uint64_t numbers;
} MobPushes;

void mob_pushes_init(MobPushes *pushes);
void mob_pushes_clear(MobPushes *pushes);

/* @copy is sealed. Does nothing if the push runs. */
void mob_pushes_start(MobPushes *pushes, MobStore *store, const MobConfig *config, MobCopy *copy,
                      MobNodeId to, MobOutbox *out);
void mob_pushes_on_received(MobPushes *pushes, MobStore *store, const MobConfig *config,
                            MobNodeId from, const MobChunkReceived *received, MobOutbox *out);
/* Nothing goes to @node any more. */
void mob_pushes_drop_node(MobPushes *pushes, MobStore *store, MobNodeId node);
/* The copy is to go: whoever waits for the rest is told that it is not here. */
void mob_pushes_drop_object(MobPushes *pushes, MobStore *store, MobObjectId object, MobOutbox *out);
