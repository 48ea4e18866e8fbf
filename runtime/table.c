/* table.c: see table.h.
 *
 * Entries live in a ring in insertion order; a removed one leaves a hole with a
 * NULL value, and holes at both ends are given back at once, so a queue turns in
 * its ring for ever, and so does a stack. Only when the ring is full of entries
 * and holes are the holes squeezed out, by an addition and never by a removal, so
 * that a walk may remove.
 *
 * Beside it an index of places in the ring, up to twice as large, is probed
 * linearly. A slot has a part of the key's hash, so a search reads one slot and
 * one entry as a rule, which is what it costs: two cache lines. Keys that follow
 * each other, as those of the puts of a task, have slots that do so by fours. A removal moves later
 * slots of the run back, so the index has no tombstones. A ring of no more than
 * SMALL has no index and is looked through; most tables stay that small.
 *
 * Where values know their keys, an entry is the value alone: a third of the ring.
 */
#include "runtime/table.h"

#include <string.h>

typedef struct {
    void *value; /* NULL: removed */
    MobKey key;  /* not there if key_of is */
} Entry;

typedef struct {
    uint32_t place; /* in the ring, + 1; 0: empty */
    uint32_t hash;
} Slot;

struct MobTable {
    char *entries; /* of Entry, or only their first member */
    Slot *index;   /* NULL: small */
    MobKey (*key_of)(const void *value);
    size_t head;     /* the number of the oldest entry; the next one has @tail */
    size_t tail;     /* numbers count up and are taken modulo the capacity */
    size_t live;     /* entries, holes excluded */
    size_t capacity; /* a power of two, or, if it is LARGE, one and a half of it */
    size_t mask;     /* of the index */
};

enum {
    SMALL = 8,   /* the first capacity */
    LARGE = 4096 /* from here on it grows in smaller steps */
};

static inline uint32_t
hash_key(MobKey key)
{
    uint64_t x = (key.a >> 2) ^ key.b * UINT64_C(0x9e3779b97f4a7c15);

    return (uint32_t)((x * UINT64_C(0xd6e8feb86659fd93)) >> 32) << 2 | (uint32_t)(key.a & 3);
}

static inline size_t
entry_size(const MobTable *table)
{
    return table->key_of != NULL ? sizeof(void *) : sizeof(Entry);
}

static inline Entry *
entry_in(const MobTable *table, size_t place)
{
    return (Entry *)(void *)(table->entries + place * entry_size(table));
}

static inline bool
is_power_of_two(size_t number)
{
    return (number & (number - 1)) == 0;
}

static inline size_t
place_of(const MobTable *table, size_t number)
{
    size_t capacity = table->capacity;

    return is_power_of_two(capacity) ? number & (capacity - 1) : number % capacity;
}

static inline Entry *
entry_at(const MobTable *table, size_t number)
{
    return entry_in(table, place_of(table, number));
}

static inline MobKey
key_of(const MobTable *table, const Entry *entry)
{
    return table->key_of != NULL ? table->key_of(entry->value) : entry->key;
}

static inline bool
has_key(const MobTable *table, const Entry *entry, MobKey key)
{
    MobKey has = key_of(table, entry);

    return has.a == key.a && has.b == key.b;
}

static inline void
set_entry(const MobTable *table, Entry *entry, MobKey key, void *value)
{
    entry->value = value;
    if (table->key_of == NULL)
        entry->key = key;
}

/* Returns the slot that holds @key, or the empty slot where it would go. */
static inline Slot *
find_slot(const MobTable *table, MobKey key, uint32_t hash)
{
    size_t mask = table->mask;

    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        Slot *slot = &table->index[at];
        if (slot->place == 0)
            return slot;
        if (slot->hash != hash)
            continue;
        if (has_key(table, entry_in(table, slot->place - 1), key))
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
    size_t size = entry_size(table);
    char *entries = g_malloc_n(capacity, size);
    size_t kept = 0;

    g_assert(capacity < UINT32_MAX / 2);
    for (size_t i = table->head; i != table->tail; i++)
        if (entry_at(table, i)->value != NULL)
            memcpy(entries + kept++ * size, entry_at(table, i), size);
    g_assert(kept == table->live);

    g_free(table->entries);
    g_free(table->index);
    table->entries = entries;
    size_t slots = is_power_of_two(capacity) ? capacity * 2 : capacity / 3 * 4;
    table->index = capacity > SMALL ? g_new0(Slot, slots) : NULL;
    table->mask = slots - 1;
    table->capacity = capacity;
    table->head = 0;
    table->tail = kept;
    for (size_t i = 0; i < kept && table->index != NULL; i++)
        index_add(table, key_of(table, entry_in(table, i)), i);
}

MobTable *
mob_table_new(void)
{
    /* The arrays come with the first value: many tables never get one. */
    return g_new0(MobTable, 1);
}

MobTable *
mob_table_new_of(MobKey (*key_of_value)(const void *value))
{
    MobTable *table = mob_table_new();

    table->key_of = key_of_value;
    return table;
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

static size_t
larger(size_t capacity)
{
    if (capacity < LARGE)
        return capacity * 2;
    return is_power_of_two(capacity) ? capacity / 2 * 3 : capacity / 3 * 4;
}

/* The ring is full: of entries, or of holes among them. */
static void
make_room(MobTable *table)
{
    size_t capacity = MAX(table->capacity, SMALL);

    if (table->live > capacity / 4 * 3)
        capacity = larger(capacity);
    else if (table->live < capacity / 8 && capacity > SMALL)
        capacity /= 2;
    rebuild(table, capacity);
}

static Entry *
look_through(const MobTable *table, MobKey key)
{
    for (size_t i = table->head; i != table->tail; i++) {
        Entry *entry = entry_at(table, i);
        if (entry->value != NULL && has_key(table, entry, key))
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
        index_add(table, key, place_of(table, table->tail));
    else
        g_assert(look_through(table, key) == NULL);
    set_entry(table, entry, key, value);
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

    return slot->place == 0 ? NULL : entry_in(table, slot->place - 1)->value;
}

/* Empties @slot and closes the gap: a later slot of the run moves into it if
 * its search would otherwise stop there. */
static void
clear_slot(MobTable *table, Slot *slot)
{
    size_t mask = table->mask;
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
    Entry *entry = entry_in(table, slot->place - 1);
    clear_slot(table, slot);
    return entry;
}

void
mob_table_prefetch(const MobTable *table, MobKey key)
{
    if (table->index != NULL)
        __builtin_prefetch(&table->index[hash_key(key) & table->mask]);
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
    while (entry_at(table, table->tail - 1)->value == NULL)
        table->tail--;
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
    return key_of(table, entry_at(table, at - 1));
}
