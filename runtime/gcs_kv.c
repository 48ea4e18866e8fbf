/* gcs_kv.c: the key-value store: program bundles, and whatever else the whole
 * cluster has to find by name. Nothing is deleted.
 */
#include "runtime/gcs_parts.h"

#include <string.h>

#define PREFIX "kv/"

/* A key may hold any bytes, zeros too. */
static MobStr *
persisted_key(const MobStr *key)
{
    g_autoptr(GString) text = g_string_new(PREFIX);

    g_string_append_len(text, mob_str(key), key != NULL ? (gssize)key->length : 0);
    return mob_str_new_len(text->str, text->len);
}

/* Two keys with one hash stand under successive second words. */
static MobKey
find_key(const Gcs *gcs, const MobStr *key, GcsEntry **entry)
{
    MobKey at = {mob_str_hash(key), 1};

    while ((*entry = mob_table_get(gcs->kv, at)) != NULL && !mob_str_eq((*entry)->key, key))
        at.b++;
    return at;
}

/* Takes @key and @value. */
static void
set_entry(Gcs *gcs, MobStr *key, MobValue *value)
{
    GcsEntry *entry;
    MobKey at = find_key(gcs, key, &entry);

    if (entry == NULL) {
        entry = g_new0(GcsEntry, 1);
        entry->key = mob_str_ref(key);
        mob_table_add(gcs->kv, at, entry);
    } else {
        gcs->kv_bytes -= entry->value->size;
        mob_value_unref(entry->value);
    }
    mob_str_unref(key);
    entry->value = value;
    gcs->kv_bytes += value->size;
}

bool
mob_gcs_load_kv(Gcs *gcs, const MobPersisted *record)
{
    size_t stem = strlen(PREFIX);
    size_t size;
    const uint8_t *bytes = g_bytes_get_data(record->value, &size);
    MobValue *value = mob_value_parse(bytes, size, NULL);

    if (value == NULL)
        return false;
    set_entry(gcs, mob_str_new_len(record->key->text + stem, record->key->length - stem), value);
    return true;
}

void
mob_gcs_on_kv_put(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    const MobKvPut *msg = mob_kv_put(input->msg);
    MobKvPutReply *answer = mob_kv_put_reply_new();
    GcsEntry *entry;

    find_key(gcs, msg->key, &entry);
    answer->request = msg->request;
    answer->added = msg->value != NULL && (entry == NULL || msg->overwrite);
    if (answer->added) {
        set_entry(gcs, mob_str_ref(msg->key), mob_value_ref(msg->value));
        mob_persist(out, persisted_key(msg->key),
                    g_bytes_new(msg->value->bytes, msg->value->length));
    }
    mob_send(out, input->from, answer);
}

void
mob_gcs_on_kv_get(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    const MobKvGet *msg = mob_kv_get(input->msg);
    MobKvGetReply *answer = mob_kv_get_reply_new();
    GcsEntry *entry;

    find_key(gcs, msg->key, &entry);
    answer->key = mob_str_ref(msg->key);
    answer->request = msg->request;
    answer->value = entry != NULL ? mob_value_ref(entry->value) : NULL;
    mob_send(out, input->from, answer);
}

void
mob_gcs_dump_kv(const Gcs *gcs, GString *into)
{
    size_t at = 0;
    const GcsEntry *entry;

    while ((entry = mob_table_next(gcs->kv, &at)))
        g_string_append_printf(into, "kv %s %" G_GUINT64_FORMAT " bytes\n", mob_str(entry->key),
                               entry->value->size);
}

static void
entry_free(void *data)
{
    GcsEntry *entry = data;

    mob_str_unref(entry->key);
    mob_value_unref(entry->value);
    g_free(entry);
}

void
mob_gcs_free_kv(Gcs *gcs)
{
    mob_table_free_full(gcs->kv, entry_free);
}
