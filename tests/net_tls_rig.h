/* net_tls_rig.h: a head of a cluster in a process of its own, and machines that
 * want to join it.
 */
#pragma once

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/certs.h"
#include "net/mesh.h"
#include "net/tcp.h"
#include "net/token.h"
#include "net/zygote.h"
#include "runtime/control.h"
#include "runtime/str.h"

typedef struct {
    char *folder;
    char *token; /* "": none */
    bool tls;
    bool ca;
    char *ca_folder;
    pid_t head;
    uint16_t port;
    char *print;
    const char *controller; /* a socket at which somebody looks on; NULL: nobody does */
} Rig;

static inline int
be_child(const MobBirth *birth)
{
    MobNetHost *host = mob_nethost_new(&(MobNetHostOptions){.birth = birth, .zygote = -1}, NULL);

    if (host != NULL)
        mob_nethost_run(host);
    return host == NULL;
}

static inline MobBirth *
birth_of(const Rig *rig, const char *name)
{
    MobBirth *birth = g_new0(MobBirth, 1);
    g_autofree char *folder = g_build_filename(rig->folder, name, NULL);
    g_autofree char *logs = g_build_filename(folder, "logs", NULL);

    g_mkdir_with_parents(logs, 0700);
    birth->refs_held = 1;
    birth->role = MOB_ROLE_NODE;
    birth->name = mob_str_new(name);
    birth->node_name = mob_str_new(name);
    birth->folder = mob_str_new(folder);
    birth->controller = mob_str_new(rig->controller != NULL ? rig->controller : "");
    birth->wanted = MOB_WANT_STEPS; /* who looks on counts them */
    birth->total.cpu = MOB_UNIT;
    birth->cores = 1;
    return birth;
}

static inline MobJoin *
join_of(const Rig *rig, const char *name)
{
    MobJoin *join = g_new0(MobJoin, 1);
    g_autofree char *certs = g_build_filename(rig->folder, name, "certs", NULL);

    join->refs_held = 1;
    join->listen = mob_str_new("127.0.0.1");
    join->host = mob_str_new("");
    join->head_host = mob_str_new("127.0.0.1");
    join->head_port = rig->port;
    join->print = mob_str_new(rig->print != NULL && !rig->ca ? rig->print : "");
    join->token = mob_str_new(rig->token);
    join->tls = rig->tls;
    join->ca = rig->ca;
    join->certs = mob_str_new(certs);
    if (rig->ca)
        cr_assert(mob_certs_issue(rig->ca_folder, name, certs, NULL));
    return join;
}

