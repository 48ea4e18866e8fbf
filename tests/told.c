/* told.c: events and notes made by hand, for tests of those who look on. */
#include "tests/told.h"

const MobAddress told_driver = {1, 2};
const MobAddress told_gcs = {1, 1};
const MobAddress told_n1_w0 = {2, 2};
const MobAddress told_n2_w0 = {3, 2};

static void
release(gpointer args)
{
    mob_args_unref(args);
}

static void
release_spec(gpointer spec)
{
    mob_spec_unref(spec);
}

Told *
told_new(void)
{
    Told *told = g_new0(Told, 1);

    told->state = mob_state_new();
    told->trace = mob_trace_new(told->state, 0);
    told->notes = g_array_new(FALSE, FALSE, sizeof(MobNote));
    told->owned = g_ptr_array_new_with_free_func(release);
    told->specs = g_ptr_array_new_with_free_func(release_spec);
    return told;
}

void
told_free(Told *told)
{
    if (told == NULL)
        return;
    g_ptr_array_unref(told->owned);
    g_ptr_array_unref(told->specs);
    g_array_unref(told->notes);
    mob_trace_free(told->trace);
    mob_state_free(told->state);
    g_free(told);
}

void
told_born(Told *told, MobAddress address, const char *name, MobRole role)
{
    g_auto(GStrv) words = g_strsplit(name, "/", 2);
    const char *node = address.node == 1 ? "head" : words[0];
    MobProcInfo info = {address, name, node, role, 1};

    told->state->watcher.born(&told->state->watcher, &info, (MobWhen){told->number, told->now});
    if (told->other != NULL)
        told->other->born(told->other, &info, (MobWhen){told->number, told->now});
}

void
told_died(Told *told, MobAddress address, const char *why)
{
    told->state->watcher.died(&told->state->watcher, address, why,
                              (MobWhen){told->number, told->now});
    if (told->other != NULL)
        told->other->died(told->other, address, why, (MobWhen){told->number, told->now});
}

void
told_note(Told *told, MobNote note)
{
    g_array_append_val(told->notes, note);
}

static void
tell(Told *told, MobEvent *event)
{
    told->now = event->at;
    MobWatcher *watchers[] = {&told->state->watcher, &told->trace->watcher, told->other};

    event->number = ++told->number;
    event->notes = (const MobNote *)told->notes->data;
    event->note_count = told->notes->len;
    for (size_t i = 0; i < G_N_ELEMENTS(watchers); i++)
        if (watchers[i] != NULL)
            watchers[i]->event(watchers[i], event);
    g_array_set_size(told->notes, 0);
    g_ptr_array_set_size(told->owned, 0);
}

void
told_event(Told *told, MobTime at, MobAddress process)
{
    MobInput input = {.kind = MOB_INPUT_TIMER, .now = at, .timer = MOB_TIMER_RETRY};
    MobEvent event = {.cause = told->cause, .at = at, .process = process, .input = &input};

    tell(told, &event);
}

void
told_message(Told *told, MobTime at, MobAddress from, MobAddress to, const MobMsg *msg,
             uint64_t cause)
{
    MobInput input = {.kind = MOB_INPUT_MESSAGE, .now = at, .from = from, .msg = msg};
    MobEvent event = {.cause = cause, .at = at, .process = to, .input = &input};

    told_note(told,
              (MobNote){.kind = MOB_NOTE_MESSAGE_DELIVERED, .from = from, .to = to, .msg = msg});
    tell(told, &event);
}

MobTaskSpec *
told_spec(Told *told, const char *path, const char *label, MobAddress owner, MobTaskId parent,
          uint32_t parent_attempt)
{
    MobTaskSpec *spec = mob_spec_new();
    const char *last = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;

    spec->id = mob_task_child(mob_task_execution(parent, parent_attempt),
                              g_ascii_strtoull(last, NULL, 10));
    spec->path = mob_str_new(path);
    spec->function = mob_str_new(label);
    spec->label = mob_str_new(label);
    spec->owner = owner;
    spec->parent_attempt = parent_attempt;
    spec->returns = 1;
    g_ptr_array_add(told->specs, spec);
    return spec;
}

