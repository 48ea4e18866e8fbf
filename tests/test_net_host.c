/* A real process with a real socket, and whoever may connect to it: here the
 * GCS, with its journal. What a peer gets wrong concerns that peer alone.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/birth.h"
#include "net/clock.h"
#include "net/host.h"
#include "net/stream.h"
#include "runtime/control.h"

#define GCS ((MobAddress){1, MOB_LOCAL_GCS})
#define ME  ((MobAddress){1, 77})

typedef struct {
    char *folder;
    pid_t gcs;
} Rig;

static int
be_gcs(const char *folder)
{
    g_autoptr(GError) error = NULL;
    MobConfig config;
    MobBirth *birth = g_new0(MobBirth, 1);

    mob_config_init(&config, MOB_PROFILE_IDEAL);
    birth->role = MOB_ROLE_GCS;
    birth->address = birth->gcs = GCS;
    birth->head = true;
    birth->name = mob_str_new("gcs");
    birth->folder = mob_str_new(folder);
    birth->epoch = mob_clock_real();
    birth->pace = 10;
    birth->config = mob_birth_config(&config);
    MobNetHost *host = mob_nethost_new(&(MobNetHostOptions){.birth = birth, .zygote = -1}, &error);
    if (host == NULL)
        return 1;
    mob_nethost_run(host);
    return 0;
}

static void
start(Rig *rig)
{
    pid_t parent = getpid();

    rig->gcs = fork();
    cr_assert_geq(rig->gcs, 0);
    if (rig->gcs != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent)
        _exit(be_gcs(rig->folder));
    _exit(2);
}

static void
stop(Rig *rig)
{
    kill(rig->gcs, SIGKILL);
    waitpid(rig->gcs, NULL, 0);
}

static Rig
rig_new(void)
{
    Rig rig = {.folder = g_dir_make_tmp("mobula-host-XXXXXX", NULL)};

    start(&rig);
    return rig;
}

static void
rig_clear(Rig *rig)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", rig->folder);

    stop(rig);
    cr_expect_eq(system(command), 0);
    g_free(rig->folder);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

/* --- being a peer --- */

static MobStream
connect_to(const char *folder, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    MobStream stream;

    g_snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", folder, name);
    for (int i = 0; i < 2000; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
            mob_stream_init(&stream, fd);
            stream.frame_max = MOB_FRAME_MAX;
            return stream;
        }
        close(fd);
        g_usleep(5000);
    }
    cr_assert_fail("nobody listens at %s", address.sun_path);
    return (MobStream){0};
}

static void
hello(MobStream *stream, MobAddress from, uint64_t schema)
{
    MobFrame frame = {.kind = MOB_FRAME_HELLO, .from = from, .event = schema};

    mob_stream_put(stream, &frame, NULL, 0);
    mob_stream_flush(stream);
}

/* Whether the other end closes within @milliseconds. */
static bool
is_closed(MobStream *stream, int milliseconds)
{
    struct pollfd wait = {.fd = stream->fd, .events = POLLIN};

    while (poll(&wait, 1, milliseconds) > 0) {
        mob_stream_read(stream, SIZE_MAX);
        if (stream->state != MOB_STREAM_OPEN)
            return true;
    }
    return false;
}

static void
send_msg(MobStream *stream, MobAddress from, void *msg)
{
    MobFrame frame = {.kind = MOB_FRAME_MESSAGE, .from = from, .to = GCS};

    size_t begin = mob_frame_begin(&stream->out, &frame);
    mob_msg_encode(msg, &stream->out);
    mob_frame_end(&stream->out, begin);
    mob_stream_flush(stream);
    mob_msg_unref(msg);
}

static int
listen_as_me(const Rig *rig)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_snprintf(address.sun_path, sizeof address.sun_path, "%s/1.77", rig->folder);
    unlink(address.sun_path);
    cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 8), 0);
    return fd;
}

