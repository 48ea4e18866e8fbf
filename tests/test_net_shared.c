/* The shared store: a worker that writes, its node manager, and a worker that
 * reads, each a host of its own with sockets between them. That they are in one
 * process here changes nothing: each maps what it uses for itself.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/shared_parts.h"
#include "runtime/cbor.h"

#define STORE    (UINT64_C(16) << 20)
#define LARGE    (UINT64_C(5) << 20)
#define OBJECT   ((MobObjectId){{1, 2}, 1})
#define MANAGER  ((MobAddress){1, MOB_LOCAL_NODE})
#define WRITER   ((MobAddress){1, MOB_LOCAL_POOL})
#define READER   ((MobAddress){1, MOB_LOCAL_POOL + 1})
#define STRANGER ((MobAddress){2, MOB_LOCAL_NODE})

typedef struct {
    MobNetHost *manager;
    MobNetHost *writer;
    MobNetHost *reader;
} Rig;

static MobNetHost *
host_new(MobAddress address, MobRole role)
{
    MobNetHost *host = g_new0(MobNetHost, 1);
    MobBirth *birth = g_new0(MobBirth, 1);

    birth->address = address;
    birth->name = mob_str_new("test");
    birth->folder = mob_str_new("/nowhere");
    birth->gcs = (MobAddress){1, MOB_LOCAL_GCS};
    birth->store_bytes = STORE;
    host->birth = birth;
    host->address = address;
    host->role = role;
    host->loop = mob_loop_new();
    host->peers = mob_table_new();
    host->lines = g_ptr_array_new_with_free_func(mob_line_free);
    host->dirty = g_ptr_array_new();
    host->resets = g_ptr_array_new();
    host->shared = mob_shared_new(host);
    return host;
}

static void
host_free(MobNetHost *host)
{
    if (host == NULL)
        return;
    mob_shared_free(host->shared);
    g_ptr_array_unref(host->lines);
    g_ptr_array_unref(host->dirty);
    g_ptr_array_unref(host->resets);
    mob_table_free_full(host->peers, g_free);
    mob_loop_free(host->loop);
    mob_str_unref(host->birth->name);
    mob_str_unref(host->birth->folder);
    g_free((MobBirth *)host->birth);
    g_free(host);
}

static void
connect_one_way(MobNetHost *from, MobNetHost *to)
{
    MobPeer *sender = mob_peers_get(to, from->address);
    MobPeer *receiver = mob_peers_get(from, to->address);
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    receiver->out = mob_line_new(from, ends[0], MOB_LINE_OUT, receiver);
    sender->in = mob_line_new(to, ends[1], MOB_LINE_OUT, sender);
}

static void
connect_both(MobNetHost *a, MobNetHost *b)
{
    connect_one_way(a, b);
    connect_one_way(b, a);
}

static Rig
rig_new(void)
{
    Rig rig = {host_new(MANAGER, MOB_ROLE_NODE), host_new(WRITER, MOB_ROLE_WORKER),
               host_new(READER, MOB_ROLE_WORKER)};

    connect_both(rig.manager, rig.writer);
    connect_both(rig.manager, rig.reader);
    return rig;
}

static void
rig_clear(Rig *rig)
{
    host_free(rig->reader);
    host_free(rig->writer);
    host_free(rig->manager);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

static MobValue *
rule(uint64_t size)
{
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_fill(&writer, size, 7);
    MobValue *value = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    return value;
}

/* Sends @msg (transfer full); how many bytes that took. */
static size_t
put(MobNetHost *from, MobNetHost *to, MobMsg *msg)
{
    MobLine *line = mob_peers_get(from, to->address)->out;
    MobFrame frame = {.kind = MOB_FRAME_MESSAGE, .from = from->address, .to = to->address};
    size_t before = line->stream.out.length;

    mob_shared_put(from, line, &frame, msg);
    mob_msg_unref(msg);
    return line->stream.out.length - before;
}

/* Reads what @from has sent; the last message, if any (transfer full). */
static MobMsg *
pump(MobNetHost *from, MobNetHost *to)
{
    MobLine *out = mob_peers_get(from, to->address)->out;
    MobLine *in = mob_peers_get(to, from->address)->in;
    MobMsg *msg = NULL;
    MobFrame frame;
    const uint8_t *body;

    mob_shared_flush(from);
    mob_stream_flush(&out->stream);
    mob_stream_read(&in->stream, 1 << 20);
    while (mob_stream_next(&in->stream, &frame, &body)) {
        if (frame.kind != MOB_FRAME_MESSAGE) {
            cr_assert(mob_shared_frame(in, &frame, body));
            continue;
        }
        g_clear_pointer(&msg, mob_msg_unref);
        msg = mob_shared_get(to, &frame, body, NULL);
        cr_assert_not_null(msg);
    }
    return msg;
}

