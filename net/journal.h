/* journal.h: what a real process has written to the disk of its machine.
 *
 * The twin of sim/journal.h, in one SQLite file that its process has to itself.
 *
 *  - What mob_net_journal_commit() has called durable survives the death of
 *    the process and of the machine. A commit is there whole or not at all.
 *  - Per key only the newest value is kept; the keys stand in the order in
 *    which they were first written.
 *  - The file is locked from opening to closing. A process that dies, however
 *    it dies, unlocks it.
 *  - The file and its log (the same name and "-wal") belong together, and only
 *    their owner may read them.
 *
 * An error says which file, what happened and what to do.
 */
#pragma once

#include "runtime/process.h"

typedef struct MobNetJournal MobNetJournal;

#define MOB_NET_JOURNAL_ERROR (g_quark_from_static_string("mob-net-journal-error"))

typedef enum {
    MOB_NET_JOURNAL_ERROR_FAILED,
    MOB_NET_JOURNAL_ERROR_IN_USE,  /* another live process has the file */
    MOB_NET_JOURNAL_ERROR_FULL,    /* there is no room; it may be tried again */
    MOB_NET_JOURNAL_ERROR_FOREIGN, /* no journal, or not one that this version reads */
} MobNetJournalError;

/* Opens the journal at @path, or makes it in a folder that is there. */
MobNetJournal *mob_net_journal_open(const char *path, GError **error);
/* What was not committed is forgotten. */
void mob_net_journal_free(MobNetJournal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobNetJournal, mob_net_journal_free)

/* What earlier lives have persisted, borrowed until the first write; it may not
 * be asked for after that. It was read when the journal was opened, so that
 * a disk that cannot be read is never taken for an empty one. */
const MobPersisted *mob_net_journal_records(MobNetJournal *journal, size_t *count);

/* Keeps both until the next commit; NULL as @value deletes the key. */
void mob_net_journal_write(MobNetJournal *journal, MobStr *key, GBytes *value);

/* Makes everything durable that was written since the last commit, and costs
 * nothing if that is nothing. If it fails, the writes are kept for the next try. */
bool mob_net_journal_commit(MobNetJournal *journal, GError **error);

/* Forgets all records, durably. The counts go on: what they numbered may still
 * be about. */
bool mob_net_journal_wipe(MobNetJournal *journal, GError **error);

/* Returns the next number of the count @name, from 1, or 0 if it failed. No
 * later life gets it again. */
uint64_t mob_net_journal_count_up(MobNetJournal *journal, const char *name, GError **error);
