/* cbor.h: writing and reading CBOR one item at a time.
 *
 * The bytes are libcbor's; this adds a growing buffer, a cursor that trusts
 * nothing, and the shortest-form and key-order rules of the core
 * deterministic encoding (RFC 8949, 4.2).
 */
#pragma once

#include "runtime/value.h"

enum {
    MOB_CBOR_HEAD_MAX = 9
};

typedef struct {
    GByteArray *bytes;
    GArray *refs;       /* of MobRef, owned */
    uint64_t unwritten; /* bytes that FILLs stand for */
} MobCborWriter;

void mob_cbor_init(MobCborWriter *writer);
void mob_cbor_clear(MobCborWriter *writer);
void mob_cbor_nil(MobCborWriter *writer);
void mob_cbor_bool(MobCborWriter *writer, bool value);
void mob_cbor_int(MobCborWriter *writer, int64_t value);
void mob_cbor_float(MobCborWriter *writer, double value);
/* Bytes that are UTF-8 become text, others a byte string. */
void mob_cbor_string(MobCborWriter *writer, const char *text, size_t length);
void mob_cbor_array(MobCborWriter *writer, size_t count);
void mob_cbor_map(MobCborWriter *writer, size_t count); /* the caller sorts the keys */
void mob_cbor_tag(MobCborWriter *writer, uint64_t tag);
void mob_cbor_ref(MobCborWriter *writer, const MobRef *ref);
/* @size within MOB_FILL_MAX, @fill below 2^63. */
void mob_cbor_fill(MobCborWriter *writer, uint64_t size, uint64_t fill);
/* Copies a whole value in as the next item, its FILLs as rules. */
void mob_cbor_value(MobCborWriter *writer, const MobValue *value);
/* Returns (transfer full) what was written and empties the writer for reuse. */
MobValue *mob_cbor_finish(MobCborWriter *writer, uint32_t fault);

typedef enum {
    MOB_CBOR_END, /* no more items, or what follows is not CBOR that we accept */
    MOB_CBOR_NIL,
    MOB_CBOR_BOOL,   /* number */
    MOB_CBOR_INT,    /* number */
    MOB_CBOR_DOUBLE, /* real */
    MOB_CBOR_STRING, /* text, length: a text or a byte string */
    MOB_CBOR_ARRAY,  /* length: so many items follow */
    MOB_CBOR_MAP,    /* length: so many pairs follow */
    MOB_CBOR_TAG,    /* number: one item follows */
} MobCborType;

typedef struct {
    MobCborType type;
    int64_t number;
    double real;
    const char *text; /* borrowed from the bytes that are read */
    uint64_t length;
} MobCborItem;

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;     /* stopped at bytes that are not acceptable */
    bool checked; /* texts are known to be UTF-8, as in every MobValue: not to be read again */
} MobCborReader;

/* Bytes that follow a rule. */
typedef struct {
    uint64_t size;
    uint64_t rule;
    const uint8_t *bytes; /* written out, borrowed; NULL: only the rule is there */
    const uint8_t *head;  /* of the number, or of the byte string in its place */
    size_t head_length;
} MobFill;

/* Reads the next item; a count is checked against the bytes that are left. */
MobCborItem mob_cbor_next(MobCborReader *reader);

/* After the tag MOB_CBOR_REF: fills @ref (its path is owned by the caller). */
bool mob_cbor_read_ref(MobCborReader *reader, MobRef *ref);
/* The same for a reader of bytes that were parsed before, to step over it. */
void mob_cbor_pass_ref(MobCborReader *reader);
/* After the tag MOB_CBOR_FILL. */
bool mob_cbor_read_fill(MobCborReader *reader, MobFill *fill);
/* The head that the other form of @fill has there; it is as long. */
void mob_fill_turn_head(const MobFill *fill, uint8_t head[MOB_CBOR_HEAD_MAX]);
/* Skips one whole item; false if it is not acceptable. */
bool mob_cbor_skip(MobCborReader *reader);
