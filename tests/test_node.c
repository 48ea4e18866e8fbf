/* test_node.c: a node manager as others see it: what goes in, what comes out. */
#include "tests/node_rig.h"

static const MobLeaseReply *
reply_to(const Rig *rig, MobAddress owner)
{
    const MobMsg *msg = rig_sent(rig, owner, MOB_MSG_LEASE_REPLY, 0);
    return msg != NULL ? mob_lease_reply(msg) : NULL;
}

/* --- the GCS --- */

Test(node, registers_until_it_is_answered_and_gives_up_in_the_end)
{
    g_auto(Rig) rig;
    rig_init(&rig, 4, 1000, 4);

    cr_assert_eq(rig.out.effects->len, 0, "an idle node has nothing to report");
    rig_reset(&rig, GCS);
    cr_assert_eq(rig.out.alarms[MOB_TIMER_REGISTER], rig.now + rig.config.retry_delay);
    rig_timer(&rig, MOB_TIMER_REGISTER, rig.now + rig.config.retry_delay);
    cr_assert_not_null(rig_sent(&rig, GCS, MOB_MSG_REGISTER_NODE, 0));
    cr_assert_eq(rig.out.alarms[MOB_TIMER_REGISTER], rig.now + rig.config.register_retry);
    rig_timer(&rig, MOB_TIMER_REGISTER, rig.now + rig.config.gcs_reconnect);
    cr_assert_not_null(rig_effect(&rig, MOB_EFFECT_EXIT, 0));
}

Test(node, answers_health_checks_and_stops_when_it_is_fenced)
{
    g_auto(Rig) rig;
    rig_init(&rig, 4, 1000, 4);
    MobAddress worker = rig_grant(&rig, DRIVER, 1, MOB_UNIT);

    MobHealthCheck *check = mob_health_check_new();
    check->number = 7;
    rig_give(&rig, GCS, check);
    cr_assert_eq(mob_health_reply(rig_sent(&rig, GCS, MOB_MSG_HEALTH_REPLY, 0))->number, 7);

    MobFence *fence = mob_fence_new();
    fence->reason = mob_str_new("2 heartbeats missed");
    rig_give(&rig, OTHER, mob_msg_ref(&fence->base));
    cr_assert_eq(rig.out.effects->len, 0, "only the GCS may say so");
    rig_give(&rig, GCS, fence);
    cr_assert(mob_address_eq(rig_effect(&rig, MOB_EFFECT_KILL, 0)->address, worker));
    cr_assert_str_eq(mob_str(rig_effect(&rig, MOB_EFFECT_EXIT, 0)->str),
                     "declared dead by the GCS: 2 heartbeats missed");
    rig_give(&rig, DRIVER, rig_request(DRIVER, 2, MOB_UNIT));
    cr_assert_eq(rig.out.effects->len, 0, "it is gone");
}

Test(node, reports_at_once_and_then_no_more_often_than_the_period)
{
    g_auto(Rig) rig;
    rig_init(&rig, 4, 1000, 4);
    rig_give(&rig, DRIVER, rig_request(DRIVER, 1, MOB_UNIT));
    const MobReportResources *report =
        mob_report_resources(rig_sent(&rig, GCS, MOB_MSG_REPORT_RESOURCES, 0));
    cr_assert_eq(report->available.cpu, 3 * MOB_UNIT);
    MobTime first = rig.now;

    rig.now += 1;
    rig_give(&rig, DRIVER, rig_request(DRIVER, 2, MOB_UNIT));
    cr_assert_null(rig_sent(&rig, GCS, MOB_MSG_REPORT_RESOURCES, 0));
    cr_assert_eq(rig.out.alarms[MOB_TIMER_REPORT], first + rig.config.report_period);
    rig_timer(&rig, MOB_TIMER_REPORT, first + rig.config.report_period);
    report = mob_report_resources(rig_sent(&rig, GCS, MOB_MSG_REPORT_RESOURCES, 0));
    cr_assert_eq(report->available.cpu, 2 * MOB_UNIT);
}

/* --- leases --- */