/* The next message that the GCS sends to us; it opens its own line for that. */
static MobMsg *
receive(MobStream *stream)
{
    MobFrame frame;
    const uint8_t *body;

    for (int i = 0; i < 1000; i++) {
        struct pollfd wait = {.fd = stream->fd, .events = POLLIN};
        while (mob_stream_next(stream, &frame, &body))
            if (frame.kind == MOB_FRAME_MESSAGE)
                return mob_msg_decode(body, frame.length, NULL);
        poll(&wait, 1, 10);
        mob_stream_read(stream, SIZE_MAX);
    }
    cr_assert_fail("no answer");
    return NULL;
}

static MobStream
answers(int listener)
{
    MobStream stream;
    struct pollfd wait = {.fd = listener, .events = POLLIN};

    cr_assert_gt(poll(&wait, 1, 10000), 0, "it does not answer");
    mob_stream_init(&stream, accept(listener, NULL, NULL));
    stream.frame_max = MOB_FRAME_MAX;
    return stream;
}

static void
put_key(MobStream *to, const char *key, uint64_t request)
{
    MobKvPut *put = mob_kv_put_new();

    put->key = mob_str_new(key);
    put->value = mob_value_nil();
    put->overwrite = true;
    put->request = request;
    send_msg(to, ME, put);
}

static void
expect_works(const Rig *rig)
{
    int listener = listen_as_me(rig);
    MobStream to = connect_to(rig->folder, "gcs");

    hello(&to, ME, mob_schema_hash());
    put_key(&to, "still here", 5);
    MobStream from = answers(listener);
    g_autoptr(MobMsg) reply = receive(&from);
    cr_assert_eq(reply->type, MOB_MSG_KV_PUT_REPLY);
    cr_assert_eq(mob_kv_put_reply(reply)->request, 5);
    mob_stream_clear(&to);
    mob_stream_clear(&from);
    close(listener);
}

/* --- tests --- */

Test(net_host, garbage_ends_a_connection_and_nothing_else, .timeout = 60)
{
    g_auto(Rig) rig = rig_new();
    MobStream garbage = connect_to(rig.folder, "gcs");
    MobStream after = connect_to(rig.folder, "gcs");
    uint8_t noise[1000];

    memset(noise, 0xa5, sizeof noise);
    cr_assert_eq(write(garbage.fd, noise, sizeof noise), (ssize_t)sizeof noise);
    cr_assert(is_closed(&garbage, 5000));
    hello(&after, ME, mob_schema_hash());
    cr_assert_eq(write(after.fd, noise, sizeof noise), (ssize_t)sizeof noise);
    cr_assert(is_closed(&after, 5000));
    expect_works(&rig);
    mob_stream_clear(&garbage);
    mob_stream_clear(&after);
}

Test(net_host, who_speaks_another_version_is_refused, .timeout = 60)
{
    g_auto(Rig) rig = rig_new();
    MobStream stranger = connect_to(rig.folder, "gcs");

    hello(&stranger, ME, mob_schema_hash() + 1);
    cr_assert(is_closed(&stranger, 5000));
    expect_works(&rig);
    mob_stream_clear(&stranger);
}

Test(net_host, who_says_nothing_is_shown_the_door_after_five_seconds, .timeout = 60)
{
    g_auto(Rig) rig = rig_new();
    MobStream silent = connect_to(rig.folder, "gcs");

    cr_assert_not(is_closed(&silent, 4000));
    expect_works(&rig);
    cr_assert(is_closed(&silent, 3000));
    mob_stream_clear(&silent);
}

Test(net_host, nobody_speaks_for_another, .timeout = 60)
{
    g_auto(Rig) rig = rig_new();
    MobStream liar = connect_to(rig.folder, "gcs");
    MobUnregisterNode *leave = mob_unregister_node_new();

    hello(&liar, ME, mob_schema_hash());
    send_msg(&liar, (MobAddress){2, 0}, leave);
    cr_assert(is_closed(&liar, 5000));
    expect_works(&rig);
    mob_stream_clear(&liar);
}

