/* member.c: a machine of a cluster whose head is elsewhere, as mobula start
 * --address makes it.
 *
 * This process looks after the machine's daemon: it says how joining went, ends
 * the daemon when it is told to end (first asking it to leave in order), and
 * joins again, as a new life of the machine, when the daemon has lost the head or
 * was declared dead, for as long as --retry says. Everything the machine leaves
 * is in one folder, which goes with it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/behind.h"
#include "cli/clusters.h"
#include "cli/keys.h"
#include "cli/up.h"
#include "net/launch.h"
#include "net/local.h"
#include "net/nest.h"
#include "net/roster.h"
#include "runtime/str.h"

#define RETRY_TIME (30 * MOB_SECOND)
#define RETRY_LOOK (250 * MOB_MS)
#define LEAVE_TIME (3 * MOB_SECOND)

typedef struct {
    MobCli *cli;
    MobJoin *join; /* borrowed */
    MobNest *nest;
    MobNest *spill; /* NULL: it spills there, too */
    MobClusterPlace place;
    char *name;    /* owned; given by the head; NULL: not yet */
    int signals;   /* a signalfd */
    bool stopping; /* somebody has told us to end */
    pid_t daemon;  /* 0: none */
    int watch;     /* its pidfd */
    int line;      /* to it */
    int ready;     /* see behind.h; -1: in front, or ready already */
} Member;

/* --- waiting --- */

static uint64_t
now(void)
{
    return (uint64_t)g_get_monotonic_time() * MOB_US;
}

/* Waits for the daemon to end, or for a signal that tells us to; true if the daemon has ended. */
static bool
wait_for_daemon(Member *member, uint64_t until)
{
    struct signalfd_siginfo info;

    for (;;) {
        struct pollfd waits[2] = {{.fd = member->signals, .events = POLLIN},
                                  {.fd = member->watch, .events = POLLIN}};
        uint64_t time = now();
        int ms = until == MOB_TIME_NEVER ? -1
                 : time >= until         ? 0
                                         : (int)((until - time) / MOB_MS) + 1;
        int count = poll(waits, 2, ms);
        if (waits[1].revents != 0)
            return true;
        if (waits[0].revents != 0 && read(member->signals, &info, sizeof info) > 0) {
            member->stopping = true;
            return false;
        }
        if (count == 0)
            return false;
    }
}

/* --- the daemon --- */

static MobBirth *
birth_of(const Member *member)
{
    const MobFlags *flags = &member->cli->flags;
    MobBirth *birth = g_new0(MobBirth, 1);
    uint32_t cpus = flags->cpus > 0 ? (uint32_t)flags->cpus : g_get_num_processors();
    const char *name = member->name != NULL ? member->name : flags->name != NULL ? flags->name : "";

    birth->refs_held = 1;
    birth->role = MOB_ROLE_NODE;
    birth->name = mob_str_new(name);
    birth->node_name = mob_str_new(name);
    birth->incarnation = 1;
    birth->folder = mob_str_new(mob_nest_path(member->nest));
    birth->total = (MobResources){.cpu = (int64_t)cpus * MOB_UNIT, .memory = INT64_C(8) << 30};
    birth->store_bytes = mob_up_store(flags, 1);
    birth->cores = cpus;
    if (member->spill != NULL)
        birth->spill = mob_str_new(mob_nest_path(member->spill));
    return birth;
}

static void
reap(Member *member)
{
    if (member->daemon != 0)
        while (waitpid(member->daemon, NULL, 0) < 0 && errno == EINTR)
            ;
    if (member->watch >= 0)
        close(member->watch);
    if (member->line >= 0)
        close(member->line);
    member->daemon = 0;
    member->watch = member->line = -1;
}

/* Joins once; NULL with an error that is the reason. */
static MobSite *
join_once(Member *member, GError **error)
{
    char *const argv[] = {(char *)"/proc/self/exe", (char *)"_daemon", NULL};
    g_autoptr(MobBirth) birth = birth_of(member);
    MobSite *site = NULL;

    member->line = mob_launch(argv, member->join, birth, &member->daemon, error);
    if (member->line < 0)
        return NULL;
    member->watch = (int)syscall(SYS_pidfd_open, member->daemon, 0);
    site = mob_launch_joined(member->line, error);
    if (site == NULL) {
        kill(member->daemon, SIGKILL);
        reap(member);
        return NULL;
    }
    g_free(member->name);
    member->name = g_strdup(mob_str(site->name));
    return site;
}

/* Why it has ended (transfer full); NULL: it did not say so. */
static char *
last_words(const Member *member)
{
    MobStream stream;
    MobFrame frame;
    const uint8_t *body;
    char *why = NULL;

    mob_stream_init(&stream, dup(member->line));
    mob_stream_read(&stream, SIZE_MAX);
    while (mob_stream_next(&stream, &frame, &body))
        if (frame.kind == MOB_FRAME_LEAVES && why == NULL)
            why = g_strndup((const char *)body, frame.length);
    mob_stream_clear(&stream);
    return why;
}

/* --- joining --- */

static void
say_joined(const Member *member, const MobSite *site)
{
    MobTerm *term = member->cli->term;
    const MobFlags *flags = &member->cli->flags;
    g_autoptr(GString) line = g_string_new(NULL);
    int cpus = flags->cpus > 0 ? flags->cpus : (int)g_get_num_processors();

    g_string_append_printf(line, "✓ joined as %s   %d cpu, ", member->name, cpus);
    mob_term_bytes(line, mob_up_store(flags, 1));
    mob_term_say(term, "%s store   port %u   version " MOBULA_VERSION " = head", line->str,
                 site->port);
}

