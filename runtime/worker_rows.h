/* worker_rows.h: a row of the reference table, and what is known of its object;
 * for the files of the worker only.
 *
 * A process may hold a million references, so a row is small: what not each of
 * them needs stands in MobRowMore.
 */
#pragma once

#include "runtime/process.h"
#include "runtime/spread.h"

typedef struct MobRow MobRow;
typedef struct MobTask MobTask;

/* --- rows: one per object that this process owns or holds --- */

typedef enum {
    MOB_ROW_PENDING, /* owned: no value yet; borrowed: not known, asked or not */
    MOB_ROW_INLINE,  /* the value or error is here */
    MOB_ROW_STORED,  /* in at least one store (borrowed: as its owner said) */
    MOB_ROW_LOST,    /* owned: no copy is left, recovery has begun */
    MOB_ROW_FREED,   /* owned: out of scope, only lineage keeps the row */
} MobRowState;

/* One registration of a borrower; the registrar and its number are the key. */
typedef struct {
    MobAddress borrower;
    MobAddress registrar;
    uint64_t token;
    bool doubtful; /* the registrar has died; the borrower is asked whether it knows */
} MobToken;

/* A VerifyBorrower (token.borrower: who asks) that waits for the news of a death. */
typedef struct {
    MobToken token;
    MobObjectId object;
} MobUnverified;

/* What few rows have. */
typedef struct {
    MobRefs nested;     /* owned: references inside the value, each counted in contained */
    GArray *tokens;     /* of MobToken, but for that in the row: who else holds what we own, or
                         * how we are registered with its owner */
    MobSpread *spread;  /* node managers that want a copy, and where each gets it; NULL: none */
    GArray *askers;     /* of MobAddress: borrowers that wait for it to exist */
    GPtrArray *waiters; /* of MobTask: tasks that take it as an argument */
    GArray *nodes;      /* of MobNodeId: where sealed copies are, oldest first */
    GArray *strays;     /* of MobNodeId: copies of attempts that did not count, to be freed */
    uint64_t size;      /* of a value in stores */
    uint64_t hash;
    uint64_t lost; /* event: when the last copy was gone */
    MobNodeId primary;
} MobRowMore;

struct MobRow {
    MobRef ref;
    MobRowState state : 8;
    bool owned : 1;
    bool asked : 1;     /* borrowed: GetStatus is under way */
    bool unsealed : 1;  /* put: the store has not answered yet */
    bool pinning : 1;   /* PinObject is under way at nodes[0] */
    uint32_t registrar; /* of token: its number, see tokens.c */
    uint64_t token;     /* a registration, or 0 */
    uint32_t local;
    uint32_t submitted;
    uint32_t lineage;
    uint32_t contained;
    uint32_t waits;   /* position + 1 in the body's present get or wait, or 0 */
    uint32_t held;    /* position + 1 in exec.held, or 0 */
    MobValue *value;  /* inline value or error, owned */
    MobTask *task;    /* makes it; NULL: a put, or its lineage is gone */
    MobRowMore *more; /* NULL until needed */
};

/* Less than 200 bytes for a reference that is borrowed, with its place in the
 * tables and its name, is what users are promised. */
G_STATIC_ASSERT(sizeof(MobRow) <= 104);
