/* disk_files.c: see disk_files.h. */
#include "net/disk_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "net/clock.h"

enum {
    SMALL = 64 * 1024, /* values below are gathered: a call for each would cost more */
    SLICE_NS = 10 * 1000 * 1000,
    NAME_MAX_LENGTH = 24,
};

typedef struct {
    int fd;
    uint64_t at; /* in the file */
    MobDiskPace *pace;
    uint8_t *buffer; /* of MOB_DISK_PIECE bytes */
    size_t gathered;
    int code; /* errno; 0: all is well */
} Writer;

static void
name_of(uint64_t file, char name[NAME_MAX_LENGTH])
{
    g_snprintf(name, NAME_MAX_LENGTH, "%" G_GUINT64_FORMAT, file);
}

static MobDiskEnd
end_of(int code)
{
    return code == 0                          ? MOB_DISK_OK
           : code == ENOSPC || code == EDQUOT ? MOB_DISK_FULL
                                              : MOB_DISK_FAILED;
}

/* --- pace --- */

/* Why not to go on; 0: there is no reason. */
static int
trouble(MobDiskPace *pace, bool writes)
{
    gint flags = g_atomic_int_get(&pace->flags);

    if ((flags & MOB_DISK_STOP) != 0)
        return ECANCELED;
    if ((flags & MOB_DISK_IS_GONE) != 0)
        return ENOENT;
    return writes && (flags & MOB_DISK_IS_FULL) != 0 ? ENOSPC : 0;
}

/* Takes as long for @bytes as a slow disk would; it may become fast, or end, meanwhile. */
static void
dawdle(MobDiskPace *pace, uint64_t bytes, bool writes)
{
    uint64_t done = 0;
    uint64_t rate;

    while ((rate = (uint64_t)g_atomic_int_get(&pace->ns_per_kib)) > 0 &&
           trouble(pace, writes) == 0) {
        uint64_t time = bytes * rate / 1024;
        if (done >= time)
            return;
        uint64_t slice = MIN(time - done, (uint64_t)SLICE_NS);
        nanosleep(&(struct timespec){.tv_nsec = (long)slice}, NULL);
        done += slice;
    }
}

/* --- the folder --- */

/* An open folder that is ours and nobody else's, or -1 with errno. */
static int
open_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat info;

    if (fd < 0)
        return -1;
    if (fstat(fd, &info) == 0 && info.st_uid == geteuid() && (info.st_mode & 0077) == 0)
        return fd;
    close(fd);
    errno = EPERM;
    return -1;
}

static int
make_folder(const char *folder)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return -1;
    return open_folder(folder);
}

/* Whether the disk will have some room left. What does not say how large it is may. */
static bool
has_room(int folder, uint64_t size, uint64_t most)
{
    struct statvfs disk;

    if (fstatvfs(folder, &disk) != 0 || disk.f_blocks == 0)
        return true;
    uint64_t free = (uint64_t)disk.f_bavail * disk.f_frsize;
    uint64_t spare = (uint64_t)disk.f_blocks * disk.f_frsize / 1000 * (1000 - MIN(most, 1000));
    return free >= spare && free - spare >= size;
}

uint64_t
mob_disk_folder_remove(const char *folder)
{
    int fd = open_folder(folder);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    uint64_t count = 0;

    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    while ((entry = readdir(dir)) != NULL)
        count += unlinkat(fd, entry->d_name, 0) == 0;
    closedir(dir);
    rmdir(folder);
    return count;
}

/* --- writing --- */

static bool
write_piece(Writer *writer, const uint8_t *bytes, size_t length)
{
    ssize_t done = pwrite(writer->fd, bytes, length, (off_t)writer->at);

    if (done < 0 && errno == EINTR)
        return true;
    if (done <= 0)
        writer->code = done < 0 ? errno : ENOSPC;
    else
        writer->at += (uint64_t)done;
    return done > 0;
}

static void
write_bytes(Writer *writer, const uint8_t *bytes, uint64_t length)
{
    uint64_t begin = writer->at;

    while (writer->code == 0 && writer->at - begin < length) {
        uint64_t done = writer->at - begin;
        size_t piece = (size_t)MIN(length - done, (uint64_t)MOB_DISK_PIECE);
        if (write_piece(writer, bytes + done, piece))
            dawdle(writer->pace, writer->at - begin - done, true);
        if (writer->code == 0)
            writer->code = trouble(writer->pace, true);
    }
}

