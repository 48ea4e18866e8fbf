/* arena.c: see arena.h.
 *
 * Every block stands in one tree by its offset, and if it is free in another
 * by its size. Blocks are never changed, only dropped and added: their keys
 * are in them.
 */
#include "runtime/arena.h"

struct MobArena {
    GTree *blocks; /* of MobSpan by offset, owned */
    GTree *holes;  /* of those that are free by size, then offset */
    uint64_t size;
    uint64_t used;
};

static int
compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int
compare_offsets(const void *left, const void *right, void *data)
{
    return compare(((const MobSpan *)left)->offset, ((const MobSpan *)right)->offset);
}

static int
compare_sizes(const void *left, const void *right)
{
    int order = compare(((const MobSpan *)left)->size, ((const MobSpan *)right)->size);

    return order != 0 ? order : compare_offsets(left, right, NULL);
}

static void
add(MobArena *arena, uint64_t offset, uint64_t end, bool taken)
{
    if (offset == end)
        return;
    MobSpan *block = g_new(MobSpan, 1);
    *block = (MobSpan){offset, end - offset, taken};
    g_tree_insert(arena->blocks, block, block);
    if (taken)
        arena->used += block->size;
    else
        g_tree_insert(arena->holes, block, block);
}

static void
drop(MobArena *arena, const MobSpan *block)
{
    if (block->taken)
        arena->used -= block->size;
    else
        g_tree_remove(arena->holes, block);
    g_tree_remove(arena->blocks, block);
}

MobArena *
mob_arena_new(uint64_t size)
{
    MobArena *arena = g_new0(MobArena, 1);

    g_assert(size % MOB_ARENA_PAGE == 0);
    arena->blocks = g_tree_new_full(compare_offsets, NULL, NULL, g_free);
    arena->holes = g_tree_new(compare_sizes);
    arena->size = size;
    add(arena, 0, size, false);
    return arena;
}

void
mob_arena_free(MobArena *arena)
{
    if (arena == NULL)
        return;
    g_tree_unref(arena->holes);
    g_tree_unref(arena->blocks);
    g_free(arena);
}

static uint64_t
round_up(uint64_t number, uint64_t unit)
{
    return (number + unit - 1) / unit * unit;
}

uint64_t
mob_arena_room(uint64_t size)
{
    return round_up(MAX(size, 1), size < MOB_ARENA_LARGE ? MOB_ARENA_UNIT : MOB_ARENA_PAGE);
}

/* Where in the hole so many bytes would begin; false if they do not fit. */
static bool
fit(const MobSpan *hole, uint64_t room, uint64_t *at)
{
    uint64_t end = hole->offset + hole->size;

    if (room < MOB_ARENA_LARGE)
        *at = end - room;
    else
        *at = round_up(hole->offset, MOB_ARENA_PAGE);
    return room <= hole->size && *at + room <= end;
}

bool
mob_arena_alloc(MobArena *arena, uint64_t size, uint64_t *offset)
{
    MobSpan least = {0};
    uint64_t at;

    if (size > arena->size)
        return false;
    least.size = mob_arena_room(size);
    /* A hole that does not fit lacks less than a page: the walk is short. */
    for (GTreeNode *node = g_tree_lower_bound(arena->holes, &least); node != NULL;
         node = g_tree_node_next(node)) {
        MobSpan hole = *(const MobSpan *)g_tree_node_value(node);
        if (!fit(&hole, least.size, &at))
            continue;
        drop(arena, g_tree_node_value(node));
        add(arena, hole.offset, at, false);
        add(arena, at, at + least.size, true);
        add(arena, at + least.size, hole.offset + hole.size, false);
        *offset = at;
        return true;
    }
    return false;
}

/* The block of @node if it is free, else NULL. */
static const MobSpan *
hole_at(GTreeNode *node)
{
    const MobSpan *block = node != NULL ? g_tree_node_value(node) : NULL;

    return block != NULL && !block->taken ? block : NULL;
}

bool
mob_arena_release(MobArena *arena, uint64_t offset)
{
    GTreeNode *node = g_tree_lookup_node(arena->blocks, &(MobSpan){.offset = offset});
    const MobSpan *block = node != NULL ? g_tree_node_value(node) : NULL;

    if (block == NULL || !block->taken)
        return false;
    const MobSpan *before = hole_at(g_tree_node_previous(node));
    const MobSpan *behind = hole_at(g_tree_node_next(node));
    uint64_t begin = before != NULL ? before->offset : offset;
    uint64_t end = offset + block->size + (behind != NULL ? behind->size : 0);
    drop(arena, block);
    if (before != NULL)
        drop(arena, before);
    if (behind != NULL)
        drop(arena, behind);
    add(arena, begin, end, false);
    return true;
}

MobArenaUse
mob_arena_use(const MobArena *arena)
{
    uint64_t holes = (uint64_t)g_tree_nnodes(arena->holes);
    GTreeNode *last = g_tree_node_last(arena->holes);

    return (MobArenaUse){
        .size = arena->size,
        .used = arena->used,
        .blocks = (uint64_t)g_tree_nnodes(arena->blocks) - holes,
        .holes = holes,
        .largest = last != NULL ? ((const MobSpan *)g_tree_node_value(last))->size : 0,
    };
}

bool
mob_arena_next(const MobArena *arena, MobSpan *span)
{
    MobSpan next = {.offset = span->offset + span->size};
    const MobSpan *block = g_tree_lookup(arena->blocks, &next);

    if (block != NULL)
        *span = *block;
    return block != NULL;
}

const char *
mob_arena_check(const MobArena *arena)
{
    MobSpan span = {0};
    uint64_t used = 0;
    int holes = 0;
    bool free_before = false;

    while (mob_arena_next(arena, &span)) {
        bool page = span.offset % MOB_ARENA_PAGE == 0;
        if (span.size == 0 || span.offset % MOB_ARENA_UNIT != 0 || span.size % MOB_ARENA_UNIT != 0)
            return "a block is empty, or not made of whole units";
        if (span.taken &&
            (mob_arena_room(span.size) != span.size || (span.size >= MOB_ARENA_LARGE && !page)))
            return "a large block does not have its pages to itself";
        if (!span.taken && free_before)
            return "two holes touch";
        if (!span.taken && g_tree_lookup(arena->holes, &span) == NULL)
            return "a hole is not among the holes";
        free_before = !span.taken;
        holes += !span.taken;
        used += span.taken ? span.size : 0;
    }
    if (span.offset + span.size != arena->size)
        return "the blocks do not cover the region";
    if (used != arena->used)
        return "the bytes that are taken were counted wrongly";
    return holes == g_tree_nnodes(arena->holes) ? NULL : "there are holes that are not there";
}
