/* test_worker_ahead.c: several tasks under way at one worker: what the owner
 * sends ahead, and what the worker hands back.
 */
#include "tests/worker_rig.h"

/* --- the owner --- */

static uint32_t
pushed(const Rig *rig)
{
    return rig_count_to(rig, W1, MOB_MSG_PUSH_TASK);
}

static void
hand_back(Rig *rig, const MobPushTask *push)
{
    MobTaskReply *reply = mob_task_reply_new();

    reply->task = push->spec->id;
    reply->attempt = push->attempt;
    reply->lease = push->lease;
    reply->refused = true;
    rig_give(rig, W1, reply);
}

static const MobPushTask *
nth_push(const Rig *rig, uint32_t nth)
{
    const MobMsg *push = rig_sent(rig, W1, MOB_MSG_PUSH_TASK, nth);

    cr_assert_not_null(push);
    return mob_push_task(push);
}

/* A driver of @count tasks, of which two were done at once: W1 has the third
 * and fourth. The ones at @never may not be retried. */
static void
drive(Rig *rig, uint32_t count, uint32_t never, const MobPushTask **third,
      const MobPushTask **fourth)
{
    rig_drive(rig);
    rig->config.tasks_in_flight = 10;
    rig_submit_spec(rig, rig_spec("f", never == 1 ? 0 : 3), NO_ARGS);
    MobLeaseId lease = rig_asked(rig, NODE1);
    for (uint32_t i = 2; i <= count; i++)
        rig_submit_spec(rig, rig_spec("f", never == i ? 0 : 3), NO_ARGS);
    rig_grant(rig, lease, W1);
    cr_assert_eq(pushed(rig), 1, "nothing is known of its pace");
    rig_reply(rig, W1, nth_push(rig, 0), rig_value(5, 7));
    cr_assert_eq(pushed(rig), 1);
    rig_reply(rig, W1, nth_push(rig, 0), rig_value(5, 7));
    cr_assert_eq(pushed(rig), never == 4 ? 1 : 2, "it has done two in no time");
    *third = nth_push(rig, 0);
    *fourth = never == 4 ? NULL : nth_push(rig, 1);
}

Test(worker_ahead, a_fast_worker_is_sent_what_it_does_in_a_millisecond)
{
    g_auto(Rig) rig;
    const MobPushTask *third;
    const MobPushTask *fourth;
    drive(&rig, 30, 0, &third, &fourth);

    rig.now += rig.config.ahead_time;
    rig_reply(&rig, W1, third, rig_value(5, 7));
    cr_assert_eq(pushed(&rig), 2, "three in a millisecond");
    rig.now += 3 * rig.config.ahead_time;
    rig_reply(&rig, W1, fourth, rig_value(5, 7));
    cr_assert_eq(pushed(&rig), 0, "and now it is slow");
}

Test(worker_ahead, never_more_than_the_limit)
{
    g_auto(Rig) rig;
    const MobPushTask *one;
    const MobPushTask *other;
    drive(&rig, 30, 0, &one, &other);

    rig.config.tasks_in_flight = 2;
    rig_reply(&rig, W1, one, rig_value(5, 7));
    cr_assert_eq(pushed(&rig), 1);
    rig.config.tasks_in_flight = 1;
    rig_reply(&rig, W1, other, rig_value(5, 7));
    cr_assert_eq(pushed(&rig), 0);
}

Test(worker_ahead, what_is_handed_back_comes_first_and_is_no_attempt)
{
    g_auto(Rig) rig;
    const MobPushTask *third;
    const MobPushTask *fourth;
    drive(&rig, 6, 0, &third, &fourth);
    MobTaskId id = fourth->spec->id;

    hand_back(&rig, fourth);
    cr_assert_null(rig_note(&rig, MOB_NOTE_TASK_FAILED));
    cr_assert_null(rig_note(&rig, MOB_NOTE_TASK_RETRIED));
    cr_assert_eq(pushed(&rig), 0, "not to the same worker, before that is done");
    rig_reply(&rig, W1, third, rig_value(5, 7));
    cr_assert_eq(pushed(&rig), 1, "its pace is measured anew");
    cr_assert(mob_task_eq(nth_push(&rig, 0)->spec->id, id));
    cr_assert_eq(nth_push(&rig, 0)->attempt, 1);
}

Test(worker_ahead, if_the_worker_dies_all_that_it_may_have_started_run_again)
{
    g_auto(Rig) rig;
    const MobPushTask *third;
    const MobPushTask *fourth;
    drive(&rig, 4, 0, &third, &fourth);
    MobWorkerDied *news = mob_worker_died_new();
    MobAddress other = {1, MOB_LOCAL_POOL + 2};
    uint32_t retried = 0;

    news->worker = W1;
    news->reason = mob_str_new("killed");
    rig_give(&rig, NODE1, news);
    for (guint i = 0; i < rig.out.notes->len; i++)
        retried += g_array_index(rig.out.notes, MobNote, i).kind == MOB_NOTE_TASK_RETRIED;
    cr_assert_eq(retried, 2);
    rig_grant(&rig, rig_asked(&rig, NODE1), other);
    cr_assert_eq(rig_count_to(&rig, other, MOB_MSG_PUSH_TASK), 1);
    cr_assert_eq(rig_pushed(&rig, other)->attempt, 2);
    cr_assert(mob_task_eq(rig_pushed(&rig, other)->spec->id, third->spec->id));
}

