/* test_state.c: what is true in a cluster, from its notes. */
#include <criterion/criterion.h>

#include "tests/told.h"

/* --- the lecture's run, looked at while it goes on --- */

Test(state, knows_at_the_end_what_ran_twice_and_what_was_lost)
{
    g_autoptr(Told) told = told_kill_task_2();
    const MobState *state = told->state;
    const MobStateTask *t2 = mob_state_task(state, "T2");
    const MobStateObject *o1 = mob_state_object(state, "O1");

    cr_assert_eq(state->tasks->len, 4);
    cr_assert_eq(state->attempts->len, 6);
    cr_assert_eq(state->objects->len, 4);
    cr_assert_str_eq(t2->label, "parse");
    cr_assert_eq(t2->executions, 2);
    cr_assert_eq(t2->state, MOB_TASK_FINISHED);
    cr_assert_eq(g_ptr_array_index(t2->args, 0), o1);
    cr_assert_eq(g_ptr_array_index(t2->returns, 0), mob_state_object(state, "O2"));

    const MobStateAttempt *first = g_ptr_array_index(t2->attempts, 0);
    const MobStateAttempt *second = g_ptr_array_index(t2->attempts, 1);
    cr_assert_str_eq(first->outcome, "crashed");
    cr_assert_eq(first->ended_at, 8300 * MOB_US, "it ended when its machine died");
    cr_assert_str_eq(mob_state_proc_name(state, first->worker), "n1/w0");
    cr_assert_eq(first->reason, 0);
    cr_assert_str_eq(second->outcome, "finished");
    cr_assert_str_eq(mob_state_proc_name(state, second->worker), "n2/w0");
    cr_assert_neq(second->reason, 0);
    cr_assert_eq(second->number, 2);

    cr_assert_eq(o1->times_lost, 1);
    cr_assert_eq(o1->times_made, 2);
    cr_assert_eq(o1->copies->len, 2);
    cr_assert_eq(o1->state, MOB_OBJECT_FREED);
    cr_assert_eq(mob_state_object(state, "O4")->copies->len, 0, "inline");

    const MobStateJob *job = g_ptr_array_index(state->jobs, 0);
    cr_assert(job->finished);
    cr_assert_eq(job->number, 1);
    cr_assert_eq(job->ended_at, 41900 * MOB_US);

    const MobStateNode *n1 = mob_state_node(state, "n1");
    cr_assert(!n1->alive && n1->declared_dead);
    cr_assert_eq(n1->died_at, 8300 * MOB_US);
    cr_assert(!mob_state_proc(state, "n1/w0")->alive);
    cr_assert(mob_state_proc(state, "n2/w0")->alive);
}

Test(state, tells_the_truth_before_the_owner_knows_it)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    MobTaskSpec *one = told_spec(told, "1", "make", told_driver, (MobTaskId){1, 1}, 1);
    MobTaskSpec *two = told_spec(told, "2", "use", told_driver, (MobTaskId){1, 1}, 1);
    told_submitted(told, MOB_MS, one, NULL);
    told_submitted(told, MOB_MS, two, told_args(told, &one, 1));
    const MobStateTask *use = mob_state_task(told->state, "T2");
    const MobStateObject *made = mob_state_object(told->state, "O1");
    cr_assert_eq(use->state, MOB_TASK_PENDING);
    cr_assert_eq(made->state, MOB_OBJECT_PENDING);

    told_started(told, 2 * MOB_MS, one, 1, told_n1_w0);
    told_finished(told, 3 * MOB_MS, one, 1, told_n1_w0, 2, 1000);
    told_started(told, 4 * MOB_MS, two, 1, told_n1_w0);
    cr_assert_eq(use->state, MOB_TASK_RUNNING);
    cr_assert_eq(made->state, MOB_OBJECT_SEALED);
    cr_assert_eq(mob_state_copy_count(made), 1);
    cr_assert_eq(mob_state_sole_holder(made).v, 2);

    told_died(told, told_n1_w0, "killed");
    cr_assert_eq(use->state, MOB_TASK_PENDING, "nobody runs it");
    cr_assert_eq(made->state, MOB_OBJECT_SEALED, "the store lives on");
    told_died(told, (MobAddress){2, MOB_LOCAL_NODE}, "killed");
    cr_assert_eq(made->state, MOB_OBJECT_LOST);
    cr_assert_eq(made->times_lost, 1);
    cr_assert_eq(mob_state_copy_count(made), 0);
    cr_assert_eq(mob_state_sole_holder(made).v, 0);
}

