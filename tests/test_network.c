/* test_network.c: connections and what breaks them, between fake processes. */
#include "fakes.h"

static MobProcess *
make_gcs(MobAddress address, const MobConfig *config)
{
    return fake_new(address, NULL, true);
}

static MobProcess *
make_node(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
          uint32_t first_worker)
{
    return fake_new(address, NULL, true);
}

static const MobCast cast = {
    .gcs = make_gcs, .node = make_node, .result = fake_result, .explain = fake_explain};

enum {
    GCS = MOB_LOCAL_GCS
};

/* Everybody is started, and nobody's log has anything in it. */
static MobWorld *
start(const MobWorldOptions *options)
{
    MobWorld *world = mob_world_new_with(options, &cast);

    run_until(world, 0);
    for (uint32_t node = 1; node <= 3; node++)
        g_free(heard(world, addr(node, 0)));
    g_free(heard(world, addr(1, GCS)));
    return world;
}

static MobWorld *
start_plain(void)
{
    MobWorldOptions options;

    fake_options(&options);
    options.config.bandwidth = 0;
    return start(&options);
}

Test(network, a_message_takes_a_hop_and_an_answer_another)
{
    g_autoptr(MobWorld) world = start_plain();

    plan(world, addr(2, 0), MOB_MS, addr(3, 0), 100, 0);
    plan(world, addr(1, 0), MOB_MS, addr(1, GCS), 101, 0);
    run_until(world, 2 * MOB_MS);
    cr_heard(world, addr(3, 0), "1.100 message 100 from 2.0\n");
    cr_heard(world, addr(2, 0), "1.200 message reply 100 from 3.0\n");
    cr_heard(world, addr(1, GCS), "1.010 message 101 from 1.0\n");
    cr_heard(world, addr(1, 0), "1.020 message reply 101 from 1.1\n");
}

static void
check_order(bool shuffle)
{
    MobWorldOptions options;
    fake_options(&options);
    options.picks.seed = 7;
    options.jitter = MOB_MS;
    options.shuffle = shuffle;
    g_autoptr(MobWorld) world = start(&options);
    g_autoptr(GString) wanted = g_string_new(NULL);

    for (uint64_t i = 0; i < 40; i++) {
        plan(world, addr(2, 0), (1 + i / 4) * MOB_MS, addr(3, 0), i, i % 3 == 0 ? 5000 : 0);
        g_string_append_printf(wanted, "%s%" PRIu64 " ", i % 3 == 0 ? "put " : "", i);
    }
    run_until(world, 20 * MOB_MS);

    g_autofree char *log = heard(world, addr(3, 0));
    g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
    g_autoptr(GString) got = g_string_new(NULL);
    for (size_t i = 0; lines[i][0] != '\0'; i++) {
        char *text = strstr(lines[i], "message ") + strlen("message ");
        *strstr(text, "from") = '\0';
        g_string_append(got, text);
    }
    cr_assert_str_eq(got->str, wanted->str);
}

Test(network, messages_arrive_in_order_whatever_the_jitter_and_the_ties)
{
    check_order(false);
    check_order(true);
}

Test(network, the_other_end_of_a_dead_process_is_told_after_what_it_had_sent)
{
    g_autoptr(MobWorld) world = start_plain();

    plan(world, addr(1, GCS), MOB_MS, addr(2, 0), 1, 0);
    plan(world, addr(2, 0), MOB_MS, addr(1, GCS), 2, 0);
    run_until(world, MOB_MS + 50 * MOB_US);
    give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "gcs"});
    run_until(world, 2 * MOB_MS);
    cr_heard(world, addr(2, 0), "1.100 message 1 from 1.1\n1.150 reset from 1.1\n");
}

Test(network, a_message_to_a_dead_process_comes_back_as_a_reset)
{
    g_autoptr(MobWorld) world = start_plain();

    give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "gcs"});
    plan(world, addr(2, 0), 2 * MOB_MS, addr(1, GCS), 1, 0);
    plan(world, addr(2, 0), 2 * MOB_MS, addr(1, GCS), 2, 0);
    plan(world, addr(2, 0), 3 * MOB_MS, addr(1, 77), 3, 0);
    plan(world, addr(2, 0), 4 * MOB_MS, addr(9, 0), 4, 0);
    run_until(world, 10 * MOB_MS);
    cr_heard(world, addr(2, 0), "2.200 reset from 1.1\n3.200 reset from 1.77\n");
}

