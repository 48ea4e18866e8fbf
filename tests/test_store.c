/* test_store.c: the object store: room, pins, the order of eviction, and what
 * owners are told. */
#include <criterion/criterion.h>

#include "runtime/store.h"

static const MobAddress owner = {1, 2};

static MobCopy *
seal(MobStore *store, uint32_t number, uint64_t size, bool primary)
{
    uint8_t byte = (uint8_t)number;
    g_autoptr(MobValue) value = mob_value_new(&byte, 1, size, NULL, 0, 0);
    MobRef ref = {{{1, number}, 1, 0}, owner, NULL};
    MobCopy *copy = mob_store_create(store, &ref, size, value->hash);

    mob_store_seal(store, copy, value, primary);
    return copy;
}

Test(store, makes_room_from_the_copy_that_was_used_longest_ago)
{
    MobStore store;
    mob_store_init(&store, 100);
    MobCopy *primary = seal(&store, 1, 30, true);
    MobCopy *old = seal(&store, 2, 30, false);
    MobCopy *young = seal(&store, 3, 30, false);

    cr_assert(mob_store_has_room(&store, 70));
    cr_assert(!mob_store_has_room(&store, 71));
    cr_assert_null(mob_store_victim(&store, 10), "there is room as it is");
    cr_assert_eq(mob_store_victim(&store, 11), old);
    mob_store_touch(&store, old);
    cr_assert_eq(mob_store_victim(&store, 11), young);
    mob_store_pin(&store, young);
    mob_store_read(&store, old);
    cr_assert_null(mob_store_victim(&store, 11), "everything is in use");
    cr_assert(!mob_store_has_room(&store, 11));
    cr_assert_eq(mob_store_pinned(&store), 90);
    mob_store_end_read(&store, old);
    cr_assert(!mob_store_unpin(&store, young));
    cr_assert_eq(mob_store_pinned(&store), 30);

    mob_store_remove(&store, old);
    mob_store_make_primary(&store, young);
    cr_assert_eq(store.used, 60);
    cr_assert_eq(store.idle.bytes, 0);
    mob_store_touch(&store, primary);
    cr_assert_null(mob_store_victim(&store, 100));
    mob_store_clear(&store);
}

Test(store, counts_from_creation_and_shows_only_what_is_sealed)
{
    MobStore store;
    MobRef ref = {{{1, 1}, 1, 0}, owner, NULL};
    mob_store_init(&store, 100);
    MobCopy *copy = mob_store_create(&store, &ref, 60, 7);
    cr_assert_eq(store.used, 60);
    cr_assert_null(mob_store_sealed(&store, ref.id));
    cr_assert_eq(mob_store_get(&store, ref.id), copy);
    cr_assert(!mob_store_has_room(&store, 50));
    mob_store_remove(&store, copy);
    cr_assert_eq(store.used, 0);
    cr_assert_eq(mob_table_count(store.copies), 0);
    mob_store_clear(&store);
}

/* The store only compares files. */
static MobSpillFile *
some_file(void)
{
    static int file;
    return (MobSpillFile *)(void *)&file;
}

Test(store, a_primary_copy_in_a_file_makes_room_leaves_memory_and_comes_back)
{
    MobStore store;
    mob_store_init(&store, 100);
    MobCopy *old = seal(&store, 1, 40, true);
    MobCopy *young = seal(&store, 2, 40, true);
    g_autoptr(MobValue) value = mob_value_ref(old->value);

    cr_assert_eq(store.spillable.oldest, old);
    cr_assert_eq(store.spillable.bytes, 80);
    cr_assert_null(mob_store_victim(&store, 30), "neither may go");
    mob_store_set_file(&store, old, some_file(), 0, 0);
    cr_assert_eq(store.spillable.oldest, young);
    cr_assert_null(mob_store_victim(&store, 30), "it is not written yet");
    mob_store_set_durable(&store, old);
    cr_assert_eq(mob_store_victim(&store, 30), old);
    mob_store_pin(&store, old);
    cr_assert_null(mob_store_victim(&store, 30), "a task reads it");
    mob_store_unpin(&store, old);

    mob_store_unload(&store, old);
    cr_assert_eq(store.used, 40);
    cr_assert_eq(store.spilled, 1);
    cr_assert_null(mob_store_sealed(&store, old->ref.id));
    cr_assert_eq(mob_store_kept(&store, old->ref.id), old);
    mob_store_begin_load(&store, old);
    cr_assert_eq(store.used, 80);
    mob_store_stop_load(&store, old);
    cr_assert_eq(store.used, 40);
    mob_store_begin_load(&store, old);
    mob_store_load(&store, old, value);
    cr_assert_eq(mob_store_victim(&store, 30), old, "its file is there still");

    mob_store_unload(&store, old);
    mob_store_set_file(&store, old, NULL, 0, 0);
    cr_assert_null(mob_store_kept(&store, old->ref.id));
    mob_store_remove(&store, old);
    cr_assert_eq(store.used, 40);
    cr_assert_eq(store.spilled, 0);
    mob_store_clear(&store);
}

Test(store, knows_what_an_owner_is_to_be_told_again)
{
    MobStore store;
    mob_store_init(&store, 100);
    MobCopy *gone = seal(&store, 1, 10, false);
    seal(&store, 2, 10, false);
    MobOwnerRow *row = mob_store_owner(&store, owner, false);

    cr_assert(mob_store_moved(gone, true));
    cr_assert(!mob_store_moved(gone, false), "listed already");
    mob_store_remove(&store, gone);
    cr_assert_eq(row->moves->len, 2);
    mob_store_tell_again(&store, row);
    cr_assert_eq(row->moves->len, 2);
    cr_assert(!g_array_index(row->moves, MobMove, 0).here);
    cr_assert(g_array_index(row->moves, MobMove, 1).here);
    mob_store_clear(&store);
}

/* Random walks keep the sums right; the seed is fixed by the test. */
Test(store, keeps_its_sums_whatever_happens)
{
    MobStore store;
    uint64_t state = 1;
    mob_store_init(&store, 1000);
    for (int i = 0; i < 20000; i++) {
        state = mob_mix(state + 1);
        uint32_t number = (uint32_t)(state % 30) + 1;
        uint64_t size = state / 64 % 100 + 1;
        MobCopy *copy = mob_store_get(&store, (MobObjectId){{1, number}, 1, 0});
        switch (copy == NULL ? 9 : state / 8192 % 6) {
        case 0:
            mob_store_pin(&store, copy);
            break;
        case 1:
            if (copy->pins > 0)
                mob_store_unpin(&store, copy);
            break;
        case 2:
            mob_store_touch(&store, copy);
            break;
        case 3:
            if (copy->pins == 0)
                mob_store_remove(&store, copy);
            break;
        case 9:
            if (!mob_store_has_room(&store, size))
                break;
            while ((copy = mob_store_victim(&store, size)) != NULL)
                mob_store_remove(&store, copy);
            seal(&store, number, size, state % 7 == 0);
            break;
        }
        uint64_t used = 0;
        uint64_t pinned = 0;
        size_t at = 0;
        while ((copy = mob_table_next(store.copies, &at)) != NULL) {
            used += copy->size;
            pinned += copy->primary || copy->pins > 0 ? copy->size : 0;
        }
        cr_assert_eq(store.used, used);
        cr_assert_leq(used, 1000);
        cr_assert_eq(mob_store_pinned(&store), pinned);
    }
    mob_store_clear(&store);
}
