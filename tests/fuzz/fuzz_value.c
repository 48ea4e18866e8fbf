/* fuzz_value.c: whatever somebody calls a value is refused or is one.
 *
 * The encoding is deterministic: what is accepted and written again item by
 * item is the same bytes. Errors are read and told. Bytes of a rule are written
 * out and made a rule again, and it stays the same value.
 */
#include "tests/fuzz/fuzz.h"

static void
copy_items(MobCborReader *from, MobCborWriter *into)
{
    for (uint64_t left = 1; left > 0; left--) {
        MobCborItem item = mob_cbor_next(from);
        switch (item.type) {
        case MOB_CBOR_END:
            g_assert_not_reached();
        case MOB_CBOR_NIL:
            mob_cbor_nil(into);
            break;
        case MOB_CBOR_BOOL:
            mob_cbor_bool(into, item.number != 0);
            break;
        case MOB_CBOR_INT:
            mob_cbor_int(into, item.number);
            break;
        case MOB_CBOR_DOUBLE:
            mob_cbor_float(into, item.real);
            break;
        case MOB_CBOR_STRING:
            mob_cbor_string(into, item.text, item.length);
            break;
        case MOB_CBOR_ARRAY:
            mob_cbor_array(into, item.length);
            left += item.length;
            break;
        case MOB_CBOR_MAP:
            mob_cbor_map(into, item.length);
            left += item.length * 2;
            break;
        case MOB_CBOR_TAG:
            mob_cbor_tag(into, (uint64_t)item.number);
            left++;
            break;
        }
    }
}

enum {
    WRITTEN_MAX = 1 << 16
};

static void
write_out_and_back(MobValue *value)
{
    if (value->size > WRITTEN_MAX)
        return;
    uint8_t *bytes = g_malloc(value->size);
    mob_value_write_out(value, bytes);
    MobValue *whole = mob_value_parse(bytes, value->size, NULL);
    g_assert(whole->length == value->size && whole->hash == value->hash);
    MobValue *rule = mob_value_by_rule(whole);
    g_assert(rule->size == value->size && rule->hash == value->hash);
    mob_value_unref(rule);
    mob_value_unref(whole);
    g_free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MobValue *value = mob_value_parse(data, size, NULL);

    if (value == NULL)
        return 0;
    g_assert(value->length == size && value->size >= value->length);

    MobCborReader reader = {value->bytes, value->bytes + value->length, false};
    MobCborWriter writer;
    mob_cbor_init(&writer);
    copy_items(&reader, &writer);
    g_assert(reader.at == reader.end);
    /* A byte string that is UTF-8 becomes text; its length stays. */
    g_assert(writer.bytes->len == size);
    mob_cbor_clear(&writer);
    write_out_and_back(value);

    GString *text = g_string_new(NULL);
    mob_fault_report(value, text);
    g_string_free(text, TRUE);
    mob_value_unref(value);
    return 0;
}

void
fuzz_seed(uint64_t *state, MobBuf *into)
{
    MobValue *value = generate_value(state);

    if (value->size <= WRITTEN_MAX && generate_below(state, 2) == 0) {
        uint8_t *bytes = g_malloc(value->size);
        mob_value_write_out(value, bytes);
        mob_buf_add(into, bytes, value->size);
        g_free(bytes);
    } else {
        mob_buf_add(into, value->bytes, value->length);
    }
    mob_value_unref(value);
}
