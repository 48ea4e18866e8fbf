/* table.c: see table.h.
 *
 * Entries live in a dense array in insertion order; a power-of-two index of
 * positions into that array is probed linearly. A removed entry leaves a hole
 * with a NULL value in the array, and its slot keeps pointing at the hole, so
 * that probing goes on past it. Holes are squeezed out when an addition finds
 * the array full, and never by a removal, so that a walk may remove.
 *
 * Two cases would otherwise make queues slow: a table that becomes empty
 * forgets all its holes, and `head` skips the holes before the oldest value.
 */
#include "runtime/table.h"

#include <string.h>

typedef struct {
    MobKey key;
    void *value; /* NULL: removed */
} Entry;

struct MobTable {
    Entry *entries;
    uint32_t *index; /* position + 1, or 0 for an empty slot */
    size_t head;     /* every entry before it is a hole */
    size_t used;     /* entries in use, holes included */
    size_t live;     /* entries in use, holes excluded */
    size_t capacity; /* of entries, a power of two; the index is twice as large */
};

enum {
    INITIAL_CAPACITY = 8
};

static inline size_t
hash_key(MobKey key)
{
    uint64_t x = key.a ^ key.b * UINT64_C(0x9e3779b97f4a7c15);

    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    return x;
}

/* Returns the slot that holds @key, or the empty slot where it would go. */
static inline uint32_t *
find_slot(const MobTable *table, MobKey key)
{
    size_t mask = table->capacity * 2 - 1;
    size_t at = hash_key(key) & mask;

    while (table->index[at] != 0) {
        const Entry *entry = &table->entries[table->index[at] - 1];
        if (entry->key.a == key.a && entry->key.b == key.b)
            break;
        at = (at + 1) & mask;
    }
    return &table->index[at];
}

/* Squeezes the holes out and makes room for @capacity entries. */
static void
rebuild(MobTable *table, size_t capacity)
{
    size_t kept = 0;

    g_assert(capacity < UINT32_MAX);
    for (size_t i = table->head; i < table->used; i++)
        if (table->entries[i].value != NULL)
            table->entries[kept++] = table->entries[i];
    g_assert(kept == table->live);

    table->head = 0;
    table->used = kept;
    if (capacity != table->capacity) {
        table->capacity = capacity;
        table->entries = g_renew(Entry, table->entries, capacity);
        g_free(table->index);
        table->index = g_new0(uint32_t, capacity * 2);
    } else {
        memset(table->index, 0, capacity * 2 * sizeof *table->index);
    }
    for (size_t i = 0; i < kept; i++)
        *find_slot(table, table->entries[i].key) = (uint32_t)i + 1;
}

MobTable *
mob_table_new(void)
{
    /* The arrays come with the first value: many tables never get one. */
    return g_new0(MobTable, 1);
}

void
mob_table_free(MobTable *table)
{
    if (table == NULL)
        return;
    g_free(table->entries);
    g_free(table->index);
    g_free(table);
}

void
mob_table_free_full(MobTable *table, GDestroyNotify free_value)
{
    if (table == NULL)
        return;
    for (size_t i = table->head; i < table->used; i++)
        if (table->entries[i].value != NULL)
            free_value(table->entries[i].value);
    mob_table_free(table);
}

static void
make_room(MobTable *table)
{
    if (table->capacity == 0) {
        rebuild(table, INITIAL_CAPACITY);
        return;
    }
    size_t capacity = table->capacity;
    if (table->live > capacity / 2)
        capacity *= 2;
    else if (table->live < capacity / 8 && capacity > INITIAL_CAPACITY)
        capacity /= 2;
    rebuild(table, capacity);
}

void
mob_table_add(MobTable *table, MobKey key, void *value)
{
    g_assert(value != NULL);
    if (table->used == table->capacity)
        make_room(table);

    /* The slot may still point at the hole that this key left; then it moves. */
    uint32_t *slot = find_slot(table, key);
    g_assert(*slot == 0 || table->entries[*slot - 1].value == NULL);
    table->entries[table->used++] = (Entry){key, value};
    *slot = (uint32_t)table->used;
    table->live++;
}

void *
mob_table_get(const MobTable *table, MobKey key)
{
    if (table->live == 0)
        return NULL;
    uint32_t slot = *find_slot(table, key);

    return slot == 0 ? NULL : table->entries[slot - 1].value;
}

/* Empties the slots from where @key begins to look up to the next empty one.
 * Done for every key it clears every slot, in whatever order. */
static void
clear_run(MobTable *table, MobKey key)
{
    size_t mask = table->capacity * 2 - 1;

    for (size_t at = hash_key(key) & mask; table->index[at] != 0; at = (at + 1) & mask)
        table->index[at] = 0;
}

/* The table has become empty. Its holes are forgotten at once where that costs
 * no more than making them did; a walk that is under way then sees the end. */
static void
forget_holes(MobTable *table)
{
    if (table->used * 4 < table->capacity) {
        for (size_t i = 0; i < table->used; i++)
            clear_run(table, table->entries[i].key);
    } else {
        memset(table->index, 0, table->capacity * 2 * sizeof *table->index);
    }
    table->head = 0;
    table->used = 0;
}

void *
mob_table_take(MobTable *table, MobKey key)
{
    if (table->live == 0)
        return NULL;
    uint32_t slot = *find_slot(table, key);
    if (slot == 0 || table->entries[slot - 1].value == NULL)
        return NULL;

    void *value = g_steal_pointer(&table->entries[slot - 1].value);
    if (--table->live == 0) {
        forget_holes(table);
        return value;
    }
    while (table->entries[table->head].value == NULL)
        table->head++;
    return value;
}

size_t
mob_table_count(const MobTable *table)
{
    return table->live;
}

void *
mob_table_next(const MobTable *table, size_t *at)
{
    if (*at < table->head)
        *at = table->head;
    while (*at < table->used) {
        void *value = table->entries[(*at)++].value;
        if (value != NULL)
            return value;
    }
    return NULL;
}
