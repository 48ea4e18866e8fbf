/* shm.c: see shm.h. */
#include "net/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum {
    HUGE = 2 * 1024 * 1024
};

struct MobShm {
    uint32_t refs_held;
    int fd;
    bool writable; /* we created it */
    uint8_t *bytes;
    uint64_t size;
    uint64_t populated; /* all before this */
    uint64_t reserved;  /* the end of what was */
};

static bool
fail(GError **error, const char *what)
{
    g_set_error(error, MOB_SHM_ERROR, 0, "%s: %s", what, g_strerror(errno));
    return false;
}

static uint64_t
page_size(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

static MobShm *
new_region(int fd, uint64_t size, bool writable)
{
    MobShm *shm = g_new0(MobShm, 1);

    *shm = (MobShm){.refs_held = 1, .fd = fd, .writable = writable, .size = size};
    return shm;
}

/* Maps where pages of 2 MiB fit. What lies in a region is not for core dumps:
 * it may be most of memory. */
static bool
map(MobShm *shm, GError **error)
{
    int access = shm->writable ? PROT_READ | PROT_WRITE : PROT_READ;
    uint64_t room = shm->size + HUGE;
    uint8_t *place =
        mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (place == MAP_FAILED)
        return fail(error, "there is no room to map shared memory");
    uint64_t before = HUGE - 1 - ((uintptr_t)place + HUGE - 1) % HUGE;
    uint8_t *bytes = place + before;
    munmap(place, before);
    munmap(bytes + shm->size, HUGE - before);
    shm->bytes = bytes;
    if (mmap(bytes, shm->size, access, MAP_SHARED | MAP_FIXED, shm->fd, 0) == MAP_FAILED)
        return fail(error, "shared memory cannot be mapped");
    madvise(bytes, shm->size, MADV_DONTDUMP);
    return true;
}

/* Kernels before 6.3 do not know regions that cannot be executed. */
static int
create_fd(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

    return fd >= 0 || errno != EINVAL ? fd : memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

MobShm *
mob_shm_create(uint64_t size, const char *name, GError **error)
{
    g_assert(size > 0 && size % page_size() == 0);
    int fd = create_fd(name);
    if (fd < 0) {
        fail(error, "shared memory cannot be made");
        return NULL;
    }
    g_autoptr(MobShm) shm = new_region(fd, size, true);
    if (ftruncate(fd, (off_t)size) != 0) {
        fail(error, "shared memory of that size cannot be made");
        return NULL;
    }
    if (!map(shm, error))
        return NULL;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) !=
        0) {
        fail(error, "shared memory cannot be sealed");
        return NULL;
    }
    return g_steal_pointer(&shm);
}

/* A region that could shrink would kill its readers; one that could be mapped
 * writable by any of them would be nobody's. */
static bool
check_seals(int fd, GError **error)
{
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0)
        return fail(error, "this is no shared memory");
    if ((seals & F_SEAL_SHRINK) != 0 && (seals & F_SEAL_GROW) != 0 &&
        (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0)
        return true;
    g_set_error(error, MOB_SHM_ERROR, 0, "this shared memory is not sealed");
    return false;
}

static bool
check_size(int fd, uint64_t size, GError **error)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return fail(error, "this shared memory cannot be looked at");
    if ((uint64_t)status.st_size == size && size > 0)
        return true;
    g_set_error(error, MOB_SHM_ERROR, 0,
                "this shared memory has %" G_GUINT64_FORMAT " bytes and not %" G_GUINT64_FORMAT,
                (uint64_t)status.st_size, size);
    return false;
}

MobShm *
mob_shm_open(int fd, uint64_t size, GError **error)
{
    g_autoptr(MobShm) shm = new_region(fd, size, false);

    if (!check_seals(fd, error) || !check_size(fd, size, error) || !map(shm, error))
        return NULL;
    shm->populated = size; /* that is the creator's business */
    return g_steal_pointer(&shm);
}

