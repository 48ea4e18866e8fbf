/* Who is one of the cluster and says too much: what is kept of others is bounded,
 * and whoever goes beyond that is cut off, with a word to people.
 */
#include "net_tls_rig.h"

#include "net/door.h"
#include "net/roster.h"

#define MANAGER mob_node_address(1)

/* --- pairs --- */

static MobAddress
process_of(uint32_t node, uint32_t number)
{
    return (MobAddress){node, MOB_LOCAL_POOL + number};
}

Test(net_crowd, one_who_brings_up_too_many_is_refused_and_nobody_else)
{
    MobPairs *pairs = mob_pairs_new();
    MobAddress far = mob_node_address(2);

    for (uint32_t i = 0; i < MOB_PAIRS_MAX; i++)
        cr_assert(mob_pairs_add(pairs, MANAGER, process_of(2, i), far));
    cr_assert_not(mob_pairs_add(pairs, MANAGER, process_of(2, MOB_PAIRS_MAX), far));
    cr_assert(mob_pairs_add(pairs, MANAGER, process_of(2, 7), far), "it is known already");
    cr_assert(mob_pairs_add(pairs, MANAGER, process_of(3, 7), mob_node_address(3)));
    mob_pairs_end(pairs, MANAGER, process_of(2, 7));
    mob_pairs_end(pairs, MANAGER, process_of(2, 7));
    cr_assert(mob_pairs_add(pairs, MANAGER, process_of(2, MOB_PAIRS_MAX), far));
    cr_assert_not(mob_pairs_add(pairs, MANAGER, process_of(2, 7), far));
    cr_assert_eq(mob_pairs_count(pairs), MOB_PAIRS_MAX + 1);
    mob_pairs_free(pairs);
}

/* A machine that has joined, and does as it likes. */
typedef struct {
    MobBirth *birth;
    MobJoin *join;
    MobMesh *mesh;
    MobStream stream;
} Thief;

static Thief
thief_new(const Rig *rig)
{
    Thief thief = {birth_of(rig, "thief"), join_of(rig, "thief"), NULL, {.fd = -1}};

    thief.mesh = mob_mesh_new(thief.join, thief.birth, NULL);
    cr_assert_not_null(thief.mesh);
    const MobFar *head = mob_roster_get(&thief.mesh->roster, 1);
    MobMeet *meet = mob_mesh_approach(thief.mesh, head->site, knock(rig), MOB_MEET_LINK);
    cr_assert_eq(mob_meet_now(meet), MOB_MEET_DONE, "%s", mob_meet_why(meet));
    mob_meet_take(meet, &thief.stream);
    mob_meet_free(meet);
    return thief;
}

static void
thief_clear(Thief *thief)
{
    mob_stream_clear(&thief->stream);
    mob_mesh_free(thief->mesh);
    mob_join_free(thief->join);
    mob_birth_free(thief->birth);
}

static void
say(Thief *thief, MobFrameKind kind, uint32_t number, const MobMsg *msg)
{
    MobFrame frame = {
        .kind = kind, .from = process_of(thief->birth->address.node, number), .to = MANAGER};

    size_t begin = mob_frame_begin(&thief->stream.out, &frame);
    if (msg != NULL)
        mob_msg_encode(msg, &thief->stream.out);
    mob_frame_end(&thief->stream.out, begin);
}

/* Everything leaves, or the connection ends. */
static bool
leaves(Thief *thief)
{
    while (mob_stream_has_output(&thief->stream) && thief->stream.state == MOB_STREAM_OPEN) {
        struct pollfd wait = {.fd = thief->stream.fd, .events = POLLOUT};
        poll(&wait, 1, 100);
        mob_stream_flush(&thief->stream);
    }
    return thief->stream.state == MOB_STREAM_OPEN;
}

static uint64_t
memory_kib(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
    g_autofree char *text = NULL;

    cr_assert(g_file_get_contents(path, &text, NULL, NULL));
    return g_ascii_strtoull(strstr(text, "VmRSS:") + 6, NULL, 10);
}

