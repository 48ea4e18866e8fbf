/* local_sight.c: what the processes of a local cluster tell; see local_parts.h. */
#include "net/local_parts.h"

enum {
    NUMBERS_MAX = 1 << 20,
    DEAD_MAX = 1024, /* processes that ended and are remembered, in a cluster that stays */
};

/* --- what is wanted --- */

static void
send_want(const MobLocal *local, MobSight *sight)
{
    MobFrame want = {.kind = MOB_FRAME_WANT, .clock = local->wanted, .event = local->held};

    mob_stream_put(&sight->stream, &want, NULL, 0);
    mob_stream_flush(&sight->stream);
}

void
mob_local_want(MobLocal *local)
{
    uint64_t wanted = MOB_WANT(JOB_FINISHED); /* which we act on ourselves */
    uint64_t held = 0;

    for (guint i = 0; i < local->watchers->len; i++) {
        const MobWatcher *watcher = g_ptr_array_index(local->watchers, i);
        wanted |= watcher->wanted;
        held |= watcher->acts;
    }
    if (wanted == local->wanted && held == local->held)
        return;
    local->wanted = wanted;
    local->held = held;
    for (guint i = 0; i < local->sights->len; i++) {
        MobSight *sight = g_ptr_array_index(local->sights, i);
        if (!sight->gone)
            send_want(local, sight);
    }
}

void
mob_local_ask_rest(MobLocal *local)
{
    MobFrame ask = {.kind = MOB_FRAME_REST};

    local->asked_at = local->busy_at;
    for (guint i = 0; i < local->sights->len; i++) {
        MobSight *sight = g_ptr_array_index(local->sights, i);
        sight->asked = !sight->gone && !mob_local_is_stopped(local, sight->address);
        if (!sight->asked)
            continue;
        mob_stream_put(&sight->stream, &ask, NULL, 0);
        mob_stream_flush(&sight->stream);
    }
}

/* --- telling --- */

static void
tell_event(MobLocal *local, const MobEvent *event)
{
    local->inside = true;
    for (guint i = 0; i < local->watchers->len; i++) {
        MobWatcher *watcher = g_ptr_array_index(local->watchers, i);
        watcher->event(watcher, event);
    }
    local->inside = false;
}

void
mob_local_tell_world(MobLocal *local, uint64_t tag)
{
    g_autoptr(GArray) notes = local->news;
    MobEvent event = {
        .number = ++local->events,
        .at = mob_clock_now(&local->clock),
        .role = MOB_ROLE_WORLD,
        .notes = (const MobNote *)(const void *)notes->data,
        .note_count = notes->len,
    };

    (void)tag;
    local->news = g_array_new(FALSE, FALSE, sizeof(MobNote));
    tell_event(local, &event);
}

void
mob_local_tell_news(MobLocal *local)
{
    while (local->news->len > 0 && !local->inside)
        mob_local_tell_world(local, 0);
}

void
mob_local_note(MobLocal *local, MobNote note)
{
    g_array_append_val(local->news, note);
}

/* --- births and deaths --- */

/* Machines that are not made here say themselves what they have. */
static MobLocalBox *
box_of(MobLocal *local, const MobProcInfo *born)
{
    MobLocalBox *box = mob_local_box(local, born->node_name);

    if (box == NULL || (box->foreign && born->role == MOB_ROLE_NODE))
        box = mob_local_adopt(local, born);
    return box;
}

static void
on_born(MobSight *sight, const MobReport *report)
{
    MobLocal *local = sight->local;
    MobLocalProc *proc = g_new0(MobLocalProc, 1);

    proc->address = report->born.address;
    proc->name = g_string_chunk_insert_const(local->texts, report->born.name);
    proc->role = report->born.role;
    proc->incarnation = report->born.incarnation;
    proc->box = box_of(local, &report->born);
    proc->pid = proc->box->foreign ? (pid_t)report->born.pid : sight->pid;
    proc->alive = true;
    if (!sight->gone) {
        proc->sight = sight;
        sight->proc = proc;
    }
    g_ptr_array_add(local->procs, proc);
    local->busy_at = mob_clock_now(&local->clock);
    local->inside = true;
    for (guint i = 0; i < local->watchers->len; i++) {
        MobWatcher *watcher = g_ptr_array_index(local->watchers, i);
        if (watcher->born != NULL)
            watcher->born(watcher, &report->born, (MobWhen){local->events, report->at});
    }
    local->inside = false;
    if (proc->role == MOB_ROLE_NODE && proc->box->head && mob_local_proc(local, "gcs") == NULL)
        mob_local_start_gcs(local);
}

