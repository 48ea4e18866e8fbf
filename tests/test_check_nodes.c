/* test_check_nodes.c: the properties of node managers, of copies on their way,
 * of deaths and of events fire; see test_check.c.
 */
#include "tests/check_rig.h"

static MobNode *
node_of(MobProcess *self)
{
    return (MobNode *)self;
}

static bool
is_on(const MobProcess *self, MobNodeId node)
{
    return self->address.node == node.v;
}

/* --- resources and leases --- */

static void
gives_cpu_away(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    if (node_of(self)->leases.held.count > 0 && bends++ == 0)
        node_of(self)->leases.available.cpu += MOB_UNIT;
}

static void
gives_memory_away(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    if (node_of(self)->leases.held.count > 0 && bends++ == 0)
        node_of(self)->leases.available.memory += 1;
}

static void
leases_twice(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    MobLease *first = node_of(self)->leases.held.first;
    if (first != NULL && first->next != NULL)
        first->next->worker = first->worker;
}

Test(check_nodes, what_is_granted_is_what_there_is)
{
    expect("I24", "are held", &(Plot){main_small, .node = gives_cpu_away});
    expect("I24", "bytes of memory", &(Plot){main_small, .node = gives_memory_away});
    expect("I28", "is leased twice", &(Plot){main_two, .node = leases_twice});
}

/* The request is put down somewhere. */
static void
lets_it_lie(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    if (is_message(input, MOB_MSG_REQUEST_LEASE) && !is_on(self, (MobNodeId){1}))
        mob_leases_add(&node_of(self)->leases, mob_request_lease(input->msg));
    else
        go_on(self, input, out);
}

static void
refuses(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    if (!is_message(input, MOB_MSG_REQUEST_LEASE)) {
        go_on(self, input, out);
        return;
    }
    MobLease *lease = mob_leases_add(&node_of(self)->leases, mob_request_lease(input->msg));
    MobValue *fault = mob_node_fault(node_of(self), MOB_FAULT_UNSCHEDULABLE, "no machine has it",
                                     lease->spec, "E130", input->now);
    mob_node_refuse_lease(node_of(self), lease, fault, out);
}

static void
main_late(MobulaTask *task)
{
    MobulaValue *error;

    mobula_sleep(task, 200 * MOB_MS); /* the machines are known by then */
    mobula_try_get(task, mobula_call(task, "empty"), MOBULA_FOREVER, &error);
}

Test(check_nodes, who_asks_for_what_is_free_gets_it)
{
    expect("I26", "which has all that it asks for", &(Plot){main_small, .node = lets_it_lie});
    expect("I26", "it is said, and one could", &(Plot){main_late, .node = refuses});
}

/* It forgets that the request was sent on already, and sends it on. */
static void
sends_it_on(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    MobNode *node = node_of(self);

    mob_node_follow(node); /* it knows where to */
    if (!is_message(input, MOB_MSG_REQUEST_LEASE) || is_on(self, (MobNodeId){1})) {
        go_on(self, input, out);
        return;
    }
    MobRequestLease *request = (MobRequestLease *)input->msg;
    bool hop = request->grant_or_reject;
    int64_t cpu = node->leases.available.cpu;
    request->grant_or_reject = false;
    node->leases.available.cpu = 0;
    go_on(self, input, out);
    node->leases.available.cpu = cpu;
    request->grant_or_reject = hop;
}

static void
grants_for_another(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    MobTaskSpec *spec =
        is_message(input, MOB_MSG_REQUEST_LEASE) ? mob_request_lease(input->msg)->spec : NULL;

    if (spec != NULL && mob_request_lease(input->msg)->grant_or_reject) {
        spec->strategy = MOB_STRATEGY_AFFINITY;
        spec->node = mob_str_new("elsewhere");
        spec->soft = false;
    }
    go_on(self, input, out);
}

static void
grants_too_much(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    const MobNote *note = find_note(out, MOB_NOTE_LEASE_GRANTED);
    if (note != NULL)
        ((MobTaskSpec *)note->spec)->needs.cpu = 100 * MOB_UNIT;
}

/* Each machine says that it grants every lease. */
static void
grants_again(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    static MobNote granted;

    go_on(self, input, out);
    const MobNote *note = find_note(out, MOB_NOTE_LEASE_GRANTED);
    if (note != NULL) {
        granted = *note;
        granted.spec = NULL;
        bends = 1;
    } else if (bends == 1 && granted.node.v != self->address.node) {
        lie(out, granted);
    }
}

