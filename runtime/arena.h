/* arena.h: which bytes of a region of memory are taken.
 *
 * Only offsets are dealt with: nobody need have the region itself, as in
 * simulation. And all that is known of it stands here, outside, so that
 * nothing that is written into the region can break it.
 *
 * Blocks cover the region in the order of their offsets, and no two that are
 * free touch. A request takes the smallest free block that will do, of equal
 * ones the first. What is large begins and ends with a page, and is cut from
 * the front of that block; what is small is cut from its end, so that pages
 * stay together. Only if no free block can hold it is a request refused.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    MOB_ARENA_UNIT = 64, /* of every offset and size */
    MOB_ARENA_PAGE = 4096,
    MOB_ARENA_LARGE = 64 * 1024, /* what takes so much has its pages to itself */
};

typedef struct MobArena MobArena;

/* @size is a multiple of MOB_ARENA_PAGE. */
MobArena *mob_arena_new(uint64_t size);
void mob_arena_free(MobArena *arena);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobArena, mob_arena_free)

/* Takes @size bytes and says where they begin; false if they cannot be had. */
bool mob_arena_alloc(MobArena *arena, uint64_t size, uint64_t *offset);

/* Gives back what was taken at @offset; false if nothing begins there. */
bool mob_arena_release(MobArena *arena, uint64_t offset);

/* How many bytes a value of @size takes. */
uint64_t mob_arena_room(uint64_t size);

typedef struct {
    uint64_t size;
    uint64_t used;    /* bytes, with what rounding adds */
    uint64_t blocks;  /* that are taken */
    uint64_t holes;   /* free blocks: 1 where nothing is fragmented */
    uint64_t largest; /* bytes of the largest hole */
} MobArenaUse;

MobArenaUse mob_arena_use(const MobArena *arena);

/* A stretch of the region that is one block, or one hole. */
typedef struct {
    uint64_t offset;
    uint64_t size;
    bool taken;
} MobSpan;

/* Walks the region from its beginning:
 *
 *     MobSpan span = {0};
 *     while (mob_arena_next(arena, &span))
 *         …
 */
bool mob_arena_next(const MobArena *arena, MobSpan *span);

/* Counts everything again. Returns what is not as it should be, or NULL. */
const char *mob_arena_check(const MobArena *arena);
