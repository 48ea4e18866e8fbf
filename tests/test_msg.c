/* test_msg.c: every message and record of the schema over the wire, whole, cut
 * short, and broken.
 */
#include <criterion/criterion.h>

#include "tests/generate.h"

/* A record or message alike, so that every test below covers both. */
typedef struct {
    bool is_record;
    int type;
    void *thing;
} Thing;

enum {
    THING_COUNT = (int)MOB_MSG_COUNT + (int)MOB_RECORD_COUNT
};

static Thing
generate_thing(uint64_t *state, int number)
{
    if (number < (int)MOB_MSG_COUNT)
        return (Thing){false, number, generate_msg(state, (MobMsgType)number)};
    MobRecord record = (MobRecord)(number - (int)MOB_MSG_COUNT);
    return (Thing){true, (int)record, generate_record(state, record)};
}

static void
encode_thing(const Thing *thing, MobBuf *into)
{
    if (thing->is_record)
        mob_record_encode((MobRecord)thing->type, thing->thing, into);
    else
        mob_msg_encode(thing->thing, into);
}

static Thing
decode_thing(const Thing *like, const uint8_t *data, size_t size, GError **error)
{
    if (like->is_record)
        return (Thing){true, like->type,
                       mob_record_decode((MobRecord)like->type, data, size, error)};
    return (Thing){false, like->type, mob_msg_decode(data, size, error)};
}

static void
free_thing(Thing *thing)
{
    if (thing->is_record)
        mob_record_free((MobRecord)thing->type, thing->thing);
    else
        mob_msg_unref(thing->thing);
}

/* What people and traces see of it, and its encoding, in one text. */
static char *
describe_thing(const Thing *thing)
{
    GString *text = g_string_new(NULL);
    g_auto(MobBuf) buf = {0};

    encode_thing(thing, &buf);
    for (size_t i = 0; i < buf.length; i++)
        g_string_append_printf(text, "%02x", buf.data[i]);
    if (!thing->is_record) {
        mob_msg_print(thing->thing, text);
        g_string_append_printf(text, " %" G_GUINT64_FORMAT, mob_msg_fold(thing->thing, 7));
    }
    return g_string_free(text, FALSE);
}

Test(msg, every_message_and_record_survives_the_wire)
{
    uint64_t state = 1;

    for (int i = 0; i < THING_COUNT * 40; i++) {
        Thing thing = generate_thing(&state, i % THING_COUNT);
        g_auto(MobBuf) wire = {0};
        encode_thing(&thing, &wire);
        g_autoptr(GError) error = NULL;
        Thing copy = decode_thing(&thing, wire.data, wire.length, &error);
        cr_assert_null(error, "%s", error != NULL ? error->message : "");

        /* A decoded piece has its bytes alone, and these say the same. */
        g_autofree char *before = describe_thing(&thing);
        g_autofree char *after = describe_thing(&copy);
        cr_assert_str_eq(after, before);
        free_thing(&thing);
        free_thing(&copy);
    }
}

Test(msg, every_message_and_record_is_refused_when_cut_short)
{
    uint64_t state = 2;

    for (int i = 0; i < THING_COUNT * 3; i++) {
        Thing thing = generate_thing(&state, i % THING_COUNT);
        g_auto(MobBuf) wire = {0};
        encode_thing(&thing, &wire);
        for (size_t size = 0; size < wire.length; size++) {
            /* An exact allocation, so that a sanitizer sees one byte too many. */
            g_autofree uint8_t *cut = g_memdup2(wire.data, size);
            g_autoptr(GError) error = NULL;
            cr_assert_null(decode_thing(&thing, cut, size, &error).thing);
            cr_assert_eq(error->domain, MOB_WIRE_ERROR);
        }
        free_thing(&thing);
    }
}

Test(msg, bytes_behind_a_message_or_record_are_refused)
{
    uint64_t state = 3;

    for (int i = 0; i < THING_COUNT; i++) {
        Thing thing = generate_thing(&state, i);
        g_auto(MobBuf) wire = {0};
        encode_thing(&thing, &wire);
        mob_buf_add(&wire, "x", 1);
        g_autoptr(GError) error = NULL;
        cr_assert_null(decode_thing(&thing, wire.data, wire.length, &error).thing);
        cr_assert(g_error_matches(error, MOB_WIRE_ERROR, MOB_WIRE_ERROR_TRAILING));
        free_thing(&thing);
    }
}

