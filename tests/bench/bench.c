/* bench.c: see bench.h. */
#include "tests/bench/bench.h"

#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "runtime/cbor.h"

static double
read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

BenchClock
bench_now(void)
{
    return (BenchClock){read_clock(CLOCK_MONOTONIC), read_clock(CLOCK_PROCESS_CPUTIME_ID)};
}

BenchClock
bench_since(BenchClock begun)
{
    BenchClock now = bench_now();

    return (BenchClock){now.wall - begun.wall, now.cpu - begun.cpu};
}

uint64_t
bench_peak_kib(void)
{
    g_autofree char *status = NULL;

    g_file_get_contents("/proc/self/status", &status, NULL, NULL);
    const char *line = status != NULL ? strstr(status, "VmHWM:") : NULL;
    return line != NULL ? g_ascii_strtoull(line + strlen("VmHWM:"), NULL, 10) : 0;
}

uint64_t
bench_heap(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

void
bench_keep_memory(void)
{
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_TOP_PAD, 64 << 20);
}

MobWorld *
bench_world(const BenchCluster *cluster)
{
    uint32_t count = cluster->machines + cluster->idle_head;
    g_autofree MobMachine *machines = g_new0(MobMachine, count);
    g_autoptr(GStringChunk) names = g_string_chunk_new(4096);
    MobWorldOptions options = {
        .loader = cluster->loader,
        .machines = machines,
        .machine_count = count,
        .latency = cluster->latency,
        .jitter = MOB_TIME_NEVER,
        .bps = cluster->bps,
    };

    mob_config_init(&options.config, MOB_PROFILE_IDEAL);
    for (uint32_t i = 0; i < count; i++) {
        g_autofree char *name = i == 0 ? g_strdup("head") : g_strdup_printf("n%u", i);
        bool idle = i == 0 && cluster->idle_head;
        machines[i] = (MobMachine){.name = g_string_chunk_insert(names, name),
                                   .cpus = idle ? 0 : (int64_t)cluster->cores * MOB_UNIT,
                                   .cores = cluster->cores,
                                   .speed_ppm = 1000000,
                                   .memory = INT64_C(8) << 30,
                                   .store_bytes = UINT64_C(2) << 30,
                                   .head = i == 0};
    }
    return cluster->cast != NULL ? mob_world_new_with(&options, cluster->cast)
                                 : mob_world_new(&options);
}

MobValue *
bench_bytes(size_t size)
{
    g_autofree char *zeros = g_malloc0(size);
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_string(&writer, zeros, size);
    MobValue *value = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    return value;
}
