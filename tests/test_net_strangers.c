/* Who connects to the port of a machine and is none of the cluster: it costs
 * little, lasts five seconds at most, gets nowhere, and nobody else notices.
 */
#include "net_tls_rig.h"

#include <gnutls/gnutls.h>

#include "runtime/msg.h"

static void
send_all(int fd, const void *data, size_t length)
{
    cr_expect_eq(send(fd, data, length, MSG_NOSIGNAL), (ssize_t)length);
}

G_GNUC_UNUSED static uint64_t
memory_kib(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
    g_autofree char *text = NULL;

    cr_assert(g_file_get_contents(path, &text, NULL, NULL));
    return g_ascii_strtoull(strstr(text, "VmRSS:") + 6, NULL, 10);
}

static guint
open_files(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)pid);
    GDir *dir = g_dir_open(path, 0, NULL);
    guint count = 0;

    while (g_dir_read_name(dir) != NULL)
        count++;
    g_dir_close(dir);
    return count;
}

Test(net_strangers, silence_lasts_five_seconds, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, false);
    int fd = knock(&rig);

    cr_expect_not(is_closed(fd, 4000, NULL));
    join_as(&rig, "n1");
    cr_expect(is_closed(fd, 3000, NULL));
    expect_said(&rig, "is refused: it did not say who it is within 5 s");
    close(fd);
}

Test(net_strangers, slow_bytes_do_not_make_it_longer, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, false);
    int fd = knock(&rig);
    static const uint8_t hello[] = {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03,
                                    0x03, 0,    0,    0,    0,    0,    0,    0,    0,    0};
    bool closed = false;

    for (size_t i = 0; i < sizeof hello && !closed; i++) {
        send(fd, hello + i, 1, MSG_NOSIGNAL);
        closed = is_closed(fd, 400, NULL);
        cr_expect(!closed || i >= 9, "after %zu bytes", i);
    }
    cr_expect(closed);
    join_as(&rig, "n1");
    close(fd);
}

/* Without TLS, so that it is we who read it. */
Test(net_strangers, half_a_frame_is_waited_for_five_seconds, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(false, true, false);
    int fd = knock(&rig);
    uint8_t half[20] = {100};

    send_all(fd, half, sizeof half);
    cr_expect_not(is_closed(fd, 3000, NULL));
    join_as(&rig, "n1");
    cr_expect(is_closed(fd, 4000, NULL));
    close(fd);
}

Test(net_strangers, a_long_frame_is_refused_before_it_is_there, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(false, true, false);
    int fd = knock(&rig);
    g_auto(MobBuf) frame = {0};

    size_t begin = mob_frame_begin(&frame, &(MobFrame){.kind = MOB_FRAME_HELLO});
    mob_buf_grow(&frame, MOB_FRAME_STRANGER_MAX + 1);
    mob_frame_end(&frame, begin);
    send_all(fd, frame.data, MOB_FRAME_HEADER);
    cr_expect(is_closed(fd, 3000, NULL));
    join_as(&rig, "n1");
    close(fd);
}

Test(net_strangers, a_message_before_the_word_reaches_nobody, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(false, true, false);
    int fd = knock(&rig);
    g_auto(MobBuf) frame = {0};

    size_t begin = mob_frame_begin(
        &frame, &(MobFrame){.kind = MOB_FRAME_MESSAGE, .from = {2, 0}, .to = {1, 0}});
    MobMsg *msg = (MobMsg *)mob_unregister_node_new();
    mob_msg_encode(msg, &frame);
    mob_msg_unref(msg);
    mob_frame_end(&frame, begin);
    send_all(fd, frame.data, frame.length);
    cr_expect(is_closed(fd, 3000, NULL));
    expect_said(&rig, "said what no machine of a cluster says");
    join_as(&rig, "n1");
    close(fd);
}

Test(net_strangers, a_browser_is_told_where_it_has_come, .timeout = 60)
{
    for (int tls = 0; tls < 2; tls++) {
        g_auto(Rig) rig = rig_new(tls != 0, true, false);
        g_autoptr(GString) said = g_string_new(NULL);
        static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        int fd = knock(&rig);

        send_all(fd, request, sizeof request - 1);
        cr_expect(is_closed(fd, 3000, said));
        cr_expect(memmem(said->str, said->len, "a machine of a Mobula cluster", 29) != NULL);
        expect_said(&rig, "is refused: it speaks another protocol");
        join_as(&rig, "n1");
        close(fd);
    }
}

Test(net_strangers, a_flood_takes_neither_memory_nor_descriptors, .timeout = 120)
{
    g_auto(Rig) rig = rig_new(true, true, false);
    static const uint8_t hello[] = {0x16, 0x03, 0x01, 0x10, 0x00, 0x01, 0x00, 0x0f, 0xfc};
    int fds[600];
    G_GNUC_UNUSED uint64_t before = memory_kib(rig.head);

    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        uint8_t noise[3000] = {0};
        fds[i] = knock(&rig);
        send(fds[i], hello, sizeof hello, MSG_NOSIGNAL);
        send(fds[i], noise, sizeof noise, MSG_NOSIGNAL);
    }
    join_as(&rig, "n1");
    cr_expect_lt(open_files(rig.head), 128 + 40);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed */
    cr_expect_lt(memory_kib(rig.head), before + 128 * 64);
