/* cluster.c: see cluster.h. */
#include "tests/fuzz/cluster.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/certs.h"
#include "net/door.h"
#include "net/tcp.h"
#include "net/token.h"
#include "runtime/str.h"

#define GCS    ((MobAddress){1, MOB_LOCAL_GCS})
#define DRIVER ((MobAddress){1, MOB_LOCAL_WORKER})
#define FRIEND ((MobAddress){1, 77})

enum {
    ROUNDS_MAX = 20000,
};

/* --- a program that only waits --- */

static void
sleep_on(MobBody *body, const MobAnswer *answer, MobCall *call)
{
    *call = (MobCall){.kind = MOB_CALL_SLEEP, .time = MOB_SECOND};
}

static void
body_free(MobBody *body)
{
    g_free(body);
}

static const MobBodyClass sleeper = {sleep_on, body_free};

static MobBody *
load(MobLoader *self, const MobBodyContext *context, const MobValue *bundle, const MobArgs *args)
{
    MobBody *body = g_new0(MobBody, 1);

    body->class = &sleeper;
    return body;
}

static void
drop(MobLoader *self, MobAddress worker)
{
}

static MobLoader loader = {.start = load, .drop = drop};

/* --- hosts --- */

static MobBirth *
birth_of(const Cluster *cluster, Door door)
{
    MobBirth *birth = g_new0(MobBirth, 1);
    MobConfig config;
    g_autofree char *folder =
        g_build_filename(cluster->folder, door == DOOR_TLS ? "tls" : "head", NULL);

    g_mkdir_with_parents(folder, 0700);
    mob_config_init(&config, MOB_PROFILE_IDEAL);
    birth->refs_held = 1;
    birth->name = mob_str_new("head");
    birth->node_name = mob_str_new("head");
    birth->folder = mob_str_new(folder);
    birth->gcs = GCS;
    birth->head = true;
    birth->epoch = mob_clock_real();
    birth->pace = 100;
    birth->config = mob_birth_config(&config);
    birth->total.cpu = 2 * MOB_UNIT;
    birth->cores = 1;
    birth->store_bytes = 16 << 20;
    birth->role = door == DOOR_GCS      ? MOB_ROLE_GCS
                  : door == DOOR_DRIVER ? MOB_ROLE_DRIVER
                                        : MOB_ROLE_NODE;
    birth->address = door == DOOR_GCS ? GCS : door == DOOR_DRIVER ? DRIVER : mob_node_address(1);
    if (door != DOOR_DRIVER)
        return birth;
    birth->job = 1;
    birth->job_name = mob_str_new("job");
    birth->bundle_id = mob_str_new("b");
    birth->bundle = mob_value_nil();
    birth->args = mob_args_new(0);
    return birth;
}

static MobMesh *
mesh_of(const Cluster *cluster, Door door, MobBirth *birth)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MobJoin) join = g_new0(MobJoin, 1);
    g_autofree char *certs = g_build_filename(cluster->folder, "certs", NULL);
    g_autofree char *clients = g_build_filename(cluster->folder, "clients", NULL);

    join->refs_held = 1;
    join->head = true;
    join->listen = mob_str_new("127.0.0.1");
    join->token = mob_str_new(cluster->token);
    join->tls = door == DOOR_TLS;
    join->certs = mob_str_new(certs);
    join->answers = mob_str_new(clients);
    MobMesh *mesh = mob_mesh_new(join, birth, &error);
    if (mesh == NULL)
        g_error("%s", error->message);
    return mesh;
}

