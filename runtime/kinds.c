/* kinds.c: see kinds.h. Three functions for each kind: put_, get_, print_. */
#include "runtime/kinds.h"

#include "runtime/str.h"

/* The fewest bytes that a record takes on the wire. */
enum {
    LEAST_flag = 1,
    LEAST_u32 = 4,
    LEAST_u64 = 8,
    LEAST_i64 = 8,
    LEAST_task = 16,
    LEAST_object = 20,
    LEAST_node = 4,
    LEAST_address = 8,
    LEAST_lease = 16,
    LEAST_str = 4,
    LEAST_value = 4,
    LEAST_ref = 32,
    LEAST_resources = 20,
    LEAST_refs = 4,
/* clang-format off */
#define RECORD(Type, name, doc) LEAST_record_##name = 0
#define FIELD(kind, name, doc)  +LEAST_##kind
#define END(name)               ,
#include "runtime/records.def"
    /* clang-format on */
    LEAST_arg = 5,
    LEAST_custom = 12,
};

/* What one side of a sum of amounts may be, so that sums cannot overflow. */
#define AMOUNT_MAX (INT64_C(1) << 56)

void
mob_wire_refuse(MobWire *wire, const char *problem)
{
    if (wire->failed)
        return;
    wire->failed = true;
    wire->error = MOB_WIRE_ERROR_MALFORMED;
    wire->problem = problem;
}

/* Returns @size readable bytes, or NULL after marking the wire. */
static inline const uint8_t *
take(MobWire *wire, size_t size)
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

/* --- numbers --- */

static void
put_flag(const void *field, MobBuf *into)
{
    *mob_buf_grow(into, 1) = *(const bool *)field;
}

static void
get_flag(MobWire *from, void *field)
{
    const uint8_t *bytes = take(from, 1);

    if (bytes == NULL)
        return;
    if (*bytes > 1)
        mob_wire_refuse(from, "a flag is neither 0 nor 1");
    else
        *(bool *)field = *bytes == 1;
}

static void
print_flag(const void *field, GString *into)
{
    g_string_append(into, *(const bool *)field ? "yes" : "no");
}

static void
put_u32(const void *field, MobBuf *into)
{
    uint32_t wire = GUINT32_TO_LE(*(const uint32_t *)field);

    memcpy(mob_buf_grow(into, sizeof wire), &wire, sizeof wire);
}

static void
get_u32(MobWire *from, void *field)
{
    uint32_t wire;
    const uint8_t *bytes = take(from, sizeof wire);

    if (bytes == NULL)
        return;
    memcpy(&wire, bytes, sizeof wire);
    *(uint32_t *)field = GUINT32_FROM_LE(wire);
}

static void
print_u32(const void *field, GString *into)
{
    g_string_append_printf(into, "%" G_GUINT32_FORMAT, *(const uint32_t *)field);
}

static void
put_u64(const void *field, MobBuf *into)
{
    uint64_t wire = GUINT64_TO_LE(*(const uint64_t *)field);

    memcpy(mob_buf_grow(into, sizeof wire), &wire, sizeof wire);
}

static void
get_u64(MobWire *from, void *field)
{
    uint64_t wire;
    const uint8_t *bytes = take(from, sizeof wire);

    if (bytes == NULL)
        return;
    memcpy(&wire, bytes, sizeof wire);
    *(uint64_t *)field = GUINT64_FROM_LE(wire);
}

static void
print_u64(const void *field, GString *into)
{
    g_string_append_printf(into, "%" G_GUINT64_FORMAT, *(const uint64_t *)field);
}

/* Signed numbers travel as their two's complement, which is what they are. */
#define put_i64 put_u64
#define get_i64 get_u64

static void
print_i64(const void *field, GString *into)
{
    g_string_append_printf(into, "%" G_GINT64_FORMAT, *(const int64_t *)field);
}

/* --- ids --- */

