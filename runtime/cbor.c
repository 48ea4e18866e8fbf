/* cbor.c: see cbor.h.
 *
 * Heads are written in their shortest form, floats in the shortest form that
 * keeps their value, lengths are always definite. The reader accepts nothing
 * else, so two equal values are equal bytes, whoever encoded them.
 */
#include "runtime/cbor.h"

#include <cbor/callbacks.h>
#include <cbor/encoding.h>
#include <cbor/streaming.h>
#include <float.h>
#include <string.h>

enum {
    COPY_MAX = 1024 * 1024
};

/* --- writing --- */

void
mob_cbor_init(MobCborWriter *writer)
{
    *writer = (MobCborWriter){.bytes = g_byte_array_sized_new(64)};
}

static void
drop_refs(MobCborWriter *writer)
{
    if (writer->refs == NULL)
        return;
    for (guint i = 0; i < writer->refs->len; i++)
        mob_ref_clear(&g_array_index(writer->refs, MobRef, i));
    g_array_free(g_steal_pointer(&writer->refs), TRUE);
}

void
mob_cbor_clear(MobCborWriter *writer)
{
    drop_refs(writer);
    if (writer->bytes != NULL)
        g_byte_array_unref(writer->bytes);
    *writer = (MobCborWriter){0};
}

static void
add(MobCborWriter *writer, const void *bytes, size_t length)
{
    g_assert(length < G_MAXUINT32 - writer->bytes->len);
    g_byte_array_append(writer->bytes, bytes, (guint)length);
}

void
mob_cbor_nil(MobCborWriter *writer)
{
    uint8_t head[MOB_CBOR_HEAD_MAX];

    add(writer, head, cbor_encode_null(head, sizeof head));
}

void
mob_cbor_bool(MobCborWriter *writer, bool value)
{
    uint8_t head[MOB_CBOR_HEAD_MAX];

    add(writer, head, cbor_encode_bool(value, head, sizeof head));
}

static void
add_uint(MobCborWriter *writer, uint64_t value)
{
    uint8_t head[MOB_CBOR_HEAD_MAX];

    add(writer, head, cbor_encode_uint(value, head, sizeof head));
}

void
mob_cbor_int(MobCborWriter *writer, int64_t value)
{
    uint8_t head[MOB_CBOR_HEAD_MAX];

    if (value >= 0)
        add_uint(writer, (uint64_t)value);
    else
        add(writer, head, cbor_encode_negint(-1 - (uint64_t)value, head, sizeof head));
}

