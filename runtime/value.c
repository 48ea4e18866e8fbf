/* value.c: see value.h.
 *
 * A value is one block: the struct and its bytes behind it, or a MobHold in
 * their place. Bytes from outside become a value only through
 * mob_value_parse() and its kin, which walk them once and recurse at most
 * MOB_VALUE_DEPTH_MAX deep.
 */
#include "runtime/value.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "runtime/buf.h"
#include "runtime/cbor.h"
#include "runtime/fault.h"

static MobValue
fields(const uint8_t *bytes, uint32_t length, uint64_t size, MobRef *refs, uint32_t ref_count,
       uint32_t fault)
{
    g_assert(size >= length);
    return (MobValue){
        .refs_held = 1,
        .length = length,
        .size = size,
        .hash = XXH3_64bits(bytes, length),
        .fault = fault,
        .ref_count = ref_count,
        .refs = refs,
        .bytes = bytes,
    };
}

static MobValue *
with_copy(MobValue given)
{
    MobValue *value = g_malloc(sizeof *value + given.length);

    *value = given;
    value->bytes = memcpy(value + 1, given.bytes, given.length);
    return value;
}

static MobValue *
with_hold(MobValue given, MobHold hold)
{
    MobValue *value = g_malloc(sizeof *value + sizeof hold);

    *value = given;
    memcpy(value + 1, &hold, sizeof hold);
    return value;
}

MobValue *
mob_value_new(const uint8_t *bytes, uint32_t length, uint64_t size, MobRef *refs,
              uint32_t ref_count, uint32_t fault)
{
    return with_copy(fields(bytes, length, size, refs, ref_count, fault));
}

MobValue *
mob_value_borrow(const uint8_t *bytes, uint32_t length, uint64_t size, MobRef *refs,
                 uint32_t ref_count, uint32_t fault, MobHold hold)
{
    return with_hold(fields(bytes, length, size, refs, ref_count, fault), hold);
}

MobValue *
mob_value_nil(void)
{
    static const uint8_t null = 0xf6;

    return mob_value_new(&null, 1, 1, NULL, 0, 0);
}

void
mob_value_unref(MobValue *value)
{
    if (value == NULL)
        return;
    g_assert(value->refs_held > 0);
    if (--value->refs_held > 0)
        return;
    for (uint32_t i = 0; i < value->ref_count; i++)
        mob_ref_clear(&value->refs[i]);
    g_free(value->refs);
    const MobHold *hold = mob_value_hold(value);
    if (hold != NULL)
        hold->release(hold->data);
    g_free(value);
}

void
mob_ref_clear(MobRef *ref)
{
    mob_str_unref(ref->path);
    *ref = (MobRef){0};
}

/* --- parsing --- */

typedef struct {
    const uint8_t *begin;
    MobCborReader reader;
    GArray *refs;        /* of MobRef, owned; NULL until there is one */
    uint64_t filled;     /* bytes that FILLs stand for */
    uint64_t unwritten;  /* those of them that are not there */
    const char *problem; /* static; NULL while all is well */
    /* Once a FILL was met that is written out, the hash goes piece by piece. */
    XXH3_state_t *pieces;  /* borrowed; set up when @hashed is */
    const uint8_t *hashed; /* up to here; NULL: nothing so far */
} Walk;

static bool walk_item(Walk *walk, uint32_t depth);

static bool
refuse(Walk *walk, const char *problem)
{
    if (walk->problem == NULL)
        walk->problem = problem;
    return false;
}

static bool
walk_ref(Walk *walk)
{
    MobRef ref;

    if (!mob_cbor_read_ref(&walk->reader, &ref))
        return refuse(walk, "a reference in it is malformed");
    if (walk->refs == NULL)
        walk->refs = g_array_new(FALSE, FALSE, sizeof(MobRef));
    g_array_append_val(walk->refs, ref);
    return true;
}

