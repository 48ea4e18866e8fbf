/* msg.c: see msg.h.
 *
 * The macros here build tables and constructors. Everything that runs is a
 * loop over a table of fields that calls the functions of the field's kind.
 * What has to be fast, freeing and folding and weighing, is in msgwalk.c.
 */
#include "runtime/kinds.h"

#include <stddef.h>
#include <string.h>

/* --- tables --- */

/* One function for each message and record, because only there its struct has
 * a name that FIELD can use. They return addresses of constants. */
/* clang-format off */
#define MESSAGE(Type, CONSTANT, name, doc)                     \
    static const MobMsgInfo *info_of_msg_##name(void)          \
    {                                                          \
        typedef Mob##Type This;                                \
        static const char text_name[] = #Type;                 \
        static const char text_doc[] = doc;                    \
        static const MobFieldInfo fields[] = {
#define FIELD(kind, name, doc) {#name, MOB_KIND_##kind, offsetof(This, name), doc},
#define END(name)                                                                      \
        };                                                                             \
        static const MobMsgInfo info = {text_name, text_doc, sizeof(This), fields,     \
                                        sizeof fields / sizeof(MobFieldInfo)};         \
        return &info;                                                                  \
    }
#include "runtime/messages.def"

#define RECORD(Type, name, doc)                                \
    static const MobMsgInfo *info_of_record_##name(void)       \
    {                                                          \
        typedef struct Mob##Type This;                         \
        static const char text_name[] = #Type;                 \
        static const char text_doc[] = doc;                    \
        static const MobFieldInfo fields[] = {
#define FIELD(kind, name, doc) {#name, MOB_KIND_##kind, offsetof(This, name), doc},
#define END(name)                                                                      \
        };                                                                             \
        static const MobMsgInfo info = {text_name, text_doc, sizeof(This), fields,     \
                                        sizeof fields / sizeof(MobFieldInfo)};         \
        return &info;                                                                  \
    }
#include "runtime/records.def"
/* clang-format on */

static const MobMsgInfo *(*const msg_infos[MOB_MSG_COUNT])(void) = {
#define MESSAGE(Type, CONSTANT, name, doc) info_of_msg_##name,
#define FIELD(kind, name, doc)
#define END(name)
#include "runtime/messages.def"
};

static const MobMsgInfo *(*const record_infos[MOB_RECORD_COUNT])(void) = {
#define RECORD(Type, name, doc) info_of_record_##name,
#define FIELD(kind, name, doc)
#define END(name)
#include "runtime/records.def"
};

const MobMsgInfo *
mob_msg_info(MobMsgType type)
{
    g_assert(type < MOB_MSG_COUNT);
    return msg_infos[type]();
}

const MobMsgInfo *
mob_record_info(MobRecord record)
{
    g_assert(record < MOB_RECORD_COUNT);
    return record_infos[record]();
}

MobMsgType
mob_msg_by_name(const char *name)
{
    for (int i = 0; i < MOB_MSG_COUNT; i++)
        if (strcmp(mob_msg_info((MobMsgType)i)->name, name) == 0)
            return (MobMsgType)i;
    return MOB_MSG_COUNT;
}

/* --- making --- */

static inline void *
new_message(MobMsgType type, size_t size)
{
    MobMsg *msg = mob_zeroed(size);

    msg->refs = 1;
    msg->type = type;
    return msg;
}

