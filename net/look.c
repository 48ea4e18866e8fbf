/* look.c: who looks on, from the side of a process.
 *
 * A process that is looked at tells its controller of its steps, before
 * anything of the step leaves: what has caused something has always been told
 * first. What it tells in a round leaves in one write, and of steps in which
 * nothing was noted it tells only if somebody wants them. At notes that a story waits for *inside*
 * the event it stands still until it is told to go on: if it is killed there, it has taken the
 * step, and none of its effects happen, as in the simulator.
 */
#include "net/inside.h"

#include <poll.h>
#include <unistd.h>

#include "net/rule.h"
#include "runtime/control.h"
#include "runtime/report.h"

struct MobLook {
    MobLine *line;     /* to the controller; NULL: it has gone */
    uint64_t held;     /* bit per MobNoteKind */
    bool waiting;      /* stands still */
    GPtrArray *orders; /* of GBytes: frames that came meanwhile */
    GArray *bites;     /* of uint64_t by fault number - 1: not told yet */
    bool bitten;
    bool rests;      /* as was told last … */
    uint64_t told;   /* … in real time … */
    bool moved;      /* … and there was a step since that is not background */
    MobPlaces shown; /* values in reports */
};

/* Whoever waits for the cluster to be at rest hears this often that it is not. */
#define MOVES_TIME (20 * MOB_MS)

uint64_t
mob_look_held(const MobNetHost *host)
{
    return host->look != NULL ? host->look->held : 0;
}

static MobLine *
line_of(const MobNetHost *host)
{
    return host->look != NULL ? host->look->line : NULL;
}

/* --- telling --- */

static size_t
begin(MobNetHost *host, MobFrameKind kind, uint64_t stamp)
{
    MobFrame frame = {.kind = kind,
                      .from = host->address,
                      .to = host->cause.from,
                      .clock = stamp,
                      .event = host->cause.event};

    mob_line_touch(host->look->line);
    return mob_frame_begin(&host->look->line->stream.out, &frame);
}

static void
tell_born(MobNetHost *host)
{
    uint64_t stamp = mob_clock_stamp(&host->clock);
    MobProcInfo info = {
        .address = host->address,
        .name = mob_str(host->birth->name),
        .node_name = mob_str(host->birth->node_name),
        .role = host->role,
        .incarnation = host->birth->incarnation,
        .pid = (uint32_t)getpid(),
        .cpus = host->birth->total.cpu,
        .store_bytes = host->birth->store_bytes,
    };
    size_t at = begin(host, MOB_FRAME_REPORT, stamp);

    mob_report_born_encode(&info, mob_clock_now(&host->clock), stamp,
                           &host->look->line->stream.out);
    mob_frame_end(&host->look->line->stream.out, at);
}

void
mob_look_died(MobNetHost *host, MobAddress process, const char *why)
{
    if (line_of(host) == NULL)
        return;
    uint64_t stamp = mob_clock_stamp(&host->clock);
    size_t at = begin(host, MOB_FRAME_REPORT, stamp);

    mob_report_died_encode(process, why, mob_clock_now(&host->clock), stamp,
                           &host->look->line->stream.out);
    mob_frame_end(&host->look->line->stream.out, at);
}

static void
note_sent(MobNetHost *host)
{
    for (guint i = 0; i < host->out.effects->len; i++) {
        const MobEffect *effect = &g_array_index(host->out.effects, MobEffect, i);
        if (effect->kind == MOB_EFFECT_SEND)
            mob_note(&host->out, (MobNote){.kind = MOB_NOTE_MESSAGE_SENT,
                                           .from = host->address,
                                           .to = effect->address,
                                           .msg = effect->msg});
    }
}

static bool
is_held(const MobNetHost *host)
{
    uint64_t kinds = 0;

    for (guint i = 0; i < host->out.notes->len; i++)
        kinds |= UINT64_C(1) << g_array_index(host->out.notes, MobNote, i).kind;
    return (kinds & host->look->held) != 0;
}

static void stand_still(MobNetHost *host);

static void
tell_step(MobNetHost *host, const MobInput *input)
{
    uint64_t stamp = mob_clock_stamp(&host->clock);
    MobEvent event = {
        .number = input->event,
        .cause = host->cause.event,
        .at = input->now,
        .process = host->address,
        .role = host->role,
        .input = input,
        .notes = (const MobNote *)(const void *)host->out.notes->data,
        .note_count = host->out.notes->len,
    };
    size_t at = begin(host, MOB_FRAME_REPORT, stamp);

    host->look->line->stream.out.places = &host->look->shown;
    mob_report_event_encode(&event, stamp, &host->look->line->stream.out);
    host->look->line->stream.out.places = NULL;
    mob_frame_end(&host->look->line->stream.out, at);
    if (is_held(host))
        stand_still(host);
}

bool
mob_look_is_background(const MobInput *input)
{
    if (input->kind == MOB_INPUT_TIMER)
        return mob_timer_is_background(input->timer);
    if (input->kind != MOB_INPUT_MESSAGE)
        return false;
    MobMsgType type = input->msg->type;
    return type == MOB_MSG_HEALTH_CHECK || type == MOB_MSG_HEALTH_REPLY ||
           type == MOB_MSG_RESOURCE_VIEW || type == MOB_MSG_REPORT_RESOURCES;
}

