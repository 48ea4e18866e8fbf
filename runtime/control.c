/* control.c: see control.h. */
#include "runtime/control.h"

static const char *const verb_names[MOB_VERB_COUNT] = {
    "kill", "restart", "pause", "slow", "cut", "hold", "link", "rpc", "evict", "leave", "join",
};

const char *
mob_verb_name(MobVerb verb)
{
    g_assert(verb < MOB_VERB_COUNT);
    return verb_names[verb];
}
