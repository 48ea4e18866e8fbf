/* Whether a process stays awake for a moment before it goes to sleep. */
#include <criterion/criterion.h>
#include <glib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/clock.h"
#include "net/loop.h"
#include "net/spin.h"

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
    for (unsigned pause = 1; pause <= 512; pause *= 2) {
        cr_assert_eq(refusals(&spin), pause / 2 == 0 ? 0 : pause / 2);
        mob_spin_learn(&spin, false);
    }
    refusals(&spin);
    mob_spin_learn(&spin, false);
    cr_assert_eq(refusals(&spin), 1023, "but never given up");
    mob_spin_learn(&spin, true);
    cr_assert_eq(refusals(&spin), 0);
    mob_spin_learn(&spin, false);
    cr_assert_eq(refusals(&spin), 1);
    mob_spin_clear(&spin);
}

static void
count_it(MobInterest *interest, uint32_t events)
{
    (void)events;
    ++*(int *)interest->data;
}

Test(net_spin, a_loop_that_spins_ends_at_once_if_something_comes_and_soon_if_not)
{
    MobLoop *loop = mob_loop_new();
    int ends[2];
    int told = 0;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    MobInterest interest = {.fd = ends[0], .events = EPOLLIN, .ready = count_it, .data = &told};
    mob_loop_add(loop, &interest);
    uint64_t begun = mob_clock_real();
    cr_assert_eq(mob_loop_spin(loop, MOB_MS), 0);
    cr_assert_geq(mob_clock_real() - begun, MOB_MS);
    cr_assert_eq(write(ends[1], "x", 1), 1);
    cr_assert_eq(mob_loop_spin(loop, 600 * MOB_SECOND), 1);
    cr_assert_eq(told, 0, "nobody is told before the clock has been read");
    mob_loop_act(loop);
    cr_assert_eq(told, 1);
    mob_loop_free(loop);
    close(ends[0]);
    close(ends[1]);
}
