/* shared_parts.h: what the two files of the shared store have in common. */
#pragma once

#include "net/shared.h"
#include "net/shm.h"
#include "runtime/arena.h"

typedef struct MobLoan MobLoan;

/* Memory that its owner writes. Its id is the owner's number on the machine
 * and a number of the owner's. */
typedef struct {
    uint64_t id;
    MobShm *shm;     /* owned */
    MobArena *arena; /* owned; NULL: it is somebody else's */
    uint32_t values; /* that lie there and are referred to here */
    bool over;       /* nothing in it will be named any more */
} MobRegion;

/* A value that was given, and must stay. */
typedef struct {
    MobValue *value; /* owned */
    MobWhere place;
    uint32_t before; /* how often it was given before the connection broke last … */
    uint32_t since;  /* … and since then */
} MobGrant;

/* Somebody that we give values to, and get them from. */
typedef struct {
    MobAddress address;
    MobTable *grants; /* place -> MobGrant, owned */
    MobTable *told;   /* region -> itself: those that it knows */
    MobLoan *loans;   /* values of it that are read here */
    MobBuf frees;     /* places of it that are not: to be said */
    MobBuf held;      /* of a HELD, to be said first */
    bool held_due;
    GArray *gone; /* of uint64_t: regions, to be said */
} MobSharer;

/* What holds the bytes of a value that lies in a region. */
struct MobLoan {
    MobShared *shared;
    MobRegion *region;
    uint64_t offset;
    MobSharer *from; /* NULL: the region is ours, or its owner is dead */
    bool sealed;
    MobLoan *before; /* of the same sharer */
    MobLoan *next;
};

struct MobShared {
    MobPlaces places;  /* must be first */
    MobNetHost *host;  /* NULL: it has ended */
    uint64_t capacity; /* of the machine's store, or what memory allows */
    MobTable *regions; /* id -> MobRegion, owned */
    GPtrArray *own;    /* of MobRegion: ours */
    uint32_t numbers;  /* of our regions */
    uint64_t used;     /* bytes of ours that are taken */
    uint64_t peak;
    uint64_t ahead_at; /* real time: nothing is faulted in ahead before */
    uint64_t empty_at; /* real time when the first region goes if it stays empty; 0: it is not */
    uint64_t loans;    /* MobLoan that there are */
    MobTable *sharers; /* address -> MobSharer, owned */
    GArray *refused;   /* of MobObjectId: could not be stored */
    /* while a message is put or read: */
    MobSharer *peer;
    GPtrArray *untold;       /* of MobRegion: named, and the peer does not know it */
    const MobValue *storing; /* is to be stored, so it is written out … */
    MobValue *stored;        /* … as this; NULL: there is no room */
};

/* --- shared.c --- */

/* Writes @value into a region of ours. Returns (transfer full) a value that
 * lies there, which may be @value itself; NULL: there is no room. */
MobValue *mob_shared_write(MobShared *shared, MobValue *value);
/* What holds @value if it lies in a region; else NULL. */
MobLoan *mob_loan_of(const MobValue *value);
/* The @size bytes that @loan holds will not be changed. */
void mob_loan_seal(MobLoan *loan, uint64_t size);
/* Returns (transfer full) the value that @from says lies at @place, or NULL. */
MobValue *mob_loan_new(MobShared *shared, MobSharer *from, const MobWhere *place);
/* @region may have become of no use. */
void mob_region_review(MobShared *shared, MobRegion *region);

/* --- shared_peers.c --- */

MobSharer *mob_sharer_get(MobShared *shared, MobAddress address, bool add);
void mob_sharer_free(void *sharer);
/* @loan is not read any more. */
void mob_sharer_release(MobLoan *loan);
/* @region is unmapped. */
void mob_sharers_gone(MobShared *shared, const MobRegion *region);
MobValue *mob_shared_put_value(MobPlaces *places, MobValue *value, MobWhere *place);
MobValue *mob_shared_get_value(MobPlaces *places, const MobWhere *place);
