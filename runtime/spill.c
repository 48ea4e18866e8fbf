/* spill.c: see spill.h. */
#include "runtime/spill.h"

static void
free_file(void *data)
{
    MobSpillFile *file = data;

    g_free(file->copies);
    g_free(file);
}

void
mob_spills_init(MobSpills *spills)
{
    *spills = (MobSpills){.files = mob_table_new(), .jobs = mob_table_new()};
}

void
mob_spills_clear(MobSpills *spills)
{
    mob_table_free_full(spills->files, free_file);
    mob_table_free_full(spills->jobs, g_free);
}

/* --- orders --- */

static void
unref_value(void *data)
{
    mob_value_unref(data);
}

static MobDiskOrder *
order_new(MobSpills *spills, MobDiskVerb verb, const MobSpillFile *file)
{
    MobDiskOrder *order = g_new0(MobDiskOrder, 1);

    order->verb = verb;
    order->number = ++spills->orders;
    order->file = file->number;
    return order;
}

static void
keep_job(MobSpills *spills, uint64_t number, const MobDiskJob *job)
{
    mob_table_add(spills->jobs, mob_key_word(number), g_memdup2(job, sizeof *job));
}

bool
mob_spills_take_job(MobSpills *spills, uint64_t number, MobDiskJob *job)
{
    MobDiskJob *known = mob_table_take(spills->jobs, mob_key_word(number));

    if (known == NULL)
        return false;
    *job = *known;
    g_free(known);
    return true;
}

/* --- writing --- */

/* How many copies go into the next file, from the oldest on. */
static uint32_t
count_next(const MobStore *store, const MobConfig *config, uint64_t *bytes)
{
    uint32_t count = 0;

    *bytes = 0;
    for (const MobCopy *copy = store->spillable.oldest;
         copy != NULL && count < config->max_fused && *bytes < config->min_spilling_size;
         copy = copy->newer) {
        *bytes += copy->size;
        count++;
    }
    return count;
}

MobSpillFile *
mob_spills_gather(MobSpills *spills, MobStore *store, const MobConfig *config)
{
    uint64_t bytes;
    uint32_t count = count_next(store, config, &bytes);
    bool small = bytes < config->min_spilling_size && count < config->max_fused;

    if (count == 0 || (small && spills->writing > 0))
        return NULL;
    MobSpillFile *file = g_new0(MobSpillFile, 1);
    file->number = ++spills->numbers;
    file->live = file->count = count;
    file->bytes = file->size = bytes;
    file->copies = g_new(MobCopy *, count);
    for (uint64_t i = 0, at = 0; i < count; i++) {
        MobCopy *copy = store->spillable.oldest;
        file->copies[i] = copy;
        mob_store_set_file(store, copy, file, (uint32_t)i, at);
        at += copy->size;
    }
    mob_table_add(spills->files, mob_key_word(file->number), file);
    spills->writing++;
    spills->writing_bytes += bytes;
    return file;
}

void
mob_spills_write(MobSpills *spills, MobSpillFile *file, MobOutbox *out)
{
    MobDiskOrder *order = order_new(spills, MOB_DISK_WRITE, file);
    MobDiskJob job = {.verb = MOB_DISK_WRITE, .file = file};

    order->values = g_ptr_array_new_full(file->count, unref_value);
    for (uint32_t i = 0; i < file->count; i++)
        g_ptr_array_add(order->values, mob_value_ref(file->copies[i]->value));
    keep_job(spills, order->number, &job);
    mob_disk(out, order);
}

static void
forget_file(MobSpills *spills, MobSpillFile *file)
{
    mob_table_take(spills->files, mob_key_word(file->number));
    free_file(file);
}

static void
remove_file(MobSpills *spills, MobSpillFile *file, MobOutbox *out)
{
    mob_disk(out, order_new(spills, MOB_DISK_REMOVE, file));
    spills->bytes -= file->size;
    forget_file(spills, file);
}

static void
end_writing(MobSpills *spills, const MobSpillFile *file)
{
    spills->writing--;
    spills->writing_bytes -= file->bytes;
}

void
mob_spills_written(MobSpills *spills, MobStore *store, MobSpillFile *file, MobOutbox *out)
{
    g_autofree MobCopy **copies = g_steal_pointer(&file->copies);

    end_writing(spills, file);
    spills->bytes += file->size;
    spills->failures = 0;
    spills->full = false;
    for (uint32_t i = 0; i < file->count; i++)
        if (copies[i] != NULL)
            mob_store_set_durable(store, copies[i]);
    if (file->live == 0)
        remove_file(spills, file, out);
}

void
mob_spills_not_written(MobSpills *spills, MobStore *store, MobSpillFile *file)
{
    end_writing(spills, file);
    for (uint32_t i = 0; i < file->count; i++)
        if (file->copies[i] != NULL)
            mob_store_set_file(store, file->copies[i], NULL, 0, 0);
    forget_file(spills, file);
}

/* --- reading --- */

uint64_t
mob_spills_read(MobSpills *spills, const MobCopy *copy, const MobDiskJob *what, uint64_t length,
                MobOutbox *out)
{
    MobDiskOrder *order = order_new(spills, MOB_DISK_READ, copy->file);

    g_assert(copy->durable);
    order->at = copy->at;
    order->size = copy->size;
    order->hash = copy->hash;
    order->offset = what->offset;
    order->length = length;
    MobDiskJob job = *what;
    job.from = order->file;
    keep_job(spills, order->number, &job);
    mob_disk(out, order);
    return order->number;
}

/* --- going --- */

void
mob_spills_leave(MobSpills *spills, MobStore *store, MobCopy *copy, MobOutbox *out)
{
    MobSpillFile *file = copy->file;

    if (file == NULL)
        return;
    file->live--;
    file->bytes -= copy->size;
    if (file->copies != NULL) { /* what is being written is removed when it is there */
        file->copies[copy->slot] = NULL;
        spills->writing_bytes -= copy->size;
    }
    mob_store_set_file(store, copy, NULL, 0, 0);
    if (file->copies == NULL && file->live == 0)
        remove_file(spills, file, out);
}