Test(network, a_restarted_process_has_new_connections)
{
    g_autoptr(MobWorld) world = start_plain();

    plan(world, addr(2, 0), MOB_MS, addr(1, GCS), 1, 0);
    plan(world, addr(2, 0), 2 * MOB_MS, addr(1, GCS), 2, 0); /* lost: it does not know yet */
    plan(world, addr(2, 0), 3 * MOB_MS, addr(1, GCS), 103, 0);
    run_until(world, 2 * MOB_MS - 1);
    give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "gcs"});
    give(world, (MobOrder){.verb = MOB_VERB_RESTART, .target = "gcs"});
    run_until(world, 10 * MOB_MS);
    cr_heard(world, addr(2, 0), "2.100 reset from 1.1\n3.200 message reply 103 from 1.1\n");
    cr_heard(world, addr(1, GCS), "2.000 start\n3.100 message 103 from 2.0\n");
}

Test(network, who_hears_from_the_new_one_first_is_told_of_the_old_one_before)
{
    g_autoptr(MobWorld) world = start_plain();

    plan(world, addr(2, 0), MOB_MS, addr(1, GCS), 1, 0);
    run_until(world, 3 * MOB_MS);
    give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "head"});
    run_until(world, 4 * MOB_MS);
    give(world, (MobOrder){.verb = MOB_VERB_RESTART, .target = "head"});
    run_until(world, 4 * MOB_MS);
    plan(world, addr(1, GCS), 5 * MOB_MS, addr(2, 0), 100, 0);
    run_until(world, 10 * MOB_MS);
    cr_heard(world, addr(2, 0), "5.000 reset from 1.1\n5.100 message 100 from 1.1\n");
    cr_heard(world, addr(1, GCS), "4.000 start\n5.200 message reply 100 from 2.0\n");
}

Test(network, a_dead_machine_says_nothing)
{
    g_autoptr(MobWorld) world = start_plain();

    plan(world, addr(2, 0), MOB_MS, addr(3, 0), 1, 0);
    plan(world, addr(2, 0), 3 * MOB_MS, addr(3, 0), 2, 0);
    run_until(world, 2 * MOB_MS);
    uint32_t fault = give(world, (MobOrder){.verb = MOB_VERB_KILL, .target = "n2"});
    run_until(world, 5 * MOB_SECOND);
    cr_heard(world, addr(2, 0), "");
    cr_assert_eq(bites_of(world, fault), 1);

    /* Restarted, it answers for its former life. */
    give(world, (MobOrder){.verb = MOB_VERB_RESTART, .target = "n2"});
    plan(world, addr(2, 0), 6 * MOB_SECOND, addr(3, 0), 3, 0);
    run_until(world, 7 * MOB_SECOND);
    cr_heard(world, addr(2, 0), "6000.200 reset from 3.0\n");
}

Test(network, a_cut_holds_messages_back_until_it_is_healed)
{
    g_autoptr(MobWorld) world = start_plain();

    uint32_t fault = give(world, (MobOrder){.verb = MOB_VERB_CUT, .from = "n1", .to = "n2"});
    plan(world, addr(2, 0), MOB_MS, addr(3, 0), 1, 0);
    plan(world, addr(2, 0), 2 * MOB_MS, addr(3, 0), 2, 0);
    plan(world, addr(3, 0), 2 * MOB_MS, addr(2, 0), 3, 0);
    plan(world, addr(2, 0), 2 * MOB_MS, addr(1, 0), 4, 0);
    run_until(world, 5 * MOB_MS);
    cr_heard(world, addr(3, 0), "");
    cr_heard(world, addr(1, 0), "2.100 message 4 from 2.0\n");
    cr_assert_eq(bites_of(world, fault), 3);
    heal_it(world, fault);
    run_until(world, 2 * MOB_SECOND);
    cr_heard(world, addr(3, 0), "5.100 message 1 from 2.0\n5.100 message 2 from 2.0\n");
    cr_heard(world, addr(2, 0), "5.100 message 3 from 3.0\n");
}