/* Becomes a machine, and says on @tell at which port, with which certificate. */
static inline int
be_machine(const Rig *rig, MobBirth *birth, const MobJoin *join, int tell)
{
    g_autoptr(GError) error = NULL;
    int zygote = mob_zygote_start(be_child);
    MobMesh *mesh = mob_mesh_new(join, birth, &error);
    g_autofree char *log = g_strdup_printf("%s/%s.log", rig->folder, mob_str(birth->node_name));
    g_autofree char *text =
        mesh != NULL ? g_strdup_printf("%u %s", mob_mesh_port(mesh), mob_mesh_print(mesh))
                     : g_strdup_printf("0 %s", error->message);

    dup2(open(log, O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO);
    if (write(tell, text, strlen(text)) < 0 || mesh == NULL)
        return 1;
    close(tell);
    MobNetHost *host = mob_nethost_new(
        &(MobNetHostOptions){.birth = birth, .zygote = zygote, .mesh = mesh}, &error);
    if (host != NULL)
        mob_nethost_run(host);
    return host == NULL;
}

static inline int
be_head(const Rig *rig, int tell)
{
    MobConfig config;
    MobBirth *birth = birth_of(rig, "head");
    MobJoin *join = join_of(rig, "head");

    mob_config_init(&config, MOB_PROFILE_IDEAL);
    birth->gcs = (MobAddress){1, MOB_LOCAL_GCS};
    birth->epoch = mob_clock_real();
    birth->pace = 10;
    birth->config = mob_birth_config(&config);
    join->head = true;
    join->port = rig->port; /* when it is started again */
    return be_machine(rig, birth, join, tell);
}

static inline void
rig_start(Rig *rig)
{
    int ends[2];
    char text[200] = "";
    pid_t parent = getpid();

    cr_assert_eq(pipe(ends), 0);
    rig->head = fork();
    cr_assert_geq(rig->head, 0);
    if (rig->head == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(getppid() == parent ? be_head(rig, ends[1]) : 2);
    }
    close(ends[1]);
    cr_assert_gt(read(ends[0], text, sizeof text - 1), 0);
    close(ends[0]);
    rig->port = (uint16_t)g_ascii_strtoull(text, NULL, 10);
    cr_assert_neq(rig->port, 0, "%s", text);
    g_free(rig->print);
    rig->print = g_strdup(strchr(text, ' ') + 1);
}

static inline void
rig_stop(const Rig *rig)
{
    kill(rig->head, SIGKILL);
    waitpid(rig->head, NULL, 0);
}

static inline Rig
rig_new(bool tls, bool token, bool ca)
{
    Rig rig = {.folder = g_dir_make_tmp("mobula-tls-XXXXXX", NULL), .tls = tls, .ca = ca};

    rig.token = token ? mob_token_new() : g_strdup("");
    rig.ca_folder = g_build_filename(rig.folder, "ca", NULL);
    if (ca)
        cr_assert(mob_certs_make_ca(rig.ca_folder, NULL));
    rig_start(&rig);
    return rig;
}

static inline void
rig_clear(Rig *rig)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", rig->folder);

    rig_stop(rig);
    cr_expect_eq(system(command), 0);
    g_free(rig->folder);
    g_free(rig->token);
    g_free(rig->ca_folder);
    g_free(rig->print);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

/* --- joining --- */

/* Joins with what @join says (takes it); returns the node, or 0 and why (transfer full). */
static inline uint32_t
join_with(const Rig *rig, const char *name, MobJoin *join, char **why)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MobJoin) owned = join;
    g_autoptr(MobBirth) birth = birth_of(rig, name);
    MobMesh *mesh = mob_mesh_new(owned, birth, &error);
    uint32_t node = mesh != NULL ? birth->address.node : 0;

    if (why != NULL)
        *why = g_strdup(mesh != NULL ? "" : error->message);
    mob_mesh_free(mesh);
    return node;
}

static inline uint32_t
join_as(const Rig *rig, const char *name)
{
    g_autofree char *why = NULL;
    uint32_t node = join_with(rig, name, join_of(rig, name), &why);

    cr_expect_neq(node, 0, "%s: %s", name, why);
    return node;
}

/* What the head has said; waits until @part is in it. */
static inline void
expect_said(const Rig *rig, const char *part)
{
    g_autofree char *path = g_build_filename(rig->folder, "head.log", NULL);
    g_autofree char *text = NULL;

    for (int i = 0; i < 500; i++) {
        g_free(g_steal_pointer(&text));
        if (g_file_get_contents(path, &text, NULL, NULL) && strstr(text, part) != NULL)
            return;
        g_usleep(10000);
    }
    cr_expect_fail("the head did not say '%s' but: %s", part, text);
}

#define EXPECT_IN(text, part)                                                                      \
    cr_expect(strstr(text, part) != NULL, "'%s' is not in: %s", part, text)

/* --- strangers --- */

static inline int
knock(const Rig *rig)
{
    int fd = mob_tcp_connect("127.0.0.1", rig->port);
    struct pollfd wait = {.fd = fd, .events = POLLOUT};

    cr_assert_geq(fd, 0);
    cr_assert_eq(poll(&wait, 1, 10000), 1);
    return fd;
}

/* Whether the head closes the connection within @milliseconds; what it says meanwhile is added
 * to @said, if that is not NULL. */
static inline bool
is_closed(int fd, int milliseconds, GString *said)
{
    uint64_t until = mob_clock_real() + (uint64_t)milliseconds * MOB_MS;
    char bytes[1000];

    for (;;) {
        uint64_t now = mob_clock_real();
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (now >= until || poll(&wait, 1, (int)((until - now) / MOB_MS) + 1) == 0)
            return false;
        ssize_t got = recv(fd, bytes, sizeof bytes, 0);
        if (got <= 0)
            return true;
        if (said != NULL)
            g_string_append_len(said, bytes, got);
    }
}
