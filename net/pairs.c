/* pairs.c: who talks through this machine's daemon: the two sides of a connection
 * are told when one of them is gone. See inside.h.
 *
 * Whatever others say to each other, what is kept of it is bounded: a pair is
 * counted for whoever brought it up, a process of this machine or another machine,
 * and whoever brings up more than any of them has use for is cut off.
 */
#include "net/inside.h"

/* One of this machine and one of another. */
typedef struct {
    MobAddress near;
    MobAddress far;
    MobAddress by;
} MobPair;

struct MobPairs {
    MobTable *pairs;  /* near and far -> MobPair, owned, in order of first talking */
    MobTable *counts; /* by -> how many, as a pointer */
};

MobPairs *
mob_pairs_new(void)
{
    MobPairs *pairs = g_new0(MobPairs, 1);

    pairs->pairs = mob_table_new();
    pairs->counts = mob_table_new();
    return pairs;
}

void
mob_pairs_free(MobPairs *pairs)
{
    if (pairs == NULL)
        return;
    mob_table_free_full(pairs->pairs, g_free);
    mob_table_free(pairs->counts);
    g_free(pairs);
}

static MobKey
key_of(MobAddress near, MobAddress far)
{
    return (MobKey){mob_address_word(near), mob_address_word(far)};
}

static gsize
count_of(const MobPairs *pairs, MobAddress by)
{
    return GPOINTER_TO_SIZE(mob_table_get(pairs->counts, mob_key_address(by)));
}

static void
set_count(MobPairs *pairs, MobAddress by, gsize count)
{
    mob_table_take(pairs->counts, mob_key_address(by));
    if (count > 0)
        mob_table_add(pairs->counts, mob_key_address(by), GSIZE_TO_POINTER(count));
}

bool
mob_pairs_add(MobPairs *pairs, MobAddress near, MobAddress far, MobAddress by)
{
    MobKey key = key_of(near, far);

    if (mob_table_get(pairs->pairs, key) != NULL)
        return true;
    gsize count = count_of(pairs, by);
    if (count >= MOB_PAIRS_MAX)
        return false;
    MobPair *pair = g_new(MobPair, 1);
    *pair = (MobPair){near, far, by};
    mob_table_add(pairs->pairs, key, pair);
    set_count(pairs, by, count + 1);
    return true;
}

void
mob_pairs_end(MobPairs *pairs, MobAddress near, MobAddress far)
{
    MobPair *pair = mob_table_take(pairs->pairs, key_of(near, far));

    if (pair == NULL)
        return;
    set_count(pairs, pair->by, count_of(pairs, pair->by) - 1);
    g_free(pair);
}

size_t
mob_pairs_count(const MobPairs *pairs)
{
    return mob_table_count(pairs->pairs);
}

/* --- somebody is gone --- */

static void
tell(MobNetHost *host, MobAddress from, MobAddress to)
{
    MobFrame reset = {.kind = MOB_FRAME_RESET, .from = from, .to = to};

    mob_peers_pass(host, host->address, &reset, NULL);
}

/* The node manager itself, of somebody behind the machine that is gone. */
static void
tell_own(MobNetHost *host, MobAddress from)
{
    MobPeer *peer = mob_peers_get(host, from);
    MobInput input = {.kind = MOB_INPUT_RESET, .from = from};

    if (!peer->known)
        return;
    peer->known = false;
    mob_shim_forget(host, from);
    mob_nethost_step(host, &input, from, 0);
}

void
mob_pairs_lost(MobNetHost *host, MobAddress address)
{
    g_autoptr(GArray) own = g_array_new(FALSE, FALSE, sizeof(MobAddress));
    bool machine = address.local == MOB_LOCAL_NODE && address.node != host->address.node;
    const MobPair *next;
    size_t at = 0;

    while ((next = mob_table_next(host->pairs->pairs, &at)) != NULL) {
        MobPair pair = *next;
        bool near = mob_address_eq(pair.near, address);
        if (!near && !(machine && pair.far.node == address.node))
            continue;
        mob_pairs_end(host->pairs, pair.near, pair.far);
        if (near)
            tell(host, pair.near, pair.far);
        else if (mob_address_eq(pair.near, host->address))
            g_array_append_val(own, pair.far);
        else
            tell(host, pair.far, pair.near);
    }
    for (guint i = 0; i < own->len; i++)
        tell_own(host, g_array_index(own, MobAddress, i));
}
