/* rundb_schema.c: the tables of run.db.
 *
 * Moments are event numbers (seq); columns ending in _ns are the same moments
 * in nanoseconds of the run. NULL is "not yet" or "nobody". An interval holds
 * at m if from_seq <= m and (to_seq is null or to_seq > m). In tasks and objects
 * n is the order in which they came to be known.
 */
#include "viz/rundb.h"

const char *
mob_rundb_tables(void)
{
    return "CREATE TABLE meta (k TEXT PRIMARY KEY, v) WITHOUT ROWID;"
           "CREATE TABLE runs (run INTEGER PRIMARY KEY, scenario TEXT, script_sha TEXT,"
           " seed INTEGER, backend TEXT, parent INTEGER, parent_seq INTEGER, verdict TEXT,"
           " end_ns INTEGER, events INTEGER, hash TEXT);"
           "CREATE TABLE jobs (run INTEGER, job INTEGER, name TEXT, driver INTEGER,"
           " finished INTEGER, started_ns INTEGER, finished_ns INTEGER,"
           " PRIMARY KEY (run, job)) WITHOUT ROWID;"
           "CREATE TABLE procs (proc INTEGER PRIMARY KEY, run INTEGER, node TEXT, role TEXT,"
           " incarnation INTEGER, born INTEGER, died INTEGER, why TEXT, name TEXT,"
           " born_ns INTEGER, died_ns INTEGER);"
           /* n is 0 for the event itself (what was delivered) and counts what it noted. */
           "CREATE TABLE events (run INTEGER, seq INTEGER, n INTEGER, t INTEGER, proc INTEGER,"
           " kind TEXT, cause INTEGER, task TEXT, attempt INTEGER, obj TEXT, msg INTEGER,"
           " a INTEGER, b INTEGER, node TEXT, note TEXT,"
           " PRIMARY KEY (run, seq, n)) WITHOUT ROWID;"
           "CREATE TABLE because (run INTEGER, seq INTEGER, cause INTEGER, role TEXT,"
           " PRIMARY KEY (run, seq, cause, role)) WITHOUT ROWID;"
           "CREATE TABLE messages (run INTEGER, msg INTEGER, src INTEGER, dst INTEGER, type TEXT,"
           " bytes INTEGER, sent INTEGER, queued_ns INTEGER, arrived INTEGER, fate TEXT,"
           " fault INTEGER, sent_ns INTEGER, arrived_ns INTEGER,"
           " PRIMARY KEY (run, msg)) WITHOUT ROWID;"
           "CREATE TABLE tasks (run INTEGER, task TEXT, name TEXT, parent TEXT, owner INTEGER,"
           " state TEXT, error TEXT, executions INTEGER, submitted INTEGER, submitted_ns INTEGER,"
           " file TEXT, line INTEGER, n INTEGER, retries INTEGER, evicted INTEGER,"
           " PRIMARY KEY (run, task)) WITHOUT ROWID;"
           "CREATE TABLE attempts (run INTEGER, task TEXT, attempt INTEGER, proc INTEGER,"
           " name TEXT, submitted INTEGER, leased INTEGER, started INTEGER, ended INTEGER,"
           " outcome TEXT, reason INTEGER, submitted_ns INTEGER, leased_ns INTEGER,"
           " started_ns INTEGER, ended_ns INTEGER, PRIMARY KEY (run, task, attempt)) WITHOUT ROWID;"
           /* How an object is taken: 'data' by reference, 'nested' inside a value. */
           "CREATE TABLE args (run INTEGER, task TEXT, n INTEGER, obj TEXT, kind TEXT,"
           " PRIMARY KEY (run, task, n)) WITHOUT ROWID;"
           "CREATE TABLE objects (run INTEGER, obj TEXT, maker TEXT, owner INTEGER, bytes INTEGER,"
           " put INTEGER, state TEXT, lost INTEGER, made INTEGER, created INTEGER, ended INTEGER,"
           " created_ns INTEGER, ended_ns INTEGER, failed INTEGER, failed_ns INTEGER, n INTEGER,"
           " PRIMARY KEY (run, obj)) WITHOUT ROWID;"
           "CREATE TABLE nested (run INTEGER, obj TEXT, n INTEGER, inner TEXT,"
           " PRIMARY KEY (run, obj, n)) WITHOUT ROWID;"
           "CREATE TABLE copies (run INTEGER, obj TEXT, proc INTEGER, place TEXT,"
           " from_seq INTEGER, to_seq INTEGER, end_why TEXT, from_ns INTEGER, to_ns INTEGER,"
           " is_primary INTEGER);"
           /* Of which task (argument, lineage) or value (nested) it is one; the line that made it.
            */
           "CREATE TABLE refs (run INTEGER, obj TEXT, proc INTEGER, kind TEXT, from_seq INTEGER,"
           " to_seq INTEGER, from_ns INTEGER, to_ns INTEGER, file TEXT, line INTEGER, task TEXT,"
           " outer TEXT);"
           "CREATE TABLE faults (run INTEGER, fault INTEGER, verb TEXT, target TEXT,"
           " from_seq INTEGER, to_seq INTEGER, source TEXT, bites INTEGER,"
           " PRIMARY KEY (run, fault)) WITHOUT ROWID;"
           "CREATE TABLE choices (run INTEGER, n INTEGER, seq INTEGER, kind TEXT, key TEXT,"
           " ord INTEGER, arity INTEGER, picked INTEGER, dflt INTEGER, forced INTEGER,"
           " PRIMARY KEY (run, n)) WITHOUT ROWID;"
           "CREATE TABLE claims (run INTEGER, name TEXT, class TEXT, at TEXT, passes INTEGER,"
           " fails INTEGER, first_pass INTEGER, first_fail INTEGER);"
           "CREATE TABLE marks (run INTEGER, seq INTEGER, name TEXT, detail TEXT);"
           "CREATE TABLE hashes (run INTEGER, seq INTEGER, all_hash TEXT, proc_hashes BLOB,"
           " PRIMARY KEY (run, seq)) WITHOUT ROWID;";
}

const char *
mob_rundb_indexes(void)
{
    return "CREATE INDEX event_task ON events(run, task, seq) WHERE task IS NOT NULL;"
           "CREATE INDEX event_obj ON events(run, obj, seq) WHERE obj IS NOT NULL;"
           "CREATE INDEX copy_obj ON copies(run, obj, from_seq);"
           "CREATE INDEX ref_obj ON refs(run, obj, from_seq);";
}
