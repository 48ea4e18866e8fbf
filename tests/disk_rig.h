/* disk_rig.h: a disk for a node manager without a world. Orders wait until a
 * test says how they end; what was written can then be read. */
#pragma once

#include "tests/node_rig.h"

typedef struct {
    GPtrArray *orders; /* of MobDiskOrder, owned: not ended yet */
    GPtrArray *files;  /* of MobDiskOrder, owned: the WRITE of each file that is there */
    uint32_t removed;
} RigDisk;

static inline void
rig_disk_init(RigDisk *disk)
{
    *disk = (RigDisk){.orders = g_ptr_array_new_with_free_func((GDestroyNotify)mob_disk_order_free),
                      .files = g_ptr_array_new_with_free_func((GDestroyNotify)mob_disk_order_free)};
}

static inline void
rig_disk_clear(RigDisk *disk)
{
    g_ptr_array_unref(disk->orders);
    g_ptr_array_unref(disk->files);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RigDisk, rig_disk_clear)

static inline void
rig_disk_remove(RigDisk *disk, uint64_t file)
{
    for (guint i = 0; i < disk->files->len; i++) {
        const MobDiskOrder *written = g_ptr_array_index(disk->files, i);
        if (written->file != file)
            continue;
        g_ptr_array_remove_index(disk->files, i);
        disk->removed++;
        return;
    }
    cr_assert_fail("what is removed was there");
}

/* Takes the orders of the last step. */
static inline void
rig_disk_take(Rig *rig, RigDisk *disk)
{
    for (guint i = 0; i < rig->out.effects->len; i++) {
        MobEffect *effect = &g_array_index(rig->out.effects, MobEffect, i);
        if (effect->kind != MOB_EFFECT_DISK || effect->disk == NULL)
            continue;
        MobDiskOrder *order = g_steal_pointer(&effect->disk);
        if (order->verb == MOB_DISK_REMOVE) {
            rig_disk_remove(disk, order->file);
            mob_disk_order_free(order);
        } else {
            g_ptr_array_add(disk->orders, order);
        }
    }
}

static inline const MobDiskOrder *
rig_disk_order(const RigDisk *disk, uint32_t nth)
{
    return nth < disk->orders->len ? g_ptr_array_index(disk->orders, nth) : NULL;
}

/* What a READ brings; it fails if the file is not there. */
static inline void
rig_disk_read(const RigDisk *disk, const MobDiskOrder *order, MobDiskAnswer *answer)
{
    answer->end = MOB_DISK_FAILED;
    for (guint i = 0; i < disk->files->len; i++) {
        const MobDiskOrder *file = g_ptr_array_index(disk->files, i);
        uint64_t at = 0;
        for (guint k = 0; file->file == order->file && k < file->values->len; k++) {
            MobValue *value = g_ptr_array_index(file->values, k);
            if (at == order->at) {
                cr_assert(value->size == order->size && value->hash == order->hash);
                answer->end = MOB_DISK_OK;
                if (order->length == order->size)
                    answer->value = value;
                else
                    answer->piece = (MobSlice){value, NULL, order->offset, order->length};
            }
            at += value->size;
        }
    }
}

/* The @nth order ends like that; what comes of it is taken too. */
static inline void
rig_disk_end(Rig *rig, RigDisk *disk, uint32_t nth, MobDiskEnd end)
{
    MobDiskOrder *order = g_ptr_array_steal_index(disk->orders, nth);
    MobDiskAnswer answer = {.verb = order->verb, .end = end, .number = order->number};

    if (order->verb == MOB_DISK_READ && end == MOB_DISK_OK)
        rig_disk_read(disk, order, &answer);
    if (order->verb == MOB_DISK_WRITE && end == MOB_DISK_OK)
        g_ptr_array_add(disk->files, order);
    rig_step(rig, (MobInput){.kind = MOB_INPUT_DISK, .disk = &answer});
    if (order->verb == MOB_DISK_READ || end != MOB_DISK_OK)
        mob_disk_order_free(order);
    rig_disk_take(rig, disk);
}
