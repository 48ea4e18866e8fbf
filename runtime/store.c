/* store.c: see store.h.
 *
 * Both lists hold copies that are sealed, in memory and read by nobody: those
 * that may make room are not primary or have a file that is written, those
 * that may be spilled are primary and in no file. A list runs from the one
 * that was used longest ago. settle() is called after every change and keeps
 * it so.
 */
#include "runtime/store.h"

enum {
    GONE_MAX = 1024 /* how many departed copies an owner can be told of again */
};

static void
free_owner(void *data)
{
    MobOwnerRow *row = data;

    if (row->moves != NULL)
        g_array_unref(row->moves);
    if (row->gone != NULL)
        g_array_unref(row->gone);
    g_free(row);
}

static void
free_copy(void *data)
{
    MobCopy *copy = data;

    mob_ref_clear(&copy->ref);
    mob_value_unref(copy->value);
    g_free(copy);
}

void
mob_store_init(MobStore *store, uint64_t capacity)
{
    *store = (MobStore){.copies = mob_table_new(), .owners = mob_table_new(), .capacity = capacity};
}

void
mob_store_clear(MobStore *store)
{
    mob_table_free_full(store->copies, free_copy);
    mob_table_free_full(store->owners, free_owner);
}

MobCopy *
mob_store_get(const MobStore *store, MobObjectId object)
{
    return mob_table_get(store->copies, mob_key_object(object));
}

MobCopy *
mob_store_sealed(const MobStore *store, MobObjectId object)
{
    MobCopy *copy = mob_store_get(store, object);

    return copy != NULL && copy->value != NULL ? copy : NULL;
}

MobCopy *
mob_store_kept(const MobStore *store, MobObjectId object)
{
    MobCopy *copy = mob_store_get(store, object);

    return copy != NULL && mob_copy_is_kept(copy) ? copy : NULL;
}

static void
unlist(MobCopy *copy)
{
    MobCopyList *list = copy->list;

    if (copy->older != NULL)
        copy->older->newer = copy->newer;
    else
        list->oldest = copy->newer;
    if (copy->newer != NULL)
        copy->newer->older = copy->older;
    else
        list->newest = copy->older;
    copy->older = copy->newer = NULL;
    copy->list = NULL;
    list->bytes -= copy->size;
}

static void
enter(MobCopyList *list, MobCopy *copy)
{
    copy->older = list->newest;
    if (list->newest != NULL)
        list->newest->newer = copy;
    else
        list->oldest = copy;
    list->newest = copy;
    copy->list = list;
    list->bytes += copy->size;
}

static MobCopyList *
list_for(MobStore *store, const MobCopy *copy)
{
    if (copy->value == NULL || copy->pins > 0 || copy->reads > 0)
        return NULL;
    if (!copy->primary || copy->durable)
        return &store->idle;
    return copy->file == NULL ? &store->spillable : NULL;
}

static void
settle(MobStore *store, MobCopy *copy)
{
    MobCopyList *list = list_for(store, copy);

    if (list == copy->list)
        return;
    if (copy->list != NULL)
        unlist(copy);
    if (list != NULL)
        enter(list, copy);
    store->roomier |= list == &store->idle;
}

bool
mob_store_has_room(const MobStore *store, uint64_t size)
{
    return size <= store->capacity - store->used + store->idle.bytes;
}

MobCopy *
mob_store_victim(const MobStore *store, uint64_t size)
{
    return size > store->capacity - store->used ? store->idle.oldest : NULL;
}

static void
join_owner(MobStore *store, MobCopy *copy)
{
    MobOwnerRow *row = mob_store_owner(store, copy->ref.owner, true);

    copy->owner = row;
    copy->sibling_next = row->copies;
    if (row->copies != NULL)
        row->copies->sibling_before = copy;
    row->copies = copy;
}

static void
leave_owner(MobCopy *copy)
{
    if (copy->sibling_before != NULL)
        copy->sibling_before->sibling_next = copy->sibling_next;
    else
        copy->owner->copies = copy->sibling_next;
    if (copy->sibling_next != NULL)
        copy->sibling_next->sibling_before = copy->sibling_before;
}

MobCopy *
mob_store_create(MobStore *store, const MobRef *ref, uint64_t size, uint64_t hash)
{
    MobCopy *copy = g_new0(MobCopy, 1);

    g_assert(size <= store->capacity - store->used);
    copy->ref = mob_ref_copy(ref);
    copy->size = size;
    copy->hash = hash;
    copy->held = true;
    store->used += size;
    mob_table_add(store->copies, mob_key_object(ref->id), copy);
    join_owner(store, copy);
    return copy;
}

void
mob_store_seal(MobStore *store, MobCopy *copy, MobValue *value, bool primary)
{
    g_assert(copy->value == NULL);
    g_assert(copy->size == value->size);
    copy->value = mob_value_ref(value);
    copy->hash = value->hash;
    copy->primary = primary;
    settle(store, copy);
}

void
mob_store_make_primary(MobStore *store, MobCopy *copy)
{
    copy->primary = true;
    settle(store, copy);
}

void
mob_store_touch(MobStore *store, MobCopy *copy)
{
    MobCopyList *list = copy->list;

    if (list == NULL)
        return;
    unlist(copy);
    enter(list, copy);
}

void
mob_store_pin(MobStore *store, MobCopy *copy)
{
    copy->pins++;
    settle(store, copy);
}

bool
mob_store_unpin(MobStore *store, MobCopy *copy)
{
    g_assert(copy->pins > 0);
    copy->pins--;
    settle(store, copy);
    return copy->doomed && copy->pins == 0;
}

