/* test_queue.c: what comes out of the event queue, and in which order. */
#include <criterion/criterion.h>

#include "sim/queue.h"

static uint64_t
next_word(uint64_t *state)
{
    return mob_mix(*state += UINT64_C(0x9e3779b97f4a7c15));
}

static MobHandle
push(MobQueue *queue, MobTime at, uint64_t tie, MobLane lane, uint64_t number)
{
    MobSlot slot = {.number = number, .foreground = number % 2 == 0};

    return mob_queue_push(queue, at, tie, lane, &slot);
}

static uint64_t
pop(MobQueue *queue)
{
    MobSlot slot;

    mob_queue_pop(queue, &slot);
    return slot.number;
}

Test(queue, things_come_out_by_moment_then_tie_then_age)
{
    MobQueue queue;
    mob_queue_init(&queue);

    push(&queue, 20, 0, MOB_LANE_NONE, 1);
    push(&queue, 10, 5, MOB_LANE_NONE, 2);
    push(&queue, 10, 3, MOB_LANE_NONE, 3);
    push(&queue, 10, 3, MOB_LANE_NOW, 4);
    push(&queue, 10, 3, MOB_LANE_NONE, 5);
    push(&queue, 5, 9, MOB_LANE_NOW, 6); /* breaks the order of its lane */

    const uint64_t wanted[] = {6, 3, 4, 5, 2, 1};
    for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
        cr_assert_eq(pop(&queue), wanted[i]);
    MobTime at;
    cr_assert(!mob_queue_peek(&queue, &at));
    mob_queue_clear(&queue);
}

Test(queue, what_is_cancelled_does_not_come_and_its_slot_is_used_again)
{
    MobQueue queue;
    mob_queue_init(&queue);

    MobHandle one = push(&queue, 1, 0, MOB_LANE_NOW, 1);
    push(&queue, 2, 0, MOB_LANE_NOW, 2);
    MobHandle three = push(&queue, 3, 0, MOB_LANE_NONE, 3);
    cr_assert_eq(queue.foreground, 1);
    mob_queue_cancel(&queue, one);
    mob_queue_cancel(&queue, three);
    push(&queue, 4, 0, MOB_LANE_NONE, 4);
    push(&queue, 0, 0, MOB_LANE_NONE, 5);
    cr_assert_eq(queue.count, 3);
    cr_assert_eq(queue.cell_count, 4, "slots are used again");
    cr_assert_eq(pop(&queue), 5);
    cr_assert_eq(pop(&queue), 2);
    cr_assert_eq(pop(&queue), 4);
    cr_assert_eq(queue.count, 0);
    cr_assert_eq(queue.foreground, 0);
    mob_queue_clear(&queue);
}

Test(queue, what_is_put_off_keeps_its_age)
{
    MobQueue queue;
    mob_queue_init(&queue);

    push(&queue, 1, 0, MOB_LANE_NONE, 1);
    push(&queue, 2, 0, MOB_LANE_NONE, 2);
    MobSlot slot;
    MobEntry first = mob_queue_pop(&queue, &slot);
    mob_queue_push_aged(&queue, 2, 0, first.seq, &slot);
    cr_assert_eq(pop(&queue), 1);
    cr_assert_eq(pop(&queue), 2);
    mob_queue_clear(&queue);
}

/* The model: an unsorted array from which the least is taken. */
typedef struct {
    MobTime at;
    uint64_t tie;
    uint64_t number; /* counts up, so it is the age too */
    MobHandle handle;
} Wanted;

static guint
least(const GArray *model)
{
    guint best = 0;

    for (guint i = 1; i < model->len; i++) {
        const Wanted *a = &g_array_index(model, Wanted, i);
        const Wanted *b = &g_array_index(model, Wanted, best);
        if (a->at != b->at     ? a->at < b->at
            : a->tie != b->tie ? a->tie < b->tie
                               : a->number < b->number)
            best = i;
    }
    return best;
}

static void
compare_with_model(uint64_t seed, unsigned ties)
{
    MobQueue queue;
    uint64_t state = seed;
    uint64_t number = 0;
    MobTime now = 0;
    g_autoptr(GArray) model = g_array_new(FALSE, FALSE, sizeof(Wanted));

    mob_queue_init(&queue);
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t dice = next_word(&state) % 8;
        if (dice < 4 || model->len == 0) {
            MobLane lane = (MobLane)(next_word(&state) % (MOB_LANE_COUNT + 1));
            Wanted wanted = {now + lane * 3 + next_word(&state) % 3, next_word(&state) % ties,
                             ++number, 0};
            wanted.handle = push(&queue, wanted.at, wanted.tie, lane, wanted.number);
            g_array_append_val(model, wanted);
        } else if (dice == 4) {
            guint which = (guint)(next_word(&state) % model->len);
            mob_queue_cancel(&queue, g_array_index(model, Wanted, which).handle);
            g_array_remove_index_fast(model, which);
        } else {
            guint best = least(model);
            Wanted wanted = g_array_index(model, Wanted, best);
            g_array_remove_index(model, best);
            MobTime at = 0;
            cr_assert(mob_queue_peek(&queue, &at));
            cr_assert_eq(at, wanted.at);
            cr_assert_eq(pop(&queue), wanted.number);
            now = at;
        }
        cr_assert_eq(queue.count, model->len);
    }
    mob_queue_clear(&queue);
}

Test(queue, what_overtakes_a_backlog_is_not_held_up_and_can_be_seen_ahead)
{
    MobQueue queue;

    mob_queue_init(&queue);
    for (uint64_t i = 0; i < 10; i++) { /* two senders have a backlog, a third has none */
        push(&queue, 2000 + i, 0, MOB_LANE_FAR, 3);
        push(&queue, 1000 + i, 0, MOB_LANE_FAR, 2);
        push(&queue, 100 + i, 0, MOB_LANE_FAR, 1);
    }
    MobHandle last = push(&queue, 3000, 0, MOB_LANE_FAR, 4);
    cr_assert_eq(queue.heap_count, 0);
    cr_assert_eq(mob_queue_soon(&queue, MOB_LANE_FAR, 9)->number, 3);
    cr_assert_eq(mob_queue_soon(&queue, MOB_LANE_FAR, 10)->number, 4);
    cr_assert_null(mob_queue_soon(&queue, MOB_LANE_FAR, 11));
    mob_queue_cancel(&queue, last);
    cr_assert_null(mob_queue_soon(&queue, MOB_LANE_FAR, 10));
    for (uint64_t sender = 1; sender <= 3; sender++)
        for (unsigned i = 0; i < 10; i++)
            cr_assert_eq(pop(&queue), sender);
    mob_queue_clear(&queue);
}

Test(queue, it_agrees_with_a_plain_list)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        compare_with_model(seed, 1);
        compare_with_model(seed, 5);
    }
}

Test(queue, an_inbox_is_first_in_first_out)
{
    MobInbox inbox = {0};
    MobSlot slot = {0};
    uint64_t in = 0;
    uint64_t out = 0;

    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < round; i++) {
            slot.number = ++in;
            mob_inbox_put(&inbox, &slot);
        }
        for (unsigned i = 0; i < round - round / 3; i++) {
            cr_assert(mob_inbox_take(&inbox, &slot));
            cr_assert_eq(slot.number, ++out);
        }
    }
    while (mob_inbox_take(&inbox, &slot))
        cr_assert_eq(slot.number, ++out);
    cr_assert_eq(in, out);
    g_free(inbox.slots);
}
