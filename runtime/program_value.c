/* program_value.c: see mobula.h. Values as C programs make and read them.
 *
 * What was received is never copied to be looked at: an item of an array is a
 * window on the bytes of the whole. Items are found by reading from where the
 * last one ended, so walking an array costs its length once.
 */
#include <string.h>

#include "runtime/program_parts.h"

static MobulaValue *
add_value(MobulaTask *task, MobValue *whole, const uint8_t *at, uint32_t length)
{
    MobulaValue *value = g_new(MobulaValue, 1);

    *value =
        (MobulaValue){.whole = whole, .at = at, .length = length, .position = task->values->len};
    g_ptr_array_add(task->values, value);
    return value;
}

MobulaValue *
mob_program_wrap(MobulaTask *task, MobValue *whole)
{
    return add_value(task, whole, whole->bytes, whole->length);
}

void
mob_program_free_value(MobulaValue *value)
{
    mob_value_unref(value->whole);
    g_free(value);
}

void
mobula_free(MobulaTask *task, MobulaValue *value)
{
    if (value == NULL)
        return;
    g_assert(g_ptr_array_index(task->values, value->position) == value);
    MobulaValue *last = g_ptr_array_index(task->values, task->values->len - 1);
    g_ptr_array_index(task->values, value->position) = last;
    last->position = value->position;
    g_ptr_array_set_size(task->values, (gint)task->values->len - 1);
    mob_program_free_value(value);
}

MobValue *
mob_program_unwrap(MobulaTask *task, const MobulaValue *value)
{
    if (value->at == value->whole->bytes && value->length == value->whole->length)
        return mob_value_ref(value->whole);
    MobValue *item = mob_value_parse(value->at, value->length, NULL);
    g_assert(item != NULL); /* a part of what was accepted */
    return item;
}

static MobCborReader
reader_of(const MobulaValue *value)
{
    return (MobCborReader){value->at, value->at + value->length, false, .checked = true};
}

static MobCborItem
first_item(const MobulaValue *value)
{
    MobCborReader reader = reader_of(value);

    return mob_cbor_next(&reader);
}

bool
mob_program_read_ref(const MobulaValue *value, MobRef *ref)
{
    MobCborReader reader = reader_of(value);
    MobCborItem item = mob_cbor_next(&reader);

    return item.type == MOB_CBOR_TAG && item.number == MOB_CBOR_REF &&
           mob_cbor_read_ref(&reader, ref);
}

/* --- making --- */

/* Takes over what was written, which cannot be wrong. */
static MobulaValue *
finish(MobulaTask *task, MobCborWriter *writer)
{
    MobulaValue *value = mob_program_wrap(task, mob_cbor_finish(writer, 0));

    mob_cbor_clear(writer);
    return value;
}

/* The same for what may be nested too deeply. */
static MobulaValue *
finish_nested(MobulaTask *task, MobCborWriter *writer)
{
    MobValue *whole = mob_value_parse(writer->bytes->data, writer->bytes->len, NULL);

    mob_cbor_clear(writer);
    if (whole == NULL)
        mob_program_fail(task, NULL, "the value is nested more than %d deep, or weighs too much",
                         MOB_VALUE_DEPTH_MAX);
    return mob_program_wrap(task, whole);
}

MobulaValue *
mobula_nil(MobulaTask *task)
{
    return mob_program_wrap(task, mob_value_nil());
}

MobulaValue *
mobula_bool(MobulaTask *task, bool value)
{
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_bool(&writer, value);
    return finish(task, &writer);
}

MobulaValue *
mobula_int(MobulaTask *task, int64_t value)
{
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_int(&writer, value);
    return finish(task, &writer);
}

MobulaValue *
mobula_double(MobulaTask *task, double value)
{
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_float(&writer, value);
    return finish(task, &writer);
}

MobulaValue *
mobula_bytes(MobulaTask *task, const void *bytes, size_t length)
{
    MobCborWriter writer;

    if (length >= G_MAXINT32)
        mob_program_fail(task, NULL, "%zu bytes are too many for one value", length);
    mob_cbor_init(&writer);
    mob_cbor_string(&writer, bytes, length);
    return finish(task, &writer);
}

MobulaValue *
mobula_string(MobulaTask *task, const char *text)
{
    return mobula_bytes(task, text, strlen(text));
}

MobulaValue *
mobula_fill(MobulaTask *task, uint64_t size, uint64_t fill)
{
    MobCborWriter writer;

    if (size > MOB_FILL_MAX || fill > INT64_MAX)
        mob_program_fail(task, NULL, "a fill has at most 2^60 bytes and a rule below 2^63");
    mob_cbor_init(&writer);
    mob_cbor_fill(&writer, size, fill);
    return finish(task, &writer);
}

static void
add_item(MobCborWriter *writer, const MobulaValue *value)
{
    if (value == NULL)
        mob_cbor_nil(writer);
    else
        g_byte_array_append(writer->bytes, value->at, value->length);
}