Test(net_crowd, a_machine_with_more_processes_than_there_can_be_is_cut_off, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(false, false, false);
    Thief thief = thief_new(&rig);
    g_autoptr(MobMsg) msg = (MobMsg *)mob_chunk_received_new();

    for (uint32_t i = 0; i < MOB_PAIRS_MAX + 10; i++) {
        say(&thief, MOB_FRAME_MESSAGE, i, msg);
        if (i % 10000 == 0)
            cr_assert(leaves(&thief));
    }
    leaves(&thief);
    expect_said(&rig, "has more than 131072 pairs of processes talk; its connection is closed");
    cr_assert(is_closed(thief.stream.fd, 10000, NULL));
    cr_assert_neq(join_as(&rig, "n1"), 0, "nobody else has to do with that");
    thief_clear(&thief);
}

Test(net_crowd, processes_that_come_and_go_leave_nothing, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(false, false, false);
    Thief thief = thief_new(&rig);
    g_autoptr(MobMsg) msg = (MobMsg *)mob_chunk_received_new();
    uint64_t before = 0;

    for (uint32_t i = 0; i < 8 * MOB_PAIRS_MAX; i++) {
        say(&thief, MOB_FRAME_MESSAGE, i, msg);
        say(&thief, MOB_FRAME_RESET, i, NULL);
        if (i % 1000 == 0)
            cr_assert(leaves(&thief));
        if (i == MOB_PAIRS_MAX)
            before = memory_kib(rig.head);
    }
    cr_assert(leaves(&thief));
    cr_assert_neq(join_as(&rig, "n1"), 0);
#ifdef __SANITIZE_ADDRESS__ /* which keeps what was freed */
    cr_expect_neq(before, 0);
#else
    cr_expect_lt(memory_kib(rig.head), before + 32 * 1024);
#endif
    thief_clear(&thief);
}

/* It would be told that it cannot be reached. */
Test(net_crowd, a_machine_passes_nothing_on_for_another_one_to_a_third)
{
    MobBirth birth = {
        .address = MANAGER, .gcs = {1, MOB_LOCAL_GCS}, .folder = mob_str_new("/nowhere")};
    MobNetHost host = {.birth = &birth,
                       .address = MANAGER,
                       .role = MOB_ROLE_NODE,
                       .loop = mob_loop_new(),
                       .peers = mob_table_new(),
                       .pairs = mob_pairs_new(),
                       .lines = g_ptr_array_new_with_free_func(mob_line_free),
                       .dirty = g_ptr_array_new(),
                       .resets = g_ptr_array_new(),
                       .daemon = (MobDaemon *)&birth};
    MobPeer *far = mob_peers_get(&host, mob_node_address(2));
    int ends[2];

    mob_shim_init(&host);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    MobLine *in = mob_line_new(&host, ends[0], MOB_LINE_IN, far);
    far->out = mob_line_new(&host, ends[1], MOB_LINE_OUT, far);
    for (uint32_t to = 1; to <= 3; to += 2) {
        MobFrame frame = {
            .kind = MOB_FRAME_MESSAGE, .from = process_of(2, 1), .to = process_of(to, 1)};
        mob_peers_frame(in, &frame, (const uint8_t *)"");
        cr_assert_gt(far->out->stream.out.length, 0, "to one of ours it would be passed on");
        cr_assert_eq(far->out->stream.out.length, MOB_FRAME_HEADER);
    }
    mob_shim_free(&host);
    g_ptr_array_unref(host.lines);
    g_ptr_array_unref(host.dirty);
    g_ptr_array_unref(host.resets);
    mob_pairs_free(host.pairs);
    mob_table_free_full(host.peers, g_free);
    mob_loop_free(host.loop);
    mob_str_unref(birth.folder);
}

/* --- machines --- */

static MobSite *
site_of(uint32_t node)
{
    MobSite *site = g_new0(MobSite, 1);

    site->refs_held = 1;
    site->node = node;
    return site;
}