Test(msg, flipped_bits_and_noise_are_refused_or_read_but_never_trusted)
{
    uint64_t state = 4;
    int read = 0;

    for (int i = 0; i < THING_COUNT * 60; i++) {
        Thing thing = generate_thing(&state, i % THING_COUNT);
        g_auto(MobBuf) wire = {0};
        encode_thing(&thing, &wire);
        for (uint64_t flips = 1 + generate_below(&state, 4); flips > 0 && wire.length > 0; flips--)
            wire.data[generate_below(&state, wire.length)] ^= (uint8_t)generate_below(&state, 256);
        g_autofree uint8_t *exact = g_memdup2(wire.data, wire.length);
        Thing copy = decode_thing(&thing, exact, wire.length, NULL);
        if (copy.thing != NULL) {
            /* Whatever was let in can be shown, folded and sent on. */
            g_autofree char *text = describe_thing(&copy);
            cr_assert_not_null(text);
            read++;
        }
        free_thing(&thing);
        free_thing(&copy);
    }
    cr_assert_gt(read, 0);

    for (int i = 0; i < 20000; i++) {
        uint8_t noise[96];
        size_t size = generate_below(&state, sizeof noise);
        for (size_t k = 0; k < size; k++)
            noise[k] = (uint8_t)generate_below(&state, k == 0 ? MOB_MSG_COUNT : k < 4 ? 1 : 256);
        mob_msg_unref(mob_msg_decode(noise, size, NULL));
    }
}