Test(network, a_connection_that_is_cut_for_long_breaks_for_both)
{
    g_autoptr(MobWorld) world = start_plain();

    uint32_t fault = give(world, (MobOrder){.verb = MOB_VERB_CUT, .from = "n1"});
    plan(world, addr(2, 0), MOB_MS, addr(3, 0), 1, 0);
    run_until(world, 1500 * MOB_MS);
    heal_it(world, fault);
    plan(world, addr(2, 0), 1600 * MOB_MS, addr(3, 0), 102, 0);
    run_until(world, 3 * MOB_SECOND);
    cr_heard(world, addr(2, 0), "1001.000 reset from 3.0\n1600.200 message reply 102 from 3.0\n");
    cr_heard(world, addr(3, 0), "1001.000 reset from 2.0\n1600.100 message 102 from 2.0\n");
}

Test(network, a_cut_in_one_direction_lets_the_other_through_but_not_its_acks)
{
    g_autoptr(MobWorld) world = start_plain();

    give(world, (MobOrder){.verb = MOB_VERB_CUT, .from = "n1", .to = "n2", .oneway = true});
    plan(world, addr(3, 0), MOB_MS, addr(2, 0), 101, 0);
    run_until(world, 2 * MOB_SECOND);
    cr_heard(world, addr(2, 0), "1.100 message 101 from 3.0\n1001.000 reset from 3.0\n");
    cr_heard(world, addr(3, 0), "1001.000 reset from 2.0\n");
}

Test(network, what_is_held_waits_for_ever)
{
    g_autoptr(MobWorld) world = start_plain();

    uint32_t fault = give(world, (MobOrder){.verb = MOB_VERB_HOLD, .from = "n1", .to = "gcs"});
    plan(world, addr(2, 0), MOB_MS, addr(1, GCS), 1, 0);
    plan(world, addr(2, 0), MOB_MS, addr(1, 0), 2, 0);
    run_until(world, 100 * MOB_SECOND);
    cr_heard(world, addr(1, GCS), "");
    cr_heard(world, addr(1, 0), "1.100 message 2 from 2.0\n");
    heal_it(world, fault);
    run_until(world, 101 * MOB_SECOND);
    cr_heard(world, addr(1, GCS), "100000.100 message 1 from 2.0\n");
    cr_heard(world, addr(2, 0), "");
}

static MobOrder
rpc(MobLose lose)
{
    return (MobOrder){.verb = MOB_VERB_RPC,
                      .message = "KvGet",
                      .to = "gcs",
                      .lose = lose,
                      .times = 1,
                      .chance_ppm = 1000000};
}

Test(network, a_lost_request_breaks_the_connection_before_it_is_seen)
{
    g_autoptr(MobWorld) world = start_plain();

    uint32_t fault = give(world, rpc(MOB_LOSE_REQUEST));
    plan(world, addr(2, 0), MOB_MS, addr(1, GCS), 101, 0);
    plan(world, addr(2, 0), 2 * MOB_MS, addr(1, GCS), 102, 0);
    run_until(world, 3 * MOB_MS);
    cr_heard(world, addr(1, GCS), "1.100 reset from 2.0\n2.100 message 102 from 2.0\n");
    cr_heard(world, addr(2, 0), "1.100 reset from 1.1\n2.200 message reply 102 from 1.1\n");
    cr_assert_eq(bites_of(world, fault), 1);
}

Test(network, when_a_reply_is_lost_the_request_was_handled)
{
    g_autoptr(MobWorld) world = start_plain();

    give(world, rpc(MOB_LOSE_REPLY));
    plan(world, addr(2, 0), MOB_MS, addr(1, GCS), 101, 0);
    run_until(world, 3 * MOB_MS);
    cr_heard(world, addr(1, GCS), "1.100 message 101 from 2.0\n1.100 reset from 2.0\n");
    cr_heard(world, addr(2, 0), "1.100 reset from 1.1\n");
}

Test(network, a_request_in_flight_arrives_after_the_break)
{
    g_autoptr(MobWorld) world = start_plain();

    give(world, rpc(MOB_LOSE_INFLIGHT));
    plan(world, addr(2, 0), MOB_MS, addr(1, GCS), 101, 0);
    run_until(world, 3 * MOB_MS);
    cr_heard(world, addr(2, 0), "1.000 reset from 1.1\n1.300 message reply 101 from 1.1\n");
    cr_heard(world, addr(1, GCS), "1.000 reset from 2.0\n1.200 message 101 from 2.0\n");
}

