/* tell.h: what is said about the rows of a cluster or a run: list, get, summary. */
#pragma once

#include "cli/rows.h"

/* Where rows come from: (transfer full), or NULL with an error. */
typedef struct {
    bool moment; /* they are about one: what was over by then is not told with an object */
    MobRows *(*rows)(void *data, const MobNoun *noun, GError **error);
    void *data;
} MobRowSource;

/* Each writes to @sink and returns the exit code. @words is what follows the verb. */
int mob_tell_list(const MobRowSource *source, char **words, const char *filters,
                  const MobSink *sink);
int mob_tell_get(const MobRowSource *source, char **words, const MobSink *sink);
int mob_tell_summary(const MobRowSource *source, char **words, const MobSink *sink);