Test(node, starts_a_worker_for_a_lease_and_uses_it_again)
{
    g_auto(Rig) rig;
    rig_init(&rig, 4, 1000, 4);
    MobAddress worker = rig_grant(&rig, DRIVER, 1, MOB_UNIT);

    cr_assert(mob_address_eq(worker, rig_worker(0)));
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_LEASE_GRANTED));
    cr_assert_not_null(rig_sent(&rig, worker, MOB_MSG_WORKER_REGISTERED, 0));
    rig_give(&rig, DRIVER, rig_request(DRIVER, 1, MOB_UNIT));
    cr_assert(mob_address_eq(reply_to(&rig, DRIVER)->worker, worker), "asked twice, one lease");
    cr_assert_eq(rig_stats(&rig).available.cpu, 3 * MOB_UNIT);

    rig_return(&rig, DRIVER, 1, false);
    cr_assert_not_null(rig_note(&rig, MOB_NOTE_LEASE_RETURNED));
    rig_return(&rig, DRIVER, 1, false);
    cr_assert_eq(rig_stats(&rig).available.cpu, 4 * MOB_UNIT);
    cr_assert(mob_address_eq(rig_grant(&rig, DRIVER, 2, MOB_UNIT), worker));
    rig_give(&rig, DRIVER, rig_request(DRIVER, 1, MOB_UNIT));
    cr_assert_eq(reply_to(&rig, DRIVER)->answer, MOB_LEASE_CANCELLED, "late, and refused");
}

Test(node, spills_what_does_not_fit_and_waits_when_all_are_busy)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 1);
    rig_grant(&rig, DRIVER, 1, 2 * MOB_UNIT);

    rig_give(&rig, DRIVER, rig_request(DRIVER, 2, MOB_UNIT));
    cr_assert_eq(reply_to(&rig, DRIVER)->answer, MOB_LEASE_SPILLED);
    cr_assert_eq(reply_to(&rig, DRIVER)->retry_at.v, 2);
    rig_give(&rig, DRIVER, rig_request(DRIVER, 3, MOB_UNIT));
    cr_assert_eq(reply_to(&rig, DRIVER)->retry_at.v, 3, "n2 is taken to be full now");
    rig_give(&rig, DRIVER, rig_request(DRIVER, 4, MOB_UNIT));
    cr_assert_null(reply_to(&rig, DRIVER));
    cr_assert_eq(rig_stats(&rig).leases_waiting, 1);

    MobTime forgotten = rig.out.alarms[MOB_TIMER_SCHEDULE];
    cr_assert_gt(forgotten, rig.now, "what was sent elsewhere is not counted for ever");
    rig_timer(&rig, MOB_TIMER_SCHEDULE, forgotten);
    cr_assert_eq(reply_to(&rig, DRIVER)->answer, MOB_LEASE_SPILLED);
}

Test(node, grants_or_rejects_what_was_spilled_to_it)
{
    g_auto(Rig) rig;
    rig_init(&rig, 1, 1000, 4);
    MobRequestLease *request = rig_request(OTHER, 1, MOB_UNIT);
    request->grant_or_reject = true;
    rig_give(&rig, OTHER, request);
    cr_assert_not_null(rig_effect(&rig, MOB_EFFECT_SPAWN, 0));

    request = rig_request(OTHER, 2, MOB_UNIT);
    request->grant_or_reject = true;
    rig_give(&rig, OTHER, request);
    cr_assert_eq(reply_to(&rig, OTHER)->answer, MOB_LEASE_REJECTED);
    cr_assert_eq(rig_stats(&rig).leases_waiting, 1);
}