static size_t
send_store(MobNetHost *from, MobNetHost *to, MobValue *value)
{
    MobStoreObject *store = mob_store_object_new();

    store->object.id = OBJECT;
    store->value = mob_value_ref(value);
    return put(from, to, &store->base);
}

static size_t
send_here(MobNetHost *from, MobNetHost *to, MobValue *value)
{
    MobObjectHere *here = mob_object_here_new();

    here->object = OBJECT;
    here->value = mob_value_ref(value);
    return put(from, to, &here->base);
}

static MobValue *
get_stored(MobNetHost *from, MobNetHost *to)
{
    g_autoptr(MobMsg) msg = pump(from, to);

    return mob_value_ref(mob_store_object(msg)->value);
}

static MobValue *
get_here(MobNetHost *from, MobNetHost *to)
{
    g_autoptr(MobMsg) msg = pump(from, to);

    return mob_value_ref(mob_object_here(msg)->value);
}

/* [bytes, 7]: the rule is one byte, and the last. */
static bool
is_written_out(const MobValue *value, uint64_t size)
{
    const uint8_t *bytes = value->bytes + value->length - 1 - size;

    for (uint64_t i = 0; i < size; i += 997)
        if (bytes[i] != mob_fill_byte(7, i))
            return false;
    return value->length > size;
}

static void
everything_comes_back(Rig *rig)
{
    mob_msg_unref(pump(rig->reader, rig->manager));
    mob_msg_unref(pump(rig->manager, rig->writer));
    cr_assert_eq(rig->writer->shared->used, 0, "%lu bytes stay taken",
                 (unsigned long)rig->writer->shared->used);
    cr_assert_eq(rig->manager->shared->loans, 0);
}

Test(net_shared, a_value_goes_from_its_writer_to_its_reader_where_it_lies)
{
    g_auto(Rig) rig = rig_new();
    MobValue *given = rule(LARGE);

    cr_assert_lt(send_store(rig.writer, rig.manager, given), 300);
    MobValue *stored = get_stored(rig.writer, rig.manager);
    cr_assert_eq(stored->size, given->size);
    cr_assert_eq(stored->hash, given->hash);
    cr_assert_eq(stored->length, given->size, "all of it is there");
    cr_assert(is_written_out(stored, LARGE));

    cr_assert_lt(send_here(rig.manager, rig.reader, stored), 300);
    MobValue *read = get_here(rig.manager, rig.reader);
    cr_assert_eq(read->hash, given->hash);
    cr_assert(is_written_out(read, LARGE));
    cr_assert_eq(rig.manager->shared->own->len, 0, "the node manager wrote nothing");
    cr_assert_eq(rig.reader->shared->own->len, 0);

    mob_value_unref(given);
    mob_value_unref(stored);
    cr_assert_gt(rig.writer->shared->used, LARGE, "the reader still has it");
    mob_value_unref(read);
    everything_comes_back(&rig);
}

Test(net_shared, memory_that_comes_back_is_used_again)
{
    g_auto(Rig) rig = rig_new();
    g_autoptr(MobValue) given = rule(LARGE);

    for (int i = 0; i < 200; i++) {
        send_store(rig.writer, rig.manager, given);
        g_autoptr(MobValue) stored = get_stored(rig.writer, rig.manager);
        cr_assert_not(mob_value_is_sparse(stored), "round %d: there was no room", i);
        send_here(rig.manager, rig.reader, stored);
        g_autoptr(MobValue) read = get_here(rig.manager, rig.reader);
        cr_assert_not(mob_value_is_sparse(read));
        mob_msg_unref(pump(rig.reader, rig.manager));
        mob_msg_unref(pump(rig.manager, rig.writer));
    }
    everything_comes_back(&rig);
    cr_assert_eq(rig.writer->shared->own->len, 1);
}

/* Else each of many processes might keep as much as the store holds. */
Test(net_shared, memory_that_nobody_has_used_for_a_while_goes_back_to_the_system)
{
    g_auto(Rig) rig = rig_new();
    g_autoptr(MobValue) given = rule(LARGE);

    for (int i = 0; i < 2; i++) {
        MobShared *shared = rig.writer->shared;
        rig.writer->look_at = MOB_TIME_NEVER;
        send_store(rig.writer, rig.manager, given);
        MobValue *stored = get_stored(rig.writer, rig.manager);
        cr_assert_not(mob_value_is_sparse(stored));
        mob_shared_ahead(rig.writer);
        mob_value_unref(stored);
        everything_comes_back(&rig);
        cr_assert_neq(shared->empty_at, 0);
        cr_assert_leq(rig.writer->look_at, shared->empty_at, "somebody looks then");
        mob_shared_ahead(rig.writer);
        cr_assert_eq(shared->own->len, 1, "more may come soon");
        shared->empty_at = mob_clock_real();
        mob_shared_ahead(rig.writer);
        cr_assert_eq(shared->own->len, 0);
        mob_msg_unref(pump(rig.writer, rig.manager));
        cr_assert_eq(mob_table_count(rig.manager->shared->regions), 0, "others unmap it, too");
    }
}