static void
note_copy(Told *told, MobNoteKind kind, const MobTaskSpec *spec, uint32_t node)
{
    told_note(told, (MobNote){.kind = kind,
                              .object = mob_object_return(spec->id, 1),
                              .node = {node},
                              .bytes = 1000});
    told_event(told, told->now + MOB_MS, mob_node_address(node));
}

Test(state, an_object_is_lost_with_its_last_copy_and_not_before)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    MobTaskSpec *spec = told_spec(told, "1", "make", told_driver, (MobTaskId){1, 1}, 1);
    told_submitted(told, MOB_MS, spec, NULL);
    told_started(told, 2 * MOB_MS, spec, 1, told_n1_w0);
    told_finished(told, 3 * MOB_MS, spec, 1, told_n1_w0, 2, 1000);
    const MobStateObject *object = mob_state_object(told->state, "O1");

    note_copy(told, MOB_NOTE_OBJECT_COPIED, spec, 3);
    cr_assert_eq(mob_state_copy_count(object), 2);
    cr_assert_eq(mob_state_sole_holder(object).v, 0);
    cr_assert(((MobStateCopy *)g_ptr_array_index(object->copies, 0))->primary);
    cr_assert(!((MobStateCopy *)g_ptr_array_index(object->copies, 1))->primary);

    note_copy(told, MOB_NOTE_OBJECT_EVICTED, spec, 3);
    cr_assert_eq(object->state, MOB_OBJECT_SEALED);
    note_copy(told, MOB_NOTE_OBJECT_COPIED, spec, 3);
    note_copy(told, MOB_NOTE_OBJECT_COPY_LOST, spec, 2);
    cr_assert_eq(object->state, MOB_OBJECT_SEALED);
    note_copy(told, MOB_NOTE_OBJECT_COPY_LOST, spec, 3);
    cr_assert_eq(object->state, MOB_OBJECT_LOST);
    cr_assert_eq(object->copies->len, 3);

    note_copy(told, MOB_NOTE_OBJECT_COPY_LOST, spec, 3);
    note_copy(told, MOB_NOTE_OBJECT_LOST, spec, 0);
    cr_assert_eq(object->times_lost, 1, "hearing it twice does not lose it twice");
    note_copy(told, MOB_NOTE_OBJECT_RECOVERED, spec, 3);
    cr_assert_eq(object->state, MOB_OBJECT_SEALED);
    cr_assert_eq(object->times_made, 2);
}

Test(state, a_copy_on_a_machine_that_is_dead_already_is_lost)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    MobTaskSpec *spec = told_spec(told, "1", "make", told_driver, (MobTaskId){1, 1}, 1);
    told_submitted(told, MOB_MS, spec, NULL);
    told_started(told, 2 * MOB_MS, spec, 1, told_n1_w0);
    told_note(told, (MobNote){.kind = MOB_NOTE_NODE_DIED, .node = {2}, .label = "n1"});
    told_event(told, 3 * MOB_MS, (MobAddress){0, 0});
    told_died(told, told_n1_w0, "killed");

    told_finished(told, 4 * MOB_MS, spec, 1, told_n1_w0, 2, 1000);

    cr_assert_eq(mob_state_object(told->state, "O1")->state, MOB_OBJECT_LOST);
    const MobStateTask *task = mob_state_task(told->state, "T1");
    cr_assert_eq(task->state, MOB_TASK_FINISHED);
    cr_assert_str_eq(((MobStateAttempt *)g_ptr_array_index(task->attempts, 0))->outcome, "finished",
                     "the reply was under way already");
}

