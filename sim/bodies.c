/* bodies.c: see bodies.h. */
#include "sim/bodies.h"

#include "sim/cores.h"
#include "sim/fold.h"

MobHosted *
mob_bodies_find(const MobPlace *place, uint64_t id)
{
    MobHosted *hosted = place->hosted;

    while (hosted != NULL && hosted->id.v != id)
        hosted = hosted->next;
    return hosted;
}

static MobHosted *
get(const MobPlace *place, MobBodyId id)
{
    MobHosted *hosted = mob_bodies_find(place, id.v);

    g_assert(hosted != NULL);
    return hosted;
}

/* --- running --- */

/* Takes what is in @answer. */
static void
run(MobWorld *world, MobHosted *hosted, MobAnswer *answer)
{
    g_assert(!hosted->calling && !hosted->computing && hosted->pending == 0);
    answer->now = world->now;
    answer->places = mob_wants(&world->out, MOB_NOTE_REF_ADDED);
    memset(&hosted->call, 0, sizeof hosted->call);
    hosted->body->class->resume(hosted->body, answer, &hosted->call);
    mob_answer_clear(answer);
    hosted->calling = true;

    MobPlace *place = hosted->place;
    MobSlot slot = {
        .kind = MOB_AT_CALL, .foreground = true, .subject = place, .number = hosted->id.v};
    mob_world_schedule(world, world->now, mob_address_word(place->address) + hosted->id.v, slot);
}

/* The program stays loaded for the life of the process. */
static void
keep_bundle(MobPlace *place, MobValue *bundle)
{
    if (bundle == NULL || bundle == place->bundle)
        return;
    for (guint i = 0; i < place->bundles->len; i++) {
        const MobValue *kept = g_ptr_array_index(place->bundles, i);
        if (kept->hash == bundle->hash && kept->size == bundle->size)
            return;
    }
    g_ptr_array_add(place->bundles, mob_value_ref(bundle));
    place->bundle = bundle;
}

static MobHosted **
end_of(MobPlace *place)
{
    MobHosted **link = &place->hosted;

    while (*link != NULL)
        link = &(*link)->next;
    return link;
}

void
mob_bodies_start(MobWorld *world, MobPlace *place, MobEffect *effect)
{
    MobHosted *hosted = mob_new0(MobHosted, 1);

    g_assert(world->loader != NULL);
    hosted->id = effect->body;
    hosted->place = place;
    hosted->spec = g_steal_pointer(&effect->spec);
    hosted->args = g_steal_pointer(&effect->args);
    hosted->context = (MobBodyContext){
        .worker = place->address,
        .worker_name = place->name,
        .node_name = place->node_name,
        .spec = hosted->spec,
        .attempt = effect->attempt,
        .now = world->now,
        .picks = place->picks,
    };
    keep_bundle(place, effect->bundle);
    hosted->body =
        world->loader->start(world->loader, &hosted->context, effect->bundle, hosted->args);
    *end_of(place) = hosted;
    run(world, hosted, &(MobAnswer){0});
}

void
mob_bodies_resume(MobWorld *world, MobPlace *place, MobEffect *effect)
{
    run(world, get(place, effect->body), &effect->answer);
}

void
mob_bodies_awaken(const MobPlace *place, uint64_t id)
{
    MobHosted *hosted = mob_bodies_find(place, id);

    g_assert(hosted != NULL); /* else the entry had been cancelled */
    hosted->pending = 0;
}

void
mob_bodies_go_on(MobWorld *world, MobHosted *hosted)
{
    world->cause = hosted->cause;
    run(world, hosted, &(MobAnswer){0});
    world->cause = 0;
}

void
mob_bodies_compute(MobWorld *world, MobPlace *place, const MobEffect *effect)
{
    MobHosted *hosted = get(place, effect->body);

    hosted->cause = world->cause;
    mob_cores_add(world, hosted, effect->time);
}

void
mob_bodies_sleep(MobWorld *world, MobPlace *place, const MobEffect *effect)
{
    MobHosted *hosted = get(place, effect->body);
    MobSlot slot = {
        .kind = MOB_AT_WAKE, .foreground = true, .subject = place, .number = hosted->id.v};

    g_assert(hosted->pending == 0);
    hosted->cause = world->cause;
    hosted->pending = mob_world_schedule(world, MAX(effect->time, world->now),
                                         mob_address_word(place->address) + hosted->id.v, slot);
}

/* --- ending --- */

/* A call that nobody took: what it would have handed over is freed here. */
static void
drop_call(MobCall *call)
{
    mob_spec_unref(call->spec);
    mob_args_unref(call->args);
    for (uint32_t i = 0; i < call->value_count; i++)
        mob_value_unref(call->values[i]);
    mob_value_unref(call->fault);
    mob_str_unref(call->text);
}

static void
hosted_free(MobHosted *hosted)
{
    if (hosted->calling)
        drop_call(&hosted->call);
    hosted->body->class->free(hosted->body);
    mob_spec_unref(hosted->spec);
    mob_args_unref(hosted->args);
    g_free(hosted);
}

static void
stop(MobWorld *world, MobHosted *hosted)
{
    mob_cores_drop(world, hosted);
    if (hosted->pending != 0)
        mob_queue_cancel(&world->queue, hosted->pending);
    hosted->pending = 0;
}

void
mob_bodies_end(MobWorld *world, MobPlace *place, const MobEffect *effect)
{
    MobHosted *hosted = get(place, effect->body);

    stop(world, hosted);
    MobHosted **link = &place->hosted;
    while (*link != hosted)
        link = &(*link)->next;
    *link = hosted->next;
    hosted_free(hosted);
}

void
mob_bodies_stop(MobWorld *world, MobPlace *place)
{
    for (MobHosted *hosted = place->hosted; hosted != NULL; hosted = hosted->next)
        stop(world, hosted);
}

void
mob_bodies_clear(MobWorld *world, MobPlace *place)
{
    while (place->hosted != NULL) {
        MobHosted *hosted = place->hosted;
        place->hosted = hosted->next;
        hosted_free(hosted);
    }
    for (guint i = 0; i < place->bundles->len; i++)
        mob_value_unref(g_ptr_array_index(place->bundles, i));
    place->bundle = NULL;
    g_ptr_array_set_size(place->bundles, 0);
    if (world->loader != NULL && (place->role == MOB_ROLE_WORKER || place->role == MOB_ROLE_DRIVER))
        world->loader->drop(world->loader, place->address);
}

/* --- circles --- */

/* A call that submits, returns, computes or the like changes something. One
 * that only looks (get, wait) does so if it looks at something new. Whether a
 * body turns in a circle is found as Brent finds cycles: keep one call in
 * mind, compare each later one to it, and after 1, 2, 4, 8 … calls keep the
 * present one in mind instead. A circle of any length is then met again and
 * again; a body that looks at a million different things never is. */
bool
mob_bodies_progress(MobHosted *hosted, bool *endless)
{
    MobCallKind kind = hosted->call.kind;

    if (kind != MOB_CALL_GET && kind != MOB_CALL_WAIT) {
        hosted->repeats = 0;
        return true;
    }
    uint64_t fold = mob_fold_call(kind, &hosted->call);
    bool again = fold == hosted->tortoise;
    hosted->repeats = again ? hosted->repeats + 1 : hosted->repeats;
    if (++hosted->steps >= hosted->power) {
        hosted->tortoise = fold;
        hosted->steps = 0;
        hosted->power = MAX(1, hosted->power * 2);
    }
    *endless = hosted->repeats > MOB_LIVELOCK_REPEATS;
    return !again;
}
