/* journal.h: what a process has written to the disk of its machine.
 *
 * It survives the process and the machine, unless the machine is restarted
 * with an empty disk. Per key only the newest value is kept; the keys stand in
 * the order in which they were first written.
 */
#pragma once

#include "runtime/process.h"

typedef struct MobJournal MobJournal;

MobJournal *mob_journal_new(void);
void mob_journal_free(MobJournal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobJournal, mob_journal_free)

/* Borrows both; NULL as @value deletes the key. */
void mob_journal_write(MobJournal *journal, MobStr *key, GBytes *value);

/* All records, borrowed until the next write. */
const MobPersisted *mob_journal_records(MobJournal *journal, size_t *count);

/* Forgets everything. */
void mob_journal_wipe(MobJournal *journal);
