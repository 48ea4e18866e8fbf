/* shim.c: faults, played between a process and its sockets, on what it sends:
 * the twin of sim/faults.c, and the same link model (runtime/link.h).
 *
 * No privileges are needed, and a test can break what it likes on one machine.
 * Every process plays its own side, so daemons that only pass on know of none.
 * A fault between machines leaves the inside of each alone.
 */
#include "net/inside.h"

#include "net/rule.h"
#include "runtime/control.h"

enum {
    MILLION = 1000000
};

typedef struct {
    MobMsg *msg; /* owned */
    MobTime at;  /* when it leaves; MOB_TIME_NEVER: held back */
    uint8_t flags;
} MobHeld;

/* What is on its way to one peer, or cannot set out. */
typedef struct {
    MobAddress to;
    GArray *held;  /* of MobHeld, in the order of sending */
    MobTime since; /* cut since; MOB_TIME_NEVER: it is not */
    MobTime last;  /* nothing may overtake what leaves then */
} MobWay;

typedef struct {
    MobRule *rule; /* owned */
    uint32_t struck;
    MobLink link;
} MobPlay;

struct MobShim {
    GArray *plays;  /* of MobPlay: rules in force, in order */
    MobTable *ways; /* address -> MobWay, owned */
};

void
mob_shim_init(MobNetHost *host)
{
    host->shim = g_new0(MobShim, 1);
    host->shim->plays = g_array_new(FALSE, FALSE, sizeof(MobPlay));
    host->shim->ways = mob_table_new();
}

/* --- what a rule is about --- */

static bool
covers(uint32_t what, MobAddress side, MobAddress who)
{
    return what == MOB_SIDE_ANY || (what == MOB_SIDE_MACHINE && side.node == who.node) ||
           (what == MOB_SIDE_PROCESS && mob_address_eq(side, who));
}

static bool
is_about(const MobRule *rule, MobAddress from, MobAddress to)
{
    bool processes = rule->from_what == MOB_SIDE_PROCESS || rule->to_what == MOB_SIDE_PROCESS;

    if (from.node == to.node && !processes)
        return false;
    if (covers(rule->from_what, rule->from, from) && covers(rule->to_what, rule->to, to))
        return true;
    return !rule->oneway && covers(rule->from_what, rule->from, to) &&
           covers(rule->to_what, rule->to, from);
}

/* MOB_VERB_CUT, MOB_VERB_HOLD or MOB_VERB_COUNT: what holds back what @from sends. */
static MobVerb
blocks(MobNetHost *host, MobAddress from, MobAddress to, bool bite)
{
    MobVerb block = MOB_VERB_COUNT;

    for (guint i = 0; i < host->shim->plays->len; i++) {
        const MobRule *rule = g_array_index(host->shim->plays, MobPlay, i).rule;
        if ((rule->verb != MOB_VERB_CUT && rule->verb != MOB_VERB_HOLD) ||
            !is_about(rule, from, to))
            continue;
        if (bite)
            mob_look_bite(host, rule->number);
        if (block != MOB_VERB_CUT)
            block = (MobVerb)rule->verb;
    }
    return block;
}

bool
mob_shim_is_silent(MobNetHost *host, MobAddress peer)
{
    return blocks(host, peer, host->address, false) == MOB_VERB_CUT;
}

static MobPlay *
link_of(MobNetHost *host, MobAddress to)
{
    for (guint i = host->shim->plays->len; i > 0; i--) {
        MobPlay *play = &g_array_index(host->shim->plays, MobPlay, i - 1);
        if (play->rule->verb == MOB_VERB_LINK && is_about(play->rule, host->address, to))
            return play;
    }
    return NULL;
}

