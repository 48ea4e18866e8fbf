/* loop.h: waiting for many file descriptors at once (epoll).
 *
 * Whoever wants to hear of a descriptor adds a MobInterest, which stays where
 * it is until it is removed; it may be removed at any time, also while the
 * loop tells of others. Level-triggered.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

typedef struct MobLoop MobLoop;
typedef struct MobInterest MobInterest;

struct MobInterest {
    int fd;
    uint32_t events; /* EPOLLIN … */
    void (*ready)(MobInterest *self, uint32_t events);
    void *data;
};

MobLoop *mob_loop_new(void);
void mob_loop_free(MobLoop *loop);

void mob_loop_add(MobLoop *loop, MobInterest *interest);
/* Changes what it waits for. */
void mob_loop_change(MobLoop *loop, MobInterest *interest, uint32_t events);
void mob_loop_remove(MobLoop *loop, MobInterest *interest);

/* Waits until something is ready or the monotonic clock shows @until (0: does
 * not wait; UINT64_MAX: for ever) and tells of all that is ready. Returns how
 * many that were. */
int mob_loop_wait(MobLoop *loop, uint64_t until);
/* The two halves of that: */
int mob_loop_poll(MobLoop *loop, uint64_t until);
void mob_loop_act(MobLoop *loop);
