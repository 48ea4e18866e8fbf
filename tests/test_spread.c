/* test_spread.c: whom the owner of an object sends to whom. */
#include <criterion/criterion.h>

#include "runtime/spread.h"

static uint64_t ranks;
static MobPicks *picks;
static const MobPickConfig chance = {.seed = 1};

static void
begin(void)
{
    picks = mob_picks_new(&chance);
}

static void
end(void)
{
    mob_picks_free(picks);
}

TestSuite(spread, .init = begin, .fini = end);

static MobNodeId
node(uint32_t number)
{
    return (MobNodeId){number};
}

/* @number wants a copy; returns whom it is told to ask. */
static uint32_t
follow(MobSpread *spread, uint32_t number, uint64_t pieces, uint32_t most)
{
    MobSpreadWish wish = {.pieces = pieces, .most = most, .picks = picks};
    MobSpreadNode *follower = mob_spread_follow(spread, node(number), ++ranks);

    mob_spread_assign(spread, follower, &wish);
    return follower->source.v;
}

/* One copy, on node 1. */
static MobSpread *
one_copy(void)
{
    MobSpread *spread = mob_spread_new();

    mob_spread_set_here(spread, node(1), true);
    return spread;
}

static uint32_t
source_of(const MobSpread *spread, uint32_t number)
{
    return mob_spread_find(spread, node(number))->source.v;
}

/* How many nodes stand between @number and a copy, or one that is told soon to ask
 * somebody else; the walk ends, or it fails. */
static uint32_t
way_of(const MobSpread *spread, uint32_t number)
{
    const MobSpreadNode *at = mob_spread_find(spread, node(number));
    uint32_t way = 0;

    while (!at->here && at->rank != 0 && mob_spread_is_fed(spread, at)) {
        const MobSpreadNode *source = mob_spread_find(spread, at->source);
        cr_assert(source->here || source->rank < at->rank, "who is asked has the lower rank");
        cr_assert_lt(way++, 1000, "a circle");
        at = source;
    }
    return way;
}

Test(spread, a_large_object_goes_from_node_to_node_in_a_chain)
{
    MobSpread *spread = one_copy();

    for (uint32_t i = 2; i <= 50; i++)
        cr_assert_eq(follow(spread, i, 200, 8), i - 1);
    cr_assert_eq(way_of(spread, 50), 49);
    cr_assert_eq(mob_spread_find(spread, node(50))->depth, 49);
    mob_spread_free(spread);
}

Test(spread, an_object_of_one_piece_goes_in_a_tree)
{
    MobSpread *spread = one_copy();
    uint32_t longest = 0;
    uint32_t most = 0;

    for (uint32_t i = 2; i <= 64; i++)
        follow(spread, i, 1, 8);
    for (uint32_t i = 1; i <= 64; i++) {
        longest = MAX(longest, way_of(spread, i));
        most = MAX(most, mob_spread_find(spread, node(i))->feeds);
    }
    cr_assert_leq(longest, 8, "%u", longest);
    cr_assert_leq(most, 8, "%u", most);
    mob_spread_free(spread);
}

Test(spread, no_node_feeds_more_than_it_may_while_another_is_free)
{
    MobSpread *spread = one_copy();

    for (uint32_t i = 2; i <= 40; i++)
        follow(spread, i, 1, 2);
    for (uint32_t i = 1; i <= 40; i++)
        cr_assert_leq(mob_spread_find(spread, node(i))->feeds, 2);
    mob_spread_free(spread);
}

Test(spread, whoever_has_it_whole_feeds_the_next)
{
    MobSpread *spread = one_copy();

    follow(spread, 2, 200, 8);
    follow(spread, 3, 200, 8);
    mob_spread_leave(spread, node(2), true);
    cr_assert(mob_spread_is_fed(spread, mob_spread_find(spread, node(3))), "word of it is to come");
    mob_spread_set_here(spread, node(2), true);
    cr_assert(mob_spread_is_fed(spread, mob_spread_find(spread, node(3))));
    cr_assert_eq(follow(spread, 4, 200, 8), 1, "it feeds nobody any more");
    cr_assert_eq(mob_spread_find(spread, node(4))->depth, 1);
    mob_spread_free(spread);
}

Test(spread, whoever_is_fed_by_one_that_gives_up_or_dies_needs_another)
{
    MobSpread *spread = one_copy();

    for (uint32_t i = 2; i <= 5; i++)
        follow(spread, i, 200, 8);
    mob_spread_leave(spread, node(3), false);
    cr_assert_not(mob_spread_is_fed(spread, mob_spread_find(spread, node(4))));
    cr_assert_eq(follow(spread, 4, 200, 8), 2);
    cr_assert_eq(source_of(spread, 5), 4, "whom it feeds stays");
    cr_assert_eq(follow(spread, 3, 200, 8), 5, "who comes back stands behind all");
    mob_spread_drop(spread, node(1));
    cr_assert_not(mob_spread_is_fed(spread, mob_spread_find(spread, node(2))));
    cr_assert_eq(follow(spread, 2, 200, 8), 0, "nobody with a lower rank, and no copy");
    mob_spread_free(spread);
}

Test(spread, a_node_that_refused_or_failed_is_not_named_again)
{
    MobSpread *spread = one_copy();
    MobSpreadWish wish = {.pieces = 200, .most = 8, .failed = {2}, .picks = picks};

    follow(spread, 2, 200, 8);
    follow(spread, 3, 200, 8);
    MobSpreadNode *third = mob_spread_find(spread, node(3));
    mob_spread_assign(spread, third, &wish);
    cr_assert_eq(third->source.v, 1);
    mob_spread_find(spread, node(2))->refuses = true;
    wish.failed = node(1);
    mob_spread_assign(spread, third, &wish);
    cr_assert_eq(third->source.v, 0, "nobody is left");
    mob_spread_free(spread);
}

static void
assign(MobSpread *spread, MobNodeId follower, const MobSpreadWish *wish)
{
    MobSpreadNode *known = mob_spread_follow(spread, follower, ++ranks);

    mob_spread_assign(spread, known, wish);
    const MobSpreadNode *source = mob_spread_find(spread, known->source);
    cr_assert(source == NULL || source->here || source->rank < known->rank);
}

/* Nodes come, finish, give up, die and are failed in an order by chance. */
Test(spread, nobody_waits_in_a_circle_whatever_happens)
{
    uint64_t dice = 1;

    for (int run = 0; run < 200; run++) {
        MobSpread *spread = one_copy();
        for (int i = 0; i < 200; i++) {
            dice = mob_mix(dice + 1);
            uint32_t number = 1 + (uint32_t)(dice >> 8) % 12;
            MobSpreadWish wish = {.pieces = 1 + (dice >> 16) % 8,
                                  .most = 2,
                                  .failed = node((uint32_t)(dice >> 24) % 16),
                                  .picks = picks};
            if (dice % 8 < 4)
                assign(spread, node(number), &wish);
            else if (dice % 8 == 4)
                mob_spread_leave(spread, node(number), dice >> 32 & 1);
            else if (dice % 8 == 5)
                mob_spread_drop(spread, node(number));
            else
                mob_spread_set_here(spread, node(number), dice >> 32 & 1);
            for (guint k = 0; k < spread->nodes->len; k++) {
                const MobSpreadNode *known = &g_array_index(spread->nodes, MobSpreadNode, k);
                way_of(spread, known->node.v);
            }
        }
        mob_spread_free(spread);
    }
}