static void
host_begin(Cluster *cluster, Door door)
{
    g_autoptr(GError) error = NULL;
    MobBirth *birth = birth_of(cluster, door);
    bool node = birth->role == MOB_ROLE_NODE;
    int ends[2] = {-1, -1};

    if (node && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        g_error("socketpair failed");
    cluster->births[door] = birth;
    cluster->zygotes[door] = ends[1];
    cluster->hosts[door] =
        mob_nethost_new(&(MobNetHostOptions){.birth = birth,
                                             .loader = &loader,
                                             .zygote = ends[0],
                                             .mesh = node ? mesh_of(cluster, door, birth) : NULL},
                        &error);
    if (cluster->hosts[door] == NULL)
        g_error("%s", error->message);
    mob_nethost_begin(cluster->hosts[door]);
}

static void
host_end(Cluster *cluster, Door door)
{
    if (cluster->hosts[door] == NULL)
        return;
    mob_nethost_free(cluster->hosts[door]);
    mob_birth_free(cluster->births[door]);
    if (cluster->zygotes[door] >= 0)
        close(cluster->zygotes[door]);
    cluster->hosts[door] = NULL;
}

static const Door with_hosts[] = {DOOR_TCP, DOOR_TLS, DOOR_GCS, DOOR_DRIVER};

void
cluster_mend(Cluster *cluster)
{
    bool any = false;

    for (size_t i = 0; i < G_N_ELEMENTS(with_hosts); i++)
        any |= cluster->hosts[with_hosts[i]]->over;
    for (size_t i = 0; i < G_N_ELEMENTS(with_hosts) && any; i++)
        host_end(cluster, with_hosts[i]);
    if (!any)
        return;
    g_autofree char *command =
        g_strdup_printf("rm -rf '%s/head' '%s/tls'", cluster->folder, cluster->folder);
    if (system(command) != 0)
        g_error("%s failed", command);
    for (size_t i = 0; i < G_N_ELEMENTS(with_hosts); i++)
        host_begin(cluster, with_hosts[i]);
}

/* --- who answers clients, and hears reports --- */

static void
on_ask(void *data, MobClient *client, const MobAsk *ask)
{
    mob_client_tell(client, MOB_TELL_OUT, mob_str(ask->verb), strlen(mob_str(ask->verb)));
    if (!ask->follow)
        mob_client_over(client, 0);
}

static void
on_gone(void *data, MobClient *client)
{
}

static void
serve_begin(Cluster *cluster)
{
    g_autofree char *path = g_build_filename(cluster->folder, "clients", NULL);
    MobServeOptions options = {.path = path, .version = "0", .ask = on_ask, .gone = on_gone};

    cluster->loop = options.loop = mob_loop_new();
    cluster->serve = mob_serve_new(&options, NULL);
    g_assert(cluster->serve != NULL);
}

static void
controller_begin(Cluster *cluster)
{
    static MobMachine head = {.name = "head", .cpus = MOB_UNIT};
    MobLocalOptions options = {
        .pace = 1, .command = "true", .machines = &head, .machine_count = 1, .stays = true};

    mob_config_init(&options.config, MOB_PROFILE_IDEAL);
    cluster->local = mob_local_new(&options, NULL);
    g_assert(cluster->local != NULL);
    cluster->state = mob_state_new();
    mob_state_keep(cluster->state, 1000);
    mob_local_control(cluster->local)
        ->watch(mob_local_control(cluster->local), &cluster->state->watcher);
}

/* --- all of it --- */

/* What the machines complain of is not read here. */
static void
say_nothing(const char *text)
{
}

void
cluster_begin(Cluster *cluster)
{
    g_autofree char *certs = NULL;

    *cluster =
        (Cluster){.folder = g_dir_make_tmp("fuzz-door-XXXXXX", NULL), .token = mob_token_new()};
    certs = g_build_filename(cluster->folder, "other", NULL);
    g_set_printerr_handler(say_nothing);
    if (!mob_certs_make_self(certs, "other", NULL))
        g_error("no certificate can be made");
    cluster->tls = mob_tls_new(certs, false, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(with_hosts); i++)
        host_begin(cluster, with_hosts[i]);
    serve_begin(cluster);
    controller_begin(cluster);
}

void
cluster_end(Cluster *cluster)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", cluster->folder);

    for (size_t i = 0; i < G_N_ELEMENTS(with_hosts); i++)
        host_end(cluster, with_hosts[i]);
    mob_serve_free(cluster->serve);
    mob_loop_free(cluster->loop);
    mob_local_free(cluster->local);
    mob_state_free(cluster->state);
    mob_tls_free(cluster->tls);
    if (system(command) != 0)
        g_error("%s failed", command);
    g_free(cluster->folder);
    g_free(cluster->token);
}