/* --- names --- */

Test(state, the_child_of_a_second_attempt_is_the_same_task_again)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    MobTaskSpec *parent = told_spec(told, "1", "parent", told_driver, (MobTaskId){1, 1}, 1);
    MobTaskSpec *child = told_spec(told, "1/1", "child", told_n1_w0, parent->id, 1);
    MobTaskSpec *again = told_spec(told, "1/1", "child", told_n2_w0, parent->id, 2);
    cr_assert(!mob_task_eq(child->id, again->id));

    told_submitted(told, MOB_MS, parent, NULL);
    told_started(told, MOB_MS, parent, 1, told_n1_w0);
    told_submitted(told, 2 * MOB_MS, child, NULL);
    told_started(told, 2 * MOB_MS, child, 1, told_n2_w0);
    told_finished(told, 3 * MOB_MS, child, 1, told_n2_w0, 3, 10);
    told_died(told, told_n1_w0, "killed");
    told_retried(told, 4 * MOB_MS, parent, 2);
    told_started(told, 4 * MOB_MS, parent, 2, told_n2_w0);
    told_submitted(told, 5 * MOB_MS, again, NULL);

    const MobState *state = told->state;
    const MobStateTask *task = mob_state_task(state, "T1/1");
    cr_assert_eq(state->tasks->len, 2);
    cr_assert_eq(state->objects->len, 2);
    cr_assert_eq(task->parent, mob_state_task(state, "T1"));
    cr_assert_eq(task->attempts->len, 2);
    cr_assert_eq(task->state, MOB_TASK_PENDING);
    cr_assert(mob_task_eq(task->spec->id, again->id), "the newest execution's");
    cr_assert_eq(mob_state_task_by_id(state, child->id), task);
    cr_assert_eq(mob_state_task_by_id(state, again->id), task);
    cr_assert_eq(mob_state_attempt(state, child->id, 1)->number, 1);
    cr_assert_eq(mob_state_attempt(state, again->id, 1)->number, 2);
    cr_assert_eq(mob_state_attempt(state, again->id, 2), NULL);

    const MobStateObject *object = mob_state_object(state, "O1/1");
    cr_assert_eq(mob_state_object_by_id(state, mob_object_return(child->id, 1)), object);
    cr_assert_eq(object->state, MOB_OBJECT_PENDING);
    cr_assert_eq(mob_state_copy_count(object), 0, "the copy is of another execution");
    told_started(told, 6 * MOB_MS, again, 1, told_n2_w0);
    told_finished(told, 7 * MOB_MS, again, 1, told_n2_w0, 3, 10);
    cr_assert_eq(mob_state_copy_count(object), 1);
    cr_assert_eq(object->state, MOB_OBJECT_SEALED);
}

Test(state, names_what_was_put_and_who_put_it)
{
    g_autoptr(Told) told = told_family();
    const MobStateObject *p1 = mob_state_object(told->state, "P1");

    cr_assert_not_null(p1);
    cr_assert(p1->put);
    cr_assert_eq(p1->maker, NULL, "the driver has put it");
    cr_assert_eq(p1->size, 3 << 20);
    cr_assert_eq(mob_state_task(told->state, "P1"), NULL);
    cr_assert_eq(mob_state_object(told->state, "T1"), NULL);
    cr_assert_eq(mob_state_task(told->state, "T9"), NULL);

    const MobStateTask *bad = mob_state_task(told->state, "T2");
    cr_assert_eq(bad->state, MOB_TASK_FAILED);
    cr_assert_str_eq(bad->error, "TaskError");
    cr_assert_eq(mob_state_object(told->state, "O2")->state, MOB_OBJECT_FAILED);

    const MobStateTask *list = mob_state_task(told->state, "T3");
    cr_assert_eq(list->args->len, 0);
    cr_assert_eq(list->nested->len, 1);
    cr_assert_eq(g_ptr_array_index(list->nested, 0), mob_state_object(told->state, "O1"));
    cr_assert_eq(mob_state_proc(told->state, "n3/w0"), NULL);
    cr_assert_str_eq(mob_state_proc_name(told->state, (MobAddress){9, 9}), "");
}