/* The rpc fault that strikes at a message, or NULL. */
static const MobRule *
trip(MobNetHost *host, MobAddress to, const MobMsg *msg)
{
    for (guint i = 0; i < host->shim->plays->len; i++) {
        MobPlay *play = &g_array_index(host->shim->plays, MobPlay, i);
        const MobRule *rule = play->rule;
        if (rule->verb != MOB_VERB_RPC || rule->message != msg->type ||
            (rule->times != 0 && play->struck >= rule->times) ||
            !covers(rule->from_what, rule->from, host->address) ||
            !covers(rule->to_what, rule->to, to))
            continue;
        uint64_t key =
            mob_mix(mob_address_word(host->address)) ^ mob_address_word(to) ^ rule->number;
        if (rule->chance_ppm < MILLION &&
            mob_pick(host->picks, MOB_PICK_RPC, key, MILLION, MILLION - 1) >= rule->chance_ppm)
            continue;
        play->struck++;
        mob_look_bite(host, rule->number);
        return rule;
    }
    return NULL;
}

/* --- ways --- */

static MobWay *
way_to(MobNetHost *host, MobAddress to)
{
    MobWay *way = mob_table_get(host->shim->ways, mob_key_address(to));

    if (way != NULL)
        return way;
    way = g_new0(MobWay, 1);
    way->to = to;
    way->held = g_array_new(FALSE, FALSE, sizeof(MobHeld));
    way->since = MOB_TIME_NEVER;
    mob_table_add(host->shim->ways, mob_key_address(to), way);
    return way;
}

static void
way_free(void *data)
{
    MobWay *way = data;

    for (guint i = 0; i < way->held->len; i++)
        mob_msg_unref(g_array_index(way->held, MobHeld, i).msg);
    g_array_unref(way->held);
    g_free(way);
}

void
mob_shim_forget(MobNetHost *host, MobAddress peer)
{
    MobWay *way = mob_table_take(host->shim->ways, mob_key_address(peer));

    if (way != NULL)
        way_free(way);
}

/* When something that is sent now leaves; MOB_TIME_NEVER: it is lost with the connection. */
static MobTime
leaves_at(MobNetHost *host, const MobWay *way, const MobMsg *msg)
{
    MobPlay *play = link_of(host, way->to);
    MobTime now = mob_clock_now(&host->clock);
    MobTime reset_at;

    if (play == NULL)
        return MAX(now, way->last);
    mob_look_bite(host, play->rule->number);
    uint64_t key = mob_mix(mob_address_word(host->address)) ^ mob_address_word(way->to);
    MobTime at = mob_link_send(&play->link, now, mob_msg_weight(msg), host->picks, key, &reset_at);
    return at == MOB_TIME_NEVER ? at : MAX(at, way->last);
}

static void
give_up(MobNetHost *host, MobAddress to)
{
    mob_shim_forget(host, to);
    mob_peers_break(host, to);
}

static void
set_out(MobNetHost *host, MobAddress to, MobMsg *msg, uint8_t flags)
{
    MobWay *way = way_to(host, to);
    MobVerb block = blocks(host, host->address, to, true);
    MobHeld held = {msg, MOB_TIME_NEVER, flags};
    bool cut = block == MOB_VERB_CUT || mob_shim_is_silent(host, to);

    if (cut && way->since == MOB_TIME_NEVER)
        way->since = mob_clock_now(&host->clock);
    if (block == MOB_VERB_COUNT) {
        held.at = leaves_at(host, way, msg);
        if (held.at == MOB_TIME_NEVER) {
            mob_msg_unref(msg);
            give_up(host, to);
            return;
        }
        way->last = held.at;
    }
    g_array_append_val(way->held, held);
}

