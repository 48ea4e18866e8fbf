/* test_worker.c: units of tests, in this process and in many.
 *
 * Unit number k belongs to process k modulo their count, and each process
 * takes its units in order, so that what a process had begun when it crashed
 * and which units are still to come is known without asking. A result crosses
 * a pipe as a fixed head and the texts behind it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/host.h"
#include "cli/test.h"
#include "lua/run.h"
#include "lua/spec.h"
#include "runtime/buf.h"

enum {
    TEXT_MAX = 1 << 20, /* of a message; what is longer is cut */
};

void
mob_test_result_clear(MobTestResult *result)
{
    g_free(result->message);
    g_free(result->settings);
    for (guint i = 0; result->marks != NULL && i < result->marks->len; i++)
        g_free(g_array_index(result->marks, MobTestMark, i).name);
    if (result->marks != NULL)
        g_array_unref(result->marks);
    *result = (MobTestResult){0};
}

guint
mob_test_plan_units(const MobTestPlan *plan)
{
    return (guint)(plan->tests * plan->seeds);
}

MobTestUnit
mob_test_plan_unit(const MobTestPlan *plan, guint number)
{
    MobTestUnit unit = {.number = number, .seed = plan->first_seed + number % plan->seeds};
    guint test = (guint)(number / plan->seeds);
    for (unit.file = 0; unit.file < plan->files->len; unit.file++) {
        guint count = g_array_index(plan->files, MobTestFile, unit.file).names->len;
        if (test < count)
            break;
        test -= count;
    }
    unit.test = test;
    return unit;
}

/* --- one unit --- */

/* The test whose number @name begins with, "1.2" of "1.2 it replays". */
void
mob_test_run_spec(const MobScenarioHost *host, const char *path, const char *text, const char *name,
                  MobScenarioResult *result)
{
    g_autofree char *number = g_strndup(name, strcspn(name, " "));
    MobSpecOptions options = {.filter = number};
    MobSpecResult spec = {0};

    mob_spec_run(host, path, text, &options, &spec);
    MobSpecTest *found = NULL;
    for (guint i = 0; spec.tests != NULL && i < spec.tests->len && found == NULL; i++) {
        MobSpecTest *test = g_ptr_array_index(spec.tests, i);
        if (strcmp(test->number, number) == 0)
            found = test;
    }
    if (found != NULL) {
        mob_scenario_result_clear(result);
        *result = found->result; /* takes it over */
        mob_scenario_result_init(&found->result);
    } else {
        result->outcome = MOB_OUTCOME_BAD_INPUT;
        result->line = spec.line;
        result->message = spec.message != NULL
                              ? g_strdup(spec.message)
                              : g_strdup_printf("%s has no test \"%s\" any more", path, name);
    }
    mob_spec_result_clear(&spec);
}

static void
take_marks(const MobScenarioResult *from, MobTestResult *result)
{
    result->marks = g_array_new(FALSE, TRUE, sizeof(MobTestMark));
    for (guint i = 0; i < from->clusters->len; i++) {
        const MobClusterResult *cluster = g_ptr_array_index(from->clusters, i);
        for (guint j = 0; j < cluster->claims->len; j++) {
            const MobClaimResult *claim = g_ptr_array_index(cluster->claims, j);
            if (strcmp(claim->kind, "sometimes") != 0)
                continue;
            MobTestMark mark = {g_strdup(claim->name), claim->line, claim->ok};
            g_array_append_val(result->marks, mark);
        }
    }
}

static void
take_settings(const MobScenarioResult *from, MobTestResult *result)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < from->clusters->len; i++) {
        const MobClusterResult *cluster = g_ptr_array_index(from->clusters, i);
        if (cluster->settings != NULL)
            g_string_append(text, cluster->settings);
    }
    result->settings = text->len > 0 ? g_strdup(text->str) : NULL;
}

