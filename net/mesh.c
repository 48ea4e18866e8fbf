/* mesh.c: lines to and from other machines; see mesh.h. */
#include "net/mesh.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/tcp.h"
#include "runtime/str.h"

enum {
    /* Connections of people who have not said who they are; the oldest one goes
     * when there are more. */
    STRANGERS_MAX = 128,
    SAID_MAX = 8, /* a second */
};

void
mob_mesh_say(MobMesh *mesh, const char *format, ...)
{
    uint64_t now = mob_clock_real();
    va_list words;

    if (now >= mesh->said_since + MOB_SECOND) {
        if (mesh->said > SAID_MAX)
            g_printerr("mobula: %s: and %u more complaints\n", mob_str(mesh->me->name),
                       mesh->said - SAID_MAX);
        mesh->said_since = now;
        mesh->said = 0;
    }
    if (++mesh->said > SAID_MAX)
        return;
    va_start(words, format);
    g_autofree char *text = g_strdup_vprintf(format, words);
    va_end(words);
    g_printerr("mobula: %s: %s\n", mob_str(mesh->me->name), text);
}

/* --- meeting --- */

/* How this machine meets one that connects. */
static MobMeet *
expect(MobMesh *mesh, int fd)
{
    return mob_meet_new(fd, true,
                        &(MobMeetOptions){.tls = mesh->tls,
                                          .ca = mesh->tls_ca,
                                          .token = mesh->token,
                                          .name = mob_str(mesh->me->name),
                                          .from = mesh->my});
}

MobMeet *
mob_mesh_approach(MobMesh *mesh, const MobSite *site, int fd, MobMeetPurpose purpose)
{
    g_auto(MobBuf) said = {0};
    g_autofree char *to =
        g_strdup_printf("%s (%s, port %u)", mob_str(site->name), mob_str(site->host), site->port);

    mob_record_encode(MOB_RECORD_site, mesh->me, &said);
    return mob_meet_new(fd, false,
                        &(MobMeetOptions){.tls = mesh->tls,
                                          .ca = mesh->tls_ca,
                                          .print = mob_str(site->print),
                                          .token = mesh->token,
                                          .name = mob_str(mesh->me->name),
                                          .to = to,
                                          .from = mesh->my,
                                          .purpose = purpose,
                                          .said = &said});
}

/* A daemon that has met us before shows the certificate that it had then. One
 * that this machine has not heard of yet says where it is. */
static void
decide_link(MobNetHost *host, MobMeet *meet)
{
    MobMesh *mesh = host->mesh;
    MobAddress from = mob_meet_them(meet);
    const MobFar *far = mob_roster_get(&mesh->roster, from.node);

    if (from.local != MOB_LOCAL_NODE || from.node == 0 || from.node == mesh->my.node) {
        mob_meet_refuse(meet, "it says that it is somebody whom it cannot be");
        return;
    }
    if (far != NULL && !g_str_equal(mob_str(far->site->print), mob_meet_print(meet))) {
        mob_meet_refuse(meet, "its certificate is not the one that it joined with");
        return;
    }
    if (far == NULL && !mob_join_make_room(host)) {
        mob_meet_refuse(meet, "there are as many machines as one cluster can have");
        return;
    }
    if (far == NULL) {
        MobSite *site = mob_join_site(meet);
        if (site != NULL && site->node == from.node)
            mob_roster_put(&mesh->roster, site);
        else
            mob_site_free(site);
    }
    mob_meet_accept(meet, NULL);
}

static void
decide(MobNetHost *host, MobMeet *meet)
{
    switch (mob_meet_purpose(meet)) {
    case MOB_MEET_LINK:
        decide_link(host, meet);
        break;
    case MOB_MEET_JOIN:
        mob_join_decide(host, meet);
        break;
    case MOB_MEET_ASK:
        if (host->mesh->answers[0] == '\0')
            mob_meet_refuse(meet, "nobody answers here; ask the head");
        else
            mob_meet_accept(meet, NULL);
        break;
    default:
        if (host->mesh->relayed || mob_str(host->birth->controller)[0] == '\0')
            mob_meet_refuse(meet, "nobody looks on here");
        else
            mob_meet_accept(meet, NULL);
    }
}

/* The other end is to talk to the one who listens at @path of this machine. */
static void
connect_relay(MobNetHost *host, MobMeet *meet, const char *path)
{
    MobStream there;
    MobStream here = {0};
    int fd = mob_line_connect(path);

    if (fd < 0)
        return;
    mob_stream_init(&here, fd);
    there = (MobStream){.fd = -1};
    mob_meet_take(meet, &there);
    mob_relay_start(host->mesh, &here, &there);
}

