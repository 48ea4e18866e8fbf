/* kinds.h: what can be done with a field, by its kind; for codecs alone.
 *
 * The wire form is little-endian and without padding; texts, values and lists
 * begin with a 32-bit count. A count is checked against the bytes that are
 * left before anything is allocated for it.
 */
#pragma once

#include "runtime/msg.h"

/* A cursor over bytes from outside. After a failure nothing more is read. */
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
    MobWireError error;
    const char *problem; /* static; NULL: the bytes end too early */
    MobPlaces *places;   /* borrowed; NULL: every value is there */
    MobTexts *texts;     /* borrowed; NULL: every text is made */
    uint32_t text_count; /* so many were read */
} MobWire;

typedef struct {
    void (*put)(const void *field, MobBuf *into);
    void (*get)(MobWire *from, void *field); /* the field is zero before */
    void (*print)(const void *field, GString *into);
} MobKindInfo;

const MobKindInfo *mob_kind_info(MobKind kind);

#define KIND(name, ctype, doc)                                                                     \
    void mob_kind_put_##name(const void *field, MobBuf *into);                                     \
    void mob_kind_get_##name(MobWire *from, void *field);                                          \
    void mob_kind_print_##name(const void *field, GString *into);
#include "runtime/kinds.def"

/* Marks the bytes as something that no peer of ours would send. */
void mob_wire_refuse(MobWire *wire, const char *problem);

/* Returns @size readable bytes, or NULL after marking the wire. */
static inline const uint8_t *
mob_wire_take(MobWire *wire, size_t size)
{
    if (G_UNLIKELY((size_t)(wire->end - wire->at) < size || wire->failed)) {
        if (!wire->failed)
            wire->error = MOB_WIRE_ERROR_TRUNCATED;
        wire->failed = true;
        return NULL;
    }
    const uint8_t *bytes = wire->at;
    wire->at += size;
    return bytes;
}

/* Reads a count of things of which each takes at least @least bytes; 0 after
 * a failure. */
uint32_t mob_wire_count(MobWire *from, size_t least);
/* Whether the whole of the @size bytes was @what; if not @error says why not. */
bool mob_wire_is_done(const MobWire *wire, const char *what, size_t size, GError **error);

/* The fields of a record or message, one after the other. */
void mob_fields_put(const MobMsgInfo *info, const void *from, MobBuf *into);
void mob_fields_get(const MobMsgInfo *info, MobWire *from, void *into);
/* Clears every field of a record. */
void mob_record_clear(MobRecord record, void *from);
