/* test_worker_messages.c: each message about references, twice and too late.
 *
 * Whoever hears no answer says it again, so each may come twice; and each may
 * come when what it is about is long over. A table has them all: told twice, the
 * worker is as if told once; told late, as if not told at all.
 */
#include "tests/worker_rig.h"

/* What the tests have set up: objects of the worker itself (a driver) and one
 * that it borrows. */
typedef struct {
    Rig rig;
    const MobPushTask *running; /* on W2, with large as an argument */
    MobRef large;               /* ours, on n2 and n3, pinned on n2, lent to W3 */
    MobRef pending;             /* ours: what running returns */
    MobRef inner;               /* of W3, nested in what a task has returned */
    MobRef outer;
} Scene;

typedef struct {
    const char *name;
    MobAddress from;
    void *(*make)(const Scene *scene); /* the message */
} Line;

enum {
    LENT = 40,    /* token of the registration of W3 */
    TOKEN = 30,   /* of ours with W3 */
    REQUEST = 77, /* of what is asked once */
    FIRST = 1,    /* batch of what we borrow or give back: its return */
};

static MobBorrows
one_borrow(MobRef ref, MobAddress registrar, uint64_t token)
{
    MobBorrows borrows = {g_new0(MobBorrow, 1), 1};

    borrows.items[0] = (MobBorrow){.object = ref.id, .registrar = registrar, .token = token};
    return borrows;
}

static void *
add_borrower(const Scene *scene)
{
    MobAddBorrower *msg = mob_add_borrower_new();

    msg->borrows = one_borrow(scene->large, W3, REQUEST);
    msg->borrower = W2;
    msg->batch = REQUEST;
    return msg;
}

static void *
borrower_added(const Scene *scene)
{
    MobBorrowerAdded *msg = mob_borrower_added_new();

    msg->batch = REQUEST;
    return msg;
}

static void *
remove_borrower(const Scene *scene)
{
    MobRemoveBorrower *msg = mob_remove_borrower_new();

    msg->borrows = one_borrow(scene->large, W3, LENT);
    msg->batch = REQUEST;
    return msg;
}

static void *
borrower_removed(const Scene *scene)
{
    MobBorrowerRemoved *msg = mob_borrower_removed_new();

    msg->batch = FIRST;
    return msg;
}

static void *
verify_borrower(const Scene *scene)
{
    MobVerifyBorrower *msg = mob_verify_borrower_new();

    msg->object = scene->inner.id;
    msg->registrar = W2;
    msg->token = TOKEN;
    return msg;
}

static void *
borrower_verified(const Scene *scene)
{
    MobBorrowerVerified *msg = mob_borrower_verified_new();

    msg->object = scene->large.id;
    msg->registrar = W3;
    msg->token = LENT;
    return msg;
}

static void *
get_status(const Scene *scene)
{
    MobGetStatus *msg = mob_get_status_new();

    msg->object = scene->pending.id;
    return msg;
}

static void *
object_status(const Scene *scene)
{
    MobObjectStatus *msg = mob_object_status_new();

    msg->object = scene->inner.id;
    msg->value = rig_value(5, 7);
    return msg;
}

static void *
subscribe(const Scene *scene)
{
    MobSubscribeLocations *msg = mob_subscribe_locations_new();

    msg->object = scene->large.id;
    return msg;
}

static void *
unsubscribe(const Scene *scene)
{
    MobUnsubscribeLocations *msg = mob_unsubscribe_locations_new();

    msg->object = scene->large.id;
    return msg;
}

static void *
moved(const Scene *scene, bool here)
{
    MobObjectMoved *msg = mob_object_moved_new();

    msg->moves = (MobMoves){g_new0(MobMove, 1), 1};
    msg->moves.items[0] = (MobMove){.object = scene->large.id, .here = here, .hash = HASH};
    return msg;
}

static void *
moved_here(const Scene *scene)
{
    return moved(scene, true);
}

static void *
moved_away(const Scene *scene)
{
    return moved(scene, false);
}

