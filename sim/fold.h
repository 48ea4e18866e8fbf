/* fold.h: the trace hash: what of an event is part of a run's identity.
 *
 * Everything that a process is told goes in, in canonical words: no address of
 * ours, no bytes of values (their size and hash stand for them), nothing that
 * depends on whether anybody looks on.
 */
#pragma once

#include "sim/inside.h"

static inline uint64_t
mob_fold(uint64_t hash, uint64_t word)
{
    return mob_mix(hash ^ word) + word;
}

uint64_t mob_fold_text(uint64_t hash, const char *text);
uint64_t mob_fold_call(uint64_t hash, const MobCall *call);
uint64_t mob_fold_input(uint64_t hash, MobAddress process, const MobInput *input);
