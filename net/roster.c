/* roster.c: see roster.h. */
#include "net/roster.h"

#include "net/clock.h"

#define WAIT_FIRST (50 * MOB_MS)
#define WAIT_MAX   (2 * MOB_SECOND)

void
mob_site_free(MobSite *site)
{
    if (site != NULL)
        mob_record_free(MOB_RECORD_site, site);
}

static void
far_free(void *data)
{
    MobFar *far = data;

    mob_site_free(far->site);
    g_free(far);
}

void
mob_roster_init(MobRoster *roster)
{
    roster->fars = g_ptr_array_new_with_free_func(far_free);
}

void
mob_roster_clear(MobRoster *roster)
{
    g_clear_pointer(&roster->fars, g_ptr_array_unref);
}

MobFar *
mob_roster_get(const MobRoster *roster, uint32_t node)
{
    for (guint i = 0; i < roster->fars->len; i++) {
        MobFar *far = g_ptr_array_index(roster->fars, i);
        if (far->site->node == node)
            return far;
    }
    return NULL;
}

MobFar *
mob_roster_named(const MobRoster *roster, const char *name)
{
    for (guint i = 0; i < roster->fars->len; i++) {
        MobFar *far = g_ptr_array_index(roster->fars, i);
        if (g_str_equal(mob_str(far->site->name), name))
            return far;
    }
    return NULL;
}

MobFar *
mob_roster_put(MobRoster *roster, MobSite *site)
{
    MobFar *far = mob_roster_get(roster, site->node);

    if (far == NULL) {
        far = g_new0(MobFar, 1);
        g_ptr_array_add(roster->fars, far);
    }
    mob_site_free(far->site);
    *far = (MobFar){.site = site};
    return far;
}

void
mob_roster_drop(MobRoster *roster, uint32_t node)
{
    MobFar *far = mob_roster_get(roster, node);

    if (far != NULL)
        g_ptr_array_remove(roster->fars, far);
}

void
mob_far_failed(MobFar *far)
{
    far->retry_at = mob_clock_real() + MIN(WAIT_FIRST << MIN(far->failures, 16), WAIT_MAX);
    far->failures++;
}

void
mob_far_reached(MobFar *far)
{
    far->failures = 0;
    far->retry_at = 0;
    far->reached = true;
}

bool
mob_far_may_try(const MobFar *far)
{
    return mob_clock_real() >= far->retry_at;
}