MobArgs *
told_args(Told *told, MobTaskSpec **tasks, uint32_t count)
{
    MobArgs *args = mob_args_new(count);

    for (uint32_t i = 0; i < count; i++)
        args->items[i].ref = (MobRef){mob_object_return(tasks[i]->id, 1), tasks[i]->owner,
                                      mob_str_ref(tasks[i]->path)};
    g_ptr_array_add(told->owned, args);
    return args;
}

void
told_submitted(Told *told, MobTime at, MobTaskSpec *spec, MobArgs *args)
{
    told_note(told, (MobNote){.kind = MOB_NOTE_TASK_SUBMITTED,
                              .spec = spec,
                              .attempt = 1,
                              .owner = spec->owner,
                              .args = args});
    for (uint32_t i = 0; args != NULL && i < args->count; i++)
        told_note(told, (MobNote){.kind = MOB_NOTE_REF_ADDED,
                                  .object = args->items[i].ref.id,
                                  .path = args->items[i].ref.path,
                                  .owner = args->items[i].ref.owner,
                                  .to = spec->owner,
                                  .reason = "argument"});
    told_event(told, at, spec->owner);
}

void
told_started(Told *told, MobTime at, MobTaskSpec *spec, uint32_t attempt, MobAddress worker)
{
    MobNote note = {.kind = MOB_NOTE_TASK_LEASED,
                    .spec = spec,
                    .attempt = attempt,
                    .owner = spec->owner,
                    .worker = worker};

    told_note(told, note);
    told_event(told, at, spec->owner);
    note.kind = MOB_NOTE_TASK_RUNNING;
    told_note(told, note);
    told_event(told, at + 100 * MOB_US, worker);
}

void
told_finished(Told *told, MobTime at, MobTaskSpec *spec, uint32_t attempt, MobAddress worker,
              uint32_t node, uint64_t bytes)
{
    const MobStateObject *object =
        mob_state_object_by_id(told->state, mob_object_return(spec->id, 1));
    bool lost = object->state == MOB_OBJECT_LOST;

    told_note(told, (MobNote){.kind = MOB_NOTE_TASK_FINISHED,
                              .spec = spec,
                              .attempt = attempt,
                              .owner = spec->owner,
                              .worker = worker});
    told_note(told, (MobNote){.kind = lost ? MOB_NOTE_OBJECT_RECOVERED : MOB_NOTE_OBJECT_CREATED,
                              .object = mob_object_return(spec->id, 1),
                              .path = spec->path,
                              .owner = spec->owner,
                              .node = {node},
                              .bytes = bytes});
    told_event(told, at, spec->owner);
}

void
told_retried(Told *told, MobTime at, MobTaskSpec *spec, uint32_t attempt)
{
    MobObjectId object = mob_object_return(spec->id, 1);

    if (mob_state_object_by_id(told->state, object)->state == MOB_OBJECT_LOST)
        told_note(told, (MobNote){.kind = MOB_NOTE_DECIDE,
                                  .reason = "resubmit",
                                  .spec = spec,
                                  .object = object});
    told_note(told, (MobNote){.kind = MOB_NOTE_TASK_RETRIED,
                              .spec = spec,
                              .attempt = attempt,
                              .owner = spec->owner,
                              .reason = "its result is lost"});
    told_event(told, at, spec->owner);
}

