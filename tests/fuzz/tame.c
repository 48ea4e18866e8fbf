/* tame.c: see tame.h. */
#include "tests/fuzz/tame.h"

#include "runtime/config.h"
#include "runtime/str.h"

MobAddress
tame_address(uint64_t index)
{
    static const MobAddress known[TAME_ADDRESSES] = {
        {1, MOB_LOCAL_NODE},
        {1, MOB_LOCAL_GCS},
        {1, MOB_LOCAL_WORKER},
        {1, MOB_LOCAL_POOL},
        {1, MOB_LOCAL_POOL + 1},
        {2, MOB_LOCAL_NODE},
        {2, MOB_LOCAL_WORKER},
        {2, MOB_LOCAL_POOL},
        {3, MOB_LOCAL_NODE},
        {3, MOB_LOCAL_POOL},
        {0, 0},
        {9, 9},
    };

    return known[index % TAME_ADDRESSES];
}

static MobAddress
any_address(uint64_t *state)
{
    return tame_address(generate_below(state, TAME_ADDRESSES));
}

static MobTaskId
any_task(uint64_t *state)
{
    MobTaskId execution = mob_task_execution(TAME_ROOT, 1);

    switch (generate_below(state, 4)) {
    case 0:
        return TAME_ROOT;
    case 1:
        return (MobTaskId){7, 1 + generate_below(state, 3)};
    case 2:
        return mob_task_execution((MobTaskId){7, 1}, (uint32_t)generate_below(state, 3));
    default:
        return mob_task_child(execution, 1 + generate_below(state, 4));
    }
}

/* Two objects with one key in a table are nothing that honest ones make. */
static MobObjectId
any_object(uint64_t *state)
{
    MobObjectId object = mob_object_return(any_task(state), 1 + (uint32_t)generate_below(state, 2));

    switch (generate_below(state, 8)) {
    case 0:
        return mob_object_put(mob_task_execution(TAME_ROOT, 1),
                              1 + (uint32_t)generate_below(state, 3));
    case 1:
        object.task.hi ^= object.index ^ 5;
        object.index = 5;
        return object;
    default:
        return object;
    }
}

MobRef
tame_ref(uint64_t *state)
{
    return (MobRef){any_object(state), any_address(state), mob_str_new("1")};
}

MobValue *
tame_value(uint64_t *state)
{
    MobCborWriter writer;
    uint64_t count = generate_below(state, 3);

    if (generate_below(state, 8) == 0)
        return generate_value(state);
    if (generate_below(state, 8) == 0)
        return mob_fault_value(&(MobFault){.kind = MOB_FAULT_TASK, .message = "no"});
    mob_cbor_init(&writer);
    mob_cbor_array(&writer, count + 1);
    mob_cbor_fill(&writer, generate_below(state, 4) * 300000, generate_below(state, 2));
    for (uint64_t i = 0; i < count; i++) {
        MobRef ref = tame_ref(state);
        mob_cbor_ref(&writer, &ref);
        mob_ref_clear(&ref);
    }
    MobValue *value = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    return value;
}

/* --- fields --- */

static void tame_fields(uint64_t *state, const MobMsgInfo *info, void *into);

static void
tame_resources(uint64_t *state, MobResources *resources)
{
    mob_resources_clear(resources);
    resources->cpu = (int64_t)generate_below(state, 3) * MOB_UNIT;
    if (generate_below(state, 4) > 0)
        return;
    resources->customs = mob_customs_new(1);
    resources->customs->items[0] =
        (MobCustom){mob_str_new("gpu"), (int64_t)generate_below(state, 3)};
}

static void
tame_records(uint64_t *state, MobRecord record, void *items, uint32_t count)
{
    const MobMsgInfo *info = mob_record_info(record);

    for (uint32_t i = 0; i < count; i++)
        tame_fields(state, info, (char *)items + i * info->size);
}

static void
tame_text(uint64_t *state, MobStr **text)
{
    static const char *const words[] = {
        TAME_BUNDLE, "bundle:" TAME_BUNDLE, "n1", "n2", "f", "1", "1/1", "2", "2:1"};

    mob_str_unref(*text);
    *text = mob_str_new(words[generate_below(state, G_N_ELEMENTS(words))]);
}

static void
tame_list(uint64_t *state, MobKind kind, void *field)
{
    MobObjects *objects = field;
    MobRefs *refs = field;
    MobNodes *nodes = field;

    if (kind == MOB_KIND_results)
        tame_records(state, MOB_RECORD_result, ((MobResults *)field)->items,
                     ((MobResults *)field)->count);
    else if (kind == MOB_KIND_views)
        tame_records(state, MOB_RECORD_view, ((MobViews *)field)->items,
                     ((MobViews *)field)->count);
    else if (kind == MOB_KIND_moves)
        tame_records(state, MOB_RECORD_move, ((MobMoves *)field)->items,
                     ((MobMoves *)field)->count);
    else if (kind == MOB_KIND_borrows)
        tame_records(state, MOB_RECORD_borrow, ((MobBorrows *)field)->items,
                     ((MobBorrows *)field)->count);
    for (uint32_t i = 0; kind == MOB_KIND_objects && i < objects->count; i++)
        objects->items[i] = any_object(state);
    for (uint32_t i = 0; kind == MOB_KIND_nodes && i < nodes->count; i++)
        nodes->items[i].v = (uint32_t)generate_below(state, 4);
    for (uint32_t i = 0; kind == MOB_KIND_refs && i < refs->count; i++) {
        mob_ref_clear(&refs->items[i]);
        refs->items[i] = tame_ref(state);
    }
}

