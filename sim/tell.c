/* tell.c: see tell.h. */
#include "sim/tell.h"

#include "sim/fold.h"
#include "sim/machine.h"

/* What an event of the world itself has in place of the kind of its input: a number that no
 * input had when traces were first written down, and that none has in the simulator. */
#define WORLD UINT64_C(8)

typedef enum {
    NEWS_BORN,
    NEWS_DIED,
    NEWS_NOTE,
} NewsKind;

typedef struct {
    NewsKind kind;
    MobPlace *place;
    MobNote note;
    MobTime at;
} News;

GArray *
mob_tell_news_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(News));
}

static void
add(MobWorld *world, News news)
{
    news.at = world->now;
    if (world->watchers->len > 0 || news.kind == NEWS_NOTE)
        g_array_append_vals(world->news, &news, 1);
}

void
mob_tell_born(MobWorld *world, MobPlace *place)
{
    add(world, (News){.kind = NEWS_BORN, .place = place});
}

void
mob_tell_died(MobWorld *world, MobPlace *place)
{
    add(world, (News){.kind = NEWS_DIED, .place = place});
}

void
mob_tell_note(MobWorld *world, MobNote note)
{
    add(world, (News){.kind = NEWS_NOTE, .note = note});
}

void
mob_tell_ask(MobWorld *world)
{
    uint64_t wanted = 0;

    for (guint i = 0; i < world->watchers->len; i++)
        wanted |= ((const MobWatcher *)g_ptr_array_index(world->watchers, i))->wanted;
    world->out.wanted = wanted;
}

void
mob_tell_step(MobWorld *world, const MobEvent *event)
{
    world->inside = true;
    for (guint i = 0; i < world->watchers->len; i++) {
        MobWatcher *watcher = g_ptr_array_index(world->watchers, i);
        watcher->event(watcher, event);
    }
    world->inside = false;
}

static void
tell_life(MobWorld *world, const News *news, uint64_t event)
{
    MobWhen when = {event, news->at};
    MobProcInfo info;

    mob_place_info(news->place, &info);
    for (guint i = 0; i < world->watchers->len; i++) {
        MobWatcher *watcher = g_ptr_array_index(world->watchers, i);
        if (news->kind == NEWS_BORN && watcher->born != NULL)
            watcher->born(watcher, &info, when);
        if (news->kind == NEWS_DIED && watcher->died != NULL)
            watcher->died(watcher, info.address, news->place->why, when);
    }
}

static bool
has_notes(const GArray *news)
{
    for (guint i = 0; i < news->len; i++)
        if (g_array_index(news, News, i).kind == NEWS_NOTE)
            return true;
    return false;
}

/* Takes the news; tells the births and deaths among them; returns (transfer
 * full) the notes, which are the next event if there are any, or this one. */
static GArray *
take_news(MobWorld *world, bool next)
{
    GArray *news = world->news;
    uint64_t event = world->events + (next && has_notes(news));
    GArray *notes = g_array_new(FALSE, FALSE, sizeof(MobNote));

    world->news = mob_tell_news_new();
    world->inside = true;
    for (guint i = 0; i < news->len; i++) {
        const News *one = &g_array_index(news, News, i);
        if (one->kind == NEWS_NOTE)
            g_array_append_vals(notes, &one->note, 1);
        else
            tell_life(world, one, event);
    }
    world->inside = false;
    g_array_unref(news);
    return notes;
}

static void
fold(MobWorld *world, uint64_t tag, const GArray *notes)
{
    uint64_t hash = mob_fold(world->hash, world->now);

    hash = mob_fold(hash, tag ^ WORLD << 60);
    for (guint i = 0; i < notes->len; i++) {
        const MobNote *note = &g_array_index(notes, MobNote, i);
        hash = mob_fold_text(mob_fold(hash, note->kind), note->text);
    }
    world->hash = hash;
}

static void
tell_event(MobWorld *world, uint64_t cause, uint64_t tag, const GArray *notes)
{
    MobEvent event = {
        .number = world->events,
        .cause = cause,
        .at = world->now,
        .role = MOB_ROLE_WORLD,
        .notes = (const MobNote *)(const void *)notes->data,
        .note_count = notes->len,
    };

    fold(world, tag, notes);
    mob_world_checkpoint(world);
    uint64_t before = world->cause;
    world->cause = event.number;
    if (world->watchers->len > 0)
        mob_tell_step(world, &event);
    world->cause = before;
}

void
mob_tell(MobWorld *world)
{
    while (world->news->len > 0 && !world->inside) {
        g_autoptr(GArray) notes = take_news(world, true);
        if (notes->len == 0)
            continue;
        world->events++;
        tell_event(world, world->cause, 0, notes);
    }
    if (world->watchers->len > 0)
        mob_tell_ask(world);
}

void
mob_tell_event(MobWorld *world, uint64_t cause, uint64_t tag)
{
    g_autoptr(GArray) notes = take_news(world, false);

    tell_event(world, cause, tag, notes);
    mob_tell(world);
}