Test(state, a_machine_that_comes_back_is_a_new_node_of_the_same_name)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    told_died(told, (MobAddress){2, MOB_LOCAL_NODE}, "killed");
    told_note(told, (MobNote){.kind = MOB_NOTE_NODE_DIED, .node = {2}, .label = "n1"});
    told_event(told, MOB_MS, (MobAddress){0, 0});
    told_born(told, (MobAddress){7, MOB_LOCAL_NODE}, "n1", MOB_ROLE_NODE);

    cr_assert_eq(told->state->nodes->len, 4);
    cr_assert_eq(mob_state_node(told->state, "n1")->node.v, 7);
    cr_assert_eq(mob_state_node(told->state, "n1")->joined, 0);
    told_note(told, (MobNote){.kind = MOB_NOTE_NODE_JOINED, .node = {7}, .label = "n1"});
    told_event(told, 2 * MOB_MS, told_gcs);
    cr_assert_eq(mob_state_node(told->state, "n1")->joined_at, 2 * MOB_MS);
    cr_assert(!mob_state_node_by_id(told->state, (MobNodeId){2})->alive);

    cr_assert(told->state->gcs_alive);
    told_died(told, told_gcs, "killed");
    cr_assert(!told->state->gcs_alive);
    told_born(told, told_gcs, "gcs", MOB_ROLE_GCS);
    cr_assert(told->state->gcs_alive);
    cr_assert(mob_state_proc_by_address(told->state, told_gcs)->alive, "the newest there");
}

/* --- leases, output --- */

Test(state, leases_end_when_they_are_returned_or_their_worker_dies)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    for (uint64_t number = 1; number <= 2; number++)
        told_note(told, (MobNote){.kind = MOB_NOTE_LEASE_GRANTED,
                                  .lease = {told_driver, number},
                                  .owner = told_driver,
                                  .worker = number == 1 ? told_n1_w0 : told_n2_w0,
                                  .node = {number == 1 ? 2 : 3}});
    told_event(told, MOB_MS, told_driver);
    const MobStateLease *first = g_ptr_array_index(told->state->leases, 0);
    const MobStateLease *second = g_ptr_array_index(told->state->leases, 1);

    told_note(told, (MobNote){.kind = MOB_NOTE_LEASE_RETURNED, .lease = {told_driver, 1}});
    told_event(told, 2 * MOB_MS, told_driver);
    cr_assert_eq(first->to_at, 2 * MOB_MS);
    cr_assert_eq(second->to, 0);
    told_died(told, told_n2_w0, "killed");
    cr_assert_neq(second->to, 0);

    told_note(told, (MobNote){.kind = MOB_NOTE_OUTPUT, .worker = told_n1_w0, .text = "hello"});
    told_note(told, (MobNote){.kind = MOB_NOTE_WORKER_BLOCKED, .worker = told_n1_w0});
    told_event(told, 3 * MOB_MS, told_n1_w0);
    const MobStateLog *log = g_ptr_array_index(told->state->logs, 0);
    cr_assert_str_eq(log->text, "hello");
    cr_assert_eq(log->at, 3 * MOB_MS);
    cr_assert(mob_state_proc(told->state, "n1/w0")->blocked);
}