static void
write_gathered(Writer *writer)
{
    write_bytes(writer, writer->buffer, writer->gathered);
    writer->gathered = 0;
}

/* Through the buffer, with every rule written out. */
static void
gather(Writer *writer, const MobValue *value)
{
    for (uint64_t done = 0; done < value->size && writer->code == 0;) {
        size_t piece = MIN(value->size - done, MOB_DISK_PIECE - writer->gathered);
        mob_value_write_part(value, done, writer->buffer + writer->gathered, piece);
        writer->gathered += piece;
        done += piece;
        if (writer->gathered == MOB_DISK_PIECE)
            write_gathered(writer);
    }
}

static int
write_values(int fd, const GPtrArray *values, MobDiskPace *pace)
{
    g_autofree uint8_t *buffer = g_try_malloc(MOB_DISK_PIECE);
    Writer writer = {.fd = fd, .pace = pace, .buffer = buffer};

    if (buffer == NULL)
        return ENOMEM;
    for (guint i = 0; i < values->len && writer.code == 0; i++) {
        const MobValue *value = g_ptr_array_index(values, i);
        if (value->size < SMALL || mob_value_is_sparse(value)) {
            gather(&writer, value);
            continue;
        }
        write_gathered(&writer);
        write_bytes(&writer, value->bytes, value->size);
    }
    write_gathered(&writer);
    return writer.code;
}

static uint64_t
size_of(const GPtrArray *values)
{
    uint64_t size = 0;

    for (guint i = 0; i < values->len; i++)
        size += ((const MobValue *)g_ptr_array_index(values, i))->size;
    return size;
}

/* The error of a file system far away may come with the end of the file. */
static int
write_in(int folder, const char *name, const GPtrArray *values, MobDiskPace *pace)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno;
    int code = write_values(fd, values, pace);
    if (close(fd) != 0 && code == 0)
        code = errno;
    if (code != 0)
        unlinkat(folder, name, 0);
    return code;
}

MobDiskEnd
mob_disk_file_write(const char *folder, uint64_t file, const GPtrArray *values, MobDiskPace *pace,
                    char **why)
{
    char name[NAME_MAX_LENGTH];
    int code = trouble(pace, true);
    int fd = code == 0 ? make_folder(folder) : -1;

    name_of(file, name);
    if (code == 0 && fd < 0)
        code = errno;
    if (fd >= 0 && !has_room(fd, size_of(values), pace->most)) {
        *why =
            g_strdup_printf("more than %d %% of that disk would be used", (int)(pace->most / 10));
        close(fd);
        return MOB_DISK_FULL;
    }
    if (fd >= 0) {
        code = write_in(fd, name, values, pace);
        close(fd);
    }
    if (code != 0)
        *why = g_strdup(g_strerror(code));
    return end_of(code);
}

/* --- reading --- */

static int
read_bytes(int fd, uint64_t at, uint8_t *into, uint64_t length, MobDiskPace *pace)
{
    int code = 0;

    while (length > 0 && (code = trouble(pace, false)) == 0) {
        ssize_t got = pread(fd, into, (size_t)MIN(length, (uint64_t)MOB_DISK_PIECE), (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? errno : ENODATA;
        dawdle(pace, (uint64_t)got, false);
        into += got;
        at += (uint64_t)got;
        length -= (uint64_t)got;
    }
    return code != 0 ? code : trouble(pace, false);
}

MobDiskEnd
mob_disk_file_read(const char *folder, uint64_t file, uint64_t at, uint8_t *into, uint64_t length,
                   MobDiskPace *pace, char **why)
{
    char name[NAME_MAX_LENGTH];
    int dir = open_folder(folder);

    name_of(file, name);
    int fd = dir >= 0 ? openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    int code = fd >= 0 ? read_bytes(fd, at, into, length, pace) : errno;
    if (fd >= 0)
        close(fd);
    if (dir >= 0)
        close(dir);
    if (code == 0)
        return MOB_DISK_OK;
    *why = g_strdup(g_strerror(code));
    return MOB_DISK_FAILED;
}

void
mob_disk_file_remove(const char *folder, uint64_t file)
{
    char name[NAME_MAX_LENGTH];
    int dir = open_folder(folder);

    name_of(file, name);
    if (dir < 0)
        return;
    unlinkat(dir, name, 0);
    close(dir);
}
