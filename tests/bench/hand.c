/* hand.c: see hand.h. */
#include "tests/bench/hand.h"

/* --- steps --- */

static void
note_body(Hand *hand)
{
    for (guint i = 0; i < hand->out.effects->len; i++) {
        const MobEffect *effect = &g_array_index(hand->out.effects, MobEffect, i);
        if (effect->kind == MOB_EFFECT_START)
            hand->body = effect->body;
    }
}

void
hand_step(Hand *hand, MobInput input)
{
    mob_outbox_drop(&hand->out);
    input.now = hand->now;
    input.picks = hand->picks;
    input.event = ++hand->events;
    hand->process->class->step(hand->process, &input, &hand->out);
    note_body(hand);
}

void
hand_give(Hand *hand, MobAddress from, void *msg)
{
    g_autoptr(MobMsg) owned = msg;

    hand_step(hand, (MobInput){.kind = MOB_INPUT_MESSAGE, .from = from, .msg = owned});
}

void
hand_call(Hand *hand, MobCall call)
{
    hand_step(hand, (MobInput){.kind = MOB_INPUT_CALL, .body = hand->body, .call = &call});
}

static MobAnswer *
find_answer(const Hand *hand)
{
    for (guint i = 0; i < hand->out.effects->len; i++) {
        MobEffect *effect = &g_array_index(hand->out.effects, MobEffect, i);
        if (effect->kind == MOB_EFFECT_RESUME)
            return &effect->answer;
    }
    return NULL;
}

const MobAnswer *
hand_answer(const Hand *hand)
{
    return find_answer(hand);
}

/* --- life --- */

static void
register_it(Hand *hand)
{
    MobWorkerRegistered *msg = mob_worker_registered_new();

    msg->views = (MobViews){g_new0(MobView, 3), 3};
    for (uint32_t i = 0; i < 3; i++) {
        msg->views.items[i].node = (MobNodeId){i + 1};
        msg->views.items[i].name = mob_str_printf("n%u", i + 1);
        msg->views.items[i].alive = true;
    }
    hand_give(hand, HAND_NODE, msg);
}

void
hand_init(Hand *hand, bool driver)
{
    g_autoptr(MobStr) name = mob_str_new("n1");
    g_autoptr(MobStr) bundle_id = mob_str_new("bench:1");
    g_autoptr(MobValue) bundle = mob_value_nil();
    MobWorkerOptions options = {.gcs = HAND_GCS,
                                .node_manager = HAND_NODE,
                                .node_name = name,
                                .driver = driver,
                                .root = mob_task_root(1),
                                .job_name = name,
                                .bundle_id = bundle_id,
                                .bundle = bundle};

    *hand = (Hand){.now = MOB_MS};
    mob_config_init(&hand->config, MOB_PROFILE_IDEAL);
    hand->config.put_inline_max = hand->config.inline_max;
    hand->picks = mob_picks_new(&hand->pick_config);
    mob_outbox_init(&hand->out);
    hand->process = mob_worker_new(driver ? HAND_DRIVER : HAND_WORKER, &hand->config, &options);
    hand_step(hand, (MobInput){.kind = MOB_INPUT_START});
    register_it(hand);
    if (driver) {
        hand_give(hand, HAND_GCS, mob_job_added_new());
        hand_give(hand, HAND_GCS, mob_kv_put_reply_new());
    }
    g_assert(!driver || hand->body.v != 0);
}

void
hand_clear(Hand *hand)
{
    mob_outbox_clear(&hand->out);
    hand->process->class->free(hand->process);
    mob_picks_free(hand->picks);
}

/* --- what bodies do --- */

static void
store(Hand *hand, MobObjectId object)
{
    MobObjectStored *stored = mob_object_stored_new();

    stored->object = object;
    stored->ok = true;
    hand_give(hand, HAND_NODE, stored);
}

MobRef
hand_put(Hand *hand, MobValue *value)
{
    hand_call(hand, (MobCall){.kind = MOB_CALL_PUT, .values = &value, .value_count = 1});
    if (hand_answer(hand) == NULL) {
        const MobEffect *send = &g_array_index(hand->out.effects, MobEffect, 0);
        store(hand, mob_store_object(send->msg)->object.id);
    }
    return hand_answer(hand)->refs[0];
}

/* --- two who talk --- */

static void
post(Hand *from, Hand *to)
{
    for (guint i = 0; i < from->out.effects->len; i++) {
        const MobEffect *effect = &g_array_index(from->out.effects, MobEffect, i);
        if (effect->kind != MOB_EFFECT_SEND ||
            !mob_address_eq(effect->address, to->process->address))
            continue;
        MobBuf *buf = g_new0(MobBuf, 1);
        mob_msg_encode(effect->msg, buf);
        g_queue_push_tail(&to->queue, buf);
        from->sent++;
        from->bytes += buf->length;
    }
}

static bool
take(Hand *hand, Hand *from)
{
    MobBuf *buf = g_queue_pop_head(&hand->queue);

    if (buf == NULL)
        return false;
    int64_t begun = g_get_monotonic_time();
    MobMsg *msg = mob_msg_decode(buf->data, buf->length, NULL);
    g_assert(msg != NULL);
    mob_buf_clear(buf);
    g_free(buf);
    hand_give(hand, from->process->address, msg);
    post(hand, from);
    hand->busy_us += g_get_monotonic_time() - begun;
    return true;
}

static void
keep_answer(Hand *hand, MobAnswer *answer)
{
    MobAnswer *found = find_answer(hand);

    if (found == NULL)
        return;
    mob_answer_clear(answer);
    *answer = *found;
    *found = (MobAnswer){0};
}

MobAnswer
hand_talk(Hand *hand, Hand *other)
{
    MobAnswer answer = {0};
    bool more = true;

    keep_answer(hand, &answer);
    post(hand, other);
    while (more) {
        more = take(other, hand);
        while (take(hand, other)) {
            keep_answer(hand, &answer);
            more = true;
        }
    }
    return answer;
}
