/* config.h: the knobs of the protocol, and named sets of them.
 *
 * A profile is a complete set; a scenario may change single knobs by name.
 */
#pragma once

#include <glib.h>

#include "runtime/ids.h"

typedef uint64_t MobKnob_time;
typedef uint64_t MobKnob_count;
typedef uint64_t MobKnob_bytes;
typedef uint64_t MobKnob_ratio;

typedef struct {
#define KNOB(type, name, unit, ideal, osdi18, ray07, own21, modern, doc) MobKnob_##type name;
#include "runtime/config.def"
} MobConfig;

typedef enum {
    MOB_PROFILE_IDEAL,
    MOB_PROFILE_OSDI18,
    MOB_PROFILE_RAY07,
    MOB_PROFILE_OWN21,
    MOB_PROFILE_MODERN,
    MOB_PROFILE_COUNT,
} MobProfile;

void mob_config_init(MobConfig *config, MobProfile profile);
const char *mob_profile_name(MobProfile profile);
/* MOB_PROFILE_COUNT where there is no such profile. */
MobProfile mob_profile_by_name(const char *name);

typedef struct {
    const char *name;
    const char *unit;
    const char *doc;
    const char *type; /* "time", "count", "bytes", "ratio" */
    size_t offset;    /* of a uint64_t in MobConfig */
} MobKnobInfo;

/* All knobs; ends with a NULL name. */
const MobKnobInfo *mob_config_knobs(void);
/* NULL where there is no such knob. */
uint64_t *mob_config_knob(MobConfig *config, const char *name);