static void *
pinned(const Scene *scene)
{
    MobObjectPinned *msg = mob_object_pinned_new();

    msg->object = scene->large.id;
    msg->ok = true;
    return msg;
}

static void *
stored(const Scene *scene)
{
    MobObjectStored *msg = mob_object_stored_new();

    msg->object = scene->large.id;
    msg->ok = true;
    return msg;
}

static void *
here(const Scene *scene)
{
    MobObjectHere *msg = mob_object_here_new();

    msg->object = scene->large.id;
    msg->value = rig_value(MOB_MS, 1);
    return msg;
}

static void *
reply(const Scene *scene)
{
    MobTaskReply *msg = rig_reply_to(scene->running);

    rig_add_result(msg, (MobResult){.size = MOB_MS, .hash = HASH, .node = {2}});
    return msg;
}

static void *
refusal(const Scene *scene)
{
    MobTaskReply *msg = rig_reply_to(scene->running);

    msg->refused = true;
    return msg;
}

static void *
free_values(const Scene *scene)
{
    MobFreeValues *msg = mob_free_values_new();

    msg->objects = (MobObjects){g_memdup2(&scene->large.id, sizeof(MobObjectId)), 1};
    msg->token = REQUEST;
    return msg;
}

static void *
values_freed(const Scene *scene)
{
    MobValuesFreed *msg = mob_values_freed_new();

    msg->token = REQUEST;
    return msg;
}

static const Line lines[] = {
    {"AddBorrower", {3, MOB_LOCAL_POOL}, add_borrower},
    {"BorrowerAdded", {3, MOB_LOCAL_POOL}, borrower_added},
    {"RemoveBorrower", {3, MOB_LOCAL_POOL}, remove_borrower},
    {"BorrowerRemoved", {3, MOB_LOCAL_POOL}, borrower_removed},
    {"VerifyBorrower", {3, MOB_LOCAL_POOL}, verify_borrower},
    {"BorrowerVerified", {3, MOB_LOCAL_POOL}, borrower_verified},
    {"GetStatus", {3, MOB_LOCAL_POOL}, get_status},
    {"ObjectStatus", {3, MOB_LOCAL_POOL}, object_status},
    {"SubscribeLocations", {3, MOB_LOCAL_NODE}, subscribe},
    {"UnsubscribeLocations", {3, MOB_LOCAL_NODE}, unsubscribe},
    {"ObjectMoved here", {1, MOB_LOCAL_NODE}, moved_here},
    {"ObjectMoved away", {3, MOB_LOCAL_NODE}, moved_away},
    {"ObjectPinned", {3, MOB_LOCAL_NODE}, pinned},
    {"ObjectStored", {1, MOB_LOCAL_NODE}, stored},
    {"ObjectHere", {1, MOB_LOCAL_NODE}, here},
    {"TaskReply", {2, MOB_LOCAL_POOL}, reply},
    {"TaskReply that refuses", {2, MOB_LOCAL_POOL}, refusal},
    {"FreeValues", {3, MOB_LOCAL_POOL}, free_values},
    {"ValuesFreed", {3, MOB_LOCAL_POOL}, values_freed},
};

static void
scene_open(Scene *scene)
{
    Rig *rig = &scene->rig;

    rig_drive(rig);
    const MobPushTask *push = rig_run(rig, rig_spec("load", 3), NO_ARGS, W2);
    scene->large = rig_result_of(push);
    rig_reply_stored(rig, W2, push, MOB_MS);
    rig_moved(rig, NODE3, scene->large, true);
    MobAddBorrower *lend = add_borrower(scene);
    lend->borrower = W3;
    lend->borrows.items[0].token = LENT;
    rig_give(rig, W3, lend);

    push = rig_run(rig, rig_spec("outer", 3), NO_ARGS, W2);
    scene->outer = rig_result_of(push);
    scene->inner = rig_ref(3, W3);
    MobTaskReply *brought = rig_reply_to(push);
    rig_add_result(brought, (MobResult){.value = HOLDING(10, scene->inner), .size = 10});
    brought->token = TOKEN;
    rig_give(rig, W2, brought);

    scene->running = rig_run(rig, rig_spec("f", 3), ARGS(by_value(HOLDING(5, scene->large))), W2);
    scene->pending = rig_result_of(scene->running);
}

