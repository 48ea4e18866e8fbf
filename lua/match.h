/* match.h: patterns of events: `{ "task.running", task = "T2", count = 2 }`.
 *
 * A match is compiled once to the kind of a note and a few tests of its
 * fields, so that an event which nobody waits for costs nothing. Names of
 * events and fields are closed lists; a word that is not in them is an error
 * with the nearest one that is.
 */
#pragma once

#include <lua.h>

#include "runtime/state.h"

/* What an event says, in the order in which people are told. */
#define MOB_EVENT_FIELDS(X)                                                                        \
    X(task)                                                                                        \
    X(name)                                                                                        \
    X(attempt)                                                                                     \
    X(object)                                                                                      \
    X(node)                                                                                        \
    X(worker)                                                                                      \
    X(owner)                                                                                       \
    X(kind)                                                                                        \
    X(from)                                                                                        \
    X(to)                                                                                          \
    X(reason)                                                                                      \
    X(text)                                                                                        \
    X(bytes)                                                                                       \
    X(final)                                                                                       \
    X(at)                                                                                          \
    X(args)

typedef enum {
#define FIELD(name) MOB_EVENT_##name,
    MOB_EVENT_FIELDS(FIELD)
#undef FIELD
    MOB_EVENT_FIELD_COUNT,
} MobEventField;

/* One fact of an event, and the cluster that it is about. */
typedef struct {
    const MobState *state;
    const MobNote *note;
    const MobEvent *event;
} MobFact;

/* Besides fields a match may say `count = n`, the n-th such event, and `hold = true`: the process
 * stands still until the story goes on, as it does anyway. */
typedef struct MobMatch MobMatch;

/* Compiles the table at @index, whose [1] is the event's name unless @name
 * gives it. Raises an error in @lua for a word that does not exist. */
MobMatch *mob_match_new(lua_State *lua, const char *name, int index);
void mob_match_free(MobMatch *match);

MobNoteKind mob_match_kind(const MobMatch *match);
/* How many matching events have to come, from 1. */
uint32_t mob_match_count(const MobMatch *match);
void mob_match_set_count(MobMatch *match, uint32_t count);
/* Borrowed: "task.running task=T2", for people. */
const char *mob_match_text(const MobMatch *match);
bool mob_match_fits(const MobMatch *match, const MobFact *fact);

/* Pushes the event as a table of its fields, with `event`, its name, and `number`. */
void mob_fact_push(lua_State *lua, const MobFact *fact);
/* Appends the task or object that the fact is about: what `leads_to` follows. Empty: none. */
void mob_fact_subject(const MobFact *fact, GString *into);
