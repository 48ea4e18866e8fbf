/* Frames and streams: what a socket may bring, and what leaves when. */
#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream.h"

typedef struct {
    MobStream here;
    MobStream there;
} Pair;

static Pair
pair_new(void)
{
    Pair pair;
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    mob_stream_init(&pair.here, ends[0]);
    mob_stream_init(&pair.there, ends[1]);
    pair.there.frame_max = MOB_FRAME_MAX;
    return pair;
}

static void
pair_clear(Pair *pair)
{
    mob_stream_clear(&pair->here);
    mob_stream_clear(&pair->there);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pair, pair_clear)

static void
put(MobStream *stream, uint64_t number, size_t length)
{
    g_autofree uint8_t *body = g_malloc0(length + 1);
    MobFrame frame = {.kind = MOB_FRAME_MESSAGE,
                      .flags = MOB_FRAME_STRAY,
                      .from = {1, 2},
                      .to = {3, UINT32_MAX},
                      .clock = UINT64_MAX - number,
                      .event = number};

    memset(body, (int)number, length);
    mob_stream_put(stream, &frame, body, length);
}

Test(net_stream, frames_come_out_as_they_went_in_whatever_their_size)
{
    static const size_t sizes[] = {0, 1, 39, 4096, 300000, 5000000};
    g_auto(Pair) pair = pair_new();
    MobFrame frame;
    const uint8_t *body;
    size_t got = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++)
        put(&pair.here, i, sizes[i]);
    for (int turn = 0; got < G_N_ELEMENTS(sizes) && turn < 100000; turn++) {
        mob_stream_flush(&pair.here);
        mob_stream_read(&pair.there, 1 << 20);
        while (mob_stream_next(&pair.there, &frame, &body)) {
            cr_assert_eq(frame.length, sizes[got]);
            cr_assert_eq(frame.event, got);
            cr_assert_eq(frame.clock, UINT64_MAX - got);
            cr_assert_eq(frame.flags, MOB_FRAME_STRAY);
            cr_assert(mob_address_eq(frame.from, (MobAddress){1, 2}));
            cr_assert(mob_address_eq(frame.to, (MobAddress){3, UINT32_MAX}));
            for (size_t i = 0; i < sizes[got]; i++)
                cr_assert_eq(body[i], got);
            got++;
        }
    }
    cr_assert_eq(got, G_N_ELEMENTS(sizes));
    cr_assert_not(mob_stream_has_output(&pair.here));
}

Test(net_stream, half_a_frame_is_none_until_the_rest_has_come)
{
    g_auto(Pair) pair = pair_new();
    g_auto(MobBuf) bytes = {0};
    MobFrame frame = {.kind = MOB_FRAME_HELLO};
    const uint8_t *body;

    size_t begin = mob_frame_begin(&bytes, &frame);
    mob_buf_add(&bytes, "abc", 3);
    mob_frame_end(&bytes, begin);
    for (size_t i = 0; i < bytes.length; i++) {
        cr_assert_not(mob_stream_next(&pair.there, &frame, &body), "byte %zu", i);
        cr_assert_eq(write(pair.here.fd, bytes.data + i, 1), 1);
        mob_stream_read(&pair.there, 1000);
    }
    cr_assert(mob_stream_next(&pair.there, &frame, &body));
    cr_assert_eq(memcmp(body, "abc", 3), 0);
    cr_assert_not(mob_stream_next(&pair.there, &frame, &body));
}

Test(net_stream, a_stranger_cannot_make_us_wait_for_a_long_frame)
{
    g_auto(Pair) pair = pair_new();
    MobFrame frame;
    const uint8_t *body;

    pair.there.frame_max = MOB_FRAME_STRANGER_MAX;
    put(&pair.here, 1, MOB_FRAME_STRANGER_MAX + 1);
    mob_stream_flush(&pair.here);
    mob_stream_read(&pair.there, 1 << 20);
    cr_assert_not(mob_stream_next(&pair.there, &frame, &body));
    cr_assert(pair.there.garbage);
}

Test(net_stream, noise_is_no_frame)
{
    for (int byte = 4; byte < 8; byte++) {
        uint8_t noise[MOB_FRAME_HEADER] = {0};
        MobFrame frame;
        if (byte == 5)
            continue; /* flags may be anything */
        noise[byte] = 0xff;
        cr_assert_not(mob_frame_read(noise, MOB_FRAME_MAX, &frame), "byte %d", byte);
    }
    uint8_t long_one[MOB_FRAME_HEADER] = {0xff, 0xff, 0xff, 0xff};
    MobFrame frame;
    cr_assert_not(mob_frame_read(long_one, MOB_FRAME_MAX, &frame));
}

Test(net_stream, what_was_sent_before_the_end_is_still_read)
{
    g_auto(Pair) pair = pair_new();
    MobFrame frame;
    const uint8_t *body;

    put(&pair.here, 7, 100);
    mob_stream_flush(&pair.here);
    close(pair.here.fd);
    pair.here.fd = -1;
    mob_stream_read(&pair.there, 1 << 20);
    mob_stream_read(&pair.there, 1 << 20);
    cr_assert_eq(pair.there.state, MOB_STREAM_ENDED);
    cr_assert(mob_stream_next(&pair.there, &frame, &body));
    cr_assert_eq(frame.event, 7);
}

Test(net_stream, who_does_not_read_is_lost_before_he_takes_our_memory)
{
    g_auto(Pair) pair = pair_new();

    pair.here.out_max = 1 << 20;
    for (uint64_t i = 0; i < 100 && pair.here.state == MOB_STREAM_OPEN; i++) {
        put(&pair.here, i, 100000);
        mob_stream_flush(&pair.here);
    }
    cr_assert_eq(pair.here.state, MOB_STREAM_LOST);
    cr_assert_lt(pair.here.out.length - pair.here.out_at, 2 << 20);
}
