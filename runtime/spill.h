/* spill.h: primary copies that are written to files, to make room for others
 * (Ray: local_object_manager.cc).
 *
 * A file is made from the copies that nobody has used for longest: so many
 * that it is worth while, or all there are if nothing else is being written.
 * Until it is written they stay where they are. After that they may leave
 * memory and come back any number of times, and no byte is written again. A
 * file goes with the last copy in it.
 *
 * What an order to the disk was for is kept until its answer comes, whatever
 * became of the copy meanwhile. A disk that does not take what is written is
 * left alone for a while, twice as long each time.
 *
 * These are the rows alone; node_spill.c does what they say.
 */
#pragma once

#include "runtime/process.h"
#include "runtime/store.h"

struct MobSpillFile {
    uint64_t number;
    uint64_t bytes;   /* of what is still in it */
    uint64_t size;    /* as it is written */
    uint32_t live;    /* copies that are still in it */
    uint32_t count;   /* of copies, while it is being written */
    MobCopy **copies; /* owned, borrowed copies; NULL for each that has gone; NULL once written */
};

/* What an order is for. */
typedef struct {
    MobDiskVerb verb;
    MobSpillFile *file; /* WRITE: borrowed */
    MobObjectId object; /* READ … */
    uint64_t from;      /* … from that file … */
    uint64_t push;      /* … for this push; 0: to have it in memory … */
    MobNodeId to;       /* … to that node … */
    uint64_t offset;    /* … from here on */
} MobDiskJob;

typedef struct {
    MobTable *files; /* number -> MobSpillFile, owned */
    MobTable *jobs;  /* number of the order -> MobDiskJob, owned */
    uint64_t orders;
    uint64_t numbers;       /* of files */
    uint64_t bytes;         /* of all files that are written */
    uint64_t writing_bytes; /* of copies that are being written */
    uint32_t writing;       /* files that are being written */
    uint32_t failures;      /* in a row */
    bool full;              /* the last file that was not written found no room */
    MobTime retry_at;       /* not before, since it failed */
} MobSpills;

void mob_spills_init(MobSpills *spills);
void mob_spills_clear(MobSpills *spills);

/* Puts the next copies together in a file that is to be written; NULL if there
 * are none, or too few for as long as another file is being written. */
MobSpillFile *mob_spills_gather(MobSpills *spills, MobStore *store, const MobConfig *config);
void mob_spills_write(MobSpills *spills, MobSpillFile *file, MobOutbox *out);
/* Reads @length bytes of @copy from @offset on; all of them: it itself. For a
 * push, or 0. Returns the number of the order. */
uint64_t mob_spills_read(MobSpills *spills, const MobCopy *copy, const MobDiskJob *what,
                         uint64_t length, MobOutbox *out);
/* Forgets the order and says what it was for; false if there is no such order. */
bool mob_spills_take_job(MobSpills *spills, uint64_t number, MobDiskJob *job);
/* The order to write @file has come to its end. */
void mob_spills_written(MobSpills *spills, MobStore *store, MobSpillFile *file, MobOutbox *out);
void mob_spills_not_written(MobSpills *spills, MobStore *store, MobSpillFile *file);
/* @copy is in its file no more; the last one takes the file along. */
void mob_spills_leave(MobSpills *spills, MobStore *store, MobCopy *copy, MobOutbox *out);
