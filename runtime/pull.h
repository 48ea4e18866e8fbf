/* pull.h: objects that this machine wants from others.
 *
 * There is one row per object, however many want it. A row knows who wants
 * it, where its owner says that copies are, and what has arrived. Pieces are
 * counted once each, whatever comes twice, and in any order. What has arrived
 * without a gap may be handed on before the rest is there.
 *
 *     LOOKING   no copy is known that could be asked for, or none is wanted yet
 *     QUEUED    a copy is known, but there is no room for it
 *     ACTIVE    room is made and a node has been asked
 *
 * These are the rows alone; node_fetch.c does what they say.
 */
#pragma once

#include "runtime/leases.h"
#include "runtime/pick.h"
#include "runtime/store.h"

/* Whose wish goes first when there is no room for all. */
typedef enum {
    MOB_WISH_GET,
    MOB_WISH_WAIT,
    MOB_WISH_ARGS,
    MOB_WISH_NONE, /* only its size and place are of interest */
} MobWish;

typedef enum {
    MOB_FETCH_LOOKING,
    MOB_FETCH_QUEUED,
    MOB_FETCH_ACTIVE,
} MobFetchStage;

typedef struct {
    MobAddress worker;
    bool wait; /* in wait rather than in get */
} MobWaiter;

typedef struct {
    MobNodeId node;
    bool tried; /* it did not have it, or did not answer */
} MobSource;

typedef struct MobSpace MobSpace;

typedef struct {
    MobRef ref;        /* owned */
    uint64_t order;    /* counts up with the wishes: since when it is wanted as it is */
    MobWish turn;      /* the wish by which it has this order */
    GArray *waiters;   /* of MobWaiter */
    GPtrArray *leases; /* of MobLease, borrowed: FETCHING, and lack it */
    GArray *sources;   /* of MobSource, live ones, as the owner named them */
    bool answered;     /* the owner has said where it is */
    bool pending;      /* it is being made: wait */
    uint64_t size;     /* 0: not known */
    uint64_t hash;
    MobFetchStage stage;
    MobSource named;     /* whom the owner says to ask; it may not have all of it; 0: nobody */
    uint32_t depth;      /* so many nodes are between a copy and this one, if that one is asked */
    uint64_t rank;       /* among those that want a copy, as the owner counts them; 0: not known */
    MobNodeId failed;    /* LOOKING: the owner was asked for another than this one … */
    bool asking;         /* … and what has come is kept meanwhile */
    bool disk;           /* it is on the disk of this machine; nobody else is asked */
    uint64_t read;       /* ACTIVE, disk: the order to read it */
    MobNodeId source;    /* ACTIVE: who was asked */
    bool partial;        /* ACTIVE: the source collects it too */
    uint64_t push;       /* ACTIVE: whose pieces count; 0: the next that comes */
    uint32_t retries;    /* in a row in which nothing came */
    MobTime progress_at; /* ACTIVE: of the last piece; QUEUED, LOOKING: since when */
    MobTime lost_at; /* LOOKING: since when nobody is known to have it; MOB_TIME_NEVER: not so */
    bool ask_owner;  /* the connection to the owner broke */
    bool ask_source; /* the connection to the source broke */
    MobValue *value; /* owned; the whole value, in a simulation */
    MobSpace *space; /* owned; else room for it, and what has arrived */
    MobRoom room;
    uint8_t *got;      /* owned; a bit per piece */
    uint64_t received; /* bytes */
    uint64_t ready;    /* all before this has arrived */
    uint64_t chunk;    /* size of a piece */
} MobFetch;

typedef struct {
    MobTable *rows; /* object -> MobFetch, owned */
    uint64_t orders;
    uint32_t active;
    uint32_t queued;
    uint64_t queued_bytes; /* of those whose size is known */
    MobRoom room;          /* where values are collected */
} MobFetches;

void mob_fetches_init(MobFetches *fetches, MobRoom room);
void mob_fetches_clear(MobFetches *fetches);

MobFetch *mob_fetches_get(const MobFetches *fetches, MobObjectId object);
MobFetch *mob_fetches_add(MobFetches *fetches, const MobRef *ref);
void mob_fetches_remove(MobFetches *fetches, MobFetch *fetch);
void mob_fetches_set_size(MobFetches *fetches, MobFetch *fetch, uint64_t size, uint64_t hash);
void mob_fetches_set_stage(MobFetches *fetches, MobFetch *fetch, MobFetchStage stage);
/* The QUEUED row whose turn it is: the dearest wish, then the oldest. */
MobFetch *mob_fetches_next_queued(const MobFetches *fetches);

/* It may be wanted more than before, and then it is the youngest of those, or less. */
void mob_fetches_take_turn(MobFetches *fetches, MobFetch *fetch);
MobWish mob_fetch_wish(const MobFetch *fetch);
/* Whether room was made for what comes. */
bool mob_fetch_holds_room(const MobFetch *fetch);
bool mob_fetch_is_wanted(const MobFetch *fetch);
/* Whether anybody is known who could be asked: it has a copy, or collects one. */
bool mob_fetch_is_located(const MobFetch *fetch);
void mob_fetch_add_waiter(MobFetch *fetch, MobAddress worker, bool wait);
bool mob_fetch_remove_waiter(MobFetch *fetch, MobAddress worker);
void mob_fetch_add_lease(MobFetch *fetch, MobLease *lease);
void mob_fetch_remove_lease(MobFetch *fetch, const MobLease *lease);

/* Takes in where the owner says copies are, @except left out; true if it was named. */
bool mob_fetch_set_sources(MobFetch *fetch, const MobLocations *locations, MobNodeId except);
void mob_fetch_drop_source(MobFetch *fetch, MobNodeId node);
void mob_fetch_set_tried(MobFetch *fetch, MobNodeId node);
void mob_fetch_forget_tried(MobFetch *fetch);
/* Whether there is a source that was not tried. */
bool mob_fetch_has_untried(const MobFetch *fetch);
/* Whether the owner names it as one with a copy. */
bool mob_fetch_has_source(const MobFetch *fetch, MobNodeId node);
/* A source that was not tried, first of all the named one; false if there is none. */
bool mob_fetch_pick_source(const MobFetch *fetch, MobPicks *picks, MobNodeId *source);

/* Begins to collect pieces of @chunk bytes. */
void mob_fetch_begin(MobFetch *fetch, uint64_t size, uint64_t hash, uint64_t chunk);
/* Throws away what has arrived. */
void mob_fetch_drop_pieces(MobFetch *fetch);
typedef enum {
    MOB_PIECE_BAD, /* not a piece of what is being collected */
    MOB_PIECE_KNOWN,
    MOB_PIECE_NEW,
} MobPiece;
MobPiece mob_fetch_take_piece(MobFetch *fetch, const MobChunk *chunk);
/* Returns (transfer full) @length bytes that have arrived, for others. */
MobSlice mob_fetch_piece(const MobFetch *fetch, uint64_t offset, uint64_t length);
/* Returns (transfer full) the value once all pieces are there; NULL if they do
 * not make up the value that was announced. */
MobValue *mob_fetch_finish(MobFetch *fetch);
