/* queue.c: see queue.h. */
#include "sim/queue.h"

#include <string.h>

enum {
    FIRST_CAPACITY = 64
};

static inline bool
before(const MobEntry *a, const MobEntry *b)
{
    if (a->at != b->at)
        return a->at < b->at;
    if (a->tie != b->tie)
        return a->tie < b->tie;
    return a->seq < b->seq;
}

/* --- cells: where the contents are --- */

static uint32_t
take_cell(MobQueue *queue)
{
    uint32_t index = queue->free_cell;

    if (index != 0) {
        queue->free_cell = queue->cells[index].next_free;
        return index;
    }
    if (queue->cell_count == queue->cell_capacity) {
        queue->cell_capacity *= 2;
        queue->cells = g_renew(MobQueueCell, queue->cells, queue->cell_capacity);
    }
    index = queue->cell_count++;
    queue->cells[index].generation = 1;
    return index;
}

static void
free_cell(MobQueue *queue, uint32_t index)
{
    MobQueueCell *cell = &queue->cells[index];

    cell->generation++;
    cell->next_free = queue->free_cell;
    queue->free_cell = index;
    queue->count--;
    queue->foreground -= cell->content.foreground;
}

static inline bool
is_stale(const MobQueue *queue, const MobEntry *entry)
{
    return queue->cells[entry->slot].generation != entry->generation;
}

/* --- the rings --- */

static void
ring_grow(MobRing *ring)
{
    MobEntry *entries = g_new(MobEntry, (size_t)ring->capacity * 2);

    for (uint32_t i = 0; i < ring->count; i++)
        entries[i] = ring->entries[(ring->head + i) & (ring->capacity - 1)];
    g_free(ring->entries);
    ring->entries = entries;
    ring->capacity *= 2;
    ring->head = 0;
}

static inline MobEntry *
ring_at(const MobRing *ring, uint32_t i)
{
    return &ring->entries[(ring->head + i) & (ring->capacity - 1)];
}

static bool
ring_append(MobRing *ring, const MobEntry *entry)
{
    if (ring->count > 0 && before(entry, ring_at(ring, ring->count - 1)))
        return false;
    if (ring->count == ring->capacity)
        ring_grow(ring);
    *ring_at(ring, ring->count++) = *entry;
    return true;
}

/* --- the heap --- */

static void
heap_add(MobQueue *queue, const MobEntry *entry)
{
    if (queue->heap_count == queue->heap_capacity) {
        queue->heap_capacity *= 2;
        queue->heap = g_renew(MobEntry, queue->heap, queue->heap_capacity);
    }
    MobEntry *heap = queue->heap;
    size_t hole = queue->heap_count++;
    while (hole > 0 && before(entry, &heap[(hole - 1) / 4])) {
        heap[hole] = heap[(hole - 1) / 4];
        hole = (hole - 1) / 4;
    }
    heap[hole] = *entry;
}

static inline size_t
least_child(const MobEntry *heap, size_t count, size_t parent)
{
    size_t least = parent * 4 + 1;
    size_t end = MIN(parent * 4 + 5, count);

    for (size_t child = least + 1; child < end; child++)
        if (before(&heap[child], &heap[least]))
            least = child;
    return least;
}

static void
heap_remove_first(MobQueue *queue)
{
    MobEntry *heap = queue->heap;
    size_t count = --queue->heap_count;
    MobEntry last = heap[count];
    size_t hole = 0;

    while (hole * 4 + 1 < count) {
        size_t child = least_child(heap, count, hole);
        if (!before(&heap[child], &last))
            break;
        heap[hole] = heap[child];
        hole = child;
    }
    heap[hole] = last;
}

/* --- all together --- */