static void
put_task(const void *field, MobBuf *into)
{
    const MobTaskId *id = field;

    put_u64(&id->hi, into);
    put_u64(&id->lo, into);
}

static void
get_task(MobWire *from, void *field)
{
    MobTaskId *id = field;

    get_u64(from, &id->hi);
    get_u64(from, &id->lo);
}

static void
print_task(const void *field, GString *into)
{
    g_string_append_printf(into, "t%016" G_GINT64_MODIFIER "x", ((const MobTaskId *)field)->hi);
}

static void
put_object(const void *field, MobBuf *into)
{
    const MobObjectId *id = field;

    put_task(&id->task, into);
    put_u32(&id->index, into);
}

static void
get_object(MobWire *from, void *field)
{
    MobObjectId *id = field;

    get_task(from, &id->task);
    get_u32(from, &id->index);
}

static void
print_object(const void *field, GString *into)
{
    const MobObjectId *id = field;

    print_task(&id->task, into);
    if (mob_object_is_put(*id))
        g_string_append_printf(into, ".p%" G_GUINT32_FORMAT, id->index - MOB_PUT_BASE);
    else
        g_string_append_printf(into, ".%" G_GUINT32_FORMAT, id->index);
}

static void
put_node(const void *field, MobBuf *into)
{
    put_u32(&((const MobNodeId *)field)->v, into);
}

static void
get_node(MobWire *from, void *field)
{
    get_u32(from, &((MobNodeId *)field)->v);
}

static void
print_node(const void *field, GString *into)
{
    print_u32(&((const MobNodeId *)field)->v, into);
}

static void
put_address(const void *field, MobBuf *into)
{
    const MobAddress *address = field;

    put_u32(&address->node, into);
    put_u32(&address->local, into);
}

static void
get_address(MobWire *from, void *field)
{
    MobAddress *address = field;

    get_u32(from, &address->node);
    get_u32(from, &address->local);
}

static void
print_address(const void *field, GString *into)
{
    const MobAddress *address = field;

    g_string_append_printf(into, "%" G_GUINT32_FORMAT ":%" G_GUINT32_FORMAT, address->node,
                           address->local);
}

static void
put_lease(const void *field, MobBuf *into)
{
    const MobLeaseId *lease = field;

    put_address(&lease->owner, into);
    put_u64(&lease->number, into);
}

static void
get_lease(MobWire *from, void *field)
{
    MobLeaseId *lease = field;

    get_address(from, &lease->owner);
    get_u64(from, &lease->number);
}

static void
print_lease(const void *field, GString *into)
{
    const MobLeaseId *lease = field;

    print_address(&lease->owner, into);
    g_string_append_printf(into, "#%" G_GUINT64_FORMAT, lease->number);
}

/* --- texts and values --- */

static void
put_blob(const void *bytes, size_t size, MobBuf *into)
{
    uint32_t length = (uint32_t)size;

    put_u32(&length, into);
    mob_buf_add(into, bytes, length);
}

/* Returns the bytes and their number; NULL if there are none or not enough. */
static const uint8_t *
get_blob(MobWire *from, uint32_t *length)
{
    *length = 0;
    get_u32(from, length);
    return *length > 0 ? take(from, *length) : NULL;
}

static void
put_str(const void *field, MobBuf *into)
{
    const MobStr *str = *(MobStr *const *)field;

    g_assert(str == NULL || str->length <= MOB_STR_MAX);
    put_blob(mob_str(str), str != NULL ? str->length : 0, into);
}

static void
get_str(MobWire *from, void *field)
{
    uint32_t length;
    const uint8_t *bytes = get_blob(from, &length);

    if (length > MOB_STR_MAX)
        mob_wire_refuse(from, "a text is too long");
    else if (bytes != NULL)
        *(MobStr **)field = mob_str_new_len((const char *)bytes, length);
}

static void
print_str(const void *field, GString *into)
{
    g_string_append(into, mob_str(*(MobStr *const *)field));
}

