/* test_pick.c: choices depend on what they are about and on nothing else. */
#include <criterion/criterion.h>

#include "runtime/pick.h"

enum {
    MANY = 2000
};

Test(pick, without_a_seed_every_choice_is_the_boring_one)
{
    MobPickConfig config = {0};
    MobPicks *picks = mob_picks_new(&config);

    for (uint64_t i = 0; i < MANY; i++)
        cr_assert_eq(mob_pick(picks, (MobPickKind)(i % MOB_PICK_COUNT), i % 7, 10, i % 10), i % 10);
    mob_picks_free(picks);
}

Test(pick, other_questions_change_no_answer)
{
    MobPickConfig config = {.seed = 42};
    MobPicks *alone = mob_picks_new(&config);
    MobPicks *among = mob_picks_new(&config);

    for (uint64_t i = 0; i < MANY; i++) {
        uint64_t answer = mob_pick(alone, MOB_PICK_NODE, i % 13, 1000, 0);
        /* Dummies: of another kind, under another key, and a choice among one. */
        mob_pick(among, MOB_PICK_LATENCY, i % 13, 1000, 0);
        mob_pick(among, MOB_PICK_NODE, 13 + i, 1000, 0);
        mob_pick(among, MOB_PICK_NODE, i % 13, 1, 0);
        cr_assert_eq(mob_pick(among, MOB_PICK_NODE, i % 13, 1000, 0), answer);
    }
    mob_picks_free(alone);
    mob_picks_free(among);
}

Test(pick, seeds_kinds_keys_and_repetitions_choose_independently)
{
    MobPickConfig one = {.seed = 1};
    MobPickConfig two = {.seed = 2};
    MobPicks *first = mob_picks_new(&one);
    MobPicks *second = mob_picks_new(&two);
    int equal = 0;

    for (uint64_t i = 0; i < MANY; i++) {
        uint64_t answer = mob_pick(first, MOB_PICK_NODE, i, 1 << 20, 0);
        equal += mob_pick(second, MOB_PICK_NODE, i, 1 << 20, 0) == answer;
        equal += mob_pick(first, MOB_PICK_SOURCE, i, 1 << 20, 0) == answer;
        equal += mob_pick(first, MOB_PICK_NODE, i, 1 << 20, 0) == answer;
    }
    cr_assert_lt(equal, 5);
    mob_picks_free(first);
    mob_picks_free(second);
}

Test(pick, every_answer_is_as_likely_as_any_other)
{
    enum {
        SIDES = 10,
        THROWS = 100000
    };
    MobPickConfig config = {.seed = 7};

    /* Over the repetitions of one key, and over keys asked once. */
    for (int by_key = 0; by_key < 2; by_key++) {
        MobPicks *picks = mob_picks_new(&config);
        int counts[SIDES] = {0};
        for (uint64_t i = 0; i < THROWS; i++)
            counts[mob_pick(picks, MOB_PICK_APP, by_key ? i : 5, SIDES, 0)]++;
        double chi = 0;
        for (int i = 0; i < SIDES; i++) {
            double off = counts[i] - THROWS / SIDES;
            chi += off * off / (THROWS / SIDES);
        }
        cr_assert_lt(chi, 40, "chi square of 9 degrees of freedom is %f", chi);
        mob_picks_free(picks);
    }
}

Test(pick, a_decision_forces_one_choice_and_no_other)
{
    MobDecision decisions[] = {
        {MOB_PICK_LOSS, 9, 2, 1},
        {MOB_PICK_NODE, 3, 1, 777},
        {MOB_PICK_NODE, 3, 0, 5000}, /* more than there is to choose from */
    };
    MobPickConfig free_config = {.seed = 3};
    MobPickConfig forced_config = {
        .seed = 3, .decisions = decisions, .decision_count = G_N_ELEMENTS(decisions)};
    MobPicks *unforced = mob_picks_new(&free_config);
    MobPicks *forced = mob_picks_new(&forced_config);

    for (uint64_t i = 0; i < 10; i++) {
        uint64_t usual = mob_pick(unforced, MOB_PICK_NODE, 3, 1000, 0);
        uint64_t expected = i == 0 ? 999 : i == 1 ? 777 : usual;
        cr_assert_eq(mob_pick(forced, MOB_PICK_NODE, 3, 1000, 0), expected);
        cr_assert_eq(mob_pick(forced, MOB_PICK_NODE, 4, 1000, 0),
                     mob_pick(unforced, MOB_PICK_NODE, 4, 1000, 0));
    }
    mob_picks_free(unforced);
    mob_picks_free(forced);

    /* Without a seed the rest is boring. */
    forced_config.seed = 0;
    forced = mob_picks_new(&forced_config);
    cr_assert_eq(mob_pick(forced, MOB_PICK_LOSS, 9, 2, 0), 0);
    cr_assert_eq(mob_pick(forced, MOB_PICK_LOSS, 9, 2, 0), 0);
    cr_assert_eq(mob_pick(forced, MOB_PICK_LOSS, 9, 2, 0), 1);
    cr_assert_eq(mob_pick(forced, MOB_PICK_LOSS, 9, 2, 0), 0);
    mob_picks_free(forced);
}

typedef struct {
    uint64_t count;
    uint64_t ordinal;
    uint64_t picked;
} Heard;

static void
listen(void *data, MobPickKind kind, uint64_t key, uint64_t ordinal, uint64_t n, uint64_t picked,
       uint64_t boring)
{
    *(Heard *)data = (Heard){((Heard *)data)->count + 1, ordinal, picked};
}

Test(pick, a_listener_hears_every_choice_and_changes_none)
{
    Heard heard = {0};
    MobPickConfig quiet = {.seed = 11};
    MobPickConfig loud = {.seed = 11, .listener = listen, .listener_data = &heard};
    MobPicks *without = mob_picks_new(&quiet);
    MobPicks *with = mob_picks_new(&loud);

    for (uint64_t i = 0; i < 100; i++) {
        uint64_t answer = mob_pick(with, MOB_PICK_RPC, 1, 50, 0);
        cr_assert_eq(answer, mob_pick(without, MOB_PICK_RPC, 1, 50, 0));
        cr_assert_eq(heard.count, i + 1);
        cr_assert_eq(heard.ordinal, i);
        cr_assert_eq(heard.picked, answer);
    }
    mob_picks_free(without);
    mob_picks_free(with);
}