Test(check_nodes, a_lease_is_granted_once_and_where_it_may_be)
{
    expect("I29", "sends on a request", &(Plot){main_late, .node = sends_it_on});
    expect("I29", "to run on elsewhere", &(Plot){main_small, .node = grants_for_another});
    expect("I29", "more than it will ever have", &(Plot){main_small, .node = grants_too_much});
    expect("I25", "grants a lease that n1 holds", &(Plot){main_two, .node = grants_again});
}

/* --- the store --- */

static void
counts_bytes_wrong(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    if (first_copy(self) != NULL)
        node_of(self)->store.used++;
}

static void
evicts_the_primary(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    const MobCopy *copy = first_copy(self);
    if (copy != NULL && copy->primary && is_message(input, MOB_MSG_HEALTH_CHECK))
        lie(out, (MobNote){.kind = MOB_NOTE_OBJECT_EVICTED,
                           .object = copy->ref.id,
                           .node = {self->address.node}});
}

static void
evicts_an_argument(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    const MobCopy *copy = first_copy(self);
    if (copy != NULL && copy->pins > 0 && is_on(self, N2) && input->now > 40 * MOB_MS)
        lie(out, (MobNote){.kind = MOB_NOTE_OBJECT_EVICTED,
                           .object = copy->ref.id,
                           .node = {self->address.node}});
}

static void
forgets_to_pin(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    for (MobLease *lease = node_of(self)->leases.held.first; lease != NULL; lease = lease->next)
        for (uint32_t i = 0; i < lease->arg_count; i++)
            if (lease->args[i].pinned) {
                lease->args[i].pinned = false;
                mob_store_unpin(&node_of(self)->store,
                                mob_store_get(&node_of(self)->store, lease->args[i].ref.id));
            }
}

static void
removes_before_it_runs(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    MobCopy *copy = first_copy(self);
    if (copy != NULL && is_on(self, N2) && is_message(input, MOB_MSG_GET_OBJECT))
        copy->value = NULL; /* its worker has been sent the value */
}

static void
lets_it_wait(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    size_t at = 0;

    go_on(self, input, out);
    MobFetch *fetch = mob_table_next(node_of(self)->fetches.rows, &at);
    if (fetch != NULL && fetch->stage == MOB_FETCH_ACTIVE)
        mob_fetches_set_stage(&node_of(self)->fetches, fetch, MOB_FETCH_QUEUED);
}

Test(check_nodes, stores_hold_what_they_count_and_keep_what_is_needed)
{
    expect("I33", "counts", &(Plot){main_large, .node = counts_bytes_wrong});
    expect("I33", "which is the primary one", &(Plot){main_large, .node = evicts_the_primary});
    expect("I27", "with which n2/w0 works", &(Plot){main_argument, .node = evicts_an_argument});
    expect("I27", "where nothing keeps O1", &(Plot){main_argument, .node = forgets_to_pin});
    expect("I27", "which has no copy of O1",
           &(Plot){main_argument, .node = removes_before_it_runs});
    expect("I36", "has room for O1", &(Plot){main_large, .node = lets_it_wait});
}

/* --- copies on their way --- */

static void
pushes_twice(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    guint count = out->effects->len;
    for (guint i = 0; i < count; i++) {
        const MobEffect effect = g_array_index(out->effects, MobEffect, i);
        if (effect.kind == MOB_EFFECT_SEND && effect.msg->type == MOB_MSG_CHUNK)
            mob_send(out, effect.address, mob_msg_ref(effect.msg));
    }
}

static MobNote *
copied_note(MobOutbox *out)
{
    return (MobNote *)find_note(out, MOB_NOTE_OBJECT_COPIED);
}

static void
seals_too_early(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    if (copied_note(out) != NULL)
        copied_note(out)->bytes++;
}

static void
copies_twice(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    go_on(self, input, out);
    if (copied_note(out) != NULL)
        lie(out, *copied_note(out));
}

Test(check_nodes, a_copy_comes_whole_and_once)
{
    expect("I35", "is sent the piece at", &(Plot){main_large, .node = pushes_twice});
    expect("I35", "have come", &(Plot){main_large, .node = seals_too_early});
    expect("I35", "which has it", &(Plot){main_large, .node = copies_twice});
}

/* --- deaths --- */

static void
hears_nobody(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    if (!is_message(input, MOB_MSG_HEALTH_REPLY))
        go_on(self, input, out);
}