Test(node, says_at_once_what_no_node_can_ever_do)
{
    g_auto(Rig) rig;
    g_autoptr(GStringChunk) text = g_string_chunk_new(100);
    MobFault fault;
    rig_init(&rig, 4, 1000, 8);

    rig_give(&rig, DRIVER, rig_request(DRIVER, 1, 16 * MOB_UNIT));
    cr_assert_eq(reply_to(&rig, DRIVER)->answer, MOB_LEASE_CANCELLED);
    cr_assert(mob_fault_read(reply_to(&rig, DRIVER)->fault, &fault, text));
    cr_assert_eq(fault.kind, MOB_FAULT_UNSCHEDULABLE);
    cr_assert_str_eq(fault.code, "E130");
    cr_assert_str_eq(fault.message,
                     "no node can ever satisfy cpus=16: the largest, n2, has cpus=8");
    cr_assert_eq(rig_stats(&rig).leases_waiting, 0);

    MobRequestLease *bound = rig_request(DRIVER, 2, MOB_UNIT);
    bound->spec->strategy = MOB_STRATEGY_AFFINITY;
    bound->spec->node = mob_str_new("n9");
    rig_give(&rig, DRIVER, bound);
    cr_assert_eq(reply_to(&rig, DRIVER)->answer, MOB_LEASE_CANCELLED);

    bound = rig_request(DRIVER, 3, MOB_UNIT);
    bound->spec->strategy = MOB_STRATEGY_AFFINITY;
    bound->spec->node = mob_str_new("n9");
    bound->spec->soft = true;
    rig_give(&rig, DRIVER, bound);
    cr_assert_null(reply_to(&rig, DRIVER), "another will do: a worker starts here");
    cr_assert_not_null(rig_effect(&rig, MOB_EFFECT_SPAWN, 0));
}

/* --- a node that has not had any owners --- */

/* n1 with 4 CPUs, registered, that knows of nobody. */
static void
init_stranger(Rig *rig)
{
    g_autoptr(MobStr) name = mob_str_new("n1");
    MobNodeOptions options = {
        .name = name, .total = {.cpu = 4 * MOB_UNIT}, .store_bytes = 1000, .cores = 4, .gcs = GCS};

    rig_open(rig);
    rig_start(rig, mob_node_new(mob_node_address(SELF), &rig->config, &options, WORKER0));
    cr_assert_not(mob_register_node(rig_sent(rig, GCS, MOB_MSG_REGISTER_NODE, 0))->follows);
    rig_give(rig, GCS, mob_node_registered_new());
    cr_assert_eq(rig->out.effects->len, 0);
    rig->now = MOB_SECOND;
}

static void
show_view(Rig *rig, int cpus)
{
    MobResourceView *view = mob_resource_view_new();

    view->views = (MobViews){g_new(MobView, 2), 2};
    for (uint32_t i = 0; i < 2; i++)
        view->views.items[i] = rig_view(i + 1, i == 0 ? 4 : cpus, true);
    rig_give(rig, GCS, view);
}

Test(node, follows_the_view_from_its_first_owner_on_and_waits_for_it)
{
    g_auto(Rig) rig;
    init_stranger(&rig);

    rig_give(&rig, OTHER, rig_request(OTHER, 1, 2 * MOB_UNIT));
    cr_assert(mob_report_resources(rig_sent(&rig, GCS, MOB_MSG_REPORT_RESOURCES, 0))->follows);
    cr_assert_not_null(rig_effect(&rig, MOB_EFFECT_SPAWN, 0), "none could be better");
    rig_register(&rig, rig_worker(0), false);
    const MobMsg *welcome = rig_sent(&rig, rig_worker(0), MOB_MSG_WORKER_REGISTERED, 0);
    cr_assert_eq(mob_worker_registered(welcome)->views.count, 1);
    cr_assert_str_eq(mob_str(mob_worker_registered(welcome)->views.items[0].name), "n1");

    rig_give(&rig, OTHER, rig_request(OTHER, 2, MOB_UNIT));
    rig_give(&rig, OTHER, rig_request(OTHER, 3, 8 * MOB_UNIT));
    cr_assert_null(rig_effect(&rig, MOB_EFFECT_SPAWN, 0), "another may be better");
    cr_assert_null(reply_to(&rig, OTHER));
    cr_assert_null(rig_sent(&rig, OTHER, MOB_MSG_RECLAIM_LEASE, 0), "there may be room elsewhere");
    show_view(&rig, 16);
    cr_assert_eq(rig_count(&rig, MOB_MSG_LEASE_REPLY), 2);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(
            mob_lease_reply(rig_sent(&rig, OTHER, MOB_MSG_LEASE_REPLY, (guint)i))->retry_at.v, 2);
    welcome = rig_sent(&rig, rig_worker(0), MOB_MSG_WORKER_REGISTERED, 0);
    cr_assert_eq(mob_worker_registered(welcome)->views.count, 2, "its workers hear of them too");
}

