/* fiber.c: see fiber.h. This is the only file that knows about stacks.
 *
 * ucontext costs about half a microsecond for a switch there and back, because
 * it saves the signal mask. That is enough for bodies that block, and needs no
 * assembly.
 */
#include "runtime/fiber.h"

#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

enum {
    GUARD_SIZE = 4096,
#ifdef WITH_ASAN
    STACK_SIZE = 256 * 1024, /* frames are several times as large */
#else
    STACK_SIZE = 64 * 1024, /* untouched pages cost nothing */
#endif
    KEPT_MAX = 1024, /* stacks that a pool keeps */
};

struct MobFiber {
    ucontext_t inside;
    ucontext_t outside;
    char *stack; /* owned; the guard page first */
    void (*function)(void *data);
    void *data;
    MobFiber *next; /* in the pool */
    /* For the sanitizer: the stack of whoever entered, and a fake one. */
    const void *outer_stack;
    size_t outer_size;
    void *fake;
};

struct MobFiberPool {
    MobFiber *idle; /* owned, the newest first */
    size_t idle_count;
    size_t taken;
};

/* A sanitizer has to be told which stack is in use. */
static void
before_switch(void **fake, const void *stack, size_t size)
{
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(fake, stack, size);
#endif
}

static void
after_switch(void *fake, const void **stack, size_t *size)
{
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(fake, stack, size);
#endif
}

MobFiberPool *
mob_fiber_pool_new(void)
{
    return g_new0(MobFiberPool, 1);
}

static void
fiber_free(MobFiber *fiber)
{
    munmap(fiber->stack, GUARD_SIZE + STACK_SIZE);
    g_free(fiber);
}

void
mob_fiber_pool_free(MobFiberPool *pool)
{
    if (pool == NULL)
        return;
    g_assert(pool->taken == 0);
    for (MobFiber *fiber = pool->idle; fiber != NULL;) {
        MobFiber *next = fiber->next;
        fiber_free(fiber);
        fiber = next;
    }
    g_free(pool);
}

static MobFiber *
fiber_new(void)
{
    MobFiber *fiber = g_new0(MobFiber, 1);

    fiber->stack = mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (fiber->stack == MAP_FAILED)
        g_error("no memory for the stack of a task");
    mprotect(fiber->stack, GUARD_SIZE, PROT_NONE);
    return fiber;
}

/* makecontext() passes only ints, so the pointer travels in two halves. */
static void
begin(unsigned high, unsigned low)
{
    MobFiber *fiber = (MobFiber *)((uintptr_t)high << 32 | low);

    after_switch(NULL, &fiber->outer_stack, &fiber->outer_size);
    fiber->function(fiber->data);
    g_assert_not_reached();
}

/* Apart, because getcontext() returns twice in the eyes of the compiler. */
static void
prepare(MobFiber *fiber)
{
    getcontext(&fiber->inside);
    fiber->inside.uc_stack.ss_sp = fiber->stack + GUARD_SIZE;
    fiber->inside.uc_stack.ss_size = STACK_SIZE;
    fiber->inside.uc_link = NULL;
    makecontext(&fiber->inside, (void (*)(void))begin, 2, (unsigned)((uintptr_t)fiber >> 32),
                (unsigned)(uintptr_t)fiber);
}

MobFiber *
mob_fiber_take(MobFiberPool *pool, void (*function)(void *data), void *data)
{
    MobFiber *fiber = pool->idle;

    if (fiber != NULL) {
        pool->idle = fiber->next;
        pool->idle_count--;
    } else {
        fiber = fiber_new();
    }
    pool->taken++;
    fiber->function = function;
    fiber->data = data;
    fiber->fake = NULL;
    prepare(fiber);
    return fiber;
}

void
mob_fiber_give(MobFiberPool *pool, MobFiber *fiber)
{
    g_assert(pool->taken > 0);
    pool->taken--;
    if (pool->idle_count >= KEPT_MAX) {
        fiber_free(fiber);
        return;
    }
    fiber->next = pool->idle;
    pool->idle = fiber;
    pool->idle_count++;
}

void
mob_fiber_enter(MobFiber *fiber)
{
    void *fake = NULL;

    before_switch(&fake, fiber->stack + GUARD_SIZE, STACK_SIZE);
    swapcontext(&fiber->outside, &fiber->inside);
    after_switch(fake, NULL, NULL);
}

void
mob_fiber_leave(MobFiber *fiber)
{
    before_switch(&fiber->fake, fiber->outer_stack, fiber->outer_size);
    swapcontext(&fiber->inside, &fiber->outside);
    after_switch(fiber->fake, &fiber->outer_stack, &fiber->outer_size);
}
