/* machine.c: see machine.h. The places of processes are in place.c. */
#include "sim/machine.h"

#include "sim/disk.h"
#include "sim/place_parts.h"
#include "sim/tell.h"

enum {
    NOMINAL = 1000000
};

/* A journal, by the name of the process that writes it. */
typedef struct {
    const char *name;
    MobJournal *journal; /* owned */
} Journal;

static void
journal_free(void *data)
{
    Journal *journal = data;

    mob_journal_free(journal->journal);
    g_free(journal);
}

MobJournal *
mob_place_journal(MobPlace *place)
{
    GPtrArray *journals = place->life->box->journals;

    if (place->journal != NULL)
        return place->journal;
    for (guint i = 0; i < journals->len; i++) {
        const Journal *known = g_ptr_array_index(journals, i);
        if (g_str_equal(known->name, place->name))
            return place->journal = known->journal;
    }
    Journal *made = g_new(Journal, 1);
    *made = (Journal){place->name, mob_journal_new()};
    g_ptr_array_add(journals, made);
    return place->journal = made->journal;
}

/* --- lives --- */

static MobLife *
life_new(MobWorld *world, MobBox *box)
{
    MobLife *life = g_new0(MobLife, 1);

    g_ptr_array_add(world->lives, life);
    life->node = world->lives->len;
    life->box = box;
    life->low = g_ptr_array_new();
    life->workers = g_ptr_array_new();
    box->life = life;
    return life;
}

void
mob_life_free(MobLife *life)
{
    g_ptr_array_unref(life->low);
    g_ptr_array_unref(life->workers);
    g_free(life);
}

static void
start_manager(MobWorld *world, MobBox *box)
{
    MobLife *life = life_new(world, box);
    MobAddress address = mob_node_address(life->node);

    if (!mob_address_is(world->gcs))
        world->gcs = (MobAddress){life->node, MOB_LOCAL_GCS};

    g_autoptr(MobStr) name = mob_str_new(box->name);
    MobNodeOptions options = {
        .name = name,
        .total = box->total,
        .store_bytes = box->store_bytes,
        .cores = box->cores,
        .head = box->head,
        .gcs = world->gcs,
    };
    MobPlace *place = mob_place_new(world, life, address, MOB_ROLE_NODE, box->name);
    place->process = world->cast->node(address, &world->config, &options, MOB_FIRST_WORKER);
    life->manager = place;
}

void
mob_gcs_start(MobWorld *world)
{
    MobBox *box = g_ptr_array_index(world->boxes, 0);
    MobPlace *place = mob_place_new(world, box->life, world->gcs, MOB_ROLE_GCS, "gcs");

    place->process = world->cast->gcs(world->gcs, &world->config);
    mob_place_start(world, place, world->now);
}

static void
start(MobWorld *world, MobBox *box)
{
    box->alive = true;
    start_manager(world, box);
    if (box->head)
        mob_gcs_start(world);
    mob_place_start(world, box->life->manager, world->now);
}

/* --- machines --- */

MobBox *
mob_box_new(MobWorld *world, const MobMachine *machine)
{
    MobBox *box = g_new0(MobBox, 1);
    int64_t cores = MAX(machine->cpus / MOB_UNIT, 1);

    box->index = world->boxes->len;
    box->name = mob_world_text(world, machine->name);
    box->head = box->index == 0;
    box->cores = machine->cores != 0 ? machine->cores : (uint32_t)cores;
    box->speed_ppm = machine->speed_ppm != 0 ? machine->speed_ppm : NOMINAL;
    box->speed_usual = box->speed_ppm;
    box->store_bytes = machine->store_bytes;
    box->disk_bytes = machine->disk_bytes;
    box->disk = mob_disk_new();
    box->total = (MobResources){.cpu = machine->cpus, .memory = machine->memory};
    if (machine->customs != NULL)
        box->total.customs = mob_customs_ref(machine->customs);
    box->in.ns_per_byte = box->out.ns_per_byte = box->quick.ns_per_byte = world->rate;
    box->journals = g_ptr_array_new_with_free_func(journal_free);
    box->shares = g_array_new(FALSE, FALSE, sizeof(MobShare));
    g_ptr_array_add(world->boxes, box);
    start(world, box);
    return box;
}