Test(node, follows_the_view_as_soon_as_a_driver_is_here)
{
    g_auto(Rig) rig;
    init_stranger(&rig);

    rig_register(&rig, DRIVER, true);
    cr_assert(mob_report_resources(rig_sent(&rig, GCS, MOB_MSG_REPORT_RESOURCES, 0))->follows);
}

Test(node, without_the_gcs_runs_here_what_fits)
{
    g_auto(Rig) rig;
    init_stranger(&rig);

    rig_reset(&rig, GCS);
    for (unsigned number = 1; number <= 5; number++) {
        MobRequestLease *request = rig_request(OTHER, number, MOB_UNIT);
        if (number == 2) {
            request->spec->strategy = MOB_STRATEGY_AFFINITY;
            request->spec->node = mob_str_new("n2");
        }
        rig_give(&rig, OTHER, request);
        cr_assert_eq(rig_effect(&rig, MOB_EFFECT_SPAWN, 0) != NULL, number != 2);
    }
    rig_give(&rig, OTHER, rig_request(OTHER, 6, MOB_UNIT));
    cr_assert_null(rig_effect(&rig, MOB_EFFECT_SPAWN, 0), "it is full");
}

Test(node, says_that_nobody_can_ever_do_it_only_when_no_more_nodes_join)
{
    g_auto(Rig) rig;
    init_stranger(&rig);

    rig_give(&rig, DRIVER, rig_request(DRIVER, 1, 16 * MOB_UNIT));
    show_view(&rig, 8);
    cr_assert_null(reply_to(&rig, DRIVER));
    MobNodeChanged *joined = mob_node_changed_new();
    joined->views = (MobViews){g_new(MobView, 1), 1};
    joined->views.items[0] = rig_view(3, 8, true);
    rig.now += rig.config.join_settle - 1;
    rig_give(&rig, GCS, joined);
    rig_timer(&rig, MOB_TIMER_SCHEDULE, rig.now + 1);
    cr_assert_null(reply_to(&rig, DRIVER), "one has just joined");
    rig_timer(&rig, MOB_TIMER_SCHEDULE, rig.now + rig.config.join_settle);
    cr_assert_eq(reply_to(&rig, DRIVER)->answer, MOB_LEASE_CANCELLED);
}

Test(node, takes_the_cpu_of_a_blocked_worker_and_gives_it_back)
{
    g_auto(Rig) rig;
    rig_init(&rig, 1, 1000, 0);
    MobAddress parent = rig_grant(&rig, DRIVER, 1, MOB_UNIT);
    rig_give(&rig, parent, rig_request(parent, 1, MOB_UNIT));
    cr_assert_not_null(rig_sent(&rig, DRIVER, MOB_MSG_RECLAIM_LEASE, 0), "somebody waits");

    for (int i = 0; i < 2; i++) {
        MobWorkerBlocked *blocked = mob_worker_blocked_new();
        blocked->blocked = true;
        rig_give(&rig, parent, blocked);
        cr_assert_eq(rig_stats(&rig).available.cpu, 0, "lent once, and taken by the child");
    }
    rig_register(&rig, rig_worker(1), false);
    cr_assert_eq(reply_to(&rig, parent)->answer, MOB_LEASE_GRANTED);

    rig_give(&rig, parent, mob_worker_blocked_new());
    cr_assert_eq(rig_stats(&rig).available.cpu, -MOB_UNIT);
    rig_return(&rig, parent, 1, false);
    cr_assert_eq(rig_stats(&rig).available.cpu, 0);
    rig_return(&rig, DRIVER, 1, false);
    cr_assert_eq(rig_stats(&rig).available.cpu, MOB_UNIT);
}

