/* shared_peers.c: what was given to whom; see shared.h.
 *
 * A value is given once for each time that a message names it, and comes back
 * as often. What was on its way when a connection broke is made good after it:
 * each side says first which values of the other it still reads (HELD), and
 * what was given before and is not among them has come back.
 *
 * A process only believes its node manager about the memory of others, and the
 * node manager nobody but the process itself.
 */
#include "net/shared_parts.h"

#include <unistd.h>

#include "runtime/kinds.h"

static MobKey
place_key(uint64_t region, uint64_t offset)
{
    return (MobKey){region, offset};
}

/* Whether we and @to see each other's memory. */
static bool
shares_with(const MobNetHost *host, MobAddress to)
{
    const MobBirth *birth = host->birth;

    return host->shared != NULL && to.node == birth->address.node &&
           !mob_address_eq(to, birth->gcs) &&
           (to.local == MOB_LOCAL_NODE) != (birth->address.local == MOB_LOCAL_NODE);
}

/* --- sharers --- */

MobSharer *
mob_sharer_get(MobShared *shared, MobAddress address, bool add)
{
    MobSharer *sharer = mob_table_get(shared->sharers, mob_key_address(address));

    if (sharer != NULL || !add)
        return sharer;
    sharer = g_new0(MobSharer, 1);
    sharer->address = address;
    sharer->grants = mob_table_new();
    sharer->told = mob_table_new();
    sharer->gone = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    mob_table_add(shared->sharers, mob_key_address(address), sharer);
    return sharer;
}

static void
grant_free(void *data)
{
    MobGrant *grant = data;

    mob_value_unref(grant->value);
    g_free(grant);
}

/* Its values that are read here stay; nobody is to be told when they go. */
void
mob_sharer_free(void *data)
{
    MobSharer *sharer = data;

    for (MobLoan *loan = sharer->loans; loan != NULL; loan = loan->next)
        loan->from = NULL;
    mob_table_free_full(sharer->grants, grant_free);
    mob_table_free(sharer->told);
    mob_buf_clear(&sharer->frees);
    mob_buf_clear(&sharer->held);
    g_array_unref(sharer->gone);
    g_free(sharer);
}

static void
put_spot(MobBuf *into, uint64_t region, uint64_t offset)
{
    mob_kind_put_u64(&region, into);
    mob_kind_put_u64(&offset, into);
}

void
mob_sharer_release(MobLoan *loan)
{
    MobSharer *from = loan->from;

    put_spot(&from->frees, loan->region->id, loan->offset);
    if (loan->next != NULL)
        loan->next->before = loan->before;
    if (loan->before != NULL)
        loan->before->next = loan->next;
    else
        from->loans = loan->next;
}

void
mob_sharers_gone(MobShared *shared, const MobRegion *region)
{
    MobSharer *sharer;
    size_t at = 0;

    while ((sharer = mob_table_next(shared->sharers, &at)) != NULL)
        if (mob_table_take(sharer->told, place_key(region->id, 0)) != NULL)
            g_array_append_val(sharer->gone, region->id);
}

/* --- giving --- */

static void
grant(MobSharer *to, MobValue *value, const MobWhere *place)
{
    MobKey key = place_key(place->region, place->offset);
    MobGrant *grant = mob_table_get(to->grants, key);

    if (grant == NULL) {
        grant = g_new0(MobGrant, 1);
        *grant = (MobGrant){.value = mob_value_ref(value), .place = *place};
        mob_table_add(to->grants, key, grant);
    }
    grant->since++;
}

/* Rules are shorter than a place, so they are only written out to be stored. */
static MobValue *
written(MobShared *shared, MobValue *value)
{
    if (value == shared->storing)
        return mob_value_ref(shared->stored);
    return mob_value_is_sparse(value) ? NULL : mob_shared_write(shared, value);
}

MobValue *
mob_shared_put_value(MobPlaces *places, MobValue *value, MobWhere *place)
{
    MobShared *shared = (MobShared *)places;

    if (value->size < MOB_ARENA_LARGE)
        return mob_value_ref(value);
    g_autoptr(MobValue) there = written(shared, value);
    if (there == NULL)
        return mob_value_ref(value);
    MobLoan *loan = mob_loan_of(there);
    MobRegion *region = loan->region;
    mob_loan_seal(loan, there->length);
    *place = (MobWhere){region->id, loan->offset, there->length, there->hash};
    grant(shared->peer, there, place);
    if (loan->from != shared->peer &&
        mob_table_get(shared->peer->told, place_key(region->id, 0)) == NULL) {
        mob_table_add(shared->peer->told, place_key(region->id, 0), region);
        g_ptr_array_add(shared->untold, region);
    }
    return NULL;
}

