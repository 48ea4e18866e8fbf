/* test_table.c: tables against a list that is searched from the front. */
#include <criterion/criterion.h>

#include "runtime/table.h"
#include "tests/generate.h"

static MobKey
key(uint64_t number)
{
    /* Few second words and clustered first ones, as ids are. */
    return (MobKey){number / 4, number % 4};
}

static MobKey
key_of_number(const void *value)
{
    return key(*(const uint64_t *)value);
}

/* The same operations on an array that is searched from the front. */
typedef struct {
    GArray *keys; /* of uint64_t, in the order of adding */
} Model;

static int
model_find(const Model *model, uint64_t number)
{
    for (guint i = 0; i < model->keys->len; i++)
        if (g_array_index(model->keys, uint64_t, i) == number)
            return (int)i;
    return -1;
}

static void
assert_same(const MobTable *table, const Model *model)
{
    size_t at = 0;
    guint i = 0;
    uint64_t *value;

    cr_assert_eq(mob_table_count(table), model->keys->len);
    while ((value = mob_table_next(table, &at))) {
        cr_assert_lt(i, model->keys->len);
        cr_assert_eq(*value, g_array_index(model->keys, uint64_t, i));
        i++;
    }
    cr_assert_eq(i, model->keys->len);
}

static void
one_step(MobTable *table, Model *model, uint64_t number, bool add)
{
    int at = model_find(model, number);

    if (add && at < 0) {
        mob_table_add(table, key(number), g_memdup2(&number, sizeof number));
        g_array_append_val(model->keys, number);
    } else if (!add) {
        g_autofree uint64_t *taken = mob_table_take(table, key(number));
        cr_assert_eq(taken != NULL, at >= 0);
        if (at >= 0)
            g_array_remove_index(model->keys, (guint)at);
    }
    const uint64_t *found = mob_table_get(table, key(number));
    cr_assert_eq(found != NULL, model_find(model, number) >= 0);
}

Test(table, behaves_as_a_list_of_pairs_in_the_order_of_adding)
{
    uint64_t state = 1;

    for (int round = 0; round < 60; round++) {
        MobTable *table = round % 2 == 0 ? mob_table_new() : mob_table_new_of(key_of_number);
        Model model = {g_array_new(FALSE, FALSE, sizeof(uint64_t))};
        uint64_t range = 1 + generate_below(&state, 60);
        /* It fills, empties, fills: phases with more adding or more taking. */
        for (int i = 0; i < 500; i++) {
            bool growing = i / 50 % 2 == 0;
            bool add = generate_below(&state, 10) < (growing ? 8u : 1u);
            one_step(table, &model, generate_below(&state, range), add);
            if (i % 10 == 0)
                assert_same(table, &model);
        }
        assert_same(table, &model);
        mob_table_free_full(table, g_free);
        g_array_free(model.keys, TRUE);
    }
}

Test(table, a_walk_may_take_what_it_sees)
{
    g_autoptr(MobTable) table = mob_table_new();
    uint64_t numbers[100];
    size_t at = 0;
    size_t seen = 0;
    uint64_t *value;

    for (uint64_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        numbers[i] = i;
        mob_table_add(table, mob_key_word(i), &numbers[i]);
    }
    while ((value = mob_table_next(table, &at))) {
        cr_assert_eq(*value, seen);
        seen++;
        mob_table_take(table, mob_key_word(*value));
    }
    cr_assert_eq(seen, G_N_ELEMENTS(numbers));
    cr_assert_eq(mob_table_count(table), 0);
    mob_table_add(table, mob_key_word(3), &numbers[3]);
    at = 0;
    cr_assert_eq(mob_table_next(table, &at), &numbers[3]);
}

Test(table, a_queue_does_not_walk_over_what_has_left_it)
{
    g_autoptr(MobTable) table = mob_table_new();
    uint64_t word = 1;

    for (uint64_t i = 0; i < 200000; i++) {
        mob_table_add(table, mob_key_word(i), &word);
        if (i < 4)
            continue;
        /* The oldest is found at once, however many came before it. */
        size_t at = 0;
        cr_assert_not_null(mob_table_next(table, &at));
        cr_assert_eq(mob_table_take(table, mob_key_word(i - 4)), &word);
    }
    cr_assert_eq(mob_table_count(table), 4);
}

/* Every third is taken while others come, up to many and down again. */
static void
fill_and_empty(MobTable *table, uint64_t *numbers, uint64_t count)
{
    size_t at = 0;
    const uint64_t *value;
    uint64_t next = 0;

    for (uint64_t i = 0; i < count; i++) {
        numbers[i] = i;
        mob_table_add(table, key(i), &numbers[i]);
        if (i % 3 == 2)
            cr_assert_eq(mob_table_take(table, key(i / 3 * 3)), &numbers[i / 3 * 3]);
    }
    cr_assert_eq(mob_table_count(table), count - count / 3);
    while ((value = mob_table_next(table, &at))) {
        next += next % 3 == 0 && next < count / 3 * 3;
        cr_assert_eq(*value, next++);
        cr_assert_eq(mob_table_key(table, at).a, key(*value).a);
    }
    for (uint64_t i = count; i > 0; i--) {
        bool taken = (i - 1) % 3 == 0 && i - 1 < count / 3 * 3;
        cr_assert_eq(mob_table_get(table, key(i - 1)), taken ? NULL : &numbers[i - 1]);
        cr_assert_eq(mob_table_take(table, key(i - 1)), taken ? NULL : &numbers[i - 1]);
    }
    cr_assert_eq(mob_table_count(table), 0);
}

Test(table, large_tables_grow_and_shrink_as_small_ones_do)
{
    enum {
        MOST = 70000
    };
    g_autofree uint64_t *numbers = g_new(uint64_t, MOST);

    for (uint64_t count = 1000; count <= MOST; count += 3450) {
        g_autoptr(MobTable) table = mob_table_new();
        g_autoptr(MobTable) keyed = mob_table_new_of(key_of_number);
        fill_and_empty(table, numbers, count);
        fill_and_empty(keyed, numbers, count);
        fill_and_empty(keyed, numbers, count);
    }
}

/* What is added last and taken first comes back to the same place: the walk over
 * the others sees no holes behind them, however often. */
Test(table, a_stack_does_not_fill_its_ring_with_holes)
{
    g_autoptr(MobTable) table = mob_table_new();
    uint64_t word = 1;

    for (uint64_t i = 0; i < 5000; i++)
        mob_table_add(table, mob_key_word(i), &word);
    for (uint64_t i = 5000; i < 5000000; i++) {
        mob_table_add(table, mob_key_word(i), &word);
        cr_assert_eq(mob_table_take(table, mob_key_word(i)), &word);
    }
    size_t at = 0;
    while (mob_table_next(table, &at) != NULL)
        ;
    cr_assert_eq(at, 5000);
}

Test(table, an_empty_table_has_nothing)
{
    g_autoptr(MobTable) table = mob_table_new();
    size_t at = 0;

    cr_assert_null(mob_table_get(table, mob_key_word(1)));
    cr_assert_null(mob_table_take(table, mob_key_word(1)));
    cr_assert_null(mob_table_next(table, &at));
    mob_table_free_full(NULL, g_free);
}
