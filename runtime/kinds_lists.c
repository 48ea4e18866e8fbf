/* kinds_lists.c: see kinds.h. Lists, records, and what a task is and takes.
 *
 * A count is checked against the bytes that are left before anything is
 * allocated for it, so a small message cannot ask for much memory.
 */
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
    LEAST_args = 4,
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

/* --- lists --- */

uint32_t
mob_wire_count(MobWire *from, size_t least)
{
    uint32_t count = 0;

    mob_kind_get_u32(from, &count);
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
    void mob_kind_put_##name(const void *field, MobBuf *into)                          \
    {                                                                                \
        const Type *list = field;                                                    \
        mob_kind_put_u32(&list->count, into);                                                 \
        for (uint32_t i = 0; i < list->count; i++)                                   \
            put_item(&list->items[i], into);                                         \
    }                                                                                \
    void mob_kind_get_##name(MobWire *from, void *field)                               \
    {                                                                                \
        Type *list = field;                                                          \
        list->count = mob_wire_count(from, least);                                        \
        list->items = list->count > 0 ? g_new0(Item, list->count) : NULL;            \
        for (uint32_t i = 0; i < list->count && !from->failed; i++)                  \
            get_item(from, &list->items[i]);                                         \
    }                                                                                \
    void mob_kind_print_##name(const void *field, GString *into)                       \
    {                                                                                \
        const Type *list = field;                                                    \
        print_list(list->items, list->count, sizeof(Item), print_item, into);        \
    }

#define RECORD(Type, name, doc)                                                      \
    static G_GNUC_UNUSED void put_record_##name(const void *from, MobBuf *into)\
    {                                                                                \
        mob_fields_put(mob_record_info(MOB_RECORD_##name), from, into);              \
    }                                                                                \
    static G_GNUC_UNUSED void get_record_##name(MobWire *from, void *into)\
    {                                                                                \
        mob_fields_get(mob_record_info(MOB_RECORD_##name), from, into);              \
    }                                                                                \
    static G_GNUC_UNUSED void print_record_##name(const void *from, GString *into)\
    {                                                                                \
        print_record(mob_record_info(MOB_RECORD_##name), from, into);                \
    }
#define FIELD(kind, name, doc)
#define END(name)
#include "runtime/records.def"

LIST(objects, MobObjects, MobObjectId, LEAST_object, mob_kind_put_object, mob_kind_get_object,
     mob_kind_print_object)
LIST(refs, MobRefs, MobRef, LEAST_ref, mob_kind_put_ref, mob_kind_get_ref, mob_kind_print_ref)
LIST(nodes, MobNodes, MobNodeId, LEAST_node, mob_kind_put_node, mob_kind_get_node,
     mob_kind_print_node)
LIST(results, MobResults, MobResult, LEAST_record_result, put_record_result, get_record_result,
     print_record_result)
LIST(views, MobViews, MobView, LEAST_record_view, put_record_view, get_record_view,
     print_record_view)
LIST(moves, MobMoves, MobMove, LEAST_record_move, put_record_move, get_record_move,
     print_record_move)
LIST(borrows, MobBorrows, MobBorrow, LEAST_record_borrow, put_record_borrow, get_record_borrow,
     print_record_borrow)
/* clang-format on */

/* --- what a task is and takes --- */

static void
put_arg(const MobArg *arg, MobBuf *into)
{
    bool by_value = arg->value != NULL;

    mob_kind_put_flag(&by_value, into);
    if (by_value)
        mob_kind_put_value(&arg->value, into);
    else
        mob_kind_put_ref(&arg->ref, into);
}

static void
get_arg(MobWire *from, MobArg *arg)
{
    bool by_value = false;

    mob_kind_get_flag(from, &by_value);
    if (by_value)
        mob_kind_get_value(from, &arg->value);
    else
        mob_kind_get_ref(from, &arg->ref);
    if (arg->value == NULL && !mob_object_is(arg->ref.id))
        mob_wire_refuse(from, "an argument is neither a value nor a reference");
}

void
mob_kind_put_args(const void *field, MobBuf *into)
{
    const MobArgs *args = *(MobArgs *const *)field;
    uint32_t count = args != NULL ? args->count : 0;

    mob_kind_put_u32(&count, into);
    for (uint32_t i = 0; i < count; i++)
        put_arg(&args->items[i], into);
}

void
mob_kind_get_args(MobWire *from, void *field)
{
    MobArgs *args = mob_args_new(mob_wire_count(from, LEAST_arg));

    *(MobArgs **)field = args;
    for (uint32_t i = 0; i < args->count && !from->failed; i++)
        get_arg(from, &args->items[i]);
}

static void
print_arg(const void *field, GString *into)
{
    const MobArg *arg = field;

    if (arg->value != NULL)
        mob_kind_print_value(&arg->value, into);
    else
        mob_kind_print_ref(&arg->ref, into);
}

void
mob_kind_print_args(const void *field, GString *into)
{
    const MobArgs *args = *(MobArgs *const *)field;

    print_list(args != NULL ? args->items : NULL, args != NULL ? args->count : 0, sizeof(MobArg),
               print_arg, into);
}

void
mob_kind_put_resources(const void *field, MobBuf *into)
{
    const MobResources *resources = field;
    uint32_t count = resources->customs != NULL ? resources->customs->count : 0;

    mob_kind_put_i64(&resources->cpu, into);
    mob_kind_put_i64(&resources->memory, into);
    mob_kind_put_u32(&count, into);
    for (uint32_t i = 0; i < count; i++) {
        mob_kind_put_str(&resources->customs->items[i].name, into);
        mob_kind_put_i64(&resources->customs->items[i].amount, into);
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
        mob_kind_get_str(from, &item->name);
        mob_kind_get_i64(from, &item->amount);
        bool sorted =
            i == 0 ? item->name != NULL : strcmp(mob_str(item[-1].name), mob_str(item->name)) < 0;
        if (!sorted || !amount_is_sane(item->amount))
            mob_wire_refuse(from, "resources are not sorted by name or out of range");
    }
}

void
mob_kind_get_resources(MobWire *from, void *field)
{
    MobResources *resources = field;

    mob_kind_get_i64(from, &resources->cpu);
    mob_kind_get_i64(from, &resources->memory);
    if (!amount_is_sane(resources->cpu) || !amount_is_sane(resources->memory))
        mob_wire_refuse(from, "resources are out of range");
    uint32_t count = mob_wire_count(from, LEAST_custom);
    if (count == 0)
        return;
    resources->customs = mob_customs_new(count);
    get_customs(from, resources->customs);
}

void
mob_kind_print_resources(const void *field, GString *into)
{
    g_string_append_c(into, '(');
    mob_resources_print(field, into);
    g_string_append_c(into, ')');
}

void
mob_kind_put_spec(const void *field, MobBuf *into)
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

/* Longer texts are made of these. */
static bool
is_short(const MobStr *text)
{
    return text == NULL || text->length <= MOB_STR_MAX / 2;
}

void
mob_kind_get_spec(MobWire *from, void *field)
{
    MobTaskSpec *spec = mob_spec_new();

    *(MobTaskSpec **)field = spec;
    get_record_spec(from, spec);
    if (!needs_are_sane(&spec->needs) || spec->strategy > MOB_STRATEGY_AFFINITY ||
        spec->retries < -1 || spec->returns > MOB_TASK_RETURNS_MAX || !is_short(spec->path) ||
        !is_short(spec->bundle))
        mob_wire_refuse(from, "a task is not described as it should be");
}

void
mob_kind_print_spec(const void *field, GString *into)
{
    const MobTaskSpec *spec = *(MobTaskSpec *const *)field;

    if (spec == NULL)
        g_string_append(into, "none");
    else
        print_record_spec(spec, into);
}