void
mob_test_run(const MobTestPlan *plan, const MobTestUnit *unit, MobTestResult *result)
{
    const MobTestFile *file = &g_array_index(plan->files, MobTestFile, unit->file);
    gint64 begin = g_get_monotonic_time();
    g_autoptr(MobHost) host = mob_host_new(&(MobHostOptions){
        .term = plan->term,
        .file = file->path,
        .mute = true,
        .check = plan->check,
        .oracle = plan->check,
        .encode = true, /* a field that does not travel is found here */
        .seed = unit->seed,
        .limit = plan->limit,
    });
    MobScenarioResult from;
    mob_scenario_result_init(&from);
    if (file->spec)
        mob_test_run_spec(mob_host_scenario(host), file->path, file->text,
                          g_ptr_array_index(file->names, unit->test), &from);
    else
        mob_scenario_run(mob_host_scenario(host), file->path, file->text, &from);
    *result = (MobTestResult){
        .number = unit->number,
        .done = true,
        .outcome = from.outcome,
        .us = g_get_monotonic_time() - begin,
        .line = from.line,
        .message = g_strdup(from.message),
        .hash = mob_host_hash(host),
    };
    for (guint i = 0; i < mob_host_count(host); i++)
        result->events += mob_host_cluster(host, i)->events;
    take_marks(&from, result);
    if (from.outcome != MOB_OUTCOME_OK)
        take_settings(&from, result);
    mob_scenario_result_clear(&from);
}

/* --- across a pipe --- */

typedef struct {
    guint number;
    int outcome;
    int done;
    gint64 us;
    uint64_t hash;
    uint64_t events;
    uint32_t line;
    uint32_t message_length; /* UINT32_MAX: none */
    uint32_t settings_length;
    uint32_t mark_count;
} Head;

static void
add_text(MobBuf *buf, const char *text, uint32_t *length)
{
    *length = text == NULL ? UINT32_MAX : (uint32_t)MIN(strlen(text), TEXT_MAX);
    if (text != NULL)
        mob_buf_add(buf, text, *length);
}

static bool
write_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t count = write(fd, data, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        data += count;
        size -= (size_t)count;
    }
    return true;
}

static bool
send_result(int fd, const MobTestResult *result)
{
    MobBuf buf = {0};
    Head head = {
        .number = result->number,
        .outcome = (int)result->outcome,
        .done = result->done,
        .us = result->us,
        .hash = result->hash,
        .events = result->events,
        .line = result->line,
        .mark_count = result->marks != NULL ? result->marks->len : 0,
    };
    mob_buf_add(&buf, &head, sizeof head);
    add_text(&buf, result->message, &head.message_length);
    add_text(&buf, result->settings, &head.settings_length);
    for (guint i = 0; i < head.mark_count; i++) {
        const MobTestMark *mark = &g_array_index(result->marks, MobTestMark, i);
        uint32_t words[] = {mark->line, mark->seen, (uint32_t)strlen(mark->name)};
        mob_buf_add(&buf, words, sizeof words);
        mob_buf_add(&buf, mark->name, words[2]);
    }
    memcpy(buf.data, &head, sizeof head);
    uint64_t size = buf.length;
    bool ok =
        write_all(fd, (const uint8_t *)&size, sizeof size) && write_all(fd, buf.data, buf.length);
    mob_buf_clear(&buf);
    return ok;
}

/* The next @length bytes of @at as a text; NULL for none. */
static char *
take_text(const uint8_t **at, uint32_t length)
{
    if (length == UINT32_MAX)
        return NULL;
    char *text = g_strndup((const char *)*at, length);
    *at += length;
    return text;
}

/* Reads a whole result from the front of what has come; the pipe is ours, so
 * it is trusted. Returns how many bytes it took, 0 if some are missing. */
static size_t
parse_result(const uint8_t *data, size_t length, MobTestResult *result)
{
    uint64_t size;
    Head head;
    if (length < sizeof size)
        return 0;
    memcpy(&size, data, sizeof size);
    if (length < sizeof size + size)
        return 0;
    const uint8_t *at = data + sizeof size;
    memcpy(&head, at, sizeof head);
    at += sizeof head;
    *result = (MobTestResult){
        .number = head.number,
        .outcome = (MobOutcome)head.outcome,
        .done = head.done != 0,
        .us = head.us,
        .hash = head.hash,
        .events = head.events,
        .line = head.line,
    };
    result->message = take_text(&at, head.message_length);
    result->settings = take_text(&at, head.settings_length);
    result->marks = g_array_new(FALSE, TRUE, sizeof(MobTestMark));
    for (uint32_t i = 0; i < head.mark_count; i++) {
        uint32_t words[3];
        memcpy(words, at, sizeof words);
        at += sizeof words;
        MobTestMark mark = {take_text(&at, words[2]), words[0], words[1] != 0};
        g_array_append_val(result->marks, mark);
    }
    return sizeof size + size;
}

/* --- many processes --- */

