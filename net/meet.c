/* meet.c: see meet.h and meet_parts.h. */
#include <errno.h>
#include <gnutls/crypto.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/clock.h"
#include "net/meet_parts.h"
#include "net/tcp.h"

enum {
    RECORD_HANDSHAKE = 0x16 /* how a connection of TLS begins */
};

/* --- failing --- */

MobMeetState
mob_meet_fail(MobMeet *meet, char *why)
{
    if (meet->why == NULL)
        meet->why = why;
    else
        g_free(why);
    meet->phase = MEET_FAILED;
    return MOB_MEET_FAILED;
}

/* Whoever came with another protocol gets an answer that people can read. */
static MobMeetState
turn_away(MobMeet *meet)
{
    static const char answer[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
        "This is the port of a machine of a Mobula cluster: mobula status looks at it.\n";

    char rest[1024];

    /* What is not read would make the kernel take the answer back. */
    for (int i = 0; i < 4 && recv(meet->stream.fd, rest, sizeof rest, MSG_DONTWAIT) > 0; i++)
        ;
    send(meet->stream.fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(meet->stream.fd, SHUT_WR);
    return FAIL(meet, "it speaks another protocol%s",
                meet->tls != NULL ? " than TLS" : " (TLS perhaps, which is off here)");
}

/* --- going on --- */

MobMeet *
mob_meet_new(int fd, bool server, const MobMeetOptions *options)
{
    MobMeet *meet = g_new0(MobMeet, 1);

    mob_stream_init(&meet->stream, fd);
    meet->server = server;
    meet->phase = server ? MEET_KNOCKING : MEET_CONNECTING;
    meet->tls = options->tls;
    meet->ca = options->ca;
    meet->expected = g_strdup(options->print != NULL ? options->print : "");
    meet->has_token = mob_token_bytes(options->token, meet->token);
    meet->name = g_strdup(options->name);
    meet->to = g_strdup(options->to != NULL ? options->to : "");
    meet->from = options->from;
    meet->purpose = options->purpose;
    if (options->said != NULL)
        mob_buf_add(&meet->say, options->said->data, options->said->length);
    gnutls_rnd(GNUTLS_RND_NONCE, server ? meet->nonce_server : meet->nonce_client, MEET_NONCE);
    return meet;
}

void
mob_meet_free(MobMeet *meet)
{
    if (meet == NULL)
        return;
    mob_stream_clear(&meet->stream);
    mob_buf_clear(&meet->say);
    mob_buf_clear(&meet->said);
    gnutls_memset(meet->token, 0, sizeof meet->token);
    g_free(meet->expected);
    g_free(meet->name);
    g_free(meet->to);
    g_free(meet->why);
    g_free(meet);
}

static MobMeetState
on_connected(MobMeet *meet)
{
    struct pollfd wait = {.fd = meet->stream.fd, .events = POLLOUT};
    int code = mob_tcp_connected(meet->stream.fd);

    if (code == ECONNREFUSED)
        return FAIL(meet, "nobody listens at %s; is it up, and is that its port?", meet->to);
    if (code != 0)
        return FAIL(meet, "%s cannot be reached: %s", meet->to, g_strerror(code));
    if (poll(&wait, 1, 0) == 0)
        return MOB_MEET_MORE;
    if (meet->tls != NULL)
        meet->session = mob_tls_begin(meet->tls, &meet->stream, false);
    meet->phase = meet->tls != NULL ? MEET_SHAKING : MEET_TALKING;
    return MOB_MEET_MORE;
}

/* A session of TLS takes memory, so who is silent, or speaks something else, gets none. */
static MobMeetState
on_knock(MobMeet *meet)
{
    uint8_t first;

    if (meet->tls == NULL) {
        meet->phase = MEET_TALKING;
        mob_meet_greet(meet);
        return MOB_MEET_MORE;
    }
    ssize_t got = recv(meet->stream.fd, &first, 1, MSG_PEEK);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return MOB_MEET_MORE;
    if (got <= 0)
        return FAIL(meet, "it went away without a word");
    if (first != RECORD_HANDSHAKE)
        return turn_away(meet);
    meet->session = mob_tls_begin(meet->tls, &meet->stream, true);
    meet->phase = MEET_SHAKING;
    return MOB_MEET_MORE;
}

/* What a client thinks of the certificate that it was shown, before it says anything. */
static MobMeetState
look_at_certificate(MobMeet *meet)
{
    const char *trouble = meet->ca ? mob_tls_trouble(meet->session) : NULL;

    if (trouble != NULL)
        return FAIL(meet, "the certificate of %s %s", meet->to, trouble);
    if (meet->expected[0] != '\0' && g_ascii_strcasecmp(meet->expected, meet->print) != 0)
        return FAIL(meet,
                    "%s shows another certificate (%.16s…) than it should (%.16s…): take its "
                    "present join line, or somebody sits in between",
                    meet->to, meet->print, meet->expected);
    return MOB_MEET_MORE;
}

static MobMeetState
on_shaking(MobMeet *meet)
{
    switch (mob_tls_handshake(meet->session)) {
    case MOB_TLS_MORE:
        return MOB_MEET_MORE;
    case MOB_TLS_FAILED:
        if (meet->server)
            return FAIL(meet, "TLS failed: %s", mob_tls_why(meet->session));
        return FAIL(meet, "%s does not speak TLS as it should: %s", meet->to,
                    mob_tls_why(meet->session));
    default:
        break;
    }
    mob_tls_print(meet->session, meet->print);
    mob_tls_binding(meet->session, meet->binding);
    meet->phase = MEET_TALKING;
    if (meet->server)
        mob_meet_greet(meet);
    return meet->server ? MOB_MEET_MORE : look_at_certificate(meet);
}

static MobMeetState
on_talk(MobMeet *meet)
{
    MobFrame frame;
    const uint8_t *body;

    mob_stream_read(&meet->stream, MOB_FRAME_STRANGER_MAX);
    if (!mob_stream_next(&meet->stream, &frame, &body)) {
        if (meet->stream.garbage)
            return meet->server ? turn_away(meet)
                                : FAIL(meet, "%s is no machine of a Mobula cluster", meet->to);
        if (meet->stream.state != MOB_STREAM_OPEN)
            return FAIL(meet, "%s went away", meet->server ? "it" : meet->to);
        return MOB_MEET_MORE;
    }
    return mob_meet_heard(meet, &frame, body);
}

static MobMeetState
go_on(MobMeet *meet)
{
    switch (meet->phase) {
    case MEET_CONNECTING:
        return on_connected(meet);
    case MEET_KNOCKING:
        return on_knock(meet);
    case MEET_SHAKING:
        return on_shaking(meet);
    case MEET_TALKING:
        return on_talk(meet);
    case MEET_ASKED:
        return MOB_MEET_ASKED;
    case MEET_LEAVING:
        if (mob_stream_has_output(&meet->stream) && meet->stream.state == MOB_STREAM_OPEN)
            return MOB_MEET_MORE;
        meet->phase = meet->no ? MEET_FAILED : MEET_DONE;
        return meet->no ? MOB_MEET_FAILED : MOB_MEET_DONE;
    case MEET_DONE:
        return MOB_MEET_DONE;
    default:
        return MOB_MEET_FAILED;
    }
}

MobMeetState
mob_meet_step(MobMeet *meet)
{
    MobMeetState state;
    MobMeetPhase before;

    do {
        before = meet->phase;
        state = go_on(meet);
        if (meet->phase != MEET_KNOCKING && meet->phase != MEET_CONNECTING &&
            meet->phase != MEET_SHAKING)
            mob_stream_flush(&meet->stream);
    } while (state == MOB_MEET_MORE && meet->phase != before);
    return state;
}

uint32_t
mob_meet_events(const MobMeet *meet)
{
    bool writes = meet->phase == MEET_CONNECTING || mob_stream_has_output(&meet->stream) ||
                  (meet->session != NULL && mob_tls_wants_to_write(meet->session));

    return writes ? EPOLLOUT : EPOLLIN;
}

void
mob_meet_late(MobMeet *meet)
{
    if (meet->server)
        FAIL(meet, "it did not say who it is within %d s", (int)(MOB_MEET_TIME / MOB_SECOND));
    else if (meet->phase == MEET_CONNECTING)
        FAIL(meet, "%s cannot be reached: no answer within %d s", meet->to,
             (int)(MOB_MEET_TIME / MOB_SECOND));
    else
        FAIL(meet, "%s does not answer%s", meet->to,
             meet->tls == NULL ? "; it may want TLS, which is off here" : "");
}

MobMeetState
mob_meet_now(MobMeet *meet)
{
    uint64_t until = mob_clock_real() + MOB_MEET_TIME;

    for (;;) {
        MobMeetState state = mob_meet_step(meet);
        uint64_t now = mob_clock_real();
        if (state != MOB_MEET_MORE)
            return state;
        if (now >= until) {
            mob_meet_late(meet);
            return MOB_MEET_FAILED;
        }
        struct pollfd wait = {.fd = meet->stream.fd, .events = (short)mob_meet_events(meet)};
        poll(&wait, 1, (int)((until - now) / MOB_MS) + 1);
    }
}

/* --- the outcome --- */

const char *
mob_meet_why(const MobMeet *meet)
{
    return meet->why != NULL ? meet->why : "";
}

size_t
mob_meet_memory(const MobMeet *meet)
{
    return meet->stream.in.capacity;
}

MobMeetPurpose
mob_meet_purpose(const MobMeet *meet)
{
    return meet->purpose;
}

MobAddress
mob_meet_them(const MobMeet *meet)
{
    return meet->them;
}

const MobBuf *
mob_meet_said(const MobMeet *meet)
{
    return &meet->said;
}

const char *
mob_meet_print(const MobMeet *meet)
{
    return meet->print;
}

char *
mob_meet_who(const MobMeet *meet)
{
    return mob_tcp_peer(meet->stream.fd);
}

void
mob_meet_take(MobMeet *meet, MobStream *into)
{
    MobBuf out = into->out;
    size_t out_at = into->out_at;

    mob_buf_clear(&meet->stream.out);
    *into = meet->stream;
    into->out = out;
    into->out_at = out_at;
    into->frame_max = MOB_FRAME_MAX;
    meet->stream = (MobStream){.fd = -1};
}
