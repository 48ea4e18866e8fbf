/* local_lines.c: the lines of the processes of a local cluster to whoever looks
 * on; see local_parts.h.
 *
 * What comes is put aside here until it is in order. A process says first who
 * it is; until then it may send no more than a stranger and stays no longer than
 * MOB_MEET_TIME. What makes no sense ends its line, and nobody else's.
 */
#include "net/local_parts.h"

#include "net/door.h"
#include "net/meet.h"

/* --- reading --- */

static void
add_pending(MobSight *sight, MobReport *report, const MobFrame *frame)
{
    MobLocal *local = sight->local;
    MobPending pending = {
        .report = report,
        .sight = sight,
        .clock = sight->clock,
        .order = ++local->orders,
        .pass = local->pass,
    };

    if (frame != NULL) {
        pending.cause = frame->to;
        pending.event = frame->event;
    }
    g_array_append_val(local->pending, pending);
}

void
mob_local_send_go(MobSight *sight)
{
    MobFrame go = {.kind = MOB_FRAME_GO};

    mob_stream_put(&sight->stream, &go, NULL, 0);
    mob_stream_flush(&sight->stream);
}

/* It stands still since its last report. */
static void
on_held(MobSight *sight)
{
    GArray *pending = sight->local->pending;

    for (guint i = pending->len; i > 0; i--) {
        MobPending *one = &g_array_index(pending, MobPending, i - 1);
        if (one->sight == sight) {
            one->held = true;
            return;
        }
    }
    mob_local_send_go(sight); /* that was told already */
}

static void
on_bites(MobLocal *local, const MobFrame *frame)
{
    if (frame->clock >= 1 && frame->clock <= local->faults->len)
        ((MobLocalFault *)g_ptr_array_index(local->faults, frame->clock - 1))->bites +=
            frame->event;
}

/* On one line one process tells: it is born once. */
static bool
may_report(const MobSight *sight, const MobReport *report)
{
    return report->kind != MOB_REPORT_BORN || !sight->born;
}

static void
on_report(MobSight *sight, const MobFrame *frame, const uint8_t *body)
{
    g_autoptr(GError) error = NULL;
    MobReport *report = mob_report_decode(body, frame->length, &error);

    if (report == NULL || !may_report(sight, report)) {
        g_printerr("mobula: what process %d reports is refused: %s\n", (int)sight->pid,
                   report == NULL ? error->message : "it is born already");
        sight->stream.garbage = true;
        mob_report_free(report);
        return;
    }
    sight->born |= report->kind == MOB_REPORT_BORN;
    sight->clock = MAX(frame->clock, sight->clock);
    mob_clock_see(&sight->local->clock, frame->clock);
    add_pending(sight, report, frame);
}

static void
on_hello(MobSight *sight, const MobFrame *frame)
{
    if (frame->kind != MOB_FRAME_HELLO || frame->event != mob_schema_hash()) {
        sight->stream.garbage = true;
        return;
    }
    sight->known = true;
    sight->address = frame->from;
    sight->stream.frame_max = MOB_FRAME_MAX;
    mob_local_newborn(sight->local, sight);
}

static void
on_frame(MobSight *sight, const MobFrame *frame, const uint8_t *body)
{
    MobLocal *local = sight->local;

    switch (frame->kind) {
    case MOB_FRAME_REPORT:
        on_report(sight, frame, body);
        break;
    case MOB_FRAME_GO:
        on_held(sight);
        break;
    case MOB_FRAME_DONE:
        sight->acks -= sight->acks > 0;
        break;
    case MOB_FRAME_REST:
        sight->rests = frame->event != 0;
        if (frame->clock != 0)
            sight->asked = false;
        else
            local->busy_at = mob_clock_now(&local->clock);
        break;
    case MOB_FRAME_BITES:
        on_bites(local, frame);
        break;
    case MOB_FRAME_PROBE:
        if (local->probed != NULL)
            local->probed(local->probed_data, frame->event);
        break;
    default:
        break;
    }
}

static void
cut_off(MobSight *sight)
{
    mob_loop_remove(sight->local->loop, &sight->interest);
    mob_stream_clear(&sight->stream);
    sight->gone = true;
    add_pending(sight, NULL, NULL);
}

static void
on_sight(MobInterest *interest, uint32_t events)
{
    MobSight *sight = (MobSight *)interest;
    MobFrame frame;
    const uint8_t *body;

    if (events & EPOLLOUT)
        mob_stream_flush(&sight->stream);
    mob_stream_read(&sight->stream, SIZE_MAX);
    while (mob_stream_next(&sight->stream, &frame, &body)) {
        if (sight->known)
            on_frame(sight, &frame, body);
        else
            on_hello(sight, &frame);
    }
    if (sight->stream.state != MOB_STREAM_OPEN || sight->stream.garbage)
        cut_off(sight);
}

static void
on_listener(MobInterest *interest, uint32_t events)
{
    MobLocal *local = interest->data;
    pid_t pid;
    int fd;

    (void)events;
    while ((fd = mob_door_next(interest->fd, &pid)) >= 0) {
        MobSight *sight = g_new0(MobSight, 1);
        mob_stream_init(&sight->stream, fd);
        sight->local = local;
        sight->pid = pid;
        sight->since = mob_clock_real();
        sight->interest = (MobInterest){.fd = fd, .events = EPOLLIN, .ready = on_sight};
        g_ptr_array_add(local->sights, sight);
        mob_loop_add(local->loop, &sight->interest);
    }
}

bool
mob_local_listen(MobLocal *local, GError **error)
{
    g_autofree char *path = g_build_filename(local->root, "controller", NULL);
    int fd = mob_door_open(path, 1024, error);

    if (fd < 0)
        return false;
    local->listener =
        (MobInterest){.fd = fd, .events = EPOLLIN, .ready = on_listener, .data = local};
    mob_loop_add(local->loop, &local->listener);
    return true;
}

void
mob_local_sight_free(void *data)
{
    MobSight *sight = data;

    if (!sight->gone)
        mob_stream_clear(&sight->stream);
    g_free(sight);
}

/* --- strangers --- */

uint64_t
mob_local_look_at_strangers(MobLocal *local)
{
    uint64_t now = mob_clock_real();
    uint64_t next = MOB_TIME_NEVER;

    for (guint i = local->sights->len; i > 0; i--) {
        MobSight *sight = g_ptr_array_index(local->sights, i - 1);
        if (sight->known || sight->gone)
            continue;
        if (now >= sight->since + MOB_MEET_TIME)
            cut_off(sight);
        else
            next = MIN(next, sight->since + MOB_MEET_TIME);
    }
    return next;
}
