/* disk.c: see disk.h.
 *
 * An order becomes a job. Jobs wait in one queue for the first thread that is
 * free; threads are started as they are needed, up to MAX_THREADS (Ray:
 * max_io_workers). Jobs of one file do not overtake each other where it matters:
 * a REMOVE waits until nothing else is under way there.
 */
#include "net/disk.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net/clock.h"
#include "net/disk_files.h"
#include "runtime/control.h"
#include "runtime/table.h"

enum {
    MAX_THREADS = 4,
    NOMINAL = 1000000,
};

#define QUIET (10 * MOB_SECOND)

typedef struct {
    MobDiskOrder *order; /* owned; threads read its numbers and the bytes of its values */
    uint64_t event;
    bool whole;    /* READ: of all */
    uint8_t *into; /* READ: where the bytes go, owned unless whole … */
    MobHold hold;  /* … else that is told when they are not needed */
    MobDiskEnd end;
    char *why; /* owned; NULL: it ended well */
} Job;

/* A file of which something is under way. */
typedef struct {
    uint32_t busy;
    MobDiskOrder *remove; /* owned; to be given when it is not busy any more; or NULL */
} File;

typedef struct {
    uint32_t number;
    MobTrouble trouble;
    uint32_t speed_ppm;
} Fault;

struct MobNetDisk {
    MobNetDiskOptions options;
    char *folder;
    char *name;
    MobInterest interest; /* an eventfd */
    MobTable *files;      /* number -> File, owned */
    uint64_t pending;
    GArray *faults;       /* of Fault: in force */
    char *trouble;        /* owned; why it cannot write, as was said; NULL: it can */
    uint64_t quiet_until; /* real time: nothing is said of reading before */
    GPtrArray *threads;
    MobDiskPace pace;
    GMutex lock; /* of all that follows */
    GCond work;
    GQueue waiting; /* of Job */
    GQueue done;    /* of Job */
    uint32_t idle;  /* threads that wait for work */
    bool closing;
};

/* --- threads --- */

static void
do_job(const MobNetDisk *disk, Job *job, MobDiskPace *pace)
{
    const MobDiskOrder *order = job->order;

    switch (order->verb) {
    case MOB_DISK_WRITE:
        job->end = mob_disk_file_write(disk->folder, order->file, order->values, pace, &job->why);
        break;
    case MOB_DISK_READ:
        job->end = mob_disk_file_read(disk->folder, order->file, order->at + order->offset,
                                      job->into, order->length, pace, &job->why);
        break;
    case MOB_DISK_REMOVE:
        mob_disk_file_remove(disk->folder, order->file);
        break;
    }
}

static Job *
next_job(MobNetDisk *disk)
{
    disk->idle++;
    while (disk->waiting.length == 0 && !disk->closing)
        g_cond_wait(&disk->work, &disk->lock);
    disk->idle--;
    return disk->closing ? NULL : g_queue_pop_head(&disk->waiting);
}

static void
poke(const MobNetDisk *disk)
{
    eventfd_write(disk->interest.fd, 1);
}

static void *
run(void *data)
{
    MobNetDisk *disk = data;
    Job *job;

    g_mutex_lock(&disk->lock);
    while ((job = next_job(disk)) != NULL) {
        g_mutex_unlock(&disk->lock);
        do_job(disk, job, &disk->pace);
        g_mutex_lock(&disk->lock);
        g_queue_push_tail(&disk->done, job);
        poke(disk);
    }
    g_mutex_unlock(&disk->lock);
    return NULL;
}

