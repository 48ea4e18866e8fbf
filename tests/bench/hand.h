/* hand.h: workers without a world, for what a step of theirs costs: the
 * benchmark is everybody else. Messages between two of them are encoded and
 * decoded, as on a socket.
 */
#pragma once

#include "runtime/worker.h"
#include "tests/bench/bench.h"

#define HAND_GCS    ((MobAddress){1, MOB_LOCAL_GCS})
#define HAND_NODE   ((MobAddress){1, MOB_LOCAL_NODE})
#define HAND_DRIVER ((MobAddress){1, MOB_LOCAL_WORKER})
#define HAND_WORKER ((MobAddress){1, MOB_LOCAL_POOL})

typedef struct Hand Hand;

struct Hand {
    MobConfig config;
    MobPickConfig pick_config;
    MobPicks *picks;
    MobProcess *process; /* owned */
    MobOutbox out;       /* the effects of the last step */
    MobTime now;
    uint64_t events;
    MobBodyId body;  /* the newest that was started */
    int64_t busy_us; /* in hand_talk(): taking messages, steps, sending */
    uint64_t sent;   /* messages and their bytes, to other workers */
    uint64_t bytes;
    GQueue queue; /* of MobBuf: encoded, on the way to this one */
};

/* A driver whose main runs, or a worker that has nothing to do yet. */
void hand_init(Hand *hand, bool driver);
void hand_clear(Hand *hand);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Hand, hand_clear)

void hand_step(Hand *hand, MobInput input);
/* Delivers @msg (transfer full). */
void hand_give(Hand *hand, MobAddress from, void *msg);
void hand_call(Hand *hand, MobCall call);
/* What the body was told in the last step; NULL while it waits. */
const MobAnswer *hand_answer(const Hand *hand);
/* Puts @value (transfer full), which the store takes if it goes there. */
MobRef hand_put(Hand *hand, MobValue *value);
/* Hands on what @hand and @other say to each other until they are silent, and
 * returns (transfer full) the last answer to a body of @hand: nothing in it,
 * if there was none. */
MobAnswer hand_talk(Hand *hand, Hand *other);
