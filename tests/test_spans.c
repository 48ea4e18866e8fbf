/* test_spans.c: numbers that were drawn, and are remembered for a while. */
#include <criterion/criterion.h>

#include "runtime/spans.h"

Test(spans, what_was_added_is_there_and_nothing_else)
{
    g_autoptr(MobSpans) spans = mob_spans_new(8);

    cr_assert_not(mob_spans_has(spans, 1, 5));
    mob_spans_add(spans, 1, 5);
    mob_spans_add(spans, 1, 6);
    mob_spans_add(spans, 2, 7);
    mob_spans_add(spans, 1, 9);
    static const uint64_t there[] = {5, 6, 9};
    for (uint64_t number = 0; number < 12; number++) {
        bool is = false;
        for (size_t i = 0; i < G_N_ELEMENTS(there); i++)
            is = is || there[i] == number;
        cr_assert_eq(mob_spans_has(spans, 1, number), is, "%u", (unsigned)number);
        cr_assert_eq(mob_spans_has(spans, 2, number), number == 7);
        cr_assert_not(mob_spans_has(spans, 3, number));
    }
}

Test(spans, numbers_in_a_row_take_one_place)
{
    g_autoptr(MobSpans) spans = mob_spans_new(2);

    mob_spans_add(spans, 1, 3);
    for (uint64_t number = 10; number < 100000; number++)
        mob_spans_add(spans, 1, number);
    mob_spans_add(spans, 1, 500); /* known already */
    cr_assert(mob_spans_has(spans, 1, 3));
    cr_assert(mob_spans_has(spans, 1, 10) && mob_spans_has(spans, 1, 99999));
    cr_assert_not(mob_spans_has(spans, 1, 100000));
}

Test(spans, one_more_than_fits_forgets_the_oldest)
{
    g_autoptr(MobSpans) spans = mob_spans_new(4);

    for (uint64_t i = 0; i < 20; i++) {
        mob_spans_add(spans, i % 2, i * 3);
        for (uint64_t k = 0; k <= i; k++)
            cr_assert_eq(mob_spans_has(spans, k % 2, k * 3), k + 4 > i, "%u of %u", (unsigned)k,
                         (unsigned)i);
    }
}
