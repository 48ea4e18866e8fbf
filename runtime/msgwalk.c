/* msgwalk.c: what happens to every message on its way: it is folded into the
 * trace hash, weighed, and freed.
 *
 * The world does this millions of times a second, so here the macros write
 * code: one function for each message that does what each of its fields needs
 * and nothing for the others. Three functions for each kind: clear_, fold_ and
 * weigh_.
 */
#include "runtime/kinds.h"

/* A sum of words, each multiplied by a number of its own, so that neither a
 * changed nor a moved word goes unseen; the multiplications do not wait for
 * each other. */
typedef struct {
    uint64_t sum;
    uint64_t factor;
} Fold;

static inline void
fold_word(Fold *fold, uint64_t word)
{
    fold->sum += (word ^ (word >> 29)) * fold->factor;
    fold->factor += UINT64_C(0x9e3779b97f4a7c16); /* even: factors stay odd */
}

/* The records refer to each other and to lists of each other. */
/* clang-format off */
#define RECORD(Type, name, doc)                                          \
    static void clear_record_##name(struct Mob##Type *record);           \
    static G_GNUC_UNUSED void fold_record_##name(Fold *fold, const struct Mob##Type *record); \
    static G_GNUC_UNUSED uint64_t weigh_record_##name(const struct Mob##Type *record);
#define FIELD(kind, name, doc)
#define END(name)
#include "runtime/records.def"
/* clang-format on */

/* --- kinds that own nothing and always weigh the same --- */

/* clang-format off */
#define PLAIN(name, ctype, bytes)                     \
    static inline void clear_##name(ctype *field)     \
    {                                                 \
    }                                                 \
    static inline uint64_t weigh_##name(const ctype *field) \
    {                                                 \
        return bytes;                                 \
    }

PLAIN(flag, bool, 1)
PLAIN(u32, uint32_t, 4)
PLAIN(u64, uint64_t, 8)
PLAIN(i64, int64_t, 8)
PLAIN(task, MobTaskId, 16)
PLAIN(object, MobObjectId, 20)
PLAIN(node, MobNodeId, 4)
PLAIN(address, MobAddress, 8)
PLAIN(lease, MobLeaseId, 16)
/* clang-format on */

static inline void
fold_flag(Fold *fold, const bool *field)
{
    fold_word(fold, *field);
}

static inline void
fold_u32(Fold *fold, const uint32_t *field)
{
    fold_word(fold, *field);
}

static inline void
fold_u64(Fold *fold, const uint64_t *field)
{
    fold_word(fold, *field);
}

static inline void
fold_i64(Fold *fold, const int64_t *field)
{
    fold_word(fold, (uint64_t)*field);
}

static inline void
fold_task(Fold *fold, const MobTaskId *field)
{
    fold_word(fold, field->hi);
    fold_word(fold, field->lo);
}

static inline void
fold_object(Fold *fold, const MobObjectId *field)
{
    fold_task(fold, &field->task);
    fold_word(fold, field->index);
}

static inline void
fold_node(Fold *fold, const MobNodeId *field)
{
    fold_word(fold, field->v);
}

static inline void
fold_address(Fold *fold, const MobAddress *field)
{
    fold_word(fold, mob_address_word(*field));
}

static inline void
fold_lease(Fold *fold, const MobLeaseId *field)
{
    fold_address(fold, &field->owner);
    fold_word(fold, field->number);
}

/* --- texts and values --- */

static inline void
clear_str(MobStr **field)
{
    mob_str_unref(*field);
}

static inline void
fold_str(Fold *fold, MobStr *const *field)
{
    fold_word(fold, mob_str_hash(*field));
}

static inline uint64_t
weigh_str(MobStr *const *field)
{
    return 4 + (*field != NULL ? (*field)->length : 0);
}

static inline void
clear_value(MobValue **field)
{
    mob_value_unref(*field);
}

static inline void
fold_value(Fold *fold, MobValue *const *field)
{
    fold_word(fold, *field != NULL ? (*field)->size : 0);
    fold_word(fold, *field != NULL ? (*field)->hash : 0);
}

static inline uint64_t
weigh_value(MobValue *const *field)
{
    return 4 + (*field != NULL ? (*field)->size : 0);
}

static inline void
clear_slice(MobSlice *field)
{
    mob_value_unref(field->value);
    if (field->bytes != NULL)
        g_bytes_unref(field->bytes);
}

/* Where the piece is, not what it holds: the bytes may be a rule, and whoever
 * has decoded a piece does not have the value. */
