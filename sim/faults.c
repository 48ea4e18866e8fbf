/* faults.c: what faults in force do to messages; see faults.h. */
#include "sim/fault_parts.h"

#include "sim/net_parts.h"

enum {
    MILLION = 1000000
};

static MobFaultRun *
fault_at(const MobWorld *world, guint i)
{
    return g_ptr_array_index(world->faults, i);
}

/* Whether @fault is about what @end sends. A fault between machines leaves the
 * inside of each alone. */
static bool
is_about(const MobFaultRun *fault, const MobConn *conn, unsigned end)
{
    const MobEnd *from = &conn->end[end];
    const MobEnd *to = &conn->end[!end];
    bool processes = fault->from.place != NULL || fault->to.place != NULL;

    if (conn->local && !processes)
        return false;
    if (mob_target_covers(&fault->from, from) && mob_target_covers(&fault->to, to))
        return true;
    return !fault->oneway && mob_target_covers(&fault->from, to) &&
           mob_target_covers(&fault->to, from);
}

MobBlock
mob_faults_block(MobWorld *world, const MobConn *conn, unsigned end, bool bite)
{
    MobBlock block = MOB_BLOCK_NONE;

    for (guint i = 0; world->blocking > 0 && i < world->faults->len; i++) {
        MobFaultRun *fault = fault_at(world, i);
        bool cuts = fault->verb == MOB_VERB_CUT;
        if (fault->healed || (!cuts && fault->verb != MOB_VERB_HOLD) || !is_about(fault, conn, end))
            continue;
        fault->bites += bite;
        block = MAX(block, cuts ? MOB_BLOCK_CUT : MOB_BLOCK_HOLD);
    }
    return block;
}

/* The link of @fault between two machines, in one direction. */
static MobLink *
link_between(MobFaultRun *fault, const MobConn *conn, unsigned end)
{
    uint64_t pair = (uint64_t)conn->end[end].box->index << 32 | conn->end[!end].box->index;
    MobLink *link = mob_table_get(fault->links, mob_key_word(pair));

    if (link == NULL) {
        link = g_new(MobLink, 1);
        *link = fault->link;
        mob_table_add(fault->links, mob_key_word(pair), link);
    }
    return link;
}

MobLink *
mob_faults_link(MobWorld *world, const MobConn *conn, unsigned end)
{
    /* The newest one wins. */
    for (guint i = world->faults->len; i > 0; i--) {
        MobFaultRun *fault = fault_at(world, i - 1);
        if (fault->healed || fault->verb != MOB_VERB_LINK || !is_about(fault, conn, end))
            continue;
        fault->bites++;
        return link_between(fault, conn, end);
    }
    return NULL;
}

static bool
strikes(MobWorld *world, MobFaultRun *fault, const MobConn *conn, unsigned end)
{
    if (fault->chance_ppm < MILLION) {
        uint64_t key = mob_mix(mob_address_word(conn->end[end].address)) ^
                       mob_address_word(conn->end[!end].address) ^ fault->number;
        uint64_t picked = mob_pick(world->picks, MOB_PICK_RPC, key, MILLION, MILLION - 1);
        if (picked >= fault->chance_ppm)
            return false;
    }
    fault->struck++;
    fault->bites++;
    return true;
}

MobTrip
mob_faults_trip(MobWorld *world, const MobConn *conn, unsigned end, MobMsgType type)
{
    for (guint i = 0; i < world->faults->len; i++) {
        MobFaultRun *fault = fault_at(world, i);
        bool spent = fault->times != 0 && fault->struck >= fault->times;
        if (fault->healed || fault->verb != MOB_VERB_RPC || fault->message != type || spent)
            continue;
        bool meant = mob_target_covers(&fault->from, &conn->end[end]) &&
                     mob_target_covers(&fault->to, &conn->end[!end]);
        if (!meant || !strikes(world, fault, conn, end))
            continue;
        switch (fault->lose) {
        case MOB_LOSE_REQUEST:
            return MOB_TRIP_REQUEST;
        case MOB_LOSE_REPLY:
            return MOB_TRIP_REPLY;
        case MOB_LOSE_INFLIGHT:
            return MOB_TRIP_INFLIGHT;
        }
    }
    return MOB_TRIP_NONE;
}

void
mob_faults_bite_slow(MobWorld *world, const MobBox *box)
{
    for (guint i = 0; i < world->faults->len; i++) {
        MobFaultRun *fault = fault_at(world, i);
        if (!fault->healed && fault->verb == MOB_VERB_SLOW && mob_target_box(&fault->target) == box)
            fault->bites++;
    }
}

static bool
troubles(const MobFaultRun *fault, const MobBox *box)
{
    return !fault->healed && fault->verb == MOB_VERB_DISK && mob_target_box(&fault->target) == box;
}

bool
mob_faults_disk(const MobWorld *world, const MobBox *box, MobTrouble trouble)
{
    for (guint i = 0; i < world->faults->len; i++) {
        const MobFaultRun *fault = fault_at(world, i);
        if (troubles(fault, box) && fault->trouble == trouble)
            return true;
    }
    return false;
}

uint32_t
mob_faults_disk_speed(const MobWorld *world, const MobBox *box)
{
    for (guint i = world->faults->len; i > 0; i--) {
        const MobFaultRun *fault = fault_at(world, i - 1);
        if (troubles(fault, box) && fault->trouble == MOB_TROUBLE_SLOW)
            return fault->speed_ppm;
    }
    return MILLION;
}

void
mob_faults_bite_disk(MobWorld *world, const MobBox *box)
{
    for (guint i = 0; i < world->faults->len; i++)
        fault_at(world, i)->bites += troubles(fault_at(world, i), box);
}

uint64_t
mob_faults_bites(const MobWorld *world, uint32_t number)
{
    g_assert(number >= 1 && number <= world->faults->len);
    return fault_at(world, number - 1)->bites;
}

void
mob_faults_explain(const MobWorld *world, GString *into)
{
    for (guint i = 0; i < world->boxes->len; i++) {
        const MobBox *box = g_ptr_array_index(world->boxes, i);
        if (!box->alive)
            g_string_append_printf(into, "%s is dead\n", box->name);
        else if (box->life->manager->state == MOB_PLACE_DEAD)
            g_string_append_printf(into, "the node manager of %s is dead: %s\n", box->name,
                                   box->life->manager->why);
    }
    for (guint i = 0; i < world->faults->len; i++) {
        const MobFaultRun *fault = fault_at(world, i);
        bool lasts = fault->verb == MOB_VERB_PAUSE || fault->verb == MOB_VERB_SLOW ||
                     fault->verb == MOB_VERB_CUT || fault->verb == MOB_VERB_HOLD ||
                     fault->verb == MOB_VERB_LINK || fault->verb == MOB_VERB_RPC ||
                     fault->verb == MOB_VERB_DISK;
        if (lasts && !fault->healed)
            g_string_append_printf(into, "in force: %s\n", fault->text);
    }
}

void
mob_faults_free(MobFaultRun *fault)
{
    mob_table_free_full(fault->links, g_free);
    g_ptr_array_unref(fault->paused);
    g_free(fault);
}