void
mob_look_step(MobNetHost *host, const MobInput *input)
{
    if (line_of(host) != NULL) {
        host->look->moved = host->look->moved || !mob_look_is_background(input);
        if (mob_wants(&host->out, MOB_NOTE_MESSAGE_SENT))
            note_sent(host);
        if (host->out.notes->len > 0 || (host->out.wanted & MOB_WANT_STEPS) != 0)
            tell_step(host, input);
    }
    mob_outbox_forget_notes(&host->out);
}

/* --- standing still --- */

/* Waits for the controller alone, for at most so long; false if it is gone. */
static bool
wait_for_controller(MobLine *line, int milliseconds)
{
    struct pollfd wait = {.fd = line->stream.fd,
                          .events = POLLIN | (mob_stream_has_output(&line->stream) ? POLLOUT : 0)};
    MobFrame frame;
    const uint8_t *body;

    mob_stream_flush(&line->stream);
    poll(&wait, 1, milliseconds);
    if (wait.revents & (POLLIN | POLLHUP))
        mob_stream_read(&line->stream, SIZE_MAX);
    while (mob_stream_next(&line->stream, &frame, &body))
        mob_look_frame(line->host, &frame, body);
    return line->stream.state == MOB_STREAM_OPEN;
}

static void
stand_still(MobNetHost *host)
{
    MobLine *line = host->look->line;
    MobFrame frame = {.kind = MOB_FRAME_GO, .from = host->address};

    mob_stream_put(&line->stream, &frame, NULL, 0);
    host->look->waiting = true;
    while (host->look->waiting && wait_for_controller(line, -1))
        ;
    mob_clock_tick(&host->clock);
    host->look->waiting = false;
}

static void
tell_bites(MobNetHost *host)
{
    MobLook *look = host->look;

    look->bitten = false;
    for (guint i = 0; i < look->bites->len; i++) {
        uint64_t *bites = &g_array_index(look->bites, uint64_t, i);
        MobFrame frame = {
            .kind = MOB_FRAME_BITES, .from = host->address, .clock = i + 1, .event = *bites};
        if (*bites > 0)
            mob_stream_put(&look->line->stream, &frame, NULL, 0);
        *bites = 0;
    }
}

static void
say_rest(MobNetHost *host, bool rests, bool asked)
{
    MobFrame frame = {
        .kind = MOB_FRAME_REST, .from = host->address, .clock = asked, .event = rests};

    host->look->rests = rests;
    mob_stream_put(&host->look->line->stream, &frame, NULL, 0);
}

/* Whether it would do nothing any more by itself but what goes on for ever. */
static void
tell_rest(MobNetHost *host)
{
    MobLook *look = host->look;
    MobTime due = MIN(mob_running_due(host), mob_shim_due(host));

    if (look->line == NULL)
        return;
    for (unsigned timer = 0; timer < MOB_TIMER_COUNT; timer++)
        if (!mob_timer_is_background((MobTimer)timer))
            due = MIN(due, host->alarms[timer]);
    bool rests = due == MOB_TIME_NEVER && host->dirty->len == 0 &&
                 (host->daemon == NULL || !mob_daemon_waits(host)) &&
                 (host->disk == NULL || mob_net_disk_pending(host->disk) == 0);
    uint64_t real = mob_clock_read(&host->clock);
    if (rests == look->rests && !(look->moved && real >= look->told + MOVES_TIME))
        return;
    look->told = real;
    look->moved = false;
    say_rest(host, rests, false);
}

/* Asked, it has been told by now of all that it did before; this comes behind. */
static void
on_asked(MobNetHost *host)
{
    host->look->told = 0;
    tell_rest(host);
    say_rest(host, host->look->rests, true);
    mob_line_touch(host->look->line);
}

/* What was to be sent has left, as far as it did. */
void
mob_look_rest(MobNetHost *host)
{
    MobLine *line = line_of(host);

    if (line == NULL)
        return;
    tell_rest(host);
    mob_stream_flush(&line->stream);
    if (mob_stream_has_output(&line->stream))
        mob_line_touch(line);
}

void
mob_look_flush(MobNetHost *host)
{
    MobLook *look = host->look;

    if (look->line == NULL)
        return;
    if (look->bitten)
        tell_bites(host);
    mob_stream_flush(&look->line->stream);
    while (mob_stream_has_output(&look->line->stream) && wait_for_controller(look->line, 100))
        ;
}

void
mob_look_bite(MobNetHost *host, uint32_t number)
{
    GArray *bites = host->look->bites;

    if (number == 0 || number > 1000000)
        return;
    if (bites->len < number)
        g_array_set_size(bites, number);
    g_array_index(bites, uint64_t, number - 1)++;
    host->look->bitten = true;
}

/* --- what the controller says --- */