Test(state, holds_very_many_of_everything)
{
    g_autoptr(Told) told = told_map_reduce(400);
    uint32_t executions = 0;

    for (guint i = 0; i < told->state->tasks->len; i++) {
        const MobStateTask *task = g_ptr_array_index(told->state->tasks, i);
        cr_assert_eq(mob_state_task(told->state, task->name), task);
        cr_assert_eq(task->state, MOB_TASK_FINISHED);
        executions += task->executions;
    }
    cr_assert_eq(told->state->tasks->len, 3600);
    cr_assert_eq(executions, 3604);
}

/* --- a bound --- */

/* Task @number of the driver: it returns an object, which is freed if @freed. */
static MobTaskSpec *
run_one(Told *told, uint32_t number, bool freed)
{
    g_autofree char *path = g_strdup_printf("%u", number);
    MobTaskSpec *spec = told_spec(told, path, "one", told_driver, (MobTaskId){1, 1}, 1);
    MobTime now = number * MOB_MS;
    MobNote about = {.object = mob_object_return(spec->id, 1),
                     .path = spec->path,
                     .owner = told_driver,
                     .to = told_driver};

    told_submitted(told, now, spec, NULL);
    about.kind = MOB_NOTE_REF_ADDED;
    told_note(told, about);
    told_started(told, now, spec, 1, told_n1_w0);
    told_finished(told, now, spec, 1, told_n1_w0, freed ? 0 : 2, 1000);
    if (!freed)
        return spec;
    about.kind = MOB_NOTE_REF_DROPPED;
    told_note(told, about);
    about.kind = MOB_NOTE_OBJECT_FREED;
    told_note(told, about);
    told_event(told, now, told_driver);
    return spec;
}

/* Somebody has a reference for a moment. */
static void
borrow(Told *told, const MobTaskSpec *spec)
{
    MobNote about = {.kind = MOB_NOTE_REF_BORROWED,
                     .object = mob_object_return(spec->id, 1),
                     .path = spec->path,
                     .owner = told_driver,
                     .to = told_n2_w0};

    told_note(told, about);
    about.kind = MOB_NOTE_REF_DROPPED;
    about.reason = "borrowed";
    told_note(told, about);
    told_event(told, told->now, told_driver);
}

/* What the bounded state knows is what the other one knows too. */
static void
expect_same_task(const MobStateTask *task, const MobState *all)
{
    const MobStateTask *full = mob_state_task(all, task->name);

    cr_assert_eq(task->state, full->state, "%s", task->name);
    cr_assert_eq(task->executions, full->executions);
    cr_assert_eq(task->submitted_at, full->submitted_at);
    cr_assert_str_eq(task->label, full->label);
    cr_assert_eq(task->attempts->len, full->attempts->len);
    cr_assert_eq(task->args->len, full->args->len);
    cr_assert_eq(task->returns->len, full->returns->len);
    for (guint i = 0; i < task->attempts->len; i++) {
        const MobStateAttempt *one = g_ptr_array_index(task->attempts, i);
        const MobStateAttempt *other = g_ptr_array_index(full->attempts, i);
        cr_assert_eq(one->task, task);
        cr_assert_eq(one->ended_at, other->ended_at);
        cr_assert(mob_address_eq(one->worker, other->worker));
    }
}

static void
expect_same_object(const MobStateObject *object, const MobState *all)
{
    const MobStateObject *full = mob_state_object(all, object->name);

    cr_assert_eq(object->state, full->state, "%s", object->name);
    cr_assert_eq(object->size, full->size);
    cr_assert_eq(object->copies->len, full->copies->len, "%s", object->name);
    cr_assert_eq(object->refs->len, full->refs->len);
    cr_assert_eq(object->ended_at, full->ended_at);
    cr_assert_eq(mob_state_copy_count(object), mob_state_copy_count(full));
    cr_assert_str_eq(object->maker->name, full->maker->name);
}

