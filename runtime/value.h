/* value.h: what tasks take and return.
 *
 * A value is CBOR (RFC 8949, core deterministic encoding), immutable and
 * reference counted. Three tags are ours:
 *
 *     tag MOB_CBOR_REF   [task(16 bytes), index, owner node, owner local, path]
 *     tag MOB_CBOR_FILL  [n, fill]: n bytes that follow a rule and need not exist,
 *                        or [the n bytes, fill]: the same, written out
 *     tag MOB_CBOR_ERROR {…}: an error with its causes, see fault.h
 *
 * m.bytes(n) makes a FILL, so a simulated gigabyte costs a few words: @length
 * is what is stored here and @size is what the value would weigh on a wire or
 * in a store. Where there is a real store, the bytes are written into it: a byte
 * string then stands where the number was. Its head is as long as the number's,
 * so a value that is written out has @length equal to @size.
 *
 * The hash covers the encoding with every FILL as its rule. So hash and size
 * name a value, in whichever form it is, and @length says how much of it is
 * here. Who writes a value out vouches that the bytes are those of the rule:
 * nobody who reads them compares.
 *
 * The bytes of a value follow it in memory, or lie elsewhere, such as in a
 * store that several processes map, and are given back when the last
 * reference is gone.
 *
 * @refs lists the references nested in the value, in the order in which they
 * stand in it: what a process has to register with their owners when it
 * unpacks the value.
 */
#pragma once

#include "runtime/ids.h"
#include "runtime/str.h"

enum {
    MOB_CBOR_REF = 27100,
    MOB_CBOR_FILL = 27101,
    MOB_CBOR_ERROR = 27102,
    MOB_VALUE_DEPTH_MAX = 64,
    MOB_INLINE_MAX = 100 * 1024,             /* Ray: max_direct_call_object_size */
    MOB_INLINE_TOTAL_MAX = 10 * 1024 * 1024, /* Ray: task_rpc_inlined_bytes_limit */
};

/* All the FILLs of one value together stand for at most so many bytes. */
#define MOB_FILL_MAX (UINT64_C(1) << 60)

/* A reference as it travels: an object, who owns it, and what people call it. */
typedef struct {
    MobObjectId id;
    MobAddress owner;
    MobStr *path; /* owned by whoever holds the MobRef */
} MobRef;

typedef struct {
    uint32_t refs_held; /* reference count */
    uint32_t length;    /* of bytes */
    uint64_t size;      /* as it would be with every FILL written out */
    uint64_t hash;
    uint32_t fault; /* MobFaultKind if this is an error, else 0 */
    uint32_t ref_count;
    MobRef *refs;         /* owned */
    const uint8_t *bytes; /* behind the struct, or where a MobHold, which is there then, says */
} MobValue;

/* Who is told that bytes are no longer looked at. */
typedef struct {
    void (*release)(void *data);
    void *data;
} MobHold;

/* Where the bytes of a value are collected, if others are to see them there.
 * Returns room for @size bytes and in @hold who is told when it is not needed
 * any more; NULL: there is none to be had. */
typedef struct {
    uint8_t *(*take)(void *data, uint64_t size, MobHold *hold); /* NULL: any memory will do */
    void *data;
} MobRoom;

/* Returns a value that holds a copy of @bytes and takes @refs (an array made
 * with g_new, and the paths in it; NULL when there are none). @size is at
 * least @length. */
MobValue *mob_value_new(const uint8_t *bytes, uint32_t length, uint64_t size, MobRef *refs,
                        uint32_t ref_count, uint32_t fault);

/* The same for bytes that stay where they are and do not change until @hold is
 * told that the last reference to the value is gone. */
MobValue *mob_value_borrow(const uint8_t *bytes, uint32_t length, uint64_t size, MobRef *refs,
                           uint32_t ref_count, uint32_t fault, MobHold hold);

/* The CBOR value null. */
MobValue *mob_value_nil(void);

static inline MobValue *
mob_value_ref(MobValue *value)
{
    if (value != NULL)
        value->refs_held++;
    return value;
}

void mob_value_unref(MobValue *value);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobValue, mob_value_unref)

/* Who is told, or NULL if the bytes of @value are its own. */
static inline const MobHold *
mob_value_hold(const MobValue *value)
{
    const void *behind = value + 1;

    return value->bytes != behind ? behind : NULL;
}

/* Checks bytes from outside: well-formed CBOR in one piece, depth and counts
 * within limits, our tags in their shapes; finds size, refs and fault.
 * Returns (transfer full) the value, or NULL with MOB_VALUE_ERROR. */
#define MOB_VALUE_ERROR (g_quark_from_static_string("mob-value-error"))
MobValue *mob_value_parse(const uint8_t *bytes, size_t length, GError **error);

/* The same for bytes that are borrowed; if they are no value, @hold is told
 * nothing. With @hash, which whoever sealed the value announced, it is taken
 * for the value's, and what strings contain is not looked at: the time does
 * not depend on their lengths. With 0 the hash is found. */
MobValue *mob_value_parse_in_place(const uint8_t *bytes, size_t length, uint64_t hash, MobHold hold,
                                   GError **error);

/* --- value_fill.c: bytes that follow a rule --- */

/* A value can only be written out if its size is at most this. */
#define MOB_WRITTEN_MAX UINT64_C(0xfffffffe)

/* Writes @value, every FILL written out, to @into: exactly its size in bytes. */
void mob_value_write_out(const MobValue *value, uint8_t *into);
/* Writes @length bytes of that, from @at on. */
void mob_value_write_part(const MobValue *value, uint64_t at, uint8_t *into, uint64_t length);
/* Returns (transfer full) the same value with every FILL as its rule. */
MobValue *mob_value_by_rule(MobValue *value);

/* Writes @length bytes of the rule @fill to @into, those from @at on. */
void mob_fill_write(uint64_t fill, uint64_t at, uint8_t *into, size_t length);
uint8_t mob_fill_byte(uint64_t fill, uint64_t at);

/* Whether some of the value's bytes exist only as a rule. */
static inline bool
mob_value_is_sparse(const MobValue *value)
{
    return value->size != value->length;
}

void mob_ref_clear(MobRef *ref);

/* The arguments of a task, shared between attempts and immutable. */
typedef struct {
    MobRef ref;      /* id zero: by value */
    MobValue *value; /* owned; NULL: by reference */
} MobArg;

typedef struct {
    uint32_t refs_held;
    uint32_t count;
    MobArg items[];
} MobArgs;

/* Returns @count empty arguments for the caller to fill in. */
MobArgs *mob_args_new(uint32_t count);

static inline MobArgs *
mob_args_ref(MobArgs *args)
{
    args->refs_held++;
    return args;
}

void mob_args_unref(MobArgs *args);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobArgs, mob_args_unref)
