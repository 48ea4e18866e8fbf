/* bench_refs.c: what references cost in a worker, without sockets or Lua.
 *
 *     bench_refs nested COUNT ROUNDS    a borrower gets a value with COUNT
 *                                       references of somebody else in it, then
 *                                       drops them, again and again
 *     bench_refs live COUNT [stored]    one more put, get, drop, borrower, and
 *                                       the death of others, at an owner of
 *                                       COUNT objects
 *
 * Prints one line of JSON.
 */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/cbor.h"
#include "tests/bench/hand.h"

/* --- nested --- */

/* An object of the owner's in a store, and its value. */
typedef struct {
    MobRef ref;
    MobValue *value;
} Outer;

/* A value with @count references to puts of @owner in it. */
static MobValue *
value_of_refs(Hand *owner, uint32_t count)
{
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_array(&writer, count);
    for (uint32_t i = 0; i < count; i++) {
        MobRef ref = hand_put(owner, mob_value_nil());
        mob_cbor_ref(&writer, &ref);
    }
    MobValue *value = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    return value;
}

/* @borrower runs a task that was given a reference to the object @ref. */
static void
begin_task(Hand *borrower, Hand *owner, const MobRef *ref)
{
    MobPushTask *push = mob_push_task_new();
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_ref(&writer, ref);
    push->spec = mob_spec_new();
    push->spec->id = (MobTaskId){9, 9};
    push->spec->path = mob_str_new("9");
    push->spec->bundle = mob_str_new("bench:1");
    push->spec->owner = owner->process->address;
    push->args = mob_args_new(1);
    push->args->items[0].value = mob_cbor_finish(&writer, 0);
    push->attempt = 1;
    push->lease = (MobLeaseId){owner->process->address, 1};
    mob_cbor_clear(&writer);
    hand_give(borrower, owner->process->address, push);
    MobKvGetReply *reply = mob_kv_get_reply_new();
    reply->key = mob_str_new("bundle:bench:1");
    reply->value = mob_value_nil();
    hand_give(borrower, HAND_GCS, reply);
    g_assert(borrower->body.v != 0);
}

static void
get(Hand *borrower, Hand *owner, const Outer *outer, MobObjectId *objects, uint32_t count)
{
    hand_call(borrower, (MobCall){.kind = MOB_CALL_GET,
                                  .refs = &outer->ref,
                                  .ref_count = 1,
                                  .timeout = MOB_TIME_NEVER});
    MobAnswer answer = hand_talk(borrower, owner);
    MobObjectHere *here = mob_object_here_new(); /* it is in a store, where it is parsed */

    g_assert(answer.value_count == 0);
    here->object = outer->ref.id;
    here->value = mob_value_parse(outer->value->bytes, outer->value->length, NULL);
    hand_give(borrower, HAND_NODE, here);
    answer = hand_talk(borrower, owner);
    g_assert(answer.value_count == 1 && answer.values[0]->ref_count == count);
    for (uint32_t i = 0; i < count; i++)
        objects[i] = answer.values[0]->refs[i].id;
    mob_answer_clear(&answer);
}

static void
drop(Hand *borrower, Hand *owner, const MobObjectId *objects, uint32_t count)
{
    hand_call(borrower, (MobCall){.kind = MOB_CALL_COMPUTE, .drops = objects, .drop_count = count});
    MobAnswer answer = hand_talk(borrower, owner);
    MobWorkerStats stats;

    mob_answer_clear(&answer);
    mob_worker_stats(borrower->process, &stats);
    g_assert(stats.borrowed == 1);
}

/* What @hand alone has allocated; it is gone afterwards. */
static int64_t
weigh(Hand *hand)
{
    uint64_t before = bench_heap();

    hand_clear(hand);
    return (int64_t)(before - bench_heap());
}

/* What the borrower has allocated for each of the references it holds. */
static double
bytes_each(Hand *owner, const Outer *outer, MobObjectId *objects, uint32_t count)
{
    Hand idle;
    Hand borrower;

    hand_init(&idle, false);
    begin_task(&idle, owner, &outer->ref);
    hand_init(&borrower, false);
    begin_task(&borrower, owner, &outer->ref);
    get(&borrower, owner, outer, objects, count);
    int64_t full = weigh(&borrower);
    return (double)(full - weigh(&idle)) / count;
}

static int
nested(uint32_t count, uint32_t rounds)
{
    g_auto(Hand) owner;
    g_auto(Hand) borrower;
    g_autofree MobObjectId *objects = g_new(MobObjectId, count);

    hand_init(&owner, true);
    hand_init(&borrower, false);
    Outer outer = {.value = value_of_refs(&owner, count)};
    owner.config.put_inline_max = 0;
    MobRef ref = hand_put(&owner, mob_value_ref(outer.value));
    outer.ref = mob_ref_copy(&ref);
    begin_task(&borrower, &owner, &outer.ref);
    get(&borrower, &owner, &outer, objects, count); /* the first asks its owner for the value */
    drop(&borrower, &owner, objects, count);
    owner.busy_us = 0;
    borrower.sent = owner.sent = borrower.bytes = owner.bytes = 0;
    BenchClock begun = bench_now();
    for (uint32_t i = 0; i < rounds; i++) {
        get(&borrower, &owner, &outer, objects, count);
        drop(&borrower, &owner, objects, count);
    }
    BenchClock took = bench_since(begun);
    printf("{\"bench\":\"nested\",\"refs\":%u,\"gets_per_cpu_s\":%.1f,\"owner_share\":%.2f"
           ",\"messages\":%.0f,\"bytes_sent\":%.0f,\"bytes_per_ref\":%.0f}\n",
           count, rounds / took.cpu, (double)owner.busy_us / 1e6 / took.wall,
           (double)(borrower.sent + owner.sent) / rounds,
           (double)(borrower.bytes + owner.bytes) / rounds,
           bytes_each(&owner, &outer, objects, count));
    mob_ref_clear(&outer.ref);
    mob_value_unref(outer.value);
    return 0;
}

