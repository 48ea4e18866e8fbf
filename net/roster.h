/* roster.h: where the machines of the cluster are, as far as this one knows,
 * and when it may try again to reach those that it did not reach.
 */
#pragma once

#include "runtime/msg.h"

typedef struct {
    MobSite *site;     /* owned */
    uint32_t failures; /* attempts to reach it since one went well */
    bool reached;      /* at some time */
    uint64_t retry_at; /* real time; not before */
} MobFar;

enum {
    MOB_ROSTER_MAX = 4096 /* machines that are known at a time */
};

typedef struct {
    GPtrArray *fars; /* of MobFar, owned, in order of joining */
} MobRoster;

void mob_site_free(MobSite *site);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobSite, mob_site_free)

void mob_roster_init(MobRoster *roster);
void mob_roster_clear(MobRoster *roster);
MobFar *mob_roster_get(const MobRoster *roster, uint32_t node);
MobFar *mob_roster_named(const MobRoster *roster, const char *name);
/* Takes @site; what was known of that node is forgotten. */
MobFar *mob_roster_put(MobRoster *roster, MobSite *site);
void mob_roster_drop(MobRoster *roster, uint32_t node);

/* An attempt has failed: the next one waits, for longer each time, up to 2 s. */
void mob_far_failed(MobFar *far);
void mob_far_reached(MobFar *far);
bool mob_far_may_try(const MobFar *far);