/* The frame that begins at @begin names regions that its receiver does not
 * know: they go before it. */
static void
tell_regions(MobShared *shared, MobLine *line, const MobFrame *frame, size_t begin)
{
    MobBuf *out = &line->stream.out;
    size_t length = out->length - begin;
    g_autofree uint8_t *behind = g_memdup2(out->data + begin, length);

    out->length = begin;
    for (guint i = 0; i < shared->untold->len; i++) {
        const MobRegion *region = g_ptr_array_index(shared->untold, i);
        MobFrame tell = *frame;
        uint64_t size = mob_shm_size(region->shm);
        tell.kind = MOB_FRAME_REGION;
        tell.flags = 0;
        mob_stream_put_fd(&line->stream, mob_shm_fd(region->shm));
        size_t at = mob_frame_begin(out, &tell);
        put_spot(out, region->id, size);
        mob_frame_end(out, at);
    }
    mob_buf_add(out, behind, length);
    g_ptr_array_set_size(shared->untold, 0);
}

/* What @msg stores is written out; false if it can travel in no way. */
static bool
write_stored(MobShared *shared, const MobMsg *msg)
{
    MobValue *value = msg->type == MOB_MSG_STORE_OBJECT ? mob_store_object(msg)->value : NULL;

    if (value == NULL || value->size < MOB_ARENA_LARGE)
        return true;
    shared->storing = value;
    shared->stored = mob_shared_write(shared, value);
    if (shared->stored != NULL || value->length < MOB_FRAME_MAX - MOB_FRAME_STRANGER_MAX)
        return true;
    g_array_append_val(shared->refused, mob_store_object(msg)->object.id);
    shared->storing = NULL;
    return false;
}

bool
mob_shared_put(MobNetHost *host, MobLine *line, const MobFrame *frame, const MobMsg *msg)
{
    MobShared *shared = host->shared;
    MobBuf *out = &line->stream.out;
    bool shares = shares_with(host, frame->to);

    if (shares && !write_stored(shared, msg))
        return false;
    size_t begin = mob_frame_begin(out, frame);
    if (shares) {
        shared->peer = mob_sharer_get(shared, frame->to, true);
        out->places = &shared->places;
    }
    mob_msg_encode(msg, out);
    out->places = NULL;
    mob_frame_end(out, begin);
    if (!shares)
        return true;
    shared->storing = NULL;
    g_clear_pointer(&shared->stored, mob_value_unref);
    if (out->length - begin > MOB_FRAME_MAX) {
        g_printerr(
            "mobula: %s: a value is too large to be sent while there is no memory to share\n",
            mob_str(host->birth->name));
        out->length = begin;
        return false;
    }
    if (shared->untold->len > 0)
        tell_regions(shared, line, frame, begin);
    return true;
}

/* Its own node manager would have said the same. */
bool
mob_shared_settle(MobNetHost *host)
{
    MobShared *shared = host->shared;
    bool any = shared != NULL && shared->refused->len > 0;

    while (shared != NULL && shared->refused->len > 0) {
        g_autoptr(MobMsg) msg = mob_msg_new(MOB_MSG_OBJECT_STORED);
        MobObjectStored *stored = (MobObjectStored *)msg;
        MobAddress manager = mob_node_address(host->address.node);
        stored->object = g_array_index(shared->refused, MobObjectId, 0);
        stored->used = shared->used;
        stored->capacity = shared->capacity;
        g_array_remove_index(shared->refused, 0);
        MobInput input = {.kind = MOB_INPUT_MESSAGE, .from = manager, .msg = msg};
        mob_nethost_step(host, &input, host->address, host->events);
    }
    return any;
}

/* --- getting --- */

