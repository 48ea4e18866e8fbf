/* wild.c: a program whose tasks do what they should not. The first word says
 * what. Every time another task goes on beside it, and says so.
 */
#include <mobula.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MILLISECOND = 1000000, /* in nanoseconds */
};

/* --- what goes on beside it --- */

static MobulaValue *
add(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    (void)count;
    mobula_compute(task, MILLISECOND);
    return mobula_int(task, mobula_to_int(task, args[0]) + 1);
}

static int64_t
others_go_on(MobulaTask *task)
{
    MobulaValue *number = mobula_int(task, 0);

    for (int i = 0; i < 50; i++)
        number = mobula_get(task, mobula_call(task, "add", number));
    return mobula_to_int(task, number);
}

/* --- what it should not --- */

/* Whether the call was refused before anybody looked at its arguments, which are
 * all such that it does nothing where it is not. */
static bool
is_refused(long result)
{
    return result == -1 && errno == EPERM;
}

static MobulaValue *
forbidden(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    const struct {
        const char *name;
        bool refused;
    } tries[] = {
        {"ptrace", is_refused(ptrace(PTRACE_ATTACH, -1, NULL, NULL))},
        {"kill", is_refused(kill(getppid(), 0))},
        {"mount", is_refused(syscall(SYS_mount, NULL, NULL, NULL, 0L, NULL))},
        {"unshare", is_refused(syscall(SYS_unshare, -1L))},
        {"listen", is_refused(listen(-1, 1))},
        {"execve", is_refused(syscall(SYS_execve, NULL, NULL, NULL))},
    };

    (void)args;
    (void)count;
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
        mobula_print(task, "%s is %s", tries[i].name, tries[i].refused ? "refused" : "allowed");
    return mobula_nil(task);
}

static MobulaValue *
forks(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    (void)args;
    (void)count;
    for (int i = 0; i < 100; i++) {
        pid_t child = fork();
        if (child == 0) {
            sleep(1);
            _exit(0);
        }
        if (child > 0 || errno != EPERM)
            mobula_raise(task, "fork made %d, %s", (int)child, strerror(errno));
    }
    return mobula_string(task, "there is one of me");
}

static MobulaValue *
speaks(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    (void)args;
    (void)count;
    printf("one, by printf in %s\n", mobula_worker(task));
    fprintf(stderr, "two, by stderr\n");
    mobula_print(task, "three, by mobula");
    if (write(STDOUT_FILENO, "four, by write\n", 15) != 15)
        mobula_raise(task, "write: %s", strerror(errno));
    printf("five, without an end");
    return mobula_nil(task);
}

static MobulaValue *
crashes(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    (void)task;
    (void)args;
    (void)count;
    for (int i = 0; i < 10000; i++) /* more than is read in a moment */
        printf("%5d is a long story, and it is told to its end whatever happens then\n", i);
    printf("these were its last words\n");
    abort();
    return NULL;
}

static MobulaValue *
floods(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    (void)task;
    (void)args;
    (void)count;
    for (uint64_t i = 0;; i++)
        printf("%20llu and a line that nobody wants to read to its end, because it has none\n",
               (unsigned long long)i);
    return NULL;
}

static MobulaValue *
swallows(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    enum {
        BITE = 1 << 20,
    };

    (void)args;
    (void)count;
    for (;;) {
        char *bite = malloc(BITE);
        if (bite == NULL)
            mobula_raise(task, "there is no more");
        memset(bite, 1, BITE);
    }
    return NULL;
}

static MobulaValue *
waits(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    (void)args;
    (void)count;
    printf("pid %d\n", (int)getpid());
    if (sleep(2) != 0)
        mobula_raise(task, "its sleep was cut short");
    return mobula_string(task, "it went on");
}

/* --- the program --- */

static MobulaValue *
drive(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    MobulaOptions once = MOBULA_OPTIONS;
    const char *what = count > 0 ? mobula_to_string(task, args[0], NULL) : "";
    if (strcmp(what, "main-crashes") == 0)
        crashes(task, args, count);
    once.max_retries = 0;
    MobulaValue *wild = mobula_submit(task, &once, what, 0, NULL);

    mobula_sleep(task, 100 * MILLISECOND);
    mobula_print(task, "beside it %lld tasks went on", (long long)others_go_on(task));
    return mobula_get(task, wild);
}

void
mobula_program(MobulaProgram *program)
{
    mobula_register(program, "main", drive);
    mobula_register_kernel(program, "add", add);
    mobula_register_kernel(program, "forbidden", forbidden);
    mobula_register_kernel(program, "forks", forks);
    mobula_register(program, "speaks", speaks);
    mobula_register_kernel(program, "crashes", crashes);
    mobula_register_kernel(program, "floods", floods);
    mobula_register_kernel(program, "swallows", swallows);
    mobula_register_kernel(program, "waits", waits);
}
