/* Clients of an observer that ask, and then do not behave. */
#include <criterion/criterion.h>
#include <poll.h>
#include <unistd.h>

#include "net/inside.h"
#include "net/serve.h"

typedef struct {
    char *folder;
    char *path;
    MobLoop *loop;
    MobServe *serve;
    guint gone;
} Rig;

enum {
    ANSWER = 4 << 20, /* more than a socket takes */
};

static void
on_ask(void *data, MobClient *client, const MobAsk *ask)
{
    g_autofree char *text = g_strnfill(ANSWER, 'x');

    mob_client_tell(client, MOB_TELL_OUT, text, ANSWER);
    if (!ask->follow)
        mob_client_over(client, 0);
}

static void
on_gone(void *data, MobClient *client)
{
    ((Rig *)data)->gone++;
}

static void
rig_init(Rig *rig)
{
    *rig = (Rig){.folder = g_dir_make_tmp("mobula-serve-XXXXXX", NULL), .loop = mob_loop_new()};
    rig->path = g_build_filename(rig->folder, "clients", NULL);
    rig->serve = mob_serve_new(&(MobServeOptions){.loop = rig->loop,
                                                  .path = rig->path,
                                                  .version = "0",
                                                  .ask = on_ask,
                                                  .gone = on_gone,
                                                  .data = rig},
                               NULL);
    cr_assert_not_null(rig->serve);
}

static void
rig_clear(Rig *rig)
{
    mob_serve_free(rig->serve);
    mob_loop_free(rig->loop);
    cr_expect_eq(rmdir(rig->folder), 0);
    g_free(rig->path);
    g_free(rig->folder);
}

static MobStream
ask(const Rig *rig, bool follow)
{
    MobFrame hello = {.kind = MOB_FRAME_HELLO, .event = mob_schema_hash()};
    MobFrame frame = {.kind = MOB_FRAME_ASK};
    MobAsk words = {.follow = follow};
    MobStream stream;

    mob_stream_init(&stream, mob_line_connect(rig->path));
    stream.frame_max = MOB_FRAME_MAX;
    mob_stream_put(&stream, &hello, "0", 1);
    size_t begin = mob_frame_begin(&stream.out, &frame);
    mob_record_encode(MOB_RECORD_ask, &words, &stream.out);
    mob_frame_end(&stream.out, begin);
    mob_stream_flush(&stream);
    return stream;
}

static void
serve(const Rig *rig, int rounds)
{
    for (int i = 0; i < rounds; i++)
        mob_loop_wait(rig->loop, mob_clock_real() + MOB_MS);
}

static uint64_t
memory(void)
{
    g_autofree char *text = NULL;

    cr_assert(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
    return g_ascii_strtoull(strchr(text, ' '), NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* It has been told all, does not read it, and says what nobody has asked for. */
Test(net_serve, who_has_its_answer_and_talks_on_costs_no_memory, .timeout = 60)
{
    Rig rig;
    rig_init(&rig);
    MobStream stream = ask(&rig, false);
    g_autofree char *noise = g_strnfill(1 << 20, 'n');

    serve(&rig, 5);
    uint64_t before = memory();
    for (int i = 0; i < 1000; i++) {
        mob_buf_add(&stream.out, noise, stream.out.length > stream.out_at ? 0 : 1 << 20);
        mob_stream_flush(&stream);
        serve(&rig, 1);
    }
    cr_expect_lt(memory(), before + (16 << 20));
    mob_stream_clear(&stream);
    rig_clear(&rig);
}

Test(net_serve, who_talks_on_before_its_answer_is_whole_is_cut_off, .timeout = 60)
{
    Rig rig;
    rig_init(&rig);
    MobStream stream = ask(&rig, true);
    MobStream good = ask(&rig, false);

    serve(&rig, 5);
    mob_stream_put(&stream, &(MobFrame){.kind = MOB_FRAME_TELL}, "what is this?", 13);
    mob_stream_flush(&stream);
    serve(&rig, 20);
    cr_expect_eq(rig.gone, 1);
    for (int i = 0; i < 1000 && good.in.length < ANSWER; i++) {
        mob_stream_read(&good, SIZE_MAX);
        serve(&rig, 1);
    }
    cr_expect_geq(good.in.length, ANSWER, "another one is answered");
    mob_stream_clear(&stream);
    mob_stream_clear(&good);
    rig_clear(&rig);
}