/* Of the rings that would stay in order the one whose end is nearest. */
static MobLane
best_far_lane(const MobQueue *queue, const MobEntry *entry)
{
    const MobEntry *nearest = NULL;
    MobLane best = MOB_LANE_NONE;

    for (MobLane lane = MOB_LANE_FAR; lane <= MOB_LANE_FAR_LAST; lane++) {
        const MobRing *ring = &queue->lanes[lane];
        const MobEntry *end = ring->count > 0 ? ring_at(ring, ring->count - 1) : NULL;
        if (end == NULL && best == MOB_LANE_NONE)
            best = lane;
        if (end == NULL || before(entry, end) || (nearest != NULL && before(end, nearest)))
            continue;
        nearest = end;
        best = lane;
    }
    return best;
}

static MobHandle
add(MobQueue *queue, MobTime at, uint64_t tie, uint64_t seq, MobLane lane, const MobSlot *slot)
{
    uint32_t index = take_cell(queue);
    MobQueueCell *cell = &queue->cells[index];
    MobEntry entry = {at, tie, seq, index, cell->generation};

    cell->content = *slot;
    queue->peeked = false;
    queue->count++;
    queue->foreground += slot->foreground;
    if (lane == MOB_LANE_FAR)
        lane = best_far_lane(queue, &entry);
    if (lane == MOB_LANE_NONE || !ring_append(&queue->lanes[lane], &entry))
        heap_add(queue, &entry);
    return (uint64_t)entry.generation << 32 | index;
}

MobHandle
mob_queue_push(MobQueue *queue, MobTime at, uint64_t tie, MobLane lane, const MobSlot *slot)
{
    return add(queue, at, tie, ++queue->seq, lane, slot);
}

MobHandle
mob_queue_push_aged(MobQueue *queue, MobTime at, uint64_t tie, uint64_t seq, const MobSlot *slot)
{
    return add(queue, at, tie, seq, MOB_LANE_NONE, slot);
}

/* Returns the lane of the least head, MOB_LANE_NONE for the heap; *@head is
 * NULL if there is nothing at all. */
static MobLane
least_head(const MobQueue *queue, const MobEntry **head)
{
    const MobEntry *least = queue->heap_count > 0 ? &queue->heap[0] : NULL;
    MobLane where = MOB_LANE_NONE;

    for (unsigned lane = 0; lane < MOB_LANE_COUNT; lane++) {
        const MobRing *ring = &queue->lanes[lane];
        if (ring->count == 0)
            continue;
        const MobEntry *first = &ring->entries[ring->head];
        if (least == NULL || before(first, least)) {
            least = first;
            where = (MobLane)lane;
        }
    }
    *head = least;
    return where;
}

static void
remove_head(MobQueue *queue, MobLane lane)
{
    if (lane == MOB_LANE_NONE) {
        heap_remove_first(queue);
        return;
    }
    MobRing *ring = &queue->lanes[lane];
    ring->head = (ring->head + 1) & (ring->capacity - 1);
    ring->count--;
}

bool
mob_queue_peek(MobQueue *queue, MobTime *at)
{
    const MobEntry *head;

    for (;;) {
        MobLane lane = queue->least = least_head(queue, &head);
        if (head == NULL)
            return false;
        if (!is_stale(queue, head))
            break;
        remove_head(queue, lane);
    }
    queue->peeked = true;
    *at = head->at;
    return true;
}

MobEntry
mob_queue_pop(MobQueue *queue, MobSlot *slot)
{
    MobTime at;

    if (!queue->peeked && !mob_queue_peek(queue, &at))
        g_assert_not_reached();
    const MobEntry *head =
        queue->least == MOB_LANE_NONE ? &queue->heap[0] : ring_at(&queue->lanes[queue->least], 0);
    MobEntry entry = *head;
    queue->peeked = false;
    remove_head(queue, queue->least);
    *slot = queue->cells[entry.slot].content;
    free_cell(queue, entry.slot);
    return entry;
}

