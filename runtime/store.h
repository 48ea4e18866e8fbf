/* store.h: the object store of one machine (Ray: plasma).
 *
 * Copies are immutable once sealed, and the first sealed value wins. Bytes are
 * counted from the moment a copy is created, and as long as they are in memory.
 * A primary copy that is nowhere else, and any copy that somebody is reading,
 * stays; of the others, the one that was used longest ago makes room. So used
 * never exceeds capacity.
 *
 * A primary copy may be in a file too (spill.h), and then it may leave memory:
 * it is on disk alone until it is loaded again. It counts as a copy all the
 * while. Primary copies that are in memory alone and that nobody reads are
 * those that may be spilled.
 *
 * A copy that is to go while a running task reads it is doomed: it goes with
 * the last reader. The store tells nobody anything; see node_objects.c.
 */
#pragma once

#include "runtime/msg.h"
#include "runtime/table.h"

typedef struct MobCopy MobCopy;
typedef struct MobOwnerRow MobOwnerRow;
typedef struct MobSpillFile MobSpillFile;

/* Copies from the one that was used longest ago on. */
typedef struct {
    MobCopy *oldest;
    MobCopy *newest;
    uint64_t bytes;
} MobCopyList;

struct MobCopy {
    MobRef ref;      /* owned */
    MobValue *value; /* owned; NULL until it is sealed, and while it is on disk alone */
    uint64_t size;
    uint64_t hash;
    bool primary;
    bool held;          /* its bytes are in memory, or room is made for them */
    bool durable;       /* its file is written */
    MobSpillFile *file; /* borrowed; NULL: it is in none */
    uint32_t slot;      /* in that file */
    uint64_t at;        /* where in it */
    MobAddress maker;   /* the worker that stored it; nobody: it came from another node */
    uint32_t why;       /* doomed: MobDrop, see node_parts.h */
    bool doomed;
    uint32_t pins;     /* by leases */
    uint32_t yields;   /* while it is counted what leases could give back: of those pins */
    uint32_t reads;    /* by pushes to other nodes */
    MobCopyList *list; /* that it is in; NULL: none */
    MobCopy *older;    /* in that list */
    MobCopy *newer;
    MobOwnerRow *owner;
    MobCopy *sibling_next; /* copies of one owner */
    MobCopy *sibling_before;
};

/* What concerns one owner: its copies here, and what it is still to be told. */
struct MobOwnerRow {
    MobAddress owner;
    MobCopy *copies;
    GArray *moves; /* of MobMove, for the next ObjectMoved; NULL: none */
    GArray *gone;  /* of MobObjectId, a ring: copies it was told of that went; NULL: none */
    uint32_t gone_next;
    bool listed; /* among those with moves to be told */
    bool resync; /* the connection broke: tell everything again */
};

typedef struct {
    MobTable *copies;      /* object -> MobCopy, owned */
    MobTable *owners;      /* address -> MobOwnerRow, owned */
    MobCopyList idle;      /* those that may make room */
    MobCopyList spillable; /* those that may be spilled */
    uint64_t capacity;
    uint64_t used;
    uint32_t spilled; /* copies that are on disk alone */
    bool roomier;     /* something went or may go: set here, taken back by who looks */
} MobStore;

void mob_store_init(MobStore *store, uint64_t capacity);
void mob_store_clear(MobStore *store);

/* NULL where there is none. */
MobCopy *mob_store_get(const MobStore *store, MobObjectId object);
/* The sealed copy in memory; NULL where there is none. */
MobCopy *mob_store_sealed(const MobStore *store, MobObjectId object);
/* The sealed copy in memory or on disk; NULL where there is none. */
MobCopy *mob_store_kept(const MobStore *store, MobObjectId object);
static inline bool
mob_copy_is_kept(const MobCopy *copy)
{
    return copy->value != NULL || copy->durable;
}

/* Whether @size bytes can be had, if need be by evicting. */
bool mob_store_has_room(const MobStore *store, uint64_t size);
/* The copy that is to be removed next to make room for @size; NULL once there
 * is room, or when nothing more may go. */
MobCopy *mob_store_victim(const MobStore *store, uint64_t size);

/* Creates an unsealed copy of @ref, for which there must be room. */
MobCopy *mob_store_create(MobStore *store, const MobRef *ref, uint64_t size, uint64_t hash);
/* Fills it in (a new reference to @value). */
void mob_store_seal(MobStore *store, MobCopy *copy, MobValue *value, bool primary);
void mob_store_make_primary(MobStore *store, MobCopy *copy);
void mob_store_touch(MobStore *store, MobCopy *copy);
void mob_store_pin(MobStore *store, MobCopy *copy);
/* True if the copy was doomed and nobody needs it any more: remove it. */
bool mob_store_unpin(MobStore *store, MobCopy *copy);
void mob_store_read(MobStore *store, MobCopy *copy);
void mob_store_end_read(MobStore *store, MobCopy *copy);
/* It begins to be written, as @slot of @file, at @at in it; or is not in a file any more. */
void mob_store_set_file(MobStore *store, MobCopy *copy, MobSpillFile *file, uint32_t slot,
                        uint64_t at);
/* Its file is written. */
void mob_store_set_durable(MobStore *store, MobCopy *copy);
/* Leaves memory; its file stays. */
void mob_store_unload(MobStore *store, MobCopy *copy);
/* Makes room for a copy that is on disk alone, for which there must be some. */
void mob_store_begin_load(MobStore *store, MobCopy *copy);
void mob_store_stop_load(MobStore *store, MobCopy *copy);
/* It is in memory again (a new reference to @value). */
void mob_store_load(MobStore *store, MobCopy *copy, MobValue *value);
/* Nobody may be reading it. */
void mob_store_remove(MobStore *store, MobCopy *copy);

/* Whether it may make room once nothing pins it. */
bool mob_store_goes_idle(const MobCopy *copy);
uint64_t mob_store_pinned(const MobStore *store);

/* The row of @owner; with @add it is made if there is none. */
MobOwnerRow *mob_store_owner(MobStore *store, MobAddress owner, bool add);
/* Notes for the owner that @copy came or went; true if its row was not listed. */
bool mob_store_moved(const MobCopy *copy, bool here);
/* Notes for the owner of @ref that there is no copy; true if its row was not listed. */
bool mob_store_missing(MobStore *store, const MobRef *ref);
/* Whether the owner of @copy was told lately that there is none. */
bool mob_store_was_gone(const MobCopy *copy);
/* Puts all that is so into the moves, after a connection broke. */
void mob_store_tell_again(MobStore *store, MobOwnerRow *row);
/* Forgets what the owner was told; its copies must be gone. */
void mob_store_forget_owner(MobStore *store, MobOwnerRow *row);