/* Nobody is born: whoever was to be could not be started. */
static void
answer_births(int zygote)
{
    MobStream stream;
    MobFrame frame;
    const uint8_t *body;

    if (zygote < 0)
        return;
    mob_stream_init(&stream, zygote);
    stream.frame_max = MOB_FRAME_MAX;
    mob_stream_read(&stream, SIZE_MAX);
    while (mob_stream_next(&stream, &frame, &body)) {
        MobFrame answer = {.kind = MOB_FRAME_CHILD, .from = frame.to, .clock = EAGAIN};
        mob_stream_put(&stream, &answer, NULL, 0);
    }
    mob_stream_flush(&stream);
    stream.fd = -1; /* it stays open */
    mob_stream_clear(&stream);
}

void
cluster_round(Cluster *cluster)
{
    for (size_t i = 0; i < G_N_ELEMENTS(with_hosts); i++) {
        MobNetHost *host = cluster->hosts[with_hosts[i]];
        if (!host->over)
            mob_nethost_round(host, false);
        answer_births(cluster->zygotes[with_hosts[i]]);
    }
    mob_loop_wait(cluster->loop, 0);
    mob_local_look(cluster->local, 0);
}

/* --- doors --- */

static char *
path_of(const Cluster *cluster, Door door)
{
    switch (door) {
    case DOOR_CLIENT:
        return g_build_filename(cluster->folder, "clients", NULL);
    case DOOR_CONTROLLER:
        return g_build_filename(mob_local_folder(cluster->local), "controller", NULL);
    case DOOR_NODE:
        return mob_birth_socket(cluster->births[DOOR_TCP], mob_node_address(1));
    default:
        return mob_birth_socket(cluster->births[door], cluster->births[door]->address);
    }
}

