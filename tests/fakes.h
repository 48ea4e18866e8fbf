/* fakes.h: processes that stand in for the real ones, so that the world can be
 * tested alone.
 *
 * A fake writes every input into its log, one line each, and does what it was
 * told beforehand: send a message at a certain millisecond, say. A KvGet whose
 * number is 100 or more is answered at once by a KvGetReply with that number.
 */
#pragma once

#include <criterion/criterion.h>
#include <inttypes.h>

#include "runtime/cbor.h"
#include "sim/inside.h"

typedef struct Fake Fake;

/* What a test adds: called for every input, before the fake's own reaction. */
typedef void (*FakeFunc)(Fake *fake, const MobInput *input, MobOutbox *out);

typedef struct {
    MobTime at;
    MobAddress to;
    uint64_t number;
    uint64_t bytes;
} FakeSend;

struct Fake {
    MobProcess base;
    GString *log;
    GArray *plan; /* of FakeSend */
    FakeFunc func;
    MobValue *result; /* of a driver */
    uint64_t count;   /* for whatever a test counts */
    bool ticks;
};

static inline void
fake_log(Fake *fake, const MobInput *input)
{
    double at = (double)input->now / 1e6;

    g_string_append_printf(fake->log, "%.3f %s", at, mob_input_name(input->kind));
    if (input->kind == MOB_INPUT_MESSAGE && input->msg->type == MOB_MSG_KV_GET)
        g_string_append_printf(fake->log, " %" PRIu64, mob_kv_get(input->msg)->request);
    else if (input->kind == MOB_INPUT_MESSAGE && input->msg->type == MOB_MSG_KV_GET_REPLY)
        g_string_append_printf(fake->log, " reply %" PRIu64, mob_kv_get_reply(input->msg)->request);
    else if (input->kind == MOB_INPUT_MESSAGE && input->msg->type == MOB_MSG_KV_PUT)
        g_string_append_printf(fake->log, " put %" PRIu64, mob_kv_put(input->msg)->request);
    if (input->kind == MOB_INPUT_MESSAGE || input->kind == MOB_INPUT_RESET ||
        input->kind == MOB_INPUT_CHILD)
        g_string_append_printf(fake->log, " from %u.%u", input->from.node, input->from.local);
    if (input->kind == MOB_INPUT_CHILD)
        g_string_append_printf(fake->log, " %s", input->reason);
    if (input->kind == MOB_INPUT_TIMER)
        g_string_append_printf(fake->log, " %s", mob_timer_name(input->timer));
    if (input->kind == MOB_INPUT_CALL)
        g_string_append_printf(fake->log, " %s", mob_call_name(input->call->kind));
    if (input->kind == MOB_INPUT_START && input->record_count > 0)
        g_string_append_printf(fake->log, " %zu records", input->record_count);
    g_string_append_c(fake->log, '\n');
}

static inline void
fake_send(MobOutbox *out, MobAddress to, uint64_t number, uint64_t bytes)
{
    if (bytes == 0) {
        MobKvGet *get = mob_kv_get_new();
        get->request = number;
        mob_send(out, to, get);
        return;
    }
    MobKvPut *put = mob_kv_put_new();
    put->request = number;
    MobCborWriter writer;
    mob_cbor_init(&writer);
    mob_cbor_fill(&writer, bytes, 0);
    put->value = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    mob_send(out, to, put);
}

static inline void
fake_tick(Fake *fake, const MobInput *input, MobOutbox *out)
{
    for (guint i = 0; i < fake->plan->len; i++) {
        const FakeSend *plan = &g_array_index(fake->plan, FakeSend, i);
        if (plan->at == input->now)
            fake_send(out, plan->to, plan->number, plan->bytes);
    }
    mob_set_timer(out, MOB_TIMER_RETRY, input->now + MOB_MS);
}

static inline void
fake_step(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    Fake *fake = (Fake *)self;
    bool tick = input->kind == MOB_INPUT_TIMER && input->timer == MOB_TIMER_RETRY && fake->ticks;

    if (!tick)
        fake_log(fake, input);
    if (fake->func != NULL)
        fake->func(fake, input, out);
    if (fake->ticks && (tick || input->kind == MOB_INPUT_START))
        fake_tick(fake, input, out);
    if (input->kind == MOB_INPUT_MESSAGE && input->msg->type == MOB_MSG_KV_GET &&
        mob_kv_get(input->msg)->request >= 100) {
        MobKvGetReply *reply = mob_kv_get_reply_new();
        reply->request = mob_kv_get(input->msg)->request;
        mob_send(out, input->from, reply);
    }
}