static uint32_t
float_bits(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Finds the half-precision number that equals @value; false if there is none.
 * libcbor only encodes halves with loss. */
static bool
to_half(float value, uint16_t *half)
{
    uint32_t bits = float_bits(value);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    int exponent = (int)(bits >> 23 & 0xff) - 127;
    uint32_t mantissa = bits & 0x7fffff;

    if (exponent == 128) { /* infinities; NaN was dealt with before */
        *half = sign | 0x7c00;
        return true;
    }
    if (exponent == -127) { /* zero; no subnormal float is a half */
        *half = sign;
        return mantissa == 0;
    }
    if (exponent >= -14 && exponent <= 15 && (mantissa & 0x1fff) == 0) {
        *half = (uint16_t)(sign | (uint32_t)(exponent + 15) << 10 | mantissa >> 13);
        return true;
    }
    if (exponent >= -24 && exponent < -14) { /* a subnormal half */
        uint32_t full = mantissa | 0x800000;
        int shift = -1 - exponent;
        *half = (uint16_t)(sign | full >> shift);
        return (full & ((UINT32_C(1) << shift) - 1)) == 0;
    }
    return false;
}

/* Writes the shortest float that equals @value; returns its length. */
static size_t
encode_float(double value, uint8_t head[MOB_CBOR_HEAD_MAX])
{
    uint16_t half;

    if (__builtin_isnan(value)) {
        memcpy(head, "\xf9\x7e\x00", 3);
        return 3;
    }
    /* Narrowing a finite number beyond the range of float is undefined. */
    if (!__builtin_isinf(value) && __builtin_fabs(value) > (double)FLT_MAX)
        return cbor_encode_double(value, head, MOB_CBOR_HEAD_MAX);
    float single = (float)value;
    if ((double)single != value)
        return cbor_encode_double(value, head, MOB_CBOR_HEAD_MAX);
    if (!to_half(single, &half))
        return cbor_encode_single(single, head, MOB_CBOR_HEAD_MAX);
    head[0] = 0xf9;
    head[1] = (uint8_t)(half >> 8);
    head[2] = (uint8_t)half;
    return 3;
}

void
mob_cbor_float(MobCborWriter *writer, double value)
{
    uint8_t head[MOB_CBOR_HEAD_MAX];

    add(writer, head, encode_float(value, head));
}

/* Returns the first byte that is not ASCII, eight at a time, or @end. */
static const char *
skip_ascii(const char *text, const char *end)
{
    uint64_t word;

    for (; end - text >= (ptrdiff_t)sizeof word; text += sizeof word) {
        memcpy(&word, text, sizeof word);
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    while (text < end && (*text & 0x80) == 0)
        text++;
    return text;
}

/* Whether the bytes are UTF-8, zeros included, at which GLib stops. */
static bool
is_utf8(const char *text, size_t length)
{
    const char *end = text + length;

    for (;;) {
        const char *stop;
        text = skip_ascii(text, end);
        if (text == end || g_utf8_validate_len(text, (gsize)(end - text), &stop))
            return true;
        if (*stop != '\0')
            return false;
        text = stop;
    }
}

static void
add_bytes(MobCborWriter *writer, const void *bytes, size_t length)
{
    uint8_t head[MOB_CBOR_HEAD_MAX];

    add(writer, head, cbor_encode_bytestring_start(length, head, sizeof head));
    add(writer, bytes, length);
}

static void
add_text(MobCborWriter *writer, const char *text, size_t length)
{
    uint8_t head[MOB_CBOR_HEAD_MAX];

    add(writer, head, cbor_encode_string_start(length, head, sizeof head));
    add(writer, text, length);
}

void
mob_cbor_string(MobCborWriter *writer, const char *text, size_t length)
{
    if (is_utf8(text, length))
        add_text(writer, text, length);
    else
        add_bytes(writer, text, length);
}

void
mob_cbor_array(MobCborWriter *writer, size_t count)
{
    uint8_t head[MOB_CBOR_HEAD_MAX];

    add(writer, head, cbor_encode_array_start(count, head, sizeof head));
}

void
mob_cbor_map(MobCborWriter *writer, size_t count)
{
    uint8_t head[MOB_CBOR_HEAD_MAX];

    add(writer, head, cbor_encode_map_start(count, head, sizeof head));
}

void
mob_cbor_tag(MobCborWriter *writer, uint64_t tag)
{
    uint8_t head[MOB_CBOR_HEAD_MAX];

    add(writer, head, cbor_encode_tag(tag, head, sizeof head));
}

static void
keep_ref(MobCborWriter *writer, const MobRef *ref)
{
    MobRef own = *ref;

    mob_str_ref(own.path);
    if (writer->refs == NULL)
        writer->refs = g_array_new(FALSE, FALSE, sizeof(MobRef));
    g_array_append_val(writer->refs, own);
}

void
mob_cbor_ref(MobCborWriter *writer, const MobRef *ref)
{
    uint64_t task[2] = {GUINT64_TO_BE(ref->id.task.hi), GUINT64_TO_BE(ref->id.task.lo)};

    mob_cbor_tag(writer, MOB_CBOR_REF);
    mob_cbor_array(writer, 5);
    add_bytes(writer, task, sizeof task);
    add_uint(writer, ref->id.index);
    add_uint(writer, ref->owner.node);
    add_uint(writer, ref->owner.local);
    add_text(writer, mob_str(ref->path), ref->path != NULL ? ref->path->length : 0);
    keep_ref(writer, ref);
}

void
mob_cbor_fill(MobCborWriter *writer, uint64_t size, uint64_t fill)
{
    g_assert(size <= MOB_FILL_MAX - writer->unwritten && fill <= INT64_MAX);
    mob_cbor_tag(writer, MOB_CBOR_FILL);
    mob_cbor_array(writer, 2);
    add_uint(writer, size);
    add_uint(writer, fill);
    writer->unwritten += size;
}

void
mob_cbor_value(MobCborWriter *writer, const MobValue *value)
{
    g_autoptr(MobValue) rule = mob_value_by_rule((MobValue *)value);

    add(writer, rule->bytes, rule->length);
    for (uint32_t i = 0; i < rule->ref_count; i++)
        keep_ref(writer, &rule->refs[i]);
    writer->unwritten += rule->size - rule->length;
}

/* A large value keeps the bytes that were written, and those are not copied. */
static MobValue *
make_value(MobCborWriter *writer, MobRef *refs, uint32_t count, uint32_t fault)
{
    uint32_t length = writer->bytes->len;
    uint64_t size = length + writer->unwritten;

    if (length < COPY_MAX)
        return mob_value_new(writer->bytes->data, length, size, refs, count, fault);
    uint8_t *bytes = g_realloc(g_byte_array_steal(writer->bytes, NULL), length);
    return mob_value_borrow(bytes, length, size, refs, count, fault, (MobHold){g_free, bytes});
}

MobValue *
mob_cbor_finish(MobCborWriter *writer, uint32_t fault)
{
    uint32_t count = 0;
    MobRef *refs = NULL;

    if (writer->refs != NULL) {
        count = writer->refs->len;
        refs = (MobRef *)(void *)g_array_free(g_steal_pointer(&writer->refs), FALSE);
    }
    MobValue *value = make_value(writer, refs, count, fault);
    g_byte_array_set_size(writer->bytes, 0);
    writer->unwritten = 0;
    return value;
}

/* --- reading: libcbor calls one of these with what it found --- */

static void
on_number(MobCborItem *item, uint64_t number)
{
    if (number > INT64_MAX)
        return; /* we have no such integers */
    item->type = MOB_CBOR_INT;
    item->number = (int64_t)number;
}

static void
on_negative(MobCborItem *item, uint64_t number)
{
    on_number(item, number);
    item->number = -1 - item->number;
}

static void
on_uint8(void *item, uint8_t number)
{
    on_number(item, number);
}

static void
on_uint16(void *item, uint16_t number)
{
    on_number(item, number);
}

static void
on_uint32(void *item, uint32_t number)
{
    on_number(item, number);
}

static void
on_uint64(void *item, uint64_t number)
{
    on_number(item, number);
}

static void
on_negint8(void *item, uint8_t number)
{
    on_negative(item, number);
}

static void
on_negint16(void *item, uint16_t number)
{
    on_negative(item, number);
}

static void
on_negint32(void *item, uint32_t number)
{
    on_negative(item, number);
}

static void
on_negint64(void *item, uint64_t number)
{
    on_negative(item, number);
}

static void
on_bytes(void *data, cbor_data bytes, size_t length)
{
    *(MobCborItem *)data =
        (MobCborItem){.type = MOB_CBOR_STRING, .text = (const char *)bytes, .length = length};
}

static void
on_array(void *data, size_t count)
{
    *(MobCborItem *)data = (MobCborItem){.type = MOB_CBOR_ARRAY, .length = count};
}

static void
on_map(void *data, size_t count)
{
    *(MobCborItem *)data = (MobCborItem){.type = MOB_CBOR_MAP, .length = count};
}

static void
on_tag(void *data, uint64_t tag)
{
    if (tag <= INT64_MAX)
        *(MobCborItem *)data = (MobCborItem){.type = MOB_CBOR_TAG, .number = (int64_t)tag};
}

static void
on_single(void *data, float value)
{
    *(MobCborItem *)data = (MobCborItem){.type = MOB_CBOR_DOUBLE, .real = (double)value};
}

static void
on_double(void *data, double value)
{
    *(MobCborItem *)data = (MobCborItem){.type = MOB_CBOR_DOUBLE, .real = value};
}

static void
on_null(void *data)
{
    *(MobCborItem *)data = (MobCborItem){.type = MOB_CBOR_NIL};
}

static void
on_bool(void *data, bool value)
{
    *(MobCborItem *)data = (MobCborItem){.type = MOB_CBOR_BOOL, .number = value};
}

static void
on_nothing(void *data)
{
}

static const struct cbor_callbacks callbacks = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint64,
    .negint8 = on_negint8,
    .negint16 = on_negint16,
    .negint32 = on_negint32,
    .negint64 = on_negint64,
    .byte_string_start = on_nothing,
    .byte_string = on_bytes,
    .string = on_bytes,
    .string_start = on_nothing,
    .indef_array_start = on_nothing,
    .array_start = on_array,
    .indef_map_start = on_nothing,
    .map_start = on_map,
    .tag = on_tag,
    .float2 = on_single,
    .float4 = on_single,
    .float8 = on_double,
    .undefined = on_nothing,
    .null = on_null,
    .boolean = on_bool,
    .indef_break = on_nothing,
};

/* Whether the head at @at, which was read whole, is as short as it can be. */
static bool
head_is_shortest(const uint8_t *at, const MobCborItem *item, size_t read)
{
    uint8_t head[MOB_CBOR_HEAD_MAX];
    uint8_t info = at[0] & 0x1f;

    if (item->type == MOB_CBOR_DOUBLE)
        return encode_float(item->real, head) == read && memcmp(head, at, read) == 0;
    if (info < 24)
        return true;
    /* 24, 25, 26, 27: one, two, four, eight bytes follow */
    size_t width = (size_t)1 << (info - 24);
    uint64_t number = 0;
    for (size_t i = 0; i < width; i++)
        number = number << 8 | at[1 + i];
    return width == 1 ? number >= 24 : number >> (width * 4) != 0;
}

static bool
is_text(const uint8_t *at)
{
    return *at >> 5 == 3;
}

MobCborItem
mob_cbor_next(MobCborReader *reader)
{
    MobCborItem item = {0};
    size_t left = (size_t)(reader->end - reader->at);

    if (reader->bad || left == 0)
        return item;
    struct cbor_decoder_result result = cbor_stream_decode(reader->at, left, &callbacks, &item);
    uint64_t most = UINT64_MAX;
    if (item.type == MOB_CBOR_ARRAY)
        most = left - result.read;
    else if (item.type == MOB_CBOR_MAP)
        most = (left - result.read) / 2;
    if (result.status != CBOR_DECODER_FINISHED || item.type == MOB_CBOR_END ||
        !head_is_shortest(reader->at, &item, result.read) || item.length > most ||
        (is_text(reader->at) && !reader->checked && !is_utf8(item.text, item.length))) {
        reader->bad = true;
        return (MobCborItem){0};
    }
    reader->at += result.read;
    return item;
}