#endif
    expect_said(&rig, "connections do not say who they are; the oldest is closed");
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
    join_as(&rig, "n2");
}

/* --- noise --- */

/* A HELLO that begins as one should, and goes on as it likes. */
static void
send_noise(GRand *rand, int fd, uint8_t kind)
{
    g_auto(MobBuf) buf = {0};
    bool ours = g_rand_boolean(rand);
    MobFrame frame = {.kind = MOB_FRAME_HELLO, .event = mob_schema_hash() + !ours};
    gint32 length = g_rand_int_range(rand, 0, 400);

    size_t begin = mob_frame_begin(&buf, &frame);
    mob_buf_add(&buf, &kind, g_rand_boolean(rand));
    for (gint32 i = 0; i < length; i++) {
        /* Lengths of texts are small more often than not. */
        uint8_t byte = (uint8_t)g_rand_int_range(rand, 0, g_rand_boolean(rand) ? 256 : 3);
        mob_buf_add(&buf, &byte, 1);
    }
    mob_frame_end(&buf, begin);
    send(fd, buf.data, buf.length, MSG_NOSIGNAL);
}

Test(net_strangers, noise_is_never_believed, .timeout = 60)
{
    GRand *rand = g_rand_new_with_seed(7);
    g_autofree char *token = mob_token_new();

    for (int i = 0; i < 20000; i++) {
        bool server = i % 2 == 0;
        int ends[2];
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        MobMeet *meet = mob_meet_new(ends[0], server,
                                     &(MobMeetOptions){.token = token, .name = "n1", .to = "n2"});
        mob_meet_step(meet);
        send_noise(rand, ends[1], server ? 2 : 1);
        if (!server)
            send_noise(rand, ends[1], 3);
        for (int turn = 0; turn < 3; turn++) {
            MobMeetState state = mob_meet_step(meet);
            cr_assert(state == MOB_MEET_MORE || state == MOB_MEET_FAILED, "noise %d", i);
        }
        cr_assert_leq(mob_meet_memory(meet), MOB_FRAME_HEADER + MOB_FRAME_STRANGER_MAX + 64);
        mob_meet_free(meet);
        close(ends[1]);
    }
    g_rand_free(rand);
}

/* --- what was overheard --- */

/* Everything between a client and the head, in the open. */
typedef struct {
    int listener;
    uint16_t port;
    MobTls *tls; /* it decrypts and encrypts again; NULL: it only listens */
    GByteArray *heard;
} Between;

static MobStream
stream_of(int fd)
{
    MobStream stream;

    mob_stream_init(&stream, fd);
    stream.frame_max = MOB_FRAME_MAX;
    return stream;
}

static void
shake(MobTls *tls, MobStream *stream, bool server)
{
    MobTlsSession *session = mob_tls_begin(tls, stream, server);

    while (mob_tls_handshake(session) == MOB_TLS_MORE) {
        struct pollfd wait = {.fd = stream->fd, .events = POLLIN};
        poll(&wait, 1, 1000);
    }
}

static void
pass(MobStream *from, MobStream *to, GByteArray *heard)
{
    mob_stream_read(from, 1 << 20);
    size_t length = from->in.length - from->in_at;
    mob_buf_add(&to->out, from->in.data + from->in_at, length);
    if (heard != NULL && length > 0)
        g_byte_array_append(heard, from->in.data + from->in_at, (guint)length);
    from->in_at = from->in.length;
    mob_stream_flush(to);
}

static gpointer
sit_between(gpointer data)
{
    Between *between = ((gpointer *)data)[0];
    const Rig *rig = ((gpointer *)data)[1];
    struct pollfd wait = {.fd = between->listener, .events = POLLIN};

    poll(&wait, 1, 10000);
    MobStream client = stream_of(mob_tcp_accept(between->listener));
    MobStream head = stream_of(knock(rig));
    if (between->tls != NULL) {
        shake(between->tls, &client, true);
        shake(between->tls, &head, false);
    }
    while (client.state == MOB_STREAM_OPEN && head.state == MOB_STREAM_OPEN) {
        struct pollfd both[] = {{.fd = client.fd, .events = POLLIN},
                                {.fd = head.fd, .events = POLLIN}};
        poll(both, 2, 1000);
        pass(&client, &head, between->heard);
        pass(&head, &client, NULL);
    }
    mob_stream_clear(&client);
    mob_stream_clear(&head);
    return NULL;
}

/* Joins through somebody who sits in between. */
static uint32_t
join_through(const Rig *rig, Between *between, MobJoin *join, char **why)
{
    gpointer data[] = {between, (gpointer)rig};

    between->listener = mob_tcp_listen("127.0.0.1", 0, &between->port, NULL);
    GThread *thread = g_thread_new("between", sit_between, data);
    join->head_port = between->port;
    uint32_t node = join_with(rig, "n1", join, why);
    g_thread_join(thread);
    close(between->listener);
    return node;
}