/* clang-format off */
#define MESSAGE(Type, CONSTANT, name, doc)                          \
    Mob##Type *mob_##name##_new(void)                               \
    {                                                               \
        return new_message(MOB_MSG_##CONSTANT, sizeof(Mob##Type));  \
    }
#define FIELD(kind, name, doc)
#define END(name)
#include "runtime/messages.def"
/* clang-format on */

MobMsg *
mob_msg_new(MobMsgType type)
{
    return new_message(type, mob_msg_info(type)->size);
}

/* Every record begins with its reference count. */
static void *
new_record(MobRecord record)
{
    uint32_t *refs_held = mob_zeroed(mob_record_info(record)->size);

    *refs_held = 1;
    return refs_held;
}

MobTaskSpec *
mob_spec_new(void)
{
    return new_record(MOB_RECORD_spec);
}

MobRef
mob_ref_copy(const MobRef *ref)
{
    return (MobRef){ref->id, ref->owner, mob_str_ref(ref->path)};
}

void
mob_view_copy(MobView *to, const MobView *from)
{
    *to = *from;
    mob_str_ref(to->name);
    mob_str_ref(to->reason);
    mob_customs_ref(to->total.customs);
    mob_customs_ref(to->available.customs);
}

void
mob_view_clear(MobView *view)
{
    mob_record_clear(MOB_RECORD_view, view);
    *view = (MobView){0};
}

void
mob_result_clear(MobResult *result)
{
    mob_record_clear(MOB_RECORD_result, result);
    *result = (MobResult){0};
}

/* --- the wire --- */

void
mob_fields_put(const MobMsgInfo *info, const void *from, MobBuf *into)
{
    for (size_t i = 0; i < info->field_count; i++)
        mob_kind_info(info->fields[i].kind)->put((const char *)from + info->fields[i].offset, into);
}

void
mob_fields_get(const MobMsgInfo *info, MobWire *from, void *into)
{
    for (size_t i = 0; i < info->field_count && !from->failed; i++)
        mob_kind_info(info->fields[i].kind)->get(from, (char *)into + info->fields[i].offset);
}

bool
mob_wire_is_done(const MobWire *wire, const char *what, size_t size, GError **error)
{
    if (wire->failed && wire->problem != NULL)
        g_set_error(error, MOB_WIRE_ERROR, wire->error, "%s is refused: %s", what, wire->problem);
    else if (wire->failed)
        g_set_error(error, MOB_WIRE_ERROR, wire->error, "%s ends after %zu bytes", what, size);
    else if (wire->at != wire->end)
        g_set_error(error, MOB_WIRE_ERROR, MOB_WIRE_ERROR_TRAILING, "%s is followed by %zu bytes",
                    what, (size_t)(wire->end - wire->at));
    else
        return true;
    return false;
}

void
mob_msg_encode(const MobMsg *msg, MobBuf *into)
{
    uint32_t type = GUINT32_TO_LE((uint32_t)msg->type);

    mob_buf_add(into, &type, sizeof type);
    mob_fields_put(mob_msg_info(msg->type), msg, into);
}

void
mob_texts_clear(MobTexts *texts)
{
    for (size_t i = 0; i < G_N_ELEMENTS(texts->at); i++)
        g_clear_pointer(&texts->at[i], mob_str_unref);
}

MobMsg *
mob_msg_decode(const uint8_t *data, size_t size, GError **error)
{
    return mob_msg_decode_with(data, size, NULL, NULL, error);
}

MobMsg *
mob_msg_decode_with(const uint8_t *data, size_t size, MobPlaces *places, MobTexts *texts,
                    GError **error)
{
    uint32_t type;

    if (size < sizeof type) {
        g_set_error(error, MOB_WIRE_ERROR, MOB_WIRE_ERROR_TRUNCATED,
                    "a message cannot be %zu bytes short", size);
        return NULL;
    }
    memcpy(&type, data, sizeof type);
    type = GUINT32_FROM_LE(type);
    if (type >= MOB_MSG_COUNT) {
        g_set_error(error, MOB_WIRE_ERROR, MOB_WIRE_ERROR_UNKNOWN,
                    "there is no message of type %" G_GUINT32_FORMAT, type);
        return NULL;
    }
    const MobMsgInfo *info = mob_msg_info((MobMsgType)type);
    g_autoptr(MobMsg) msg = mob_msg_new((MobMsgType)type);
    MobWire wire = {.at = data + sizeof type, .end = data + size, .places = places, .texts = texts};
    mob_fields_get(info, &wire, msg);
    return mob_wire_is_done(&wire, info->name, size, error) ? g_steal_pointer(&msg) : NULL;
}

void
mob_record_encode(MobRecord record, const void *from, MobBuf *into)
{
    mob_fields_put(mob_record_info(record), from, into);
}

void *
mob_record_decode(MobRecord record, const uint8_t *data, size_t size, GError **error)
{
    const MobMsgInfo *info = mob_record_info(record);
    void *into = new_record(record);
    MobWire wire = {.at = data, .end = data + size};

    mob_fields_get(info, &wire, into);
    if (!mob_wire_is_done(&wire, info->name, size, error)) {
        mob_record_free(record, into);
        return NULL;
    }
    return into;
}

void
mob_msg_print(const MobMsg *msg, GString *into)
{
    const MobMsgInfo *info = mob_msg_info(msg->type);

    g_string_append(into, info->name);
    for (size_t i = 0; i < info->field_count; i++) {
        const MobFieldInfo *field = &info->fields[i];
        g_string_append_printf(into, " %s=", field->name);
        mob_kind_info(field->kind)->print((const char *)msg + field->offset, into);
    }
}

/* --- the schema --- */

static uint64_t
hash_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = mob_mix(hash ^ (uint8_t)*text);
    return mob_mix(hash + 1);
}

static uint64_t
hash_info(uint64_t hash, const MobMsgInfo *info)
{
    static const char *const kind_names[MOB_KIND_COUNT] = {
#define KIND(name, ctype, doc) #name,
#include "runtime/kinds.def"
    };

    hash = hash_text(hash, info->name);
    for (size_t i = 0; i < info->field_count; i++) {
        hash = hash_text(hash, info->fields[i].name);
        hash = hash_text(hash, kind_names[info->fields[i].kind]);
    }
    return hash;
}

uint64_t
mob_schema_hash(void)
{
    uint64_t hash = 1;

    for (int i = 0; i < MOB_RECORD_COUNT; i++)
        hash = hash_info(hash, mob_record_info((MobRecord)i));
    for (int i = 0; i < MOB_MSG_COUNT; i++)
        hash = hash_info(hash, mob_msg_info((MobMsgType)i));
    return hash;
}