void
mob_box_free(MobBox *box)
{
    mob_resources_clear(&box->total);
    g_ptr_array_unref(box->journals);
    mob_disk_free(box->disk);
    g_array_unref(box->shares);
    g_free(box);
}

static void
end_all(MobWorld *world, MobLife *life, const char *why, bool silent)
{
    /* The first locals are the node manager, the GCS, and drivers. */
    for (guint i = 0; i < life->low->len; i++) {
        MobPlace *place = g_ptr_array_index(life->low, i);
        if (place != NULL && (silent || place->role == MOB_ROLE_DRIVER))
            mob_place_end(world, place, why, silent);
    }
    for (guint i = 0; i < life->workers->len; i++) {
        MobPlace *place = g_ptr_array_index(life->workers, i);
        if (place != NULL)
            mob_place_end(world, place, why, silent);
    }
}

void
mob_life_end(MobWorld *world, MobLife *life)
{
    if (life->box->alive)
        end_all(world, life, "its node manager is gone", false);
}

void
mob_box_kill(MobWorld *world, MobBox *box, const char *why)
{
    g_assert(box->alive);
    box->alive = false;
    end_all(world, box->life, why, true);
    MobPlace *gcs = mob_gcs_place(world);
    if (box->head && gcs != NULL)
        mob_place_end(world, gcs, why, true);
}

void
mob_box_restart(MobWorld *world, MobBox *box, bool wipe)
{
    if (box->alive)
        mob_box_kill(world, box, "its machine was restarted");
    for (guint i = 0; wipe && i < box->journals->len; i++)
        mob_journal_wipe(((Journal *)g_ptr_array_index(box->journals, i))->journal);
    box->out.free_at = box->in.free_at = box->quick.free_at = 0;
    start(world, box);
}

MobBox *
mob_box_named(const MobWorld *world, const char *name)
{
    for (guint i = 0; i < world->boxes->len; i++) {
        MobBox *box = g_ptr_array_index(world->boxes, i);
        if (g_str_equal(box->name, name))
            return box;
    }
    return NULL;
}

MobBox *
mob_box_of(const MobWorld *world, MobAddress address)
{
    if (address.node == 0 || address.node > world->lives->len)
        return NULL;
    return ((MobLife *)g_ptr_array_index(world->lives, address.node - 1))->box;
}

/* --- drivers --- */

MobPlace *
mob_driver_start(MobWorld *world, const MobJob *job, uint32_t number)
{
    MobBox *head = g_ptr_array_index(world->boxes, 0);
    MobAddress address = {head->life->node, MOB_LOCAL_WORKER + number - 1};
    g_autofree char *name = number == 1 ? g_strdup("driver") : g_strdup_printf("driver%u", number);
    g_autoptr(MobStr) node_name = mob_str_new(head->name);
    g_autoptr(MobStr) job_name = mob_str_new(job->name);
    g_autoptr(MobStr) root_path = number == 1 ? mob_str_new("") : mob_str_printf("%u:", number);
    MobWorkerOptions options = {
        .gcs = world->gcs,
        .node_manager = mob_node_address(head->life->node),
        .node_name = node_name,
        .driver = true,
        .root = mob_task_root(number),
        .root_path = root_path,
        .job_name = job_name,
        .bundle_id = job->bundle_id,
        .bundle = job->bundle,
        .args = job->args,
    };

    MobPlace *place = mob_place_new(world, head->life, address, MOB_ROLE_DRIVER, name);
    place->job = number;
    place->process = world->cast->worker(address, &world->config, &options);
    mob_place_start(world, place, world->now);
    return place;
}
