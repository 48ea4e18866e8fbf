/* daemon.c: mobula _daemon: what a cluster starts on each of its machines, and
 * what everything else on a machine is forked from. Nobody types it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/loaders.h"
#include "net/host.h"
#include "net/jail.h"
#include "net/stream.h"
#include "net/zygote.h"

enum {
    BIRTH_FD = 3, /* whoever started us has written there what to be */
};

/* --- the processes of the machine --- */

static char *
read_beside(void *data, const char *path, size_t *length, GError **error)
{
    g_autofree char *found = mob_loaders_find(data, path);
    char *text = NULL;

    return g_file_get_contents(found, &text, length, error) ? text : NULL;
}

/* Returns why it has ended (transfer full), or NULL after saying why it could not begin. */
static char *
be(const MobBirth *birth, int zygote, MobMesh *mesh, int leave)
{
    g_autoptr(GError) error = NULL;
    MobLoaders loaders;
    const char *beside =
        birth->beside != NULL ? mob_str(birth->beside) : g_getenv(MOB_FILES_VARIABLE);
    MobLuaReader reader = {.read = read_beside, .data = (void *)beside};

    /* A folder that is gone is found out by whoever reads something in it. */
    if (birth->where != NULL && chdir(mob_str(birth->where)) != 0)
        g_printerr("mobula: %s: cannot go to %s: %s\n", mob_str(birth->name), mob_str(birth->where),
                   g_strerror(errno));
    mob_loaders_init(&loaders, beside);
    mob_lua_loader_set_reader(loaders.lua, &reader);
    MobNetHost *host = mob_nethost_new(&(MobNetHostOptions){.birth = birth,
                                                            .loader = &loaders.loader,
                                                            .zygote = zygote,
                                                            .mesh = mesh,
                                                            .leave = leave},
                                       &error);
    if (host == NULL) {
        g_printerr("mobula: %s: %s\n", mob_str(birth->name), error->message);
        mob_loaders_clear(&loaders);
        return NULL;
    }
    if (mob_birth_runs_programs(birth->role))
        mob_jail_enter(mob_str(birth->name));
    char *why = g_strdup(mob_nethost_run(host));
    mob_nethost_free(host);
    mob_loaders_clear(&loaders);
    return why;
}

static int
be_child(const MobBirth *birth)
{
    g_autofree char *why = be(birth, -1, NULL, 0);

    return why != NULL ? 0 : 1;
}

/* --- the daemon --- */

/* What we are to be; on @stream whoever started us may be answered. */
static MobBirth *
read_birth(MobStream *stream, MobJoin **join)
{
    MobFrame frame;
    const uint8_t *body;
    MobBirth *birth = NULL;

    while (birth == NULL && stream->state == MOB_STREAM_OPEN) {
        struct pollfd wait = {.fd = stream->fd, .events = POLLIN};
        poll(&wait, 1, -1);
        mob_stream_read(stream, SIZE_MAX);
        while (birth == NULL && mob_stream_next(stream, &frame, &body)) {
            if (frame.kind == MOB_FRAME_JOIN && *join == NULL)
                *join = mob_record_decode(MOB_RECORD_join, body, frame.length, NULL);
            else if (frame.kind == MOB_FRAME_BIRTH)
                birth = mob_record_decode(MOB_RECORD_birth, body, frame.length, NULL);
        }
    }
    return birth;
}

/* Becomes one of the cluster's machines, and says so; NULL: it may not, and why was said. */
static MobMesh *
connect_machine(const MobJoin *join, MobBirth *birth, MobStream *stream)
{
    g_autoptr(GError) error = NULL;
    MobMesh *mesh = mob_mesh_new(join, birth, &error);
    MobFrame frame = {.kind = MOB_FRAME_JOINED};

    if (mesh != NULL) {
        frame.event = birth->address.node;
        size_t begin = mob_frame_begin(&stream->out, &frame);
        mob_record_encode(MOB_RECORD_site, mob_mesh_site(mesh), &stream->out);
        mob_frame_end(&stream->out, begin);
    } else {
        if (!join->relay) /* else: who looks after it says so */
            g_printerr("mobula: %s: %s\n", mob_str(birth->name), error->message);
        mob_stream_put(stream, &frame, error->message, strlen(error->message));
    }
    mob_stream_flush(stream);
    return mesh;
}

/* Whoever looks after a machine that has joined asks it so to leave; 0: it cannot be heard. */
static int
heed_sigterm(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return MAX(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), 0);
}

static MobExit
be_daemon(MobBirth *birth, const MobJoin *join, MobStream *stream, int zygote)
{
    MobMesh *mesh = join != NULL ? connect_machine(join, birth, stream) : NULL;

    if (join != NULL && mesh == NULL)
        return MOB_EXIT_FAILED;
    g_autofree char *why =
        be(birth, zygote, mesh, join != NULL && join->relay ? heed_sigterm() : 0);
    if (why != NULL) {
        MobFrame frame = {.kind = MOB_FRAME_LEAVES};
        mob_stream_put(stream, &frame, why, strlen(why));
        mob_stream_flush(stream);
    }
    return why != NULL ? MOB_EXIT_OK : MOB_EXIT_FAILED;
}

MobExit
mob_cli_daemon(MobCli *cli)
{
    pid_t parent = getppid();

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a local cluster ends with whoever made it */
    if (getppid() != parent)
        return MOB_EXIT_BUG;
    int zygote = mob_zygote_start(be_child);
    if (zygote < 0) {
        mob_term_complain(cli->term, "cannot fork: %s", g_strerror(errno));
        return MOB_EXIT_USAGE;
    }
    MobStream stream;
    g_autoptr(MobJoin) join = NULL;
    mob_stream_init(&stream, BIRTH_FD);
    stream.frame_max = MOB_FRAME_MAX;
    g_autoptr(MobBirth) birth = read_birth(&stream, &join);
    if (birth == NULL) {
        mob_stream_clear(&stream);
        mob_term_complain(cli->term, "_daemon is started by mobula itself; see mobula help run");
        return MOB_EXIT_USAGE;
    }
    MobExit code = be_daemon(birth, join, &stream, zygote);
    mob_stream_clear(&stream);
    return code;
}
