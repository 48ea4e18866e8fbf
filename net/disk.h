/* disk.h: the disk of a real machine, to which its node manager gives orders
 * (runtime/disk.h).
 *
 * The loop never waits for it: a few threads move bytes between files and memory
 * that the orders hold on to, and an eventfd tells when one is done. What is counted
 * or looked up (values, messages, rooms) only the loop's thread touches.
 *
 * Files are in a folder of this life of the machine, which goes with it; what was
 * left by a life that was killed goes when the next one begins. A folder that
 * somebody removes is made again for the next file.
 */
#pragma once

#include "net/loop.h"
#include "runtime/disk.h"

typedef struct MobNetDisk MobNetDisk;

typedef struct {
    const char *folder; /* where files are to be; one that is there is a leftover */
    const char *name;   /* of the machine, for people */
    MobLoop *loop;
    MobRoom room;        /* for values that are read */
    uint64_t most;       /* 1/1000: more of a disk than this is never used */
    uint64_t ns_per_kib; /* what a disk takes for them that a fault slows down */
    /* The order that was given with @event is done; @answer is borrowed. */
    void (*answer)(void *data, uint64_t event, const MobDiskAnswer *answer);
    /* The fault with @number has touched something. */
    void (*bite)(void *data, uint32_t number);
    void *data;
} MobNetDiskOptions;

MobNetDisk *mob_net_disk_new(const MobNetDiskOptions *options);
/* Leaves off, and removes all files. Orders are not answered any more. */
void mob_net_disk_free(MobNetDisk *disk);

/* Takes @order. It is never answered before this returns. */
void mob_net_disk_order(MobNetDisk *disk, MobDiskOrder *order, uint64_t event);
/* How many orders have yet to be answered. */
uint64_t mob_net_disk_pending(const MobNetDisk *disk);

/* A fault (MOB_VERB_DISK) begins, or has healed. Several may be in force. */
void mob_net_disk_fault(MobNetDisk *disk, const MobRule *rule);
