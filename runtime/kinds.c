/* kinds.c: see kinds.h. Numbers, ids, texts and values; kinds_lists.c has what
 * consists of them.
 */
#include "runtime/kinds.h"

#include "runtime/str.h"

enum {
    TEXT_KEPT = 256, /* bytes: longer texts are not kept for the next message */
};

void
mob_wire_refuse(MobWire *wire, const char *problem)
{
    if (wire->failed)
        return;
    wire->failed = true;
    wire->error = MOB_WIRE_ERROR_MALFORMED;
    wire->problem = problem;
}

/* --- numbers --- */

void
mob_kind_put_flag(const void *field, MobBuf *into)
{
    *mob_buf_grow(into, 1) = *(const bool *)field;
}

void
mob_kind_get_flag(MobWire *from, void *field)
{
    const uint8_t *bytes = mob_wire_take(from, 1);

    if (bytes == NULL)
        return;
    if (*bytes > 1)
        mob_wire_refuse(from, "a flag is neither 0 nor 1");
    else
        *(bool *)field = *bytes == 1;
}

void
mob_kind_print_flag(const void *field, GString *into)
{
    g_string_append(into, *(const bool *)field ? "yes" : "no");
}

void
mob_kind_put_u32(const void *field, MobBuf *into)
{
    uint32_t wire = GUINT32_TO_LE(*(const uint32_t *)field);

    memcpy(mob_buf_grow(into, sizeof wire), &wire, sizeof wire);
}

void
mob_kind_get_u32(MobWire *from, void *field)
{
    uint32_t wire;
    const uint8_t *bytes = mob_wire_take(from, sizeof wire);

    if (bytes == NULL)
        return;
    memcpy(&wire, bytes, sizeof wire);
    *(uint32_t *)field = GUINT32_FROM_LE(wire);
}

void
mob_kind_print_u32(const void *field, GString *into)
{
    g_string_append_printf(into, "%" G_GUINT32_FORMAT, *(const uint32_t *)field);
}

void
mob_kind_put_u64(const void *field, MobBuf *into)
{
    uint64_t wire = GUINT64_TO_LE(*(const uint64_t *)field);

    memcpy(mob_buf_grow(into, sizeof wire), &wire, sizeof wire);
}

void
mob_kind_get_u64(MobWire *from, void *field)
{
    uint64_t wire;
    const uint8_t *bytes = mob_wire_take(from, sizeof wire);

    if (bytes == NULL)
        return;
    memcpy(&wire, bytes, sizeof wire);
    *(uint64_t *)field = GUINT64_FROM_LE(wire);
}

void
mob_kind_print_u64(const void *field, GString *into)
{
    g_string_append_printf(into, "%" G_GUINT64_FORMAT, *(const uint64_t *)field);
}

/* Signed numbers travel as their two's complement, which is what they are. */
void
mob_kind_put_i64(const void *field, MobBuf *into)
{
    mob_kind_put_u64(field, into);
}

void
mob_kind_get_i64(MobWire *from, void *field)
{
    mob_kind_get_u64(from, field);
}

void
mob_kind_print_i64(const void *field, GString *into)
{
    g_string_append_printf(into, "%" G_GINT64_FORMAT, *(const int64_t *)field);
}

/* --- ids --- */

void
mob_kind_put_task(const void *field, MobBuf *into)
{
    const MobTaskId *id = field;

    mob_kind_put_u64(&id->hi, into);
    mob_kind_put_u64(&id->lo, into);
}

void
mob_kind_get_task(MobWire *from, void *field)
{
    MobTaskId *id = field;

    mob_kind_get_u64(from, &id->hi);
    mob_kind_get_u64(from, &id->lo);
}

void
mob_kind_print_task(const void *field, GString *into)
{
    g_string_append_printf(into, "t%016" G_GINT64_MODIFIER "x", ((const MobTaskId *)field)->hi);
}

void
mob_kind_put_object(const void *field, MobBuf *into)
{
    const MobObjectId *id = field;

    mob_kind_put_task(&id->task, into);
    mob_kind_put_u32(&id->index, into);
}

void
mob_kind_get_object(MobWire *from, void *field)
{
    MobObjectId *id = field;

    mob_kind_get_task(from, &id->task);
    mob_kind_get_u32(from, &id->index);
}

void
mob_kind_print_object(const void *field, GString *into)
{
    const MobObjectId *id = field;

    mob_kind_print_task(&id->task, into);
    if (mob_object_is_put(*id))
        g_string_append_printf(into, ".p%" G_GUINT32_FORMAT, id->index - MOB_PUT_BASE);
    else
        g_string_append_printf(into, ".%" G_GUINT32_FORMAT, id->index);
}

void
mob_kind_put_node(const void *field, MobBuf *into)
{
    mob_kind_put_u32(&((const MobNodeId *)field)->v, into);
}

void
mob_kind_get_node(MobWire *from, void *field)
{
    mob_kind_get_u32(from, &((MobNodeId *)field)->v);
}

void
mob_kind_print_node(const void *field, GString *into)
{
    mob_kind_print_u32(&((const MobNodeId *)field)->v, into);
}

