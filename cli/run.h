/* run.h: running one file, for run and replay. */
#pragma once

#include "cli/cli.h"

typedef struct {
    const char *file;
    const char *test; /* of a spec; NULL: the file itself */
    char **words;     /* for main, of a program */
    uint64_t seed;
    const char *limit_text; /* as it was given; NULL: none */
    MobTime limit;
} MobRunJob;

/* Runs the file as the flags of @cli say and leaves its run folder. @hash
 * gets the trace hash; it may be NULL. */
MobExit mob_run_file(MobCli *cli, const MobRunJob *job, uint64_t *hash);

/* The text of @file, or NULL after saying what is wrong with it. */
char *mob_run_read(MobTerm *term, const char *file);
