/* pick.c: see pick.h.
 *
 * Ordinals are counted only where they matter: a run without a seed, without
 * decisions and without a listener takes every boring value at once, and a
 * choice among one is none and is not counted.
 */
#include "runtime/pick.h"

#include <string.h>

typedef struct {
    uint64_t key;
    uint64_t asked; /* how often; 0: an empty slot */
    uint32_t kind;
} Slot;

struct MobPicks {
    const MobPickConfig *config;
    uint64_t seeds[MOB_PICK_COUNT];
    Slot *slots; /* open addressing, a power of two, at most half full */
    size_t size;
    size_t used;
    GArray *decisions; /* of MobDecision, sorted; NULL: none */
    bool idle;         /* every pick is boring and nobody looks */
};

enum {
    INITIAL_SIZE = 16
};

static const char *const names[MOB_PICK_COUNT] = {
    "node", "source", "latency", "loss", "rpc", "fault", "order", "swarm", "app",
};

const char *
mob_pick_name(MobPickKind kind)
{
    g_assert(kind < MOB_PICK_COUNT);
    return names[kind];
}

static int
compare_words(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int
compare_decisions(const void *a, const void *b)
{
    const MobDecision *left = a;
    const MobDecision *right = b;
    int order = compare_words(left->kind, right->kind);

    if (order == 0)
        order = compare_words(left->key, right->key);
    return order != 0 ? order : compare_words(left->ordinal, right->ordinal);
}

MobPicks *
mob_picks_new(const MobPickConfig *config)
{
    MobPicks *picks = g_new0(MobPicks, 1);

    picks->config = config;
    for (uint64_t kind = 0; kind < MOB_PICK_COUNT; kind++)
        picks->seeds[kind] =
            mob_mix(config->seed ^ mob_mix((kind + 1) * UINT64_C(0x9e3779b97f4a7c15)));
    if (config->decision_count > 0) {
        picks->decisions = g_array_new(FALSE, FALSE, sizeof(MobDecision));
        g_array_append_vals(picks->decisions, config->decisions, (guint)config->decision_count);
        g_array_sort(picks->decisions, compare_decisions);
    }
    picks->idle = config->seed == 0 && config->decision_count == 0 && config->listener == NULL;
    return picks;
}

void
mob_picks_free(MobPicks *picks)
{
    if (picks == NULL)
        return;
    if (picks->decisions != NULL)
        g_array_free(picks->decisions, TRUE);
    g_free(picks->slots);
    g_free(picks);
}

static Slot *
find_slot(const MobPicks *picks, uint32_t kind, uint64_t key)
{
    size_t mask = picks->size - 1;
    size_t at = mob_mix(key + kind * UINT64_C(0x9e3779b97f4a7c15)) & mask;

    while (picks->slots[at].asked != 0 &&
           (picks->slots[at].key != key || picks->slots[at].kind != kind))
        at = (at + 1) & mask;
    return &picks->slots[at];
}

static void
grow(MobPicks *picks)
{
    g_autofree Slot *old = picks->slots;
    size_t old_size = picks->size;

    picks->size = MAX(old_size * 2, INITIAL_SIZE);
    picks->slots = g_new0(Slot, picks->size);
    for (size_t i = 0; i < old_size; i++)
        if (old[i].asked != 0)
            *find_slot(picks, old[i].kind, old[i].key) = old[i];
}

/* Returns how often this was asked before, and counts this time. */
static uint64_t
next_ordinal(MobPicks *picks, uint32_t kind, uint64_t key)
{
    if (picks->used * 2 >= picks->size)
        grow(picks);
    Slot *slot = find_slot(picks, kind, key);
    if (slot->asked == 0) {
        *slot = (Slot){.key = key, .kind = kind};
        picks->used++;
    }
    return slot->asked++;
}

/* Finds what was decided beforehand; false if nothing was. */
static bool
find_decision(const MobPicks *picks, const MobDecision *wanted, uint64_t *value)
{
    if (picks->decisions == NULL)
        return false;
    guint low = 0;
    guint high = picks->decisions->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        const MobDecision *found = &g_array_index(picks->decisions, MobDecision, middle);
        int order = compare_decisions(found, wanted);
        if (order == 0) {
            *value = found->value;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Maps @word to [0, @n); the bias is below n / 2^64. */
static uint64_t
scale(uint64_t word, uint64_t n)
{
    __extension__ typedef unsigned __int128 Wide;

    return (uint64_t)(((Wide)word * n) >> 64);
}

uint64_t
mob_pick(MobPicks *picks, MobPickKind kind, uint64_t key, uint64_t n, uint64_t boring)
{
    g_assert(boring < n);
    if (n == 1)
        return 0;
    if (picks->idle)
        return boring;

    const MobPickConfig *config = picks->config;
    uint64_t ordinal = next_ordinal(picks, kind, key);
    uint64_t picked = boring;
    if (find_decision(picks, &(MobDecision){kind, key, ordinal, 0}, &picked))
        picked = MIN(picked, n - 1); /* the run may have gone another way since */
    else if (config->seed != 0)
        picked = scale(mob_mix(mob_mix(picks->seeds[kind] ^ mob_mix(key)) + ordinal), n);
    if (config->listener != NULL)
        config->listener(config->listener_data, kind, key, ordinal, n, picked, boring);
    return picked;
}