Test(node, asks_other_owners_for_idle_workers_once_while_somebody_waits)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 0);
    rig_grant(&rig, DRIVER, 1, MOB_UNIT);
    rig_grant(&rig, OTHER, 1, MOB_UNIT);

    rig_give(&rig, DRIVER, rig_request(DRIVER, 2, MOB_UNIT));
    cr_assert_eq(rig_count(&rig, MOB_MSG_RECLAIM_LEASE), 1, "not of those it could use itself");
    cr_assert_not_null(rig_sent(&rig, OTHER, MOB_MSG_RECLAIM_LEASE, 0));
    rig_give(&rig, DRIVER, rig_request(DRIVER, 3, MOB_UNIT));
    cr_assert_eq(rig_count(&rig, MOB_MSG_RECLAIM_LEASE), 0, "once");

    rig_return(&rig, OTHER, 1, false);
    cr_assert_eq(reply_to(&rig, DRIVER)->answer, MOB_LEASE_GRANTED);
}

Test(node, cancels_what_waits_and_what_was_granted_meanwhile)
{
    g_auto(Rig) rig;
    rig_init(&rig, 1, 1000, 0);
    rig_grant(&rig, DRIVER, 1, MOB_UNIT);
    rig_give(&rig, DRIVER, rig_request(DRIVER, 2, MOB_UNIT));

    for (uint64_t number = 1; number <= 3; number++) {
        MobCancelLease *cancel = mob_cancel_lease_new();
        cancel->lease = (MobLeaseId){DRIVER, number};
        rig_give(&rig, DRIVER, cancel);
        cr_assert_not_null(rig_sent(&rig, DRIVER, MOB_MSG_LEASE_REPLY, 0));
    }
    cr_assert_eq(rig_stats(&rig).leases_waiting, 0);
    cr_assert_eq(rig_stats(&rig).leases_granted, 0);
    rig_give(&rig, DRIVER, rig_request(DRIVER, 3, MOB_UNIT));
    cr_assert_eq(reply_to(&rig, DRIVER)->answer, MOB_LEASE_CANCELLED, "a tombstone");
}

/* --- workers --- */

Test(node, tells_why_a_worker_died_and_what_hung_on_it)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 0);
    rig_register(&rig, DRIVER, true);
    MobAddress parent = rig_grant(&rig, DRIVER, 1, MOB_UNIT);
    MobAddress child = rig_grant(&rig, parent, 1, MOB_UNIT);
    cr_assert(rig_store(&rig, parent, 5, parent, 10));

    rig_child(&rig, parent, "killed");
    cr_assert_str_eq(rig_note(&rig, MOB_NOTE_WORKER_DIED)->reason, "killed");
    cr_assert_not_null(rig_sent(&rig, GCS, MOB_MSG_WORKER_DIED, 0));
    cr_assert_not_null(rig_sent(&rig, DRIVER, MOB_MSG_WORKER_DIED, 0));
    cr_assert(mob_address_eq(rig_effect(&rig, MOB_EFFECT_KILL, 0)->address, child),
              "a worker dies with its owner");
    cr_assert_eq(rig_stats(&rig).objects, 0, "so do objects");
    cr_assert_eq(rig_stats(&rig).available.cpu, 2 * MOB_UNIT);

    MobAskFailureCause *ask = mob_ask_failure_cause_new();
    ask->lease = (MobLeaseId){DRIVER, 1};
    ask->worker = parent;
    rig_give(&rig, DRIVER, ask);
    const MobFailureCause *cause =
        mob_failure_cause(rig_sent(&rig, DRIVER, MOB_MSG_FAILURE_CAUSE, 0));
    cr_assert(!cause->alive);
    cr_assert_str_eq(mob_str(cause->reason), "killed");

    rig_give(&rig, parent, rig_request(parent, 2, MOB_UNIT));
    cr_assert_eq(rig.out.effects->len, 0, "the dead are not heard");
}

