/* Who connects where processes report to whoever looks on, and is no process of
 * the cluster: it is cut off, and nobody else is.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <unistd.h>

#include "net/inside.h"
#include "net/local_parts.h"

typedef struct {
    MobLocal *local;
    MobState *state;
} Watch;

static Watch
watch_new(void)
{
    MobMachine head = {.name = "head", .cpus = MOB_UNIT};
    MobLocalOptions options = {
        .pace = 1, .command = "true", .machines = &head, .machine_count = 1, .stays = true};
    Watch watch = {.state = mob_state_new()};

    mob_config_init(&options.config, MOB_PROFILE_IDEAL);
    watch.local = mob_local_new(&options, NULL);
    cr_assert_not_null(watch.local);
    MobControl *control = mob_local_control(watch.local);
    control->watch(control, &watch.state->watcher);
    return watch;
}

static void
watch_clear(Watch *watch)
{
    mob_local_free(watch->local);
    mob_state_free(watch->state);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Watch, watch_clear)

/* --- being a process --- */

static MobStream
come(const Watch *watch)
{
    g_autofree char *path = g_build_filename(mob_local_folder(watch->local), "controller", NULL);
    MobStream stream;
    int fd = mob_line_connect(path);

    cr_assert_geq(fd, 0);
    mob_stream_init(&stream, fd);
    stream.frame_max = MOB_FRAME_MAX;
    return stream;
}

static void
put_hello(MobStream *stream, uint64_t schema)
{
    MobFrame hello = {.kind = MOB_FRAME_HELLO, .from = {1, 7}, .event = schema};

    mob_stream_put(stream, &hello, NULL, 0);
}

static void
put_born(MobStream *stream, const char *name, const char *machine)
{
    MobFrame frame = {.kind = MOB_FRAME_REPORT, .from = {1, 7}};
    MobProcInfo info = {
        .address = {1, 7}, .name = name, .node_name = machine, .role = MOB_ROLE_NODE};

    size_t begin = mob_frame_begin(&stream->out, &frame);
    mob_report_born_encode(&info, 1, 1, &stream->out);
    mob_frame_end(&stream->out, begin);
}

/* Lets whoever looks on look for a while; whether it closes the line meanwhile. */
static bool
is_cut_off(const Watch *watch, MobStream *stream, int milliseconds)
{
    uint64_t until = mob_clock_real() + (uint64_t)milliseconds * MOB_MS;

    mob_stream_flush(stream);
    while (stream->state == MOB_STREAM_OPEN && mob_clock_real() < until) {
        mob_local_look(watch->local, MIN(until, mob_clock_real() + 10 * MOB_MS));
        mob_stream_read(stream, 1 << 20);
    }
    return stream->state != MOB_STREAM_OPEN;
}

static void
expect_works(const Watch *watch)
{
    MobStream stream = come(watch);

    put_hello(&stream, mob_schema_hash());
    put_born(&stream, "good", "head");
    cr_expect_not(is_cut_off(watch, &stream, 100));
    cr_expect_not_null(mob_state_proc(watch->state, "good"));
    mob_stream_clear(&stream);
}

/* --- tests --- */

Test(net_watch, silence_lasts_five_seconds, .timeout = 60)
{
    g_auto(Watch) watch = watch_new();
    MobStream stream = come(&watch);
    MobStream known = come(&watch);

    put_hello(&known, mob_schema_hash());
    cr_expect_not(is_cut_off(&watch, &known, 10));
    cr_expect_not(is_cut_off(&watch, &stream, 4000));
    cr_expect(is_cut_off(&watch, &stream, 2000));
    cr_expect_not(is_cut_off(&watch, &known, 10), "who has said who it is may be silent");
    expect_works(&watch);
    mob_stream_clear(&stream);
    mob_stream_clear(&known);
}

/* Nobody else has to report for it. */
Test(net_watch, a_stranger_wakes_whoever_waits_for_ever_only_to_be_cut_off, .timeout = 60)
{
    g_auto(Watch) watch = watch_new();
    MobStream stream = come(&watch);
    uint64_t begun = mob_clock_real();

    mob_local_look(watch.local, MOB_TIME_NEVER); /* it is let in */
    mob_local_look(watch.local, MOB_TIME_NEVER);
    cr_expect_geq(mob_clock_real() - begun, 4 * MOB_SECOND);
    cr_expect(is_cut_off(&watch, &stream, 100));
    mob_stream_clear(&stream);
}

Test(net_watch, who_reports_before_it_has_said_who_it_is_is_cut_off, .timeout = 60)
{
    g_auto(Watch) watch = watch_new();
    MobStream stream = come(&watch);

    put_born(&stream, "bad", "head");
    cr_expect(is_cut_off(&watch, &stream, 2000));
    cr_expect_null(mob_state_proc(watch.state, "bad"));
    expect_works(&watch);
    mob_stream_clear(&stream);
}

Test(net_watch, another_version_is_cut_off, .timeout = 60)
{
    g_auto(Watch) watch = watch_new();
    MobStream stream = come(&watch);

    put_hello(&stream, mob_schema_hash() + 1);
    cr_expect(is_cut_off(&watch, &stream, 2000));
    expect_works(&watch);
    mob_stream_clear(&stream);
}

Test(net_watch, nobody_is_born_twice_on_one_line, .timeout = 60)
{
    g_auto(Watch) watch = watch_new();
    MobStream stream = come(&watch);

    put_hello(&stream, mob_schema_hash());
    put_born(&stream, "once", "head");
    put_born(&stream, "twice", "head");
    cr_expect(is_cut_off(&watch, &stream, 2000));
    cr_expect_not_null(mob_state_proc(watch.state, "once"));
    cr_expect_null(mob_state_proc(watch.state, "twice"));
    expect_works(&watch);
    mob_stream_clear(&stream);
}