const MobSlot *
mob_queue_soon(const MobQueue *queue, MobLane lane, uint32_t ahead)
{
    const MobRing *ring = &queue->lanes[lane];

    if (ahead >= ring->count)
        return NULL;
    const MobEntry *entry = ring_at(ring, ahead);
    return is_stale(queue, entry) ? NULL : &queue->cells[entry->slot].content;
}

void
mob_queue_prefetch(const MobQueue *queue, MobLane lane, uint32_t ahead)
{
    const MobRing *ring = &queue->lanes[lane];

    if (ahead < ring->count)
        __builtin_prefetch(&queue->cells[ring_at(ring, ahead)->slot]);
}

static MobQueueCell *
cell_of(MobQueue *queue, MobHandle handle)
{
    MobQueueCell *cell = &queue->cells[(uint32_t)handle];

    g_assert((uint32_t)handle < queue->cell_count);
    g_assert(cell->generation == handle >> 32);
    return cell;
}

void
mob_queue_cancel(MobQueue *queue, MobHandle handle)
{
    cell_of(queue, handle);
    queue->peeked = false;
    free_cell(queue, (uint32_t)handle);
}

void
mob_queue_set_foreground(MobQueue *queue, MobHandle handle, bool foreground)
{
    MobSlot *slot = &cell_of(queue, handle)->content;

    queue->foreground += (size_t)foreground - (size_t)slot->foreground;
    slot->foreground = foreground;
}

void
mob_queue_drain(MobQueue *queue, void (*drop)(void *data, MobSlot *slot), void *data)
{
    MobTime at;

    while (mob_queue_peek(queue, &at)) {
        MobSlot slot;
        mob_queue_pop(queue, &slot);
        drop(data, &slot);
    }
}

void
mob_queue_init(MobQueue *queue)
{
    memset(queue, 0, sizeof *queue);
    queue->heap_capacity = FIRST_CAPACITY;
    queue->heap = g_new(MobEntry, FIRST_CAPACITY);
    queue->cell_capacity = FIRST_CAPACITY;
    queue->cells = g_new(MobQueueCell, FIRST_CAPACITY);
    queue->cell_count = 1;
    for (unsigned lane = 0; lane < MOB_LANE_COUNT; lane++) {
        queue->lanes[lane].capacity = FIRST_CAPACITY;
        queue->lanes[lane].entries = g_new(MobEntry, FIRST_CAPACITY);
    }
}

void
mob_queue_clear(MobQueue *queue)
{
    g_free(queue->heap);
    g_free(queue->cells);
    for (unsigned lane = 0; lane < MOB_LANE_COUNT; lane++)
        g_free(queue->lanes[lane].entries);
    memset(queue, 0, sizeof *queue);
}

/* --- inboxes --- */

static void
inbox_grow(MobInbox *inbox)
{
    uint32_t capacity = MAX(inbox->capacity * 2, 8);
    MobSlot *slots = g_new(MobSlot, capacity);

    for (uint32_t i = 0; i < inbox->count; i++)
        slots[i] = inbox->slots[(inbox->head + i) & (inbox->capacity - 1)];
    g_free(inbox->slots);
    inbox->slots = slots;
    inbox->capacity = capacity;
    inbox->head = 0;
}

void
mob_inbox_put(MobInbox *inbox, const MobSlot *slot)
{
    if (inbox->count == inbox->capacity)
        inbox_grow(inbox);
    inbox->slots[(inbox->head + inbox->count++) & (inbox->capacity - 1)] = *slot;
    inbox->foreground += slot->foreground;
}

const MobSlot *
mob_inbox_peek(const MobInbox *inbox)
{
    return inbox->count > 0 ? &inbox->slots[inbox->head] : NULL;
}

bool
mob_inbox_take(MobInbox *inbox, MobSlot *slot)
{
    if (inbox->count == 0)
        return false;
    *slot = inbox->slots[inbox->head];
    inbox->head = (inbox->head + 1) & (inbox->capacity - 1);
    inbox->count--;
    inbox->foreground -= slot->foreground;
    return true;
}
