/* tell.h: what watchers are told that is not the step of a process.
 *
 * Births, deaths and what faults do become known at once if nothing else is
 * being told, and right after it otherwise: a watcher is never called while it
 * is being called. So an order that a story gives inside an event is in force
 * at once, and is told of as the next event.
 */
#pragma once

#include "sim/inside.h"

/* (transfer full) an empty list of what is to be told. */
GArray *mob_tell_news_new(void);

void mob_tell_born(MobWorld *world, MobPlace *place);
void mob_tell_died(MobWorld *world, MobPlace *place);
/* Its texts must live as long as the world. */
void mob_tell_note(MobWorld *world, MobNote note);

/* Tells what is new, unless somebody is being told something. */
void mob_tell(MobWorld *world);
/* An event of the world itself, with the notes that have come up: for alarms. */
void mob_tell_event(MobWorld *world, uint64_t cause, uint64_t tag);

/* Calls all watchers with the event of a step. */
void mob_tell_step(MobWorld *world, const MobEvent *event);
/* Which notes are wanted: watchers may have changed their minds. */
void mob_tell_ask(MobWorld *world);