static void
tame_args(uint64_t *state, MobArgs *args)
{
    for (uint32_t i = 0; i < args->count; i++) {
        MobArg *arg = &args->items[i];
        bool by_value = arg->value != NULL;
        mob_ref_clear(&arg->ref);
        mob_value_unref(arg->value);
        *arg = (MobArg){0};
        if (by_value)
            arg->value = tame_value(state);
        else
            arg->ref = tame_ref(state);
    }
}

static void
tame_field(uint64_t *state, MobKind kind, void *field)
{
    MobTaskSpec *spec;

    switch (kind) {
    case MOB_KIND_u32:
    case MOB_KIND_node:
        *(uint32_t *)field = (uint32_t)generate_below(state, 4);
        break;
    case MOB_KIND_u64:
    case MOB_KIND_i64:
        *(uint64_t *)field = generate_below(state, 6);
        break;
    case MOB_KIND_task:
        *(MobTaskId *)field = any_task(state);
        break;
    case MOB_KIND_object:
        *(MobObjectId *)field = any_object(state);
        break;
    case MOB_KIND_address:
        *(MobAddress *)field = any_address(state);
        break;
    case MOB_KIND_lease:
        *(MobLeaseId *)field = (MobLeaseId){any_address(state), generate_below(state, 5)};
        break;
    case MOB_KIND_ref:
        mob_ref_clear(field);
        *(MobRef *)field = tame_ref(state);
        break;
    case MOB_KIND_str:
        tame_text(state, field);
        break;
    case MOB_KIND_value:
        mob_value_unref(*(MobValue **)field);
        *(MobValue **)field = generate_below(state, 3) > 0 ? tame_value(state) : NULL;
        break;
    case MOB_KIND_resources:
        tame_resources(state, field);
        break;
    case MOB_KIND_spec:
        spec = *(MobTaskSpec **)field;
        if (spec != NULL)
            tame_fields(state, mob_record_info(MOB_RECORD_spec), spec);
        if (spec != NULL)
            spec->strategy %= 3;
        break;
    case MOB_KIND_args:
        if (*(MobArgs **)field != NULL)
            tame_args(state, *(MobArgs **)field);
        break;
    case MOB_KIND_flag:
    case MOB_KIND_slice:
        break;
    default:
        tame_list(state, kind, field);
        break;
    }
}

static void
tame_fields(uint64_t *state, const MobMsgInfo *info, void *into)
{
    for (size_t i = 0; i < info->field_count; i++)
        if (generate_below(state, 8) > 0)
            tame_field(state, info->fields[i].kind, (char *)into + info->fields[i].offset);
}

/* --- messages that fit together --- */

/* What Locations announce and Chunks bring. */
static MobValue *
known_value(uint64_t *state)
{
    uint64_t known = 1 + generate_below(state, 3);

    return tame_value(&known);
}

static void
tame_chunk(uint64_t *state, MobChunk *chunk)
{
    MobConfig config;
    g_autoptr(MobValue) value = known_value(state);

    mob_config_init(&config, MOB_PROFILE_IDEAL);
    mob_value_unref(chunk->piece.value);
    chunk->size = value->size;
    chunk->hash = value->hash;
    chunk->offset = value->size / config.chunk * generate_below(state, 2) * config.chunk;
    chunk->piece = (MobSlice){mob_value_ref(value), NULL, chunk->offset,
                              MIN(config.chunk, value->size - chunk->offset)};
}

MobMsg *
tame_msg(uint64_t *state, MobMsgType type)
{
    MobMsg *msg = generate_msg(state, type);

    tame_fields(state, mob_msg_info(type), msg);
    if (type == MOB_MSG_CHUNK && generate_below(state, 4) > 0) {
        tame_chunk(state, (MobChunk *)msg);
    } else if (type == MOB_MSG_LOCATIONS && generate_below(state, 2) > 0) {
        g_autoptr(MobValue) value = known_value(state);
        MobLocations *locations = (MobLocations *)msg;
        locations->size = value->size;
        locations->hash = value->hash;
        g_clear_pointer(&locations->value, mob_value_unref);
    }
    return msg;
}

/* --- notes --- */

static void
tame_word(uint64_t *state, const char **text)
{
    static const char *const words[] = {"local", "borrowed", "nested", "heal", "n1"};

    g_free((char *)*text);
    *text = g_strdup(words[generate_below(state, G_N_ELEMENTS(words))]);
}

void
tame_note(uint64_t *state, MobNote *note)
{
    MobKind texts = MOB_KIND_COUNT;
    MobKind msgs = MOB_KIND_COUNT;
#define MOB_KIND_text texts
#define MOB_KIND_msg  msgs
    const struct {
        MobKind kind;
        void *field;
    } fields[] = {
#define FIELD(kind, name) {MOB_KIND_##kind, &note->name},
#include "runtime/notes_fields.def"
    };
#undef MOB_KIND_text
#undef MOB_KIND_msg
    const char **words[] = {&note->label, &note->reason, &note->text};

    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
        if (fields[i].kind != MOB_KIND_COUNT && generate_below(state, 8) > 0)
            tame_field(state, fields[i].kind, fields[i].field);
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        tame_word(state, words[i]);
}
