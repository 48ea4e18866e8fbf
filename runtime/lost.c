/* lost.c: see lost.h. One table, so that the reason, the error and the sentence
 * stand together.
 */
#include "runtime/lost.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *reason;
    MobFaultKind kind;
    const char *says; /* %s: the object's name */
} Lost;

#define AGAIN "%s is lost and cannot be made again: "

static const Lost losses[MOB_LOST_COUNT] = {
    [MOB_LOST_PUT] = {"put", MOB_FAULT_RECONSTRUCTION, AGAIN "%s is a put, no task makes it"},
    [MOB_LOST_RETRIES_OFF] = {"retries_off", MOB_FAULT_RECONSTRUCTION,
                              AGAIN "its task may not be retried, it has max_retries = 0"},
    [MOB_LOST_RETRIES_USED_UP] = {"retries_used_up", MOB_FAULT_RECONSTRUCTION,
                                  AGAIN "the retries of its task are used up"},
    [MOB_LOST_LINEAGE_EVICTED] = {"lineage_evicted", MOB_FAULT_RECONSTRUCTION,
                                  AGAIN "its lineage was evicted, to stay within lineage_max"},
    [MOB_LOST_OWNER_DEAD] = {"borrowed_owner_dead", MOB_FAULT_OWNER_DIED, NULL},
    [MOB_LOST_FREED] = {"freed", MOB_FAULT_OBJECT_FREED,
                        "%s was freed by hand, while references to it were left"},
    [MOB_LOST_OUT_OF_SCOPE] = {"out_of_scope", MOB_FAULT_OBJECT_LOST,
                               "%s was freed: nobody held a reference to it any more"},
};

const char *
mob_lost_reason(MobLost lost)
{
    return losses[lost].reason;
}

MobFaultKind
mob_lost_kind(MobLost lost)
{
    return losses[lost].kind;
}

void
mob_lost_say(MobLost lost, const MobRef *ref, GString *into)
{
    g_autoptr(GString) name = g_string_new(NULL);
    const char *at = losses[lost].says;
    const char *next;

    mob_name_object(name, ref->path, ref->id.index);
    for (; (next = strstr(at, "%s")) != NULL; at = next + 2) {
        g_string_append_len(into, at, next - at);
        g_string_append(into, name->str);
    }
    g_string_append(into, at);
}

/* The paths of a cluster's second job begin with "2:". */
static unsigned long
job_of(const MobStr *path)
{
    char *end;
    unsigned long job = strtoul(mob_str(path), &end, 10);

    return *end == ':' ? job : 1;
}

void
mob_lost_say_process(MobAddress process, const MobStr *path, const char *machine, GString *into)
{
    g_autofree char *unknown = g_strdup_printf("node %u", process.node);

    machine = machine != NULL ? machine : unknown;
    if (process.local >= MOB_LOCAL_POOL)
        g_string_append_printf(into, "%s/w%u", machine, process.local - MOB_LOCAL_POOL);
    else if (process.local >= MOB_LOCAL_WORKER)
        g_string_append_printf(into, "driver J%lu on %s", job_of(path), machine);
    else
        g_string_append(into, machine);
}

void
mob_lost_say_owner(const MobRef *ref, const char *machine, const char *why, GString *into)
{
    g_string_append(into, "the owner of ");
    mob_name_object(into, ref->path, ref->id.index);
    g_string_append(into, " is dead: ");
    mob_lost_say_process(ref->owner, ref->path, machine, into);
    g_string_append(into, " died");
    if (why != NULL && *why != '\0')
        g_string_append_printf(into, ": %s", why);
}
