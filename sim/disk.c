/* disk.c: see disk.h. */
#include "sim/disk.h"

#include "sim/faults.h"

enum {
    NOMINAL = 1000000,
    BITS = 8,
    PER_MILLE = 1000,
};

typedef struct {
    GPtrArray *values; /* of MobValue, owned, in the order in which they stand in the file */
    uint64_t size;
} File;

/* An order that waits or is carried out. */
typedef struct {
    MobDiskOrder *order; /* owned */
    MobPlace *manager;
    uint64_t cause;
} Job;

struct MobDisk {
    MobTable *files; /* number -> File, owned */
    uint64_t used;
    GQueue jobs;  /* of Job, owned: the first is carried out */
    MobWide left; /* what the first still takes, in millionths of a nanosecond at full speed … */
    MobTime left_at; /* … as of then */
    uint32_t speed;  /* in millionths; 0: it stands still */
    bool short_of;   /* the first finds too little room, and will be refused */
    MobHandle due;
};

static void
free_file(void *data)
{
    File *file = data;

    g_ptr_array_unref(file->values);
    g_free(file);
}

static void
free_job(void *data)
{
    Job *job = data;

    mob_disk_order_free(job->order);
    g_free(job);
}

MobDisk *
mob_disk_new(void)
{
    MobDisk *disk = g_new0(MobDisk, 1);

    disk->files = mob_table_new();
    disk->speed = NOMINAL;
    g_queue_init(&disk->jobs);
    return disk;
}

void
mob_disk_free(MobDisk *disk)
{
    mob_table_free_full(disk->files, free_file);
    g_queue_clear_full(&disk->jobs, free_job);
    g_free(disk);
}

void
mob_disk_answer_free(MobDiskAnswer *answer)
{
    mob_value_unref(answer->value);
    mob_value_unref(answer->piece.value);
    g_free(answer);
}

/* --- files --- */

static File *
file_of(const MobDisk *disk, uint64_t number)
{
    return mob_table_get(disk->files, mob_key_word(number));
}

static void
remove_file(MobDisk *disk, uint64_t number)
{
    File *file = mob_table_take(disk->files, mob_key_word(number));

    if (file == NULL)
        return;
    disk->used -= file->size;
    free_file(file);
}

/* Returns how many files that were. */
static uint64_t
remove_all(MobDisk *disk)
{
    uint64_t count = mob_table_count(disk->files);

    mob_table_free_full(disk->files, free_file);
    disk->files = mob_table_new();
    disk->used = 0;
    return count;
}

static uint64_t
size_of(const GPtrArray *values)
{
    uint64_t size = 0;

    for (guint i = 0; i < values->len; i++)
        size += ((const MobValue *)values->pdata[i])->size;
    return size;
}

static uint64_t
room_on(const MobWorld *world, const MobBox *box)
{
    const MobDisk *disk = box->disk;
    uint64_t most = box->disk_bytes / PER_MILLE * world->config.disk_full;

    if (mob_faults_disk(world, box, MOB_TROUBLE_FULL))
        return 0;
    if (box->disk_bytes == 0)
        return UINT64_MAX;
    return most > disk->used ? most - disk->used : 0;
}

static void
write_file(MobDisk *disk, const MobDiskOrder *order)
{
    File *file = g_new(File, 1);

    *file = (File){g_ptr_array_ref(order->values), size_of(order->values)};
    disk->used += file->size;
    mob_table_add(disk->files, mob_key_word(order->file), file);
}

/* The value that begins at @order->at. */
static MobValue *
value_in(const File *file, const MobDiskOrder *order)
{
    uint64_t at = 0;

    for (guint i = 0; i < file->values->len; i++) {
        MobValue *value = file->values->pdata[i];
        if (at == order->at) {
            g_assert(value->size == order->size && value->hash == order->hash);
            return value;
        }
        at += value->size;
    }
    g_assert_not_reached();
}

/* --- time --- */

static uint64_t
bytes_of(const MobDisk *disk, const MobDiskOrder *order)
{
    if (order->verb == MOB_DISK_WRITE)
        return size_of(order->values);
    return file_of(disk, order->file) != NULL ? order->length : 0;
}

/* What the order takes at full speed, in millionths of a nanosecond. */
static MobWide
work_of(const MobConfig *config, uint64_t bytes)
{
    MobWide transfer = (MobWide)bytes * BITS * 1000 / MAX(config->disk_bandwidth, 1);

    return (config->disk_latency + transfer) * NOMINAL;
}

static void
reschedule(MobWorld *world, MobBox *box)
{
    MobDisk *disk = box->disk;
    const Job *job = g_queue_peek_head(&disk->jobs);

    if (disk->due != 0)
        mob_queue_cancel(&world->queue, disk->due);
    disk->due = 0;
    if (job == NULL || disk->speed == 0)
        return;
    uint64_t cause = world->cause;
    MobTime at = world->now + (MobTime)((disk->left + disk->speed - 1) / disk->speed);
    MobSlot slot = {.kind = MOB_AT_DISK, .foreground = true, .subject = box};
    world->cause = job->cause;
    disk->due = mob_world_schedule(world, at, box->index, slot);
    world->cause = cause;
}