static void
job_is_over(MobLocal *local, MobAddress driver, MobValue *result)
{
    for (guint i = 0; i < local->jobs->len; i++) {
        MobLocalJob *job = g_ptr_array_index(local->jobs, i);
        if (job->done || !mob_address_eq(job->driver, driver))
            continue;
        job->done = true;
        job->result = mob_value_ref(result);
    }
}

static void
bury(MobLocal *local, MobLocalProc *proc, MobTime at)
{
    const char *why = proc->killed || proc->why == NULL ? "killed" : proc->why;

    if (!proc->alive)
        return;
    proc->alive = false;
    local->busy_at = mob_clock_now(&local->clock);
    if (proc->role == MOB_ROLE_NODE && proc->box->node == proc->address.node)
        proc->box->alive = false;
    if (proc->role == MOB_ROLE_NODE && !proc->killed && proc->why == NULL) /* from outside */
        mob_local_note(local, (MobNote){.kind = MOB_NOTE_NODE_DIED,
                                        .node = {proc->address.node},
                                        .label = proc->box->name,
                                        .reason = g_string_chunk_insert(local->texts, why)});
    job_is_over(local, proc->address, NULL);
    local->inside = true;
    for (guint i = 0; i < local->watchers->len; i++) {
        MobWatcher *watcher = g_ptr_array_index(local->watchers, i);
        if (watcher->died != NULL)
            watcher->died(watcher, proc->address, why, (MobWhen){local->events, at});
    }
    local->inside = false;
}

/* Who saw a process end says how; that it is over, its own line says, after
 * all that it told. */
static void
on_died(MobLocal *local, const MobReport *report)
{
    MobLocalProc *proc = mob_local_proc_at(local, report->died.process);

    if (proc == NULL)
        job_is_over(local, report->died.process, NULL); /* before it has said a word */
    if (proc == NULL || !proc->alive)
        return;
    g_free(proc->why);
    proc->why = g_strdup(report->died.why);
    if (proc->sight == NULL)
        bury(local, proc, report->at);
}

/* Orders name who lives, and the newest GCS counts its lives. */
static void
forget_procs(MobLocal *local)
{
    guint kept = 0;
    guint dead = 0;

    if (!local->options.stays)
        return;
    for (guint i = 0; i < local->procs->len; i++)
        dead += !((const MobLocalProc *)g_ptr_array_index(local->procs, i))->alive;
    if (dead < DEAD_MAX)
        return;
    g_ptr_array_set_free_func(local->procs, NULL);
    for (guint i = 0; i < local->procs->len; i++) {
        MobLocalProc *proc = g_ptr_array_index(local->procs, i);
        bool keep =
            proc->alive || proc->role != MOB_ROLE_WORKER || mob_local_is_target(local, proc);
        if (keep)
            g_ptr_array_index(local->procs, kept++) = proc;
        else
            mob_local_proc_free(proc);
    }
    g_ptr_array_set_size(local->procs, (int)kept);
    g_ptr_array_set_free_func(local->procs, mob_local_proc_free);
}

/* What user code wrote before it died, and how it died, its daemon says: the
 * worker or driver is over when that has come, or the daemon is gone too. */
static bool
has_a_witness(const MobLocal *local, const MobLocalProc *proc)
{
    const MobLocalProc *daemon = mob_local_proc_at(local, mob_node_address(proc->address.node));

    return mob_birth_runs_programs(proc->role) && !proc->killed && proc->why == NULL &&
           daemon != NULL && daemon->sight != NULL;
}

static void
bury_orphans(MobLocal *local, uint32_t node)
{
    for (guint i = 0; i < local->procs->len; i++) {
        MobLocalProc *proc = g_ptr_array_index(local->procs, i);
        if (proc->alive && proc->sight == NULL && proc->address.node == node)
            bury(local, proc, mob_clock_now(&local->clock));
    }
}

static void
on_line_ended(MobLocal *local, MobSight *sight)
{
    MobLocalProc *proc = sight->proc;

    if (proc != NULL) {
        proc->sight = NULL;
        if (!has_a_witness(local, proc))
            bury(local, proc, mob_clock_now(&local->clock));
        if (proc->role == MOB_ROLE_NODE)
            bury_orphans(local, proc->address.node);
    }
    g_ptr_array_remove(local->sights, sight);
    forget_procs(local);
}

/* --- events --- */

static MobKey
number_key(MobAddress process, uint64_t event)
{
    return (MobKey){mob_address_word(process), event};
}

