/* join.c: see join.h and mesh.h. */
#include "net/join.h"

#include <errno.h>
#include <unistd.h>

#include "net/certs.h"
#include "net/mesh.h"
#include "net/tcp.h"
#include "net/token.h"
#include "runtime/str.h"

enum {
    NAME_MAX_LENGTH = 64
};

static bool
fail(GError **error, const char *why)
{
    g_set_error_literal(error, MOB_NET_ERROR, 0, why);
    return false;
}

/* --- starting --- */

static bool
is_allowed(const MobJoin *join, GError **error)
{
    uint8_t bytes[MOB_TOKEN_BYTES];
    const char *token = mob_str(join->token);
    bool loopback = mob_tcp_is_loopback(mob_str(join->listen));

    if (token[0] != '\0' && !mob_token_bytes(token, bytes))
        return fail(error, "what was given as the token is none: those have 43 letters");
    if (!loopback && token[0] == '\0')
        return fail(error, "outside of this machine nothing starts without a token; mobula token "
                           "makes one");
    if (!loopback && !join->tls)
        return fail(error, "outside of this machine nothing starts without TLS");
    if (join->tls && token[0] == '\0' && !join->ca)
        return fail(error, "TLS without a token lets everybody in; mobula token makes one");
    return true;
}

static bool
open_certs(MobMesh *mesh, const MobJoin *join, const char *name, GError **error)
{
    const char *folder = mob_str(join->certs);

    if (!join->tls)
        return true;
    if (!join->ca && !mob_certs_make_self(folder, *name != '\0' ? name : g_get_host_name(), error))
        return false;
    g_autofree char *print = mob_certs_print(folder, error);
    mesh->tls = print != NULL ? mob_tls_new(folder, join->ca, error) : NULL;
    mesh->me->print = mob_str_new(print != NULL ? print : "");
    return mesh->tls != NULL;
}

/* The next number of a count that no crash and no restart takes back; 0 with an error. */
static uint32_t
allot(MobMesh *mesh, GError **error)
{
    g_autofree char *path = g_build_filename(mesh->folder, "machines.db", NULL);
    uint64_t number;

    if (mesh->journal == NULL)
        mesh->journal = mob_net_journal_open(path, error);
    if (mesh->journal == NULL)
        return 0;
    do
        number = mob_net_journal_count_up(mesh->journal, "node", error);
    while (number != 0 &&
           (number == mesh->my.node || mob_roster_get(&mesh->roster, (uint32_t)number) != NULL));
    return (uint32_t)number;
}

static bool
be_head(MobMesh *mesh, MobBirth *birth, GError **error)
{
    uint32_t node = birth->address.node;

    if (node == 0 && (node = allot(mesh, error)) == 0)
        return false;
    mesh->me->node = node;
    birth->address = mesh->my = mob_node_address(node);
    birth->head = true;
    return true;
}

/* --- joining --- */

static void
fill_text(MobStr **into, MobStr *from)
{
    if (*into != NULL && mob_str(*into)[0] != '\0')
        return;
    mob_str_unref(*into);
    *into = mob_str_ref(from);
}

/* The answer is about half as old as @rtt. */
static void
complete(MobMesh *mesh, MobBirth *birth, const MobBirth *welcome, uint64_t rtt)
{
    mesh->me->node = welcome->address.node;
    fill_text(&mesh->me->name, welcome->node_name);
    fill_text(&birth->node_name, welcome->node_name);
    fill_text(&birth->name, welcome->node_name);
    birth->address = mesh->my = welcome->address;
    birth->head = false;
    fill_text(&birth->config, welcome->config);
    if (birth->gcs.node == 0)
        birth->gcs = welcome->gcs;
    if (birth->epoch == 0) {
        birth->epoch = mob_clock_real() - welcome->epoch - rtt / 2;
        birth->pace = welcome->pace;
        birth->seed = welcome->seed;
        birth->wanted = welcome->wanted;
        birth->held = welcome->held;
    }
    if (!mesh->relayed || mob_str(welcome->controller)[0] == '\0')
        mesh->relayed = false;
    if (!mesh->relayed)
        return;
    mesh->reports_path = g_build_filename(mesh->folder, "controller", NULL);
    mob_str_unref(birth->controller);
    birth->controller = mob_str_new(mesh->reports_path);
}

static MobMeet *
ask(MobMesh *mesh, const MobSite *head, uint64_t *rtt, GError **error)
{
    int fd = mob_tcp_connect(mob_str(head->host), (uint16_t)head->port);

    if (fd < 0) {
        g_set_error(error, MOB_NET_ERROR, 0, "%s, port %u cannot be reached: %s",
                    mob_str(head->host), head->port, g_strerror(errno));
        return NULL;
    }
    MobMeet *meet = mob_mesh_approach(mesh, head, fd, MOB_MEET_JOIN);
    if (mob_meet_now(meet) == MOB_MEET_DONE) {
        *rtt = mob_tcp_round_trip(fd);
        return meet;
    }
    fail(error, mob_meet_why(meet));
    mob_meet_free(meet);
    return NULL;
}