void
told_cluster(Told *told)
{
    static const char *const names[] = {"head", "n1", "n2"};

    for (uint32_t node = 1; node <= 3; node++) {
        told_born(told, (MobAddress){node, MOB_LOCAL_NODE}, names[node - 1], MOB_ROLE_NODE);
        told_note(
            told,
            (MobNote){.kind = MOB_NOTE_NODE_JOINED, .node = {node}, .label = names[node - 1]});
    }
    told_born(told, told_gcs, "gcs", MOB_ROLE_GCS);
    told_born(told, told_driver, "driver", MOB_ROLE_DRIVER);
    told_born(told, told_n1_w0, "n1/w0", MOB_ROLE_WORKER);
    told_born(told, (MobAddress){2, 3}, "n1/w1", MOB_ROLE_WORKER);
    told_born(told, told_n2_w0, "n2/w0", MOB_ROLE_WORKER);
    told_born(told, (MobAddress){3, 3}, "n2/w1", MOB_ROLE_WORKER);
    told_event(told, 100 * MOB_US, told_gcs);
    told_note(told, (MobNote){.kind = MOB_NOTE_JOB_STARTED,
                              .owner = told_driver,
                              .label = "kill-task-2",
                              .bytes = 1});
    told_event(told, 200 * MOB_US, told_gcs);
}

static void
kill_n1(Told *told, MobTime at)
{
    told_note(
        told,
        (MobNote){
            .kind = MOB_NOTE_FAULT, .reason = "kill", .text = "kill n1", .bytes = 1, .line = 14});
    told_event(told, at, (MobAddress){0, 0});
    told_note(
        told,
        (MobNote){.kind = MOB_NOTE_NODE_DIED, .node = {2}, .label = "n1", .reason = "killed"});
    told_event(told, at, (MobAddress){0, 0});
    told_died(told, (MobAddress){2, MOB_LOCAL_NODE}, "killed");
    told_died(told, told_n1_w0, "killed");
    told_died(told, (MobAddress){2, 3}, "killed");
}

void
told_cut(Told *told, MobTime from, MobTime to)
{
    MobNote note = {
        .kind = MOB_NOTE_FAULT, .reason = "cut", .text = "cut n1 n2", .bytes = 1, .line = 9};

    told_note(told, note);
    told_event(told, from, (MobAddress){0, 0});
    note.text = "heal cut n1 n2";
    told_note(told, note);
    told_event(told, to, (MobAddress){0, 0});
}

static void
owner_hears(Told *told, MobTime at, MobTaskSpec *lost, MobTaskSpec *crashed)
{
    MobObjectId object = mob_object_return(lost->id, 1);

    told_note(told, (MobNote){.kind = MOB_NOTE_NODE_DECLARED_DEAD,
                              .node = {2},
                              .label = "n1",
                              .reason = "2 heartbeats missed"});
    told_event(told, at, told_gcs);
    told_note(told, (MobNote){.kind = MOB_NOTE_OBJECT_COPY_LOST,
                              .object = object,
                              .path = lost->path,
                              .owner = lost->owner,
                              .node = {2},
                              .reason = "its node died"});
    told_note(told, (MobNote){.kind = MOB_NOTE_OBJECT_LOST,
                              .object = object,
                              .path = lost->path,
                              .owner = lost->owner});
    MobValue *fault =
        mob_fault_value(&(MobFault){.kind = MOB_FAULT_NODE_DIED, .message = "n1 died"});
    told_note(told, (MobNote){.kind = MOB_NOTE_TASK_FAILED,
                              .spec = crashed,
                              .attempt = 1,
                              .owner = crashed->owner,
                              .worker = told_n1_w0,
                              .value = fault,
                              .reason = "its node died"});
    told_event(told, at + 100 * MOB_US, told_driver);
    mob_value_unref(fault);
}