/* What is to be lost is so after the cut as well. */
Test(network, a_cut_does_not_make_an_rpc_fault_forget_its_message)
{
    g_autoptr(MobWorld) world = start_plain();
    MobOrder cut = {.verb = MOB_VERB_CUT, .from = "n1", .to = "head"};

    uint32_t lost = give(world, rpc(MOB_LOSE_REQUEST));
    uint32_t fault = give(world, cut);
    plan(world, addr(2, 0), MOB_MS, addr(1, GCS), 101, 0);
    run_until(world, 3 * MOB_MS);
    heal_it(world, fault);
    run_until(world, 4 * MOB_MS);
    cr_heard(world, addr(1, GCS), "3.100 reset from 2.0\n");
    cr_heard(world, addr(2, 0), "3.100 reset from 1.1\n");
    heal_it(world, lost);

    lost = give(world, rpc(MOB_LOSE_REPLY));
    fault = give(world, cut);
    plan(world, addr(2, 0), 5 * MOB_MS, addr(1, GCS), 102, 0);
    run_until(world, 6 * MOB_MS);
    heal_it(world, fault);
    run_until(world, 7 * MOB_MS);
    cr_heard(world, addr(1, GCS), "6.100 message 102 from 2.0\n6.100 reset from 2.0\n");
    cr_heard(world, addr(2, 0), "6.100 reset from 1.1\n");
    heal_it(world, lost);

    give(world, rpc(MOB_LOSE_INFLIGHT));
    fault = give(world, cut);
    plan(world, addr(2, 0), 8 * MOB_MS, addr(1, GCS), 103, 0);
    run_until(world, 9 * MOB_MS);
    cr_heard(world, addr(2, 0), "8.000 reset from 1.1\n");
    heal_it(world, fault);
    run_until(world, 10 * MOB_MS);
    cr_heard(world, addr(1, GCS), "8.000 reset from 2.0\n9.200 message 103 from 2.0\n");
}

Test(network, a_network_card_sends_and_takes_in_one_byte_after_the_other)
{
    MobWorldOptions options;
    fake_options(&options);
    options.config.bandwidth = 8000; /* a byte a nanosecond */
    g_autoptr(MobWorld) world = start(&options);

    /* Two messages of a millisecond from one machine leave one after the other. */
    plan(world, addr(2, 0), 10 * MOB_MS, addr(3, 0), 1, 1000000);
    plan(world, addr(2, 0), 10 * MOB_MS, addr(1, 0), 2, 1000000);
    run_until(world, 15 * MOB_MS);
    cr_heard(world, addr(3, 0), "11.100 message put 1 from 2.0\n");
    cr_heard(world, addr(1, 0), "12.100 message put 2 from 2.0\n");

    /* Two that arrive at one machine come in one after the other; a small one
     * slips in between, but not past what its own sender had sent before. */
    plan(world, addr(2, 0), 20 * MOB_MS, addr(1, 0), 1, 1000000);
    plan(world, addr(3, 0), 20 * MOB_MS, addr(1, 0), 2, 1000000);
    plan(world, addr(3, 0), 20 * MOB_MS, addr(1, 0), 3, 0);
    plan(world, addr(2, 0), 21 * MOB_MS, addr(1, 0), 4, 0);
    run_until(world, 25 * MOB_MS);
    cr_heard(world, addr(1, 0),
             "21.100 message put 1 from 2.0\n21.100 message 4 from 2.0\n"
             "22.100 message put 2 from 3.0\n22.100 message 3 from 3.0\n");
}

Test(network, a_small_message_that_waits_for_its_turn_is_not_passed_by_those_behind_it)
{
    MobWorldOptions options;
    fake_options(&options);
    options.config.bandwidth = 8000; /* a byte a nanosecond */
    g_autoptr(MobWorld) world = start(&options);

    /* What n2 sends waits behind what n1 has sent; the small one too. */
    plan(world, addr(2, 0), 10 * MOB_MS, addr(1, 0), 1, 1000000);
    plan(world, addr(3, 0), 10 * MOB_MS, addr(1, 0), 2, 1200000);
    plan(world, addr(3, 0), 10 * MOB_MS, addr(1, 0), 3, 0);
    plan(world, addr(3, 0), 10 * MOB_MS, addr(1, 0), 4, 200000);
    plan(world, addr(3, 0), 10 * MOB_MS, addr(1, 0), 5, 200000);
    run_until(world, 15 * MOB_MS);
    cr_heard(world, addr(1, 0),
             "11.100 message put 1 from 2.0\n12.300 message put 2 from 3.0\n"
             "12.300 message 3 from 3.0\n12.500 message put 4 from 3.0\n"
             "12.700 message put 5 from 3.0\n");
}