/* What comes back to whoever gave it is the very value. */
MobValue *
mob_shared_get_value(MobPlaces *places, const MobWhere *place)
{
    MobShared *shared = (MobShared *)places;
    MobSharer *from = shared->peer;
    uint64_t owner = place->region >> 32;
    const MobGrant *grant = mob_table_get(from->grants, place_key(place->region, place->offset));

    if (grant != NULL) {
        put_spot(&from->frees, place->region, place->offset);
        return mob_value_ref(grant->value);
    }
    if (from->address.local != MOB_LOCAL_NODE && owner != from->address.local)
        return NULL;
    return mob_loan_new(shared, from, place);
}

MobMsg *
mob_shared_get(MobNetHost *host, const MobFrame *frame, const uint8_t *body, GError **error)
{
    MobShared *shared = host->shared;

    if (!shares_with(host, frame->from))
        return mob_msg_decode_with(body, frame->length, NULL, &host->texts, error);
    shared->peer = mob_sharer_get(shared, frame->from, true);
    return mob_msg_decode_with(body, frame->length, &shared->places, NULL, error);
}

/* --- frames --- */

static void
on_region(MobShared *shared, MobSharer *from, int fd, uint64_t id, uint64_t size)
{
    g_autoptr(GError) error = NULL;
    MobRegion *region = mob_table_get(shared->regions, (MobKey){id, 2});
    bool may = from->address.local == MOB_LOCAL_NODE || id >> 32 == from->address.local;

    if (region != NULL && region->arena == NULL && may)
        region->over = false;
    if (region != NULL || !may || fd < 0) {
        if (fd >= 0)
            close(fd);
        return;
    }
    MobShm *shm = mob_shm_open(fd, size, &error);
    if (shm == NULL) {
        g_printerr("mobula: %s: %s\n", mob_str(shared->host->birth->name), error->message);
        return;
    }
    if (shared->host->role != MOB_ROLE_NODE)
        mob_shm_close_fd(shm); /* nobody gets it from here */
    region = g_new0(MobRegion, 1);
    *region = (MobRegion){.id = id, .shm = shm};
    mob_table_add(shared->regions, (MobKey){id, 2}, region);
}

static void
come_back(MobSharer *from, MobGrant *grant, uint32_t times)
{
    uint32_t before = MIN(times, grant->before);

    grant->before -= before;
    grant->since -= MIN(times - before, grant->since);
    if (grant->before + grant->since > 0)
        return;
    mob_table_take(from->grants, place_key(grant->place.region, grant->place.offset));
    grant_free(grant);
}

static void
on_free(MobSharer *from, uint64_t region, uint64_t offset)
{
    MobGrant *grant = mob_table_get(from->grants, place_key(region, offset));

    if (grant != NULL)
        come_back(from, grant, 1);
}

static void
on_held(MobSharer *from, MobWire *wire)
{
    g_autoptr(MobTable) held = mob_table_new();
    MobGrant *grant;
    size_t at = 0;

    while (wire->at < wire->end && !wire->failed) {
        uint64_t region = 0;
        uint64_t offset = 0;
        mob_kind_get_u64(wire, &region);
        mob_kind_get_u64(wire, &offset);
        MobKey key = place_key(region, offset);
        gsize count = GPOINTER_TO_SIZE(mob_table_take(held, key));
        mob_table_add(held, key, GSIZE_TO_POINTER(count + 1));
    }
    while ((grant = mob_table_next(from->grants, &at)) != NULL) {
        MobKey key = place_key(grant->place.region, grant->place.offset);
        gsize count = GPOINTER_TO_SIZE(mob_table_get(held, key));
        if (count < grant->before)
            come_back(from, grant, grant->before - (uint32_t)count);
    }
}

static void
on_gone(MobShared *shared, const MobSharer *from, uint64_t id)
{
    MobRegion *region = mob_table_get(shared->regions, (MobKey){id, 2});

    if (region == NULL || region->arena != NULL ||
        (from->address.local != MOB_LOCAL_NODE && id >> 32 != from->address.local))
        return;
    region->over = true;
    mob_region_review(shared, region);
}

