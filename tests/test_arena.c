/* test_arena.c: the allocator of stores, against a map that has a byte for
 * each unit of the region.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "runtime/arena.h"
#include "runtime/ids.h"

enum {
    KIB = 1024,
    REGION = 2048 * KIB,
    UNITS = REGION / MOB_ARENA_UNIT,
};

static void
assert_sound(const MobArena *arena)
{
    const char *problem = mob_arena_check(arena);

    cr_assert_null(problem, "%s", problem);
}

static uint64_t
take(MobArena *arena, uint64_t size)
{
    uint64_t offset = UINT64_MAX;

    cr_assert(mob_arena_alloc(arena, size, &offset));
    assert_sound(arena);
    return offset;
}

Test(arena, large_values_have_their_pages_to_themselves)
{
    g_autoptr(MobArena) arena = mob_arena_new(REGION);

    uint64_t small = take(arena, 1);
    uint64_t large = take(arena, MOB_ARENA_LARGE);
    uint64_t larger = take(arena, MOB_ARENA_LARGE + 1);
    uint64_t almost = take(arena, MOB_ARENA_LARGE - 64);
    cr_assert_eq(small % MOB_ARENA_UNIT, 0);
    cr_assert_eq(almost % MOB_ARENA_UNIT, 0);
    cr_assert_eq(large, 0, "large ones stand at the front");
    cr_assert_eq(larger, MOB_ARENA_LARGE);
    cr_assert_eq(small, REGION - 64, "small ones at the end");
    cr_assert_eq(almost, REGION - MOB_ARENA_LARGE);
    cr_assert_eq(mob_arena_use(arena).used, 64 * KIB + 68 * KIB + 64 * KIB);
    cr_assert_eq(mob_arena_use(arena).blocks, 4);
    cr_assert_eq(mob_arena_use(arena).holes, 1);
    cr_assert_eq(mob_arena_room(0), 64);
    cr_assert_eq(mob_arena_room(65), 128);
    cr_assert_eq(mob_arena_room(MOB_ARENA_LARGE + 1), 68 * KIB);
}

Test(arena, the_smallest_hole_that_will_do_is_taken)
{
    g_autoptr(MobArena) arena = mob_arena_new(1024 * KIB);
    uint64_t at[5];

    for (size_t i = 0; i < G_N_ELEMENTS(at); i++)
        at[i] = take(arena, (i == 1 ? 200 : i == 3 ? 100 : 64) * KIB);
    mob_arena_release(arena, at[1]);
    mob_arena_release(arena, at[3]);
    cr_assert_eq(mob_arena_use(arena).holes, 3);
    cr_assert_eq(take(arena, 80 * KIB), at[3]);
    cr_assert_eq(take(arena, 120 * KIB), at[1]);
    cr_assert_eq(take(arena, 100), at[3] + 100 * KIB - 128, "the rest of the small hole");
}

Test(arena, holes_that_touch_become_one)
{
    g_autoptr(MobArena) arena = mob_arena_new(REGION);
    uint64_t a = take(arena, 100 * KIB);
    uint64_t b = take(arena, 100 * KIB);
    uint64_t c = take(arena, 100 * KIB);

    cr_assert(mob_arena_release(arena, a));
    cr_assert(mob_arena_release(arena, c));
    assert_sound(arena);
    cr_assert_eq(mob_arena_use(arena).holes, 2);
    cr_assert(mob_arena_release(arena, b));
    assert_sound(arena);
    cr_assert_eq(mob_arena_use(arena).holes, 1);
    cr_assert_eq(mob_arena_use(arena).largest, REGION);
    cr_assert_eq(mob_arena_use(arena).used, 0);
}

Test(arena, what_was_not_taken_is_not_given_back)
{
    g_autoptr(MobArena) arena = mob_arena_new(REGION);
    uint64_t offset = take(arena, 100 * KIB);

    cr_assert_not(mob_arena_release(arena, offset + 64));
    cr_assert_not(mob_arena_release(arena, offset + 100 * KIB), "a hole");
    cr_assert_not(mob_arena_release(arena, REGION));
    cr_assert_not(mob_arena_release(arena, UINT64_MAX));
    cr_assert(mob_arena_release(arena, offset));
    cr_assert_not(mob_arena_release(arena, offset), "twice");
    cr_assert_not(mob_arena_alloc(arena, REGION + 1, &offset));
    cr_assert_not(mob_arena_alloc(arena, UINT64_MAX, &offset));
    cr_assert_eq(take(arena, REGION), 0);
    cr_assert_not(mob_arena_alloc(arena, 1, &offset));
    cr_assert_eq(mob_arena_use(arena).largest, 0);
}

Test(arena, is_walked_from_its_beginning_to_its_end)
{
    g_autoptr(MobArena) arena = mob_arena_new(REGION);
    MobSpan span = {0};
    g_autoptr(GString) seen = g_string_new(NULL);

    take(arena, 100 * KIB);
    uint64_t second = take(arena, 100 * KIB);
    take(arena, 100 * KIB);
    take(arena, 64);
    mob_arena_release(arena, second);
    while (mob_arena_next(arena, &span))
        g_string_append_printf(seen, "%s%" G_GUINT64_FORMAT " ", span.taken ? "" : "free ",
                               span.size / 64);
    cr_assert_str_eq(seen->str, "1600 free 1600 1600 free 27967 1 ");
}

/* --- storms --- */

