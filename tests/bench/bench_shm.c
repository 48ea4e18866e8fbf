/* bench_shm.c: values in shared memory against copying into memory that is
 * mapped.
 *
 *     bench_shm [MIB [ROUNDS]]
 *
 * A put finds room, writes a value of MIB bytes into a region that was
 * populated, and protects it; before the next the room is given back. In a get
 * another process' map of the region is read from: the value is found and its
 * first bytes are looked at. Prints one line of JSON: medians, by CPU time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/shm.h"
#include "runtime/arena.h"
#include "runtime/cbor.h"
#include "tests/bench/bench.h"

enum {
    ROUNDS_MAX = 101
};

typedef struct {
    MobShm *shm;  /* as the writer has it */
    MobShm *seen; /* as a reader has it */
    MobArena *arena;
    uint64_t size;
    uint64_t put_at;
    unsigned rounds;
} Rig;

static int
compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return left < right ? -1 : left > right;
}

static double
median(double *samples, unsigned count)
{
    qsort(samples, count, sizeof *samples, compare);
    return samples[count / 2];
}

static void
no_hold(void *data)
{
}

static void
put(Rig *rig, const MobValue *value)
{
    if (!mob_arena_alloc(rig->arena, value->size, &rig->put_at))
        g_error("there is no room");
    mob_value_write_out(value, mob_shm_writable_at(rig->shm, rig->put_at, value->size));
    mob_shm_protect(rig->shm, rig->put_at, value->size);
}

static void
take_back(Rig *rig, const MobValue *value)
{
    mob_shm_unprotect(rig->shm, rig->put_at, value->size);
    mob_arena_release(rig->arena, rig->put_at);
}

/* Seconds of our CPU, because whoever shares the machine must not count. */
static double
time_put(Rig *rig, const MobValue *value)
{
    BenchClock begun = bench_now();
    put(rig, value);
    return bench_since(begun).cpu;
}

/* What giving back costs, which is not part of a put. */
static double
time_take_back(Rig *rig, const MobValue *value)
{
    BenchClock begun = bench_now();
    take_back(rig, value);
    return bench_since(begun).cpu;
}

static double
time_copy(uint8_t *mapped, const MobValue *value)
{
    BenchClock begun = bench_now();
    memcpy(mapped, value->bytes, value->length);
    return bench_since(begun).cpu;
}

typedef struct {
    double copy;
    double bytes; /* put */
    double rule;  /* put */
    double back;
} Times;

/* They take turns, so that they meet the same neighbours. */
static Times
time_puts(Rig *rig, const MobValue *bytes, const MobValue *rule)
{
    g_autofree uint8_t *mapped = g_malloc(bytes->length);
    double copies[ROUNDS_MAX];
    double puts[ROUNDS_MAX];
    double rules[ROUNDS_MAX];
    double backs[ROUNDS_MAX];

    memset(mapped, 1, bytes->length);
    for (unsigned i = 0; i < rig->rounds; i++) {
        copies[i] = time_copy(mapped, bytes);
        puts[i] = time_put(rig, bytes);
        backs[i] = time_take_back(rig, bytes);
        rules[i] = time_put(rig, rule);
        take_back(rig, rule);
    }
    return (Times){median(copies, rig->rounds), median(puts, rig->rounds),
                   median(rules, rig->rounds), median(backs, rig->rounds)};
}

static double
time_gets(Rig *rig, const MobValue *value)
{
    double samples[ROUNDS_MAX];
    volatile uint8_t sum = 0;

    put(rig, value);
    for (unsigned i = 0; i < rig->rounds; i++) {
        BenchClock begun = bench_now();
        const uint8_t *at = mob_shm_at(rig->seen, rig->put_at, value->size);
        MobValue *got =
            mob_value_parse_in_place(at, value->size, value->hash, (MobHold){no_hold, NULL}, NULL);
        for (uint32_t k = 0; k < 64; k++)
            sum = (uint8_t)(sum + got->bytes[k]);
        mob_value_unref(got);
        samples[i] = bench_since(begun).cpu;
    }
    take_back(rig, value);
    return median(samples, rig->rounds);
}

static MobValue *
make_rule(uint64_t size)
{
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_fill(&writer, size, 7);
    MobValue *value = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    return value;
}

static double
populate_all(Rig *rig)
{
    BenchClock begun = bench_now();

    while (mob_shm_unpopulated(rig->shm) > 0)
        if (!mob_shm_populate(rig->shm, 4 << 20, NULL))
            g_error("there is not enough memory");
    return bench_since(begun).cpu;
}

int
main(int argc, char **argv)
{
    uint64_t size = (argc > 1 ? (uint64_t)atoll(argv[1]) : 100) << 20;
    unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 9;
    uint64_t region = size + (16 << 20);
    g_autoptr(MobShm) shm = mob_shm_create(region, "bench", NULL);
    g_autoptr(MobShm) seen = mob_shm_open(dup(mob_shm_fd(shm)), region, NULL);
    g_autoptr(MobArena) arena = mob_arena_new(region);
    g_autoptr(MobValue) bytes = bench_bytes(size);
    g_autoptr(MobValue) rule = make_rule(size);
    Rig rig = {shm, seen, arena, size, 0, CLAMP(rounds, 1, ROUNDS_MAX)};

    double populate = populate_all(&rig);
    Times times = time_puts(&rig, bytes, rule);
    double get = time_gets(&rig, bytes);
    double get_rule = time_gets(&rig, rule);
    double gb = (double)size / 1e9;
    printf("{\"bench\":\"shm\",\"bytes\":%" G_GUINT64_FORMAT
           ",\"populate_gbps\":%.2f,\"memcpy_gbps\":%.2f,\"put_gbps\":%.2f,\"put_rule_gbps\":%.2f"
           ",\"put_ratio\":%.3f,\"put_rule_ratio\":%.3f,\"free_ms\":%.3f,\"get_us\":%.2f"
           ",\"get_rule_us\":%.2f}\n",
           size, (double)region / populate / 1e9, gb / times.copy, gb / times.bytes,
           gb / times.rule, times.copy / times.bytes, times.copy / times.rule, times.back * 1e3,
           get * 1e6, get_rule * 1e6);
    return 0;
}