void
mob_store_read(MobStore *store, MobCopy *copy)
{
    copy->reads++;
    settle(store, copy);
}

void
mob_store_end_read(MobStore *store, MobCopy *copy)
{
    g_assert(copy->reads > 0);
    copy->reads--;
    settle(store, copy);
}

void
mob_store_set_file(MobStore *store, MobCopy *copy, MobSpillFile *file, uint32_t slot, uint64_t at)
{
    g_assert(copy->value != NULL || file == NULL);
    store->spilled -= copy->durable && copy->value == NULL;
    copy->file = file;
    copy->slot = slot;
    copy->at = at;
    copy->durable = false;
    settle(store, copy);
}

void
mob_store_set_durable(MobStore *store, MobCopy *copy)
{
    g_assert(copy->value != NULL && copy->primary && copy->file != NULL);
    copy->durable = true;
    settle(store, copy);
}

void
mob_store_unload(MobStore *store, MobCopy *copy)
{
    g_assert(copy->durable && copy->value != NULL && copy->pins == 0 && copy->reads == 0);
    g_clear_pointer(&copy->value, mob_value_unref);
    settle(store, copy);
    store->spilled++;
    copy->held = false;
    store->used -= copy->size;
    store->roomier = true;
}

void
mob_store_begin_load(MobStore *store, MobCopy *copy)
{
    g_assert(copy->durable && !copy->held && copy->size <= store->capacity - store->used);
    copy->held = true;
    store->used += copy->size;
}

void
mob_store_stop_load(MobStore *store, MobCopy *copy)
{
    g_assert(copy->durable && copy->held && copy->value == NULL);
    copy->held = false;
    store->used -= copy->size;
    store->roomier = true;
}

void
mob_store_load(MobStore *store, MobCopy *copy, MobValue *value)
{
    g_assert(copy->held && copy->value == NULL && copy->size == value->size);
    store->spilled--;
    copy->value = mob_value_ref(value);
    settle(store, copy);
}

void
mob_store_remove(MobStore *store, MobCopy *copy)
{
    g_assert(copy->pins == 0 && copy->reads == 0 && copy->file == NULL);
    if (copy->list != NULL)
        unlist(copy);
    leave_owner(copy);
    store->used -= copy->held ? copy->size : 0;
    store->roomier = true;
    mob_table_take(store->copies, mob_key_object(copy->ref.id));
    free_copy(copy);
}

bool
mob_store_goes_idle(const MobCopy *copy)
{
    return copy->value != NULL && (!copy->primary || copy->durable) && copy->reads == 0;
}

uint64_t
mob_store_pinned(const MobStore *store)
{
    return store->used - store->idle.bytes;
}

MobOwnerRow *
mob_store_owner(MobStore *store, MobAddress owner, bool add)
{
    MobOwnerRow *row = mob_table_get(store->owners, mob_key_address(owner));

    if (row != NULL || !add)
        return row;
    row = g_new0(MobOwnerRow, 1);
    row->owner = owner;
    mob_table_add(store->owners, mob_key_address(owner), row);
    return row;
}

static void
remember_gone(MobOwnerRow *row, MobObjectId object)
{
    if (row->gone == NULL)
        row->gone = g_array_new(false, false, sizeof(MobObjectId));
    if (row->gone->len < GONE_MAX)
        g_array_append_val(row->gone, object);
    else
        g_array_index(row->gone, MobObjectId, row->gone_next) = object;
    row->gone_next = (row->gone_next + 1) % GONE_MAX;
}

bool
mob_store_was_gone(const MobCopy *copy)
{
    const GArray *gone = copy->owner->gone;

    for (uint32_t i = 0; gone != NULL && i < gone->len; i++)
        if (mob_object_eq(g_array_index(gone, MobObjectId, i), copy->ref.id))
            return true;
    return false;
}

static void
add_move(MobOwnerRow *row, MobObjectId object, uint64_t hash, bool here)
{
    MobMove move = {.object = object, .here = here, .hash = hash};

    if (row->moves == NULL)
        row->moves = g_array_new(false, true, sizeof(MobMove));
    g_array_append_val(row->moves, move);
}

/* True if the row was not among those with moves to be told. */
static bool
enlist(MobOwnerRow *row)
{
    bool listed = row->listed;

    row->listed = true;
    return !listed;
}

bool
mob_store_moved(const MobCopy *copy, bool here)
{
    MobOwnerRow *row = copy->owner;

    add_move(row, copy->ref.id, copy->hash, here);
    if (!here)
        remember_gone(row, copy->ref.id);
    return enlist(row);
}

bool
mob_store_missing(MobStore *store, const MobRef *ref)
{
    MobOwnerRow *row = mob_store_owner(store, ref->owner, true);

    add_move(row, ref->id, 0, false);
    remember_gone(row, ref->id);
    return enlist(row);
}

void
mob_store_tell_again(MobStore *store, MobOwnerRow *row)
{
    if (row->moves != NULL)
        g_array_set_size(row->moves, 0);
    for (uint32_t i = 0; row->gone != NULL && i < row->gone->len; i++) {
        MobObjectId object = g_array_index(row->gone, MobObjectId, i);
        if (mob_store_kept(store, object) == NULL)
            add_move(row, object, 0, false);
    }
    for (const MobCopy *copy = row->copies; copy != NULL; copy = copy->sibling_next)
        if (mob_copy_is_kept(copy) && !copy->doomed)
            add_move(row, copy->ref.id, copy->hash, true);
}

void
mob_store_forget_owner(MobStore *store, MobOwnerRow *row)
{
    g_assert(row->copies == NULL);
    mob_table_take(store->owners, mob_key_address(row->owner));
    free_owner(row);
}
