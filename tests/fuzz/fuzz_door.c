/* fuzz_door.c: whatever comes to a door of a machine that listens, from nobody or
 * from a peer that has proven who it is, it neither crashes nor grows, and
 * whoever means well is served all the same.
 *
 * An input is a story: the door, whether it is told a secret that lets it in,
 * then pieces: bytes, frames with any head, messages that are well-formed,
 * descriptors, pauses, connections anew.
 */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/cluster.h"
#include "tests/fuzz/tame.h"
#include "tests/generate_report.h"

enum {
    SERVES_EVERY = 64,
};

typedef enum {
    BYTES,
    FRAME,
    PASS,
    PAUSE,
    ANEW,
    HALF,
    OPS,
} Op;

static Cluster cluster;
static uint64_t inputs;

typedef struct {
    Door door;
    bool trusted;
    uint8_t who;
    MobStream stream; /* fd -1: it is not let in any more */
} Visit;

/* Whoever may say that he is the GCS or a node manager can end things, and is believed. */
static MobAddress
visitor(uint8_t who)
{
    MobAddress address = tame_address(who);

    if (mob_address_eq(address, TAME_GCS) || mob_address_eq(address, TAME_NODE))
        return TAME_WORKER;
    return address;
}

static void
come(Visit *visit)
{
    static const MobMeetPurpose purposes[] = {MOB_MEET_LINK, MOB_MEET_LINK, MOB_MEET_ASK,
                                              MOB_MEET_JOIN};
    int fd = cluster_knock(&cluster, visit->door);
    MobFrame hello = {
        .kind = MOB_FRAME_HELLO, .from = visitor(visit->who), .event = mob_schema_hash()};
    bool meets = visit->door == DOOR_TCP || visit->door == DOOR_TLS;

    g_assert(fd >= 0);
    mob_stream_init(&visit->stream, fd);
    if (!visit->trusted)
        return;
    if (!meets)
        mob_stream_put(&visit->stream, &hello, "0", visit->door == DOOR_CLIENT ? 1 : 0);
    else
        cluster_meet(&cluster, visit->door, fd, 2 + visit->who % 3, purposes[visit->who / 3 % 4],
                     &visit->stream);
}

static void
go(Visit *visit)
{
    mob_stream_clear(&visit->stream);
}

static void
say(Visit *visit)
{
    if (visit->stream.fd < 0)
        return;
    mob_stream_flush(&visit->stream);
    cluster_round(&cluster);
    mob_stream_read(&visit->stream, 1 << 20); /* and forgets it */
    visit->stream.in.length = visit->stream.in_at = 0;
}

/* Memory, or what is none, and where it is said to belong. */
static void
pass_fd(Visit *visit, uint8_t how)
{
    MobFrame frame = {.kind = MOB_FRAME_REGION, .from = visitor(visit->who), .to = TAME_NODE};
    uint64_t region[] = {(uint64_t)frame.from.local << 32 | how / 64, (uint64_t)how << 12};
    int fd = how % 2 == 0 ? memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING) : dup(0);

    if (fd >= 0 && how % 4 == 0 && ftruncate(fd, (off_t)how << 12) == 0)
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
    mob_stream_put_fd(&visit->stream, fd);
    mob_stream_put(&visit->stream, &frame, region, sizeof region);
    if (fd >= 0)
        close(fd);
}

/* Who listens behind @door; whoever answers clients has no address. */
static MobAddress
host_of(Door door)
{
    return door == DOOR_GCS ? TAME_GCS : door == DOOR_DRIVER ? TAME_DRIVER : TAME_NODE;
}

/* kind, flags, from, to, then the body. */
static void
put_frame(Visit *visit, const uint8_t *data, size_t length)
{
    MobFrame frame = {.kind = (MobFrameKind)data[0],
                      .flags = data[1],
                      .from = data[2] % 2 == 0 ? visitor(visit->who) : tame_address(data[2]),
                      .to = data[3] % 4 != 0 ? host_of(visit->door) : tame_address(data[3]),
                      .clock = (uint64_t)data[1] << (data[0] % 56),
                      .event = mob_schema_hash() + data[2] / 64};

    if (visit->door == DOOR_TCP || visit->door == DOOR_TLS)
        frame.from.node = data[2] % 8 != 0 ? 2u + visit->who % 3 : frame.from.node;
    mob_stream_put(&visit->stream, &frame, data + 4, length - 4);
}

/* Reads a length and so many bytes at most. */
static size_t
read_piece(Visit *visit, Op op, const uint8_t *data, size_t size)
{
    if (size < 2)
        return size;
    size_t length = MIN((size_t)(data[0] | data[1] << 8), size - 2);
    if (visit->stream.fd >= 0 && op == BYTES)
        mob_buf_add(&visit->stream.out, data + 2, length);
    else if (visit->stream.fd >= 0 && length >= 4)
        put_frame(visit, data + 2, length);
    return 2 + length;
}

