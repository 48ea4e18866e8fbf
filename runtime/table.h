/* table.h: a hash table that is iterated in insertion order.
 *
 * This is the only associative container that protocol code may iterate. Two
 * runs that perform the same operations see the same order, whatever the
 * addresses, the GLib version or the process; GHashTable promises none of it.
 *
 * The table borrows its values, which are never NULL.
 */
#pragma once

#include <glib.h>

#include "runtime/ids.h"

typedef struct MobTable MobTable;

MobTable *mob_table_new(void);
/* One whose values know their keys, for where there are very many: @key_of_value
 * says which was added with @value. */
MobTable *mob_table_new_of(MobKey (*key_of_value)(const void *value));
/* Frees the table alone. */
void mob_table_free(MobTable *table);
/* Frees the table and, with @free_value, everything in it. */
void mob_table_free_full(MobTable *table, GDestroyNotify free_value);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobTable, mob_table_free)

/* Adds @value under @key, which must not be present. */
void mob_table_add(MobTable *table, MobKey key, void *value);

/* Returns the value under @key, or NULL. */
void *mob_table_get(const MobTable *table, MobKey key);

/* Where only the search for @key is wanted in the cache. */
void mob_table_prefetch(const MobTable *table, MobKey key);

/* Removes @key and returns the value it had, or NULL. */
void *mob_table_take(MobTable *table, MobKey key);

size_t mob_table_count(const MobTable *table);

/* Walks the values, oldest first. During a walk values may be taken but not
 * added:
 *
 *     size_t at = 0;
 *     Lease *lease;
 *     while ((lease = mob_table_next(table, &at)))
 *         ...
 */
void *mob_table_next(const MobTable *table, size_t *at);
/* The key of the value that mob_table_next() has just returned. */
MobKey mob_table_key(const MobTable *table, size_t at);
