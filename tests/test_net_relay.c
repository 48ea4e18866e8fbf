/* What processes of another machine tell whoever looks on at the head, and what
 * they are told: through both daemons, as if they were here.
 */
#include "net_tls_rig.h"

#include <sys/un.h>

#include "net/birth.h"
#include "runtime/report.h"

#define FAR_NODE  ((MobAddress){2, MOB_LOCAL_NODE})
#define FAR_CHILD ((MobAddress){2, MOB_LOCAL_GCS})

/* A process that reports. */
typedef struct {
    MobStream stream;
    MobAddress address; /* {0}: it has not said */
    uint64_t newest;    /* the number of its newest event */
    guint reports;
    bool born;
    bool heard; /* something from the far node */
} Sight;

typedef struct {
    Rig rig;
    char *path;
    int listener;
    GPtrArray *sights;
    pid_t far;
} Watch;

static int
listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 8), 0);
    return fd;
}

static pid_t
start_far(const Rig *rig, bool relay)
{
    int ends[2];
    char text[300] = "";
    pid_t parent = getpid();

    cr_assert_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        MobBirth *birth = birth_of(rig, "n1");
        MobJoin *join = join_of(rig, "n1");
        join->relay = relay;
        mob_str_unref(birth->controller);
        birth->controller = mob_str_new("");
        _exit(getppid() == parent ? be_machine(rig, birth, join, ends[1]) : 2);
    }
    close(ends[1]);
    cr_assert_gt(read(ends[0], text, sizeof text - 1), 0);
    close(ends[0]);
    cr_assert_neq(text[0], '0', "%s", text);
    return pid;
}

static Watch
watch_new(bool tls, bool relay)
{
    Watch watch = {.sights = g_ptr_array_new_with_free_func(g_free)};
    g_autofree char *folder = g_dir_make_tmp("mobula-relay-XXXXXX", NULL);

    watch.path = g_build_filename(folder, "watch", NULL);
    watch.listener = listen_at(watch.path);
    watch.rig = (Rig){.folder = g_steal_pointer(&folder), .tls = tls, .controller = watch.path};
    watch.rig.token = mob_token_new();
    watch.rig.ca_folder = g_strdup("");
    rig_start(&watch.rig);
    watch.far = start_far(&watch.rig, relay);
    return watch;
}

