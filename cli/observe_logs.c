/* observe_logs.c: the status of a cluster, and the logs of its processes; see
 * observe_parts.h.
 *
 * Every process has a file of its own (net/log.h): what its programs print, and
 * what it writes by itself, also when it crashes. Nobody tells when such a file
 * grows, so it is looked at now and then, while somebody follows.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/observe_parts.h"
#include "net/log.h"

enum {
    BLOCK = 64 << 10,
    ROUND_MOST = 1 << 20, /* of one file: others wait too */
};

#define LOOK_PERIOD (100 * MOB_MS)

/* --- status --- */

/* What the stores of the machine @name have no room for. */
static uint64_t
spilled_on(const MobState *state, const char *name)
{
    const MobStateNode *node = mob_state_node(state, name);
    uint64_t bytes = 0;

    for (guint i = 0; node != NULL && node->alive && i < state->copies->len; i++) {
        const MobStateCopy *copy = g_ptr_array_index(state->copies, i);
        if (copy->on_disk && copy->to == 0 && copy->node.v == node->node.v)
            bytes += copy->object->size;
    }
    return bytes;
}

static void
status_node(const MobObserver *observer, const MobRows *nodes, guint row, GString *out)
{
    g_autoptr(GString) load = g_string_new(NULL);
    uint64_t running = mob_rows_cell(nodes, row, "running")->number;
    uint64_t workers = mob_rows_cell(nodes, row, "workers")->number;
    uint64_t spilled = spilled_on(observer->state, mob_rows_get(nodes, row, "node"));

    mob_term_pad(out, mob_rows_get(nodes, row, "node"), 7, 2);
    if (strcmp(mob_rows_get(nodes, row, "state"), "ALIVE") != 0) {
        g_string_append_printf(out, "✗ %s\n", mob_rows_get(nodes, row, "reason"));
        return;
    }
    g_string_append_printf(load, "▸ %" G_GUINT64_FORMAT " task%s", running,
                           running == 1 ? "" : "s");
    mob_term_pad(out, load->str, 12, 2);
    g_string_append_printf(out, "%" G_GUINT64_FORMAT " cpu   %" G_GUINT64_FORMAT " worker%s   ",
                           mob_rows_cell(nodes, row, "cpus")->number, workers,
                           workers == 1 ? "" : "s");
    mob_term_bytes(out, mob_rows_cell(nodes, row, "store")->number);
    g_string_append(out, " store");
    if (spilled > 0) {
        g_string_append(out, ", ");
        mob_term_bytes(out, spilled);
        g_string_append(out, " on disk");
    }
    g_string_append_printf(out, "   pid %" G_GUINT64_FORMAT "\n",
                           mob_rows_cell(nodes, row, "pid")->number);
}

static void
status_head(const MobObserver *observer, const MobRows *nodes, GString *out)
{
    uint64_t cpus = 0;
    uint64_t bytes = 0;
    guint alive = 0;

    for (guint row = 0; row < mob_rows_count(nodes); row++) {
        if (strcmp(mob_rows_get(nodes, row, "state"), "ALIVE") != 0)
            continue;
        alive++;
        cpus += mob_rows_cell(nodes, row, "cpus")->number;
        bytes += mob_rows_cell(nodes, row, "store")->number;
    }
    g_string_append_printf(out, "%s   %u node%s   %" G_GUINT64_FORMAT " cpu   ",
                           observer->options.name, alive, alive == 1 ? "" : "s", cpus);
    mob_term_bytes(out, bytes);
    g_string_append(out, " store   up ");
    mob_term_duration(out, observer->live.control->now(observer->live.control));
    g_string_append(out, observer->state->gcs_alive ? "\n" : "   ✗ gcs is dead\n");
}

static void
status_jobs(const MobRows *jobs, GString *out)
{
    guint over = 0;

    for (guint row = 0; row < mob_rows_count(jobs); row++) {
        if (strcmp(mob_rows_get(jobs, row, "state"), "RUNNING") != 0) {
            over++;
            continue;
        }
        mob_term_pad(out, mob_rows_get(jobs, row, "job"), 7, 2);
        g_string_append_printf(out, "▸ %s   %" G_GUINT64_FORMAT " tasks   ",
                               mob_rows_get(jobs, row, "name"),
                               mob_rows_cell(jobs, row, "tasks")->number);
        mob_term_duration(out, mob_rows_cell(jobs, row, "took_ns")->number);
        g_string_append_c(out, '\n');
    }
    if (over > 0)
        g_string_append_printf(out, "%u job%s over\n", over, over == 1 ? " is" : "s are");
}

int
mob_observer_status(MobObserver *observer, const MobSink *sink)
{
    g_autoptr(MobRows) nodes = mob_live_rows(&observer->live, mob_noun("nodes", NULL));
    g_autoptr(MobRows) jobs = mob_live_rows(&observer->live, mob_noun("jobs", NULL));
    g_autoptr(GString) out = g_string_new(NULL);

    if (sink->json) {
        mob_rows_print(nodes, sink);
        return MOB_EXIT_OK;
    }
    status_head(observer, nodes, out);
    for (guint row = 0; row < mob_rows_count(nodes); row++)
        status_node(observer, nodes, row, out);
    status_jobs(jobs, out);
    mob_sink_table(sink, out->str);
    mob_observer_say_stopped(observer, sink);
    mob_sink_say(sink, "next: mobula list tasks -f state=RUNNING");
    return MOB_EXIT_OK;
}

