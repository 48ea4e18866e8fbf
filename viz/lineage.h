/* lineage.h: pictures of which task made which object, and what was replayed.
 *
 * Like all of viz it only reads: a run.db, or a state right after its run.
 */
#pragma once

#include "viz/model.h"

typedef struct {
    const char *db;     /* run.db */
    int run;            /* of those in the file; 0: the last */
    const char *output; /* .svg, .dot, .png or .pdf; with @frames a folder; NULL: standard output
                           as SVG */
    bool dot;           /* DOT, whatever the suffix */
    const char *at;     /* "28.6ms" or "@58": the moment to draw; NULL: the end */
    bool frames;        /* one picture for each change, into the folder @output */
    const char *only;   /* with @frames: "T1,T2", whose changes count; NULL: all */
    GString *text;      /* with @output NULL: receives the SVG or DOT */
    uint32_t made;      /* out: how many pictures */
    double width;       /* out: px */
    double height;
    MobMoment ended; /* out: of the run, if @at is later; else 0 */
} MobLineageOptions;

/* Writes pictures of a run; a file is renamed into place when it is whole.
 * Errors are MOB_LINEAGE_ERROR and say what to do. */
bool mob_lineage_export(MobLineageOptions *options, GError **error);

/* Appends the picture of the end of a run that is still in memory. False, with
 * nothing appended, if there is nothing to draw. */
bool mob_lineage_of_state(const MobState *state, const char *scenario, uint64_t seed, GString *svg);

/* Reads "28.6ms", "2s", "150us", "1500" (ns) or "@58". Moments by time have the
 * last event that had happened by then as @seq, once resolved by the model. */
bool mob_lineage_moment(const char *text, MobMoment *moment, GError **error);

/* --- files (files.c) --- */

/* Writes @size bytes to @path at once. */
bool mob_write_file(const char *path, const char *data, size_t size, GError **error);
/* Makes a PNG or PDF of @svg by librsvg, which is looked for only now. */
bool mob_write_raster(const char *path, const GString *svg, bool pdf, GError **error);