Test(net_shared, a_worker_that_dies_leaves_what_it_stored)
{
    g_auto(Rig) rig = rig_new();
    g_autoptr(MobValue) given = rule(LARGE);

    send_store(rig.writer, rig.manager, given);
    MobValue *stored = get_stored(rig.writer, rig.manager);
    g_clear_pointer(&rig.writer, host_free);
    MobPeer *peer = mob_peers_get(rig.manager, WRITER);
    mob_line_close(peer->in);
    mob_line_close(peer->out);
    mob_shared_ended(rig.manager, WRITER);

    send_here(rig.manager, rig.reader, stored);
    MobValue *read = get_here(rig.manager, rig.reader);
    cr_assert(is_written_out(read, LARGE));
    mob_value_unref(stored);
    cr_assert(is_written_out(read, LARGE));
    cr_assert_eq(mob_table_count(rig.manager->shared->regions), 1);
    mob_value_unref(read);
    mob_msg_unref(pump(rig.reader, rig.manager));
    mob_msg_unref(pump(rig.manager, rig.reader));
    cr_assert_eq(mob_table_count(rig.manager->shared->regions), 0, "its memory goes with the last");
    cr_assert_eq(mob_table_count(rig.reader->shared->regions), 0);
}

Test(net_shared, a_reader_that_dies_releases_what_it_read)
{
    g_auto(Rig) rig = rig_new();
    g_autoptr(MobValue) given = rule(LARGE);

    send_store(rig.writer, rig.manager, given);
    MobValue *stored = get_stored(rig.writer, rig.manager);
    send_here(rig.manager, rig.reader, stored);
    mob_value_unref(stored);
    MobPeer *peer = mob_peers_get(rig.manager, READER);
    mob_stream_flush(&peer->out->stream);
    mob_line_close(peer->in);
    mob_line_close(peer->out);
    mob_shared_ended(rig.manager, READER);
    mob_msg_unref(pump(rig.manager, rig.writer));
    cr_assert_eq(rig.writer->shared->used, 0);
}

/* What was on its way is lost with the connection, and so is what was said of
 * values that are not read any more. */
Test(net_shared, a_connection_that_breaks_loses_no_memory)
{
    g_auto(Rig) rig = rig_new();
    g_autoptr(MobValue) given = rule(LARGE);

    send_store(rig.writer, rig.manager, given);
    MobValue *stored = get_stored(rig.writer, rig.manager);
    send_here(rig.manager, rig.reader, stored);
    MobValue *kept = get_here(rig.manager, rig.reader);
    send_here(rig.manager, rig.reader, stored);
    mob_value_unref(get_here(rig.manager, rig.reader));
    mob_shared_flush(rig.reader);               /* said, and lost */
    send_here(rig.manager, rig.reader, stored); /* this, too */
    mob_value_unref(stored);
    MobPeer *reader = mob_peers_get(rig.manager, READER);
    MobPeer *manager = mob_peers_get(rig.reader, MANAGER);
    mob_line_close(reader->out);
    mob_line_close(reader->in);
    mob_line_close(manager->out);
    mob_line_close(manager->in);
    mob_shared_reset(rig.manager, READER);
    mob_shared_reset(rig.reader, MANAGER);
    connect_both(rig.manager, rig.reader);

    mob_msg_unref(pump(rig.reader, rig.manager));
    mob_msg_unref(pump(rig.manager, rig.reader));
    cr_assert(is_written_out(kept, LARGE));
    mob_msg_unref(pump(rig.manager, rig.writer));
    cr_assert_gt(rig.writer->shared->used, LARGE, "one is still read");
    mob_value_unref(kept);
    everything_comes_back(&rig);
}

Test(net_shared, a_value_that_comes_back_is_the_same)
{
    g_auto(Rig) rig = rig_new();
    g_autoptr(MobValue) given = rule(LARGE);

    send_store(rig.writer, rig.manager, given);
    MobValue *stored = get_stored(rig.writer, rig.manager);
    send_here(rig.manager, rig.reader, stored);
    MobValue *read = get_here(rig.manager, rig.reader);
    send_store(rig.reader, rig.manager, read);
    MobValue *again = get_stored(rig.reader, rig.manager);
    cr_assert_eq(again, stored);
    cr_assert_eq(rig.reader->shared->own->len, 0, "nothing was written again");
    mob_value_unref(read);
    mob_value_unref(stored);
    mob_value_unref(again);
    mob_msg_unref(pump(rig.manager, rig.reader));
    everything_comes_back(&rig);
}

