/* test_leases.c: the queue of lease requests and what the granted ones hold. */
#include <criterion/criterion.h>

#include "runtime/leases.h"

static MobLease *
add(MobLeases *leases, uint32_t owner, uint64_t number, int64_t cpu)
{
    MobRequestLease *request = mob_request_lease_new();
    g_autoptr(MobMsg) owned = &request->base;

    request->lease = (MobLeaseId){{owner, 2}, number};
    request->spec = mob_spec_new();
    request->spec->function = mob_str_new("f");
    request->spec->needs.cpu = cpu * MOB_UNIT;
    return mob_leases_add(leases, request);
}

static void
start(MobLeases *leases, MobLease *lease)
{
    mob_leases_move(leases, lease, MOB_STAGE_STARTING);
    mob_leases_move(leases, lease, MOB_STAGE_HELD);
}

Test(leases, what_is_held_and_what_is_free_make_up_the_total)
{
    MobLeases leases;
    MobResources total = {.cpu = 4 * MOB_UNIT};
    mob_leases_init(&leases, &total);
    MobLease *a = add(&leases, 1, 1, 3);
    MobLease *b = add(&leases, 1, 2, 1);

    cr_assert(mob_leases_fit(&leases, &a->shape->needs));
    start(&leases, a);
    cr_assert_eq(leases.available.cpu, MOB_UNIT);
    cr_assert(!mob_leases_fit(&leases, &a->shape->needs));
    mob_leases_lend(&leases, a, true);
    mob_leases_lend(&leases, a, true);
    cr_assert_eq(leases.available.cpu, 4 * MOB_UNIT, "lent once");
    start(&leases, b);
    mob_leases_lend(&leases, a, false);
    cr_assert_eq(leases.available.cpu, 0);
    mob_leases_lend(&leases, a, true);
    mob_leases_close(&leases, a);
    cr_assert_eq(leases.available.cpu, 3 * MOB_UNIT, "what was lent is not returned twice");
    mob_leases_close(&leases, b);
    cr_assert_eq(leases.available.cpu, 4 * MOB_UNIT);
    cr_assert_eq(mob_table_count(leases.shapes), 0);
    cr_assert(mob_recent_has(leases.closed, mob_key_lease((MobLeaseId){{1, 2}, 1})));
    mob_leases_clear(&leases);
}

Test(leases, no_more_is_promised_than_the_whole_machine)
{
    MobLeases leases;
    MobResources total = {.cpu = 2 * MOB_UNIT};
    mob_leases_init(&leases, &total);
    for (uint64_t i = 1; i <= 2; i++)
        mob_leases_move(&leases, add(&leases, 1, i, 1), MOB_STAGE_FETCHING);
    MobLease *third = add(&leases, 1, 3, 1);
    cr_assert(mob_leases_fit(&leases, &third->shape->needs));
    cr_assert(!mob_leases_may_promise(&leases, &third->shape->needs));
    mob_leases_move(&leases, leases.fetching.first, MOB_STAGE_READY);
    cr_assert(!mob_leases_may_promise(&leases, &third->shape->needs));
    mob_leases_move(&leases, third->shape->ready.first, MOB_STAGE_STARTING);
    cr_assert(mob_leases_may_promise(&leases, &third->shape->needs));
    mob_leases_clear(&leases);
}

Test(leases, only_the_first_of_a_shape_is_looked_at)
{
    MobLeases leases;
    MobResources total = {.cpu = 4 * MOB_UNIT};
    mob_leases_init(&leases, &total);
    for (uint64_t i = 1; i <= 100; i++)
        add(&leases, 1, i, i % 2 + 1);
    mob_leases_begin(&leases);
    MobLease *first = mob_leases_next(&leases);
    cr_assert_eq(first->id.number, 1);
    mob_leases_set_aside(&leases, first);
    MobLease *second = mob_leases_next(&leases);
    cr_assert_eq(second->id.number, 2);
    start(&leases, second);
    second = mob_leases_next(&leases);
    cr_assert_eq(second->id.number, 4);
    mob_leases_set_aside(&leases, second);
    cr_assert_null(mob_leases_next(&leases));

    mob_leases_begin(&leases);
    mob_leases_move(&leases, first->shape->waiting.last, MOB_STAGE_READY);
    cr_assert_eq(mob_leases_next(&leases)->id.number, 4, "the oldest of all shapes");
    mob_leases_set_aside(&leases, mob_leases_next(&leases));
    cr_assert_eq(mob_leases_next(&leases)->id.number, 99, "its arguments are here");
    mob_leases_set_aside(&leases, mob_leases_next(&leases));
    cr_assert_eq(mob_leases_next(&leases)->id.number, 1, "it may go elsewhere");
    mob_leases_clear(&leases);
}

Test(leases, kin_could_use_the_same_idle_worker)
{
    MobLeases leases;
    MobResources total = {.cpu = 4 * MOB_UNIT};
    mob_leases_init(&leases, &total);
    MobLease *a = add(&leases, 1, 1, 1);
    MobLease *g = add(&leases, 1, 2, 1);
    cr_assert(mob_lease_is_kin(a, g));
    cr_assert(!mob_lease_is_kin(a, add(&leases, 2, 1, 1)), "of another owner");
    cr_assert(!mob_lease_is_kin(a, add(&leases, 1, 3, 2)), "of another shape");
    mob_str_unref(g->spec->function);
    g->spec->function = mob_str_new("g");
    cr_assert(!mob_lease_is_kin(a, g), "for another function");
    mob_leases_clear(&leases);
}
