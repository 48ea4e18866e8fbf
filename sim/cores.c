/* cores.c: see cores.h. */
#include "sim/cores.h"

#include "sim/bodies.h"
#include "sim/faults.h"

enum {
    NOMINAL = 1000000
};

static MobShare *
share(const MobBox *box, guint i)
{
    return &g_array_index(box->shares, MobShare, i);
}

/* Brings what is left up to the present. All shares are equal, so all get the
 * same off. */
static void
settle(MobWorld *world, MobBox *box)
{
    guint count = box->shares->len;
    MobWide done = (MobWide)(world->now - box->shares_at) * box->speed_ppm;

    box->shares_at = world->now;
    if (count > box->cores)
        done = done * box->cores / count;
    if (done == 0)
        return;
    for (guint i = 0; i < count; i++)
        share(box, i)->left -= MIN(share(box, i)->left, done);
}

/* When a body that wants @left is through if nothing changes, rounded up. */
static MobTime
moment_of(const MobWorld *world, const MobBox *box, MobWide left)
{
    MobWide rate = box->speed_ppm;
    guint count = box->shares->len;

    if (count > box->cores) {
        rate *= box->cores;
        left *= count;
    }
    g_assert(rate > 0);
    return world->now + (MobTime)((left + rate - 1) / rate);
}

static void
reschedule(MobWorld *world, MobBox *box)
{
    if (box->shares_due != 0)
        mob_queue_cancel(&world->queue, box->shares_due);
    box->shares_due = 0;
    if (box->shares->len == 0 || box->speed_ppm == 0)
        return;

    MobWide least = share(box, 0)->left;
    for (guint i = 1; i < box->shares->len; i++)
        least = MIN(least, share(box, i)->left);
    MobSlot slot = {.kind = MOB_AT_CORES, .foreground = true, .subject = box};
    box->shares_due = mob_world_schedule(world, moment_of(world, box, least), box->index, slot);
}

static void
add(MobWorld *world, MobHosted *hosted, MobWide left)
{
    MobBox *box = hosted->place->life->box;
    MobShare wants = {hosted, left};

    if (box->speed_ppm != NOMINAL)
        mob_faults_bite_slow(world, box);
    settle(world, box);
    g_array_append_vals(box->shares, &wants, 1);
    reschedule(world, box);
}

/* Returns what @hosted still wanted. */
static MobWide
take_out(MobWorld *world, MobHosted *hosted)
{
    MobBox *box = hosted->place->life->box;

    settle(world, box);
    for (guint i = 0; i < box->shares->len; i++) {
        MobShare found = *share(box, i);
        if (found.hosted != hosted)
            continue;
        g_array_remove_index(box->shares, i);
        reschedule(world, box);
        return found.left;
    }
    return hosted->left;
}

void
mob_cores_add(MobWorld *world, MobHosted *hosted, MobTime duration)
{
    g_assert(!hosted->computing);
    hosted->computing = true;
    hosted->left = (MobWide)duration * NOMINAL;
    if (hosted->place->paused == 0)
        add(world, hosted, hosted->left);
}

void
mob_cores_drop(MobWorld *world, MobHosted *hosted)
{
    if (!hosted->computing)
        return;
    take_out(world, hosted);
    hosted->computing = false;
}

void
mob_cores_park(MobWorld *world, MobPlace *place)
{
    for (MobHosted *hosted = place->hosted; hosted != NULL; hosted = hosted->next) {
        if (hosted->computing)
            hosted->left = take_out(world, hosted);
    }
}

void
mob_cores_unpark(MobWorld *world, MobPlace *place)
{
    for (MobHosted *hosted = place->hosted; hosted != NULL; hosted = hosted->next) {
        if (hosted->computing)
            add(world, hosted, hosted->left);
    }
}

void
mob_cores_set_speed(MobWorld *world, MobBox *box, uint32_t speed_ppm)
{
    settle(world, box);
    box->speed_ppm = speed_ppm;
    reschedule(world, box);
}

void
mob_cores_due(MobWorld *world, MobBox *box)
{
    box->shares_due = 0;
    settle(world, box);

    /* A resumed body may ask for the core again at once; it then stands at the
     * end, with more than nothing left, or is met by the next reschedule. */
    guint count = box->shares->len;
    guint kept = 0;
    g_autofree MobHosted **through = g_new(MobHosted *, count);
    guint through_count = 0;
    for (guint i = 0; i < count; i++) {
        if (share(box, i)->left == 0)
            through[through_count++] = share(box, i)->hosted;
        else
            *share(box, kept++) = *share(box, i);
    }
    g_array_set_size(box->shares, kept);
    reschedule(world, box);
    for (guint i = 0; i < through_count; i++) {
        through[i]->computing = false;
        mob_bodies_go_on(world, through[i]);
    }
}