Test(worker_ahead, what_may_not_be_retried_is_never_sent_behind_another)
{
    g_auto(Rig) rig;
    const MobPushTask *third;
    const MobPushTask *fourth;
    drive(&rig, 6, 4, &third, &fourth);

    rig_reply(&rig, W1, third, rig_value(5, 7));
    cr_assert_eq(nth_push(&rig, 0)->spec->retries, 0, "alone, it is");
    cr_assert_eq(pushed(&rig), 3, "and others may be sent behind it");
}

/* --- the worker --- */

/* @caller pushes the task @number under its lease @lease. */
static void
push(Rig *rig, MobAddress caller, uint64_t number, uint64_t lease)
{
    MobPushTask *push = mob_push_task_new();

    push->spec = rig_spec("f", 3);
    push->spec->id = (MobTaskId){9, number};
    push->spec->path = mob_str_new("9");
    push->spec->owner = caller;
    push->args = NO_ARGS;
    push->attempt = 1;
    push->lease = (MobLeaseId){caller, lease};
    rig_give(rig, caller, push);
}

/* It runs the first of three. */
static void
work(Rig *rig)
{
    rig_work(rig);
    rig->config.tasks_in_flight = 3;
    rig_begin(rig, DRIVER, NO_ARGS);
    push(rig, DRIVER, 2, 1);
    push(rig, DRIVER, 3, 1);
    cr_assert_null(rig_replied(rig, DRIVER));
    cr_assert_null(rig_effect(rig, MOB_EFFECT_START, 0));
    cr_assert_eq(rig->out.alarms[MOB_TIMER_AHEAD], 0, "one alarm for all");
}

/* Those that were handed back in the last step: "3 2". */
static char *
handed_back(const Rig *rig)
{
    GString *text = g_string_new(NULL);
    const MobMsg *msg;

    for (uint32_t i = 0; (msg = rig_sent(rig, DRIVER, MOB_MSG_TASK_REPLY, i)) != NULL; i++)
        if (mob_task_reply(msg)->refused)
            g_string_append_printf(text, "%s%u", text->len > 0 ? " " : "",
                                   (unsigned)mob_task_reply(msg)->task.lo);
    return g_string_free(text, FALSE);
}

#define cr_handed_back(rig, wanted)                                                                \
    do {                                                                                           \
        g_autofree char *back = handed_back(rig);                                                  \
        cr_assert_str_eq(back, wanted);                                                            \
    } while (0)

Test(worker_ahead, the_next_begins_in_the_step_that_ends_the_one_before)
{
    g_auto(Rig) rig;
    work(&rig);

    for (uint64_t number = 2; number <= 3; number++) {
        rig_return(&rig, rig_value(5, 7));
        cr_assert_not_null(rig_replied(&rig, DRIVER)->results.items);
        const MobEffect *start = rig_effect(&rig, MOB_EFFECT_START, 0);
        cr_assert_eq(start->spec->id.lo, number);
    }
    rig_return(&rig, rig_value(5, 7));
    cr_assert_null(rig_effect(&rig, MOB_EFFECT_START, 0));
    cr_assert_not(rig_stats(&rig).running);
}

Test(worker_ahead, no_more_wait_here_than_may_and_none_of_another_lease)
{
    g_auto(Rig) rig;
    work(&rig);

    push(&rig, DRIVER, 4, 1);
    cr_handed_back(&rig, "4");
    rig_return(&rig, rig_value(5, 7));
    push(&rig, DRIVER, 5, 2);
    cr_handed_back(&rig, "5");
    push(&rig, W2, 6, 1);
    cr_assert(rig_replied(&rig, W2)->refused);
    push(&rig, DRIVER, 7, 1);
    cr_handed_back(&rig, "");
}

Test(worker_ahead, a_body_that_blocks_hands_back_what_waits)
{
    g_auto(Rig) rig;
    work(&rig);

    rig_get_one(&rig, rig_submit(&rig, "g", NO_ARGS));
    cr_handed_back(&rig, "3 2");
    push(&rig, DRIVER, 4, 1);
    cr_handed_back(&rig, "4");
}

Test(worker_ahead, a_body_that_runs_for_long_hands_back_what_waits)
{
    g_auto(Rig) rig;
    MobTime begun = MOB_MS;
    work(&rig);

    rig.now += 300 * MOB_US;
    rig_return(&rig, rig_value(5, 7));
    rig_timer(&rig, MOB_TIMER_AHEAD, begun + rig.config.ahead_time);
    cr_handed_back(&rig, "");
    MobTime due = begun + 300 * MOB_US + rig.config.ahead_time;
    cr_assert_eq(rig.out.alarms[MOB_TIMER_AHEAD], due, "the present one has begun later");
    rig_timer(&rig, MOB_TIMER_AHEAD, due);
    cr_handed_back(&rig, "3");
    push(&rig, DRIVER, 4, 1);
    cr_handed_back(&rig, "4");
    rig_return(&rig, rig_value(5, 7));
    cr_assert_null(rig_effect(&rig, MOB_EFFECT_START, 0));
}

Test(worker_ahead, when_the_connection_breaks_what_waits_is_handed_back)
{
    g_auto(Rig) rig;
    work(&rig);

    rig_reset(&rig, DRIVER);
    cr_handed_back(&rig, "3 2");
}