/* Hashes the rule instead of the bytes that are written out. */
static void
hash_rule(Walk *walk, const MobFill *fill)
{
    uint8_t head[MOB_CBOR_HEAD_MAX];

    if (walk->hashed == NULL) {
        XXH3_64bits_reset(walk->pieces);
        walk->hashed = walk->begin;
    }
    XXH3_64bits_update(walk->pieces, walk->hashed, (size_t)(fill->head - walk->hashed));
    mob_fill_turn_head(fill, head);
    XXH3_64bits_update(walk->pieces, head, fill->head_length);
    walk->hashed = fill->bytes + fill->size;
}

static bool
walk_fill(Walk *walk)
{
    MobFill fill;

    if (!mob_cbor_read_fill(&walk->reader, &fill) ||
        __builtin_add_overflow(walk->filled, fill.size, &walk->filled) ||
        walk->filled > MOB_FILL_MAX)
        return refuse(walk, "a rule for bytes in it is malformed or makes too many");
    if (fill.bytes == NULL)
        walk->unwritten += fill.size;
    else if (walk->pieces != NULL)
        hash_rule(walk, &fill);
    return true;
}

/* The kind of an error whose map is about to be read; 0 if it is none. */
static uint32_t
peek_fault(MobCborReader reader)
{
    MobCborItem map = mob_cbor_next(&reader);

    if (map.type != MOB_CBOR_MAP)
        return 0;
    for (uint64_t i = 0; i < map.length; i++) {
        MobCborItem key = mob_cbor_next(&reader);
        if (key.type != MOB_CBOR_STRING)
            return 0;
        if (key.length == 4 && memcmp(key.text, "name", 4) == 0) {
            MobCborItem name = mob_cbor_next(&reader);
            if (name.type != MOB_CBOR_STRING || name.length > 64)
                return 0;
            g_autofree char *text = g_strndup(name.text, name.length);
            return mob_fault_by_name(text);
        }
        if (!mob_cbor_skip(&reader))
            return 0;
    }
    return 0;
}

static bool
walk_tag(Walk *walk, int64_t tag, uint32_t depth)
{
    if (tag == MOB_CBOR_REF)
        return walk_ref(walk);
    if (tag == MOB_CBOR_FILL)
        return walk_fill(walk);
    if (tag == MOB_CBOR_ERROR && peek_fault(walk->reader) == 0)
        return refuse(walk, "an error in it has no name that is known");
    return walk_item(walk, depth + 1);
}

/* Whether the encoded key [@at, @end) comes after [@before, @before_end). */
static bool
keys_ascend(const uint8_t *before, const uint8_t *before_end, const uint8_t *at, const uint8_t *end)
{
    size_t left = (size_t)(before_end - before);
    size_t right = (size_t)(end - at);
    int order = memcmp(before, at, MIN(left, right));

    return order != 0 ? order < 0 : left < right;
}

static bool
walk_map(Walk *walk, uint64_t pairs, uint32_t depth)
{
    const uint8_t *before = NULL;
    const uint8_t *before_end = NULL;

    for (uint64_t i = 0; i < pairs; i++) {
        const uint8_t *key = walk->reader.at;
        if (!walk_item(walk, depth + 1))
            return false;
        const uint8_t *key_end = walk->reader.at;
        if (before != NULL && !keys_ascend(before, before_end, key, key_end))
            return refuse(walk, "the keys of a map in it are not in order");
        if (!walk_item(walk, depth + 1))
            return false;
        before = key;
        before_end = key_end;
    }
    return true;
}

static bool
walk_item(Walk *walk, uint32_t depth)
{
    if (depth > MOB_VALUE_DEPTH_MAX)
        return refuse(walk, "it is nested too deeply");

    MobCborItem item = mob_cbor_next(&walk->reader);
    switch (item.type) {
    case MOB_CBOR_END:
        return refuse(walk, "it is not CBOR in the deterministic encoding");
    case MOB_CBOR_ARRAY:
        for (uint64_t i = 0; i < item.length; i++)
            if (!walk_item(walk, depth + 1))
                return false;
        return true;
    case MOB_CBOR_MAP:
        return walk_map(walk, item.length, depth);
    case MOB_CBOR_TAG:
        return walk_tag(walk, item.number, depth);
    default:
        return true;
    }
}