typedef struct {
    MobArena *arena;
    uint8_t map[UNITS];      /* 1: taken */
    uint64_t offsets[UNITS]; /* of what is taken, in no order */
    uint64_t rooms[UNITS];
    uint64_t count;
    uint64_t draws;
    uint64_t seed;
    uint64_t refused;
    uint64_t hash;
} Storm;

static uint64_t
below(Storm *storm, uint64_t limit)
{
    return mob_mix(mob_mix(storm->seed) + storm->draws++) % limit;
}

/* Whether anything of @room bytes could stand somewhere. */
static bool
could_hold(const Storm *storm, uint64_t room)
{
    uint64_t step = room < MOB_ARENA_LARGE ? 1 : MOB_ARENA_PAGE / MOB_ARENA_UNIT;
    uint64_t units = room / MOB_ARENA_UNIT;

    for (uint64_t at = 0; at + units <= UNITS; at += step)
        if (memchr(storm->map + at, 1, units) == NULL)
            return true;
    return false;
}

static void
storm_take(Storm *storm)
{
    uint64_t kinds[] = {1 + below(storm, 300), 1 + below(storm, 20 * KIB),
                        MOB_ARENA_LARGE - 100 + below(storm, 200), below(storm, 300 * KIB)};
    uint64_t size = kinds[below(storm, G_N_ELEMENTS(kinds))];
    uint64_t room = mob_arena_room(size);
    uint64_t offset;

    if (!mob_arena_alloc(storm->arena, size, &offset)) {
        cr_assert_not(could_hold(storm, room), "%" G_GUINT64_FORMAT " would fit", size);
        storm->refused++;
        return;
    }
    cr_assert_geq(room, size);
    cr_assert_leq(offset + room, REGION);
    cr_assert_eq(offset % (room < MOB_ARENA_LARGE ? MOB_ARENA_UNIT : MOB_ARENA_PAGE), 0);
    uint8_t *at = storm->map + offset / MOB_ARENA_UNIT;
    cr_assert_null(memchr(at, 1, room / MOB_ARENA_UNIT), "taken twice");
    memset(at, 1, room / MOB_ARENA_UNIT);
    storm->offsets[storm->count] = offset;
    storm->rooms[storm->count++] = room;
    storm->hash = mob_mix(storm->hash ^ offset);
}

static void
storm_release(Storm *storm)
{
    if (storm->count == 0)
        return;
    uint64_t i = below(storm, storm->count);
    cr_assert(mob_arena_release(storm->arena, storm->offsets[i]));
    memset(storm->map + storm->offsets[i] / MOB_ARENA_UNIT, 0, storm->rooms[i] / MOB_ARENA_UNIT);
    storm->count--;
    storm->offsets[i] = storm->offsets[storm->count];
    storm->rooms[i] = storm->rooms[storm->count];
}

static void
assert_counted(const Storm *storm)
{
    MobArenaUse use = mob_arena_use(storm->arena);
    uint64_t used = 0;
    uint64_t holes = 0;
    uint64_t largest = 0;

    for (size_t at = 0, run = 0; at < UNITS; at++) {
        used += storm->map[at];
        run = storm->map[at] == 0 ? run + 1 : 0;
        holes += run == 1;
        largest = MAX(largest, run);
    }
    cr_assert_eq(use.used, used * MOB_ARENA_UNIT);
    cr_assert_eq(use.blocks, storm->count);
    cr_assert_eq(use.holes, holes);
    cr_assert_eq(use.largest, largest * MOB_ARENA_UNIT);
}

/* Tides: now more is taken, now more is given back. */
static uint64_t
blow(uint64_t seed, uint64_t *refused)
{
    g_autofree Storm *storm = g_new0(Storm, 1);

    storm->seed = seed;
    storm->arena = mob_arena_new(REGION);
    for (int i = 0; i < 4000; i++) {
        uint64_t flood = i / 300 % 2 == 0 ? 7 : 3;
        if (below(storm, 10) < flood)
            storm_take(storm);
        else
            storm_release(storm);
        assert_sound(storm->arena);
        if (i % 50 == 0)
            assert_counted(storm);
    }
    *refused += storm->refused;
    while (storm->count > 0)
        storm_release(storm);
    assert_sound(storm->arena);
    cr_assert_eq(mob_arena_use(storm->arena).largest, REGION, "nothing has leaked");
    mob_arena_free(storm->arena);
    return storm->hash;
}

Test(arena, in_storms_blocks_never_overlap_and_nothing_that_fits_is_refused)
{
    uint64_t refused = 0;

    for (uint64_t seed = 1; seed <= 20; seed++)
        blow(seed, &refused);
    cr_assert_gt(refused, 1000, "the region was never full");
}

Test(arena, equal_requests_are_given_equal_offsets)
{
    uint64_t refused = 0;
    uint64_t first = blow(99, &refused);

    cr_assert_eq(blow(99, &refused), first);
    cr_assert_neq(blow(98, &refused), first);
}
