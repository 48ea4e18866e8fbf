/* shared.c: regions of shared memory and the values in them; see shared.h.
 *
 * The bytes in our regions are at most twice what the machine's store holds:
 * what is read still, or waits for room there, has its bytes here already.
 */
#include "net/shared_parts.h"

#include <unistd.h>

#define HUGE_PAGE  (UINT64_C(2) << 20)
#define REGION_MAX (UINT64_C(16) << 30)
#define AHEAD      (UINT64_C(128) << 20) /* at most so much more than was ever used */
#define PAUSE      4         /* times as long as a slice took: the machine may have better to do */
#define SLICE      HUGE_PAGE /* faulted in between two rounds */
#define EMPTY_TIME (2 * MOB_SECOND)

/* --- regions --- */

static uint64_t
memory_of_machine(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
region_free(MobRegion *region)
{
    mob_shm_unref(region->shm);
    if (region->arena != NULL)
        mob_arena_free(region->arena);
    g_free(region);
}

static MobKey
region_key(uint64_t id)
{
    return (MobKey){id, 2};
}

static void
region_end(MobShared *shared, MobRegion *region)
{
    if (shared->host != NULL)
        mob_sharers_gone(shared, region);
    mob_table_take(shared->regions, region_key(region->id));
    if (region->arena != NULL)
        g_ptr_array_remove(shared->own, region);
    region_free(region);
}

/* The first of ours stays for a while for what comes: its pages are there. */
void
mob_region_review(MobShared *shared, MobRegion *region)
{
    bool first = region->arena != NULL && region == g_ptr_array_index(shared->own, 0);
    bool spare = region->arena != NULL && !first;

    if (region->values > 0)
        return;
    if (region->over || spare || shared->host == NULL) {
        region_end(shared, region);
    } else if (first) {
        shared->empty_at = mob_clock_real() + EMPTY_TIME;
        mob_lines_look_by(shared->host, shared->empty_at);
    }
}

/* What a machine's processes have touched together would else be as many stores as they
 * are: values go to a disk, and whoever writes the next ones is another one. */
static void
give_up_empty(MobShared *shared)
{
    if (shared->empty_at == 0 || mob_clock_real() < shared->empty_at)
        return;
    shared->empty_at = shared->peak = shared->ahead_at = 0;
    region_end(shared, g_ptr_array_index(shared->own, 0));
}

/* A region that can hold at least @size bytes. Pages that nobody has touched
 * cost nothing, so it may be as large as the store. */
static MobRegion *
new_region(MobShared *shared, uint64_t size)
{
    g_autoptr(GError) error = NULL;
    const MobBirth *birth = shared->host->birth;
    uint64_t room = MAX(MIN(shared->capacity, REGION_MAX), mob_arena_room(size));

    room = (room + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    g_autofree char *name = g_strdup_printf("mobula %s", mob_str(birth->name));
    MobShm *shm = mob_shm_create(room, name, &error);
    if (shm == NULL) {
        g_printerr("mobula: %s: %s\n", mob_str(birth->name), error->message);
        return NULL;
    }
    MobRegion *region = g_new0(MobRegion, 1);
    *region = (MobRegion){.id = (uint64_t)birth->address.local << 32 | ++shared->numbers,
                          .shm = shm,
                          .arena = mob_arena_new(room)};
    mob_table_add(shared->regions, region_key(region->id), region);
    g_ptr_array_add(shared->own, region);
    return region;
}

static bool
take(MobShared *shared, MobRegion *region, uint64_t size, uint64_t *offset)
{
    if (!mob_arena_alloc(region->arena, size, offset))
        return false;
    mob_shm_unprotect(region->shm, *offset, size); /* of what was there before */
    if (!mob_shm_reserve(region->shm, *offset, size)) {
        mob_arena_release(region->arena, *offset);
        return false;
    }
    region->values++;
    if (region == g_ptr_array_index(shared->own, 0))
        shared->empty_at = 0;
    shared->used += mob_arena_room(size);
    shared->peak = MAX(shared->peak, shared->used);
    return true;
}

static MobRegion *
take_room(MobShared *shared, uint64_t size, uint64_t *offset)
{
    if (size > MIN(shared->capacity, MOB_WRITTEN_MAX) ||
        shared->used + mob_arena_room(size) > 2 * shared->capacity)
        return NULL;
    for (guint i = 0; i < shared->own->len; i++) {
        MobRegion *region = g_ptr_array_index(shared->own, i);
        if (take(shared, region, size, offset))
            return region;
    }
    MobRegion *region = new_region(shared, size);
    if (region == NULL || take(shared, region, size, offset))
        return region;
    mob_region_review(shared, region);
    return NULL;
}

/* Not for a node manager: making a large page waits for every core, and others
 * take one that does not answer for dead. */
void
mob_shared_ahead(MobNetHost *host)
{
    MobShared *shared = host->shared;

    if (shared != NULL)
        give_up_empty(shared);
    if (shared == NULL || host->role == MOB_ROLE_NODE || shared->peak == 0 ||
        mob_clock_real() < shared->ahead_at)
        return;
    const MobRegion *region = g_ptr_array_index(shared->own, 0);
    uint64_t size = mob_shm_size(region->shm);
    uint64_t want = MIN(size, shared->peak + MIN(shared->peak / 4, AHEAD));
    if (size - mob_shm_unpopulated(region->shm) >= want)
        return;
    uint64_t begun = mob_clock_real();
    bool ok = mob_shm_populate(region->shm, SLICE, NULL);
    uint64_t now = mob_clock_real();
    shared->ahead_at = ok ? now + PAUSE * (now - begun) : UINT64_MAX;
}

/* --- values in them --- */

static void
shared_unref(MobShared *shared)
{
    MobRegion *region;
    size_t at = 0;

    if (shared->host != NULL || shared->loans > 0)
        return;
    while ((region = mob_table_next(shared->regions, &at)) != NULL)
        region_free(region);
    mob_table_free(shared->regions);
    g_ptr_array_unref(shared->own);
    g_free(shared);
}

static void
give_back(MobLoan *loan)
{
    MobRegion *region = loan->region;
    uint64_t before = mob_arena_use(region->arena).used;
    bool ok = mob_arena_release(region->arena, loan->offset);

    g_assert(ok);
    loan->shared->used -= before - mob_arena_use(region->arena).used;
}

static void
release(void *data)
{
    MobLoan *loan = data;
    MobShared *shared = loan->shared;

    if (loan->region->arena != NULL)
        give_back(loan);
    else if (loan->from != NULL)
        mob_sharer_release(loan);
    loan->region->values--;
    mob_region_review(shared, loan->region);
    shared->loans--;
    g_free(loan);
    shared_unref(shared);
}

MobLoan *
mob_loan_of(const MobValue *value)
{
    const MobHold *hold = mob_value_hold(value);

    return hold != NULL && hold->release == release ? hold->data : NULL;
}

static MobLoan *
new_loan(MobShared *shared, MobRegion *region, uint64_t offset)
{
    MobLoan *loan = g_new0(MobLoan, 1);

    *loan = (MobLoan){.shared = shared, .region = region, .offset = offset};
    shared->loans++;
    return loan;
}

/* Nobody may write there any more, as far as that can be had. */
void
mob_loan_seal(MobLoan *loan, uint64_t size)
{
    if (loan->region->arena != NULL && !loan->sealed)
        mob_shm_protect(loan->region->shm, loan->offset, size);
    loan->sealed = true;
}

static uint8_t *
collect(void *data, uint64_t size, MobHold *hold)
{
    MobShared *shared = data;
    uint64_t offset;
    MobRegion *region = size >= MOB_ARENA_LARGE ? take_room(shared, size, &offset) : NULL;

    if (region == NULL) {
        uint8_t *bytes = g_try_malloc(size);
        *hold = (MobHold){g_free, bytes};
        return bytes;
    }
    *hold = (MobHold){release, new_loan(shared, region, offset)};
    return mob_shm_writable_at(region->shm, offset, size);
}

MobRoom
mob_shared_room(MobNetHost *host)
{
    return (MobRoom){collect, host->shared};
}

MobValue *
mob_shared_write(MobShared *shared, MobValue *value)
{
    uint64_t offset;

    if (mob_loan_of(value) != NULL)
        return mob_value_ref(value);
    MobRegion *region = take_room(shared, value->size, &offset);
    if (region == NULL)
        return NULL;
    uint8_t *at = mob_shm_writable_at(region->shm, offset, value->size);
    mob_value_write_out(value, at);
    MobHold hold = {release, new_loan(shared, region, offset)};
    mob_loan_seal(hold.data, value->size);
    MobValue *written = mob_value_parse_in_place(at, value->size, value->hash, hold, NULL);
    g_assert(written != NULL);
    return written;
}

MobValue *
mob_loan_new(MobShared *shared, MobSharer *from, const MobWhere *place)
{
    MobRegion *region = mob_table_get(shared->regions, region_key(place->region));
    const uint8_t *at = region != NULL && region->arena == NULL
                            ? mob_shm_at(region->shm, place->offset, place->length)
                            : NULL;

    if (at == NULL || place->hash == 0)
        return NULL;
    MobLoan *loan = new_loan(shared, region, place->offset);
    MobHold hold = {release, loan};
    region->values++;
    MobValue *value = mob_value_parse_in_place(at, place->length, place->hash, hold, NULL);
    if (value == NULL) {
        release(loan);
        return NULL;
    }
    loan->from = from;
    loan->next = from->loans;
    if (loan->next != NULL)
        loan->next->before = loan;
    from->loans = loan;
    return value;
}

/* --- making --- */

MobShared *
mob_shared_new(MobNetHost *host)
{
    MobShared *shared = g_new0(MobShared, 1);

    shared->places = (MobPlaces){mob_shared_put_value, mob_shared_get_value};
    shared->host = host;
    shared->capacity = MIN(host->birth->store_bytes, memory_of_machine() / 2);
    shared->regions = mob_table_new();
    shared->own = g_ptr_array_new();
    shared->sharers = mob_table_new();
    shared->refused = g_array_new(FALSE, FALSE, sizeof(MobObjectId));
    shared->untold = g_ptr_array_new();
    return shared;
}

void
mob_shared_free(MobShared *shared)
{
    if (shared == NULL)
        return;
    shared->host = NULL;
    shared->loans++; /* so that it does not go before the end of this */
    mob_table_free_full(shared->sharers, mob_sharer_free);
    g_array_unref(shared->refused);
    g_ptr_array_unref(shared->untold);
    shared->loans--;
    shared_unref(shared);
}