Test(node, tells_whoever_looks_on_what_a_worker_wrote)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 0);
    MobAddress worker = rig_grant(&rig, DRIVER, 1, MOB_UNIT);

    rig_step(&rig, (MobInput){.kind = MOB_INPUT_PRINTED, .from = worker, .reason = "oh\n"});
    cr_assert_str_eq(rig_note(&rig, MOB_NOTE_OUTPUT)->text, "oh\n");
    cr_assert(mob_address_eq(rig_note(&rig, MOB_NOTE_OUTPUT)->worker, worker));
    cr_assert_eq(rig.out.effects->len, 0, "and does nothing");
}

Test(node, repeats_a_death_until_the_gcs_says_it_itself)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 0);
    MobAddress worker = rig_grant(&rig, DRIVER, 1, MOB_UNIT);
    rig_child(&rig, worker, "killed");
    rig_give(&rig, GCS, mob_gcs_restarted_new());
    rig_give(&rig, GCS, mob_node_registered_new());
    cr_assert_not_null(rig_sent(&rig, GCS, MOB_MSG_WORKER_DIED, 0));

    MobWorkerDied *died = mob_worker_died_new();
    died->worker = worker;
    rig_give(&rig, GCS, died);
    rig.now += rig.config.report_period;
    rig_give(&rig, GCS, mob_gcs_restarted_new());
    rig_give(&rig, GCS, mob_node_registered_new());
    cr_assert_null(rig_sent(&rig, GCS, MOB_MSG_WORKER_DIED, 0));
    cr_assert_not_null(rig_sent(&rig, GCS, MOB_MSG_REPORT_RESOURCES, 0), "it reports anew");

    rig_register(&rig, DRIVER, true);
    cr_assert_not_null(rig_sent(&rig, DRIVER, MOB_MSG_WORKER_DIED, 0), "and tells those who come");
}

Test(node, replaces_a_worker_that_does_not_register)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 0);
    rig_give(&rig, DRIVER, rig_request(DRIVER, 1, MOB_UNIT));
    rig_timer(&rig, MOB_TIMER_WORKER_START, rig.now + rig.config.worker_register_timeout);
    cr_assert(mob_address_eq(rig_effect(&rig, MOB_EFFECT_KILL, 0)->address, rig_worker(0)));
    cr_assert(mob_address_eq(rig_effect(&rig, MOB_EFFECT_SPAWN, 0)->address, rig_worker(1)));
    rig_register(&rig, rig_worker(0), false);
    cr_assert_eq(rig.out.effects->len, 0, "it was given up");
    rig_register(&rig, rig_worker(1), false);
    cr_assert_eq(reply_to(&rig, DRIVER)->answer, MOB_LEASE_GRANTED);
}

Test(node, ends_workers_that_idle_above_the_limit_but_not_those_that_refuse)
{
    g_auto(Rig) rig;
    rig_init(&rig, 1, 1000, 0);
    for (uint64_t i = 1; i <= 3; i++)
        rig_grant(&rig, DRIVER, i, 0);
    for (uint64_t i = 1; i <= 3; i++)
        rig_return(&rig, DRIVER, i, false);

    rig_timer(&rig, MOB_TIMER_IDLE_WORKERS, rig.now + rig.config.worker_idle);
    cr_assert_eq(rig_count(&rig, MOB_MSG_EXIT_WORKER), 2);
    cr_assert_not_null(rig_sent(&rig, rig_worker(0), MOB_MSG_EXIT_WORKER, 0), "the oldest");
    rig_give(&rig, rig_worker(0), mob_exit_refused_new());
    rig_child(&rig, rig_worker(1), "it was idle");
    rig_timer(&rig, MOB_TIMER_IDLE_WORKERS, rig.now + rig.config.worker_idle);
    cr_assert_eq(rig_count(&rig, MOB_MSG_EXIT_WORKER), 1, "it is not asked again");
    cr_assert(mob_address_eq(rig_grant(&rig, DRIVER, 4, 0), rig_worker(0)));
}

/* --- the death of others --- */