Test(net_crowd, of_very_many_machines_the_oldest_that_is_not_connected_is_forgotten)
{
    MobNetHost host = {.peers = mob_table_new(), .address = MANAGER};
    MobMesh mesh = {.head_node = 1};
    MobBirth birth = {.address = MANAGER};
    MobLine line = {0};

    host.mesh = &mesh;
    host.birth = &birth;
    mob_roster_init(&mesh.roster);
    for (uint32_t node = 1; node <= MOB_ROSTER_MAX; node++) {
        cr_assert(mob_join_make_room(&host));
        mob_roster_put(&mesh.roster, site_of(node));
        mob_peers_get(&host, mob_node_address(node))->in = node != 5 && node > 1 ? &line : NULL;
    }
    cr_assert(mob_join_make_room(&host));
    cr_assert_null(mob_roster_get(&mesh.roster, 5));
    cr_assert_not_null(mob_roster_get(&mesh.roster, 1), "the head stays");
    mob_roster_put(&mesh.roster, site_of(5000));
    mob_peers_get(&host, mob_node_address(5000))->in = &line;
    cr_assert_not(mob_join_make_room(&host), "all are connected");
    cr_assert_eq(mesh.roster.fars->len, MOB_ROSTER_MAX);
    mob_roster_clear(&mesh.roster);
    mob_table_free_full(host.peers, g_free);
}

/* --- relays --- */

Test(net_crowd, connections_to_whoever_looks_on_are_bounded)
{
    MobSite me = {.name = mob_str_new("n1")};
    MobMesh mesh = {.relays = g_ptr_array_new(), .me = &me};
    MobStream here;
    MobStream there;
    int ends[4];

    g_ptr_array_set_size(mesh.relays, MOB_RELAYS_MAX);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends + 2), 0);
    mob_stream_init(&here, ends[0]);
    mob_stream_init(&there, ends[2]);
    mob_relay_start(&mesh, &here, &there);
    cr_assert_eq(mesh.relays->len, MOB_RELAYS_MAX);
    cr_assert(is_closed(ends[1], 1000, NULL));
    cr_assert(is_closed(ends[3], 1000, NULL));
    close(ends[1]);
    close(ends[3]);
    g_ptr_array_unref(mesh.relays);
    mob_str_unref(me.name);
}

/* A head that is there, and does not answer. */
Test(net_crowd, a_process_does_not_wait_for_ever_for_a_head_that_does_not_answer, .timeout = 60)
{
    g_autofree char *folder = g_dir_make_tmp("mobula-crowd-XXXXXX", NULL);
    g_autofree char *watch = g_build_filename(folder, "watch", NULL);
    int listener = mob_door_open(watch, 16, NULL);
    g_auto(Rig) rig = {.folder = g_dir_make_tmp("mobula-tls-XXXXXX", NULL),
                       .token = mob_token_new(),
                       .tls = true,
                       .ca_folder = g_strdup(""),
                       .controller = watch};
    int ends[2];
    char text[300] = "";
    pid_t parent = getpid();

    rig_start(&rig);
    cr_assert_eq(pipe(ends), 0);
    pid_t far = fork();
    if (far == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        MobBirth *birth = birth_of(&rig, "n1");
        MobJoin *join = join_of(&rig, "n1");
        join->relay = true;
        mob_str_unref(birth->controller);
        birth->controller = mob_str_new("");
        _exit(getppid() == parent ? be_machine(&rig, birth, join, ends[1]) : 2);
    }
    cr_assert_gt(read(ends[0], text, sizeof text - 1), 0);
    cr_assert_neq(text[0], '0', "%s", text);
    g_autofree char *path = g_build_filename(rig.folder, "n1", "controller", NULL);
    for (int i = 0; i < 500 && access(path, F_OK) != 0; i++)
        g_usleep(10000);
    kill(rig.head, SIGSTOP);
    uint64_t begun = mob_clock_real();
    int fd = mob_line_connect(path);
    cr_assert_geq(fd, 0);
    cr_expect(is_closed(fd, 15000, NULL), "it waits still");
    cr_expect_geq(mob_clock_real() - begun, MOB_MEET_TIME - 100 * MOB_MS);
    close(fd);
    kill(far, SIGKILL);
    waitpid(far, NULL, 0);
    close(ends[0]);
    close(ends[1]);
    close(listener);
    unlink(watch);
    rmdir(folder);
}