static bool
join_head(MobMesh *mesh, const MobJoin *join, MobBirth *birth, GError **error)
{
    g_autofree char *host = mob_tcp_resolve(mob_str(join->head_host), error);

    if (host == NULL)
        return false;
    if (!mob_tcp_is_loopback(host) && mesh->tls == NULL)
        return fail(error, "a head on another machine is not joined without TLS");
    g_autoptr(MobSite) head = g_new0(MobSite, 1);
    head->refs_held = 1;
    head->name = mob_str_new("the head");
    head->host = mob_str_new(host);
    head->port = join->head_port;
    head->print = mob_str_ref(join->print);
    uint64_t rtt = 0;
    MobMeet *meet = ask(mesh, head, &rtt, error);
    if (meet == NULL)
        return false;
    const MobBuf *said = mob_meet_said(meet);
    g_autoptr(MobBirth) welcome =
        mob_record_decode(MOB_RECORD_birth, said->data, said->length, error);
    if (welcome != NULL) {
        complete(mesh, birth, welcome, rtt);
        mesh->head_node = head->node = mob_meet_them(meet).node;
        mob_str_unref(head->print);
        head->print = mob_str_new(mob_meet_print(meet));
        mob_roster_put(&mesh->roster, g_steal_pointer(&head));
    }
    mob_meet_free(meet);
    return welcome != NULL;
}

/* One port for all machines makes firewalls simple; several machines on one computer
 * cannot all have it. */
static int
listen_at(MobMesh *mesh, const MobJoin *join, GError **error)
{
    const char *host = mob_str(join->listen);
    int fd = mob_tcp_listen(host, (uint16_t)join->port, &mesh->port, error);

    if (fd >= 0 || !join->any_port || errno != EADDRINUSE)
        return fd;
    g_clear_error(error);
    return mob_tcp_listen(host, 0, &mesh->port, error);
}

static bool
start(MobMesh *mesh, const MobJoin *join, MobBirth *birth, GError **error)
{
    if (!is_allowed(join, error) || !open_certs(mesh, join, mob_str(birth->node_name), error))
        return false;
    mesh->listener.fd = listen_at(mesh, join, error);
    mesh->me->port = mesh->port;
    if (mesh->listener.fd < 0)
        return false;
    return join->head ? be_head(mesh, birth, error) : join_head(mesh, join, birth, error);
}

MobMesh *
mob_mesh_new(const MobJoin *join, MobBirth *birth, GError **error)
{
    MobMesh *mesh = g_new0(MobMesh, 1);

    mesh->listener.fd = mesh->reports.fd = -1;
    mesh->head = join->head;
    mesh->relayed = join->relay && !join->head;
    mesh->tls_ca = join->tls && join->ca;
    mesh->token = g_strdup(mob_str(join->token));
    mesh->folder = g_strdup(mob_str(birth->folder));
    mesh->answers = g_strdup(mob_str(join->answers));
    mesh->relays = g_ptr_array_new();
    mesh->me = g_new0(MobSite, 1);
    mesh->me->refs_held = 1;
    mesh->me->node = birth->address.node;
    mesh->me->name = mob_str_ref(birth->node_name);
    mesh->me->host = mob_str_ref(join->host);
    mob_roster_init(&mesh->roster);
    if (start(mesh, join, birth, error))
        return mesh;
    mob_mesh_free(mesh);
    return NULL;
}

const MobSite *
mob_mesh_site(const MobMesh *mesh)
{
    return mesh->me;
}

uint16_t
mob_mesh_port(const MobMesh *mesh)
{
    return mesh->port;
}

const char *
mob_mesh_print(const MobMesh *mesh)
{
    return mob_str(mesh->me->print);
}

void
mob_join_free(MobJoin *join)
{
    if (join != NULL)
        mob_record_free(MOB_RECORD_join, join);
}

/* --- the head lets others join --- */

MobSite *
mob_join_site(const MobMeet *meet)
{
    const MobBuf *said = mob_meet_said(meet);
    MobSite *site = mob_record_decode(MOB_RECORD_site, said->data, said->length, NULL);

    if (site == NULL)
        return NULL;
    if (site->port == 0 || site->port > UINT16_MAX) {
        mob_site_free(site);
        return NULL;
    }
    if (mob_str(site->host)[0] == '\0') {
        g_autofree char *who = mob_meet_who(meet);
        mob_str_unref(site->host);
        site->host = mob_str_new(who);
    }
    mob_str_unref(site->print);
    site->print = mob_str_new(mob_meet_print(meet));
    return site;
}

static bool
is_alive(MobNetHost *host, uint32_t node)
{
    const MobPeer *peer = mob_peers_get(host, mob_node_address(node));

    return peer->in != NULL || (peer->out != NULL && peer->out->meet == NULL);
}

bool
mob_join_make_room(MobNetHost *host)
{
    MobRoster *roster = &host->mesh->roster;

    for (guint i = 0; i < roster->fars->len && roster->fars->len >= MOB_ROSTER_MAX; i++) {
        const MobFar *far = g_ptr_array_index(roster->fars, i);
        if (far->site->node == host->mesh->head_node || is_alive(host, far->site->node))
            continue;
        mob_roster_drop(roster, far->site->node);
        i--;
    }
    return roster->fars->len < MOB_ROSTER_MAX;
}

