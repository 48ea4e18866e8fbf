/* log.h: the file in which a process leaves what it has to say to people.
 *
 * Several may write to one (a worker what its programs print through mobula,
 * its daemon what they print past it), each to the end. A log takes a bounded
 * part of the disk, however much is written: of a long one the beginning is
 * given back, which leaves a hole there. So places in it stay what they are, for
 * whoever follows it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MOB_LOG_KEEP = 8 << 20, /* bytes at the end that are always there */
};

typedef struct {
    int fd;         /* owned; -1: it could not be opened, and nothing is kept */
    uint64_t fresh; /* bytes we wrote since the beginning was given back */
} MobLog;

/* Opens the log of @process ("n1/w0") in the folder of a cluster. */
MobLog mob_log_open(const char *folder, const char *process);
void mob_log_close(MobLog *log);
void mob_log_write(MobLog *log, const char *text, size_t length);
