/* vitals.c: see vitals.h. */
#include "net/vitals.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LEAST = 64 << 20, /* bytes: mobula itself needs some of them */
    PAUSE_MIN_MS = 50,
    PAUSE_MAX_MS = 1000,
    FILLED_A_MS = 4 << 20, /* bytes: about as fast as fresh pages can be had */
};

static bool
read_text(const char *path, char *into, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = file >= 0 ? read(file, into, size - 1) : -1;

    if (file >= 0)
        close(file);
    into[MAX(count, 0)] = '\0';
    return count > 0;
}

MobVitals
mob_vitals_read(pid_t pid)
{
    char path[64];
    char text[4096];
    MobVitals vitals = {0};

    g_snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (pid <= 0 || !read_text(path, text, sizeof text))
        return vitals;
    const char *state = strstr(text, "\nState:\t");
    const char *memory = strstr(text, "\nRssAnon:");
    vitals.there = true;
    vitals.stopped = state != NULL && state[strlen("\nState:\t")] == 'T';
    if (memory != NULL)
        vitals.memory = strtoull(memory + strlen("\nRssAnon:"), NULL, 10) << 10;
    return vitals;
}

/* What this computer has, or the part of it that a container may use. */
static uint64_t
memory_here(void)
{
    static const char *const limits[] = {"/sys/fs/cgroup/memory.max",
                                         "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    uint64_t here = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    char text[64];

    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++)
        if (read_text(limits[i], text, sizeof text) && g_ascii_isdigit(*text))
            here = MIN(here, strtoull(text, NULL, 10));
    return here;
}

uint64_t
mob_vitals_most(uint64_t memory)
{
    uint64_t most = memory_here() / 4 * 3;

    return memory != 0 ? MIN(MAX(memory, LEAST), most) : most;
}

uint32_t
mob_vitals_pause(uint64_t memory, uint64_t most)
{
    uint64_t left = most > memory ? most - memory : 0;

    return (uint32_t)CLAMP(left / FILLED_A_MS, PAUSE_MIN_MS, PAUSE_MAX_MS);
}