static inline void
fake_free(MobProcess *self)
{
    Fake *fake = (Fake *)self;

    g_string_free(fake->log, TRUE);
    g_array_unref(fake->plan);
    mob_value_unref(fake->result);
    g_free(fake);
}

static const MobProcessClass fake_class = {.name = "fake", .step = fake_step, .free = fake_free};

static inline MobProcess *
fake_new(MobAddress address, FakeFunc func, bool ticks)
{
    Fake *fake = g_new0(Fake, 1);

    fake->base = (MobProcess){&fake_class, address};
    fake->log = g_string_new(NULL);
    fake->plan = g_array_new(FALSE, FALSE, sizeof(FakeSend));
    fake->func = func;
    fake->ticks = ticks;
    return &fake->base;
}

static inline const MobValue *
fake_result(const MobProcess *driver)
{
    return ((const Fake *)driver)->result;
}

static inline void
fake_explain(const MobProcess *worker, GString *into)
{
}

static inline MobAddress
addr(uint32_t node, uint32_t local)
{
    return (MobAddress){node, local};
}

/* The fake that lives at @address now. */
static inline Fake *
fake_at(MobWorld *world, MobAddress address)
{
    MobControl *control = mob_world_control(world);
    Fake *fake = (Fake *)control->process(control, address);

    cr_assert_not_null(fake);
    return fake;
}

/* What it has logged since this was asked last; freed with the next call's
 * own allocation: (transfer full). */
static inline char *
heard(MobWorld *world, MobAddress address)
{
    Fake *fake = fake_at(world, address);
    char *text = g_strdup(fake->log->str);

    g_string_truncate(fake->log, 0);
    return text;
}

#define cr_heard(world, address, wanted)                                                           \
    do {                                                                                           \
        g_autofree char *cr_text = heard((world), (address));                                      \
        cr_assert_str_eq(cr_text, (wanted));                                                       \
    } while (0)

static inline void
plan(MobWorld *world, MobAddress from, MobTime at, MobAddress to, uint64_t number, uint64_t bytes)
{
    FakeSend send = {at, to, number, bytes};

    g_array_append_vals(fake_at(world, from)->plan, &send, 1);
}

static inline MobRunEnd
run_until(MobWorld *world, MobTime time)
{
    MobControl *control = mob_world_control(world);

    return control->run(control, &(MobUntil){.time = time, .limit = MOB_TIME_NEVER});
}

static inline MobRunEnd
run_to_rest(MobWorld *world)
{
    MobControl *control = mob_world_control(world);

    return control->run(control, &(MobUntil){.time = MOB_TIME_NEVER, .limit = 1000 * MOB_SECOND});
}

static inline uint32_t
give(MobWorld *world, MobOrder order)
{
    MobControl *control = mob_world_control(world);
    g_autoptr(GError) error = NULL;
    uint32_t fault = control->order(control, &order, &error);

    cr_assert(error == NULL, "%s", error != NULL ? error->message : "");
    return fault;
}

static inline uint64_t
bites_of(MobWorld *world, uint32_t fault)
{
    return mob_world_control(world)->bites(mob_world_control(world), fault);
}

static inline void
heal_it(MobWorld *world, uint32_t fault)
{
    mob_world_control(world)->heal(mob_world_control(world), fault);
}

static inline void
fake_options(MobWorldOptions *options)
{
    static const MobMachine machines[] = {
        {.name = "head", .cpus = MOB_UNIT, .head = true},
        {.name = "n1", .cpus = MOB_UNIT},
        {.name = "n2", .cpus = MOB_UNIT},
    };

    *options = (MobWorldOptions){
        .encode = true,
        .machines = machines,
        .machine_count = G_N_ELEMENTS(machines),
        .latency = MOB_TIME_NEVER,
        .jitter = MOB_TIME_NEVER,
    };
    mob_config_init(&options->config, MOB_PROFILE_IDEAL);
}