void
mob_kind_put_address(const void *field, MobBuf *into)
{
    const MobAddress *address = field;

    mob_kind_put_u32(&address->node, into);
    mob_kind_put_u32(&address->local, into);
}

void
mob_kind_get_address(MobWire *from, void *field)
{
    MobAddress *address = field;

    mob_kind_get_u32(from, &address->node);
    mob_kind_get_u32(from, &address->local);
}

void
mob_kind_print_address(const void *field, GString *into)
{
    const MobAddress *address = field;

    g_string_append_printf(into, "%" G_GUINT32_FORMAT ":%" G_GUINT32_FORMAT, address->node,
                           address->local);
}

void
mob_kind_put_lease(const void *field, MobBuf *into)
{
    const MobLeaseId *lease = field;

    mob_kind_put_address(&lease->owner, into);
    mob_kind_put_u64(&lease->number, into);
}

void
mob_kind_get_lease(MobWire *from, void *field)
{
    MobLeaseId *lease = field;

    mob_kind_get_address(from, &lease->owner);
    mob_kind_get_u64(from, &lease->number);
}

void
mob_kind_print_lease(const void *field, GString *into)
{
    const MobLeaseId *lease = field;

    mob_kind_print_address(&lease->owner, into);
    g_string_append_printf(into, "#%" G_GUINT64_FORMAT, lease->number);
}

/* --- texts and values --- */

static void
put_blob(const void *bytes, size_t size, MobBuf *into)
{
    uint32_t length = (uint32_t)size;

    mob_kind_put_u32(&length, into);
    mob_buf_add(into, bytes, length);
}

/* Returns the bytes and their number; NULL if there are none or not enough. */
static const uint8_t *
get_blob(MobWire *from, uint32_t *length)
{
    *length = 0;
    mob_kind_get_u32(from, length);
    return *length > 0 ? mob_wire_take(from, *length) : NULL;
}

void
mob_kind_put_str(const void *field, MobBuf *into)
{
    const MobStr *str = *(MobStr *const *)field;

    g_assert(str == NULL || str->length <= MOB_STR_MAX);
    put_blob(mob_str(str), str != NULL ? str->length : 0, into);
}

/* Long ones are made: they would be kept for long, too. */
static MobStr *
make_text(MobWire *from, const char *bytes, uint32_t length)
{
    if (from->texts == NULL || length > TEXT_KEPT)
        return mob_str_new_len(bytes, length);
    MobStr **before = &from->texts->at[from->text_count++ % G_N_ELEMENTS(from->texts->at)];
    if (*before == NULL || (*before)->length != length ||
        memcmp((*before)->text, bytes, length) != 0) {
        mob_str_unref(*before);
        *before = mob_str_new_len(bytes, length);
    }
    return mob_str_ref(*before);
}

void
mob_kind_get_str(MobWire *from, void *field)
{
    uint32_t length;
    const uint8_t *bytes = get_blob(from, &length);

    if (length > MOB_STR_MAX)
        mob_wire_refuse(from, "a text is too long");
    else if (bytes != NULL)
        *(MobStr **)field = make_text(from, (const char *)bytes, length);
}

void
mob_kind_print_str(const void *field, GString *into)
{
    g_string_append(into, mob_str(*(MobStr *const *)field));
}

/* In place of a length: the value lies elsewhere. No value is that long. */
#define ELSEWHERE UINT32_MAX

static void
put_place(const MobWhere *place, MobBuf *into)
{
    uint32_t mark = ELSEWHERE;

    mob_kind_put_u32(&mark, into);
    mob_kind_put_u64(&place->region, into);
    mob_kind_put_u64(&place->offset, into);
    mob_kind_put_u32(&place->length, into);
    mob_kind_put_u64(&place->hash, into);
}

static MobValue *
get_at_place(MobWire *from)
{
    MobWhere place = {0};

    mob_kind_get_u64(from, &place.region);
    mob_kind_get_u64(from, &place.offset);
    mob_kind_get_u32(from, &place.length);
    mob_kind_get_u64(from, &place.hash);
    MobValue *value =
        from->places != NULL && !from->failed ? from->places->get(from->places, &place) : NULL;
    if (value == NULL)
        mob_wire_refuse(from, "a value does not lie where it is said to");
    return value;
}

/* A value whose bytes are a rule is its few words: its tag says that the rest
 * is absent. No value at all is an empty one. */
void
mob_kind_put_value(const void *field, MobBuf *into)
{
    MobValue *value = *(MobValue *const *)field;
    MobWhere place;

    if (into->places == NULL || value == NULL) {
        put_blob(value != NULL ? value->bytes : NULL, value != NULL ? value->length : 0, into);
        return;
    }
    g_autoptr(MobValue) travels = into->places->put(into->places, value, &place);
    if (travels != NULL)
        put_blob(travels->bytes, travels->length, into);
    else
        put_place(&place, into);
}

