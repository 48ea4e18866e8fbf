/* generate.c: see generate.h. */
#include "tests/generate.h"

#include <string.h>

uint64_t
generate_below(uint64_t *state, uint64_t limit)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

    return limit == 0 ? mob_mix(x) : mob_mix(x) % limit;
}

/* Any number, small ones and powers of two as often as others. */
static uint64_t
any_number(uint64_t *state)
{
    uint64_t word = generate_below(state, 0);

    return word >> generate_below(state, 64);
}

MobStr *
generate_str(uint64_t *state)
{
    char text[40];
    size_t length = generate_below(state, sizeof text);

    for (size_t i = 0; i < length; i++)
        text[i] = (char)('!' + generate_below(state, 90));
    return mob_str_new_len(text, length);
}

static MobRef
any_ref(uint64_t *state)
{
    return (MobRef){
        .id = {{any_number(state), any_number(state) | 1}, (uint32_t)any_number(state), 0},
        .owner = {(uint32_t)any_number(state), (uint32_t)any_number(state)},
        .path = generate_str(state),
    };
}

static void
any_map(uint64_t *state, MobCborWriter *writer, int depth)
{
    size_t count = generate_below(state, 4);
    int64_t key = (int64_t)generate_below(state, 1000);

    mob_cbor_map(writer, count);
    for (size_t i = 0; i < count; i++) {
        mob_cbor_int(writer, key);
        generate_item(state, writer, depth - 1);
        key += 1 + (int64_t)generate_below(state, 100000);
    }
}

static void
any_real(uint64_t *state, MobCborWriter *writer)
{
    uint64_t bits = generate_below(state, 0);
    float narrow;
    double wide;

    memcpy(&wide, &bits, sizeof wide);
    memcpy(&narrow, &bits, sizeof narrow);
    switch (generate_below(state, 3)) {
    case 0:
        mob_cbor_float(writer, wide);
        break;
    case 1:
        mob_cbor_float(writer, (double)narrow);
        break;
    default:
        mob_cbor_float(writer, (double)(int64_t)generate_below(state, 4096) / 8 - 100);
        break;
    }
}

static void
any_fault(uint64_t *state, MobCborWriter *writer)
{
    g_autoptr(MobStr) message = generate_str(state);
    MobFault fault = {
        .kind = (MobFaultKind)(1 + generate_below(state, MOB_FAULT_COUNT - 1)),
        .message = mob_str(message),
        .attempt = (uint32_t)generate_below(state, 5),
        .at = generate_below(state, MOB_SECOND),
    };
    g_autoptr(MobValue) cause =
        generate_below(state, 2) == 0 ? mob_fault_value(&(MobFault){.kind = fault.kind}) : NULL;
    fault.cause = cause;
    g_autoptr(MobValue) value = mob_fault_value(&fault);

    mob_cbor_value(writer, value);
}

static void
any_leaf(uint64_t *state, MobCborWriter *writer)
{
    g_autoptr(MobStr) text = generate_str(state);
    uint8_t noise[5];

    switch (generate_below(state, 6)) {
    case 0:
        mob_cbor_nil(writer);
        break;
    case 1:
        mob_cbor_bool(writer, generate_below(state, 2) == 1);
        break;
    case 2:
        any_real(state, writer);
        break;
    case 3:
        mob_cbor_string(writer, mob_str(text), text != NULL ? text->length : 0);
        break;
    case 4:
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (uint8_t)generate_below(state, 256);
        mob_cbor_string(writer, (const char *)noise, sizeof noise);
        break;
    default:
        mob_cbor_int(writer, (int64_t)any_number(state));
        break;
    }
}

void
generate_item(uint64_t *state, MobCborWriter *writer, int depth)
{
    MobRef ref;
    size_t count;

    switch (depth > 0 ? generate_below(state, 8) : 7) {
    case 0:
        count = generate_below(state, 5);
        mob_cbor_array(writer, count);
        for (size_t i = 0; i < count; i++)
            generate_item(state, writer, depth - 1);
        break;
    case 1:
        any_map(state, writer, depth);
        break;
    case 2:
        ref = any_ref(state);
        mob_cbor_ref(writer, &ref);
        mob_ref_clear(&ref);
        break;
    case 3:
        mob_cbor_fill(writer, generate_below(state, 1 << 20), any_number(state) >> 1);
        break;
    case 4:
        any_fault(state, writer);
        break;
    default:
        any_leaf(state, writer);
        break;
    }
}

MobValue *
generate_value(uint64_t *state)
{
    MobCborWriter writer;

    mob_cbor_init(&writer);
    generate_item(state, &writer, 4);
    g_autoptr(MobValue) made = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    /* So that an error at the top knows that it is one. */
    MobValue *value = mob_value_parse(made->bytes, made->length, NULL);
    g_assert(value != NULL);
    return value;
}

static void fill_fields(uint64_t *state, const MobMsgInfo *info, void *into);

static MobResources
any_resources(uint64_t *state)
{
    MobResources resources = {
        .cpu = (int64_t)generate_below(state, 1000000),
        .memory = (int64_t)generate_below(state, 1024) << generate_below(state, 40),
    };
    uint32_t count = (uint32_t)generate_below(state, 3);

    if (count == 0)
        return resources;
    resources.customs = mob_customs_new(count);
    for (uint32_t i = 0; i < count; i++)
        resources.customs->items[i] =
            (MobCustom){mob_str_printf("r%" G_GUINT32_FORMAT, i), (int64_t)(i + 1) * MOB_UNIT};
    mob_customs_sort(resources.customs);
    return resources;
}