/* Why @site may not join, or NULL. A machine that was started again shows the
 * certificate that it had. */
static const char *
trouble(MobNetHost *host, const MobSite *site)
{
    const MobMesh *mesh = host->mesh;
    const char *name = mob_str(site->name);
    const MobFar *far = mob_roster_named(&mesh->roster, name);

    if (strlen(name) > NAME_MAX_LENGTH || strpbrk(name, "/ \n") != NULL)
        return "a machine has a name of up to 64 letters, without a slash or a space";
    if (g_str_equal(name, mob_str(mesh->me->name)))
        return "the head has this name; choose another one";
    if (far != NULL && is_alive(host, far->site->node) &&
        (mob_str(site->print)[0] == '\0' ||
         !g_str_equal(mob_str(site->print), mob_str(far->site->print))))
        return "there is a machine with this name already; choose another one";
    if (site->node != 0 &&
        (site->node == mesh->my.node || mob_roster_get(&mesh->roster, site->node) != NULL))
        return "there is a machine with this number already";
    return NULL;
}

/* n1, n2 …: one that nobody has, or that @site had before (transfer full). Of one that
 * has only just joined nothing has been heard yet. */
static MobStr *
free_name(MobNetHost *host, const MobSite *site)
{
    for (uint32_t number = 1;; number++) {
        g_autofree char *name = g_strdup_printf("n%u", number);
        const MobFar *far = mob_roster_named(&host->mesh->roster, name);
        if (far == NULL || (far->reached && !is_alive(host, far->site->node) &&
                            g_str_equal(mob_str(far->site->print), mob_str(site->print))))
            return mob_str_new(name);
    }
}

static void
welcome(MobNetHost *host, MobMeet *meet, const MobSite *site)
{
    g_autoptr(MobBirth) birth = mob_birth_child(host->birth);
    g_auto(MobBuf) buf = {0};

    birth->address = mob_node_address(site->node);
    mob_str_unref(birth->node_name);
    birth->node_name = mob_str_ref(site->name);
    mob_clock_tick(&host->clock); /* the round may have begun long ago */
    birth->epoch = mob_clock_elapsed(&host->clock);
    birth->wanted = host->out.wanted;
    birth->held = mob_look_held(host);
    mob_record_encode(MOB_RECORD_birth, birth, &buf);
    mob_meet_accept(meet, &buf);
}

static void
tell(MobNetHost *host, MobLine *line, const MobSite *site)
{
    MobFrame frame = {.kind = MOB_FRAME_ROSTER, .from = host->address, .to = line->peer->address};

    size_t begin = mob_frame_begin(&line->stream.out, &frame);
    mob_record_encode(MOB_RECORD_site, site, &line->stream.out);
    mob_frame_end(&line->stream.out, begin);
    mob_line_touch(line);
}

void
mob_join_tell_all(MobNetHost *host, MobLine *line)
{
    const MobRoster *roster = &host->mesh->roster;

    for (guint i = 0; i < roster->fars->len; i++)
        tell(host, line, ((const MobFar *)g_ptr_array_index(roster->fars, i))->site);
}

/* Lines that will be opened later begin with the whole roster. */
static void
tell_others(MobNetHost *host, const MobSite *site)
{
    const MobRoster *roster = &host->mesh->roster;

    for (guint i = 0; i < roster->fars->len; i++) {
        const MobFar *far = g_ptr_array_index(roster->fars, i);
        const MobPeer *peer = mob_peers_get(host, mob_node_address(far->site->node));
        if (far->site != site && peer->out != NULL)
            tell(host, peer->out, site);
    }
}

void
mob_join_decide(MobNetHost *host, MobMeet *meet)
{
    MobMesh *mesh = host->mesh;
    g_autoptr(GError) error = NULL;
    g_autoptr(MobSite) site = mob_join_site(meet);

    if (!mesh->head || site == NULL) {
        mob_meet_refuse(meet, mesh->head ? "it does not say where it listens"
                                         : "this machine is not the head; join that one");
        return;
    }
    if (mob_str(site->name)[0] == '\0') {
        mob_str_unref(site->name);
        site->name = free_name(host, site);
    }
    const char *why = trouble(host, site);
    if (why == NULL && !mob_join_make_room(host))
        why = "there are as many machines as one cluster can have";
    if (why == NULL && site->node == 0 && (site->node = allot(mesh, &error)) == 0)
        why = error->message;
    if (why != NULL) {
        mob_meet_refuse(meet, why);
        return;
    }
    const MobFar *before = mob_roster_named(&mesh->roster, mob_str(site->name));
    if (before != NULL)
        mob_roster_drop(&mesh->roster, before->site->node);
    MobFar *far = mob_roster_put(&mesh->roster, g_steal_pointer(&site));
    tell_others(host, far->site);
    welcome(host, meet, far->site);
    mob_peers_line(host, mob_peers_get(host, mob_node_address(far->site->node)));
}