Test(msg, a_count_is_not_believed_before_the_bytes_are_there)
{
    /* FreeObjects with four billion objects in four bytes. */
    uint8_t wire[8] = {MOB_MSG_FREE_OBJECTS, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    g_autoptr(GError) error = NULL;

    cr_assert_null(mob_msg_decode(wire, sizeof wire, &error));
    cr_assert(g_error_matches(error, MOB_WIRE_ERROR, MOB_WIRE_ERROR_TRUNCATED));
    g_clear_error(&error);

    wire[0] = 0xff;
    cr_assert_null(mob_msg_decode(wire, sizeof wire, &error));
    cr_assert(g_error_matches(error, MOB_WIRE_ERROR, MOB_WIRE_ERROR_UNKNOWN));
}

Test(msg, what_no_peer_would_send_is_malformed)
{
    g_auto(MobBuf) wire = {0};
    MobWorkerBlocked *msg = mob_worker_blocked_new();
    g_autoptr(GError) error = NULL;

    mob_msg_encode(&msg->base, &wire);
    wire.data[wire.length - 1] = 2;
    cr_assert_null(mob_msg_decode(wire.data, wire.length, &error));
    cr_assert(g_error_matches(error, MOB_WIRE_ERROR, MOB_WIRE_ERROR_MALFORMED));
    mob_msg_unref(&msg->base);

    g_clear_error(&error);
    MobRequestLease *lease = mob_request_lease_new();
    lease->spec = mob_spec_new();
    lease->spec->needs.cpu = -1;
    wire.length = 0;
    mob_msg_encode(&lease->base, &wire);
    cr_assert_null(mob_msg_decode(wire.data, wire.length, &error));
    cr_assert(g_error_matches(error, MOB_WIRE_ERROR, MOB_WIRE_ERROR_MALFORMED));
    mob_msg_unref(&lease->base);
}

static MobPushTask *
push_of(const char *path, const char *function)
{
    MobPushTask *push = mob_push_task_new();

    push->spec = mob_spec_new();
    push->spec->path = mob_str_new(path);
    push->spec->function = mob_str_new(function);
    push->args = mob_args_new(0);
    return push;
}

static MobMsg *
through(MobPushTask *push, MobTexts *texts)
{
    g_auto(MobBuf) wire = {0};
    g_autoptr(MobMsg) sent = &push->base;

    mob_msg_encode(sent, &wire);
    return mob_msg_decode_with(wire.data, wire.length, NULL, texts, NULL);
}

Test(msg, texts_that_came_before_are_the_same_ones)
{
    MobTexts texts = {0};
    g_autofree char *text = g_strnfill(5000, 'x');
    g_autoptr(MobMsg) one = through(push_of("1", "add"), &texts);
    g_autoptr(MobMsg) two = through(push_of("2", "add"), &texts);
    g_autoptr(MobMsg) other = through(push_of("2", "ad"), &texts);
    g_autoptr(MobMsg) first = through(push_of("2", text), &texts);
    g_autoptr(MobMsg) second = through(push_of("2", text), &texts);

    cr_assert_str_eq(mob_str(mob_push_task(two)->spec->path), "2");
    cr_assert_eq(mob_push_task(one)->spec->function, mob_push_task(two)->spec->function);
    cr_assert_str_eq(mob_str(mob_push_task(other)->spec->function), "ad");
    cr_assert_str_eq(mob_str(mob_push_task(one)->spec->function), "add");
    cr_assert_eq(mob_push_task(first)->spec->path, mob_push_task(other)->spec->path);
    cr_assert_neq(mob_push_task(first)->spec->function, mob_push_task(second)->spec->function,
                  "long ones are not kept");
    mob_texts_clear(&texts);
}

/* Keys, and the paths of children, are made of such texts. */
Test(msg, a_task_whose_texts_leave_no_room_for_more_is_malformed)
{
    g_auto(MobBuf) wire = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strnfill(MOB_STR_MAX - 1, 'x');
    g_autoptr(MobMsg) push = mob_msg_new(MOB_MSG_PUSH_TASK);

    ((MobPushTask *)push)->spec = mob_spec_new();
    ((MobPushTask *)push)->spec->bundle = mob_str_new(text);
    mob_msg_encode(push, &wire);
    cr_assert_null(mob_msg_decode(wire.data, wire.length, &error));
    cr_assert(g_error_matches(error, MOB_WIRE_ERROR, MOB_WIRE_ERROR_MALFORMED));
}

Test(msg, a_task_that_returns_more_than_anybody_may_is_malformed)
{
    g_auto(MobBuf) wire = {0};
    g_autoptr(MobMsg) push = mob_msg_new(MOB_MSG_PUSH_TASK);

    ((MobPushTask *)push)->spec = mob_spec_new();
    ((MobPushTask *)push)->spec->returns = MOB_TASK_RETURNS_MAX + 1;
    mob_msg_encode(push, &wire);
    cr_assert_null(mob_msg_decode(wire.data, wire.length, NULL));
}

Test(msg, a_message_weighs_what_its_values_would_not_what_they_cost)
{
    uint64_t state = 5;

    for (int i = 0; i < (int)MOB_MSG_COUNT * 20; i++) {
        g_autoptr(MobMsg) msg = generate_msg(&state, (MobMsgType)(i % (int)MOB_MSG_COUNT));
        g_auto(MobBuf) wire = {0};
        mob_msg_encode(msg, &wire);
        /* Nothing weighs less than its bytes, and only rules and pieces more. */
        if (msg->type != MOB_MSG_CHUNK)
            cr_assert_geq(mob_msg_weight(msg), wire.length);
    }
    MobCborWriter writer;
    mob_cbor_init(&writer);
    mob_cbor_fill(&writer, UINT64_C(1) << 30, 1);
    MobKvPut *put = mob_kv_put_new();
    put->value = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    g_auto(MobBuf) wire = {0};
    mob_msg_encode(&put->base, &wire);
    cr_assert_lt(wire.length, 64);
    cr_assert_gt(mob_msg_weight(&put->base), UINT64_C(1) << 30);
    mob_msg_unref(&put->base);
}

Test(msg, every_field_counts_in_the_fold)
{
    uint64_t state = 6;
    int same = 0;
    int different = 0;

    for (int i = 0; i < (int)MOB_MSG_COUNT * 20; i++) {
        MobMsgType type = (MobMsgType)(i % (int)MOB_MSG_COUNT);
        g_autoptr(MobMsg) one = generate_msg(&state, type);
        g_autoptr(MobMsg) two = generate_msg(&state, type);
        g_autoptr(GString) text_of_one = g_string_new(NULL);
        g_autoptr(GString) text_of_two = g_string_new(NULL);
        mob_msg_print(one, text_of_one);
        mob_msg_print(two, text_of_two);
        if (g_string_equal(text_of_one, text_of_two)) {
            same++;
            continue;
        }
        cr_assert_neq(mob_msg_fold(one, 1), mob_msg_fold(two, 1));
        cr_assert_neq(mob_msg_fold(one, 1), mob_msg_fold(one, 2));
        different++;
    }
    cr_assert_gt(different, same);
}

Test(msg, a_message_prints_as_one_line)
{
    MobHealthCheck *msg = mob_health_check_new();
    g_autoptr(GString) text = g_string_new(NULL);

    msg->number = 1;
    mob_msg_print(&msg->base, text);
    cr_assert_str_eq(text->str, "HealthCheck number=1");
    mob_msg_unref(&msg->base);
    cr_assert_eq(mob_msg_by_name("PushTask"), MOB_MSG_PUSH_TASK);
    cr_assert_eq(mob_msg_by_name("PushTasks"), MOB_MSG_COUNT);
}

Test(msg, the_tables_say_what_stands_in_the_schema)
{
    const MobMsgInfo *info = mob_msg_info(MOB_MSG_KV_GET);

    cr_assert_str_eq(info->name, "KvGet");
    cr_assert_eq(info->field_count, 2);
    cr_assert_str_eq(info->fields[0].name, "key");
    cr_assert_eq(info->fields[0].kind, MOB_KIND_str);
    cr_assert_eq(mob_msg_info(MOB_MSG_EXIT_WORKER)->field_count, 0);
    cr_assert_str_eq(mob_record_info(MOB_RECORD_spec)->name, "TaskSpec");
    cr_assert_eq(mob_schema_hash(), mob_schema_hash());
}