static void
expect_same(const MobState *state, const MobState *all)
{
    cr_assert_eq(state->tasks->len + state->forgotten.tasks, all->tasks->len);
    cr_assert_eq(state->objects->len + state->forgotten.objects, all->objects->len);
    for (guint i = 0; i < state->tasks->len; i++)
        expect_same_task(g_ptr_array_index(state->tasks, i), all);
    for (guint i = 0; i < state->objects->len; i++)
        expect_same_object(g_ptr_array_index(state->objects, i), all);
}

Test(state, forgets_the_oldest_of_what_is_over_when_there_is_a_bound)
{
    g_autoptr(Told) told = told_new();
    g_autoptr(MobState) state = mob_state_new();
    mob_state_keep(state, 20);
    told->other = &state->watcher;
    told_cluster(told);

    MobTaskSpec *held = run_one(told, 1, false); /* its result is needed to the end */
    MobTaskSpec *slow = told_spec(told, "2", "slow", told_driver, (MobTaskId){1, 1}, 1);
    told_submitted(told, 2 * MOB_MS, slow, told_args(told, &held, 1));
    told_started(told, 2 * MOB_MS, slow, 1, told_n2_w0);
    guint most = 0;
    guint least = G_MAXUINT;
    for (uint32_t number = 3; number < 1000; number++) {
        run_one(told, number, true);
        borrow(told, held);
        most = MAX(most, state->tasks->len);
        least = number > 30 ? MIN(least, state->tasks->len) : least;
    }
    cr_assert_leq(most, 50);
    cr_assert_geq(least, 22);
    cr_assert_gt(state->forgotten.tasks, 900);
    const MobStateObject *o1 = mob_state_object(state, "O1");
    cr_assert_leq(o1->refs->len, 250, "of a thing that lives long only the newest");
    cr_assert_geq(o1->refs->len, 100);
    cr_assert_eq(o1->state, MOB_OBJECT_SEALED);
    cr_assert_leq(state->refs->len, 400);
    cr_assert_null(mob_state_task(state, "T3"), "it is over");
    cr_assert_not_null(mob_state_task(state, "T999"), "it is among the newest");

    const MobStateTask *t1 = mob_state_task(state, "T1");
    const MobStateTask *t2 = mob_state_task_by_id(state, slow->id);
    cr_assert_eq(t1, mob_state_task_by_id(state, held->id));
    cr_assert_eq(t2->state, MOB_TASK_RUNNING);
    cr_assert_eq(g_ptr_array_index(t2->args, 0), g_ptr_array_index(t1->returns, 0));
}

/* After it has forgotten, what happens to the rest is seen as before. */
Test(state, sees_what_happens_after_it_has_forgotten)
{
    g_autoptr(Told) told = told_new();
    g_autoptr(MobState) state = mob_state_new();
    mob_state_keep(state, 20);
    told->other = &state->watcher;
    told_cluster(told);

    MobTaskSpec *held = run_one(told, 1, false);
    MobTaskSpec *slow = told_spec(told, "2", "slow", told_driver, (MobTaskId){1, 1}, 1);
    told_submitted(told, 2 * MOB_MS, slow, told_args(told, &held, 1));
    told_started(told, 2 * MOB_MS, slow, 1, told_n2_w0);
    for (uint32_t number = 3; number < 300; number++)
        run_one(told, number, true);
    cr_assert_gt(state->forgotten.tasks, 100);

    told_died(told, told_n2_w0, "killed");
    cr_assert_eq(mob_state_task(state, "T2")->state, MOB_TASK_PENDING, "nobody runs it");
    told_died(told, (MobAddress){2, MOB_LOCAL_NODE}, "killed");
    cr_assert_eq(mob_state_object(state, "O1")->state, MOB_OBJECT_LOST);
    expect_same(state, told->state);
    told_died(told, told_driver, "killed");
    for (guint i = 0; i < state->refs->len; i++)
        cr_assert_neq(((const MobStateRef *)g_ptr_array_index(state->refs, i))->to, 0);
    expect_same(state, told->state);
}