bool
mob_shared_frame(MobLine *line, const MobFrame *frame, const uint8_t *body)
{
    MobNetHost *host = line->host;
    MobWire wire = {.at = body, .end = body + frame->length};
    uint64_t region = 0;
    uint64_t number = 0;

    if (frame->kind < MOB_FRAME_REGION || frame->kind > MOB_FRAME_GONE ||
        !shares_with(host, frame->from))
        return false;
    MobSharer *from = mob_sharer_get(host->shared, frame->from, true);
    if (frame->kind == MOB_FRAME_HELD) {
        on_held(from, &wire);
        return true;
    }
    while (wire.at < wire.end && !wire.failed) {
        mob_kind_get_u64(&wire, &region);
        if (frame->kind != MOB_FRAME_GONE)
            mob_kind_get_u64(&wire, &number);
        if (frame->kind == MOB_FRAME_REGION)
            on_region(host->shared, from, mob_pass_take(&line->stream.pass), region, number);
        else if (frame->kind == MOB_FRAME_FREE)
            on_free(from, region, number);
        else
            on_gone(host->shared, from, region);
    }
    return true;
}

/* --- saying what is so --- */

static void
send(MobNetHost *host, MobLine *line, MobAddress to, MobFrameKind kind, const void *body,
     size_t length)
{
    MobFrame frame = {.kind = kind,
                      .from = host->address,
                      .to = to,
                      .clock = mob_clock_stamp(&host->clock),
                      .event = host->events};

    mob_stream_put(&line->stream, &frame, body, length);
    mob_line_touch(line);
}

static void
tell(MobNetHost *host, MobSharer *sharer)
{
    MobLine *line = mob_peers_line(host, mob_peers_get(host, sharer->address));
    g_auto(MobBuf) gone = {0};

    for (guint i = 0; i < sharer->gone->len; i++)
        mob_kind_put_u64(&g_array_index(sharer->gone, uint64_t, i), &gone);
    if (line != NULL && sharer->held_due)
        send(host, line, sharer->address, MOB_FRAME_HELD, sharer->held.data, sharer->held.length);
    if (line != NULL && sharer->frees.length > 0)
        send(host, line, sharer->address, MOB_FRAME_FREE, sharer->frees.data, sharer->frees.length);
    if (line != NULL && gone.length > 0)
        send(host, line, sharer->address, MOB_FRAME_GONE, gone.data, gone.length);
    sharer->held_due = false;
    sharer->frees.length = sharer->held.length = 0;
    g_array_set_size(sharer->gone, 0);
}

void
mob_shared_flush(MobNetHost *host)
{
    MobSharer *sharer;
    size_t at = 0;

    while (host->shared != NULL && (sharer = mob_table_next(host->shared->sharers, &at)) != NULL)
        if (sharer->held_due || sharer->frees.length > 0 || sharer->gone->len > 0)
            tell(host, sharer);
}

/* --- ends --- */

/* What it wrote stays as long as it is read; what it read comes back. */
static void
forget(MobShared *shared, MobAddress address)
{
    MobSharer *sharer = mob_table_take(shared->sharers, mob_key_address(address));
    MobRegion *region;
    size_t at = 0;

    if (sharer != NULL)
        mob_sharer_free(sharer);
    while ((region = mob_table_next(shared->regions, &at)) != NULL) {
        if (region->arena != NULL || region->id >> 32 != address.local)
            continue;
        region->over = true;
        mob_region_review(shared, region);
    }
}

void
mob_shared_ended(MobNetHost *host, MobAddress address)
{
    const MobPeer *peer = mob_peers_get(host, address);

    if (shares_with(host, address) && peer->in == NULL && peer->out == NULL)
        forget(host->shared, address);
}

/* Regions of which the other end knew may be named no more: it says anew what
 * there is. */
void
mob_shared_reset(MobNetHost *host, MobAddress address)
{
    MobShared *shared = host->shared;
    MobSharer *sharer = shares_with(host, address) ? mob_sharer_get(shared, address, false) : NULL;
    MobGrant *grant;
    size_t at = 0;

    if (sharer == NULL)
        return;
    if (host->daemon != NULL && !mob_daemon_has(host, address)) {
        forget(shared, address);
        return;
    }
    mob_table_free(sharer->told);
    sharer->told = mob_table_new();
    while ((grant = mob_table_next(sharer->grants, &at)) != NULL) {
        grant->before += grant->since;
        grant->since = 0;
    }
    sharer->frees.length = sharer->held.length = 0;
    for (const MobLoan *loan = sharer->loans; loan != NULL; loan = loan->next)
        put_spot(&sharer->held, loan->region->id, loan->offset);
    sharer->held_due = true;
}