Told *
told_kill_task_2(void)
{
    static const char *const labels[] = {"load", "parse", "rates", "total"};
    const MobTime us = MOB_US;
    Told *told = told_new();
    MobTaskSpec *t[5] = {NULL};

    told_cluster(told);
    for (int i = 1; i <= 4; i++) {
        char path[] = {(char)('0' + i), '\0'};
        t[i] = told_spec(told, path, labels[i - 1], told_driver, (MobTaskId){1, 1}, 1);
    }
    told_submitted(told, 300 * us, t[1], NULL);
    told_submitted(told, 300 * us, t[2], told_args(told, &t[1], 1));
    told_submitted(told, 300 * us, t[3], NULL);
    told_submitted(told, 300 * us, t[4], told_args(told, &t[2], 2));
    told_started(told, 400 * us, t[1], 1, told_n1_w0);
    told_started(told, 400 * us, t[3], 1, told_n2_w0);
    told_finished(told, 4100 * us, t[1], 1, told_n1_w0, 2, 8 << 20);
    told_started(told, 4300 * us, t[2], 1, told_n1_w0);
    told_finished(told, 6200 * us, t[3], 1, told_n2_w0, 3, 2 << 20);
    kill_n1(told, 8300 * us);
    owner_hears(told, 28300 * us, t[1], t[2]);
    told_retried(told, 28600 * us, t[2], 2);
    told_retried(told, 28600 * us, t[1], 2);
    told_started(told, 28700 * us, t[1], 2, told_n2_w0);
    told_finished(told, 32700 * us, t[1], 2, told_n2_w0, 3, 8 << 20);
    told_started(told, 32800 * us, t[2], 2, told_n2_w0);
    told_finished(told, 36900 * us, t[2], 2, told_n2_w0, 3, 4 << 20);
    told_started(told, 37000 * us, t[4], 1, told_n2_w0);
    told_finished(told, 41200 * us, t[4], 1, told_n2_w0, 0, 9);
    told_note(told, (MobNote){.kind = MOB_NOTE_JOB_FINISHED, .owner = told_driver});
    for (int i = 1; i <= 4; i++) {
        MobObjectId object = mob_object_return(t[i]->id, 1);
        told_note(told, (MobNote){.kind = MOB_NOTE_OBJECT_FREED,
                                  .object = object,
                                  .path = t[i]->path,
                                  .owner = told_driver});
        if (i < 4)
            told_note(told,
                      (MobNote){.kind = MOB_NOTE_OBJECT_DELETED, .object = object, .node = {3}});
    }
    told_event(told, 41900 * us, told_driver);
    return told;
}

Told *
told_map_reduce(uint32_t rounds)
{
    Told *told = told_new();
    MobTime now = 300 * MOB_US;
    MobTaskSpec *before = NULL;

    told_cluster(told);
    for (uint32_t round = 0; round < rounds; round++) {
        MobTaskSpec *maps[8];
        g_autofree char *last = g_strdup_printf("%u", round * 9 + 9);
        for (uint32_t i = 0; i < 8; i++) {
            g_autofree char *path = g_strdup_printf("%u", round * 9 + i + 1);
            maps[i] = told_spec(told, path, "map", told_driver, (MobTaskId){1, 1}, 1);
            told_submitted(told, now, maps[i], before != NULL ? told_args(told, &before, 1) : NULL);
            told_started(told, now, maps[i], 1, told_n1_w0);
            told_finished(told, now + MOB_MS, maps[i], 1, told_n1_w0, 2, 1 << 20);
        }
        MobTaskSpec *merge = told_spec(told, last, "merge", told_driver, (MobTaskId){1, 1}, 1);
        told_submitted(told, now, merge, told_args(told, maps, 8));
        told_started(told, now, merge, 1, told_n2_w0);
        now += 2 * MOB_MS;
        if (round == 2)
            for (uint32_t i = 0; i < 4; i++) {
                told_retried(told, now, maps[i], 2);
                told_started(told, now, maps[i], 2, told_n2_w0);
                told_finished(told, now, maps[i], 2, told_n2_w0, 3, 1 << 20);
            }
        told_finished(told, now, merge, 1, told_n2_w0, 3, 4 << 20);
        before = merge;
    }
    return told;
}

static void
put(Told *told, MobTime at, const char *path, uint64_t bytes)
{
    g_autoptr(MobStr) name = mob_str_new(path);

    told_note(told, (MobNote){.kind = MOB_NOTE_OBJECT_CREATED,
                              .object = mob_object_put((MobTaskId){1, 2}, 1),
                              .path = name,
                              .owner = told_driver,
                              .node = {1},
                              .bytes = bytes});
    told_event(told, at, told_driver);
}

