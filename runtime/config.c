/* config.c: see config.h. */
#include "runtime/config.h"

#include <stddef.h>
#include <string.h>

enum {
#define KNOB(type, name, unit, ideal, osdi18, ray07, own21, modern, doc) KNOB_##name,
#include "runtime/config.def"
    KNOB_COUNT
};

static const MobKnobInfo knobs[KNOB_COUNT + 1] = {
#define KNOB(type, name, unit, ideal, osdi18, ray07, own21, modern, doc)                           \
    {#name, unit, doc, #type, offsetof(MobConfig, name)},
#include "runtime/config.def"
    {NULL, NULL, NULL, NULL, 0},
};

static const uint64_t values[KNOB_COUNT][MOB_PROFILE_COUNT] = {
#define KNOB(type, name, unit, ideal, osdi18, ray07, own21, modern, doc)                           \
    {ideal, osdi18, ray07, own21, modern},
#include "runtime/config.def"
};

static const char *const profiles[MOB_PROFILE_COUNT] = {"ideal", "osdi18", "ray07", "own21",
                                                        "modern"};

static uint64_t *
knob_at(MobConfig *config, int knob)
{
    return (uint64_t *)(void *)((char *)config + knobs[knob].offset);
}

void
mob_config_init(MobConfig *config, MobProfile profile)
{
    g_assert(profile < MOB_PROFILE_COUNT);
    for (int i = 0; i < KNOB_COUNT; i++)
        *knob_at(config, i) = values[i][profile];
}

const char *
mob_profile_name(MobProfile profile)
{
    g_assert(profile < MOB_PROFILE_COUNT);
    return profiles[profile];
}

MobProfile
mob_profile_by_name(const char *name)
{
    for (int i = 0; i < MOB_PROFILE_COUNT; i++)
        if (strcmp(profiles[i], name) == 0)
            return (MobProfile)i;
    return MOB_PROFILE_COUNT;
}

const MobKnobInfo *
mob_config_knobs(void)
{
    return knobs;
}

uint64_t *
mob_config_knob(MobConfig *config, const char *name)
{
    for (int i = 0; i < KNOB_COUNT; i++)
        if (strcmp(knobs[i].name, name) == 0)
            return knob_at(config, i);
    return NULL;
}