static void
carry_out(MobNetHost *host, const MobRule *rule)
{
    MobInput input = {.kind = MOB_INPUT_LEAVE};

    switch ((MobVerb)rule->verb) {
    case MOB_VERB_CUT:
    case MOB_VERB_HOLD:
    case MOB_VERB_LINK:
    case MOB_VERB_RPC:
        mob_shim_rule(host, rule);
        break;
    case MOB_VERB_SLOW:
        host->speed_ppm = rule->speed_ppm;
        break;
    case MOB_VERB_DISK:
        if (host->disk != NULL)
            mob_net_disk_fault(host->disk, rule);
        break;
    case MOB_VERB_EVICT:
        input.kind = MOB_INPUT_EVICT;
        input.object = rule->object;
        mob_nethost_step(host, &input, host->address, 0);
        break;
    case MOB_VERB_LEAVE:
        mob_nethost_step(host, &input, host->address, 0);
        break;
    default:
        break;
    }
}

/* A rule is in force at once; a step has to wait for the one that stands still. */
static void
on_order(MobNetHost *host, const uint8_t *body, uint32_t length)
{
    MobRule *rule = mob_record_decode(MOB_RECORD_rule, body, length, NULL);
    bool steps = rule != NULL && (rule->verb == MOB_VERB_EVICT || rule->verb == MOB_VERB_LEAVE);

    if (rule == NULL)
        return;
    if (steps && host->look->waiting)
        g_ptr_array_add(host->look->orders, g_bytes_new(body, length));
    else
        carry_out(host, rule);
    if (host->look->line != NULL) {
        MobFrame done = {.kind = MOB_FRAME_DONE, .from = host->address, .event = rule->number};
        mob_stream_put(&host->look->line->stream, &done, NULL, 0);
        mob_line_touch(host->look->line);
    }
    mob_record_free(MOB_RECORD_rule, rule);
}

static void
on_birth(MobNetHost *host, const uint8_t *body, uint32_t length)
{
    g_autoptr(MobBirth) birth = mob_record_decode(MOB_RECORD_birth, body, length, NULL);

    if (birth == NULL || host->daemon == NULL)
        return;
    birth->home = host->address.node;
    mob_daemon_child(host, birth);
}

void
mob_look_probed(MobNetHost *host, const MobFrame *frame)
{
    MobFrame answer = {
        .kind = MOB_FRAME_PROBE, .from = frame->from, .to = host->address, .event = frame->event};

    if (line_of(host) == NULL)
        return;
    mob_stream_put(&host->look->line->stream, &answer, NULL, 0);
    mob_line_touch(host->look->line);
}

void
mob_look_frame(MobNetHost *host, const MobFrame *frame, const uint8_t *body)
{
    switch (frame->kind) {
    case MOB_FRAME_WANT:
        host->out.wanted = frame->clock;
        host->look->held = frame->event;
        break;
    case MOB_FRAME_GO:
        host->look->waiting = false;
        break;
    case MOB_FRAME_REST:
        on_asked(host);
        break;
    case MOB_FRAME_ORDER:
        on_order(host, body, frame->length);
        break;
    case MOB_FRAME_BIRTH:
        on_birth(host, body, frame->length);
        break;
    case MOB_FRAME_SIGNAL:
        if (host->daemon != NULL)
            mob_daemon_signal(host, frame->to, (int)frame->event);
        break;
    case MOB_FRAME_PROBE:
        mob_peers_probe(host, frame->to, frame->event);
        break;
    default:
        break;
    }
}

bool
mob_look_settle(MobNetHost *host)
{
    MobLook *look = host->look;

    if (look->orders->len == 0)
        return false;
    g_autoptr(GPtrArray) orders = look->orders;
    look->orders = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    for (guint i = 0; i < orders->len; i++) {
        gsize length;
        const uint8_t *body = g_bytes_get_data(g_ptr_array_index(orders, i), &length);
        on_order(host, body, (uint32_t)length);
    }
    return true;
}

void
mob_look_gone(MobNetHost *host)
{
    host->look->line = NULL;
    host->look->waiting = false;
    mob_nethost_end(host, "whoever looked on has gone");
}

/* --- making --- */

void
mob_look_init(MobNetHost *host)
{
    host->look = g_new0(MobLook, 1);
    host->look->held = host->birth->held;
    host->look->orders = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    host->look->bites = g_array_new(FALSE, TRUE, sizeof(uint64_t));
    mob_show_init(&host->look->shown);
    if (mob_str(host->birth->controller)[0] == '\0')
        return;
    int fd = mob_mesh_is_relayed(host) ? -1 : mob_line_connect(mob_str(host->birth->controller));
    if (fd >= 0)
        host->look->line = mob_line_new(host, fd, MOB_LINE_CONTROLLER, NULL);
    else
        host->look->line = mob_mesh_look(host);
    if (host->look->line == NULL) {
        mob_nethost_end(host, "whoever wanted to look on is not there");
        return;
    }
    mob_line_hello(host->look->line);
    tell_born(host);
}

void
mob_look_free(MobNetHost *host)
{
    g_ptr_array_unref(host->look->orders);
    g_array_unref(host->look->bites);
    g_clear_pointer(&host->look, g_free);
}
