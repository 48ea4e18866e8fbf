/* Who may join a cluster over TCP, who may not and is told why, and what it
 * costs when somebody only wants to do harm.
 */
#include "net_tls_rig.h"

#include <gnutls/gnutls.h>

#include "runtime/msg.h"

/* --- who may --- */

Test(net_tls, who_knows_the_token_joins, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, false);

    cr_expect_eq(join_as(&rig, "n1"), 2);
    cr_expect_eq(join_as(&rig, "n2"), 3);
}

Test(net_tls, a_node_number_is_never_given_again, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, false);

    cr_expect_eq(join_as(&rig, "n1"), 2);
    rig_stop(&rig);
    rig_start(&rig); /* the head itself is 3 now */
    cr_expect_eq(join_as(&rig, "n1"), 4);
}

Test(net_tls, the_head_keeps_its_certificate, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, false);
    g_autofree char *print = g_strdup(rig.print);

    rig_stop(&rig);
    rig_start(&rig);
    cr_expect_str_eq(rig.print, print);
    cr_expect_eq(strlen(print), 64);
}

Test(net_tls, machines_for_which_the_same_ca_vouches_join, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, true);

    cr_expect_eq(join_as(&rig, "n1"), 2);
}

Test(net_tls, on_loopback_neither_tls_nor_a_token_is_needed, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(false, false, false);

    cr_expect_eq(join_as(&rig, "n1"), 2);
}

Test(net_tls, a_joiner_is_told_what_the_cluster_is_like, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, false);
    g_autoptr(MobBirth) birth = birth_of(&rig, "n1");
    g_autoptr(MobJoin) join = join_of(&rig, "n1");
    MobConfig config;

    MobMesh *mesh = mob_mesh_new(join, birth, NULL);
    cr_assert_not_null(mesh);
    cr_expect_eq(birth->pace, 10);
    cr_expect(mob_address_eq(birth->gcs, (MobAddress){1, MOB_LOCAL_GCS}));
    cr_expect(mob_birth_read_config(birth->config, &config));
    MobClock clock = {.epoch = birth->epoch, .pace = 1};
    cr_expect_gt(mob_clock_elapsed(&clock), 0);
    cr_expect_lt(mob_clock_elapsed(&clock), 60 * MOB_SECOND);
    mob_mesh_free(mesh);
}

/* --- who may not, and is told why --- */

static void
expect_refused(const Rig *rig, const char *name, MobJoin *join, const char *part)
{
    g_autofree char *why = NULL;

    cr_expect_eq(join_with(rig, name, join, &why), 0, "it joined");
    EXPECT_IN(why, part);
}

static MobStr *
new_token(void)
{
    g_autofree char *token = mob_token_new();

    return mob_str_new(token);
}

Test(net_tls, a_wrong_token_is_refused, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, false);
    MobJoin *join = join_of(&rig, "n1");

    mob_str_unref(join->token);
    join->token = new_token();
    expect_refused(&rig, "n1", join, "refuses n1: its token is not that of this cluster");
    expect_said(&rig, "a connection from 127.0.0.1 is refused: its token");
    join_as(&rig, "n2");
}

Test(net_tls, no_token_is_refused, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(false, true, false);
    MobJoin *join = join_of(&rig, "n1");

    mob_str_unref(join->token);
    join->token = mob_str_new("");
    expect_refused(&rig, "n1", join, "it has no token, and this cluster has one");
    join_as(&rig, "n2");
}

Test(net_tls, a_head_with_another_certificate_is_not_trusted, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, false);
    MobJoin *join = join_of(&rig, "n1");

    mob_str_unref(join->print);
    join->print = mob_str_new("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    expect_refused(&rig, "n1", join, "shows another certificate");
    join_as(&rig, "n2");
}

Test(net_tls, a_machine_of_another_ca_is_refused_by_either_side, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, true);
    g_autofree char *ca = g_build_filename(rig.folder, "other", NULL);
    MobJoin *join = join_of(&rig, "n1");
    g_autofree char *certs = g_strdup(mob_str(join->certs));
    g_autofree char *theirs = g_build_filename(certs, "ca.pem", NULL);
    g_autofree char *ours = g_build_filename(rig.ca_folder, "ca.pem", NULL);
    g_autofree char *text = NULL;

    cr_assert(mob_certs_make_ca(ca, NULL));
    cr_assert(mob_certs_issue(ca, "n1", certs, NULL));
    expect_refused(&rig, "n1", join, "is not of this cluster's CA");
    join = join_of(&rig, "n1");
    cr_assert(mob_certs_issue(ca, "n1", certs, NULL));
    cr_assert(g_file_get_contents(ours, &text, NULL, NULL)); /* it trusts the head all the same */
    cr_assert(g_file_set_contents(theirs, text, -1, NULL));
    expect_refused(&rig, "n1", join, "of this cluster's CA");
    expect_said(&rig, "of this cluster's CA");
    join_as(&rig, "n2");
}

