/* daemon.c: what the host of a node manager does besides: it starts and ends
 * the processes of its machine, and notices how they end.
 */
#include "net/shared.h"
#include "net/tap.h"
#include "net/vitals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ENDING_MS = 10,
    MOMENT_MS = 100, /* see tap.h */
    WHY_MAX = 1000,  /* letters of what a child says when it ends */
};

typedef struct {
    MobInterest interest; /* must be first; fd: a pidfd, -1 until it is started */
    MobNetHost *host;
    MobAddress address;
    MobRole role;
    MobStr *name; /* owned */
    pid_t pid;
    MobTap *tap; /* owned; NULL: what it writes goes elsewhere */
    bool killed; /* before it was started */
    bool greeted;
    bool said_stopped;
    uint64_t stopped; /* since, real time; 0: it is not */
    bool greedy;      /* it took too much memory, and dies of that */
    char *why;        /* owned; it has said that it ends, or we have ended it */
} MobChild;

#define STOPPED_TIME (2 * MOB_SECOND)

struct MobDaemon {
    MobLine *zygote;
    GPtrArray *children; /* of MobChild, owned */
    MobInterest look;    /* goes off when the children are to be looked at */
    uint64_t memory;     /* the most that one of them may take */
};

/* --- children --- */

static MobChild *
find(const MobNetHost *host, MobAddress address)
{
    const GPtrArray *children = host->daemon->children;

    for (guint i = children->len; i > 0; i--) {
        MobChild *child = g_ptr_array_index(children, i - 1);
        if (mob_address_eq(child->address, address))
            return child;
    }
    return NULL;
}

bool
mob_daemon_has(const MobNetHost *host, MobAddress address)
{
    return find(host, address) != NULL;
}

void
mob_daemon_greeted(MobNetHost *host, MobAddress address)
{
    MobChild *child = find(host, address);

    if (child != NULL)
        child->greeted = true;
}

bool
mob_daemon_waits(const MobNetHost *host)
{
    const GPtrArray *children = host->daemon->children;

    for (guint i = 0; i < children->len; i++)
        if (!((const MobChild *)g_ptr_array_index(children, i))->greeted)
            return true;
    return false;
}

void
mob_daemon_child(MobNetHost *host, const MobBirth *birth)
{
    MobChild *child = g_new0(MobChild, 1);
    MobStream *stream = &host->daemon->zygote->stream;
    MobFrame frame = {.kind = MOB_FRAME_BIRTH, .from = host->address, .to = birth->address};

    child->host = host;
    child->address = birth->address;
    child->role = (MobRole)birth->role;
    child->name = mob_str_ref(birth->name);
    child->interest.fd = -1;
    g_ptr_array_add(host->daemon->children, child);
    size_t begin = mob_frame_begin(&stream->out, &frame);
    mob_record_encode(MOB_RECORD_birth, birth, &stream->out);
    mob_frame_end(&stream->out, begin);
    mob_line_touch(host->daemon->zygote);
}

void
mob_daemon_spawn(MobNetHost *host, MobAddress address)
{
    g_autoptr(MobBirth) birth = mob_birth_child(host->birth);

    birth->role = MOB_ROLE_WORKER;
    birth->address = address;
    birth->name =
        mob_str_printf("%s/w%u", mob_str(birth->node_name), address.local - MOB_LOCAL_POOL);
    birth->wanted = host->out.wanted;
    birth->held = mob_look_held(host);
    mob_daemon_child(host, birth);
}

static void
child_free(MobChild *child)
{
    mob_tap_free(child->tap);
    mob_str_unref(child->name);
    g_free(child->why);
    g_free(child);
}

static void
end(MobChild *child, const char *why)
{
    MobNetHost *host = child->host;
    MobAddress address = child->address;
    bool of_pool = mob_birth_runs_programs(child->role);

    if (child->interest.fd >= 0) {
        mob_loop_remove(host->loop, &child->interest);
        close(child->interest.fd);
    }
    g_ptr_array_remove(host->daemon->children, child);
    child_free(child);
    mob_shared_ended(host, address);
    mob_look_died(host, address, why);
    if (!of_pool)
        return;
    MobInput input = {.kind = MOB_INPUT_CHILD, .from = address, .reason = why};
    mob_nethost_step(host, &input, host->address, host->events);
}

