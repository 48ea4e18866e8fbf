/* check_owners.c: workers and drivers as owners: they count right, have every
 * task that was given to them, make again what is lost, and believe nothing of
 * owners whom they know to be dead.
 */
#include "sim/check_parts.h"

void
mob_check_pending(MobCheck *check, MobAddress owner, int by)
{
    uint32_t *pending = mob_check_entry(check->pending, mob_key_address(owner), sizeof *pending);

    if (by > 0)
        ++*pending;
    else if (*pending > 0)
        --*pending;
}

/* What is referenced is there, or is on its way. */
static void
check_owned(MobCheck *check, const MobProcess *worker, const MobRefInfo *ref)
{
    if (ref->available || ref->pending || ref->unsealed || ref->freed)
        return;
    mob_check_fail(check, "I8", "recoverability", "%s has lost %s, and nobody makes it again",
                   mob_check_process_name(check, worker->address),
                   mob_check_object_name(check, ref->object));
}

/* From the moment at which it is told of a death nothing is available there of
 * the dead owner but errors. */
static void
check_borrowed(MobCheck *check, const MobProcess *worker, const MobRefInfo *ref)
{
    if (!ref->available || (ref->value != NULL && ref->value->fault != 0) ||
        !mob_check_knows_dead(check, worker->address, ref->owner))
        return;
    mob_check_fail(check, "I37", "a dead owner raises",
                   "%s still takes %s for available, and knows that its owner is dead",
                   mob_check_process_name(check, worker->address),
                   mob_check_object_name(check, ref->object));
}

static void
check_rows(MobCheck *check, const MobProcess *worker)
{
    size_t at = 0;
    MobRefInfo ref;

    while (mob_worker_next_ref(worker, &at, &ref))
        if (ref.owned)
            check_owned(check, worker, &ref);
        else
            check_borrowed(check, worker, &ref);
}

void
mob_check_worker(MobCheck *check, const MobProcess *worker)
{
    const uint32_t *pending = mob_table_get(check->pending, mob_key_address(worker->address));
    const char *name = mob_check_process_name(check, worker->address);
    MobWorkerStats stats;

    mob_worker_stats(worker, &stats);
    if (stats.tasks_pending != (pending != NULL ? *pending : 0))
        mob_check_fail(check, "I25", "task conservation",
                       "%s has %u tasks that have not ended, and should have %u", name,
                       stats.tasks_pending, pending != NULL ? *pending : 0);
    if (stats.lineage_bytes > check->config->lineage_max)
        mob_check_fail(check, "I7c", "lineage bound",
                       "%s keeps %" G_GUINT64_FORMAT
                       " bytes of lineage, more than %" G_GUINT64_FORMAT,
                       name, stats.lineage_bytes, check->config->lineage_max);
    if (!mob_check_affords(check, stats.owned + stats.borrowed))
        return;
    check_rows(check, worker);
    g_autoptr(GString) why = g_string_new(NULL);
    if (!mob_worker_check(worker, why))
        mob_check_fail(check, "I18", "counters", "%s: %s", name, why->str);
}