typedef struct {
    pid_t pid;
    int fd; /* -1: its pipe has ended */
    GByteArray *bytes;
    guint next;   /* the unit that it does now or next */
    bool stopped; /* by us */
} Worker;

typedef struct {
    const MobTestPlan *plan;
    Worker *workers;
    int count;
    MobTestEach each;
    void *data;
    guint wanted; /* no unit behind this one is */
} Pool;

G_NORETURN static void
be_worker(const MobTestPlan *plan, int fd, guint first, guint step)
{
    guint units = mob_test_plan_units(plan);
    for (guint number = first; number < units; number += step) {
        MobTestUnit unit = mob_test_plan_unit(plan, number);
        MobTestResult result = {0};
        mob_test_run(plan, &unit, &result);
        bool ok = send_result(fd, &result);
        mob_test_result_clear(&result);
        if (!ok)
            break; /* nobody wants to know any more */
    }
    fflush(NULL);
    _exit(0);
}

static bool
start_worker(Pool *pool, int index)
{
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        for (int i = 0; i < index; i++)
            close(pool->workers[i].fd);
        be_worker(pool->plan, ends[1], (guint)index, (guint)pool->count);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return false;
    }
    pool->workers[index] = (Worker){pid, ends[0], g_byte_array_new(), (guint)index, false};
    return true;
}

static void
take_results(Pool *pool, Worker *worker)
{
    size_t taken = 0;
    size_t size;
    MobTestResult result;
    while ((size = parse_result(worker->bytes->data + taken, worker->bytes->len - taken, &result)) >
           0) {
        taken += size;
        worker->next = result.number + (guint)pool->count;
        pool->wanted = pool->each(pool->data, &result);
        mob_test_result_clear(&result);
    }
    g_byte_array_remove_range(worker->bytes, 0, (guint)taken);
}

static void
read_some(Pool *pool, Worker *worker)
{
    uint8_t block[65536];
    ssize_t count = read(worker->fd, block, sizeof block);
    if (count < 0 && errno == EINTR)
        return;
    if (count <= 0) {
        close(worker->fd);
        worker->fd = -1;
        return;
    }
    g_byte_array_append(worker->bytes, block, (guint)count);
    take_results(pool, worker);
}

/* Ends the processes whose next unit nobody wants. */
static void
stop_unwanted(Pool *pool)
{
    for (int i = 0; i < pool->count; i++) {
        Worker *worker = &pool->workers[i];
        if (worker->fd < 0 || worker->stopped || worker->next <= pool->wanted)
            continue;
        worker->stopped = true;
        kill(worker->pid, SIGKILL);
    }
}

static void
listen(Pool *pool)
{
    g_autofree struct pollfd *polls = g_new0(struct pollfd, (gsize)pool->count);
    for (;;) {
        int open = 0;
        for (int i = 0; i < pool->count; i++) {
            polls[i] = (struct pollfd){.fd = pool->workers[i].fd, .events = POLLIN};
            open += pool->workers[i].fd >= 0;
        }
        if (open == 0)
            return;
        if (poll(polls, (nfds_t)pool->count, -1) < 0)
            continue;
        for (int i = 0; i < pool->count; i++)
            if (polls[i].revents != 0)
                read_some(pool, &pool->workers[i]);
        stop_unwanted(pool);
    }
}

bool
mob_test_run_all(const MobTestPlan *plan, int jobs, MobTestEach each, void *data, guint *crashed,
                 int *how)
{
    guint units = mob_test_plan_units(plan);
    Pool pool = {plan, NULL, (int)MIN((guint)jobs, units), each, data, units};
    bool ok = true;

    pool.workers = g_new0(Worker, (gsize)MAX(pool.count, 1));
    int started = 0;
    while (started < pool.count && start_worker(&pool, started))
        started++;
    if (started < pool.count)
        mob_term_complain(plan->term, "cannot start a process: %s", g_strerror(errno));
    pool.count = started == pool.count ? pool.count : 0;
    listen(&pool);
    for (int i = 0; i < started; i++) {
        Worker *worker = &pool.workers[i];
        int status = 0;
        if (pool.count == 0)
            kill(worker->pid, SIGKILL);
        waitpid(worker->pid, &status, 0);
        if (!worker->stopped && status != 0 && ok) {
            ok = false;
            *crashed = worker->next;
            *how = status;
        }
        g_byte_array_unref(worker->bytes);
    }
    g_free(pool.workers);
    return ok;
}