static void
clear_refs(GArray *refs)
{
    if (refs == NULL)
        return;
    for (guint i = 0; i < refs->len; i++)
        mob_ref_clear(&g_array_index(refs, MobRef, i));
    g_array_free(refs, TRUE);
}

/* The kind of the error that a whole value is; 0 if it is none. */
static uint32_t
fault_of(MobCborReader reader)
{
    MobCborItem item = mob_cbor_next(&reader);

    return item.type == MOB_CBOR_TAG && item.number == MOB_CBOR_ERROR ? peek_fault(reader) : 0;
}

/* Walks all of the bytes; false, with @error, if they are not a value. */
static bool
walk_all(Walk *walk, size_t length, GError **error)
{
    bool ok = length < UINT32_MAX ? walk_item(walk, 0) : refuse(walk, "it is too long");

    if (ok && walk->reader.at != walk->reader.end)
        ok = refuse(walk, "bytes follow its end");
    if (!ok) {
        clear_refs(walk->refs);
        g_set_error(error, MOB_VALUE_ERROR, 0, "this is not a value: %s", walk->problem);
    }
    return ok;
}

static uint64_t
hash_of(const Walk *walk, size_t length)
{
    if (walk->hashed == NULL)
        return XXH3_64bits(walk->begin, length);
    XXH3_64bits_update(walk->pieces, walk->hashed, (size_t)(walk->reader.end - walk->hashed));
    return XXH3_64bits_digest(walk->pieces);
}

static MobValue
found(Walk *walk, size_t length, uint64_t hash)
{
    uint32_t count = walk->refs != NULL ? walk->refs->len : 0;

    return (MobValue){
        .refs_held = 1,
        .length = (uint32_t)length,
        .size = length + walk->unwritten,
        .hash = hash,
        .fault = fault_of((MobCborReader){walk->begin, walk->begin + length, false, true}),
        .ref_count = count,
        .refs = count > 0 ? (MobRef *)(void *)g_array_free(walk->refs, FALSE) : NULL,
        .bytes = walk->begin,
    };
}

MobValue *
mob_value_parse(const uint8_t *bytes, size_t length, GError **error)
{
    XXH3_state_t pieces;
    Walk walk = {.begin = bytes, .reader = {bytes, bytes + length, false}, .pieces = &pieces};

    if (!walk_all(&walk, length, error))
        return NULL;
    return with_copy(found(&walk, length, hash_of(&walk, length)));
}

MobValue *
mob_value_parse_in_place(const uint8_t *bytes, size_t length, uint64_t hash, MobHold hold,
                         GError **error)
{
    XXH3_state_t pieces;
    Walk walk = {.begin = bytes,
                 .reader = {bytes, bytes + length, false, .checked = hash != 0},
                 .pieces = hash == 0 ? &pieces : NULL};

    if (!walk_all(&walk, length, error))
        return NULL;
    return with_hold(found(&walk, length, hash != 0 ? hash : hash_of(&walk, length)), hold);
}

/* --- arguments --- */

MobArgs *
mob_args_new(uint32_t count)
{
    MobArgs *args = mob_zeroed(sizeof *args + count * sizeof args->items[0]);

    args->refs_held = 1;
    args->count = count;
    return args;
}

void
mob_args_unref(MobArgs *args)
{
    if (args == NULL)
        return;
    g_assert(args->refs_held > 0);
    if (--args->refs_held > 0)
        return;
    for (uint32_t i = 0; i < args->count; i++) {
        mob_ref_clear(&args->items[i].ref);
        mob_value_unref(args->items[i].value);
    }
    g_free(args);
}
