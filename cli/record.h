/* record.h: what a run folder says about how the run was made, so that it can
 * be made again: runs/NAME/SEED/run.ini, and for the last test runs/.test. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    char *file;
    char **words; /* after "--" */
    char *test;   /* the name of a test in a spec; NULL: the file itself */
    uint64_t seed;
    uint64_t hash;
    char *outcome;
    char *limit; /* as it was given; NULL: none */
} MobRunRecord;

/* (transfer full) the text of a run.ini. */
char *mob_run_record_text(const MobRunRecord *record);
bool mob_run_record_read(const char *path, MobRunRecord *record, GError **error);
void mob_run_record_clear(MobRunRecord *record);
