/* test_shm.c: shared memory: who can write it, who can trust it, and that it
 * goes with the last who looks at it.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/shm.h"
#include "runtime/arena.h"
#include "runtime/cbor.h"

enum {
    PAGE = 4096,
    SIZE = 256 * PAGE,
    LARGE_PAGE = 2 * 1024 * 1024,
};

static MobShm *
create(uint64_t size)
{
    g_autoptr(GError) error = NULL;
    MobShm *shm = mob_shm_create(size, "test-shm", &error);

    cr_assert_not_null(shm, "%s", error != NULL ? error->message : "");
    return shm;
}

static MobShm *
open_again(const MobShm *shm)
{
    g_autoptr(GError) error = NULL;
    MobShm *seen = mob_shm_open(dup(mob_shm_fd(shm)), mob_shm_size(shm), &error);

    cr_assert_not_null(seen, "%s", error != NULL ? error->message : "");
    return seen;
}

/* Which signal ends a child that writes a byte at @at; 0: none. */
static int
signal_of_writing(const uint8_t *at)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGSEGV, SIG_DFL);
        *(volatile uint8_t *)at = 1;
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static bool
is_mapped(const char *name)
{
    g_autofree char *maps = NULL;

    cr_assert(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
    return strstr(maps, name) != NULL;
}

Test(shm, what_the_creator_writes_the_others_read)
{
    g_autoptr(MobShm) shm = create(SIZE);
    g_autoptr(MobShm) seen = open_again(shm);

    memcpy(mob_shm_writable_at(shm, SIZE - 5, 5), "hello", 5);
    cr_assert_eq(memcmp(mob_shm_at(seen, SIZE - 5, 5), "hello", 5), 0);
    cr_assert_eq(mob_shm_size(seen), SIZE);
    cr_assert_null(mob_shm_writable_at(seen, 0, 1));
    cr_assert_not_null(mob_shm_at(seen, 0, SIZE));
    cr_assert_not_null(mob_shm_at(seen, SIZE, 0));
    cr_assert_null(mob_shm_at(seen, 0, SIZE + 1));
    cr_assert_null(mob_shm_at(seen, SIZE, 1));
    cr_assert_null(mob_shm_at(seen, UINT64_MAX, 2));
    cr_assert_null(mob_shm_at(seen, 2, UINT64_MAX));
    cr_assert_null(mob_shm_writable_at(shm, 1, SIZE));
}

Test(shm, a_reader_that_writes_is_killed)
{
    g_autoptr(MobShm) shm = create(SIZE);
    g_autoptr(MobShm) seen = open_again(shm);

    cr_assert_eq(signal_of_writing(mob_shm_at(seen, 100, 1)), SIGSEGV);
    cr_assert_eq(*mob_shm_at(shm, 100, 1), 0);
    cr_assert_eq(signal_of_writing(mob_shm_at(shm, 100, 1)), 0);
    cr_assert_eq(*mob_shm_at(seen, 100, 1), 1);
    cr_assert_neq(mprotect((void *)mob_shm_at(seen, 0, PAGE), PAGE, PROT_READ | PROT_WRITE), 0);
}

Test(shm, is_sealed_for_good)
{
    g_autoptr(MobShm) shm = create(SIZE);
    int fd = mob_shm_fd(shm);
    int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

    cr_assert_eq(fcntl(fd, F_GET_SEALS) & seals, seals);
    cr_assert_neq(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0, "no child inherits it");
    cr_assert_neq(ftruncate(fd, SIZE - PAGE), 0);
    cr_assert_neq(ftruncate(fd, SIZE + PAGE), 0);
    cr_assert_eq(pwrite(fd, "x", 1, 0), -1);
    cr_assert_eq(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    cr_assert_neq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    cr_assert_eq(*mob_shm_at(shm, 0, 1), 0);
}

Test(shm, a_value_that_is_protected_cannot_be_written_by_its_writer)
{
    g_autoptr(MobShm) shm = create(SIZE);
    g_autoptr(MobShm) seen = open_again(shm);
    uint64_t length = 2 * PAGE + 100;
    uint8_t *value = mob_shm_writable_at(shm, PAGE, length);

    memset(value, 7, length);
    cr_assert(mob_shm_protect(shm, PAGE, length));
    cr_assert_eq(signal_of_writing(value), SIGSEGV);
    cr_assert_eq(signal_of_writing(value + length - 1), SIGSEGV);
    cr_assert_eq(value[length - 1], 7);
    cr_assert_eq(signal_of_writing(value - 1), 0, "what stands before");
    cr_assert_eq(signal_of_writing(value + 3 * PAGE), 0, "what stands behind");

    cr_assert(mob_shm_unprotect(shm, PAGE, length));
    cr_assert_eq(signal_of_writing(value), 0);
    cr_assert_eq(signal_of_writing(value + length - 1), 0);
    cr_assert_eq(*mob_shm_at(seen, PAGE, 1), 1);

    cr_assert_not(mob_shm_protect(shm, 64, PAGE), "not a page's beginning");
    cr_assert_not(mob_shm_protect(shm, 0, SIZE + 1));
    cr_assert_not(mob_shm_protect(shm, PAGE, 0));
    cr_assert_not(mob_shm_unprotect(seen, PAGE, PAGE), "not the creator");
    cr_assert_eq(signal_of_writing(mob_shm_at(seen, PAGE, 1)), SIGSEGV);
}

static void
assert_refused(int fd, uint64_t size, const char *why)
{
    g_autoptr(GError) error = NULL;
    MobShm *shm = mob_shm_open(fd, size, &error);

    cr_assert_null(shm, "expected: %s", why);
    cr_assert_eq(error->domain, MOB_SHM_ERROR);
    cr_assert_not_null(strstr(error->message, why), "%s", error->message);
    cr_assert_eq(fcntl(fd, F_GETFD), -1, "it is closed");
}

static int
make_fd(int seals)
{
    int fd = memfd_create("test-other", MFD_ALLOW_SEALING | MFD_CLOEXEC);

    cr_assert_eq(ftruncate(fd, SIZE), 0);
    cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

Test(shm, that_could_change_under_its_readers_is_refused)
{
    g_autoptr(MobShm) shm = create(SIZE);
    int pipes[2];

    assert_refused(dup(mob_shm_fd(shm)), SIZE + PAGE, "has 1048576 bytes and not 1052672");
    assert_refused(dup(mob_shm_fd(shm)), SIZE - PAGE, "bytes and not");
    assert_refused(dup(mob_shm_fd(shm)), 0, "bytes and not 0");
    assert_refused(make_fd(0), SIZE, "is not sealed");
    assert_refused(make_fd(F_SEAL_GROW | F_SEAL_FUTURE_WRITE), SIZE, "is not sealed");
    assert_refused(make_fd(F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE), SIZE, "is not sealed");
    assert_refused(make_fd(F_SEAL_SHRINK | F_SEAL_GROW), SIZE, "is not sealed");
    assert_refused(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), SIZE, "no shared memory");
    cr_assert_eq(pipe(pipes), 0);
    assert_refused(pipes[0], SIZE, "no shared memory");
    close(pipes[1]);
    assert_refused(-1, SIZE, "no shared memory");
    int read_only = make_fd(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    mob_shm_unref(mob_shm_open(read_only, SIZE, NULL));
    cr_assert_eq(fcntl(read_only, F_GETFD), -1);
}

static uint64_t
count_resident(const MobShm *shm)
{
    uint64_t pages = mob_shm_size(shm) / PAGE;
    g_autofree uint8_t *there = g_malloc(pages);
    uint64_t count = 0;

    cr_assert_eq(mincore((void *)mob_shm_at(shm, 0, PAGE), pages * PAGE, there), 0);
    for (uint64_t i = 0; i < pages; i++)
        count += there[i] & 1;
    return count;
}

Test(shm, is_populated_in_steps_around_what_is_there)
{
    uint64_t size = 3 * LARGE_PAGE + 5 * PAGE;
    g_autoptr(MobShm) shm = create(size);
    uint8_t *value = mob_shm_writable_at(shm, LARGE_PAGE + PAGE, 3 * PAGE);

    cr_assert_eq(mob_shm_unpopulated(shm), size);
    cr_assert_eq(count_resident(shm), 0);
    uint8_t *last = mob_shm_writable_at(shm, size - 2 * PAGE, PAGE);
    memset(value, 7, 3 * PAGE);
    *last = 7;
    cr_assert(mob_shm_protect(shm, LARGE_PAGE + PAGE, 3 * PAGE));
    cr_assert(mob_shm_protect(shm, size - 2 * PAGE, PAGE));

    cr_assert(mob_shm_populate(shm, 1, NULL));
    cr_assert_eq(mob_shm_unpopulated(shm), size - LARGE_PAGE);
    cr_assert_geq(count_resident(shm), LARGE_PAGE / PAGE);
    cr_assert_lt(count_resident(shm), size / PAGE);
    cr_assert(mob_shm_populate(shm, 2 * LARGE_PAGE + 1, NULL));
    cr_assert_eq(mob_shm_unpopulated(shm), 5 * PAGE);
    cr_assert(mob_shm_populate(shm, LARGE_PAGE, NULL));
    cr_assert_eq(mob_shm_unpopulated(shm), 0);
    cr_assert_eq(count_resident(shm), size / PAGE);
    cr_assert(mob_shm_populate(shm, LARGE_PAGE, NULL));

    cr_assert_eq(value[0] + value[3 * PAGE - 1], 14);
    cr_assert_eq(value[-1] + value[3 * PAGE], 0);
    cr_assert_eq(*last, 7);
    cr_assert_eq(signal_of_writing(value), SIGSEGV, "still protected");
    cr_assert_eq(signal_of_writing(last), SIGSEGV);
    cr_assert_eq(signal_of_writing(value + 3 * PAGE), 0);
    g_autoptr(MobShm) seen = open_again(shm);
    cr_assert_eq(mob_shm_unpopulated(seen), 0, "not a reader's business");
}

static void
drop_region(void *shm)
{
    mob_shm_unref(shm);
}

Test(shm, a_value_in_it_keeps_it_mapped)
{
    g_autoptr(MobArena) arena = mob_arena_new(SIZE);
    MobShm *shm = create(SIZE);
    MobShm *seen = open_again(shm);
    MobCborWriter writer;
    uint64_t offset;

    mob_cbor_init(&writer);
    mob_cbor_fill(&writer, 100000, 7);
    g_autoptr(MobValue) rule = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    cr_assert(mob_arena_alloc(arena, rule->size, &offset));
    mob_value_write_out(rule, mob_shm_writable_at(shm, offset, rule->size));
    cr_assert(mob_shm_protect(shm, offset, rule->size));

    MobHold hold = {drop_region, mob_shm_ref(seen)};
    const uint8_t *at = mob_shm_at(seen, offset, rule->size);
    MobValue *got = mob_value_parse_in_place(at, rule->size, rule->hash, hold, NULL);
    cr_assert_not_null(got);
    mob_shm_unref(shm);
    mob_shm_unref(seen);
    cr_assert_eq(got->bytes, at);
    cr_assert_eq(got->bytes[got->length - 2], mob_fill_byte(7, 99999));
    cr_assert(is_mapped("test-shm"));
    mob_value_unref(got);
    cr_assert_not(is_mapped("test-shm"));
}

Test(shm, that_cannot_be_had_is_an_error)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *long_name = g_strnfill(300, 'x');

    cr_assert_null(mob_shm_create(UINT64_C(1) << 60, "test-shm", &error));
    cr_assert_eq(error->domain, MOB_SHM_ERROR);
    g_clear_error(&error);
    cr_assert_null(mob_shm_create(SIZE, long_name, &error));
    cr_assert_eq(error->domain, MOB_SHM_ERROR);
    cr_assert_not(is_mapped("test-shm"));
}