static void
on_child(MobInterest *interest, uint32_t events)
{
    MobChild *child = (MobChild *)interest;
    siginfo_t info = {0};
    g_autofree char *why = NULL;

    (void)events;
    if (waitid(P_PIDFD, (id_t)interest->fd, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
        return;
    if (info.si_code == CLD_EXITED && info.si_status == 0)
        why = g_strdup(child->why != NULL ? child->why : "exited");
    else if (info.si_code == CLD_EXITED)
        why = g_strdup_printf("exited with code %d", info.si_status);
    else if (info.si_status == SIGKILL)
        why = g_strdup(child->greedy ? child->why : "killed");
    else
        why = g_strdup_printf("ended by signal %d (%s)", info.si_status, strsignal(info.si_status));
    end(child, why);
}

/* --- looking after them --- */

static void
look_after(MobNetHost *host, uint32_t ms)
{
    struct itimerspec when = {.it_value = {ms / 1000, ms % 1000 * 1000000L}};

    timerfd_settime(host->daemon->look.fd, 0, &when, NULL);
}

void
mob_daemon_hurry(MobNetHost *host)
{
    look_after(host, MOMENT_MS);
}

/* It stands in its log, and whoever follows its job is told. */
static void
say_stopped(MobChild *child, bool stopped)
{
    g_autofree char *text =
        stopped ? g_strdup_printf("mobula: %s is stopped, and so is its task; it goes on after "
                                  "kill -CONT %d\n",
                                  mob_str(child->name), (int)child->pid)
                : g_strdup_printf("mobula: %s goes on\n", mob_str(child->name));

    child->said_stopped = stopped;
    if (child->tap != NULL)
        mob_tap_say(child->tap, text);
}

/* A short stop is nobody's business: scenarios do it (c:pause). */
static void
look_whether_stopped(MobChild *child, bool stopped)
{
    uint64_t now = mob_clock_real();

    if (!stopped)
        child->stopped = 0;
    else if (child->stopped == 0)
        child->stopped = now;
    bool long_since = child->stopped != 0 && now >= child->stopped + STOPPED_TIME;
    if (child->said_stopped ? !stopped : long_since)
        say_stopped(child, stopped);
}

static void
end_greedy(MobChild *child, uint64_t memory)
{
    g_free(child->why);
    child->why =
        g_strdup_printf("ended: it took %u MiB of memory, and a process may take %u MiB here "
                        "(mobula up --memory)",
                        (unsigned)(memory >> 20), (unsigned)(child->host->daemon->memory >> 20));
    child->greedy = true;
    kill(child->pid, SIGKILL);
}

/* Returns how much memory it takes. */
static uint64_t
look_at(MobChild *child)
{
    MobVitals vitals = mob_vitals_read(child->pid);

    if (!vitals.there || child->greedy)
        return 0;
    look_whether_stopped(child, vitals.stopped);
    if (vitals.memory > child->host->daemon->memory)
        end_greedy(child, vitals.memory);
    return vitals.memory;
}

/* While nobody runs user code here nothing is looked at. */
static void
on_look(MobInterest *interest, uint32_t events)
{
    MobNetHost *host = interest->data;
    const GPtrArray *children = host->daemon->children;
    uint64_t most = 0;
    uint64_t count;
    bool any = false;

    (void)events;
    if (read(interest->fd, &count, sizeof count) < 0)
        return;
    for (guint i = 0; i < children->len; i++) {
        MobChild *child = g_ptr_array_index(children, i);
        if (!mob_birth_runs_programs(child->role) || child->pid == 0)
            continue;
        any = true;
        most = MAX(most, look_at(child));
        if (child->tap != NULL)
            mob_tap_refill(child->tap);
    }
    if (any)
        look_after(host, mob_vitals_pause(most, host->daemon->memory));
}

void
mob_daemon_init(MobNetHost *host, int zygote)
{
    host->daemon = g_new0(MobDaemon, 1);
    host->daemon->zygote = mob_line_new(host, zygote, MOB_LINE_ZYGOTE, NULL);
    host->daemon->children = g_ptr_array_new();
    host->daemon->memory = mob_vitals_most((uint64_t)MAX(host->birth->total.memory, 0));
    host->daemon->look =
        (MobInterest){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                      .events = EPOLLIN,
                      .ready = on_look,
                      .data = host};
    mob_loop_add(host->loop, &host->daemon->look);
}

/* Who dies closes its lines a moment before its end is known, and whoever has
 * noticed asks at once why. The answer must not be that it lives. */
void
mob_daemon_asked(MobNetHost *host, MobAddress address)
{
    MobChild *child = find(host, address);

    if (child == NULL || child->interest.fd < 0)
        return;
    struct pollfd wait = {.fd = child->interest.fd, .events = POLLIN};
    if (poll(&wait, 1, ENDING_MS) > 0)
        on_child(&child->interest, EPOLLIN);
}

/* The zygote has started, or could not start, a child. */
void
mob_daemon_frame(MobNetHost *host, const MobFrame *frame)
{
    MobChild *child = find(host, frame->from);

    if (frame->kind != MOB_FRAME_CHILD)
        return;
    int pipe = frame->event != 0 && frame->clock != 0
                   ? mob_pass_take(&host->daemon->zygote->stream.pass)
                   : -1;
    if (child == NULL) {
        if (pipe >= 0)
            close(pipe);
        return;
    }
    if (pipe >= 0)
        child->tap = mob_tap_new(host, child->address, mob_str(child->name), pipe);
    if (frame->event == 0) {
        g_autofree char *why =
            g_strdup_printf("could not be started: %s", g_strerror((int)frame->clock));
        end(child, why);
        return;
    }
    child->pid = (pid_t)frame->event;
    child->interest.fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    child->interest.events = EPOLLIN;
    child->interest.ready = on_child;
    if (child->interest.fd < 0) {
        end(child, "it ended before it could be watched");
        return;
    }
    mob_loop_add(host->loop, &child->interest);
    if (mob_birth_runs_programs(child->role))
        look_after(host, MOMENT_MS);
    if (child->killed)
        kill(child->pid, SIGKILL);
}

void
mob_daemon_left(MobNetHost *host, MobAddress address, const uint8_t *why, uint32_t length)
{
    MobChild *child = find(host, address);

    if (child == NULL || child->greedy)
        return;
    g_free(child->why);
    child->why = g_strndup((const char *)why, MIN(length, (uint32_t)WHY_MAX));
}

void
mob_daemon_kill(MobNetHost *host, MobAddress address)
{
    MobChild *child = find(host, address);

    if (child == NULL)
        return;
    child->killed = true;
    if (child->pid != 0)
        kill(child->pid, SIGKILL);
}

void
mob_daemon_signal(MobNetHost *host, MobAddress address, int number)
{
    const MobChild *child = find(host, address);

    if (number == SIGKILL && mob_address_eq(address, host->address))
        kill(getpid(), SIGKILL);
    else if (number == SIGKILL)
        mob_daemon_kill(host, address);
    else if (child != NULL && child->pid != 0 && (number == SIGSTOP || number == SIGCONT))
        kill(child->pid, number);
}

void
mob_daemon_free(MobNetHost *host)
{
    for (guint i = 0; i < host->daemon->children->len; i++) {
        MobChild *child = g_ptr_array_index(host->daemon->children, i);
        if (child->pid != 0)
            kill(child->pid, SIGKILL);
        if (child->interest.fd >= 0) {
            waitid(P_PIDFD, (id_t)child->interest.fd, &(siginfo_t){0}, WEXITED);
            close(child->interest.fd);
        }
        child_free(child);
    }
    mob_loop_remove(host->loop, &host->daemon->look);
    close(host->daemon->look.fd);
    g_ptr_array_unref(host->daemon->children);
    g_clear_pointer(&host->daemon, g_free);
}