/* Arguments of one element: a list with a reference to what @task returns. */
static MobArgs *
mentioning(Told *told, const MobTaskSpec *task)
{
    MobArgs *args = mob_args_new(1);
    MobRef *ref = g_new(MobRef, 1);

    *ref = (MobRef){mob_object_return(task->id, 1), task->owner, mob_str_ref(task->path)};
    args->items[0].value = mob_value_new((const uint8_t *)"\x80", 1, 1, ref, 1, 0);
    g_ptr_array_add(told->owned, args);
    return args;
}

Told *
told_family(void)
{
    Told *told = told_new();
    MobTaskId root = {1, 1};
    const MobAddress n1_w1 = {2, 3};

    told_cluster(told);
    MobTaskSpec *four = told_spec(told, "1", "four", told_driver, root, 1);
    MobTaskSpec *three = told_spec(told, "1/1", "three", told_n1_w0, four->id, 1);
    MobTaskSpec *two = told_spec(told, "1/1/1", "two", told_n2_w0, three->id, 1);
    MobTaskSpec *bad = told_spec(told, "2", "count <lines> & words", told_driver, root, 1);
    MobTaskSpec *list = told_spec(told, "3", "list", told_driver, root, 1);

    put(told, MOB_MS, "1", 3 << 20);
    told_submitted(told, MOB_MS, four, NULL);
    told_started(told, MOB_MS, four, 1, told_n1_w0);
    told_submitted(told, 2 * MOB_MS, three, NULL);
    told_started(told, 2 * MOB_MS, three, 1, told_n2_w0);
    told_submitted(told, 3 * MOB_MS, two, NULL);
    told_started(told, 3 * MOB_MS, two, 1, n1_w1);
    told_finished(told, 4 * MOB_MS, two, 1, n1_w1, 0, 12);

    MobArgs *args = mob_args_new(1);
    args->items[0].ref =
        (MobRef){mob_object_put((MobTaskId){1, 2}, 1), told_driver, mob_str_new("1")};
    g_ptr_array_add(told->owned, args);
    told_submitted(told, 5 * MOB_MS, bad, args);
    told_started(told, 5 * MOB_MS, bad, 1, (MobAddress){3, 3});
    told_submitted(told, 5 * MOB_MS, list, mentioning(told, four));

    MobValue *fault = mob_fault_value(&(MobFault){.kind = MOB_FAULT_TASK, .message = "no lines"});
    told_note(told, (MobNote){.kind = MOB_NOTE_TASK_FAILED,
                              .spec = bad,
                              .attempt = 1,
                              .owner = told_driver,
                              .value = fault,
                              .final = true});
    told_note(told, (MobNote){.kind = MOB_NOTE_OBJECT_FAILED,
                              .object = mob_object_return(bad->id, 1),
                              .path = bad->path,
                              .owner = told_driver,
                              .value = fault});
    told_event(told, 6 * MOB_MS, told_driver);
    mob_value_unref(fault);
    return told;
}

static void
grow_tree(Told *told, MobTaskId parent, const char *path, guint *left)
{
    for (guint i = 1; i <= 3 && *left > 0; i++) {
        g_autofree char *child = g_strdup_printf("%s/%u", path, i);
        MobTaskSpec *spec = told_spec(told, child, "fib", told_n1_w0, parent, 1);
        (*left)--;
        told_submitted(told, MOB_MS, spec, NULL);
        told_started(told, MOB_MS, spec, 1, told_n2_w0);
        told_finished(told, 2 * MOB_MS, spec, 1, told_n2_w0, 0, 8);
        if (strlen(child) < 11)
            grow_tree(told, spec->id, child, left);
    }
}

Told *
told_recursion(void)
{
    Told *told = told_new();
    guint left = 399;

    told_cluster(told);
    MobTaskSpec *root = told_spec(told, "1", "fib", told_driver, (MobTaskId){1, 1}, 1);
    told_submitted(told, MOB_MS, root, NULL);
    grow_tree(told, root->id, "1", &left);
    return told;
}