static void
failed(MobLine *line)
{
    MobMesh *mesh = line->host->mesh;

    if (line->kind == MOB_LINE_IN) {
        g_autofree char *who = mob_meet_who(line->meet);
        mob_mesh_say(mesh, "a connection from %s is refused: %s", who, mob_meet_why(line->meet));
    } else {
        MobFar *far = mob_roster_get(&mesh->roster, line->peer->address.node);
        if (far != NULL)
            mob_far_failed(far);
        if (far == NULL || far->failures == 1)
            mob_mesh_say(mesh, "%s", mob_meet_why(line->meet));
    }
    mob_line_close(line);
}

static void
met(MobLine *line)
{
    MobNetHost *host = line->host;
    MobMeet *meet = g_steal_pointer(&line->meet);
    MobMeetPurpose purpose = mob_meet_purpose(meet);

    if (purpose == MOB_MEET_LINK) {
        mob_meet_take(meet, &line->stream);
        line->interest.events = 0;
        mob_loop_change(host->loop, &line->interest, EPOLLIN | EPOLLRDHUP);
    }
    if (purpose == MOB_MEET_LINK && line->kind == MOB_LINE_IN) {
        mob_peers_adopt(line, mob_meet_them(meet));
        mob_line_drain(line);
    } else if (purpose == MOB_MEET_LINK) {
        MobFar *far = mob_roster_get(&host->mesh->roster, line->peer->address.node);
        if (far != NULL)
            mob_far_reached(far);
        mob_line_touch(line);
    } else {
        mob_line_close(line); /* the socket is the meeting's */
        if (purpose == MOB_MEET_RELAY)
            connect_relay(host, meet, mob_str(host->birth->controller));
        else if (purpose == MOB_MEET_ASK)
            connect_relay(host, meet, host->mesh->answers);
    }
    mob_meet_free(meet);
}

void
mob_mesh_meet(MobLine *line, bool late)
{
    MobNetHost *host = line->host;
    MobMeetState state = mob_meet_step(line->meet);

    if (state == MOB_MEET_ASKED) {
        decide(host, line->meet);
        state = mob_meet_step(line->meet);
    }
    if (state == MOB_MEET_MORE && late) {
        mob_meet_late(line->meet);
        state = MOB_MEET_FAILED;
    }
    if (state != MOB_MEET_MORE && line->kind == MOB_LINE_IN)
        host->mesh->strangers--;
    if (state == MOB_MEET_MORE)
        mob_loop_change(host->loop, &line->interest, mob_meet_events(line->meet));
    else if (state == MOB_MEET_DONE)
        met(line);
    else
        failed(line);
}

/* --- opening --- */

MobLine *
mob_mesh_dial(MobNetHost *host, MobPeer *peer)
{
    MobMesh *mesh = host->mesh;
    MobFar *far = mob_roster_get(&mesh->roster, peer->address.node);

    if (far == NULL || !mob_far_may_try(far))
        return NULL;
    int fd = mob_tcp_connect(mob_str(far->site->host), (uint16_t)far->site->port);
    if (fd < 0) {
        mob_far_failed(far);
        if (far->failures == 1)
            mob_mesh_say(mesh, "%s (%s, port %u) cannot be reached: %s", mob_str(far->site->name),
                         mob_str(far->site->host), far->site->port, g_strerror(errno));
        return NULL;
    }
    MobLine *line = mob_line_new(host, fd, MOB_LINE_OUT, peer);
    line->stream.fd = -1; /* while they meet, it is the meeting's */
    line->meet = mob_mesh_approach(mesh, far->site, fd, MOB_MEET_LINK);
    mob_loop_change(host->loop, &line->interest, EPOLLOUT);
    if (mesh->head)
        mob_join_tell_all(host, line);
    return line;
}

static void
drop_oldest_stranger(MobNetHost *host)
{
    MobLine *oldest = NULL;

    for (guint i = 0; i < host->lines->len; i++) {
        MobLine *line = g_ptr_array_index(host->lines, i);
        if (!line->closed && line->meet != NULL && line->kind == MOB_LINE_IN &&
            (oldest == NULL || line->since < oldest->since))
            oldest = line;
    }
    if (oldest == NULL)
        return;
    host->mesh->strangers--;
    mob_mesh_say(host->mesh,
                 "more than %d connections do not say who they are; the oldest is closed",
                 STRANGERS_MAX);
    mob_line_close(oldest);
}