Test(net_host, a_message_that_cannot_be_read_is_dropped, .timeout = 60)
{
    g_auto(Rig) rig = rig_new();
    MobStream peer = connect_to(rig.folder, "gcs");
    MobFrame frame = {.kind = MOB_FRAME_MESSAGE, .from = ME, .to = GCS};

    hello(&peer, ME, mob_schema_hash());
    mob_stream_put(&peer, &frame, "\xff\xff\xff\xff", 4);
    mob_stream_flush(&peer);
    cr_assert_not(is_closed(&peer, 200));
    mob_stream_clear(&peer);
    expect_works(&rig);
}

Test(net_host, what_the_gcs_has_acknowledged_survives_kill_9, .timeout = 120)
{
    g_auto(Rig) rig = rig_new();
    int listener = listen_as_me(&rig);
    uint64_t acknowledged = 0;

    for (uint64_t round = 0; round < 10; round++) {
        MobStream to = connect_to(rig.folder, "gcs");
        hello(&to, ME, mob_schema_hash());
        MobKvGet *get = mob_kv_get_new();
        g_autofree char *newest = g_strdup_printf("key %" G_GUINT64_FORMAT, acknowledged);
        get->key = mob_str_new(newest);
        send_msg(&to, ME, get);
        MobStream from = answers(listener);
        g_autoptr(MobMsg) found = receive(&from);
        cr_assert_eq(found->type, MOB_MSG_KV_GET_REPLY);
        cr_assert((mob_kv_get_reply(found)->value != NULL) == (acknowledged > 0), "round %u",
                  (unsigned)round);
        for (uint64_t i = 1; i <= 20 + round; i++) {
            g_autofree char *key = g_strdup_printf("key %" G_GUINT64_FORMAT, acknowledged + 1);
            put_key(&to, key, acknowledged + 1);
            g_autoptr(MobMsg) reply = receive(&from);
            acknowledged = mob_kv_put_reply(reply)->request;
        }
        g_autofree char *unheard = g_strdup_printf("key %" G_GUINT64_FORMAT, acknowledged + 1);
        put_key(&to, unheard, acknowledged + 1); /* may or may not be there */
        stop(&rig);
        mob_stream_clear(&to);
        mob_stream_clear(&from);
        start(&rig);
    }
    close(listener);
}

/* --- clocks --- */

Test(net_host, a_clock_that_is_far_ahead_makes_no_other_wrong)
{
    MobClock clock = {.epoch = mob_clock_real(), .pace = 1};

    mob_clock_see(&clock, INT64_MAX);
    cr_expect_lt(mob_clock_stamp(&clock), 60 * MOB_SECOND);
    mob_clock_see(&clock, 1000 * MOB_SECOND);
    cr_expect_gt(mob_clock_stamp(&clock), 1000 * MOB_SECOND, "what it has caused is later");
}

/* --- floods --- */

/* Says what makes sense for ever, and never reads. */
static void
flood(const char *folder)
{
    MobAddress who = {1, 78};
    MobFrame frame = {.kind = MOB_FRAME_MESSAGE, .from = who, .to = GCS};
    MobStream stream = connect_to(folder, "gcs");
    g_autoptr(MobMsg) get = (MobMsg *)mob_kv_get_new();

    hello(&stream, who, mob_schema_hash());
    while (stream.state == MOB_STREAM_OPEN) {
        struct pollfd wait = {.fd = stream.fd, .events = POLLOUT};
        while (stream.out.length - stream.out_at < 100000) {
            size_t begin = mob_frame_begin(&stream.out, &frame);
            mob_msg_encode(get, &stream.out);
            mob_frame_end(&stream.out, begin);
        }
        poll(&wait, 1, -1);
        mob_stream_flush(&stream);
    }
}