/* A value whose bytes are a rule is its few words: its tag says that the rest
 * is absent. No value at all is an empty one. */
static void
put_value(const void *field, MobBuf *into)
{
    const MobValue *value = *(MobValue *const *)field;

    put_blob(value != NULL ? value->bytes : NULL, value != NULL ? value->length : 0, into);
}

static void
get_value(MobWire *from, void *field)
{
    uint32_t length;
    const uint8_t *bytes = get_blob(from, &length);

    if (bytes == NULL)
        return;
    MobValue *value = mob_value_parse(bytes, length, NULL);
    if (value == NULL)
        mob_wire_refuse(from, "a value is not well-formed");
    *(MobValue **)field = value;
}

static void
print_value(const void *field, GString *into)
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

static void
put_slice(const void *field, MobBuf *into)
{
    const MobSlice *slice = field;
    bool whole = slice->value != NULL && mob_value_is_sparse(slice->value);
    bool none = slice->value == NULL && slice->bytes == NULL;

    put_u64(&slice->offset, into);
    put_u64(&slice->length, into);
    *mob_buf_grow(into, 1) = none ? PIECE_NONE : whole ? PIECE_WHOLE : PIECE_BYTES;
    if (whole)
        put_value(&slice->value, into);
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

static void
get_slice(MobWire *from, void *field)
{
    MobSlice *slice = field;

    get_u64(from, &slice->offset);
    get_u64(from, &slice->length);
    const uint8_t *how = take(from, 1);
    if (how == NULL)
        return;
    if (*how == PIECE_BYTES) {
        get_piece_bytes(from, slice);
    } else if (*how == PIECE_WHOLE) {
        get_value(from, &slice->value);
        if (slice->value == NULL || !mob_value_is_sparse(slice->value) ||
            slice->offset > slice->value->size ||
            slice->length > slice->value->size - slice->offset)
            mob_wire_refuse(from, "a piece is not inside a value that is a rule");
    } else if (*how != PIECE_NONE) {
        mob_wire_refuse(from, "a piece is of an unknown form");
    }
}

static void
print_slice(const void *field, GString *into)
{
    const MobSlice *slice = field;

    g_string_append_printf(into, "%" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT, slice->offset,
                           slice->length);
}

static void
put_ref(const void *field, MobBuf *into)
{
    const MobRef *ref = field;

    put_object(&ref->id, into);
    put_address(&ref->owner, into);
    put_str(&ref->path, into);
}

static void
get_ref(MobWire *from, void *field)
{
    MobRef *ref = field;

    get_object(from, &ref->id);
    get_address(from, &ref->owner);
    get_str(from, &ref->path);
}

static void
print_ref(const void *field, GString *into)
{
    const MobRef *ref = field;

    if (!mob_object_is(ref->id)) {
        g_string_append(into, "none");
        return;
    }
    mob_name_object(into, ref->path, ref->id.index);
    g_string_append_c(into, '=');
    print_object(&ref->id, into);
    g_string_append_c(into, '@');
    print_address(&ref->owner, into);
}

/* --- lists --- */

/* Reads a count of things of which each takes at least @least bytes. */
static uint32_t
get_count(MobWire *from, size_t least)
{
    uint32_t count = 0;

    get_u32(from, &count);
    if (count > (size_t)(from->end - from->at) / least) {
        from->error = from->failed ? from->error : MOB_WIRE_ERROR_TRUNCATED;
        from->failed = true;
        return 0;
    }
    return from->failed ? 0 : count;
}

static void
print_list(const void *items, uint32_t count, size_t size, void (*print)(const void *, GString *),
           GString *into)
{
    g_string_append_c(into, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            g_string_append_c(into, ' ');
        print((const char *)items + i * size, into);
    }
    g_string_append_c(into, ']');
}

static void
print_record(const MobMsgInfo *info, const void *from, GString *into)
{
    g_string_append_c(into, '{');
    for (size_t i = 0; i < info->field_count; i++) {
        const MobFieldInfo *field = &info->fields[i];
        g_string_append_printf(into, "%s%s=", i > 0 ? " " : "", field->name);
        mob_kind_info(field->kind)->print((const char *)from + field->offset, into);
    }
    g_string_append_c(into, '}');
}

/* Each of the lists is {items, count}; they differ in what they hold. */
/* clang-format off */
#define LIST(name, Type, Item, least, put_item, get_item, print_item)                \
    static void put_##name(const void *field, MobBuf *into)                          \
    {                                                                                \
        const Type *list = field;                                                    \
        put_u32(&list->count, into);                                                 \
        for (uint32_t i = 0; i < list->count; i++)                                   \
            put_item(&list->items[i], into);                                         \
    }                                                                                \
    static void get_##name(MobWire *from, void *field)                               \
    {                                                                                \
        Type *list = field;                                                          \
        list->count = get_count(from, least);                                        \
        list->items = list->count > 0 ? g_new0(Item, list->count) : NULL;            \
        for (uint32_t i = 0; i < list->count && !from->failed; i++)                  \
            get_item(from, &list->items[i]);                                         \
    }                                                                                \
    static void print_##name(const void *field, GString *into)                       \
    {                                                                                \
        const Type *list = field;                                                    \
        print_list(list->items, list->count, sizeof(Item), print_item, into);        \
    }

#define RECORD(Type, name, doc)                                                      \
    static void put_record_##name(const void *from, MobBuf *into)                    \
    {                                                                                \
        mob_fields_put(mob_record_info(MOB_RECORD_##name), from, into);              \
    }                                                                                \
    static void get_record_##name(MobWire *from, void *into)                         \
    {                                                                                \
        mob_fields_get(mob_record_info(MOB_RECORD_##name), from, into);              \
    }                                                                                \
    static void print_record_##name(const void *from, GString *into)                 \
    {                                                                                \
        print_record(mob_record_info(MOB_RECORD_##name), from, into);                \
    }
#define FIELD(kind, name, doc)
#define END(name)
#include "runtime/records.def"

LIST(objects, MobObjects, MobObjectId, LEAST_object, put_object, get_object, print_object)
LIST(refs, MobRefs, MobRef, LEAST_ref, put_ref, get_ref, print_ref)
LIST(nodes, MobNodes, MobNodeId, LEAST_node, put_node, get_node, print_node)
LIST(results, MobResults, MobResult, LEAST_record_result, put_record_result, get_record_result,
     print_record_result)
LIST(views, MobViews, MobView, LEAST_record_view, put_record_view, get_record_view,
     print_record_view)
LIST(moves, MobMoves, MobMove, LEAST_record_move, put_record_move, get_record_move,
     print_record_move)
/* clang-format on */

/* --- what a task is and takes --- */

static void
put_arg(const MobArg *arg, MobBuf *into)
{
    bool by_value = arg->value != NULL;

    put_flag(&by_value, into);
    if (by_value)
        put_value(&arg->value, into);
    else
        put_ref(&arg->ref, into);
}

static void
get_arg(MobWire *from, MobArg *arg)
{
    bool by_value = false;

    get_flag(from, &by_value);
    if (by_value)
        get_value(from, &arg->value);
    else
        get_ref(from, &arg->ref);
    if (arg->value == NULL && !mob_object_is(arg->ref.id))
        mob_wire_refuse(from, "an argument is neither a value nor a reference");
}

static void
put_args(const void *field, MobBuf *into)
{
    const MobArgs *args = *(MobArgs *const *)field;
    uint32_t count = args != NULL ? args->count : 0;

    put_u32(&count, into);
    for (uint32_t i = 0; i < count; i++)
        put_arg(&args->items[i], into);
}

static void
get_args(MobWire *from, void *field)
{
    MobArgs *args = mob_args_new(get_count(from, LEAST_arg));

    *(MobArgs **)field = args;
    for (uint32_t i = 0; i < args->count && !from->failed; i++)
        get_arg(from, &args->items[i]);
}

static void
print_arg(const void *field, GString *into)
{
    const MobArg *arg = field;

    if (arg->value != NULL)
        print_value(&arg->value, into);
    else
        print_ref(&arg->ref, into);
}

static void
print_args(const void *field, GString *into)
{
    const MobArgs *args = *(MobArgs *const *)field;

    print_list(args != NULL ? args->items : NULL, args != NULL ? args->count : 0, sizeof(MobArg),
               print_arg, into);
}

static void
put_resources(const void *field, MobBuf *into)
{
    const MobResources *resources = field;
    uint32_t count = resources->customs != NULL ? resources->customs->count : 0;

    put_i64(&resources->cpu, into);
    put_i64(&resources->memory, into);
    put_u32(&count, into);
    for (uint32_t i = 0; i < count; i++) {
        put_str(&resources->customs->items[i].name, into);
        put_i64(&resources->customs->items[i].amount, into);
    }
}

static bool
amount_is_sane(int64_t amount)
{
    return amount >= -AMOUNT_MAX && amount <= AMOUNT_MAX;
}

static void
get_customs(MobWire *from, MobCustoms *customs)
{
    for (uint32_t i = 0; i < customs->count && !from->failed; i++) {
        MobCustom *item = &customs->items[i];
        get_str(from, &item->name);
        get_i64(from, &item->amount);
        bool sorted =
            i == 0 ? item->name != NULL : strcmp(mob_str(item[-1].name), mob_str(item->name)) < 0;
        if (!sorted || !amount_is_sane(item->amount))
            mob_wire_refuse(from, "resources are not sorted by name or out of range");
    }
}

static void
get_resources(MobWire *from, void *field)
{
    MobResources *resources = field;

    get_i64(from, &resources->cpu);
    get_i64(from, &resources->memory);
    if (!amount_is_sane(resources->cpu) || !amount_is_sane(resources->memory))
        mob_wire_refuse(from, "resources are out of range");
    uint32_t count = get_count(from, LEAST_custom);
    if (count == 0)
        return;
    resources->customs = mob_customs_new(count);
    get_customs(from, resources->customs);
}

static void
print_resources(const void *field, GString *into)
{
    g_string_append_c(into, '(');
    mob_resources_print(field, into);
    g_string_append_c(into, ')');
}

static void
put_spec(const void *field, MobBuf *into)
{
    const MobTaskSpec *spec = *(MobTaskSpec *const *)field;

    g_assert(spec != NULL);
    put_record_spec(spec, into);
}

static bool
needs_are_sane(const MobResources *needs)
{
    for (uint32_t i = 0; needs->customs != NULL && i < needs->customs->count; i++)
        if (needs->customs->items[i].amount < 0)
            return false;
    return needs->cpu >= 0 && needs->memory >= 0;
}

static void
get_spec(MobWire *from, void *field)
{
    MobTaskSpec *spec = mob_spec_new();

    *(MobTaskSpec **)field = spec;
    get_record_spec(from, spec);
    if (!needs_are_sane(&spec->needs) || spec->strategy > MOB_STRATEGY_AFFINITY ||
        spec->retries < -1 || spec->returns >= MOB_PUT_BASE)
        mob_wire_refuse(from, "a task is not described as it should be");
}

static void
print_spec(const void *field, GString *into)
{
    const MobTaskSpec *spec = *(MobTaskSpec *const *)field;

    if (spec == NULL)
        g_string_append(into, "none");
    else
        print_record_spec(spec, into);
}

static const MobKindInfo kinds[MOB_KIND_COUNT] = {
#define KIND(name, ctype, doc) {put_##name, get_##name, print_##name},
#include "runtime/kinds.def"
};

const MobKindInfo *
mob_kind_info(MobKind kind)
{
    g_assert(kind < MOB_KIND_COUNT);
    return &kinds[kind];
}