/* Everything that was there ends. */
static void
scene_end(Scene *scene)
{
    Rig *rig = &scene->rig;

    rig_reply(rig, W2, scene->running, rig_value(5, 7));
    rig_give(rig, W3, remove_borrower(scene));
    rig_drop(rig, scene->large);
    rig_drop(rig, scene->outer);
    rig_drop(rig, scene->pending);
    rig_give(rig, W3, borrower_removed(scene));
    cr_assert_eq(rig_stats(rig).owned + rig_stats(rig).borrowed, 0);
}

static char *
look(const Scene *scene)
{
    GString *text = g_string_new(NULL);
    size_t at = 0;
    MobRefInfo row;

    scene->rig.process->class->dump(scene->rig.process, text);
    while (mob_worker_next_ref(scene->rig.process, &at, &row))
        g_string_append_printf(text, "%u borrowers, %u nodes, primary %u, value %d\n",
                               row.borrowers, row.node_count, row.primary.v, row.value != NULL);
    return g_string_free(text, FALSE);
}

Test(worker_messages, told_twice_are_as_told_once)
{
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        Scene scene = {0};
        scene_open(&scene);
        rig_give(&scene.rig, lines[i].from, lines[i].make(&scene));
        g_autofree char *once = look(&scene);
        for (int k = 0; k < 3; k++)
            rig_give(&scene.rig, lines[i].from, lines[i].make(&scene));
        g_autofree char *often = look(&scene);
        cr_assert_str_eq(once, often, "%s", lines[i].name);
        rig_clear(&scene.rig);
    }
}

Test(worker_messages, told_late_are_as_never_told)
{
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        Scene scene = {0};
        scene_open(&scene);
        scene_end(&scene);
        g_autofree char *before = look(&scene);
        rig_give(&scene.rig, lines[i].from, lines[i].make(&scene));
        g_autofree char *after = look(&scene);
        cr_assert_str_eq(before, after, "%s", lines[i].name);
        cr_assert_eq(rig_stats(&scene.rig).owned + rig_stats(&scene.rig).borrowed, 0);
        rig_clear(&scene.rig);
    }
}

Test(worker_messages, told_by_the_dead_are_as_never_told)
{
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        Scene scene = {0};
        if (lines[i].from.node == 1)
            continue; /* this machine itself */
        scene_open(&scene);
        rig_node_dies(&scene.rig, lines[i].from.node);
        g_autofree char *before = look(&scene);
        uint32_t sent = rig_count_all(&scene.rig);
        rig_give(&scene.rig, lines[i].from, lines[i].make(&scene));
        g_autofree char *after = look(&scene);
        cr_assert_str_eq(before, after, "%s", lines[i].name);
        cr_assert_eq(rig_count_all(&scene.rig), 0, "%s is answered (%u)", lines[i].name, sent);
        rig_clear(&scene.rig);
    }
}

Test(worker_messages, told_by_somebody_else_change_nothing_that_is_his_to_say)
{
    static const char *const his[] = {"BorrowerAdded", "BorrowerRemoved", "ObjectStatus",
                                      "ObjectPinned",  "ObjectStored",    "ObjectHere",
                                      "TaskReply",     "ValuesFreed",     NULL};

    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        Scene scene = {0};
        if (!g_strv_contains(his, lines[i].name))
            continue;
        scene_open(&scene);
        g_autofree char *before = look(&scene);
        rig_give(&scene.rig, W2B, lines[i].make(&scene));
        g_autofree char *after = look(&scene);
        cr_assert_str_eq(before, after, "%s", lines[i].name);
        rig_clear(&scene.rig);
    }
}
