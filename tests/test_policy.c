/* test_policy.c: which node a task is sent to. */
#include <criterion/criterion.h>

#include "runtime/policy.h"

typedef struct {
    MobConfig config;
    MobPickConfig pick_config;
    MobPicks *picks;
    MobCluster cluster;
    MobPolicy policy;
    MobTaskSpec *spec;
} Rig;

/* Nodes 1 to @count of 4 CPUs each; the first is this one. */
static void
rig_init(Rig *rig, uint32_t count, uint64_t seed)
{
    *rig = (Rig){.pick_config.seed = seed};
    mob_config_init(&rig->config, MOB_PROFILE_IDEAL);
    rig->picks = mob_picks_new(&rig->pick_config);
    rig->spec = mob_spec_new();
    rig->spec->needs.cpu = MOB_UNIT;
    mob_cluster_init(&rig->cluster, (MobNodeId){1}, &rig->config);
    for (uint32_t i = 1; i <= count; i++) {
        g_autoptr(MobStr) name = mob_str_printf("n%u", i);
        MobView view = {.node = {i},
                        .name = name,
                        .alive = true,
                        .total.cpu = 4 * MOB_UNIT,
                        .available.cpu = 4 * MOB_UNIT};
        mob_cluster_learn(&rig->cluster, &view);
    }
}

static void
rig_clear(Rig *rig)
{
    mob_spec_unref(rig->spec);
    mob_cluster_clear(&rig->cluster);
    mob_picks_free(rig->picks);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

static void
use(Rig *rig, uint32_t node, int cpus)
{
    MobResources used = {.cpu = cpus * MOB_UNIT};

    if (node == 1) {
        MobResources left = {.cpu = (4 - cpus) * MOB_UNIT};
        mob_cluster_set_self(&rig->cluster, &left, false);
    } else {
        mob_cluster_debit(&rig->cluster, (MobNodeId){node}, &used, 1);
    }
}

/* The chosen node, 0 if all are busy, -1 if none can ever do it. */
static int
place(Rig *rig)
{
    const MobPeer *self = mob_cluster_peer(&rig->cluster, (MobNodeId){1});
    MobPlaceRequest request = {rig->spec, mob_resources_fit(&self->available, &rig->spec->needs) &&
                                              !self->draining};
    MobNodeId target = {0};

    switch (mob_policy_place(&rig->policy, &rig->config, &rig->cluster, &request, rig->picks,
                             &target)) {
    case MOB_PLACE_LOCAL:
        return 1;
    case MOB_PLACE_REMOTE:
        return (int)target.v;
    case MOB_PLACE_BUSY:
        return 0;
    case MOB_PLACE_NEVER:
        break;
    }
    return -1;
}

Test(policy, packs_up_to_the_threshold_and_then_spreads)
{
    g_auto(Rig) rig;
    rig_init(&rig, 3, 0);
    cr_assert_eq(place(&rig), 1);
    use(&rig, 1, 1);
    cr_assert_eq(place(&rig), 1, "a quarter is used: still here");
    use(&rig, 1, 2);
    cr_assert_eq(place(&rig), 2, "half is used: elsewhere, the first to join");
    use(&rig, 2, 2);
    cr_assert_eq(place(&rig), 3);
    use(&rig, 3, 3);
    cr_assert_eq(place(&rig), 1, "here it is no worse than at the best");
    use(&rig, 1, 4);
    cr_assert_eq(place(&rig), 2);
    use(&rig, 2, 2);
    cr_assert_eq(place(&rig), 3);
    use(&rig, 3, 1);
    cr_assert_eq(place(&rig), 0, "all are full");
    rig.spec->needs.cpu = 5 * MOB_UNIT;
    cr_assert_eq(place(&rig), -1);
}

Test(policy, picks_among_the_best_few_and_the_boring_pick_is_the_first)
{
    g_auto(Rig) rig;
    bool seen[11] = {0};
    rig_init(&rig, 10, 42); /* two of ten are picked from */
    use(&rig, 1, 4);
    use(&rig, 2, 3);
    for (int i = 0; i < 64; i++) {
        int node = place(&rig);
        cr_assert(node == 3 || node == 4);
        seen[node] = true;
    }
    cr_assert(seen[3] && seen[4]);

    g_auto(Rig) boring;
    rig_init(&boring, 10, 0);
    use(&boring, 1, 4);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(place(&boring), 2);
}

Test(policy, spread_goes_round)
{
    g_auto(Rig) rig;
    int expected[] = {1, 2, 4, 1, 2, 4};
    rig_init(&rig, 4, 0);
    rig.spec->strategy = MOB_STRATEGY_SPREAD;
    use(&rig, 3, 4);
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++)
        cr_assert_eq(place(&rig), expected[i]);
}

Test(policy, affinity_is_a_command_or_a_wish)
{
    g_auto(Rig) rig;
    rig_init(&rig, 3, 0);
    rig.spec->strategy = MOB_STRATEGY_AFFINITY;
    rig.spec->node = mob_str_new("n3");
    cr_assert_eq(place(&rig), 3);
    use(&rig, 3, 4);
    cr_assert_eq(place(&rig), 0, "it waits for that node");
    MobView dead = {.node = {3}};
    cr_assert_eq(mob_cluster_learn(&rig.cluster, &dead), MOB_PEER_DIED);
    cr_assert_eq(place(&rig), -1);
    rig.spec->soft = true;
    cr_assert_eq(place(&rig), 1);

    dead.alive = true;
    cr_assert_eq(mob_cluster_learn(&rig.cluster, &dead), MOB_PEER_SAME, "death is final");
    cr_assert(mob_cluster_is_dead(&rig.cluster, (MobAddress){3, 9}));
}

Test(policy, debits_last_until_the_next_report_or_for_a_while)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 0);
    use(&rig, 1, 4);
    use(&rig, 2, 4);
    cr_assert_eq(place(&rig), 0);
    cr_assert(!mob_cluster_settle(&rig.cluster, rig.cluster.debts_due - 1));
    cr_assert(mob_cluster_settle(&rig.cluster, rig.cluster.debts_due));
    cr_assert_eq(rig.cluster.debts_due, MOB_TIME_NEVER);
    cr_assert_eq(place(&rig), 2);

    use(&rig, 2, 4);
    MobView report = {.node = {2}, .alive = true, .available.cpu = MOB_UNIT};
    mob_cluster_learn(&rig.cluster, &report);
    cr_assert_eq(place(&rig), 2);
    report.draining = true;
    mob_cluster_learn(&rig.cluster, &report);
    cr_assert_eq(place(&rig), 0, "it leaves");
}