static void
watch_clear(Watch *watch)
{
    kill(watch->far, SIGKILL);
    waitpid(watch->far, NULL, 0);
    for (guint i = 0; i < watch->sights->len; i++)
        mob_stream_clear(&((Sight *)g_ptr_array_index(watch->sights, i))->stream);
    g_ptr_array_unref(watch->sights);
    close(watch->listener);
    rig_clear(&watch->rig);
    g_free(watch->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Watch, watch_clear)

static void
on_report(Sight *sight, const MobFrame *frame, const uint8_t *body)
{
    MobReport *report = mob_report_decode(body, frame->length, NULL);

    cr_assert_not_null(report);
    sight->reports++;
    if (report->kind == MOB_REPORT_BORN) {
        cr_expect(mob_address_eq(report->born.address, sight->address));
        sight->born = true;
    } else if (report->kind == MOB_REPORT_EVENT) {
        cr_expect(sight->born, "an event before the birth");
        cr_expect_eq(report->event.number, sight->newest + 1, "an event is missing");
        sight->newest = report->event.number;
        const MobInput *input = report->event.input;
        if (input != NULL && input->kind == MOB_INPUT_MESSAGE && input->from.node == FAR_NODE.node)
            sight->heard = true;
    }
    mob_report_free(report);
}

static void
read_sight(Sight *sight)
{
    MobFrame frame;
    const uint8_t *body;

    mob_stream_read(&sight->stream, SIZE_MAX);
    while (mob_stream_next(&sight->stream, &frame, &body)) {
        if (frame.kind == MOB_FRAME_HELLO)
            sight->address = frame.from;
        else if (frame.kind == MOB_FRAME_REPORT)
            on_report(sight, &frame, body);
    }
}

static void
look(Watch *watch)
{
    int fd;

    g_usleep(5000);
    while ((fd = accept4(watch->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        Sight *sight = g_new0(Sight, 1);
        mob_stream_init(&sight->stream, fd);
        sight->stream.frame_max = MOB_FRAME_MAX;
        g_ptr_array_add(watch->sights, sight);
    }
    for (guint i = 0; i < watch->sights->len; i++)
        read_sight(g_ptr_array_index(watch->sights, i));
}

static Sight *
find(Watch *watch, MobAddress address)
{
    for (int turn = 0; turn < 2000; turn++) {
        for (guint i = 0; i < watch->sights->len; i++) {
            Sight *sight = g_ptr_array_index(watch->sights, i);
            if (mob_address_eq(sight->address, address) && sight->born &&
                sight->stream.state == MOB_STREAM_OPEN)
                return sight;
        }
        look(watch);
    }
    cr_assert_fail("%u.%u does not report", address.node, address.local);
    return NULL;
}

/* Has the daemon of the machine @name start a GCS at @address; for one that is far, through the
 * relay. */
static void
bear(const Watch *watch, Sight *daemon, const char *name, MobAddress address)
{
    Rig there = watch->rig;
    g_autofree char *controller = g_build_filename(there.folder, name, "controller", NULL);
    MobFrame frame = {.kind = MOB_FRAME_BIRTH, .to = address};
    MobConfig config;

    if (address.node == FAR_NODE.node)
        there.controller = controller;
    g_autoptr(MobBirth) birth = birth_of(&there, name);
    mob_config_init(&config, MOB_PROFILE_IDEAL);
    birth->role = MOB_ROLE_GCS;
    birth->address = address;
    birth->gcs = (MobAddress){1, MOB_LOCAL_GCS};
    birth->head = address.node != FAR_NODE.node;
    birth->epoch = mob_clock_real();
    birth->pace = 10;
    birth->config = mob_birth_config(&config);
    size_t begin = mob_frame_begin(&daemon->stream.out, &frame);
    mob_record_encode(MOB_RECORD_birth, birth, &daemon->stream.out);
    mob_frame_end(&daemon->stream.out, begin);
    mob_stream_flush(&daemon->stream);
}

static void
expect_relayed(bool tls)
{
    g_auto(Watch) watch = watch_new(tls, true);
    Sight *daemon = find(&watch, FAR_NODE);

    find(&watch, mob_node_address(1));
    for (int turn = 0; turn < 2000 && daemon->newest < 20; turn++)
        look(&watch);
    cr_expect_geq(daemon->newest, 20, "its events do not arrive");
    bear(&watch, daemon, "n1", FAR_CHILD);
    cr_expect_geq(find(&watch, FAR_CHILD)->reports, 1);
    kill(watch.far, SIGKILL);
    for (int turn = 0; turn < 2000 && daemon->stream.state == MOB_STREAM_OPEN; turn++)
        look(&watch);
    cr_expect_neq(daemon->stream.state, MOB_STREAM_OPEN, "its end is not seen");
}

Test(net_relay, processes_of_another_machine_report_in_order, .timeout = 60)
{
    expect_relayed(false);
}

Test(net_relay, and_so_they_do_over_tls, .timeout = 60)
{
    expect_relayed(true);
}

/* The GCS of a head, with the head's node, hears of the far machine. */
static void
expect_heard(Watch *watch, uint32_t head)
{
    MobAddress gcs = {1, MOB_LOCAL_GCS};

    bear(watch, find(watch, mob_node_address(head)), "head", gcs);
    Sight *sight = find(watch, gcs);
    for (int turn = 0; turn < 2000 && !sight->heard; turn++)
        look(watch);
    cr_expect(sight->heard, "the GCS on node %u hears nothing", head);
}

Test(net_relay, machines_find_a_head_that_was_started_again, .timeout = 90)
{
    g_auto(Watch) watch = watch_new(true, false);

    expect_heard(&watch, 1);
    rig_stop(&watch.rig);
    for (int turn = 0; turn < 50; turn++)
        look(&watch);
    rig_start(&watch.rig);
    expect_heard(&watch, 3);
}
