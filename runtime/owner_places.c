/* owner_places.c: the owner as the directory of its objects: node managers that
 * want a copy follow the object, and are told where to get it (Ray: the
 * ownership-based object directory; how copies spread is Hoplite's, spread.h).
 *
 * A follower is answered at once, and told again when what it was told is no
 * good any more: its source is gone, or the object is lost, made anew, freed or
 * an error. That others have come to have a copy is no news for it. With
 * receivers_max 0 nobody is told a source: all hear of each copy, and choose
 * one that is finished, by chance (the naive way).
 */
#include "runtime/worker_parts.h"

static MobSpread *
spread_of(const MobRow *row)
{
    return row->more != NULL ? row->more->spread : NULL;
}

static bool
names_sources(const MobStep *step, const MobRow *row)
{
    return step->worker->config->receivers_max > 0 && row->state == MOB_ROW_STORED;
}

static void
send_locations(MobStep *step, const MobRow *row, MobObjectId object, const MobSpreadNode *follower,
               MobAddress to)
{
    MobLocations *news = mob_locations_new();

    news->object = object;
    if (row == NULL || row->state == MOB_ROW_FREED) {
        news->value = mob_object_freed_fault(step, row);
    } else {
        news->nodes = mob_object_nodes(row);
        news->size = mob_object_size(row);
        news->hash = mob_object_hash(row);
        news->pending = !mob_row_is_available(row);
        news->value = mob_value_ref(row->value);
        news->source = follower->source;
        news->depth = follower->depth;
        news->rank = follower->rank;
    }
    mob_send(step->out, to, news);
}

static void
find_source(MobStep *step, const MobRow *row, MobSpreadNode *follower, MobNodeId failed)
{
    const MobConfig *config = step->worker->config;
    MobSpreadWish wish = {
        .pieces = MAX(1, (mob_object_size(row) + config->chunk - 1) / config->chunk),
        .most = config->receivers_max,
        .failed = failed,
        .picks = step->input->picks,
        .key = mob_str_hash(row->ref.path) ^ row->ref.id.index,
    };

    mob_spread_assign(spread_of(row), follower, &wish);
}

void
mob_places_tell(MobStep *step, const MobRow *row)
{
    MobSpread *spread = spread_of(row);
    bool named = names_sources(step, row);

    for (guint i = 0; spread != NULL && i < spread->nodes->len; i++) {
        MobSpreadNode *follower = &g_array_index(spread->nodes, MobSpreadNode, i);
        if (follower->rank == 0 || (named && mob_spread_is_fed(spread, follower)))
            continue;
        if (named)
            find_source(step, row, follower, (MobNodeId){0});
        else
            mob_spread_unassign(spread, follower);
        send_locations(step, row, row->ref.id, follower, mob_node_address(follower->node.v));
    }
}

void
mob_places_set(const MobRow *row, MobNodeId node, bool here)
{
    if (spread_of(row) != NULL)
        mob_spread_set_here(spread_of(row), node, here);
}

void
mob_places_node_dead(MobStep *step, const MobRow *row, MobNodeId node)
{
    if (spread_of(row) == NULL || mob_spread_find(spread_of(row), node) == NULL)
        return;
    mob_spread_drop(spread_of(row), node);
    mob_places_tell(step, row);
}

static MobSpread *
begin_spread(MobRow *row)
{
    MobRowMore *more = mob_row_more(row);

    if (more->spread == NULL) {
        more->spread = mob_spread_new();
        for (guint i = 0; more->nodes != NULL && i < more->nodes->len; i++)
            mob_spread_set_here(more->spread, g_array_index(more->nodes, MobNodeId, i), true);
    }
    return more->spread;
}

static void
follow(MobStep *step, MobRow *row, MobNodeId node, MobNodeId failed)
{
    MobSpread *spread = begin_spread(row);
    uint32_t before = spread->followers;
    MobSpreadNode *follower = mob_spread_follow(spread, node, step->worker->followers + 1);
    MobSpreadNode *refused = mob_spread_find(spread, failed);

    step->worker->followers += spread->followers - before;

    if (refused != NULL && !refused->here)
        refused->refuses = true;
    if (!names_sources(step, row))
        mob_spread_unassign(spread, follower);
    else if (failed.v != 0 || !mob_spread_is_fed(spread, follower))
        find_source(step, row, follower, failed);
    send_locations(step, row, row->ref.id, follower, step->input->from);
}

void
mob_places_on_subscribe(MobStep *step)
{
    const MobSubscribeLocations *ask = mob_subscribe_locations(step->input->msg);
    MobRow *row = mob_row_find(step->worker, ask->object);

    if (step->input->from.local != MOB_LOCAL_NODE)
        return;
    if (row == NULL || !row->owned || row->state == MOB_ROW_FREED)
        send_locations(step, NULL, ask->object, NULL, step->input->from);
    else
        follow(step, row, (MobNodeId){step->input->from.node}, ask->failed);
}

void
mob_places_on_unsubscribe(MobStep *step)
{
    const MobUnsubscribeLocations *stop = mob_unsubscribe_locations(step->input->msg);
    MobRow *row = mob_row_find(step->worker, stop->object);
    MobSpread *spread = row != NULL ? spread_of(row) : NULL;

    if (spread == NULL)
        return;
    mob_spread_leave(spread, (MobNodeId){step->input->from.node}, stop->here);
    if (spread->followers > 0) {
        mob_places_tell(step, row);
        return;
    }
    mob_spread_free(spread);
    row->more->spread = NULL;
}