Test(network, a_link_may_be_slow_and_far)
{
    g_autoptr(MobWorld) world = start_plain();

    MobOrder order = {.verb = MOB_VERB_LINK,
                      .from = "n1",
                      .to = "n2",
                      .oneway = true,
                      .latency = 5 * MOB_MS,
                      .jitter = MOB_TIME_NEVER,
                      .bps = 8000000};
    uint32_t fault = give(world, order);
    plan(world, addr(2, 0), MOB_MS, addr(3, 0), 1, 2000);
    plan(world, addr(2, 0), MOB_MS, addr(1, 0), 2, 0);
    plan(world, addr(3, 0), MOB_MS, addr(2, 0), 3, 0);
    run_until(world, 50 * MOB_MS);
    g_autofree char *far = heard(world, addr(3, 0));
    double at = g_ascii_strtod(far, NULL);
    cr_assert(at > 8.0 && at < 8.2, "2000 bytes at a byte a microsecond, and 5 ms: %s", far);
    cr_heard(world, addr(1, 0), "1.100 message 2 from 2.0\n");
    cr_heard(world, addr(2, 0), "1.100 message 3 from 3.0\n");
    cr_assert_eq(bites_of(world, fault), 1);
    heal_it(world, fault);
    plan(world, addr(2, 0), 60 * MOB_MS, addr(3, 0), 4, 0);
    run_until(world, 70 * MOB_MS);
    cr_heard(world, addr(3, 0), "60.100 message 4 from 2.0\n");
}

Test(network, losses_delay_and_six_in_a_row_break)
{
    g_autoptr(MobWorld) world = start_plain();

    MobOrder order = {.verb = MOB_VERB_LINK,
                      .from = "n1",
                      .to = "n2",
                      .latency = MOB_TIME_NEVER,
                      .jitter = MOB_TIME_NEVER,
                      .loss_ppm = 1000000};
    give(world, order);
    plan(world, addr(2, 0), MOB_MS, addr(3, 0), 1, 0);
    plan(world, addr(2, 0), 2 * MOB_MS, addr(3, 0), 2, 0);
    run_until(world, 10 * MOB_SECOND);
    /* 10 + 20 + 40 + 80 + 160 + 320 ms; both hear of it, as promised. */
    cr_heard(world, addr(2, 0), "631.000 reset from 3.0\n");
    cr_heard(world, addr(3, 0), "631.000 reset from 2.0\n");
}

Test(network, the_link_model_doubles_its_patience)
{
    MobPickConfig config = {.seed = 3};
    MobPicks *picks = mob_picks_new(&config);
    unsigned counts[4] = {0};

    for (unsigned i = 0; i < 4000; i++) {
        MobLink link = {.latency = 1, .loss_ppm = 500000, .rto = 10};
        MobTime reset_at = 0;
        MobTime at = mob_link_send(&link, 0, 0, picks, 5, &reset_at);
        counts[0] += at == 1;
        counts[1] += at == 11;
        counts[2] += at == 31;
        counts[3] += at == MOB_TIME_NEVER && reset_at == 630;
    }
    cr_assert(counts[0] > 1800 && counts[0] < 2200);
    cr_assert(counts[1] > 850 && counts[1] < 1150);
    cr_assert(counts[2] > 400 && counts[2] < 600);
    cr_assert(counts[3] > 30 && counts[3] < 110);
    mob_picks_free(picks);

    MobLink link = {.latency = 100, .ns_per_byte = mob_link_rate(8000000000)};
    MobTime none;
    cr_assert_eq(mob_link_send(&link, 0, 50, NULL, 0, &none), 150);
    cr_assert_eq(mob_link_send(&link, 0, 50, NULL, 0, &none), 200, "only sending occupies");
    cr_assert_eq(mob_link_send(&link, 500, 50, NULL, 0, &none), 650);
    cr_assert_eq(mob_link_rate(0), 0);
}
