/* disk_files.h: files of a spill folder, and how bytes get into them and out of
 * them. Any thread may call these: none knows of another, nothing is shared but
 * MobDiskPace, and of a value only its bytes are looked at, which do not change.
 *
 * The folder is made when a file is to be written and it is not there, open to
 * nobody else; one that somebody else owns is not used. A file is written whole
 * or not at all: if anything goes wrong, it is gone. Nothing is synced: a file
 * need not outlive the process that wrote it.
 */
#pragma once

#include "runtime/disk.h"

enum {
    MOB_DISK_PIECE = 1 << 20, /* bytes that are moved at once */
};

typedef enum {
    MOB_DISK_STOP = 1,    /* leave off */
    MOB_DISK_IS_FULL = 2, /* write no more */
    MOB_DISK_IS_GONE = 4, /* do as if there were no folder */
} MobDiskFlag;

/* What the owner of the threads tells them, also while they work. */
typedef struct {
    gint flags;      /* atomic: of MobDiskFlag */
    gint ns_per_kib; /* atomic: so much slower than it could be */
    uint64_t most;   /* 1/1000: more of a disk than this is never used */
} MobDiskPace;

/* Writes a new file with @values (of MobValue), one behind the other, those that are
 * rules written out. Unless it ends well, @why (transfer full) says what was wrong. */
MobDiskEnd mob_disk_file_write(const char *folder, uint64_t file, const GPtrArray *values,
                               MobDiskPace *pace, char **why);
/* Reads @length bytes of it from @at on. */
MobDiskEnd mob_disk_file_read(const char *folder, uint64_t file, uint64_t at, uint8_t *into,
                              uint64_t length, MobDiskPace *pace, char **why);
void mob_disk_file_remove(const char *folder, uint64_t file);

/* Removes the folder and all files in it, if it is ours; what is no file stays. Returns
 * how many files that were. */
uint64_t mob_disk_folder_remove(const char *folder);