/* --- live --- */

enum {
    PIECE = 1000,  /* so many are done one after the other, … */
    PIECES = 200,  /* … so often, and the middle one of them counts */
    LARGE = 200000 /* bytes of a value that goes to the store */
};

typedef struct {
    Hand hand;
    GArray *refs; /* of MobRef */
    bool stored;
    double took[4][PIECES]; /* nanoseconds each */
} Live;

static MobValue *
one_value(const Live *live)
{
    return live->stored ? mob_value_new((const uint8_t *)"v", 1, LARGE, NULL, 0, 0)
                        : mob_value_nil();
}

static void
put_one(Live *live)
{
    MobRef ref = hand_put(&live->hand, one_value(live));

    ref = mob_ref_copy(&ref);
    g_array_append_val(live->refs, ref);
}

static void
get_one(Live *live, const MobRef *ref)
{
    hand_call(
        &live->hand,
        (MobCall){.kind = MOB_CALL_GET, .refs = ref, .ref_count = 1, .timeout = MOB_TIME_NEVER});
    if (hand_answer(&live->hand) != NULL)
        return;
    MobObjectHere *here = mob_object_here_new();
    here->object = ref->id;
    here->value = one_value(live);
    hand_give(&live->hand, HAND_NODE, here);
    g_assert(hand_answer(&live->hand) != NULL);
}

static void
drop_one(Live *live, guint at)
{
    MobRef *ref = &g_array_index(live->refs, MobRef, at);

    hand_call(&live->hand, (MobCall){.kind = MOB_CALL_COMPUTE, .drops = &ref->id, .drop_count = 1});
    mob_ref_clear(ref);
    g_array_remove_index_fast(live->refs, at);
}

static double
each_ns(double begun)
{
    return (bench_now().cpu - begun) / PIECE * 1e9;
}

static int
compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

static double
middle(double *samples)
{
    qsort(samples, PIECES, sizeof *samples, compare_doubles);
    return samples[PIECES / 2];
}

/* Puts PIECE more, gets them, drops them; @old: those that are dropped are
 * among the @count that have been there for long. */
static void
turn(Live *live, uint32_t piece, bool old)
{
    guint count = live->refs->len;
    double begun = bench_now().cpu;

    for (guint i = 0; i < PIECE; i++)
        put_one(live);
    live->took[0][piece] = each_ns(begun);
    begun = bench_now().cpu;
    for (guint i = 0; i < PIECE; i++)
        get_one(live, &g_array_index(live->refs, MobRef, old ? g_random_int() % count : count + i));
    live->took[1][piece] = each_ns(begun);
    begun = bench_now().cpu;
    for (guint i = 0; i < PIECE; i++)
        drop_one(live, old ? g_random_int() % live->refs->len : live->refs->len - 1);
    live->took[2][piece] = each_ns(begun);
}

/* The milliseconds that news of the death of @node takes. */
static double
death_ms(Live *live, uint32_t node)
{
    MobNodeChanged *news = mob_node_changed_new();

    news->views = (MobViews){g_new0(MobView, 1), 1};
    news->views.items[0].node = (MobNodeId){node};
    news->views.items[0].name = mob_str_printf("n%u", node);
    news->views.items[0].reason = mob_str_new("it burned");
    double begun = bench_now().cpu;
    hand_give(&live->hand, HAND_NODE, news);
    return (bench_now().cpu - begun) * 1e3;
}

static int
live(uint32_t count, bool stored)
{
    Live it = {.refs = g_array_new(FALSE, FALSE, sizeof(MobRef)), .stored = stored};

    bench_keep_memory();
    hand_init(&it.hand, true);
    uint64_t before = bench_heap();
    while (it.refs->len < count)
        put_one(&it);
    double bytes = (double)(bench_heap() - before) / count - sizeof(MobRef);
    printf("{\"bench\":\"live\",\"objects\":%u,\"stored\":%s", count, stored ? "true" : "false");
    for (int old = 0; old < 2; old++) {
        for (uint32_t i = 0; i < PIECES; i++)
            turn(&it, i, old != 0);
        printf(",\"%sput_ns\":%.0f,\"%sget_ns\":%.0f,\"%sdrop_ns\":%.0f", old ? "old_" : "",
               middle(it.took[0]), old ? "old_" : "", middle(it.took[1]), old ? "old_" : "",
               middle(it.took[2]));
    }
    printf(",\"node_death_ms\":%.3f,\"bytes_per_object\":%.0f}\n", death_ms(&it, 2), bytes);
    for (guint i = 0; i < it.refs->len; i++)
        mob_ref_clear(&g_array_index(it.refs, MobRef, i));
    g_array_unref(it.refs);
    hand_clear(&it.hand);
    return 0;
}

int
main(int argc, char **argv)
{
    bool is_live = argc > 1 && strcmp(argv[1], "live") == 0;

    if (is_live)
        return live(argc > 2 ? (uint32_t)atoi(argv[2]) : 1000, argc > 3);
    return nested(argc > 2 ? (uint32_t)atoi(argv[2]) : 10000,
                  argc > 3 ? (uint32_t)atoi(argv[3]) : 20);
}
