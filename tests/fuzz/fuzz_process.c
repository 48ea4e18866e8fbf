/* fuzz_process.c: whatever proven peers say, in whatever order, a process of the
 * cluster neither crashes nor says what nobody could read.
 *
 * An input is a story: the kind of process, then messages (which have to be
 * decoded, as from a socket), broken connections, timers, children that end,
 * and calls of the program that runs. The first ones of each kind of process
 * are honest, so that it is past its beginning.
 */
#include "tests/fuzz/fuzz.h"

#include "runtime/gcs.h"
#include "runtime/node.h"
#include "runtime/worker.h"
#include "tests/fuzz/tame.h"

typedef enum {
    BE_GCS,
    BE_NODE,
    BE_WORKER,
    BE_DRIVER,
    KINDS,
} Kind;

typedef enum {
    TELL, /* and 1 to 3 */
    FIRE = 4,
    BREAK,
    END_CHILD,
    CALL,
    OPS,
} Op;

typedef struct {
    MobConfig config;
    MobPickConfig pick_config;
    MobPicks *picks;
    MobProcess *process;
    MobOutbox out;
    MobTime now;
    uint64_t events;
    MobTime alarms[MOB_TIMER_COUNT];
    GArray *children; /* of MobAddress */
    GPtrArray *own;   /* of MobMsg: to itself */
    MobBodyId body;   /* 0: none */
    bool ready;
    uint32_t returns;
    GArray *refs; /* of MobRef, owned: what the body has been given */
    bool over;
} Story;

/* --- a step, and what comes of it --- */

static void
give_refs(Story *story, const MobRef *refs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        MobRef copy = mob_ref_copy(&refs[i]);
        g_array_append_val(story->refs, copy);
    }
}

static void
drop_refs(Story *story)
{
    for (guint i = 0; i < story->refs->len; i++)
        mob_ref_clear(&g_array_index(story->refs, MobRef, i));
    g_array_set_size(story->refs, 0);
}

static void
start_body(Story *story, const MobEffect *effect)
{
    story->body = effect->body;
    story->ready = true;
    story->returns = effect->spec->returns;
    for (uint32_t i = 0; i < effect->args->count; i++)
        give_refs(story, effect->args->items[i].value->refs,
                  effect->args->items[i].value->ref_count);
}

static void
resume_body(Story *story, const MobAnswer *answer)
{
    story->ready = true;
    give_refs(story, answer->refs, answer->ref_count);
    for (uint32_t i = 0; i < answer->value_count; i++)
        give_refs(story, answer->values[i]->refs, answer->values[i]->ref_count);
}

/* What it says must be what can be read. */
static void
send_away(Story *story, const MobEffect *effect)
{
    g_auto(MobBuf) wire = {0};

    if (mob_address_eq(effect->address, story->process->address)) {
        g_ptr_array_add(story->own, mob_msg_ref(effect->msg));
        return;
    }
    mob_msg_encode(effect->msg, &wire);
    MobMsg *again = mob_msg_decode(wire.data, wire.length, NULL);
    g_assert(again != NULL);
    mob_msg_unref(again);
}

static void
carry_out(Story *story)
{
    for (guint i = 0; i < story->out.effects->len && !story->over; i++) {
        const MobEffect *effect = &g_array_index(story->out.effects, MobEffect, i);
        if (effect->kind == MOB_EFFECT_SEND)
            send_away(story, effect);
        else if (effect->kind == MOB_EFFECT_SPAWN)
            g_array_append_val(story->children, effect->address);
        else if (effect->kind == MOB_EFFECT_START)
            start_body(story, effect);
        else if (effect->kind == MOB_EFFECT_RESUME)
            resume_body(story, &effect->answer);
        else if (effect->kind == MOB_EFFECT_COMPUTE || effect->kind == MOB_EFFECT_SLEEP)
            story->ready = true;
        else if (effect->kind == MOB_EFFECT_END)
            story->body.v = 0;
        else if (effect->kind == MOB_EFFECT_EXIT)
            story->over = true;
    }
    for (int timer = 0; timer < MOB_TIMER_COUNT; timer++)
        if (story->out.alarms[timer] != 0)
            story->alarms[timer] = story->out.alarms[timer];
    memset(story->out.alarms, 0, sizeof story->out.alarms);
    if (story->body.v == 0)
        drop_refs(story);
}

static void
step(Story *story, MobInput input)
{
    if (story->over)
        return;
    input.now = story->now;
    input.picks = story->picks;
    input.event = ++story->events;
    story->process->class->step(story->process, &input, &story->out);
    carry_out(story);
    mob_outbox_drop(&story->out);
}

/* Takes @msg. */
static void
tell(Story *story, MobAddress from, void *msg)
{
    g_autoptr(MobMsg) owned = msg;

    step(story, (MobInput){.kind = MOB_INPUT_MESSAGE, .from = from, .msg = owned});
    while (story->own->len > 0 && !story->over) {
        g_autoptr(MobMsg) mine = g_ptr_array_steal_index(story->own, 0);
        step(story,
             (MobInput){.kind = MOB_INPUT_MESSAGE, .from = story->process->address, .msg = mine});
    }
}

