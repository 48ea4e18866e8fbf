/* test_value_fill.c: bytes that follow a rule, written out and read back, and
 * values whose bytes lie elsewhere. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/generate.h"

enum {
    LARGE = 100000 /* more than a page, and no multiple of one */
};

/* [the bytes of LARGE, 1, one byte of another rule] */
static MobValue *
nested_bytes(void)
{
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_array(&writer, 3);
    mob_cbor_fill(&writer, LARGE, 7);
    mob_cbor_int(&writer, 1);
    mob_cbor_fill(&writer, 1, 300);
    MobValue *value = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    return value;
}

static uint8_t *
write_out(const MobValue *value)
{
    uint8_t *bytes = g_malloc(value->size);

    mob_value_write_out(value, bytes);
    return bytes;
}

static void
count(void *data)
{
    ++*(int *)data;
}

static void
assert_same(const MobValue *value, const MobValue *other)
{
    cr_assert_eq(value->hash, other->hash);
    cr_assert_eq(value->size, other->size);
    cr_assert_eq(value->fault, other->fault);
    cr_assert_eq(value->ref_count, other->ref_count);
    for (uint32_t i = 0; i < value->ref_count; i++)
        cr_assert(mob_object_eq(value->refs[i].id, other->refs[i].id));
}

Test(fill, is_the_same_byte_by_byte_and_in_one_go)
{
    enum {
        SIZE = 4 * 4096
    };
    g_autofree uint8_t *all = g_malloc(SIZE);
    uint64_t state = 1;

    for (uint64_t fill = 0; fill < 3; fill++) {
        mob_fill_write(fill, 0, all, SIZE);
        for (size_t i = 0; i < 100; i++)
            cr_assert_eq(all[i], (uint8_t)(mob_mix(fill + i / 8) >> 8 * (i % 8)));
        for (size_t i = 0; i < SIZE; i++)
            cr_assert_eq(all[i], mob_fill_byte(fill, i));
        cr_assert_neq(memcmp(all, all + 4096, 4096), 0, "pages differ");
        for (int i = 0; i < 300; i++) {
            uint64_t at = generate_below(&state, SIZE);
            uint64_t length = generate_below(&state, SIZE - at + 1);
            g_autofree uint8_t *part = g_malloc(length);
            mob_fill_write(fill, at, part, length);
            cr_assert_eq(memcmp(part, all + at, length), 0);
        }
    }
}

Test(fill, any_part_of_a_value_is_as_in_all_of_it_written_out)
{
    g_autoptr(MobValue) value = nested_bytes();
    g_autofree uint8_t *all = write_out(value);
    uint64_t state = 3;

    for (int i = 0; i < 500; i++) {
        uint64_t at = generate_below(&state, value->size + 1);
        uint64_t length = generate_below(&state, MIN(value->size - at, i % 2 ? 20 : LARGE) + 1);
        g_autofree uint8_t *part = g_malloc(length + 1);
        part[length] = 77;
        mob_value_write_part(value, at, part, length);
        cr_assert_eq(memcmp(part, all + at, length), 0);
        cr_assert_eq(part[length], 77);
    }
    g_autoptr(MobValue) there = mob_value_parse(all, value->size, NULL);
    g_autofree uint8_t *part = g_malloc(50000);
    mob_value_write_part(there, 1000, part, 50000);
    cr_assert_eq(memcmp(part, all + 1000, 50000), 0);
}

Test(fill, written_out_is_a_byte_string_behind_the_same_tag)
{
    g_autoptr(MobValue) rule = nested_bytes();
    g_autofree uint8_t *bytes = write_out(rule);

    cr_assert_eq(memcmp(bytes, "\x83\xd9\x69\xdd\x82\x5a\x00\x01\x86\xa0", 10), 0);
    for (uint64_t i = 0; i < LARGE; i++)
        cr_assert_eq(bytes[10 + i], mob_fill_byte(7, i));
    const uint8_t rest[] = {0x07, 0x01, 0xd9, 0x69, 0xdd, 0x82, 0x41, mob_fill_byte(300, 0),
                            0x19, 0x01, 0x2c};
    cr_assert_eq(rule->size, 10 + LARGE + sizeof rest);
    cr_assert_eq(memcmp(bytes + 10 + LARGE, rest, sizeof rest), 0);
}

Test(fill, a_value_written_out_keeps_its_size_and_hash_and_finds_back)
{
    uint64_t state = 3;
    int sparse = 0;

    for (int i = 0; i < 3000; i++) {
        g_autoptr(MobValue) rule = generate_value(&state);
        if (rule->size > 1 << 22)
            continue;
        sparse += mob_value_is_sparse(rule);
        g_autofree uint8_t *bytes = write_out(rule);
        g_autoptr(MobValue) whole = mob_value_parse(bytes, rule->size, NULL);
        cr_assert_not_null(whole);
        cr_assert_eq(whole->length, rule->size);
        cr_assert_not(mob_value_is_sparse(whole));
        assert_same(whole, rule);
        g_autoptr(MobValue) back = mob_value_by_rule(whole);
        assert_same(back, rule);
        cr_assert_eq(back->length, rule->length);
        cr_assert_eq(memcmp(back->bytes, rule->bytes, rule->length), 0);
        g_autofree uint8_t *again = write_out(whole);
        cr_assert_eq(memcmp(again, bytes, rule->size), 0);
    }
    cr_assert_gt(sparse, 100);
}

