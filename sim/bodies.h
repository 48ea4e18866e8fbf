/* bodies.h: user code, run for the processes of a world.
 *
 * A process asks for a body to be started or resumed, and the body runs up to
 * its next call at once, in no time. The call is then delivered to the process
 * at the same instant, as an event of its own. What takes time is said by the
 * body: it computes, which takes a core, or it sleeps.
 */
#pragma once

#include "sim/inside.h"

void mob_bodies_start(MobWorld *world, MobPlace *place, MobEffect *effect);
void mob_bodies_resume(MobWorld *world, MobPlace *place, MobEffect *effect);
void mob_bodies_compute(MobWorld *world, MobPlace *place, const MobEffect *effect);
void mob_bodies_sleep(MobWorld *world, MobPlace *place, const MobEffect *effect);
void mob_bodies_end(MobWorld *world, MobPlace *place, const MobEffect *effect);

/* NULL if it has ended. */
MobHosted *mob_bodies_find(const MobPlace *place, uint64_t id);

/* The time that body @id slept is over, even if its process stands still and
 * takes it in later: nothing pends for it any more. */
void mob_bodies_woke(const MobPlace *place, uint64_t id);

/* The time that @hosted computed or slept is over: resumes it with nothing. */
void mob_bodies_go_on(MobWorld *world, MobHosted *hosted);

/* Whether this call of @hosted gets anything done; see bodies.c. Sets
 * *@endless if it has asked the same for ever. */
bool mob_bodies_progress(MobHosted *hosted, bool *endless);

/* Whatever pends for the bodies of @place does not happen any more. */
void mob_bodies_stop(MobWorld *world, MobPlace *place);
/* Frees the bodies of @place, which has died, and what was loaded for it. */
void mob_bodies_clear(MobWorld *world, MobPlace *place);