static void
on_listener(MobInterest *interest, uint32_t events)
{
    MobMesh *mesh = (MobMesh *)interest;
    MobNetHost *host = mesh->host;
    int fd;

    (void)events;
    for (int i = 0; i < STRANGERS_MAX && (fd = mob_tcp_accept(interest->fd)) >= 0; i++) {
        if (mesh->strangers >= STRANGERS_MAX)
            drop_oldest_stranger(host);
        MobLine *line = mob_line_new(host, fd, MOB_LINE_IN, NULL);
        line->stream.fd = -1;
        line->meet = expect(mesh, fd);
        mesh->strangers++;
        mob_mesh_meet(line, false);
    }
}

/* Every other machine has two connections with this one. */
static void
allow_many_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void
mob_mesh_begin(MobNetHost *host)
{
    MobMesh *mesh = host->mesh;

    allow_many_files();
    mesh->host = host;
    mesh->listener.events = EPOLLIN;
    mesh->listener.ready = on_listener;
    mob_loop_add(host->loop, &mesh->listener);
    if (mesh->relayed && !mob_relay_listen(mesh, host))
        mob_nethost_end(host, "its processes could not be made to report");
}

/* The head; also when it was started again and has another number. */
static bool
is_head(const MobMesh *mesh, uint32_t node)
{
    const MobFar *head = mob_roster_get(&mesh->roster, mesh->head_node);
    const MobFar *far = mob_roster_get(&mesh->roster, node);

    return head != NULL && far != NULL &&
           g_str_equal(mob_str(head->site->print), mob_str(far->site->print));
}

void
mob_mesh_roster(MobNetHost *host, const MobFrame *frame, const uint8_t *body)
{
    MobMesh *mesh = host->mesh;
    g_autoptr(MobSite) site = mob_record_decode(MOB_RECORD_site, body, frame->length, NULL);

    if (site == NULL || !is_head(mesh, frame->from.node) || site->node == mesh->my.node ||
        site->port > UINT16_MAX || mob_roster_get(&mesh->roster, site->node) != NULL ||
        !mob_join_make_room(host))
        return;
    mob_roster_put(&mesh->roster, g_steal_pointer(&site));
}

void
mob_mesh_free(MobMesh *mesh)
{
    if (mesh == NULL)
        return;
    for (guint i = mesh->relays->len; i > 0; i--)
        mob_relay_free(g_ptr_array_index(mesh->relays, i - 1));
    g_ptr_array_unref(mesh->relays);
    if (mesh->listener.fd >= 0)
        close(mesh->listener.fd);
    if (mesh->reports.fd >= 0) {
        close(mesh->reports.fd);
        unlink(mesh->reports_path);
    }
    mob_tls_free(mesh->tls);
    mob_site_free(mesh->me);
    mob_roster_clear(&mesh->roster);
    mob_net_journal_free(mesh->journal);
    g_free(mesh->reports_path);
    g_free(mesh->token);
    g_free(mesh->folder);
    g_free(mesh->answers);
    g_free(mesh);
}

bool
mob_mesh_is_head(const MobNetHost *host, uint32_t node)
{
    return host->mesh == NULL || is_head(host->mesh, node);
}

/* --- whoever looks on at the head --- */

bool
mob_mesh_is_relayed(const MobNetHost *host)
{
    return host->mesh != NULL && host->mesh->relayed;
}

MobLine *
mob_mesh_look(MobNetHost *host)
{
    if (!mob_mesh_is_relayed(host))
        return NULL;
    MobMesh *mesh = host->mesh;
    const MobSite *head = mob_roster_get(&mesh->roster, mesh->head_node)->site;
    int fd = mob_tcp_connect(mob_str(head->host), (uint16_t)head->port);
    if (fd < 0)
        return NULL;
    MobMeet *meet = mob_mesh_approach(mesh, head, fd, MOB_MEET_RELAY);
    MobLine *line = NULL;
    if (mob_meet_now(meet) == MOB_MEET_DONE) {
        line = mob_line_new(host, fd, MOB_LINE_CONTROLLER, NULL);
        mob_meet_take(meet, &line->stream);
    } else {
        mob_mesh_say(mesh, "%s", mob_meet_why(meet));
    }
    mob_meet_free(meet);
    return line;
}