int
cluster_knock(const Cluster *cluster, Door door)
{
    if (door == DOOR_TCP || door == DOOR_TLS)
        return mob_tcp_connect("127.0.0.1", mob_mesh_port(cluster->hosts[door]->mesh));
    g_autofree char *path = path_of(cluster, door);
    int fd = mob_line_connect(path);
    if (fd >= 0)
        fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

bool
cluster_meet(Cluster *cluster, Door door, int fd, uint32_t node, MobMeetPurpose purpose,
             MobStream *stream)
{
    g_auto(MobBuf) said = {0};
    g_autoptr(MobSite) site = g_new0(MobSite, 1);
    MobMeetState state = MOB_MEET_MORE;

    site->refs_held = 1;
    site->node = node;
    site->name = mob_str_printf("n%u", node);
    site->port = 1;
    mob_record_encode(MOB_RECORD_site, site, &said);
    MobMeet *meet = mob_meet_new(fd, false,
                                 &(MobMeetOptions){.tls = door == DOOR_TLS ? cluster->tls : NULL,
                                                   .token = cluster->token,
                                                   .name = mob_str(site->name),
                                                   .from = mob_node_address(node),
                                                   .purpose = purpose,
                                                   .said = &said});
    for (int i = 0; i < ROUNDS_MAX && state == MOB_MEET_MORE; i++) {
        state = mob_meet_step(meet);
        cluster_round(cluster);
    }
    *stream = (MobStream){.fd = -1};
    if (state == MOB_MEET_DONE)
        mob_meet_take(meet, stream);
    mob_meet_free(meet);
    return state == MOB_MEET_DONE;
}

/* --- what always holds --- */

static void
check_stream(const MobStream *stream)
{
    g_assert(stream->in.capacity <= MOB_FRAME_HEADER + MOB_FRAME_STRANGER_MAX + 64);
}

void
cluster_check(const Cluster *cluster)
{
    for (size_t i = 0; i < G_N_ELEMENTS(with_hosts); i++) {
        const MobNetHost *host = cluster->hosts[with_hosts[i]];
        for (guint k = 0; k < host->lines->len; k++) {
            const MobLine *line = g_ptr_array_index(host->lines, k);
            if (line->kind != MOB_LINE_IN || line->peer != NULL)
                continue;
            check_stream(&line->stream);
            g_assert(line->meet == NULL ||
                     mob_meet_memory(line->meet) <= MOB_FRAME_HEADER + MOB_FRAME_STRANGER_MAX + 64);
        }
    }
}

/* The daemon passes a friend's word on to the GCS, which writes it down. */
static void
expect_gcs(Cluster *cluster)
{
    MobFrame hello = {.kind = MOB_FRAME_HELLO, .from = FRIEND, .event = mob_schema_hash()};
    MobFrame frame = {.kind = MOB_FRAME_MESSAGE, .from = FRIEND, .to = GCS};
    g_autofree char *path = mob_birth_socket(cluster->births[DOOR_TCP], FRIEND);
    g_autoptr(MobMsg) put = (MobMsg *)mob_kv_put_new();
    int door = mob_door_open(path, 8, NULL);
    int answer = -1;
    MobStream stream;

    ((MobKvPut *)put)->key = mob_str_new("friend");
    ((MobKvPut *)put)->value = mob_value_nil();
    mob_stream_init(&stream, cluster_knock(cluster, DOOR_GCS));
    mob_stream_put(&stream, &hello, NULL, 0);
    size_t begin = mob_frame_begin(&stream.out, &frame);
    mob_msg_encode(put, &stream.out);
    mob_frame_end(&stream.out, begin);
    for (int i = 0; i < ROUNDS_MAX && answer < 0; i++) {
        mob_stream_flush(&stream);
        cluster_round(cluster);
        answer = mob_door_next(door, NULL);
    }
    g_assert(answer >= 0);
    mob_stream_clear(&stream);
    close(answer);
    close(door);
    unlink(path);
}

static void
expect_daemon(Cluster *cluster, Door door)
{
    MobStream stream;
    bool met = cluster_meet(cluster, door, cluster_knock(cluster, door), 7, MOB_MEET_LINK, &stream);

    g_assert(met);
    mob_stream_clear(&stream);
}

static void
expect_observer(Cluster *cluster)
{
    MobFrame hello = {.kind = MOB_FRAME_HELLO, .event = mob_schema_hash()};
    MobFrame frame = {.kind = MOB_FRAME_ASK};
    MobAsk ask = {.follow = false};
    const uint8_t *body;
    bool answered = false;
    MobStream stream;

    mob_stream_init(&stream, cluster_knock(cluster, DOOR_CLIENT));
    stream.frame_max = MOB_FRAME_MAX;
    mob_stream_put(&stream, &hello, "0", 1);
    size_t begin = mob_frame_begin(&stream.out, &frame);
    mob_record_encode(MOB_RECORD_ask, &ask, &stream.out);
    mob_frame_end(&stream.out, begin);
    for (int i = 0; i < ROUNDS_MAX && !answered; i++) {
        mob_stream_flush(&stream);
        cluster_round(cluster);
        mob_stream_read(&stream, SIZE_MAX);
        while (mob_stream_next(&stream, &frame, &body))
            answered |= frame.kind == MOB_FRAME_OVER;
    }
    g_assert(answered);
    mob_stream_clear(&stream);
}

void
cluster_serves(Cluster *cluster)
{
    expect_gcs(cluster);
    expect_daemon(cluster, DOOR_TCP);
    expect_daemon(cluster, DOOR_TLS);
    expect_observer(cluster);
}