/* Causes are seldom old: of the numbers that events had where they happened
 * we keep the newest million or two; none where nobody keeps what happened. */
static void
keep_number(MobLocal *local, MobKey key, uint64_t number)
{
    if (local->options.stays)
        return;
    if (mob_table_count(local->numbers) == NUMBERS_MAX) {
        mob_table_free(local->old_numbers);
        local->old_numbers = local->numbers;
        local->numbers = mob_table_new();
    }
    if (mob_table_get(local->numbers, key) == NULL)
        mob_table_add(local->numbers, key, GSIZE_TO_POINTER(number));
}

static uint64_t
number_of(const MobLocal *local, MobAddress process, uint64_t event)
{
    MobKey key = number_key(process, event);
    const void *number = event != 0 ? mob_table_get(local->numbers, key) : NULL;

    if (number == NULL && event != 0)
        number = mob_table_get(local->old_numbers, key);
    return GPOINTER_TO_SIZE(number);
}

static bool
is_background(const MobEvent *event)
{
    const MobInput *input = event->input;

    for (size_t i = 0; i < event->note_count; i++)
        if ((MOB_WANT_DEAR >> event->notes[i].kind & 1) == 0)
            return false;
    return input != NULL && mob_look_is_background(input);
}

static void
look_at_jobs(MobLocal *local, const MobEvent *event)
{
    for (size_t i = 0; i < event->note_count; i++)
        if (event->notes[i].kind == MOB_NOTE_JOB_FINISHED)
            job_is_over(local, event->notes[i].owner, (MobValue *)event->notes[i].value);
}

static void
on_event(MobLocal *local, const MobPending *pending)
{
    MobEvent event = pending->report->event;
    uint64_t number = ++local->events;

    keep_number(local, number_key(event.process, event.number), number);
    event.cause = number_of(local, pending->cause, pending->event);
    event.number = number;
    if (!is_background(&event))
        local->busy_at = mob_clock_now(&local->clock);
    look_at_jobs(local, &event);
    tell_event(local, &event);
}

static void
tell(MobLocal *local, MobPending *pending)
{
    if (pending->report == NULL) {
        on_line_ended(local, pending->sight);
        mob_local_tell_news(local); /* there may be no other report for long */
        return;
    }
    switch (pending->report->kind) {
    case MOB_REPORT_EVENT:
        on_event(local, pending);
        break;
    case MOB_REPORT_BORN:
        on_born(pending->sight, pending->report);
        break;
    default:
        on_died(local, pending->report);
        break;
    }
    mob_local_tell_news(local);
    mob_local_want(local); /* before anything goes on */
    if (pending->held && !pending->sight->gone)
        mob_local_send_go(pending->sight);
    mob_report_free(pending->report);
}

static int
by_clock(const void *a, const void *b)
{
    const MobPending *left = a;
    const MobPending *right = b;

    if (left->clock != right->clock)
        return left->clock < right->clock ? -1 : 1;
    return left->order < right->order ? -1 : left->order > right->order;
}

/* Takes out (transfer full) those that may be told, in order. */
static GArray *
take_told(MobLocal *local)
{
    GArray *pending = local->pending;
    GArray *ready = g_array_new(FALSE, FALSE, sizeof(MobPending));
    uint64_t until = 0;
    guint kept = 0;

    for (guint i = 0; i < pending->len; i++) {
        const MobPending *one = &g_array_index(pending, MobPending, i);
        if (one->pass < local->pass)
            until = MAX(until, one->clock);
    }
    for (guint i = 0; i < pending->len; i++) {
        MobPending one = g_array_index(pending, MobPending, i);
        if (one.clock <= until)
            g_array_append_val(ready, one);
        else
            g_array_index(pending, MobPending, kept++) = one;
    }
    g_array_set_size(pending, kept);
    g_array_sort(ready, by_clock);
    return ready;
}

void
mob_local_read(MobLocal *local, uint64_t until)
{
    local->pass++;
    mob_loop_wait(local->loop, until);
}

bool
mob_local_look(MobLocal *local, uint64_t until)
{
    until = MIN(until, mob_local_look_at_strangers(local));
    local->pass++;
    int count = mob_loop_wait(local->loop, local->pending->len > 0 ? 0 : until);
    g_autoptr(GArray) ready = take_told(local);

    for (guint i = 0; i < ready->len; i++)
        tell(local, &g_array_index(ready, MobPending, i));
    return count > 0 || ready->len > 0;
}
