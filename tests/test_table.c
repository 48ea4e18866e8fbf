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
        MobTable *table = mob_table_new();
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

Test(table, an_empty_table_has_nothing)
{
    g_autoptr(MobTable) table = mob_table_new();
    size_t at = 0;

    cr_assert_null(mob_table_get(table, mob_key_word(1)));
    cr_assert_null(mob_table_take(table, mob_key_word(1)));
    cr_assert_null(mob_table_next(table, &at));
    mob_table_free_full(NULL, g_free);
}