/* --- clocks on the wall that are wrong --- */

static time_t
in_twenty_years(time_t *into)
{
    time_t when = time(NULL) + 20 * 365 * 24 * 3600;

    if (into != NULL)
        *into = when;
    return when;
}

static time_t
at_the_beginning(time_t *into)
{
    if (into != NULL)
        *into = 1000;
    return 1000;
}

/* A machine that has just been switched on may not know the time yet. */
Test(net_tls, a_clock_that_is_wrong_is_named_where_a_certificate_is_looked_at, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, true);

    gnutls_global_set_time_function(at_the_beginning);
    expect_refused(&rig, "n1", join_of(&rig, "n1"),
                   "is not valid yet by the clock here: set that right");
    gnutls_global_set_time_function(in_twenty_years);
    expect_refused(&rig, "n1", join_of(&rig, "n1"), "has expired by the clock here");
    gnutls_global_set_time_function(time);
    join_as(&rig, "n1");
}

Test(net_tls, where_nobody_looks_at_certificates_it_does_not_matter_what_time_it_is, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, false);

    gnutls_global_set_time_function(in_twenty_years);
    join_as(&rig, "n1");
    gnutls_global_set_time_function(at_the_beginning);
    join_as(&rig, "n2");
}

Test(net_tls, a_name_that_is_taken_is_refused, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, false);
    MobJoin *join = join_of(&rig, "n1");

    expect_refused(&rig, "head", join, "the head has this name; choose another one");
}

Test(net_tls, nothing_starts_outside_of_loopback_without_a_token_and_tls)
{
    Rig rig = {
        .folder = g_dir_make_tmp("mobula-tls-XXXXXX", NULL), .token = g_strdup(""), .port = 1};
    MobJoin *join = join_of(&rig, "n1");

    mob_str_unref(join->listen);
    join->listen = mob_str_new("0.0.0.0");
    expect_refused(&rig, "n1", join, "without a token");
    g_free(rig.token);
    rig.token = mob_token_new();
    join = join_of(&rig, "n1");
    mob_str_unref(join->listen);
    join->listen = mob_str_new("0.0.0.0");
    expect_refused(&rig, "n1", join, "without TLS");
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", rig.folder);
    cr_expect_eq(system(command), 0);
    g_free(rig.folder);
    g_free(rig.token);
}

Test(net_tls, a_head_that_is_not_there_a_name_that_is_none_a_port_in_use, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, false);
    MobJoin *join = join_of(&rig, "n1");
    uint16_t port;
    int fd = mob_tcp_listen("127.0.0.1", 0, &port, NULL);

    join->port = port;
    expect_refused(&rig, "n1", join, "something else listens there, choose another port");
    close(fd);
    join = join_of(&rig, "n1");
    join->head_port = port;
    expect_refused(&rig, "n1", join, "nobody listens at");
    join = join_of(&rig, "n1");
    mob_str_unref(join->head_host);
    join->head_host = mob_str_new("no.such.machine.invalid");
    expect_refused(&rig, "n1", join, "there is no machine called 'no.such.machine.invalid'");
}

/* Something else listens there, which says a little and never more, or nothing. */
static gpointer
be_no_head(gpointer data)
{
    const int *listener = data;
    struct pollfd wait = {.fd = *listener, .events = POLLIN};

    for (int i = 0; i < 2; i++) {
        poll(&wait, 1, 10000);
        int fd = mob_tcp_accept(*listener);
        if (i == 0)
            send(fd, "220 mail.example.com ESMTP, and a few words more than a head has\r\n", 66,
                 MSG_NOSIGNAL);
        g_usleep(500000);
        close(fd);
    }
    return NULL;
}

Test(net_tls, something_that_is_no_head_is_not_joined, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(false, true, false);
    uint16_t port;
    int listener = mob_tcp_listen("127.0.0.1", 0, &port, NULL);
    GThread *thread = g_thread_new("no head", be_no_head, &listener);
    MobJoin *join = join_of(&rig, "n1");

    join->head_port = port;
    expect_refused(&rig, "n1", join, "is no machine of a Mobula cluster");
    join = join_of(&rig, "n1");
    join->head_port = port;
    expect_refused(&rig, "n1", join, "went away");
    g_thread_join(thread);
    close(listener);
}

