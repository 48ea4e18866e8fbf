/* alarms.h: what a controller of real processes is to be reminded of, the next
 * one last; of several for one instant the first that was set goes first.
 */
#pragma once

#include "runtime/control.h"

typedef struct {
    MobTime when;
    MobAlarmFunc func;
    void *data;
    uint64_t tag;
} MobNetAlarm;

/* @alarms: of MobNetAlarm. */
static inline void
mob_net_alarms_set(GArray *alarms, MobNetAlarm alarm)
{
    guint place = alarms->len;

    while (place > 0 && g_array_index(alarms, MobNetAlarm, place - 1).when <= alarm.when)
        place--;
    g_array_insert_val(alarms, place, alarm);
}

static inline MobTime
mob_net_alarms_next(const GArray *alarms)
{
    return alarms->len > 0 ? g_array_index(alarms, MobNetAlarm, alarms->len - 1).when
                           : MOB_TIME_NEVER;
}

/* Takes out the next one; there is one. */
static inline MobNetAlarm
mob_net_alarms_take(GArray *alarms)
{
    MobNetAlarm alarm = g_array_index(alarms, MobNetAlarm, alarms->len - 1);

    g_array_set_size(alarms, alarms->len - 1);
    return alarm;
}
