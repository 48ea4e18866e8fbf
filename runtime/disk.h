/* disk.h: the disk of a machine, as its node manager sees it.
 *
 * A file holds sealed values, one behind the other, each as long as its size.
 * It is written once, in one order, and never changed; it is read in parts and
 * removed as a whole. The node manager names files by numbers, none twice in
 * its life, and knows what is in them; the world knows only files. (Ray: the IO
 * workers and external_storage.py.)
 *
 *  - Orders are carried out after the step and take their time; answers come as
 *    MOB_INPUT_DISK, one for each WRITE and READ, in any order.
 *  - A WRITE that is answered OK can be read; one that is not has left no file.
 *  - A READ of a file that a later order removes is carried out as if it were
 *    there still. REMOVE is not answered; what is not there is removed already.
 *  - Nothing outlives the node manager: a new one finds an empty disk. Spilled
 *    values are copies like those in memory, only slower.
 */
#pragma once

#include "runtime/msg.h"

typedef enum {
    MOB_DISK_WRITE,
    MOB_DISK_READ,
    MOB_DISK_REMOVE,
} MobDiskVerb;

typedef enum {
    MOB_DISK_OK,
    MOB_DISK_FULL,   /* no room: the order may be given again once there is */
    MOB_DISK_FAILED, /* the folder or the file is not there, or cannot be read or written */
} MobDiskEnd;

typedef struct {
    MobDiskVerb verb;
    uint64_t number;   /* counts up with the orders of this life; comes back in the answer */
    uint64_t file;     /* counts up with the files of this life */
    GPtrArray *values; /* WRITE: of MobValue; owned, with a reference to each */
    uint64_t at;       /* READ: where in the file the value begins … */
    uint64_t size;     /* … how long it is, … */
    uint64_t hash;     /* … its hash, … */
    uint64_t offset;   /* … and which bytes of it: from here … */
    uint64_t length;   /* … so many; all of them: the answer is the value itself */
} MobDiskOrder;

typedef struct {
    MobDiskVerb verb;
    MobDiskEnd end;
    uint64_t number;
    MobValue *value; /* READ of all: the sealed value, in memory that others may map */
    MobSlice piece;  /* READ of a part, as it goes into a Chunk */
} MobDiskAnswer;

/* Frees an order and what it owns. */
void mob_disk_order_free(MobDiskOrder *order);
