/* targets.c: what the names in an order mean; see fault_parts.h.
 *
 * "n1" is the machine, "n1/node" its node manager, "n1/w0" a worker, "gcs" and
 * "driver" those. A name that means nothing is answered with those that do.
 */
#include "sim/fault_parts.h"
#include "sim/machine.h"

enum {
    NAMES_MAX = 20 /* in an answer */
};

static void
list_names(const MobWorld *world, GString *into)
{
    guint count = 0;

    for (guint i = 0; i < world->boxes->len && count < NAMES_MAX; i++, count++) {
        const MobBox *box = g_ptr_array_index(world->boxes, i);
        g_string_append_printf(into, "%s%s", count > 0 ? ", " : "", box->name);
    }
    for (guint i = 0; i < world->places->len && count < NAMES_MAX; i++) {
        const MobPlace *place = g_ptr_array_index(world->places, i);
        if (place->state != MOB_PLACE_LIVE || place->role == MOB_ROLE_NODE)
            continue;
        g_string_append_printf(into, ", %s", place->name);
        count++;
    }
    if (count == NAMES_MAX)
        g_string_append(into, ", …");
}

bool
mob_target_find(MobWorld *world, const char *name, MobTarget *target, GError **error)
{
    *target = (MobTarget){0};
    if (name == NULL) {
        target->any = true;
        return true;
    }
    target->box = mob_box_named(world, name);
    if (target->box != NULL)
        return true;
    if (g_str_has_suffix(name, "/node")) {
        g_autofree char *machine = g_strndup(name, strlen(name) - strlen("/node"));
        const MobBox *box = mob_box_named(world, machine);
        if (box != NULL)
            target->place = box->life->manager;
    } else {
        target->place = mob_place_named(world, name);
    }
    if (target->place != NULL)
        return true;

    g_autoptr(GString) names = g_string_new(NULL);
    list_names(world, names);
    g_set_error(error, MOB_CONTROL_ERROR, 0, "there is no machine or process '%s'; there are %s",
                name, names->str);
    return false;
}

bool
mob_target_covers(const MobTarget *target, const MobEnd *end)
{
    if (target->any)
        return true;
    if (target->box != NULL)
        return end->box == target->box;
    return mob_address_eq(end->address, target->place->address);
}

MobBox *
mob_target_box(const MobTarget *target)
{
    return target->box != NULL ? target->box : target->place->life->box;
}