static void
never_looks(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    if (input->kind == MOB_INPUT_TIMER && input->timer == MOB_TIMER_HEALTH)
        mob_set_timer(out, MOB_TIMER_HEALTH, input->now + 10 * MOB_MS);
    else if (input->kind != MOB_INPUT_RESET)
        go_on(self, input, out);
}

static void
misses_its_children(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    if (input->kind != MOB_INPUT_CHILD)
        go_on(self, input, out);
}

/* It says of a living owner that it is dead. */
static void
buries_the_living(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    static const uint8_t nothing;
    g_autoptr(MobValue) fault = mob_value_new(&nothing, 1, 1, NULL, 0, MOB_FAULT_OWNER_DIED);
    size_t at = 0;
    const MobRow *row;

    go_on(self, input, out);
    while (is_driver(self) && bends == 0 && (row = mob_table_next(((MobWorker *)self)->rows, &at)))
        if (!row->owned)
            lie(out, (MobNote){.kind = MOB_NOTE_OBJECT_FAILED,
                               .object = row->ref.id,
                               .path = row->ref.path,
                               .owner = row->ref.owner,
                               .value = fault});
}

static void
main_long(MobulaTask *task)
{
    main_two(task);
    mobula_sleep(task, 500 * MOB_MS);
}

Test(check_nodes, the_dead_are_noticed_and_the_living_are_not_buried)
{
    expect("I39", "is declared dead, and it lives", &(Plot){main_small, .gcs = hears_nobody});
    expect("I39", "the GCS has not noticed",
           &(Plot){main_long, .gcs = never_looks, .troubles = KILL(20, "n2")});
    expect("I39", "its node manager has not noticed",
           &(Plot){main_long, .node = misses_its_children, .troubles = KILL(20, "n1/w0")});
    expect("I39", "for dead, and it lives", &(Plot){main_inner, .worker = buries_the_living});
}

/* The driver does not take in that a machine is dead, and so believes it. */
static void
believes_the_dead(MobProcess *self, const MobInput *input, MobOutbox *out)
{
    if (!is_driver(self) || !is_message(input, MOB_MSG_NODE_CHANGED))
        go_on(self, input, out);
}

Test(check_nodes, what_the_dead_still_say_does_not_count)
{
    expect("I40", "still counts: task.finished",
           &(Plot){main_two, .worker = believes_the_dead,
                   .troubles = {{.at = 30 * MOB_MS,
                                 .order = {.verb = MOB_VERB_CUT, .from = "head", .to = "n1"},
                                 .heal = 100 * MOB_MS}}});
}

/* --- events --- */

static void
judge(MobCheck *check, MobEvent event)
{
    MobWatcher *watcher = mob_check_watcher(check);

    watcher->event(watcher, &event);
}

static const char *
broken(const MobCheck *check)
{
    const MobViolation *violation = mob_check_violation(check);

    return violation != NULL ? violation->text : "";
}

Test(check_nodes, events_come_after_their_causes_and_messages_in_order)
{
    MobConfig config;
    plot = &(Plot){main_small};
    g_autoptr(MobWorld) world = make_world(NULL, &config);
    MobState *state = mob_state_new();
    MobCheck *check = mob_check_new(world, state, &config);

    judge(check, (MobEvent){.number = 5, .cause = 4, .at = 7, .role = MOB_ROLE_WORLD});
    cr_assert_str_eq(broken(check), "");
    judge(check, (MobEvent){.number = 6, .cause = 6, .at = 7, .role = MOB_ROLE_WORLD});
    cr_assert_str_eq(broken(check), "event @6 comes before its cause");
    mob_check_free(check);

    check = mob_check_new(world, state, &config);
    MobKvGet *msg = mob_kv_get_new();
    MobInput input = {.kind = MOB_INPUT_MESSAGE, .from = {2, 0}, .msg = &msg->base};
    MobEvent event = {.process = {9, 9}, .role = MOB_ROLE_WORKER, .input = &input};
    const uint64_t causes[] = {3, 3, 5, 4};
    for (size_t i = 0; i < G_N_ELEMENTS(causes); i++) {
        cr_assert_str_eq(broken(check), "");
        event.number = 10 + i;
        event.cause = causes[i];
        judge(check, event);
    }
    cr_assert(strstr(broken(check), "sent at @4 after what was sent at @5") != NULL);
    mob_msg_unref(&msg->base);
    mob_check_free(check);
    mob_state_free(state);
}
