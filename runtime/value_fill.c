/* value_fill.c: see value.h. Bytes that follow a rule, as the rule and written
 * out, and from one form to the other.
 *
 * The rule makes pages of 512 words: the words of the first page are mixed from
 * the rule, those of a later one are the same, each with the mixed number of
 * the page. So any byte can be had at once, pages differ, and writing them
 * costs a store and not a multiplication for each word.
 */
#include <string.h>

#include "runtime/cbor.h"

enum {
    PAGE_WORDS = 512,
    PAGE = PAGE_WORDS * sizeof(uint64_t),
};

uint8_t
mob_fill_byte(uint64_t fill, uint64_t at)
{
    uint64_t word = mob_mix(fill + at / 8 % PAGE_WORDS) ^ mob_mix(at / PAGE);

    return (uint8_t)(word >> 8 * (at % 8));
}

static void
write_page(const uint64_t first[PAGE_WORDS], uint64_t page, uint8_t *into)
{
    uint64_t mask = GUINT64_TO_LE(mob_mix(page));

    for (size_t i = 0; i < PAGE_WORDS; i++) {
        uint64_t word = first[i] ^ mask;
        memcpy(into + i * sizeof word, &word, sizeof word);
    }
}

void
mob_fill_write(uint64_t fill, uint64_t at, uint8_t *into, size_t length)
{
    uint64_t first[PAGE_WORDS];

    for (; length > 0 && at % PAGE != 0; length--)
        *into++ = mob_fill_byte(fill, at++);
    if (length >= PAGE)
        for (uint64_t i = 0; i < PAGE_WORDS; i++)
            first[i] = GUINT64_TO_LE(mob_mix(fill + i));
    for (; length >= PAGE; length -= PAGE, into += PAGE, at += PAGE)
        write_page(first, at / PAGE, into);
    for (; length > 0; length--)
        *into++ = mob_fill_byte(fill, at++);
}

/* A number and the head of so many bytes differ in the major type alone. */
void
mob_fill_turn_head(const MobFill *fill, uint8_t head[MOB_CBOR_HEAD_MAX])
{
    memcpy(head, fill->head, fill->head_length);
    head[0] ^= 2 << 5;
}

/* Reads on to the next FILL; false if there is none before the end. */
static bool
next_fill(MobCborReader *reader, MobFill *fill)
{
    while (reader->at < reader->end) {
        MobCborItem item = mob_cbor_next(reader);
        g_assert(item.type != MOB_CBOR_END);
        if (item.type == MOB_CBOR_TAG && item.number == MOB_CBOR_FILL) {
            bool ok = mob_cbor_read_fill(reader, fill);
            g_assert(ok);
            return true;
        }
    }
    return false;
}

static MobCborReader
reader_of(const MobValue *value)
{
    return (MobCborReader){value->bytes, value->bytes + value->length, false, .checked = true};
}

/* What is written out passes by; what lies between @begin and @end is taken. */
typedef struct {
    uint64_t at;
    uint64_t begin;
    uint64_t end;
    uint8_t *into;
} Window;

static void
pass(Window *window, const uint8_t *from, uint64_t length)
{
    uint64_t begin = MAX(window->at, window->begin);
    uint64_t end = MIN(window->at + length, window->end);

    if (begin < end)
        memcpy(window->into + (begin - window->begin), from + (begin - window->at), end - begin);
    window->at += length;
}

static void
pass_fill(Window *window, const MobFill *fill)
{
    uint64_t begin = MAX(window->at, window->begin);
    uint64_t end = MIN(window->at + fill->size, window->end);

    if (begin < end)
        mob_fill_write(fill->rule, begin - window->at, window->into + (begin - window->begin),
                       end - begin);
    window->at += fill->size;
}

void
mob_value_write_part(const MobValue *value, uint64_t at, uint8_t *into, uint64_t length)
{
    MobCborReader reader = reader_of(value);
    const uint8_t *from = value->bytes; /* all before it has passed */
    Window window = {0, at, at + length, into};
    MobFill fill;

    g_assert(at <= value->size && length <= value->size - at);
    while (mob_value_is_sparse(value) && window.at < window.end && next_fill(&reader, &fill)) {
        if (fill.bytes != NULL)
            continue;
        uint8_t head[MOB_CBOR_HEAD_MAX];
        mob_fill_turn_head(&fill, head);
        pass(&window, from, (uint64_t)(fill.head - from));
        pass(&window, head, fill.head_length);
        pass_fill(&window, &fill);
        from = fill.head + fill.head_length;
    }
    pass(&window, from, (uint64_t)(value->bytes + value->length - from));
}

void
mob_value_write_out(const MobValue *value, uint8_t *into)
{
    g_assert(value->size <= MOB_WRITTEN_MAX);
    mob_value_write_part(value, 0, into, value->size);
}

MobValue *
mob_value_by_rule(MobValue *value)
{
    MobCborReader reader = reader_of(value);
    const uint8_t *from = value->bytes;
    g_autoptr(GByteArray) bytes = NULL;
    MobFill fill;

    while (next_fill(&reader, &fill)) {
        if (fill.bytes == NULL)
            continue;
        uint8_t head[MOB_CBOR_HEAD_MAX];
        mob_fill_turn_head(&fill, head);
        if (bytes == NULL)
            bytes = g_byte_array_new();
        g_byte_array_append(bytes, from, (guint)(fill.head - from));
        g_byte_array_append(bytes, head, (guint)fill.head_length);
        from = fill.bytes + fill.size;
    }
    if (bytes == NULL)
        return mob_value_ref(value);
    g_byte_array_append(bytes, from, (guint)(value->bytes + value->length - from));
    MobValue *rule = mob_value_parse(bytes->data, bytes->len, NULL);
    g_assert(rule != NULL);
    return rule;
}
