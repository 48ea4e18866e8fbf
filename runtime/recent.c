/* recent.c: see recent.h.
 *
 * A ring of entries in the order of their coming, and a table from key to
 * place in the ring, plus one because the table has no room for zero.
 */
#include "runtime/recent.h"

typedef struct {
    MobKey key;
    MobStr *text; /* owned */
} Entry;

struct MobRecent {
    MobTable *places; /* key -> place in the ring + 1 */
    GArray *ring;     /* of Entry; the oldest is at @next once it is full */
    uint32_t max;
    uint32_t next;
};

static void
clear_entry(void *data)
{
    mob_str_unref(((Entry *)data)->text);
}

MobRecent *
mob_recent_new(uint32_t max)
{
    MobRecent *recent = g_new0(MobRecent, 1);

    recent->places = mob_table_new();
    recent->ring = g_array_new(false, false, sizeof(Entry));
    g_array_set_clear_func(recent->ring, clear_entry);
    recent->max = max;
    return recent;
}

void
mob_recent_free(MobRecent *recent)
{
    if (recent == NULL)
        return;
    mob_table_free(recent->places);
    g_array_unref(recent->ring);
    g_free(recent);
}

static const Entry *
find(const MobRecent *recent, MobKey key)
{
    size_t place = GPOINTER_TO_SIZE(mob_table_get(recent->places, key));

    return place != 0 ? &g_array_index(recent->ring, Entry, place - 1) : NULL;
}

void
mob_recent_add(MobRecent *recent, MobKey key, MobStr *text)
{
    Entry entry = {key, text};
    uint32_t place = recent->next;

    if (find(recent, key) != NULL) {
        mob_str_unref(text);
        return;
    }
    if (place == recent->ring->len) {
        g_array_append_val(recent->ring, entry);
    } else {
        Entry *oldest = &g_array_index(recent->ring, Entry, place);
        mob_table_take(recent->places, oldest->key);
        clear_entry(oldest);
        *oldest = entry;
    }
    mob_table_add(recent->places, key, GSIZE_TO_POINTER((size_t)place + 1));
    recent->next = (place + 1) % recent->max;
}

bool
mob_recent_has(const MobRecent *recent, MobKey key)
{
    return mob_table_get(recent->places, key) != NULL;
}

MobStr *
mob_recent_text(const MobRecent *recent, MobKey key)
{
    const Entry *entry = find(recent, key);

    return entry != NULL ? entry->text : NULL;
}