Test(net_tls, a_machine_that_is_not_the_head_says_so, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, false);
    Rig other = rig;
    int ends[2];
    char text[200] = "";

    cr_assert_eq(pipe(ends), 0);
    pid_t member = fork();
    if (member == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(be_machine(&rig, birth_of(&rig, "n1"), join_of(&rig, "n1"), ends[1]));
    }
    close(ends[1]);
    cr_assert_gt(read(ends[0], text, sizeof text - 1), 0);
    other.port = (uint16_t)g_ascii_strtoull(text, NULL, 10);
    other.print = strchr(text, ' ') + 1;
    expect_refused(&other, "n2", join_of(&other, "n2"),
                   "this machine is not the head; join that one");
    join_as(&rig, "n2");
    close(ends[0]);
    kill(member, SIGKILL);
    waitpid(member, NULL, 0);
}

Test(net_tls, a_token_that_others_can_read_is_not_taken)
{
    g_autofree char *folder = g_dir_make_tmp("mobula-tls-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "token", NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *token = mob_token_make(path, NULL);
    g_autofree char *again = mob_token_make(path, NULL);

    cr_assert_not_null(token);
    cr_expect_eq(strlen(token), 43);
    cr_expect_str_eq(token, again);
    chmod(path, 0644);
    cr_expect_null(mob_token_load(path, &error));
    EXPECT_IN(error->message, "can be read by others");
    unlink(path);
    rmdir(folder);
}

/* A machine that has a token cannot be another machine. */
Test(net_tls, nobody_speaks_for_a_machine_with_another_certificate, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, false);
    g_autoptr(MobBirth) birth = birth_of(&rig, "thief");
    g_autoptr(MobJoin) join = join_of(&rig, "thief");
    uint32_t node = join_as(&rig, "n1");

    MobMesh *mesh = mob_mesh_new(join, birth, NULL);
    cr_assert_not_null(mesh);
    mesh->my = mob_node_address(node);
    const MobFar *head = mob_roster_get(&mesh->roster, 1);
    MobMeet *meet = mob_mesh_approach(mesh, head->site, knock(&rig), MOB_MEET_LINK);
    cr_expect_eq(mob_meet_now(meet), MOB_MEET_FAILED);
    EXPECT_IN(mob_meet_why(meet), "its certificate is not the one that it joined with");
    mob_meet_free(meet);
    mesh->my = birth->address;
    meet = mob_mesh_approach(mesh, head->site, knock(&rig), MOB_MEET_LINK);
    cr_expect_eq(mob_meet_now(meet), MOB_MEET_DONE, "%s", mob_meet_why(meet));
    mob_meet_free(meet);
    mob_mesh_free(mesh);
}

/* A stolen machine is bad enough; it must not end the others. */
Test(net_tls, no_machine_but_the_head_speaks_for_the_gcs, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, false);
    g_autoptr(MobBirth) birth = birth_of(&rig, "thief");
    g_autoptr(MobJoin) join = join_of(&rig, "thief");
    MobFrame frame = {
        .kind = MOB_FRAME_MESSAGE, .from = {1, MOB_LOCAL_GCS}, .to = mob_node_address(1)};
    g_autoptr(MobMsg) fence = (MobMsg *)mob_fence_new();
    MobStream stream = {.fd = -1};

    MobMesh *mesh = mob_mesh_new(join, birth, NULL);
    cr_assert_not_null(mesh);
    const MobFar *head = mob_roster_get(&mesh->roster, 1);
    MobMeet *meet = mob_mesh_approach(mesh, head->site, knock(&rig), MOB_MEET_LINK);
    cr_assert_eq(mob_meet_now(meet), MOB_MEET_DONE, "%s", mob_meet_why(meet));
    mob_meet_take(meet, &stream);
    size_t begin = mob_frame_begin(&stream.out, &frame);
    mob_msg_encode(fence, &stream.out);
    mob_frame_end(&stream.out, begin);
    mob_stream_flush(&stream);
    expect_said(&rig, "speaks for 1.1, which it is not");
    join_as(&rig, "n1");
    mob_stream_clear(&stream);
    mob_meet_free(meet);
    mob_mesh_free(mesh);
}

Test(net_tls, who_cannot_be_reached_is_tried_again_after_a_while_that_grows)
{
    MobRoster roster;
    MobSite *site = g_new0(MobSite, 1);
    uint64_t before = 0;

    site->refs_held = 1;
    site->node = 5;
    mob_roster_init(&roster);
    MobFar *far = mob_roster_put(&roster, site);
    cr_expect(mob_far_may_try(far));
    for (int i = 0; i < 40; i++) {
        mob_far_failed(far);
        uint64_t wait = far->retry_at - mob_clock_real();
        cr_expect_not(mob_far_may_try(far));
        cr_expect_leq(wait, 2 * MOB_SECOND);
        cr_expect(wait > before || before > MOB_SECOND, "attempt %d", i);
        before = wait;
    }
    mob_far_reached(far);
    cr_expect(mob_far_may_try(far));
    mob_roster_clear(&roster);
}