/* Raises an error if the items would not fit into one value. */
static void
check_sum(MobulaTask *task, size_t count, MobulaValue *const *items)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += items[i] != NULL ? items[i]->length : 1;
    if (sum >= G_MAXINT32)
        mob_program_fail(task, NULL, "%" G_GUINT64_FORMAT " bytes are too many for one value", sum);
}

MobulaValue *
mobula_array(MobulaTask *task, size_t count, MobulaValue *const *items)
{
    MobCborWriter writer;

    check_sum(task, count, items);
    mob_cbor_init(&writer);
    mob_cbor_array(&writer, count);
    for (size_t i = 0; i < count; i++)
        add_item(&writer, items[i]);
    return finish_nested(task, &writer);
}

typedef struct {
    const char *key;
    size_t length;
    const MobulaValue *value;
} Pair;

/* The order of the deterministic encoding: shorter keys first. */
static int
compare_pairs(const void *a, const void *b)
{
    const Pair *left = a;
    const Pair *right = b;

    if (left->length != right->length)
        return left->length < right->length ? -1 : 1;
    return memcmp(left->key, right->key, left->length);
}

/* Why the keys cannot be those of a map; NULL if they can. */
static const char *
find_bad_key(const GArray *pairs)
{
    for (guint i = 0; i < pairs->len; i++) {
        const Pair *pair = &g_array_index(pairs, Pair, i);
        if (!g_utf8_validate(pair->key, (gssize)pair->length, NULL))
            return "a key of a map is not UTF-8";
        if (i > 0 && compare_pairs(pair - 1, pair) == 0)
            return "a key of a map stands there twice";
    }
    return NULL;
}

static void
add_pairs(MobCborWriter *writer, const GArray *pairs)
{
    mob_cbor_map(writer, pairs->len);
    for (guint i = 0; i < pairs->len; i++) {
        const Pair *pair = &g_array_index(pairs, Pair, i);
        mob_cbor_string(writer, pair->key, pair->length);
        add_item(writer, pair->value);
    }
}

MobulaValue *
mobula_map(MobulaTask *task, size_t count, const char *const *keys, MobulaValue *const *values)
{
    MobCborWriter writer;

    check_sum(task, count, values);
    GArray *pairs = g_array_sized_new(FALSE, FALSE, sizeof(Pair), (guint)count);
    for (size_t i = 0; i < count; i++) {
        Pair pair = {keys[i], strlen(keys[i]), values[i]};
        g_array_append_val(pairs, pair);
    }
    g_array_sort(pairs, compare_pairs);
    const char *problem = find_bad_key(pairs);
    mob_cbor_init(&writer);
    if (problem == NULL)
        add_pairs(&writer, pairs);
    g_array_free(pairs, TRUE);
    if (problem == NULL)
        return finish_nested(task, &writer);
    mob_cbor_clear(&writer);
    mob_program_fail(task, NULL, "%s", problem);
}

/* --- reading --- */

static MobulaType
type_of_tag(int64_t tag)
{
    switch (tag) {
    case MOB_CBOR_REF:
        return MOBULA_REF;
    case MOB_CBOR_FILL:
        return MOBULA_FILL;
    case MOB_CBOR_ERROR:
        return MOBULA_ERROR;
    default:
        return MOBULA_OTHER;
    }
}

MobulaType
mobula_type(const MobulaValue *value)
{
    MobCborItem item = first_item(value);

    switch (item.type) {
    case MOB_CBOR_NIL:
        return MOBULA_NIL;
    case MOB_CBOR_BOOL:
        return MOBULA_BOOL;
    case MOB_CBOR_INT:
        return MOBULA_INT;
    case MOB_CBOR_DOUBLE:
        return MOBULA_DOUBLE;
    case MOB_CBOR_STRING:
        return MOBULA_STRING;
    case MOB_CBOR_ARRAY:
        return MOBULA_ARRAY;
    case MOB_CBOR_MAP:
        return MOBULA_MAP;
    case MOB_CBOR_TAG:
        return type_of_tag(item.number);
    case MOB_CBOR_END:
        break;
    }
    g_assert_not_reached();
}

MOBULA_NORETURN static void
fail_type(MobulaTask *task, const MobulaValue *value, const char *expected)
{
    static const char *const names[] = {
        "nil",   "a boolean",   "an integer", "a double", "a string",         "an array",
        "a map", "a reference", "a fill",     "an error", "something unknown"};

    mob_program_fail(task, NULL, "expected %s, but this is %s", expected,
                     names[mobula_type(value)]);
}

bool
mobula_to_bool(MobulaTask *task, const MobulaValue *value)
{
    MobCborItem item = first_item(value);

    if (item.type != MOB_CBOR_BOOL)
        fail_type(task, value, "a boolean");
    return item.number != 0;
}