static inline void
fold_slice(Fold *fold, const MobSlice *field)
{
    fold_word(fold, field->offset);
    fold_word(fold, field->length);
}

static inline uint64_t
weigh_slice(const MobSlice *field)
{
    return 21 + field->length;
}

static inline void
clear_ref(MobRef *field)
{
    mob_str_unref(field->path);
}

static inline void
fold_ref(Fold *fold, const MobRef *field)
{
    fold_object(fold, &field->id);
    fold_address(fold, &field->owner);
    fold_str(fold, &field->path);
}

static inline uint64_t
weigh_ref(const MobRef *field)
{
    return 28 + weigh_str(&field->path);
}

static inline void
clear_resources(MobResources *field)
{
    mob_customs_unref(field->customs);
}

static inline void
fold_resources(Fold *fold, const MobResources *field)
{
    fold_word(fold, (uint64_t)field->cpu);
    fold_word(fold, (uint64_t)field->memory);
    if (field->customs == NULL)
        return;
    for (uint32_t i = 0; i < field->customs->count; i++) {
        fold_str(fold, &field->customs->items[i].name);
        fold_word(fold, (uint64_t)field->customs->items[i].amount);
    }
}

static inline uint64_t
weigh_resources(const MobResources *field)
{
    uint64_t weight = 20;

    for (uint32_t i = 0; field->customs != NULL && i < field->customs->count; i++)
        weight += 8 + weigh_str(&field->customs->items[i].name);
    return weight;
}

/* --- lists --- */

/* clang-format off */
#define LIST(name, Type, clear_item, fold_item, weigh_item) \
    static void clear_##name(Type *list)                    \
    {                                                       \
        for (uint32_t i = 0; i < list->count; i++)          \
            clear_item(&list->items[i]);                    \
        g_free(list->items);                                \
    }                                                       \
    static void fold_##name(Fold *fold, const Type *list)   \
    {                                                       \
        fold_word(fold, list->count);                       \
        for (uint32_t i = 0; i < list->count; i++)          \
            fold_item(fold, &list->items[i]);               \
    }                                                       \
    static uint64_t weigh_##name(const Type *list)          \
    {                                                       \
        uint64_t weight = 4;                                \
        for (uint32_t i = 0; i < list->count; i++)          \
            weight += weigh_item(&list->items[i]);          \
        return weight;                                      \
    }

LIST(objects, MobObjects, clear_object, fold_object, weigh_object)
LIST(refs, MobRefs, clear_ref, fold_ref, weigh_ref)
LIST(nodes, MobNodes, clear_node, fold_node, weigh_node)
LIST(results, MobResults, clear_record_result, fold_record_result, weigh_record_result)
LIST(views, MobViews, clear_record_view, fold_record_view, weigh_record_view)
LIST(moves, MobMoves, clear_record_move, fold_record_move, weigh_record_move)
LIST(borrows, MobBorrows, clear_record_borrow, fold_record_borrow, weigh_record_borrow)
/* clang-format on */

/* --- what a task is and takes --- */

static inline void
clear_args(MobArgs **field)
{
    mob_args_unref(*field);
}

static void
fold_args(Fold *fold, MobArgs *const *field)
{
    const MobArgs *args = *field;
    uint32_t count = args != NULL ? args->count : 0;

    fold_word(fold, count);
    for (uint32_t i = 0; i < count; i++) {
        if (args->items[i].value != NULL)
            fold_value(fold, &args->items[i].value);
        else
            fold_ref(fold, &args->items[i].ref);
    }
}

static uint64_t
weigh_args(MobArgs *const *field)
{
    const MobArgs *args = *field;
    uint32_t count = args != NULL ? args->count : 0;
    uint64_t weight = 4;

    for (uint32_t i = 0; i < count; i++)
        weight += 1 + (args->items[i].value != NULL ? weigh_value(&args->items[i].value)
                                                    : weigh_ref(&args->items[i].ref));
    return weight;
}

static inline void
clear_spec(MobTaskSpec **field)
{
    mob_spec_unref(*field);
}

static void
fold_spec(Fold *fold, MobTaskSpec *const *field)
{
    if (*field != NULL)
        fold_record_spec(fold, *field);
}

static uint64_t
weigh_spec(MobTaskSpec *const *field)
{
    return *field != NULL ? weigh_record_spec(*field) : 0;
}

/* --- records --- */