Test(node, drops_what_belongs_to_a_dead_node)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 0);
    rig_register(&rig, DRIVER, true);
    MobAddress worker = rig_grant(&rig, OTHER, 1, 2 * MOB_UNIT);
    rig_give(&rig, OTHER, rig_request(OTHER, 2, MOB_UNIT));
    cr_assert(rig_store(&rig, worker, 1, OTHER, 10));
    rig_get(&rig, DRIVER, 2, OTHER);

    rig_give(&rig, GCS, rig_changed(rig_view(2, 0, false)));
    cr_assert(mob_address_eq(rig_effect(&rig, MOB_EFFECT_KILL, 0)->address, worker));
    cr_assert_not_null(rig_sent(&rig, DRIVER, MOB_MSG_NODE_CHANGED, 0));
    const MobObjectHere *here = mob_object_here(rig_sent(&rig, DRIVER, MOB_MSG_OBJECT_HERE, 0));
    cr_assert_eq(here->value->fault, MOB_FAULT_OWNER_DIED);
    MobNodeStats stats = rig_stats(&rig);
    cr_assert_eq(stats.objects + stats.leases_waiting + stats.leases_granted, 0);
    rig_give(&rig, OTHER, rig_request(OTHER, 3, MOB_UNIT));
    cr_assert_eq(rig.out.effects->len, 0, "the dead are not heard");
    rig_get(&rig, DRIVER, 3, OTHER);
    here = mob_object_here(rig_sent(&rig, DRIVER, MOB_MSG_OBJECT_HERE, 0));
    cr_assert_eq(here->value->fault, MOB_FAULT_OWNER_DIED);
}

Test(node, leaves_when_nothing_runs_any_more)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 2);
    rig_grant(&rig, OTHER, 1, MOB_UNIT);
    rig_step(&rig, (MobInput){.kind = MOB_INPUT_LEAVE});
    cr_assert(mob_report_resources(rig_sent(&rig, GCS, MOB_MSG_REPORT_RESOURCES, 0))->draining);
    rig_give(&rig, OTHER, rig_request(OTHER, 2, MOB_UNIT));
    cr_assert_eq(reply_to(&rig, OTHER)->answer, MOB_LEASE_SPILLED);
    cr_assert_null(rig_effect(&rig, MOB_EFFECT_EXIT, 0));
    rig_return(&rig, OTHER, 1, false);
    cr_assert_not_null(rig_sent(&rig, GCS, MOB_MSG_UNREGISTER_NODE, 0));
    cr_assert_str_eq(mob_str(rig_effect(&rig, MOB_EFFECT_EXIT, 0)->str), "left");
}

/* --- what no honest peer would say --- */

Test(node, grants_a_request_for_none_of_what_there_is_not)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 2);
    MobRequestLease *request = rig_request(DRIVER, 1, MOB_UNIT);

    request->spec->needs.customs = mob_customs_new(1);
    request->spec->needs.customs->items[0].name = mob_str_new("gpu");
    rig_give(&rig, DRIVER, request);
    const MobEffect *spawn = rig_effect(&rig, MOB_EFFECT_SPAWN, 0);
    cr_assert_not_null(spawn);
    rig_register(&rig, spawn->address, false);
    cr_assert_not_null(rig_sent(&rig, DRIVER, MOB_MSG_LEASE_REPLY, 0));
    rig_return(&rig, DRIVER, 1, false);
    rig_grant(&rig, DRIVER, 2, 2 * MOB_UNIT);
}

Test(node, hears_no_more_than_the_beginning_of_what_a_worker_says_when_it_ends)
{
    g_auto(Rig) rig;
    rig_init(&rig, 2, 1000, 2);
    MobAddress worker = rig_grant(&rig, DRIVER, 1, MOB_UNIT);
    g_autofree char *novel = g_strnfill(2 * MOB_STR_MAX, 'x');
    g_auto(MobBuf) wire = {0};

    rig_child(&rig, worker, novel);
    mob_msg_encode(rig_sent(&rig, GCS, MOB_MSG_WORKER_DIED, 0), &wire);
    cr_assert_lt(wire.length, 2000);
}