/* Begins with the first order; those that take no time are done at once. */
static void
begin(MobWorld *world, MobBox *box)
{
    MobDisk *disk = box->disk;
    Job *job;

    while ((job = g_queue_peek_head(&disk->jobs)) != NULL && job->order->verb == MOB_DISK_REMOVE) {
        remove_file(disk, job->order->file);
        free_job(g_queue_pop_head(&disk->jobs));
    }
    if (job == NULL)
        return;
    uint64_t bytes = bytes_of(disk, job->order);
    uint64_t room = job->order->verb == MOB_DISK_WRITE ? room_on(world, box) : UINT64_MAX;
    disk->short_of = bytes > room;
    if (mob_faults_disk(world, box, MOB_TROUBLE_GONE))
        bytes = 0;
    disk->left = work_of(&world->config, MIN(bytes, room));
    disk->left_at = world->now;
    reschedule(world, box);
}

void
mob_disk_give(MobWorld *world, MobPlace *manager, MobDiskOrder *order)
{
    MobBox *box = manager->life->box;
    Job *job = g_new(Job, 1);
    bool idle = box->disk->jobs.length == 0;

    *job = (Job){order, manager, world->cause};
    g_queue_push_tail(&box->disk->jobs, job);
    if (idle)
        begin(world, box);
}

/* --- the end of an order --- */

static MobDiskEnd
finish(MobWorld *world, MobBox *box, const MobDiskOrder *order, MobDiskAnswer *answer)
{
    MobDisk *disk = box->disk;
    const File *file = file_of(disk, order->file);

    if (mob_faults_disk(world, box, MOB_TROUBLE_GONE))
        return MOB_DISK_FAILED;
    if (order->verb == MOB_DISK_WRITE) {
        if (disk->short_of)
            return MOB_DISK_FULL;
        write_file(disk, order);
        return MOB_DISK_OK;
    }
    if (file == NULL)
        return MOB_DISK_FAILED;
    MobValue *value = mob_value_ref(value_in(file, order));
    if (order->length == order->size)
        answer->value = value;
    else
        answer->piece = (MobSlice){value, NULL, order->offset, order->length};
    return MOB_DISK_OK;
}

void
mob_disk_due(MobWorld *world, MobBox *box, const MobSlot *slot)
{
    MobDisk *disk = box->disk;
    Job *job = g_queue_pop_head(&disk->jobs);
    MobDiskAnswer *answer = g_new0(MobDiskAnswer, 1);
    MobSlot told = {.kind = MOB_AT_ANSWER,
                    .foreground = true,
                    .subject = job->manager,
                    .what = answer,
                    .depth = slot->depth,
                    .cause = slot->cause};

    disk->due = 0;
    answer->verb = job->order->verb;
    answer->number = job->order->number;
    answer->end = finish(world, box, job->order, answer);
    if (answer->end != MOB_DISK_OK || disk->speed != NOMINAL)
        mob_faults_bite_disk(world, box);
    free_job(job);
    begin(world, box);
    mob_world_receive(world, told.subject, &told);
}

void
mob_disk_reset(MobWorld *world, MobBox *box)
{
    MobDisk *disk = box->disk;

    g_queue_clear_full(&disk->jobs, free_job);
    reschedule(world, box);
    remove_all(disk);
}

/* --- faults --- */

static void
hurry(MobWorld *world, MobBox *box)
{
    box->disk->left = 0;
    reschedule(world, box);
}

uint64_t
mob_disk_trouble(MobWorld *world, MobBox *box, MobTrouble trouble, bool begins)
{
    MobDisk *disk = box->disk;
    const Job *job = g_queue_peek_head(&disk->jobs);
    MobWide done = (MobWide)(world->now - disk->left_at) * disk->speed;

    disk->left -= MIN(done, disk->left);
    disk->left_at = world->now;
    if (trouble == MOB_TROUBLE_SLOW) {
        disk->speed = mob_faults_disk_speed(world, box);
        reschedule(world, box);
        return job != NULL;
    }
    if (!begins)
        return 0;
    uint64_t touched = trouble == MOB_TROUBLE_GONE ? remove_all(disk) : 0;
    bool hit = job != NULL && (trouble == MOB_TROUBLE_GONE || job->order->verb == MOB_DISK_WRITE);
    if (!hit)
        return touched;
    disk->short_of = true;
    hurry(world, box);
    return touched + 1;
}

/* --- for checks --- */

uint32_t
mob_disk_files(const MobBox *box, uint64_t *bytes)
{
    *bytes = box->disk->used;
    return (uint32_t)mob_table_count(box->disk->files);
}

bool
mob_disk_has(const MobBox *box, uint64_t file)
{
    return file_of(box->disk, file) != NULL;
}