int64_t
mobula_to_int(MobulaTask *task, const MobulaValue *value)
{
    MobCborItem item = first_item(value);

    if (item.type != MOB_CBOR_INT)
        fail_type(task, value, "an integer");
    return item.number;
}

double
mobula_to_double(MobulaTask *task, const MobulaValue *value)
{
    MobCborItem item = first_item(value);

    if (item.type == MOB_CBOR_INT)
        return (double)item.number;
    if (item.type != MOB_CBOR_DOUBLE)
        fail_type(task, value, "a number");
    return item.real;
}

const void *
mobula_to_bytes(MobulaTask *task, const MobulaValue *value, size_t *length)
{
    MobCborItem item = first_item(value);

    if (item.type != MOB_CBOR_STRING)
        fail_type(task, value, "a string");
    *length = item.length;
    return item.text;
}

static GStringChunk *
texts_of(MobulaTask *task)
{
    if (task->texts == NULL)
        task->texts = g_string_chunk_new(256);
    return task->texts;
}

const char *
mobula_to_string(MobulaTask *task, const MobulaValue *value, size_t *length)
{
    size_t count;
    const char *bytes = mobula_to_bytes(task, value, &count);

    if (length != NULL)
        *length = count;
    return g_string_chunk_insert_len(texts_of(task), bytes, (gssize)count);
}

uint64_t
mobula_size(const MobulaValue *value)
{
    if (value->length == value->whole->length)
        return value->whole->size;
    g_autoptr(MobValue) item = mob_value_parse(value->at, value->length, NULL);
    return item->size;
}

size_t
mobula_count(MobulaTask *task, const MobulaValue *value)
{
    MobCborItem item = first_item(value);

    if (item.type != MOB_CBOR_ARRAY && item.type != MOB_CBOR_MAP)
        fail_type(task, value, "an array or a map");
    return item.length;
}

/* Returns the @number-th of the items that stand one behind the other in an
 * array or map, keys and values alike. */
static MobulaValue *
item_at(MobulaTask *task, MobulaValue *value, uint64_t number)
{
    MobCborReader reader = reader_of(value);

    mob_cbor_next(&reader);
    if (value->next_at != NULL && value->next <= number)
        reader.at = value->next_at;
    else
        value->next = 0;
    for (; value->next < number; value->next++)
        mob_cbor_skip(&reader);
    const uint8_t *at = reader.at;
    mob_cbor_skip(&reader);
    value->next++;
    value->next_at = reader.at;
    return add_value(task, mob_value_ref(value->whole), at, (uint32_t)(reader.at - at));
}

static void
check_index(MobulaTask *task, const MobulaValue *value, size_t index)
{
    size_t count = mobula_count(task, value);

    if (index >= count)
        mob_program_fail(task, NULL, "there is no item %zu among %zu", index, count);
}

MobulaValue *
mobula_at(MobulaTask *task, MobulaValue *value, size_t index)
{
    check_index(task, value, index);
    bool map = first_item(value).type == MOB_CBOR_MAP;
    return item_at(task, value, map ? (uint64_t)index * 2 + 1 : index);
}

MobulaValue *
mobula_key_at(MobulaTask *task, MobulaValue *map, size_t index)
{
    if (first_item(map).type != MOB_CBOR_MAP)
        fail_type(task, map, "a map");
    check_index(task, map, index);
    return item_at(task, map, (uint64_t)index * 2);
}

MobulaValue *
mobula_find(MobulaTask *task, MobulaValue *map, const char *key)
{
    MobCborReader reader = reader_of(map);
    MobCborItem head = mob_cbor_next(&reader);
    size_t length = strlen(key);

    if (head.type != MOB_CBOR_MAP)
        fail_type(task, map, "a map");
    for (uint64_t i = 0; i < head.length; i++) {
        MobCborReader peek = reader;
        MobCborItem item = mob_cbor_next(&peek);
        if (item.type == MOB_CBOR_STRING && item.length == length &&
            memcmp(item.text, key, length) == 0)
            return item_at(task, map, i * 2 + 1);
        mob_cbor_skip(&reader);
        mob_cbor_skip(&reader);
    }
    return NULL;
}

const char *
mobula_error_name(MobulaTask *task, const MobulaValue *error)
{
    if (mobula_type(error) != MOBULA_ERROR)
        fail_type(task, error, "an error");
    g_autoptr(MobValue) value = mob_program_unwrap(task, error);
    return mob_fault_name((MobFaultKind)value->fault);
}

const char *
mobula_error_report(MobulaTask *task, const MobulaValue *error)
{
    if (mobula_type(error) != MOBULA_ERROR)
        fail_type(task, error, "an error");
    g_autoptr(MobValue) value = mob_program_unwrap(task, error);
    g_autoptr(GString) text = g_string_new(NULL);
    mob_fault_report(value, text);
    return g_string_chunk_insert_len(texts_of(task), text->str, (gssize)text->len);
}
