/* link.c: see link.h. */
#include "runtime/link.h"

enum {
    LOSSES_MAX = 6,
    MILLION = 1000000,
};

uint64_t
mob_link_rate(uint64_t bits_per_second)
{
    /* 8 bits at 10^9 ns per second, in 16.16. */
    const uint64_t scale = UINT64_C(8000000000) << 16;

    return bits_per_second == 0 ? 0 : MAX(scale / bits_per_second, 1);
}

MobTime
mob_link_occupy(MobLink *link, MobTime now, uint64_t bytes)
{
    if (link->ns_per_byte == 0)
        return now;
    link->free_at = MAX(now, link->free_at) + mob_link_time(link->ns_per_byte, bytes);
    return link->free_at;
}

/* How many times in a row the packet is lost. The boring answer is never. */
static unsigned
losses(const MobLink *link, MobPicks *picks, uint64_t key)
{
    unsigned count = 0;

    if (link->loss_ppm == 0)
        return 0;
    while (count < LOSSES_MAX &&
           (link->loss_ppm >= MILLION ||
            mob_pick(picks, MOB_PICK_LOSS, key, MILLION, MILLION - 1) < link->loss_ppm))
        count++;
    return count;
}

MobTime
mob_link_send(MobLink *link, MobTime now, uint64_t bytes, MobPicks *picks, uint64_t key,
              MobTime *reset_at)
{
    MobTime depart = mob_link_occupy(link, now, bytes);
    unsigned lost = losses(link, picks, key);
    /* rto + 2 rto + 4 rto …: what the repetitions took. */
    MobTime stalled = link->rto * ((UINT64_C(1) << lost) - 1);

    if (lost == LOSSES_MAX) {
        *reset_at = depart + stalled;
        return MOB_TIME_NEVER;
    }
    MobTime jitter =
        link->jitter == 0 ? 0 : mob_pick(picks, MOB_PICK_LATENCY, key, link->jitter + 1, 0);
    return depart + stalled + link->latency + jitter;
}
