/* journal.c: see journal.h. */
#include "sim/journal.h"

#include "runtime/table.h"

typedef struct {
    MobStr *key;   /* owned */
    GBytes *value; /* owned */
    MobKey place;  /* in the table */
} Record;

struct MobJournal {
    MobTable *records; /* by hash of the key -> Record, owned */
    GArray *listed;    /* of MobPersisted, made when asked for */
};

static void
record_free(void *data)
{
    Record *record = data;

    mob_str_unref(record->key);
    g_bytes_unref(record->value);
    g_free(record);
}

MobJournal *
mob_journal_new(void)
{
    MobJournal *journal = g_new0(MobJournal, 1);

    journal->records = mob_table_new();
    journal->listed = g_array_new(FALSE, FALSE, sizeof(MobPersisted));
    return journal;
}

void
mob_journal_free(MobJournal *journal)
{
    if (journal == NULL)
        return;
    mob_table_free_full(journal->records, record_free);
    g_array_unref(journal->listed);
    g_free(journal);
}

void
mob_journal_wipe(MobJournal *journal)
{
    mob_table_free_full(journal->records, record_free);
    journal->records = mob_table_new();
    g_array_set_size(journal->listed, 0);
}

/* Two keys with one hash stand one after the other. Deleting the first hides
 * the second, so a hole is closed by moving the later ones up. */
static Record *
find(const MobJournal *journal, const MobStr *key, MobKey *place)
{
    Record *record;

    *place = (MobKey){mob_str_hash(key), 1};
    while ((record = mob_table_get(journal->records, *place)) != NULL &&
           !mob_str_eq(record->key, key))
        place->b++;
    return record;
}

static void
forget(MobJournal *journal, Record *record)
{
    MobKey hole = record->place;
    Record *next;

    mob_table_take(journal->records, hole);
    record_free(record);
    for (MobKey from = {hole.a, hole.b + 1};
         (next = mob_table_take(journal->records, from)) != NULL; from.b++, hole.b++) {
        next->place = hole;
        mob_table_add(journal->records, hole, next);
    }
}

void
mob_journal_write(MobJournal *journal, MobStr *key, GBytes *value)
{
    MobKey place;
    Record *record = find(journal, key, &place);

    if (value == NULL) {
        if (record != NULL)
            forget(journal, record);
        return;
    }
    if (record == NULL) {
        record = g_new0(Record, 1);
        record->key = mob_str_ref(key);
        record->place = place;
        mob_table_add(journal->records, place, record);
    }
    g_bytes_ref(value);
    if (record->value != NULL)
        g_bytes_unref(record->value);
    record->value = value;
}

const MobPersisted *
mob_journal_records(MobJournal *journal, size_t *count)
{
    size_t at = 0;
    Record *record;

    g_array_set_size(journal->listed, 0);
    while ((record = mob_table_next(journal->records, &at)) != NULL) {
        MobPersisted listed = {record->key, record->value};
        g_array_append_vals(journal->listed, &listed, 1);
    }
    *count = journal->listed->len;
    return (const MobPersisted *)(const void *)journal->listed->data;
}
