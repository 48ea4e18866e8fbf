/* vitals.h: how a process of this computer is doing, as the system tells.
 *
 * It is looked at from outside and now and then, because whoever takes memory
 * without end, or was stopped, can say nothing about it.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    bool there;
    bool stopped;    /* by a signal; it does nothing until it is told to go on */
    uint64_t memory; /* bytes that are its alone: what it shares with others does not count */
} MobVitals;

MobVitals mob_vitals_read(pid_t pid);

/* The most that one process may take of @memory (bytes that its machine has; 0:
 * nobody has said) before it counts as one that takes memory without end: there has
 * to be some left for the others of this computer. */
uint64_t mob_vitals_most(uint64_t memory);

/* When to look again, in milliseconds, if the one with most takes @memory of
 * @most: before it can have reached that. */
uint32_t mob_vitals_pause(uint64_t memory, uint64_t most);