/* clang-format off */
#define RECORD(Type, name, doc)                                    \
    static void clear_record_##name(struct Mob##Type *record)      \
    {
#define FIELD(kind, name, doc) clear_##kind(&record->name);
#define END(name)              }
#include "runtime/records.def"
/* clang-format on */

#define RECORD(Type, name, doc)                                                                    \
    static G_GNUC_UNUSED void fold_record_##name(Fold *fold, const struct Mob##Type *record)       \
    {
#define FIELD(kind, name, doc) fold_##kind(fold, &record->name);
#define END(name)              }
#include "runtime/records.def"

#define RECORD(Type, name, doc)                                                                    \
    static G_GNUC_UNUSED uint64_t weigh_record_##name(const struct Mob##Type *record)              \
    {                                                                                              \
        uint64_t weight = 0;
#define FIELD(kind, name, doc) weight += weigh_##kind(&record->name);
#define END(name)                                                                                  \
    return weight;                                                                                 \
    }
#include "runtime/records.def"

void
mob_record_clear(MobRecord record, void *from)
{
    switch (record) {
/* clang-format off */
#define RECORD(Type, name, doc)         \
    case MOB_RECORD_##name:             \
        clear_record_##name(from);      \
        break;
#define FIELD(kind, name, doc)
#define END(name)
#include "runtime/records.def"
        /* clang-format on */
    default:
        g_assert_not_reached();
    }
}

void
mob_record_free(MobRecord record, void *from)
{
    if (from == NULL)
        return;
    if (record == MOB_RECORD_spec) {
        mob_spec_unref(from);
        return;
    }
    mob_record_clear(record, from);
    g_free(from);
}

void
mob_spec_unref(MobTaskSpec *spec)
{
    if (spec == NULL)
        return;
    g_assert(spec->refs_held > 0);
    if (--spec->refs_held > 0)
        return;
    clear_record_spec(spec);
    g_free(spec);
}

/* --- messages --- */

/* clang-format off */
#define MESSAGE(Type, CONSTANT, name, doc)              \
    static void clear_msg_##name(MobMsg *base)          \
    {                                                   \
        Mob##Type *msg = (Mob##Type *)base;             \
        (void)msg;
#define FIELD(kind, name, doc) clear_##kind(&msg->name);
#define END(name)              }
#include "runtime/messages.def"
/* clang-format on */

#define MESSAGE(Type, CONSTANT, name, doc)                                                         \
    static void fold_msg_##name(Fold *fold, const MobMsg *base)                                    \
    {                                                                                              \
        const Mob##Type *msg = (const Mob##Type *)base;                                            \
        (void)msg;
#define FIELD(kind, name, doc) fold_##kind(fold, &msg->name);
#define END(name)              }
#include "runtime/messages.def"

#define MESSAGE(Type, CONSTANT, name, doc)                                                         \
    static uint64_t weigh_msg_##name(const MobMsg *base)                                           \
    {                                                                                              \
        const Mob##Type *msg = (const Mob##Type *)base;                                            \
        uint64_t weight = 4;                                                                       \
        (void)msg;
#define FIELD(kind, name, doc) weight += weigh_##kind(&msg->name);
#define END(name)                                                                                  \
    return weight;                                                                                 \
    }
#include "runtime/messages.def"

static const struct {
    void (*clear)(MobMsg *msg);
    void (*fold)(Fold *fold, const MobMsg *msg);
    uint64_t (*weigh)(const MobMsg *msg);
} walks[MOB_MSG_COUNT] = {
#define MESSAGE(Type, CONSTANT, name, doc) {clear_msg_##name, fold_msg_##name, weigh_msg_##name},
#define FIELD(kind, name, doc)
#define END(name)
#include "runtime/messages.def"
};

MobMsg *
mob_msg_ref(MobMsg *msg)
{
    g_assert(msg->refs > 0);
    msg->refs++;
    return msg;
}

void
mob_msg_unref(MobMsg *msg)
{
    if (msg == NULL)
        return;
    g_assert(msg->refs > 0);
    if (--msg->refs > 0)
        return;
    walks[msg->type].clear(msg);
    g_free(msg);
}

uint64_t
mob_msg_weight(const MobMsg *msg)
{
    return walks[msg->type].weigh(msg);
}

uint64_t
mob_msg_fold(const MobMsg *msg, uint64_t hash)
{
    Fold fold = {msg->type, UINT64_C(0xd6e8feb86659fd93)};

    walks[msg->type].fold(&fold, msg);
    return mob_mix(hash ^ mob_mix(fold.sum));
}