static MobTime
retry_time(const Member *member)
{
    return member->cli->flags.retry > 0 ? member->cli->flags.retry : RETRY_TIME;
}

/* Tries until @until; NULL with the last error, or because it is to stop. */
static MobSite *
join_until(Member *member, uint64_t until, GError **error)
{
    for (;;) {
        g_clear_error(error);
        MobSite *site = join_once(member, error);
        if (site != NULL || member->stopping || now() >= until)
            return site;
        wait_for_daemon(member, now() + RETRY_LOOK); /* there is none: it is a pause */
        if (member->stopping)
            return NULL;
    }
}

static bool
join_first(Member *member)
{
    g_autoptr(GError) error = NULL;
    MobTime patience = member->cli->flags.retry;
    g_autoptr(MobSite) site = join_until(member, now() + patience, &error);

    if (site == NULL && !member->stopping) {
        mob_term_complain(member->cli->term, "%s", error->message);
        return false;
    }
    if (site != NULL)
        say_joined(member, site);
    return site != NULL;
}

/* --- its life --- */

static void
leave(Member *member)
{
    if (member->daemon == 0)
        return;
    kill(member->daemon, SIGTERM);
    if (!wait_for_daemon(member, now() + LEAVE_TIME)) /* time is up, or a second signal */
        kill(member->daemon, SIGKILL);
}

/* The daemon has ended, and nobody here wanted that; false if that is the end. */
static bool
go_on(Member *member, MobExit *code)
{
    MobTerm *term = member->cli->term;
    g_autofree char *why = last_words(member);
    g_autoptr(GError) error = NULL;

    reap(member);
    *code = MOB_EXIT_FAILED;
    if (why != NULL && strcmp(why, "left") == 0) {
        mob_term_say(term, "%s has left the cluster", member->name);
        *code = MOB_EXIT_OK;
        return false;
    }
    if (why == NULL) {
        mob_term_complain(term, "the daemon of %s was killed", member->name);
        return false;
    }
    mob_term_say(term, "%s is out of the cluster: %s; trying to join again", member->name, why);
    g_autoptr(MobSite) site = join_until(member, now() + retry_time(member), &error);
    if (site != NULL)
        say_joined(member, site);
    else if (!member->stopping)
        mob_term_complain(term, "%s gives up: %s", member->name, error->message);
    return site != NULL;
}

static MobExit
live(Member *member)
{
    MobExit code = MOB_EXIT_OK;

    for (;;) {
        bool ended = wait_for_daemon(member, MOB_TIME_NEVER);
        if (member->stopping || (ended && !go_on(member, &code)))
            break;
    }
    if (!member->stopping)
        return code;
    leave(member);
    mob_term_say(member->cli->term, "%s has left the cluster", member->name);
    return MOB_EXIT_OK;
}

static bool
settle(Member *member, GError **error)
{
    const char *spill = member->cli->flags.spill_dir;

    if (!mob_clusters_enter(NULL, &member->place, error))
        return false;
    if (spill != NULL && (member->spill = mob_nest_new(spill, "/proc/self/exe", error)) == NULL)
        return false;
    member->nest = mob_nest_new(NULL, "/proc/self/exe", error);
    return member->nest != NULL;
}

static MobExit
join_and_live(Member *member)
{
    MobTerm *term = member->cli->term;
    g_autoptr(GError) error = NULL;

    if (!settle(member, &error)) {
        mob_term_complain(term, "%s", error->message);
        return MOB_EXIT_USAGE;
    }
    if (!join_first(member))
        return member->stopping ? MOB_EXIT_OK : MOB_EXIT_FAILED;
    g_autofree char *head =
        g_strdup_printf("%s:%u", mob_str(member->join->head_host), member->join->head_port);
    g_autofree char *logs = g_build_filename(mob_nest_path(member->nest), "logs", NULL);
    if (!mob_clusters_publish(&member->place, 1, head, logs, &error)) {
        mob_term_complain(term, "%s", error->message);
        return MOB_EXIT_USAGE;
    }
    if (member->ready >= 0) {
        g_autofree char *log = g_build_filename(logs, "member.log", NULL);
        mob_term_say(term, "mobula stop takes it out   next: mobula status");
        mob_behind_ready(member->ready, log);
    } else {
        mob_term_say(term, "Ctrl-C takes it out   next: mobula status");
    }
    return live(member);
}

static MobExit
run(MobCli *cli, void *join, int ready)
{
    Member member = {
        .cli = cli, .join = join, .signals = -1, .watch = -1, .line = -1, .ready = ready};

    member.signals = mob_behind_signals();
    MobExit code = join_and_live(&member);
    if (member.daemon != 0)
        kill(member.daemon, SIGKILL);
    reap(&member);
    mob_nest_free(member.spill);
    mob_nest_free(member.nest);
    mob_clusters_leave(&member.place);
    close(member.signals);
    g_free(member.name);
    return code;
}

MobExit
mob_member_run(MobCli *cli, MobJoin *join, bool behind)
{
    return behind ? mob_behind(cli, run, join) : run(cli, join, -1);
}
