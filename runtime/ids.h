/* ids.h: names for things.
 *
 * Identity is derived, never drawn:
 *
 *     execution = hash(task, attempt)         one run of a task
 *     child     = hash(execution, index)      the index-th submit of that run
 *     object    = task + index                the index-th value a task returns
 *     put       = execution + put index       a value that a run has put
 *
 * So from an object anyone can tell the task that makes it, which is all that
 * lineage recovery needs; and the children of a second attempt have other ids
 * than those of the first, so that a late message of a dead attempt is never
 * taken for the new one's. Zero is never a valid id.
 *
 * What people see is the path, which has no attempts in it: "3/1" is the
 * first child of the driver's third task. mob_name_*() turn paths into names.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t MobTime; /* nanoseconds since the cluster was started */

#define MOB_TIME_NEVER UINT64_MAX
#define MOB_US         UINT64_C(1000)
#define MOB_MS         UINT64_C(1000000)
#define MOB_SECOND     UINT64_C(1000000000)

/* The key of a table: two words that are compared and hashed directly. */
typedef struct {
    uint64_t a;
    uint64_t b;
} MobKey;

typedef struct {
    uint64_t hi;
    uint64_t lo;
} MobTaskId;

typedef struct {
    MobTaskId task;
    uint32_t index; /* 1.. are returned values; MOB_PUT_BASE + 1.. are puts */
    uint32_t zero;  /* so that the struct has no padding */
} MobObjectId;

#define MOB_PUT_BASE UINT32_C(0x80000000)

/* How many values a task may return. */
#define MOB_TASK_RETURNS_MAX 1000000

/* One life of one machine; a restarted machine gets a new one. */
typedef struct {
    uint32_t v;
} MobNodeId;

/* Where a process is. Locals count up per node and are never reused. */
typedef struct {
    uint32_t node;  /* MobNodeId of its machine; zero is nobody */
    uint32_t local; /* MOB_LOCAL_NODE, MOB_LOCAL_GCS, or a worker's number + MOB_LOCAL_WORKER */
} MobAddress;

enum {
    MOB_LOCAL_NODE = 0,    /* the node manager (Ray: raylet) */
    MOB_LOCAL_GCS = 1,     /* the global control store */
    MOB_LOCAL_WORKER = 2,  /* the first driver; a driver is a worker that nobody leases */
    MOB_LOCAL_POOL = 1002, /* the first worker of the node's pool, "w0" */
};

/* A lease: the owner's address and its counter. */
typedef struct {
    MobAddress owner;
    uint64_t number; /* from 1 */
} MobLeaseId;

static inline uint64_t
mob_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xe9846af9b1a615d);
    x ^= x >> 32;
    x *= UINT64_C(0xe9846af9b1a615d);
    x ^= x >> 28;
    return x;
}

static inline bool
mob_task_is(MobTaskId task)
{
    return (task.hi | task.lo) != 0;
}

static inline bool
mob_task_eq(MobTaskId a, MobTaskId b)
{
    return a.hi == b.hi && a.lo == b.lo;
}

static inline bool
mob_object_is(MobObjectId object)
{
    return mob_task_is(object.task);
}

static inline bool
mob_object_eq(MobObjectId a, MobObjectId b)
{
    return mob_task_eq(a.task, b.task) && a.index == b.index;
}

static inline bool
mob_object_is_put(MobObjectId object)
{
    return object.index > MOB_PUT_BASE;
}

static inline bool
mob_address_eq(MobAddress a, MobAddress b)
{
    return a.node == b.node && a.local == b.local;
}

static inline bool
mob_address_is(MobAddress a)
{
    return a.node != 0;
}

static inline MobAddress
mob_node_address(uint32_t node)
{
    return (MobAddress){node, MOB_LOCAL_NODE};
}

static inline uint64_t
mob_address_word(MobAddress a)
{
    return (uint64_t)a.node << 32 | a.local;
}

static inline MobKey
mob_key_word(uint64_t word)
{
    return (MobKey){word, 1};
}

static inline MobKey
mob_key_address(MobAddress a)
{
    return (MobKey){mob_address_word(a), 1};
}

static inline MobKey
mob_key_task(MobTaskId task)
{
    return (MobKey){task.hi, task.lo};
}

/* Task ids are 128-bit hashes, so an index folded in keeps objects apart. */
static inline MobKey
mob_key_object(MobObjectId object)
{
    return (MobKey){object.task.hi ^ object.index, object.task.lo};
}

static inline MobKey
mob_key_lease(MobLeaseId lease)
{
    return (MobKey){mob_address_word(lease.owner), lease.number};
}

static inline MobTaskId
mob_task_derive(MobTaskId from, uint64_t number, uint64_t domain)
{
    MobTaskId to = {mob_mix(from.hi ^ mob_mix(number + domain)),
                    mob_mix(from.lo + mob_mix(number ^ (domain * 3)) + from.hi)};
    to.lo |= to.hi == 0 && to.lo == 0;
    return to;
}

/* The identity of one execution of @task; attempts count from 1. */
static inline MobTaskId
mob_task_execution(MobTaskId task, uint32_t attempt)
{
    return mob_task_derive(task, attempt, UINT64_C(0x45584543));
}

/* The @index-th task (from 1) that an execution submits. */
static inline MobTaskId
mob_task_child(MobTaskId execution, uint64_t index)
{
    return mob_task_derive(execution, index, UINT64_C(0x4348494c44));
}

/* The identity of main of a cluster's @job-th job, from 1. */
static inline MobTaskId
mob_task_root(uint64_t job)
{
    return mob_task_derive((MobTaskId){UINT64_C(0x6d6f62756c61), 0x6d61696e}, job, 0x4a4f42);
}

static inline MobObjectId
mob_object_return(MobTaskId task, uint32_t index)
{
    return (MobObjectId){task, index, 0};
}

/* The @index-th value (from 1) that an execution puts. */
static inline MobObjectId
mob_object_put(MobTaskId execution, uint32_t index)
{
    return (MobObjectId){execution, MOB_PUT_BASE + index, 0};
}
