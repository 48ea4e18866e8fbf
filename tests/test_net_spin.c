/* Whether a process stays awake for a moment before it goes to sleep. */
#include <criterion/criterion.h>
#include <glib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/inside.h"

/* A process on a machine of @cores of which the kernel says @text. */
static void
make(MobSpin *spin, unsigned cores, const char *text)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("schedstat-XXXXXX", &path, NULL);

    cr_assert_geq(fd, 0);
    unlink(path);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    *spin = (MobSpin){.waits = fd, .cores = cores, .pause = 1};
}

static void
says(const MobSpin *spin, const char *text)
{
    cr_assert_eq(ftruncate(spin->waits, 0), 0);
    cr_assert_eq(pwrite(spin->waits, text, strlen(text), 0), (ssize_t)strlen(text));
}

/* After a second. */
static bool
may(unsigned cores, const char *text)
{
    MobSpin spin;

    make(&spin, cores, text);
    bool yes = mob_spin_may(&spin, MOB_SECOND);
    mob_spin_clear(&spin);
    return yes;
}

Test(net_spin, only_while_there_are_cores_to_spare)
{
    cr_assert(may(2, "700000000 0 12\n"));
    cr_assert(may(2, "700000000 100000000 12\n"), "a tenth of the time is not much");
    cr_assert_not(may(2, "700000000 200000000 12\n"), "a fifth is");
    cr_assert_not(may(1, "700000000 0 12\n"), "whoever is to answer needs the core");
    cr_assert_not(may(2, ""));
    cr_assert_not(may(2, "nonsense"));
    cr_assert_not(may(2, "non sense"));
}

Test(net_spin, the_time_since_the_last_look_counts)
{
    MobSpin spin;

    make(&spin, 2, "0 900000000 1\n");
    cr_assert_not(mob_spin_may(&spin, MOB_SECOND));
    says(&spin, "0 901000000 1\n");
    cr_assert_not(mob_spin_may(&spin, MOB_SECOND + MOB_MS), "it is not looked at all the time");
    cr_assert(mob_spin_may(&spin, 2 * MOB_SECOND));
    says(&spin, "0 951000000 1\n");
    cr_assert_not(mob_spin_may(&spin, 2 * MOB_SECOND + 100 * MOB_MS));
    mob_spin_clear(&spin);
}

static unsigned
refusals(MobSpin *spin)
{
    unsigned count = 0;

    while (!mob_spin_may(spin, MOB_SECOND))
        count++;
    return count;
}

Test(net_spin, where_it_does_not_help_it_is_tried_less_and_less_often)
{
    MobSpin spin;

    make(&spin, 2, "1000 0 1\n");
    for (unsigned pause = 1; pause <= 128; pause *= 2) {
        cr_assert_eq(refusals(&spin), pause / 2 == 0 ? 0 : pause / 2);
        mob_spin_learn(&spin, false);
    }
    refusals(&spin);
    mob_spin_learn(&spin, false);
    cr_assert_eq(mob_spin_time(&spin), MOB_SPIN_TRY);
    cr_assert_eq(refusals(&spin), 255, "but never given up");
    mob_spin_learn(&spin, true);
    cr_assert_eq(mob_spin_time(&spin), MOB_SPIN_TIME);
    cr_assert_eq(refusals(&spin), 0);
    mob_spin_learn(&spin, false);
    cr_assert_eq(refusals(&spin), 1);
    mob_spin_clear(&spin);
}

/* --- lines --- */

/* Of a process only what reads: two peers have a line to it. */
typedef struct {
    MobNetHost host;
    MobPeer peers[2];
    MobLine *lines[2];
    int ends[2]; /* the peers' */
} Rig;

static void
rig_init(Rig *rig)
{
    *rig = (Rig){.host.loop = mob_loop_new(),
                 .host.lines = g_ptr_array_new_with_free_func(mob_line_free),
                 .host.dirty = g_ptr_array_new(),
                 .host.look_at = MOB_TIME_NEVER};
    for (int i = 0; i < 2; i++) {
        int pair[2];
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        rig->ends[i] = pair[1];
        rig->lines[i] = mob_line_new(&rig->host, pair[0], MOB_LINE_IN, &rig->peers[i]);
    }
}

static void
rig_clear(Rig *rig)
{
    g_ptr_array_unref(rig->host.lines);
    g_ptr_array_unref(rig->host.dirty);
    mob_loop_free(rig->host.loop);
    close(rig->ends[0]);
    close(rig->ends[1]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

static size_t
has(const Rig *rig, int line)
{
    return rig->lines[line]->stream.in.length;
}

Test(net_spin, who_waits_awake_goes_on_at_once_if_something_comes_and_soon_if_not)
{
    g_auto(Rig) rig;

    rig_init(&rig);
    uint64_t begun = mob_clock_real();
    cr_assert_not(mob_lines_spin(&rig.host, MOB_MS));
    cr_assert_geq(mob_clock_real() - begun, MOB_MS);
    cr_assert_eq(write(rig.ends[0], "x", 1), 1);
    cr_assert(mob_lines_spin(&rig.host, 600 * MOB_SECOND));
    cr_assert_eq(has(&rig, 0), 0, "nothing is taken before the clock has been read");
    mob_lines_act(&rig.host);
    cr_assert_eq(has(&rig, 0), 1);
}

Test(net_spin, the_line_that_spoke_last_is_read_and_the_others_are_not_forgotten)
{
    g_auto(Rig) rig;

    rig_init(&rig);
    cr_assert_eq(write(rig.ends[0], "x", 1), 1);
    cr_assert(mob_lines_spin(&rig.host, 600 * MOB_SECOND));
    mob_lines_act(&rig.host);
    cr_assert_eq(rig.host.heard, rig.lines[0]);
    cr_assert_eq(write(rig.ends[1], "xy", 2), 2);
    for (int i = 0; i < 2; i++) {
        g_usleep(1000);
        cr_assert_eq(write(rig.ends[0], "x", 1), 1);
        cr_assert(mob_lines_spin(&rig.host, 600 * MOB_SECOND));
        mob_lines_act(&rig.host);
    }
    cr_assert_eq(has(&rig, 1), 2);
}

Test(net_spin, who_hangs_up_is_noticed_by_whoever_waits_awake)
{
    g_auto(Rig) rig;

    rig_init(&rig);
    rig.host.heard = rig.lines[0];
    cr_assert_eq(shutdown(rig.ends[0], SHUT_WR), 0);
    cr_assert(mob_lines_spin(&rig.host, 600 * MOB_SECOND));
    cr_assert_eq(rig.lines[0]->stream.state, MOB_STREAM_ENDED);
}
