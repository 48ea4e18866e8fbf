/* generate.h: random values, messages and records, made from the tables of the
 * schema, for tests and fuzzers. A state gives the same ones everywhere.
 */
#pragma once

#include "runtime/cbor.h"
#include "runtime/msg.h"

/* A number below @limit; advances @state. */
uint64_t generate_below(uint64_t *state, uint64_t limit);
MobStr *generate_str(uint64_t *state);
/* Appends one random item, nested at most @depth deep. */
void generate_item(uint64_t *state, MobCborWriter *writer, int depth);
MobValue *generate_value(uint64_t *state);
/* Fills in @field, which is zero before; what it owns is the caller's. */
void generate_field(uint64_t *state, MobKind kind, void *field);
MobMsg *generate_msg(uint64_t *state, MobMsgType type);
/* To be freed with mob_record_free(). */
void *generate_record(uint64_t *state, MobRecord record);
