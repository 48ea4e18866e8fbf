/* birth.c: see birth.h. */
#include "net/birth.h"

#include "runtime/str.h"
#include "runtime/watch.h"

MobStr *
mob_birth_config(const MobConfig *config)
{
    g_autoptr(GString) text = g_string_new(NULL);
    MobConfig copy = *config;

    for (const MobKnobInfo *knob = mob_config_knobs(); knob->name != NULL; knob++)
        g_string_append_printf(text, "%" G_GUINT64_FORMAT " ", *mob_config_knob(&copy, knob->name));
    return mob_str_new(text->str);
}

bool
mob_birth_read_config(const MobStr *text, MobConfig *config)
{
    const char *at = mob_str(text);
    char *end;

    mob_config_init(config, MOB_PROFILE_IDEAL);
    for (const MobKnobInfo *knob = mob_config_knobs(); knob->name != NULL; knob++) {
        *mob_config_knob(config, knob->name) = g_ascii_strtoull(at, &end, 10);
        if (end == at)
            return false;
        at = end;
    }
    return true;
}

char *
mob_birth_socket(const MobBirth *birth, MobAddress address)
{
    if (mob_address_eq(address, birth->gcs))
        return g_strdup_printf("%s/gcs", mob_str(birth->folder));
    return g_strdup_printf("%s/%u.%u", mob_str(birth->folder), address.node, address.local);
}

uint32_t
mob_birth_home(const MobBirth *birth)
{
    return birth->home != 0 ? birth->home : birth->address.node;
}

bool
mob_birth_runs_programs(uint32_t role)
{
    return role == MOB_ROLE_WORKER || role == MOB_ROLE_DRIVER;
}

bool
mob_birth_is_near(const MobBirth *birth, MobAddress address)
{
    return mob_address_eq(address, birth->gcs) ? birth->head
                                               : address.node == mob_birth_home(birth);
}

MobBirth *
mob_birth_child(const MobBirth *parent)
{
    MobBirth *child = g_new0(MobBirth, 1);

    child->refs_held = 1;
    child->node_name = mob_str_ref(parent->node_name);
    child->incarnation = 1;
    child->store_bytes = parent->store_bytes;
    child->folder = mob_str_ref(parent->folder);
    child->controller = mob_str_ref(parent->controller);
    child->gcs = parent->gcs;
    child->head = parent->head;
    child->epoch = parent->epoch;
    child->pace = parent->pace;
    child->seed = parent->seed;
    child->config = mob_str_ref(parent->config);
    child->wanted = parent->wanted;
    child->held = parent->held;
    return child;
}

void
mob_birth_free(MobBirth *birth)
{
    if (birth != NULL)
        mob_record_free(MOB_RECORD_birth, birth);
}
