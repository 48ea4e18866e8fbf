/* table.c: see table.h.
 *
 * Entries live in a ring in insertion order; a removed one leaves a hole with a
 * NULL value, and holes at the old end are given back at once, so a queue turns
 * in its ring for ever. Only when the ring is full of entries and holes are the
 * holes squeezed out, by an addition and never by a removal, so that a walk may
 * remove.
 *
 * Beside it an index of places in the ring, twice as large, is probed linearly.
 * A slot has a part of the key's hash, so a search reads one slot and one entry
 * as a rule, which is what it costs: two cache lines. A removal moves later
 * slots of the run back, so the index has no tombstones. A ring of no more than
 * SMALL has no index and is looked through; most tables stay that small.
 */
#include "runtime/table.h"

#include <string.h>

typedef struct {
    MobKey key;
    void *value; /* NULL: removed */
} Entry;

typedef struct {
    uint32_t place; /* in the ring, + 1; 0: empty */
    uint32_t hash;
} Slot;

struct MobTable {
    Entry *entries;
    Slot *index;     /* NULL: small */
    size_t head;     /* the number of the oldest entry; the next one has @tail */
    size_t tail;     /* numbers count up and are taken modulo the capacity */
    size_t live;     /* entries, holes excluded */
    size_t capacity; /* a power of two; the index is twice as large */
};

enum {
    SMALL = 8 /* the first capacity */
};

static inline uint32_t
hash_key(MobKey key)
{
    uint64_t x = key.a ^ key.b * UINT64_C(0x9e3779b97f4a7c15);

    return (uint32_t)((x * UINT64_C(0xd6e8feb86659fd93)) >> 32);
}

static inline Entry *
entry_at(const MobTable *table, size_t number)
{
    return &table->entries[number & (table->capacity - 1)];
}

/* Returns the slot that holds @key, or the empty slot where it would go. */
static inline Slot *
find_slot(const MobTable *table, MobKey key, uint32_t hash)
{
    size_t mask = table->capacity * 2 - 1;

    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        Slot *slot = &table->index[at];
        if (slot->place == 0)
            return slot;
        if (slot->hash != hash)
            continue;
        const Entry *entry = &table->entries[slot->place - 1];
        if (entry->key.a == key.a && entry->key.b == key.b)
            return slot;
    }
}

static void
index_add(MobTable *table, MobKey key, size_t place)
{
    uint32_t hash = hash_key(key);
    Slot *slot = find_slot(table, key, hash);

    g_assert(slot->place == 0);
    *slot = (Slot){(uint32_t)place + 1, hash};
}

/* Moves everything, without the holes, to a ring of @capacity entries. */
static void
rebuild(MobTable *table, size_t capacity)
{
    Entry *entries = g_new(Entry, capacity);
    size_t kept = 0;

    g_assert(capacity < UINT32_MAX / 2);
    for (size_t i = table->head; i != table->tail; i++)
        if (entry_at(table, i)->value != NULL)
            entries[kept++] = *entry_at(table, i);
    g_assert(kept == table->live);

    g_free(table->entries);
    g_free(table->index);
    table->entries = entries;
    table->index = capacity > SMALL ? g_new0(Slot, capacity * 2) : NULL;
    table->capacity = capacity;
    table->head = 0;
    table->tail = kept;
    for (size_t i = 0; i < kept && table->index != NULL; i++)
        index_add(table, entries[i].key, i);
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
    for (size_t i = table->head; i != table->tail; i++)
        if (entry_at(table, i)->value != NULL)
            free_value(entry_at(table, i)->value);
    mob_table_free(table);
}

/* The ring is full: of entries, or of holes among them. */
static void
make_room(MobTable *table)
{
    size_t capacity = MAX(table->capacity, SMALL);

    if (table->live > capacity / 4 * 3)
        capacity *= 2;
    else if (table->live < capacity / 8 && capacity > SMALL)
        capacity /= 2;
    rebuild(table, capacity);
}

static Entry *
look_through(const MobTable *table, MobKey key)
{
    for (size_t i = table->head; i != table->tail; i++) {
        Entry *entry = entry_at(table, i);
        if (entry->key.a == key.a && entry->key.b == key.b && entry->value != NULL)
            return entry;
    }
    return NULL;
}

void
mob_table_add(MobTable *table, MobKey key, void *value)
{
    g_assert(value != NULL);
    if (table->tail - table->head == table->capacity)
        make_room(table);

    Entry *entry = entry_at(table, table->tail);
    if (table->index != NULL)
        index_add(table, key, (size_t)(entry - table->entries));
    else
        g_assert(look_through(table, key) == NULL);
    *entry = (Entry){key, value};
    table->tail++;
    table->live++;
}

void *
mob_table_get(const MobTable *table, MobKey key)
{
    if (table->live == 0)
        return NULL;
    if (table->index == NULL) {
        const Entry *entry = look_through(table, key);
        return entry != NULL ? entry->value : NULL;
    }
    const Slot *slot = find_slot(table, key, hash_key(key));

    return slot->place == 0 ? NULL : table->entries[slot->place - 1].value;
}

/* Empties @slot and closes the gap: a later slot of the run moves into it if
 * its search would otherwise stop there. */
static void
clear_slot(MobTable *table, Slot *slot)
{
    size_t mask = table->capacity * 2 - 1;
    size_t gap = (size_t)(slot - table->index);

    for (size_t at = (gap + 1) & mask; table->index[at].place != 0; at = (at + 1) & mask) {
        size_t home = table->index[at].hash & mask;
        if (((at - home) & mask) < ((at - gap) & mask))
            continue; /* it begins to search behind the gap */
        table->index[gap] = table->index[at];
        gap = at;
    }
    table->index[gap] = (Slot){0, 0};
}

/* Takes @key out of the index. */
static Entry *
unindex(MobTable *table, MobKey key)
{
    Slot *slot = find_slot(table, key, hash_key(key));

    if (slot->place == 0)
        return NULL;
    Entry *entry = &table->entries[slot->place - 1];
    clear_slot(table, slot);
    return entry;
}

void
mob_table_prefetch(const MobTable *table, MobKey key)
{
    if (table->index != NULL)
        __builtin_prefetch(&table->index[hash_key(key) & (table->capacity * 2 - 1)]);
}

void *
mob_table_take(MobTable *table, MobKey key)
{
    if (table->live == 0)
        return NULL;
    Entry *entry = table->index != NULL ? unindex(table, key) : look_through(table, key);
    if (entry == NULL)
        return NULL;

    void *value = g_steal_pointer(&entry->value);
    if (--table->live == 0) {
        /* What comes next finds the same few lines of memory. */
        table->head = 0;
        table->tail = 0;
        return value;
    }
    while (entry_at(table, table->head)->value == NULL)
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
    while (*at < table->tail) {
        void *value = entry_at(table, (*at)++)->value;
        if (value != NULL)
            return value;
    }
    return NULL;
}

MobKey
mob_table_key(const MobTable *table, size_t at)
{
    g_assert(at > table->head && at <= table->tail);
    return entry_at(table, at - 1)->key;
}