Test(state, forgets_a_job_when_its_driver_has_died)
{
    g_autoptr(Told) told = told_new();
    g_autoptr(MobState) state = mob_state_new();
    mob_state_keep(state, 20);
    told->other = &state->watcher;
    told_cluster(told);

    for (uint32_t number = 1; number < 500; number++)
        run_one(told, number, false);
    cr_assert_eq(state->tasks->len, 499, "all are needed");
    told_died(told, told_driver, "done");
    told_event(told, told->now, told_gcs);
    cr_assert_eq(state->tasks->len, 20);
    cr_assert_eq(state->forgotten.tasks, 479);
    expect_same(state, told->state);
}

Test(state, forgets_the_oldest_of_what_was_printed_when_it_is_very_much)
{
    g_autoptr(Told) told = told_new();
    g_autoptr(MobState) state = mob_state_new();
    g_autofree char *text = g_strnfill(1 << 20, 'x');
    size_t most = 0;

    mob_state_keep(state, 1000);
    told->other = &state->watcher;
    told_cluster(told);
    for (int i = 0; i < 150; i++) {
        told_note(told, (MobNote){.kind = MOB_NOTE_OUTPUT, .worker = told_n1_w0, .text = text});
        told_event(told, MOB_MS, told_n1_w0);
        most = MAX(most, state->logs->len);
    }
    told_note(told, (MobNote){.kind = MOB_NOTE_OUTPUT, .worker = told_n1_w0, .text = "last"});
    told_event(told, MOB_MS, told_n1_w0);
    cr_assert_leq(most, 66, "it never holds more than 64 MiB and what comes in one event");
    cr_assert_geq(state->logs->len, 32);
    cr_assert_eq(state->logs->len + state->forgotten.logs, 151);
    const MobStateLog *log = g_ptr_array_index(state->logs, state->logs->len - 1);
    cr_assert_str_eq(log->text, "last");
}

static const MobStateLog *
printed(Told *told, const char *text)
{
    told_note(told, (MobNote){.kind = MOB_NOTE_OUTPUT, .worker = told_n1_w0, .text = text});
    told_event(told, told->now, (MobAddress){2, MOB_LOCAL_NODE});
    return g_ptr_array_index(told->state->logs, told->state->logs->len - 1);
}

Test(state, what_a_process_wrote_by_itself_is_of_the_task_that_it_runs_or_died_in)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    MobTaskSpec *spec = told_spec(told, "1", "loud", told_driver, (MobTaskId){1, 1}, 1);

    told_submitted(told, MOB_MS, spec, NULL);
    cr_assert_null(printed(told, "before")->task);
    told_started(told, MOB_MS, spec, 1, told_n1_w0);
    cr_assert_str_eq(printed(told, "while it runs")->task->name, "T1");
    told_died(told, told_n1_w0, "ended by signal 11");
    cr_assert_str_eq(printed(told, "last words")->task->name, "T1");
    told_born(told, told_n1_w0, "n1/w2", MOB_ROLE_WORKER);
    cr_assert_null(printed(told, "of another worker")->task);
}

/* --- what no honest process would report --- */

Test(state, a_task_of_which_nothing_says_what_it_is_called_is_one_all_the_same)
{
    g_autoptr(Told) told = told_new();
    told_cluster(told);
    g_autoptr(MobTaskSpec) spec = mob_spec_new();

    spec->id = (MobTaskId){5, 5};
    spec->returns = 3;
    told_note(told, (MobNote){.kind = MOB_NOTE_TASK_SUBMITTED, .spec = spec, .attempt = 1});
    told_event(told, MOB_MS, told_driver);
    cr_assert_eq(told->state->tasks->len, 1);
    cr_assert_eq(told->state->objects->len, 0);
}
