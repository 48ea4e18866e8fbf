/* orders.c: orders that were given, and the handles that scripts have of them. */
#include "lua/scenario_parts.h"

void
mob_fault_record_free(MobFaultRecord *fault)
{
    if (fault == NULL)
        return;
    g_free(fault->text);
    g_free(fault->a);
    g_free(fault->b);
    g_free(fault);
}

static char *
order_text(const MobOrder *order)
{
    GString *text = g_string_new(mob_verb_name(order->verb));

    if (order->message != NULL)
        g_string_append_printf(text, " %s", order->message);
    if (order->object_name != NULL)
        g_string_append_printf(text, " %s", order->object_name);
    if (order->target != NULL)
        g_string_append_printf(text, order->object_name != NULL ? " from %s" : " %s",
                               order->target);
    if (order->machine != NULL)
        g_string_append_printf(text, " %s", order->machine->name);
    if (order->from != NULL)
        g_string_append_printf(text, " from %s", order->from);
    if (order->to != NULL)
        g_string_append_printf(text, " to %s", order->to);
    if (order->oneway)
        g_string_append(text, " one way");
    return g_string_free(text, FALSE);
}

MobFaultRecord *
mob_fault_give(MobScene *scene, const MobOrder *order, bool chaos, GError **error)
{
    uint32_t number = scene->control->order(scene->control, order, error);
    MobFaultRecord *fault;

    if (number == 0)
        return NULL;
    fault = g_new0(MobFaultRecord, 1);
    fault->scene = scene;
    fault->number = number;
    fault->verb = order->verb;
    fault->line = order->line;
    fault->text = order_text(order);
    fault->a = g_strdup(order->target != NULL ? order->target : order->from);
    fault->b = g_strdup(order->to);
    fault->chaos = chaos;
    g_ptr_array_add(scene->faults, fault);
    return fault;
}

void
mob_fault_heal(MobFaultRecord *fault)
{
    MobControl *control = fault->scene->control;

    if (fault->healed || fault->number == 0 || control == NULL)
        return;
    fault->healed = true;
    control->heal(control, fault->number);
}

static void
heal_alarm(MobScene *scene, MobAlarm *alarm)
{
    mob_fault_heal(alarm->data);
}

void
mob_fault_heal_after(MobFaultRecord *fault, MobTime duration)
{
    MobScene *scene = fault->scene;

    mob_alarm_add(scene, scene->control->now(scene->control) + duration, heal_alarm, fault);
}

/* --- handles --- */

static int
fault_heal(lua_State *lua)
{
    mob_fault_heal(*(MobFaultRecord **)luaL_checkudata(lua, 1, MOB_META_FAULT));
    return 0;
}

static int
index_fault(lua_State *lua)
{
    static const char *const words[] = {"heal", "bites", "text", "healed", NULL};
    MobFaultRecord *fault = *(MobFaultRecord **)luaL_checkudata(lua, 1, MOB_META_FAULT);
    const char *name = luaL_checkstring(lua, 2);
    MobControl *control = fault->scene->control;

    if (strcmp(name, "heal") == 0)
        lua_pushcfunction(lua, fault_heal);
    else if (strcmp(name, "bites") == 0 && control != NULL)
        lua_pushinteger(lua, (lua_Integer)control->bites(control, fault->number));
    else if (strcmp(name, "text") == 0)
        lua_pushstring(lua, fault->text);
    else if (strcmp(name, "healed") == 0)
        lua_pushboolean(lua, fault->healed);
    else
        return mob_unknown_word(lua, "field of a fault", name, words);
    return 1;
}

static int
fault_tostring(lua_State *lua)
{
    MobFaultRecord *fault = *(MobFaultRecord **)luaL_checkudata(lua, 1, MOB_META_FAULT);

    lua_pushstring(lua, fault->text);
    return 1;
}

static const luaL_Reg fault_metas[] = {
    {"__index", index_fault}, {"__tostring", fault_tostring}, {NULL, NULL}};

void
mob_verbs_open(lua_State *lua)
{
    mob_class_new(lua, MOB_META_FAULT, NULL, fault_metas);
}