void
mob_shim_send(MobNetHost *host, MobAddress to, MobMsg *msg)
{
    uint8_t flags = 0;

    if (mob_address_eq(to, host->deaf)) {
        mob_msg_unref(msg);
        return;
    }
    if ((host->shim->plays->len == 0 && mob_table_count(host->shim->ways) == 0) ||
        mob_address_eq(to, host->address)) {
        mob_peers_send(host, to, msg, 0);
        return;
    }
    const MobRule *rule = trip(host, to, msg);
    if (rule != NULL && rule->lose == MOB_LOSE_REQUEST) {
        mob_msg_unref(msg);
        give_up(host, to);
    } else if (rule != NULL && rule->lose == MOB_LOSE_INFLIGHT) {
        mob_peers_send(host, to, msg, MOB_FRAME_STRAY);
        give_up(host, to);
    } else {
        if (rule != NULL)
            flags = MOB_FRAME_LOSE_REPLY;
        set_out(host, to, msg, flags);
    }
}

/* Sends what may leave; false if the connection was given up. */
static bool
go_on(MobNetHost *host, MobWay *way, MobTime now)
{
    bool blocked = blocks(host, host->address, way->to, false) != MOB_VERB_COUNT;
    guint i = 0;

    if (way->since != MOB_TIME_NEVER && now >= way->since + host->config.stall_limit)
        return false;
    for (; !blocked && i < way->held->len; i++) {
        MobHeld *held = &g_array_index(way->held, MobHeld, i);
        if (held->at != MOB_TIME_NEVER && held->at > now)
            break;
        mob_peers_send(host, way->to, held->msg, held->flags);
    }
    g_array_remove_range(way->held, 0, i);
    return true;
}

void
mob_shim_go_on(MobNetHost *host)
{
    MobTime now = mob_clock_now(&host->clock);
    MobWay *way;
    size_t at = 0;

    if (mob_table_count(host->shim->ways) == 0)
        return;
    while ((way = mob_table_next(host->shim->ways, &at)) != NULL) {
        if (blocks(host, host->address, way->to, false) != MOB_VERB_CUT &&
            !mob_shim_is_silent(host, way->to))
            way->since = MOB_TIME_NEVER;
        if (!go_on(host, way, now))
            give_up(host, way->to);
        else if (way->held->len == 0 && way->since == MOB_TIME_NEVER)
            mob_shim_forget(host, way->to);
    }
}

MobTime
mob_shim_due(const MobNetHost *host)
{
    MobTime due = MOB_TIME_NEVER;
    const MobWay *way;
    size_t at = 0;

    while ((way = mob_table_next(host->shim->ways, &at)) != NULL) {
        if (way->since != MOB_TIME_NEVER)
            due = MIN(due, way->since + host->config.stall_limit);
        if (way->held->len > 0)
            due = MIN(due, g_array_index(way->held, MobHeld, 0).at);
    }
    return due;
}

/* --- rules come and go --- */

static void
play_new(MobNetHost *host, const MobRule *rule)
{
    MobPlay play = {.rule = mob_rule_copy(rule)};

    play.link = (MobLink){
        .latency = rule->latency == MOB_TIME_NEVER ? 0 : rule->latency,
        .jitter = rule->jitter == MOB_TIME_NEVER ? 0 : rule->jitter,
        .ns_per_byte = mob_link_rate(rule->bps),
        .loss_ppm = rule->loss_ppm,
        .rto = host->config.rto,
    };
    g_array_append_val(host->shim->plays, play);
}

void
mob_shim_rule(MobNetHost *host, const MobRule *rule)
{
    GArray *plays = host->shim->plays;

    if (!rule->healed) {
        play_new(host, rule);
        return;
    }
    for (guint i = plays->len; i-- > 0;) {
        MobRule *old = g_array_index(plays, MobPlay, i).rule;
        if (old->number != rule->number)
            continue;
        g_array_remove_index(plays, i);
        mob_record_free(MOB_RECORD_rule, old);
    }
}

void
mob_shim_free(MobNetHost *host)
{
    mob_table_free_full(host->shim->ways, way_free);
    for (guint i = 0; i < host->shim->plays->len; i++)
        mob_record_free(MOB_RECORD_rule, g_array_index(host->shim->plays, MobPlay, i).rule);
    g_array_unref(host->shim->plays);
    g_clear_pointer(&host->shim, g_free);
}