static MobArgs *
any_args(uint64_t *state)
{
    MobArgs *args = mob_args_new((uint32_t)generate_below(state, 4));

    for (uint32_t i = 0; i < args->count; i++) {
        if (generate_below(state, 2) == 0)
            args->items[i].ref = any_ref(state);
        else
            args->items[i].value = generate_value(state);
    }
    return args;
}

/* A slice of a value as it is, or of one whose bytes are a rule. */
static MobSlice
any_slice(uint64_t *state)
{
    MobValue *value = generate_value(state);
    uint64_t offset = generate_below(state, value->size);

    return (MobSlice){.value = value,
                      .offset = offset,
                      .length = generate_below(state, value->size - offset + 1)};
}

static void *
any_records(uint64_t *state, MobRecord record, uint32_t *count)
{
    const MobMsgInfo *info = mob_record_info(record);

    *count = (uint32_t)generate_below(state, 4);
    char *items = g_malloc0_n(*count, info->size);
    for (uint32_t i = 0; i < *count; i++)
        fill_fields(state, info, items + i * info->size);
    return items;
}

static void
fill_list(uint64_t *state, MobKind kind, void *field)
{
    MobObjects *objects = field;
    MobRefs *refs = field;
    MobNodes *nodes = field;
    uint32_t count = (uint32_t)generate_below(state, 4);

    switch (kind) {
    case MOB_KIND_objects:
        *objects = (MobObjects){g_new0(MobObjectId, count), count};
        for (uint32_t i = 0; i < count; i++)
            objects->items[i] =
                (MobObjectId){{any_number(state), any_number(state)}, (uint32_t)i, 0};
        break;
    case MOB_KIND_refs:
        *refs = (MobRefs){g_new0(MobRef, count), count};
        for (uint32_t i = 0; i < count; i++)
            refs->items[i] = any_ref(state);
        break;
    case MOB_KIND_nodes:
        *nodes = (MobNodes){g_new0(MobNodeId, count), count};
        for (uint32_t i = 0; i < count; i++)
            nodes->items[i].v = (uint32_t)any_number(state);
        break;
    case MOB_KIND_results:
        ((MobResults *)field)->items =
            any_records(state, MOB_RECORD_result, &((MobResults *)field)->count);
        break;
    case MOB_KIND_views:
        ((MobViews *)field)->items =
            any_records(state, MOB_RECORD_view, &((MobViews *)field)->count);
        break;
    case MOB_KIND_borrows:
        ((MobBorrows *)field)->items =
            any_records(state, MOB_RECORD_borrow, &((MobBorrows *)field)->count);
        break;
    default:
        g_assert(kind == MOB_KIND_moves);
        ((MobMoves *)field)->items =
            any_records(state, MOB_RECORD_move, &((MobMoves *)field)->count);
        break;
    }
}

void
generate_field(uint64_t *state, MobKind kind, void *field)
{
    switch (kind) {
    case MOB_KIND_flag:
        *(bool *)field = generate_below(state, 2) == 1;
        break;
    case MOB_KIND_u32:
    case MOB_KIND_node:
        *(uint32_t *)field = (uint32_t)any_number(state);
        break;
    case MOB_KIND_u64:
    case MOB_KIND_i64:
        *(uint64_t *)field = any_number(state);
        break;
    case MOB_KIND_task:
        *(MobTaskId *)field = (MobTaskId){any_number(state), any_number(state)};
        break;
    case MOB_KIND_object:
        *(MobObjectId *)field =
            (MobObjectId){{any_number(state), any_number(state)}, (uint32_t)any_number(state), 0};
        break;
    case MOB_KIND_address:
        *(MobAddress *)field = (MobAddress){(uint32_t)any_number(state), 7};
        break;
    case MOB_KIND_lease:
        *(MobLeaseId *)field = (MobLeaseId){{3, (uint32_t)any_number(state)}, any_number(state)};
        break;
    case MOB_KIND_str:
        *(MobStr **)field = generate_str(state);
        break;
    case MOB_KIND_value:
        *(MobValue **)field = generate_below(state, 4) > 0 ? generate_value(state) : NULL;
        break;
    case MOB_KIND_slice:
        *(MobSlice *)field = any_slice(state);
        break;
    case MOB_KIND_ref:
        *(MobRef *)field = any_ref(state);
        break;
    case MOB_KIND_args:
        *(MobArgs **)field = any_args(state);
        break;
    case MOB_KIND_spec:
        *(MobTaskSpec **)field = generate_record(state, MOB_RECORD_spec);
        break;
    case MOB_KIND_resources:
        *(MobResources *)field = any_resources(state);
        break;
    default:
        fill_list(state, kind, field);
        break;
    }
}

static void
fill_fields(uint64_t *state, const MobMsgInfo *info, void *into)
{
    for (size_t i = 0; i < info->field_count; i++)
        generate_field(state, info->fields[i].kind, (char *)into + info->fields[i].offset);
}

MobMsg *
generate_msg(uint64_t *state, MobMsgType type)
{
    MobMsg *msg = mob_msg_new(type);

    fill_fields(state, mob_msg_info(type), msg);
    return msg;
}

void *
generate_record(uint64_t *state, MobRecord record)
{
    const MobMsgInfo *info = mob_record_info(record);
    uint32_t *made = g_malloc0(info->size);

    *made = 1; /* every record begins with its reference count */
    fill_fields(state, info, made);
    if (record == MOB_RECORD_spec) {
        MobTaskSpec *spec = (MobTaskSpec *)(void *)made;
        spec->strategy %= 3;
        spec->returns %= 100;
        spec->retries = spec->retries % 100;
        spec->retries = spec->retries < -1 ? -1 : spec->retries;
    }
    return made;
}