/* --- files --- */

/* Of a long log only the end is kept; see net/log.h. */
static void
go_where_it_is(int fd, uint64_t *at, const MobSink *sink)
{
    struct stat info;

    if (fstat(fd, &info) != 0)
        return;
    uint64_t size = (uint64_t)info.st_size;
    if (size < *at)
        *at = 0; /* it was begun anew */
    if (size <= *at + MOB_LOG_KEEP)
        return;
    mob_sink_say(sink, "about %" G_GUINT64_FORMAT " MiB before this are not kept",
                 ((size - MOB_LOG_KEEP - *at) >> 20) + 1);
    *at = size - MOB_LOG_KEEP;
}

/* Tells what @path holds from *@at on, up to so much at once; false: nothing can be read. */
static bool
tell_file(const char *path, uint64_t *at, const MobSink *sink)
{
    g_autofree char *block = g_malloc(BLOCK);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = 0;

    if (fd < 0)
        return false;
    go_where_it_is(fd, at, sink);
    uint64_t until = *at + ROUND_MOST;
    while (*at < until && (count = pread(fd, block, BLOCK, (off_t)*at)) > 0) {
        sink->tell(sink->data, MOB_TELL_OUT, block, (size_t)count);
        *at += (uint64_t)count;
    }
    close(fd);
    return count >= 0;
}

void
mob_observer_tail_clear(MobObserver *observer)
{
    if (observer->tail.fd < 0)
        return;
    mob_loop_remove(mob_local_loop(observer->options.local), &observer->tail);
    close(observer->tail.fd);
    observer->tail.fd = -1;
}

static void
on_tail(MobInterest *interest, uint32_t events)
{
    MobObserver *observer = interest->data;
    uint64_t count;

    (void)events;
    if (read(interest->fd, &count, sizeof count) < 0)
        return;
    bool any = false;
    for (guint i = 0; i < observer->followers->len; i++) {
        MobFollower *follower = g_ptr_array_index(observer->followers, i);
        if (follower->kind != MOB_FOLLOW_FILE)
            continue;
        any = true;
        tell_file(follower->path, &follower->at, &follower->sink);
    }
    if (!any)
        mob_observer_tail_clear(observer);
}

void
mob_observer_tail_init(MobObserver *observer)
{
    observer->tail = (MobInterest){.fd = -1, .events = EPOLLIN, .ready = on_tail, .data = observer};
}

static void
start_tail(MobObserver *observer)
{
    struct itimerspec every = {.it_value = {0, LOOK_PERIOD}, .it_interval = {0, LOOK_PERIOD}};

    if (observer->tail.fd >= 0)
        return;
    observer->tail.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    timerfd_settime(observer->tail.fd, 0, &every, NULL);
    mob_loop_add(mob_local_loop(observer->options.local), &observer->tail);
}

static void
say_which_logs(const MobObserver *observer, const char *name, const MobSink *sink)
{
    g_autoptr(GString) names = g_string_new(NULL);
    const GPtrArray *procs = observer->state->procs;

    for (guint i = 0; i < procs->len; i++) {
        const MobStateProc *proc = g_ptr_array_index(procs, i);
        if (proc->alive && proc->role != MOB_ROLE_NODE)
            g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "", proc->name);
    }
    mob_sink_say(sink, "there is no log of %s; there are logs of jobs (J1) and of %s", name,
                 names->str);
}

static int
worker_logs(MobObserver *observer, MobClient *client, const MobAsk *ask, const char *name,
            const MobSink *sink)
{
    const MobStateProc *proc = mob_state_proc(observer->state, name);
    g_autofree char *file = g_strdelimit(g_strdup_printf("%s.log", name), "/", '-');
    g_autofree char *path =
        g_build_filename(mob_local_folder(observer->options.local), "logs", file, NULL);
    uint64_t at = 0;

    if (proc != NULL && mob_local_is_far(observer->options.local, proc->node_name)) {
        mob_sink_say(sink, "%s writes its log on the machine %s; there: mobula logs %s", name,
                     proc->node_name, name);
        return MOB_EXIT_USAGE;
    }
    if (proc == NULL || !g_file_test(path, G_FILE_TEST_EXISTS)) {
        say_which_logs(observer, name, sink);
        return MOB_EXIT_USAGE;
    }
    for (uint64_t before = UINT64_MAX; at != before;) {
        before = at;
        if (!tell_file(path, &at, sink))
            break;
    }
    if (!ask->follow)
        return MOB_EXIT_OK;
    MobFollower *follower = g_new0(MobFollower, 1);
    follower->client = client;
    follower->kind = MOB_FOLLOW_FILE;
    follower->sink = *sink;
    follower->path = g_steal_pointer(&path);
    follower->at = at;
    g_ptr_array_add(observer->followers, follower);
    start_tail(observer);
    return MOB_OBSERVE_LATER;
}

int
mob_observer_logs(MobObserver *observer, MobClient *client, const MobAsk *ask, char **words,
                  const MobSink *sink)
{
    if (words[0] == NULL || words[1] != NULL) {
        mob_sink_say(sink, "whose logs? mobula logs J1, mobula logs n1/w0");
        return MOB_EXIT_USAGE;
    }
    if (*words[0] == 'J')
        return mob_observer_job_logs(observer, client, ask, words[0], sink);
    return worker_logs(observer, client, ask, words[0], sink);
}