/* Signals are the loop's: to a thread a limit on files is an error, not its end. */
static void
start_thread(MobNetDisk *disk)
{
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    GThread *thread = g_thread_try_new("mobula disk", run, disk, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (thread != NULL)
        g_ptr_array_add(disk->threads, thread);
}

/* --- jobs --- */

static void
job_free(Job *job)
{
    if (job->whole && job->into != NULL)
        job->hold.release(job->hold.data);
    else if (!job->whole)
        g_free(job->into);
    mob_disk_order_free(job->order);
    g_free(job->why);
    g_free(job);
}

static void
give(MobNetDisk *disk, Job *job)
{
    g_mutex_lock(&disk->lock);
    g_queue_push_tail(&disk->waiting, job);
    bool start = disk->waiting.length > disk->idle && disk->threads->len < MAX_THREADS;
    g_cond_signal(&disk->work);
    g_mutex_unlock(&disk->lock);
    if (start)
        start_thread(disk);
}

/* It is done without a thread. */
static void
give_up(MobNetDisk *disk, Job *job, MobDiskEnd end, const char *why)
{
    job->end = end;
    job->why = g_strdup(why);
    g_mutex_lock(&disk->lock);
    g_queue_push_tail(&disk->done, job);
    g_mutex_unlock(&disk->lock);
    poke(disk);
}

static Job *
job_new(MobDiskOrder *order, uint64_t event)
{
    Job *job = g_new0(Job, 1);

    *job = (Job){.order = order, .event = event};
    job->whole = order->verb == MOB_DISK_READ && order->offset == 0 && order->length == order->size;
    return job;
}

static void
start_read(MobNetDisk *disk, Job *job)
{
    const MobRoom *room = &disk->options.room;
    uint64_t length = job->order->length;

    job->into = !job->whole          ? g_try_malloc(length)
                : room->take == NULL ? g_try_malloc(length)
                                     : room->take(room->data, length, &job->hold);
    if (job->whole && room->take == NULL)
        job->hold = (MobHold){g_free, job->into};
    if (job->into != NULL)
        give(disk, job);
    else
        give_up(disk, job, MOB_DISK_FULL, "there is no memory to read it into");
}

static void
start(MobNetDisk *disk, Job *job)
{
    if (job->order->verb == MOB_DISK_READ)
        start_read(disk, job);
    else
        give(disk, job);
}

/* --- orders --- */

static MobKey
key_of(uint64_t file)
{
    return (MobKey){file, 0};
}

static File *
file_of(MobNetDisk *disk, uint64_t number)
{
    File *file = mob_table_get(disk->files, key_of(number));

    if (file == NULL) {
        file = g_new0(File, 1);
        mob_table_add(disk->files, key_of(number), file);
    }
    return file;
}

static void
file_free(void *data)
{
    File *file = data;

    mob_disk_order_free(file->remove);
    g_free(file);
}

void
mob_net_disk_order(MobNetDisk *disk, MobDiskOrder *order, uint64_t event)
{
    File *busy = mob_table_get(disk->files, key_of(order->file));

    if (order->verb == MOB_DISK_REMOVE && busy != NULL) {
        mob_disk_order_free(busy->remove);
        busy->remove = order;
        return;
    }
    if (order->verb != MOB_DISK_REMOVE) {
        g_assert(order->verb == MOB_DISK_WRITE ||
                 (order->offset <= order->size && order->length <= order->size - order->offset));
        file_of(disk, order->file)->busy++;
        disk->pending++;
    }
    start(disk, job_new(order, event));
}

uint64_t
mob_net_disk_pending(const MobNetDisk *disk)
{
    return disk->pending;
}

/* --- faults --- */

/* It takes so much longer as makes a nominal disk that slow. */
static gint
slowness(const MobNetDisk *disk, uint32_t speed_ppm)
{
    uint64_t ns = disk->options.ns_per_kib * NOMINAL / MAX(speed_ppm, 1);

    return (gint)MIN(ns, (uint64_t)G_MAXINT);
}

/* Of those that slow it down the last one holds. */
static void
tell_threads(MobNetDisk *disk)
{
    gint flags = 0;
    gint ns_per_kib = 0;

    for (guint i = 0; i < disk->faults->len; i++) {
        const Fault *fault = &g_array_index(disk->faults, Fault, i);
        if (fault->trouble == MOB_TROUBLE_FULL)
            flags |= MOB_DISK_IS_FULL;
        else if (fault->trouble == MOB_TROUBLE_GONE)
            flags |= MOB_DISK_IS_GONE;
        else
            ns_per_kib = slowness(disk, fault->speed_ppm);
    }
    g_atomic_int_set(&disk->pace.flags, flags);
    g_atomic_int_set(&disk->pace.ns_per_kib, ns_per_kib);
}

static void
bite(const MobNetDisk *disk, MobDiskEnd end)
{
    for (guint i = 0; i < disk->faults->len; i++) {
        const Fault *fault = &g_array_index(disk->faults, Fault, i);
        if (end != MOB_DISK_OK || fault->trouble == MOB_TROUBLE_SLOW)
            disk->options.bite(disk->options.data, fault->number);
    }
}

void
mob_net_disk_fault(MobNetDisk *disk, const MobRule *rule)
{
    Fault fault = {rule->number, (MobTrouble)rule->trouble, rule->speed_ppm};

    if (!rule->healed)
        g_array_append_val(disk->faults, fault);
    for (guint i = disk->faults->len; rule->healed && i-- > 0;)
        if (g_array_index(disk->faults, Fault, i).number == rule->number)
            g_array_remove_index(disk->faults, i);
    tell_threads(disk);
    if (!rule->healed && fault.trouble == MOB_TROUBLE_GONE &&
        mob_disk_folder_remove(disk->folder) > 0)
        disk->options.bite(disk->options.data, fault.number);
}

/* --- answers --- */

/* That it cannot write is said once, until it can again. */
static void
complain_of_write(MobNetDisk *disk, const char *why)
{
    if (why == NULL && disk->trouble != NULL)
        g_printerr("mobula: %s: it can spill again\n", disk->name);
    else if (why != NULL && g_strcmp0(why, disk->trouble) != 0)
        g_printerr("mobula: %s: values cannot be spilled to %s: %s\n", disk->name, disk->folder,
                   why);
    g_free(disk->trouble);
    disk->trouble = g_strdup(why);
}

/* Whoever has lost a folder has lost many files with it. */
static void
complain_of_read(MobNetDisk *disk, const char *why)
{
    uint64_t now = mob_clock_real();

    if (why == NULL || now < disk->quiet_until)
        return;
    disk->quiet_until = now + QUIET;
    g_printerr("mobula: %s: what was spilled to %s cannot be read: %s\n", disk->name, disk->folder,
               why);
}

/* What was read of all is a value, as whoever sealed it has said. */
static void
answer_read(Job *job, MobDiskAnswer *answer)
{
    const MobDiskOrder *order = job->order;
    uint8_t *into = g_steal_pointer(&job->into);

    if (!job->whole) {
        answer->piece = (MobSlice){.bytes = g_bytes_new_take(into, order->length),
                                   .offset = order->offset,
                                   .length = order->length};
        return;
    }
    answer->value = mob_value_parse_in_place(into, order->size, order->hash, job->hold, NULL);
    if (answer->value != NULL)
        return;
    job->hold.release(job->hold.data);
    job->why = g_strdup("what stands there is no value");
    answer->end = MOB_DISK_FAILED;
}

static void
forget(MobNetDisk *disk, uint64_t number)
{
    File *file = mob_table_get(disk->files, key_of(number));

    if (--file->busy > 0)
        return;
    if (file->remove != NULL)
        give(disk, job_new(g_steal_pointer(&file->remove), 0));
    mob_table_take(disk->files, key_of(number));
    file_free(file);
}

static void
finish(MobNetDisk *disk, Job *job)
{
    const MobDiskOrder *order = job->order;
    MobDiskAnswer answer = {.verb = order->verb, .end = job->end, .number = order->number};

    if (order->verb == MOB_DISK_REMOVE)
        return;
    if (order->verb == MOB_DISK_READ && job->end == MOB_DISK_OK)
        answer_read(job, &answer);
    bite(disk, answer.end);
    disk->pending--;
    forget(disk, order->file);
    if (order->verb == MOB_DISK_WRITE)
        complain_of_write(disk, job->why);
    else
        complain_of_read(disk, job->why);
    disk->options.answer(disk->options.data, job->event, &answer);
    mob_value_unref(answer.value);
    if (answer.piece.bytes != NULL)
        g_bytes_unref(answer.piece.bytes);
}

static Job *
take_done(MobNetDisk *disk)
{
    g_mutex_lock(&disk->lock);
    Job *job = g_queue_pop_head(&disk->done);
    g_mutex_unlock(&disk->lock);
    return job;
}

static void
on_done(MobInterest *interest, uint32_t events)
{
    MobNetDisk *disk = interest->data;
    eventfd_t count;
    Job *job;

    (void)events;
    if (eventfd_read(interest->fd, &count) != 0)
        return;
    while ((job = take_done(disk)) != NULL) {
        finish(disk, job);
        job_free(job);
    }
}

/* --- making --- */

MobNetDisk *
mob_net_disk_new(const MobNetDiskOptions *options)
{
    MobNetDisk *disk = g_new0(MobNetDisk, 1);

    disk->options = *options;
    disk->folder = g_strdup(options->folder);
    disk->name = g_strdup(options->name);
    disk->files = mob_table_new();
    disk->threads = g_ptr_array_new();
    disk->faults = g_array_new(FALSE, FALSE, sizeof(Fault));
    disk->pace.most = options->most;
    g_mutex_init(&disk->lock);
    g_cond_init(&disk->work);
    disk->interest = (MobInterest){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                                   .events = EPOLLIN,
                                   .ready = on_done,
                                   .data = disk};
    if (disk->interest.fd < 0)
        g_error("eventfd: %s", g_strerror(errno));
    mob_loop_add(options->loop, &disk->interest);
    mob_disk_folder_remove(disk->folder);
    return disk;
}

static void
end_threads(MobNetDisk *disk)
{
    g_atomic_int_or(&disk->pace.flags, MOB_DISK_STOP);
    g_mutex_lock(&disk->lock);
    disk->closing = true;
    g_cond_broadcast(&disk->work);
    g_mutex_unlock(&disk->lock);
    for (guint i = 0; i < disk->threads->len; i++)
        g_thread_join(g_ptr_array_index(disk->threads, i));
}

void
mob_net_disk_free(MobNetDisk *disk)
{
    if (disk == NULL)
        return;
    end_threads(disk);
    g_queue_clear_full(&disk->waiting, (GDestroyNotify)job_free);
    g_queue_clear_full(&disk->done, (GDestroyNotify)job_free);
    mob_disk_folder_remove(disk->folder);
    mob_loop_remove(disk->options.loop, &disk->interest);
    close(disk->interest.fd);
    mob_table_free_full(disk->files, file_free);
    g_ptr_array_unref(disk->threads);
    g_array_unref(disk->faults);
    g_mutex_clear(&disk->lock);
    g_cond_clear(&disk->work);
    g_free(disk->trouble);
    g_free(disk->folder);
    g_free(disk->name);
    g_free(disk);
}
