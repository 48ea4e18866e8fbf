/* control.c: see control.h. */
#include "runtime/control.h"

static const char *const verb_names[MOB_VERB_COUNT] = {
    "kill", "restart", "pause", "slow",  "cut",  "hold",
    "link", "rpc",     "evict", "leave", "join", "disk",
};

const char *
mob_verb_name(MobVerb verb)
{
    g_assert(verb < MOB_VERB_COUNT);
    return verb_names[verb];
}

const char *
mob_trouble_name(MobTrouble trouble)
{
    static const char *const names[MOB_TROUBLE_COUNT] = {"slow", "full", "gone"};

    g_assert(trouble < MOB_TROUBLE_COUNT);
    return names[trouble];
}

char *
mob_order_text(const MobOrder *order)
{
    GString *text = g_string_new(mob_verb_name(order->verb));
    const char *words[] = {
        order->message, order->target, order->object_name,
        order->from,    order->to,     order->machine != NULL ? order->machine->name : NULL};

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        if (words[i] != NULL)
            g_string_append_printf(text, " %s", words[i]);
    if (order->oneway)
        g_string_append(text, " oneway");
    if (order->verb == MOB_VERB_DISK)
        g_string_append_printf(text, " %s", mob_trouble_name(order->trouble));
    return g_string_free(text, FALSE);
}
