/* fuzz_value.c: whatever somebody calls a value is refused or is one.
 *
 * The encoding is deterministic: what is accepted and written again item by
 * item is the same bytes. Errors are read and told.
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

    mob_buf_add(into, value->bytes, value->length);
    mob_value_unref(value);
}
