/* value.h: what tasks take and return.
 *
 * A value is CBOR (RFC 8949, core deterministic encoding), immutable and
 * reference counted. Two tags are ours:
 *
 *     tag MOB_CBOR_REF   [task(16 bytes), index, owner node, owner local, path]
 *     tag MOB_CBOR_FILL  [n, fill]: n bytes that follow a rule and need not exist
 *     tag MOB_CBOR_ERROR {…}: an error with its causes, see fault.h
 *
 * m.bytes(n) makes a FILL, so a simulated gigabyte costs a few words: @length
 * is what is stored here and @size is what the value would weigh on a wire or
 * in a store. The hash covers the encoding, hence also the rule and n.
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
    MobRef *refs;   /* owned */
    uint8_t *bytes; /* follow the struct */
} MobValue;

/* Returns a value that holds a copy of @bytes and takes @refs (an array made
 * with g_new, and the paths in it; NULL when there are none). @size is at
 * least @length. */
MobValue *mob_value_new(const uint8_t *bytes, uint32_t length, uint64_t size, MobRef *refs,
                        uint32_t ref_count, uint32_t fault);

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

/* Checks bytes from outside: well-formed CBOR in one piece, depth and counts
 * within limits, our tags in their shapes; finds size, refs and fault.
 * Returns (transfer full) the value, or NULL with MOB_VALUE_ERROR. */
#define MOB_VALUE_ERROR (g_quark_from_static_string("mob-value-error"))
MobValue *mob_value_parse(const uint8_t *bytes, size_t length, GError **error);

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