Test(fill, inside_another_value_it_is_a_rule_again)
{
    g_autoptr(MobValue) rule = nested_bytes();
    g_autofree uint8_t *bytes = write_out(rule);
    g_autoptr(MobValue) whole = mob_value_parse(bytes, rule->size, NULL);
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_array(&writer, 1);
    mob_cbor_value(&writer, rule);
    g_autoptr(MobValue) of_rule = mob_cbor_finish(&writer, 0);
    mob_cbor_array(&writer, 1);
    mob_cbor_value(&writer, whole);
    g_autoptr(MobValue) of_whole = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    assert_same(of_whole, of_rule);
    cr_assert_lt(of_whole->length, 100);
}

Test(fill, is_refused_in_any_third_form)
{
    static const struct {
        uint8_t bytes[12];
        size_t length;
    } cases[] = {
        {"\xd9\x69\xdd\x82\x61\x61\x00", 7},     /* a text */
        {"\xd9\x69\xdd\x82\x58\x01\x61\x00", 8}, /* a head that is too long */
        {"\xd9\x69\xdd\x82\x42\x61\x00", 7},     /* more bytes than there are */
        {"\xd9\x69\xdd\x82\x41\x61\x20", 7},     /* a rule that is negative */
        {"\xd9\x69\xdd\x81\x41\x61", 6},         /* no rule */
        {"\xd9\x69\xdd\x82\x41\x61", 6},         /* cut */
        {"\xd9\x69\xdd\x82\x80\x00", 6},         /* a list */
    };
    g_autoptr(MobValue) good =
        mob_value_parse((const uint8_t *)"\xd9\x69\xdd\x82\x41\x61\x00", 7, NULL);

    cr_assert_not_null(good);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree uint8_t *exact = g_memdup2(cases[i].bytes, cases[i].length);
        g_autoptr(MobValue) value = mob_value_parse(exact, cases[i].length, NULL);
        cr_assert_null(value, "case %zu is read", i);
    }
}

Test(value, in_place_is_not_copied_and_is_given_back_once)
{
    g_autoptr(MobValue) rule = nested_bytes();
    g_autofree uint8_t *bytes = write_out(rule);
    int released = 0;
    MobHold hold = {count, &released};

    for (int announced = 0; announced < 2; announced++) {
        MobValue *value =
            mob_value_parse_in_place(bytes, rule->size, announced ? rule->hash : 0, hold, NULL);
        cr_assert_not_null(value);
        cr_assert_eq(value->bytes, bytes);
        assert_same(value, rule);
        mob_value_ref(value);
        mob_value_unref(value);
        cr_assert_eq(released, announced);
        mob_value_unref(value);
        cr_assert_eq(released, announced + 1);
    }
}

Test(value, in_place_that_is_none_is_not_given_back)
{
    static const uint8_t cut[] = {0x82, 0x01};
    int released = 0;
    g_autoptr(GError) error = NULL;

    cr_assert_null(
        mob_value_parse_in_place(cut, sizeof cut, 5, (MobHold){count, &released}, &error));
    cr_assert_eq(error->domain, MOB_VALUE_ERROR);
    cr_assert_eq(released, 0);
}

Test(value, whose_hash_was_announced_is_not_read_through)
{
    static const uint8_t text[] = {0x62, 'a', 0xff};
    int released = 0;
    MobHold hold = {count, &released};

    cr_assert_null(mob_value_parse_in_place(text, sizeof text, 0, hold, NULL), "not UTF-8");
    MobValue *value = mob_value_parse_in_place(text, sizeof text, 5, hold, NULL);
    cr_assert_not_null(value);
    cr_assert_eq(value->hash, 5);
    mob_value_unref(value);
    cr_assert_eq(released, 1);
}

Test(value, that_is_large_keeps_the_bytes_that_were_written)
{
    enum {
        SIZE = 3 * 1024 * 1024
    };
    g_autofree char *text = g_strnfill(SIZE, 'x');
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_string(&writer, text, SIZE);
    g_autoptr(MobValue) large = mob_cbor_finish(&writer, 0);
    mob_cbor_int(&writer, 5);
    g_autoptr(MobValue) small = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    cr_assert_neq(large->bytes, (const uint8_t *)(large + 1), "not behind the struct");
    cr_assert_eq(small->bytes[0], 5);
    cr_assert_eq(memcmp(large->bytes + 5, text, SIZE), 0);
    g_autoptr(MobValue) copy = mob_value_parse(large->bytes, large->length, NULL);
    assert_same(copy, large);
    cr_assert_eq(copy->length, SIZE + 5);
}

Test(value, text_with_zeros_anywhere_is_text)
{
    static const char *const parts[] = {"a\0b", "\0\0\0",
                                        ("123456789\0\xc3\xa9\0"
                                         "12345678\xc3"),
                                        "\xc3\xa9\0\xc3\xa9", "1234567\xff"};
    static const size_t lengths[] = {3, 3, 22, 5, 8};
    static const uint8_t majors[] = {3, 3, 2, 3, 2};

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        MobCborWriter writer;
        mob_cbor_init(&writer);
        mob_cbor_string(&writer, parts[i], lengths[i]);
        cr_assert_eq(writer.bytes->data[0] >> 5, majors[i], "string %zu", i);
        mob_cbor_clear(&writer);
    }
}
