/* record.c: see record.h. */
#include "cli/record.h"

static const char group[] = "run";

char *
mob_run_record_text(const MobRunRecord *record)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *hash = g_strdup_printf("%016" G_GINT64_MODIFIER "x", record->hash);

    g_key_file_set_string(file, group, "file", record->file);
    if (record->words != NULL && record->words[0] != NULL)
        g_key_file_set_string_list(file, group, "words", (const char *const *)record->words,
                                   g_strv_length(record->words));
    if (record->test != NULL)
        g_key_file_set_string(file, group, "test", record->test);
    g_key_file_set_uint64(file, group, "seed", record->seed);
    g_key_file_set_string(file, group, "trace", hash);
    if (record->outcome != NULL)
        g_key_file_set_string(file, group, "outcome", record->outcome);
    if (record->limit != NULL)
        g_key_file_set_string(file, group, "limit", record->limit);
    return g_key_file_to_data(file, NULL, NULL);
}

bool
mob_run_record_read(const char *path, MobRunRecord *record, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();

    *record = (MobRunRecord){0};
    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, error))
        return false;
    record->file = g_key_file_get_string(file, group, "file", error);
    if (record->file == NULL)
        return false;
    record->words = g_key_file_get_string_list(file, group, "words", NULL, NULL);
    if (record->words == NULL)
        record->words = g_new0(char *, 1);
    record->test = g_key_file_get_string(file, group, "test", NULL);
    record->seed = g_key_file_get_uint64(file, group, "seed", NULL);
    g_autofree char *hash = g_key_file_get_string(file, group, "trace", NULL);
    record->hash = hash != NULL ? g_ascii_strtoull(hash, NULL, 16) : 0;
    record->outcome = g_key_file_get_string(file, group, "outcome", NULL);
    record->limit = g_key_file_get_string(file, group, "limit", NULL);
    return true;
}

void
mob_run_record_clear(MobRunRecord *record)
{
    g_free(record->file);
    g_strfreev(record->words);
    g_free(record->test);
    g_free(record->outcome);
    g_free(record->limit);
    *record = (MobRunRecord){0};
}
