/* behind.c: see behind.h. */
#include "cli/behind.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

void
mob_behind_ready(int ready, const char *log)
{
    int file = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    fflush(NULL);
    if (write(ready, "", 1) < 0)
        g_printerr("mobula: %s\n", g_strerror(errno));
    close(ready);
    if (file < 0)
        return;
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    close(file);
}

static MobExit
be_background(MobCli *cli, MobBehindFunc func, void *data, int ready)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    setsid();
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    dup2(ready, STDOUT_FILENO);
    dup2(ready, STDERR_FILENO);
    if (chdir("/") != 0)
        return MOB_EXIT_USAGE;
    MobExit code = func(cli, data, ready);
    fflush(NULL);
    return code;
}

/* Passes on what it says until it is ready; true if it came to that. */
static bool
pass_on(int ready)
{
    char block[4096];
    ssize_t count;

    while ((count = read(ready, block, sizeof block)) != 0) {
        if (count < 0 && errno != EINTR)
            return false;
        const char *end = count > 0 ? memchr(block, '\0', (size_t)count) : NULL;
        size_t length = end != NULL ? (size_t)(end - block) : (size_t)MAX(count, 0);
        fwrite(block, 1, length, stderr);
        if (end != NULL)
            return true;
    }
    return false;
}

MobExit
mob_behind(MobCli *cli, MobBehindFunc func, void *data)
{
    int ends[2];
    int status = 0;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        mob_term_complain(cli->term, "cannot make a pipe: %s", g_strerror(errno));
        return MOB_EXIT_USAGE;
    }
    fflush(NULL);
    pid_t pid = fork(); /* nothing has been made yet, and there are no threads */
    if (pid < 0) {
        mob_term_complain(cli->term, "cannot fork: %s", g_strerror(errno));
        return MOB_EXIT_USAGE;
    }
    if (pid == 0) {
        close(ends[0]);
        _exit((int)be_background(cli, func, data, ends[1]));
    }
    close(ends[1]);
    bool ready = pass_on(ends[0]);
    close(ends[0]);
    if (ready)
        return MOB_EXIT_OK;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? (MobExit)WEXITSTATUS(status) : MOB_EXIT_BUG;
}

int
mob_behind_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}