void
mob_kind_get_value(MobWire *from, void *field)
{
    uint32_t length = 0;

    mob_kind_get_u32(from, &length);
    if (length == ELSEWHERE) {
        *(MobValue **)field = get_at_place(from);
        return;
    }
    const uint8_t *bytes = length > 0 ? mob_wire_take(from, length) : NULL;
    if (bytes == NULL)
        return;
    MobValue *value = mob_value_parse(bytes, length, NULL);
    if (value == NULL)
        mob_wire_refuse(from, "a value is not well-formed");
    *(MobValue **)field = value;
}

void
mob_kind_print_value(const void *field, GString *into)
{
    const MobValue *value = *(MobValue *const *)field;

    if (value == NULL)
        g_string_append(into, "none");
    else
        g_string_append_printf(into, "<%s %" G_GUINT64_FORMAT " bytes %016" G_GINT64_MODIFIER "x>",
                               value->fault != 0 ? mob_fault_name((MobFaultKind)value->fault)
                                                 : "value",
                               value->size, value->hash);
}

/* A piece of a value that is not all there goes as the whole of its few words. */
enum {
    PIECE_NONE,
    PIECE_BYTES,
    PIECE_WHOLE,
};

static void
put_piece_bytes(const MobSlice *slice, MobBuf *into)
{
    size_t size = 0;
    const uint8_t *bytes = NULL;

    if (slice->bytes != NULL) {
        bytes = g_bytes_get_data(slice->bytes, &size);
    } else {
        g_assert(slice->offset <= slice->value->length &&
                 slice->length <= slice->value->length - slice->offset);
        bytes = slice->value->bytes + slice->offset;
        size = slice->length;
    }
    put_blob(bytes, size, into);
}

void
mob_kind_put_slice(const void *field, MobBuf *into)
{
    const MobSlice *slice = field;
    bool whole = slice->value != NULL && mob_value_is_sparse(slice->value);
    bool none = (slice->value == NULL && slice->bytes == NULL) ||
                (into->places != NULL && into->places->without_pieces);

    mob_kind_put_u64(&slice->offset, into);
    mob_kind_put_u64(&slice->length, into);
    *mob_buf_grow(into, 1) = none ? PIECE_NONE : whole ? PIECE_WHOLE : PIECE_BYTES;
    if (whole && !none)
        mob_kind_put_value(&slice->value, into);
    else if (!none)
        put_piece_bytes(slice, into);
}

static void
get_piece_bytes(MobWire *from, MobSlice *slice)
{
    uint32_t length;
    const uint8_t *bytes = get_blob(from, &length);

    if (from->failed)
        return;
    if (length != slice->length)
        mob_wire_refuse(from, "a piece is not as long as it says");
    else
        slice->bytes = g_bytes_new(bytes, length);
}

void
mob_kind_get_slice(MobWire *from, void *field)
{
    MobSlice *slice = field;

    mob_kind_get_u64(from, &slice->offset);
    mob_kind_get_u64(from, &slice->length);
    const uint8_t *how = mob_wire_take(from, 1);
    if (how == NULL)
        return;
    if (*how == PIECE_BYTES) {
        get_piece_bytes(from, slice);
    } else if (*how == PIECE_WHOLE) {
        mob_kind_get_value(from, &slice->value);
        if (slice->value == NULL || !mob_value_is_sparse(slice->value) ||
            slice->offset > slice->value->size ||
            slice->length > slice->value->size - slice->offset)
            mob_wire_refuse(from, "a piece is not inside a value that is a rule");
    } else if (*how != PIECE_NONE) {
        mob_wire_refuse(from, "a piece is of an unknown form");
    }
}

void
mob_kind_print_slice(const void *field, GString *into)
{
    const MobSlice *slice = field;

    g_string_append_printf(into, "%" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT, slice->offset,
                           slice->length);
}

void
mob_kind_put_ref(const void *field, MobBuf *into)
{
    const MobRef *ref = field;

    mob_kind_put_object(&ref->id, into);
    mob_kind_put_address(&ref->owner, into);
    mob_kind_put_str(&ref->path, into);
}

void
mob_kind_get_ref(MobWire *from, void *field)
{
    MobRef *ref = field;

    mob_kind_get_object(from, &ref->id);
    mob_kind_get_address(from, &ref->owner);
    mob_kind_get_str(from, &ref->path);
}

void
mob_kind_print_ref(const void *field, GString *into)
{
    const MobRef *ref = field;

    if (!mob_object_is(ref->id)) {
        g_string_append(into, "none");
        return;
    }
    mob_name_object(into, ref->path, ref->id.index);
    g_string_append_c(into, '=');
    mob_kind_print_object(&ref->id, into);
    g_string_append_c(into, '@');
    mob_kind_print_address(&ref->owner, into);
}

static const MobKindInfo kinds[MOB_KIND_COUNT] = {
#define KIND(name, ctype, doc) {mob_kind_put_##name, mob_kind_get_##name, mob_kind_print_##name},
#include "runtime/kinds.def"
};

const MobKindInfo *
mob_kind_info(MobKind kind)
{
    g_assert(kind < MOB_KIND_COUNT);
    return &kinds[kind];
}
