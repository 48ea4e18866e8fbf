/* resources.h: what a machine has and what a task asks for.
 *
 * Amounts are fixed-point, in ten-thousandths of a unit, as in Ray; memory is
 * in bytes. A bundle is small and is copied; the names of custom resources are
 * shared and sorted, so two equal bundles are equal word for word.
 */
#pragma once

#include "runtime/str.h"

#define MOB_UNIT INT64_C(10000)

typedef struct {
    MobStr *name;
    int64_t amount;
} MobCustom;

/* Immutable and shared; sorted by name, amounts positive. */
typedef struct {
    uint32_t refs_held;
    uint32_t count;
    MobCustom items[];
} MobCustoms;

typedef struct {
    int64_t cpu;         /* 1/10000 */
    int64_t memory;      /* bytes */
    MobCustoms *customs; /* NULL: none */
} MobResources;

/* Returns customs for the caller to fill in and sort with mob_customs_sort(). */
MobCustoms *mob_customs_new(uint32_t count);
void mob_customs_sort(MobCustoms *customs);
MobCustoms *mob_customs_ref(MobCustoms *customs);
void mob_customs_unref(MobCustoms *customs);

MobResources mob_resources_copy(const MobResources *from);
void mob_resources_clear(MobResources *resources);
bool mob_resources_eq(const MobResources *a, const MobResources *b);
uint64_t mob_resources_hash(const MobResources *resources);

/* Whether @want fits into @have. */
bool mob_resources_fit(const MobResources *have, const MobResources *want);
/* Adds @amount, @times times, to @to; a negative @times takes it away. @to has
 * at least the names of @amount and may go below zero (see node leases). */
void mob_resources_add(MobResources *to, const MobResources *amount, int times);
/* "cpus=16", "cpus=1 gpu=2 memory=64MiB": for messages to people. */
void mob_resources_print(const MobResources *resources, GString *into);