Test(net_shared, what_has_no_room_travels_as_its_rule_or_is_refused)
{
    g_auto(Rig) rig = rig_new();
    g_autoptr(MobValue) given = rule(STORE);
    MobCborWriter writer;
    g_autofree char *text = g_malloc0(MOB_FRAME_MAX);

    send_store(rig.writer, rig.manager, given);
    g_autoptr(MobValue) stored = get_stored(rig.writer, rig.manager);
    cr_assert(mob_value_is_sparse(stored));
    mob_cbor_init(&writer);
    mob_cbor_string(&writer, text, MOB_FRAME_MAX);
    g_autoptr(MobValue) real = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    cr_assert_eq(send_store(rig.writer, rig.manager, real), 0);
    cr_assert_eq(rig.writer->shared->refused->len, 1, "it is told that the store is full");
}

static bool
is_fatal_to_write(volatile uint8_t *at)
{
    int status;
    pid_t pid = fork();

    cr_assert_geq(pid, 0);
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        *at = 1;
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

/* Even for one who tries hard. */
static bool
is_fatal(uint8_t *at)
{
    void *page = at - (uintptr_t)at % 4096;

    return mprotect(page, 4096, PROT_READ | PROT_WRITE) != 0 && is_fatal_to_write(at);
}

Test(net_shared, a_reader_can_write_nothing)
{
    g_auto(Rig) rig = rig_new();
    g_autoptr(MobValue) given = rule(LARGE);

    send_store(rig.writer, rig.manager, given);
    MobValue *stored = get_stored(rig.writer, rig.manager);
    send_here(rig.manager, rig.reader, stored);
    MobValue *read = get_here(rig.manager, rig.reader);
    cr_assert(is_fatal((uint8_t *)stored->bytes));
    cr_assert(is_fatal((uint8_t *)read->bytes));
    const MobRegion *region = g_ptr_array_index(rig.writer->shared->own, 0);
    uint8_t *own = mob_shm_writable_at(region->shm, mob_loan_of(stored)->offset, 1);
    cr_assert_eq(*own, *stored->bytes);
    cr_assert(is_fatal_to_write(own), "nor can its writer, by mistake");
    mob_value_unref(stored);
    mob_value_unref(read);
}

/* Names @where as if it were a value of ours. */
static MobMsg *
forge(MobNetHost *to, MobAddress from, MobWhere where)
{
    g_auto(MobBuf) buf = {0};
    uint32_t mark = UINT32_MAX;
    MobObjectHere *here = mob_object_here_new();

    here->object = OBJECT;
    mob_msg_encode(&here->base, &buf);
    mob_msg_unref(&here->base);
    buf.length -= sizeof mark; /* of no value */
    mob_buf_add(&buf, &mark, sizeof mark);
    mob_buf_add(&buf, &where.region, sizeof where.region);
    mob_buf_add(&buf, &where.offset, sizeof where.offset);
    mob_buf_add(&buf, &where.length, sizeof where.length);
    mob_buf_add(&buf, &where.hash, sizeof where.hash);
    MobFrame frame = {.from = from, .to = to->address, .length = (uint32_t)buf.length};
    return mob_shared_get(to, &frame, buf.data, NULL);
}

Test(net_shared, a_place_that_is_not_the_senders_is_refused)
{
    g_auto(Rig) rig = rig_new();
    g_autoptr(MobValue) given = rule(LARGE);

    send_store(rig.writer, rig.manager, given);
    MobValue *stored = get_stored(rig.writer, rig.manager);
    const MobLoan *loan = mob_loan_of(stored);
    MobWhere right = {loan->region->id, loan->offset, stored->length, stored->hash};
    MobWhere wrong[] = {right, right, right};
    wrong[0].offset += STORE;
    wrong[1].length -= 1;
    wrong[2].region += 1;
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
        cr_assert_null(forge(rig.manager, WRITER, wrong[i]), "%zu", i);
    cr_assert_null(forge(rig.manager, READER, right), "it is the writer's");
    cr_assert_null(forge(rig.manager, STRANGER, right), "other machines see none of it");
    MobMsg *fine = forge(rig.manager, WRITER, right);
    cr_assert_not_null(fine);
    mob_msg_unref(fine);
    mob_value_unref(stored);
}
