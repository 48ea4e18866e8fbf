/* How a process is doing, seen from outside. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/vitals.h"

enum {
    MANY = 64 << 20,
};

/* A process that takes much memory, shared or its own, and then waits to be ended. */
static pid_t
start(int flags)
{
    int ends[2];
    char byte = 0;

    cr_assert_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        char *bytes = mmap(NULL, MANY, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
        memset(bytes, 1, MANY);
        if (write(ends[1], &byte, 1) == 1)
            pause();
        _exit(1);
    }
    close(ends[1]);
    cr_assert_eq(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return pid;
}

static void
end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

Test(net_vitals, memory_that_is_shared_does_not_count)
{
    pid_t own = start(MAP_PRIVATE);
    pid_t shared = start(MAP_SHARED);
    MobVitals one = mob_vitals_read(own);
    MobVitals other = mob_vitals_read(shared);

    cr_assert(one.there && other.there);
    cr_assert_geq(one.memory, MANY);
    cr_assert_leq(other.memory + MANY / 2, one.memory);
    end(own);
    end(shared);
}

Test(net_vitals, who_is_stopped_is_seen_until_it_goes_on)
{
    pid_t pid = start(MAP_PRIVATE);
    int status;

    cr_assert_not(mob_vitals_read(pid).stopped);
    kill(pid, SIGSTOP);
    cr_assert_eq(waitpid(pid, &status, WUNTRACED), pid);
    cr_assert(mob_vitals_read(pid).stopped);
    kill(pid, SIGCONT);
    cr_assert_eq(waitpid(pid, &status, WCONTINUED), pid);
    cr_assert_not(mob_vitals_read(pid).stopped);
    end(pid);
    cr_assert_not(mob_vitals_read(pid).there);
    cr_assert_not(mob_vitals_read(0).there);
}

Test(net_vitals, who_comes_near_the_bound_is_looked_at_more_often)
{
    uint64_t most = mob_vitals_most(0);

    cr_assert_gt(most, 0);
    cr_assert_eq(mob_vitals_most(most / 2), MAX(most / 2, 64 << 20));
    cr_assert_eq(mob_vitals_most(UINT64_MAX), most, "not more than there is");
    cr_assert_eq(mob_vitals_most(1), MIN(64 << 20, most), "mobula itself needs some");
    cr_assert_eq(mob_vitals_pause(0, UINT64_C(64) << 30), 1000);
    cr_assert_eq(mob_vitals_pause(UINT64_C(64) << 30, UINT64_C(64) << 30), 50);
    cr_assert_eq(mob_vitals_pause(UINT64_C(65) << 30, UINT64_C(64) << 30), 50);
}