MobShm *
mob_shm_ref(MobShm *shm)
{
    shm->refs_held++;
    return shm;
}

void
mob_shm_unref(MobShm *shm)
{
    if (shm == NULL)
        return;
    g_assert(shm->refs_held > 0);
    if (--shm->refs_held > 0)
        return;
    if (shm->bytes != NULL)
        munmap(shm->bytes, shm->size);
    if (shm->fd >= 0)
        close(shm->fd);
    g_free(shm);
}

int
mob_shm_fd(const MobShm *shm)
{
    return shm->fd;
}

void
mob_shm_close_fd(MobShm *shm)
{
    if (shm->fd >= 0)
        close(shm->fd);
    shm->fd = -1;
}

uint64_t
mob_shm_size(const MobShm *shm)
{
    return shm->size;
}

const uint8_t *
mob_shm_at(const MobShm *shm, uint64_t offset, uint64_t length)
{
    bool inside = offset <= shm->size && length <= shm->size - offset;

    return inside ? shm->bytes + offset : NULL;
}

uint8_t *
mob_shm_writable_at(const MobShm *shm, uint64_t offset, uint64_t length)
{
    return shm->writable ? (uint8_t *)mob_shm_at(shm, offset, length) : NULL;
}

/* Populates small pages; false if memory ran out. A stretch that holds
 * protected pages goes page by page: those were written, so they are there.
 * Kernels before 5.14 populate nothing, and pages come when they are used. */
static bool
populate_small(uint8_t *begin, uint64_t length)
{
    uint64_t page = page_size();

    if (madvise(begin, length, MADV_POPULATE_WRITE) == 0)
        return true;
    for (uint64_t at = 0; at < length; at += page)
        if (madvise(begin + at, page, MADV_POPULATE_WRITE) != 0 && errno != EINVAL)
            return false;
    return true;
}

/* A large page can only be made of one that is there. Kernels before 6.1, and
 * those that have none to spare, make none. */
static bool
populate(uint8_t *begin, uint64_t length)
{
    bool large = length == HUGE && populate_small(begin, page_size()) &&
                 madvise(begin, length, MADV_COLLAPSE) == 0;

    return large || populate_small(begin, length);
}

bool
mob_shm_populate(MobShm *shm, uint64_t most, GError **error)
{
    uint64_t end = shm->populated + MAX(most / HUGE, 1) * HUGE;

    while (shm->populated < MIN(end, shm->size)) {
        uint64_t length = MIN(HUGE, shm->size - shm->populated);
        if (!populate(shm->bytes + shm->populated, length))
            return fail(error, "there is not enough memory to share");
        shm->populated += length;
    }
    return true;
}

uint64_t
mob_shm_unpopulated(const MobShm *shm)
{
    return shm->size - shm->populated;
}

/* Kernels before 5.14 bring pages when they are used. */
bool
mob_shm_reserve(MobShm *shm, uint64_t offset, uint64_t length)
{
    uint64_t page = page_size();
    uint64_t begin = MAX(offset, MAX(shm->populated, shm->reserved)) / page * page;
    uint64_t end = (offset + length + page - 1) / page * page;

    if (begin >= end)
        return true;
    if (madvise(shm->bytes + begin, end - begin, MADV_POPULATE_WRITE) != 0 && errno != EINVAL)
        return false;
    shm->reserved = end;
    return true;
}

static bool
set_access(const MobShm *shm, uint64_t offset, uint64_t length, int access)
{
    uint64_t page = page_size();
    uint8_t *at = mob_shm_writable_at(shm, offset, length);

    return at != NULL && length > 0 && offset % page == 0 &&
           mprotect(at, (length + page - 1) / page * page, access) == 0;
}

bool
mob_shm_protect(MobShm *shm, uint64_t offset, uint64_t length)
{
    return set_access(shm, offset, length, PROT_READ);
}

bool
mob_shm_unprotect(MobShm *shm, uint64_t offset, uint64_t length)
{
    return set_access(shm, offset, length, PROT_READ | PROT_WRITE);
}
