/* remote_line.c: the line to the observer; see remote_parts.h. */
#include "net/remote_parts.h"

#include <poll.h>
#include <string.h>

#include "net/host.h"
#include "net/serve.h"

#define ANSWER_TIME (10 * MOB_SECOND)

/* --- names of drivers --- */

/* "driver" is of job 1, "driver8" of job 8; 0: it is no driver. */
static uint32_t
job_of_driver(const char *name)
{
    guint64 number = 1;

    if (name == NULL || !g_str_has_prefix(name, "driver"))
        return 0;
    name += strlen("driver");
    return *name == '\0' || g_ascii_string_to_unsigned(name, 10, 1, UINT32_MAX, &number, NULL)
               ? (uint32_t)number
               : 0;
}

/* (transfer full) */
static char *
driver_name(uint32_t job)
{
    return job == 1 ? g_strdup("driver") : g_strdup_printf("driver%u", job);
}

/* What the scenario calls its drivers, they are not called there (transfer full). */
MobStr *
mob_remote_name_there(const MobRemote *remote, const char *name)
{
    uint32_t job = job_of_driver(name);
    g_autofree char *there = job != 0 ? driver_name(job + remote->jobs_before) : NULL;

    return mob_str_new(there != NULL ? there : name != NULL ? name : "");
}

static void
name_here(const MobRemote *remote, MobProcInfo *born)
{
    uint32_t job = born->role == MOB_ROLE_DRIVER ? job_of_driver(born->name) : 0;

    if (job <= remote->jobs_before)
        return;
    g_free((char *)born->name);
    born->name = driver_name(job - remote->jobs_before);
}

/* --- hearing --- */

static void
on_report(MobRemote *remote, const MobFrame *frame, const uint8_t *body)
{
    MobReport *report = mob_report_decode(body, frame->length, NULL);

    if (report == NULL) {
        remote->stream.garbage = true;
        return;
    }
    if (report->kind == MOB_REPORT_BORN)
        name_here(remote, &report->born);
    MobRemoteNews *news = g_new(MobRemoteNews, 1);
    *news = (MobRemoteNews){report, frame->event, frame->clock != 0};
    g_queue_push_tail(&remote->news, news);
}

static void
on_answer(MobRemote *remote, const MobFrame *frame, const uint8_t *body)
{
    remote->answered = true;
    remote->answer = frame->event;
    remote->answerer = frame->from;
    g_free(remote->why);
    remote->why = g_strndup((const char *)body, frame->length);
}

static void
on_hello(MobRemote *remote, const MobFrame *frame, const uint8_t *body)
{
    g_autoptr(GError) error = NULL;

    if (mob_ask_heard(frame, body, remote->version, &error))
        return;
    remote->lost = true;
    g_free(remote->why);
    remote->why = g_strdup(error->message);
}

static void
on_frame(MobRemote *remote, const MobFrame *frame, const uint8_t *body)
{
    switch (frame->kind) {
    case MOB_FRAME_HELLO:
        on_hello(remote, frame, body);
        break;
    case MOB_FRAME_REPORT:
        on_report(remote, frame, body);
        break;
    case MOB_FRAME_DONE:
    case MOB_FRAME_BITES:
        if (frame->clock != 0) /* the answer to the first question */
            remote->offset = (int64_t)frame->clock - (int64_t)mob_clock_real();
        on_answer(remote, frame, body);
        break;
    case MOB_FRAME_TELL: /* why not */
        g_free(remote->why);
        remote->why = g_strndup((const char *)body, frame->length);
        break;
    case MOB_FRAME_OVER:
        remote->lost = true;
        break;
    default:
        break;
    }
}

/* Says that it is there, and waits until @until in real time for what comes. */
void
mob_remote_hear(MobRemote *remote, uint64_t until)
{
    uint64_t now = mob_clock_real();
    struct pollfd wait = {.fd = remote->stream.fd, .events = POLLIN};
    MobFrame frame = {.kind = MOB_FRAME_REST};
    const uint8_t *body;

    if (now >= remote->beat_at + MOB_REMOTE_BEAT) {
        remote->beat_at = now;
        mob_stream_put(&remote->stream, &frame, NULL, 0);
    }
    mob_stream_flush(&remote->stream);
    if (mob_stream_has_output(&remote->stream))
        wait.events |= POLLOUT;
    until = MIN(until, remote->beat_at + MOB_REMOTE_BEAT);
    poll(&wait, 1, until <= now ? 0 : (int)((until - now) / MOB_MS) + 1);
    mob_stream_read(&remote->stream, SIZE_MAX);
    while (mob_stream_next(&remote->stream, &frame, &body))
        on_frame(remote, &frame, body);
    if (remote->stream.state != MOB_STREAM_OPEN || remote->stream.garbage)
        remote->lost = true;
}

/* Sends, and waits for the answer; false with an error. */
bool
mob_remote_request(MobRemote *remote, const MobFrame *frame, const MobBuf *body, GError **error)
{
    uint64_t until = mob_clock_real() + ANSWER_TIME;

    remote->answered = false;
    g_clear_pointer(&remote->why, g_free);
    mob_stream_put(&remote->stream, frame, body != NULL ? body->data : NULL,
                   body != NULL ? body->length : 0);
    while (!remote->answered && !remote->lost && mob_clock_real() < until)
        mob_remote_hear(remote, until);
    if (remote->answered && remote->answer != 0)
        return true;
    g_set_error_literal(error, MOB_CONTROL_ERROR, 0,
                        remote->why != NULL && remote->why[0] != '\0' ? remote->why
                        : remote->lost                                ? "the cluster has ended"
                                       : "the cluster does not answer");
    return false;
}
