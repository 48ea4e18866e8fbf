/* What a process that runs user code cannot do any more, and what it still can.
 *
 * A call that is refused is so before anybody looks at its arguments. Here they are all
 * such that it does nothing if it is not refused: these tests may run as root.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/jail.h"

/* Runs @func jailed, in a process of its own; 0: all was as it should be. */
static int
jailed(int (*func)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        mob_jail_enter("test");
        _exit(func());
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status), "it was ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

#define SKIP_WITHOUT_FILTER()                                                                      \
    do {                                                                                           \
        if (!HAS_FILTER)                                                                           \
            cr_skip_test("there is no filter in this build");                                      \
    } while (0)

/* Says which, so that a failure names it. */
static int
expect_refused(const char *what, long result)
{
    if (result == -1 && errno == EPERM)
        return 0;
    fprintf(stderr, "# %s: %ld, %s\n", what, result, strerror(errno));
    return 1;
}

#define REFUSED(call) (errno = 0, expect_refused(#call, (long)(call)))

static int
make_processes(void)
{
    char *const words[] = {(char *)"true", NULL};
    char *const environment[] = {NULL};
    pid_t pid;
    int bad = 0;

    errno = 0;
    pid = fork();
    if (pid == 0)
        _exit(0);
    bad += expect_refused("fork", pid);
    bad += REFUSED(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0L));
    bad += posix_spawn(&pid, "/bin/true", NULL, NULL, words, environment) != EPERM;
    bad += REFUSED(syscall(SYS_execve, NULL, NULL, NULL));
    bad += system("true") == 0;
    return bad;
}

Test(net_jail, it_makes_no_processes_and_becomes_no_other)
{
    SKIP_WITHOUT_FILTER();
    cr_assert_eq(jailed(make_processes), 0);
}

static int
touch_others(void)
{
    char byte;
    struct iovec here = {&byte, 1};
    struct rlimit limit;
    int bad = 0;

    bad += REFUSED(ptrace(PTRACE_ATTACH, -1, NULL, NULL));
    bad += REFUSED(syscall(SYS_process_vm_readv, getppid(), &here, 1L, &here, 1L, 0L));
    bad += REFUSED(kill(getppid(), 0));
    bad += REFUSED(kill(-1, 0));
    bad += REFUSED(kill(0, 0));
    bad += REFUSED(syscall(SYS_tgkill, getppid(), getppid(), 0));
    bad += REFUSED(prlimit(getppid(), RLIMIT_CORE, NULL, &limit));
    bad += REFUSED(prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0));
    bad += REFUSED(ioctl(-1, TIOCSTI, NULL));
    return bad;
}

Test(net_jail, it_touches_no_other_process)
{
    SKIP_WITHOUT_FILTER();
    cr_assert_eq(jailed(touch_others), 0);
}

static int
change_the_machine(void)
{
    int bad = 0;

    bad += REFUSED(syscall(SYS_mount, NULL, NULL, NULL, 0L, NULL));
    bad += REFUSED(syscall(SYS_unshare, -1L));
    bad += REFUSED(syscall(SYS_chroot, NULL));
    bad += REFUSED(syscall(SYS_bpf, 0L, NULL, 0L));
    bad += REFUSED(syscall(SYS_keyctl, 0L, 0L, 0L, 0L, 0L));
    bad += REFUSED(syscall(SYS_perf_event_open, NULL, 0L, -1L, -1L, 0L));
    bad += REFUSED(syscall(SYS_userfaultfd, 0L));
    bad += REFUSED(syscall(SYS_personality, 0xffffffffL));
#ifdef SYS_io_uring_setup
    bad += REFUSED(syscall(SYS_io_uring_setup, 1L, NULL));
#endif
    bad += REFUSED(syscall(SYS_sethostname, NULL, 1L));
    return bad;
}

Test(net_jail, it_changes_nothing_of_the_machine)
{
    SKIP_WITHOUT_FILTER();
    cr_assert_eq(jailed(change_the_machine), 0);
}

static int
open_doors(void)
{
    int bad = 0;

    bad += REFUSED(listen(-1, 1));
    bad += REFUSED(socket(AF_PACKET, SOCK_DGRAM, 0));
    bad += REFUSED(socket(AF_ALG, SOCK_SEQPACKET, 0));
    bad += REFUSED(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
    return bad;
}

Test(net_jail, it_listens_nowhere_and_opens_no_odd_sockets)
{
    SKIP_WITHOUT_FILTER();
    cr_assert_eq(jailed(open_doors), 0);
}

static int
count_privileges(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    struct rlimit core;
    struct rlimit files;
    char score[16] = "";
    FILE *file = fopen("/proc/self/oom_score_adj", "re");
    int bad = file == NULL || fgets(score, sizeof score, file) == NULL || atoi(score) < 500;

    bad += syscall(SYS_capget, &head, sets) != 0;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        bad += (sets[i].effective | sets[i].permitted | sets[i].inheritable) != 0;
    bad += prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
    getrlimit(RLIMIT_CORE, &core);
    bad += core.rlim_max != 0;
    getrlimit(RLIMIT_NOFILE, &files);
    bad += files.rlim_max > 4096;
    return bad;
}

Test(net_jail, it_has_no_capabilities_and_is_the_first_to_go_when_memory_runs_out)
{
    cr_assert_eq(jailed(count_privileges), 0);
}

static void *
be_thread(void *data)
{
    *(int *)data = 1;
    return NULL;
}

static int
work(void)
{
    struct addrinfo *found = NULL;
    struct sockaddr_un nobody = {.sun_family = AF_UNIX, .sun_path = "/nobody"};
    pthread_t thread;
    sqlite3 *db = NULL;
    int ran = 0;
    int bad = 0;

    bad += pthread_create(&thread, NULL, be_thread, &ran) != 0 || pthread_join(thread, NULL) != 0;
    bad += ran != 1;
    bad += sqlite3_open(":memory:", &db) != SQLITE_OK ||
           sqlite3_exec(db, "create table t(a); insert into t values(1)", NULL, NULL, NULL) != 0;
    sqlite3_close(db);
    bad += dlopen("libm.so.6", RTLD_NOW) == NULL;
    bad += memfd_create("x", MFD_CLOEXEC) < 0;
    bad += getaddrinfo("127.0.0.1", "80", NULL, &found) != 0;
    bad += socket(AF_INET, SOCK_STREAM, 0) < 0;
    bad += connect(socket(AF_UNIX, SOCK_STREAM, 0), (const struct sockaddr *)&nobody,
                   sizeof nobody) == 0 ||
           errno != ENOENT;
    bad += kill(getpid(), 0) != 0 || raise(0) != 0;
    bad += open("/proc/self/status", O_RDONLY) < 0;
    return bad;
}

Test(net_jail, it_still_works_with_threads_files_libraries_and_connections)
{
    cr_assert_eq(jailed(work), 0);
}