/* --- beginnings --- */

static MobViews
views(void)
{
    MobViews list = {g_new0(MobView, 3), 3};

    for (uint32_t i = 0; i < 3; i++)
        list.items[i] = (MobView){.node = {i + 1},
                                  .name = mob_str_printf("n%u", i + 1),
                                  .alive = true,
                                  .total = {.cpu = 2 * MOB_UNIT},
                                  .available = {.cpu = 2 * MOB_UNIT}};
    return list;
}

static MobProcess *
make_node(const Story *story)
{
    g_autoptr(MobStr) name = mob_str_new("n1");
    MobNodeOptions options = {.name = name,
                              .total = {.cpu = 2 * MOB_UNIT},
                              .store_bytes = 1000000,
                              .cores = 2,
                              .head = true,
                              .gcs = TAME_GCS};

    return mob_node_new(TAME_NODE, &story->config, &options, MOB_LOCAL_POOL);
}

static MobProcess *
make_worker(const Story *story, bool driver)
{
    g_autoptr(MobStr) text = mob_str_new(TAME_BUNDLE);
    g_autoptr(MobValue) bundle = mob_value_nil();
    MobWorkerOptions options = {.gcs = TAME_GCS,
                                .node_manager = TAME_NODE,
                                .node_name = text,
                                .driver = driver,
                                .root = TAME_ROOT,
                                .job_name = text,
                                .bundle_id = text,
                                .bundle = bundle};

    return mob_worker_new(driver ? TAME_DRIVER : TAME_WORKER, &story->config, &options);
}

static void
begin_node(Story *story)
{
    MobNodeRegistered *registered = mob_node_registered_new();

    registered->views = views();
    tell(story, TAME_GCS, registered);
}

static void
begin_worker(Story *story)
{
    MobWorkerRegistered *registered = mob_worker_registered_new();

    registered->views = views();
    tell(story, TAME_NODE, registered);
    tell(story, TAME_GCS, mob_job_added_new());
    tell(story, TAME_GCS, mob_kv_put_reply_new());
}

static void
begin_gcs(Story *story)
{
    for (uint32_t i = 1; i <= 2; i++) {
        MobRegisterNode *here = mob_register_node_new();
        here->node.v = i;
        here->name = mob_str_printf("n%u", i);
        here->total.cpu = 2 * MOB_UNIT;
        here->follows = true;
        tell(story, mob_node_address(i), here);
    }
}

static void
story_begin(Story *story, Kind kind)
{
    *story = (Story){.now = 1};
    mob_config_init(&story->config, MOB_PROFILE_IDEAL);
    story->pick_config.seed = 1;
    story->picks = mob_picks_new(&story->pick_config);
    story->children = g_array_new(FALSE, FALSE, sizeof(MobAddress));
    story->own = g_ptr_array_new_with_free_func((GDestroyNotify)mob_msg_unref);
    story->refs = g_array_new(FALSE, FALSE, sizeof(MobRef));
    mob_outbox_init(&story->out);
    for (int timer = 0; timer < MOB_TIMER_COUNT; timer++)
        story->alarms[timer] = MOB_TIME_NEVER;
    story->process = kind == BE_GCS    ? mob_gcs_new(TAME_GCS, &story->config)
                     : kind == BE_NODE ? make_node(story)
                                       : make_worker(story, kind == BE_DRIVER);
    step(story, (MobInput){.kind = MOB_INPUT_START});
    if (kind == BE_GCS)
        begin_gcs(story);
    else if (kind == BE_NODE)
        begin_node(story);
    else
        begin_worker(story);
}

static void
story_end(Story *story)
{
    g_autoptr(GString) state = g_string_new(NULL);

    if (!story->over)
        story->process->class->dump(story->process, state);
    story->process->class->free(story->process);
    mob_outbox_drop(&story->out);
    mob_outbox_clear(&story->out);
    mob_picks_free(story->picks);
    drop_refs(story);
    g_array_unref(story->refs);
    g_array_unref(story->children);
    g_ptr_array_unref(story->own);
}

/* --- what happens --- */

static void
fire(Story *story, uint8_t which)
{
    for (int i = 0; i < MOB_TIMER_COUNT; i++) {
        MobTimer timer = (MobTimer)((which + i) % MOB_TIMER_COUNT);
        if (story->alarms[timer] == MOB_TIME_NEVER)
            continue;
        story->now = MAX(story->now, story->alarms[timer]);
        story->alarms[timer] = MOB_TIME_NEVER;
        step(story, (MobInput){.kind = MOB_INPUT_TIMER, .timer = timer});
        return;
    }
}

static void
end_child(Story *story, uint8_t which)
{
    if (story->children->len == 0)
        return;
    guint at = which % story->children->len;
    MobAddress child = g_array_index(story->children, MobAddress, at);
    g_array_remove_index(story->children, at);
    step(story, (MobInput){.kind = MOB_INPUT_CHILD, .from = child, .reason = "killed"});
}