Test(net_strangers, what_was_heard_on_one_connection_is_of_no_use_on_another, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(false, true, false);
    g_autofree char *why = NULL;
    g_autoptr(GString) said = g_string_new(NULL);
    Between between = {.heard = g_byte_array_new()};

    cr_expect_neq(join_through(&rig, &between, join_of(&rig, "n1"), &why), 0, "%s", why);
    cr_assert_gt(between.heard->len, MOB_FRAME_HEADER);
    int fd = knock(&rig);
    send_all(fd, between.heard->data, between.heard->len);
    cr_expect(is_closed(fd, 3000, said));
    cr_expect(memmem(said->str, said->len, "its token is not", 16) != NULL);
    g_byte_array_unref(between.heard);
    close(fd);
}

Test(net_strangers, who_decrypts_in_between_is_noticed, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(true, true, false);
    g_autofree char *certs = g_build_filename(rig.folder, "evil", NULL);
    g_autofree char *why = NULL;
    Between between = {0};
    MobJoin *join = join_of(&rig, "n1");

    cr_assert(mob_certs_make_self(certs, "evil", NULL));
    between.tls = mob_tls_new(certs, false, NULL);
    cr_expect_eq(join_through(&rig, &between, join, &why), 0);
    EXPECT_IN(why, "shows another certificate");
    /* It has made the joiner believe in its certificate: the token still does not get through. */
    g_autofree char *print = mob_certs_print(certs, NULL);
    g_free(g_steal_pointer(&why));
    join = join_of(&rig, "n1");
    mob_str_unref(join->print);
    join->print = mob_str_new(print);
    cr_expect_eq(join_through(&rig, &between, join, &why), 0);
    EXPECT_IN(why, "its token is not that of this cluster");
    mob_tls_free(between.tls);
    join_as(&rig, "n2");
}

/* --- who pretends to be a head --- */

typedef struct {
    int listener;
    uint64_t schema;
} Liar;

static void
put_text(MobBuf *into, const char *text)
{
    uint8_t size[2] = {(uint8_t)strlen(text), 0};

    mob_buf_add(into, size, 2);
    mob_buf_add(into, text, strlen(text));
}

/* Says yes to everybody, whatever it knows. */
static gpointer
lie(gpointer data)
{
    const Liar *liar = data;
    struct pollfd wait = {.fd = liar->listener, .events = POLLIN};
    MobFrame frame = {.kind = MOB_FRAME_HELLO, .from = {1, 0}, .event = liar->schema};
    const uint8_t *body;
    g_auto(MobBuf) greeting = {0};
    g_auto(MobBuf) verdict = {0};

    memset(mob_buf_grow(&greeting, 33), 1, 33);
    put_text(&greeting, "9.9.9");
    put_text(&greeting, "liar");
    memset(mob_buf_grow(&verdict, 33), 3, 33);
    mob_buf_add(&verdict, "\x01", 1);
    put_text(&verdict, "");
    put_text(&verdict, "");
    poll(&wait, 1, 10000);
    MobStream stream = stream_of(mob_tcp_accept(liar->listener));
    mob_stream_put(&stream, &frame, greeting.data, greeting.length);
    mob_stream_flush(&stream);
    MobFrame word;
    while (stream.state == MOB_STREAM_OPEN && !mob_stream_next(&stream, &word, &body)) {
        wait.fd = stream.fd;
        poll(&wait, 1, 1000);
        mob_stream_read(&stream, 1 << 20);
    }
    mob_stream_put(&stream, &frame, verdict.data, verdict.length);
    mob_stream_flush(&stream);
    mob_stream_clear(&stream);
    return NULL;
}

static char *
join_a_liar(const Rig *rig, uint64_t schema)
{
    uint16_t port;
    Liar liar = {.listener = mob_tcp_listen("127.0.0.1", 0, &port, NULL), .schema = schema};
    GThread *thread = g_thread_new("liar", lie, &liar);
    MobJoin *join = join_of(rig, "n1");
    char *why;

    join->head_port = port;
    cr_expect_eq(join_with(rig, "n1", join, &why), 0);
    g_thread_join(thread);
    close(liar.listener);
    return why;
}

Test(net_strangers, a_head_that_does_not_know_the_token_is_not_believed, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(false, true, false);
    g_autofree char *why = join_a_liar(&rig, mob_schema_hash());

    EXPECT_IN(why, "does not know the token of the cluster");
}

Test(net_strangers, another_version_is_refused_with_both_named, .timeout = 60)
{
    g_auto(Rig) rig = rig_new(false, true, false);
    g_autofree char *why = join_a_liar(&rig, mob_schema_hash() + 1);
    g_autofree char *ours = g_strdup_printf("(messages %08x)", (unsigned)mob_schema_hash());

    EXPECT_IN(why, "liar at the head");
    EXPECT_IN(why, "runs mobula 9.9.9");
    EXPECT_IN(why, ours);
    EXPECT_IN(why, "install the same version on all machines");
}