G_GNUC_UNUSED static uint64_t
memory_kib(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
    g_autofree char *text = NULL;

    cr_assert(g_file_get_contents(path, &text, NULL, NULL));
    return g_ascii_strtoull(strstr(text, "VmRSS:") + 6, NULL, 10);
}

Test(net_host, one_that_never_ends_its_say_keeps_nobody_else_from_being_heard, .timeout = 120)
{
    g_auto(Rig) rig = rig_new();
    pid_t floods[2];

    expect_works(&rig);
    for (size_t i = 0; i < G_N_ELEMENTS(floods); i++) {
        floods[i] = fork();
        if (floods[i] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            flood(rig.folder);
            _exit(0);
        }
        g_usleep(300000);
    }
    G_GNUC_UNUSED uint64_t before = memory_kib(rig.gcs);
    for (int i = 0; i < 10; i++)
        expect_works(&rig);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed */
    cr_expect_lt(memory_kib(rig.gcs), before + 100000);
#endif
    for (size_t i = 0; i < G_N_ELEMENTS(floods); i++) {
        kill(floods[i], SIGKILL);
        waitpid(floods[i], NULL, 0);
    }
}

/* --- a full disk --- */

/* A tiny disk that only this process and its children see, where the journal is to
 * be. What the GCS says goes to a file elsewhere. */
static Rig
rig_on_tiny_disk(char **log)
{
    Rig rig = {.folder = g_dir_make_tmp("mobula-host-XXXXXX", NULL)};

    *log = g_strconcat(rig.folder, ".log", NULL);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tiny", rig.folder, "tmpfs", 0, "size=512k") != 0)
        cr_skip_test("a tmpfs may not be mounted here");
    int saved = dup(STDERR_FILENO);
    dup2(open(*log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), STDERR_FILENO);
    start(&rig);
    dup2(saved, STDERR_FILENO);
    close(saved);
    return rig;
}

static void
fill(const char *folder)
{
    static const char block[4096];
    g_autofree char *path = g_build_filename(folder, "ballast", NULL);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    while (write(fd, block, sizeof block) > 0)
        ;
    cr_assert_eq(errno, ENOSPC);
    close(fd);
}

static guint
times_said(const char *log, const char *part)
{
    g_autofree char *text = NULL;
    guint count = 0;

    cr_assert(g_file_get_contents(log, &text, NULL, NULL));
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

Test(net_host, on_a_full_disk_nothing_is_acknowledged_until_it_can_be_written, .timeout = 60)
{
    g_autofree char *log = NULL;
    Rig rig = rig_on_tiny_disk(&log);
    g_autofree char *ballast = g_build_filename(rig.folder, "ballast", NULL);
    int listener = listen_as_me(&rig);
    MobStream to = connect_to(rig.folder, "gcs");

    hello(&to, ME, mob_schema_hash());
    put_key(&to, "before", 1);
    MobStream from = answers(listener);
    mob_msg_unref(receive(&from));
    fill(rig.folder);
    put_key(&to, "while it is full", 2);
    for (int i = 0; i < 5; i++) {
        put_key(&to, "and again", 3);
        cr_expect_not(is_closed(&from, 100));
        cr_expect_eq(from.in.length, from.in_at, "it was acknowledged");
    }
    cr_expect_eq(times_said(log, "the disk is full; make room"), 1);
    cr_expect_eq(unlink(ballast), 0);
    put_key(&to, "there is room", 4);
    for (uint64_t request = 2; request < 4; request++) {
        g_autoptr(MobMsg) reply = receive(&from);
        cr_expect_eq(mob_kv_put_reply(reply)->request, request);
    }
    cr_expect_eq(times_said(log, "it can write again"), 1);
    mob_stream_clear(&to);
    mob_stream_clear(&from);
    close(listener);
    stop(&rig);
    cr_expect_eq(umount(rig.folder), 0);
    rmdir(rig.folder);
    unlink(log);
    g_free(rig.folder);
}