static void
finish(void)
{
    cluster_serves(&cluster);
    cluster_end(&cluster);
}

static void
begin(void)
{
    cluster_begin(&cluster);
    cluster_serves(&cluster);
    atexit(finish);
}

static void
act(Visit *visit, Op op, uint8_t how)
{
    if (op == PASS && visit->stream.fd >= 0 && visit->door != DOOR_TCP && visit->door != DOOR_TLS)
        pass_fd(visit, how);
    if (op == PAUSE)
        say(visit);
    if (op == HALF && visit->stream.fd >= 0)
        shutdown(visit->stream.fd, SHUT_WR);
    if (op == ANEW) {
        say(visit);
        go(visit);
        come(visit);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    if (inputs++ == 0)
        begin();
    Visit visit = {.door = (Door)(data[0] % DOORS), .trusted = data[1] % 4 != 0, .who = data[2]};
    come(&visit);
    for (size_t at = 3; at + 1 < size;) {
        Op op = (Op)(data[at] % OPS);
        if (op == BYTES || op == FRAME) {
            at += 1 + read_piece(&visit, op, data + at + 1, size - at - 1);
            continue;
        }
        act(&visit, op, data[at + 1]);
        at += 2;
    }
    say(&visit);
    cluster_check(&cluster);
    go(&visit);
    cluster_round(&cluster);
    cluster_mend(&cluster);
    if (inputs % SERVES_EVERY == 0)
        cluster_serves(&cluster);
    return 0;
}

/* --- seeds --- */

static void
put_body(uint64_t *state, MobFrameKind kind, MobBuf *into)
{
    g_autoptr(MobMsg) msg = NULL;
    MobRecord record;
    void *made;

    switch (kind) {
    case MOB_FRAME_MESSAGE:
        msg = tame_msg(state, (MobMsgType)generate_below(state, MOB_MSG_COUNT));
        mob_msg_encode(msg, into);
        break;
    case MOB_FRAME_REPORT:
        generate_report(state, into);
        break;
    case MOB_FRAME_ASK:
    case MOB_FRAME_ROSTER:
    case MOB_FRAME_BIRTH:
        record = kind == MOB_FRAME_ASK      ? MOB_RECORD_ask
                 : kind == MOB_FRAME_ROSTER ? MOB_RECORD_site
                                            : MOB_RECORD_birth;
        made = generate_record(state, record);
        mob_record_encode(record, made, into);
        mob_record_free(record, made);
        break;
    default:
        for (uint64_t words = generate_below(state, 6) * 8; words > 0; words--) {
            uint8_t byte = (uint8_t)(words % 8 == 0 ? generate_below(state, 4) : 0);
            mob_buf_add(into, &byte, 1);
        }
        break;
    }
}

static void
put_piece(uint64_t *state, MobBuf *into, Op op)
{
    g_auto(MobBuf) body = {0};
    MobFrameKind kind = generate_below(state, 3) > 0
                            ? MOB_FRAME_MESSAGE
                            : (MobFrameKind)generate_below(state, MOB_FRAME_COUNT);

    if (op == FRAME)
        put_body(state, kind, &body);
    for (uint64_t i = generate_below(state, 200); op == BYTES && i > 0; i--) {
        uint8_t byte = (uint8_t)generate_below(state, 256);
        mob_buf_add(&body, &byte, 1);
    }
    size_t length = body.length + (op == FRAME ? 4 : 0);
    if (length > UINT16_MAX)
        return;
    uint8_t head[] = {(uint8_t)op,
                      (uint8_t)(length & 0xff),
                      (uint8_t)(length >> 8),
                      (uint8_t)kind,
                      (uint8_t)(generate_below(state, 4) == 0),
                      (uint8_t)generate_below(state, 64),
                      (uint8_t)generate_below(state, TAME_ADDRESSES)};
    mob_buf_add(into, head, op == FRAME ? 7 : 3);
    mob_buf_add(into, body.data, body.length);
}

void
fuzz_seed(uint64_t *state, MobBuf *into)
{
    uint8_t begin[] = {(uint8_t)generate_below(state, DOORS), (uint8_t)generate_below(state, 8),
                       (uint8_t)generate_below(state, TAME_ADDRESSES)};

    mob_buf_add(into, begin, sizeof begin);
    for (uint64_t count = 1 + generate_below(state, 12); count > 0; count--) {
        Op op = generate_below(state, 3) > 0 ? FRAME : (Op)generate_below(state, OPS);
        uint8_t act[] = {(uint8_t)op, (uint8_t)generate_below(state, 256)};
        if (op == FRAME || op == BYTES)
            put_piece(state, into, op);
        else
            mob_buf_add(into, act, sizeof act);
    }
}