static MobTaskSpec *
any_spec(uint64_t *state)
{
    MobTaskSpec *spec = mob_spec_new();

    spec->function = mob_str_new("f");
    spec->label = mob_str_new("f");
    spec->bundle = mob_str_new(TAME_BUNDLE);
    spec->returns = (uint32_t)generate_below(state, 3);
    spec->needs.cpu = MOB_UNIT;
    spec->retries = (int64_t)generate_below(state, 3) - 1;
    return spec;
}

/* The references that a body has it may have from anybody. */
static MobArgs *
any_args(const Story *story, uint64_t *state)
{
    MobArgs *args = mob_args_new((uint32_t)generate_below(state, 3));

    for (uint32_t i = 0; i < args->count; i++) {
        if (story->refs->len == 0 || generate_below(state, 2) == 0)
            args->items[i].value = mob_value_nil();
        else
            args->items[i].ref = mob_ref_copy(
                &g_array_index(story->refs, MobRef, generate_below(state, story->refs->len)));
    }
    return args;
}

static void
call(Story *story, uint8_t what)
{
    uint64_t state = what;
    MobValue *values[4] = {0};
    MobCall made = {.kind = (MobCallKind)(what % MOB_CALL_COUNT), .values = values};
    bool one = made.kind == MOB_CALL_PIN || made.kind == MOB_CALL_ADOPT;
    uint32_t most = MIN(story->refs->len, one ? 1 : 3);

    if (story->body.v == 0 || !story->ready || story->returns > G_N_ELEMENTS(values) ||
        (one && most == 0))
        return;
    story->ready = false;
    if (most > 0)
        made.refs = &g_array_index(story->refs, MobRef, story->refs->len - most);
    made.ref_count = most;
    made.count = 1 + what / 16 % 3;
    made.timeout = what % 2 == 0 ? MOB_TIME_NEVER : 1000;
    made.time = 1000;
    made.value_count = made.kind == MOB_CALL_PUT ? 1 : story->returns;
    for (uint32_t i = 0; i < made.value_count; i++)
        if (made.kind == MOB_CALL_PUT || made.kind == MOB_CALL_RETURN)
            values[i] = generate_below(&state, 2) > 0 ? mob_value_nil() : tame_value(&state);
    if (made.kind == MOB_CALL_SUBMIT) {
        made.spec = any_spec(&state);
        made.args = any_args(story, &state);
    }
    if (made.kind == MOB_CALL_RAISE)
        made.fault = mob_fault_value(&(MobFault){.kind = MOB_FAULT_TASK, .message = "no"});
    if (made.kind == MOB_CALL_OUTPUT)
        made.text = mob_str_new("here");
    step(story, (MobInput){.kind = MOB_INPUT_CALL, .body = story->body, .call = &made});
}

/* Reads a message: from whom, how long, its bytes. Returns how much was read. */
static size_t
read_message(Story *story, const uint8_t *data, size_t size)
{
    if (size < 3)
        return size;
    size_t length = MIN((size_t)(data[1] | data[2] << 8), size - 3);
    MobMsg *msg = mob_msg_decode(data + 3, length, NULL);
    if (msg != NULL)
        tell(story, tame_address(data[0]), msg);
    return 3 + length;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Story story;

    if (size == 0)
        return 0;
    story_begin(&story, (Kind)(data[0] % KINDS));
    for (size_t at = 1; at + 1 < size && !story.over; at += 2) {
        uint8_t what = data[at + 1];
        switch (data[at] % OPS) {
        case FIRE:
            fire(&story, what);
            break;
        case BREAK:
            step(&story, (MobInput){.kind = MOB_INPUT_RESET, .from = tame_address(what)});
            break;
        case END_CHILD:
            end_child(&story, what);
            break;
        case CALL:
            call(&story, what);
            break;
        default:
            at += read_message(&story, data + at + 1, size - at - 1) - 1;
            break;
        }
    }
    story_end(&story);
    return 0;
}

/* --- seeds --- */

static void
put_message(uint64_t *state, MobBuf *into)
{
    g_auto(MobBuf) wire = {0};
    g_autoptr(MobMsg) msg = tame_msg(state, (MobMsgType)generate_below(state, MOB_MSG_COUNT));

    mob_msg_encode(msg, &wire);
    if (wire.length > UINT16_MAX)
        return;
    uint8_t head[] = {TELL, (uint8_t)generate_below(state, TAME_ADDRESSES),
                      (uint8_t)(wire.length & 0xff), (uint8_t)(wire.length >> 8)};
    mob_buf_add(into, head, sizeof head);
    mob_buf_add(into, wire.data, wire.length);
}

void
fuzz_seed(uint64_t *state, MobBuf *into)
{
    uint8_t kind = (uint8_t)generate_below(state, KINDS);

    mob_buf_add(into, &kind, 1);
    for (uint64_t count = 1 + generate_below(state, 40); count > 0; count--) {
        uint8_t op[] = {(uint8_t)(FIRE + generate_below(state, OPS - FIRE)),
                        (uint8_t)generate_below(state, 256)};
        if (generate_below(state, 3) > 0)
            put_message(state, into);
        else
            mob_buf_add(into, op, sizeof op);
    }
}
