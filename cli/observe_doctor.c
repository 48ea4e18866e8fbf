/* observe_doctor.c: which machine reaches which; see observe_parts.h.
 *
 * Every machine is made to send something to every other, and says so when
 * something has come. What has not come after a while does not get there; the
 * direction is known, since nothing has to come back on the same way.
 */
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/observe_parts.h"

#define PATIENCE (1 * MOB_SECOND)

typedef struct {
    const char *from;
    const char *to;
    MobTime sent;
    MobTime came; /* 0: not yet */
    bool dead;    /* one of the two is */
} Probe;

/* All that one client waits for. */
typedef struct {
    MobClient *client;
    MobSink sink;
    uint64_t first; /* the number of the first probe */
    GArray *probes; /* of Probe */
} MobRound;

void
mob_round_free(void *data)
{
    MobRound *round = data;

    g_array_unref(round->probes);
    g_free(round);
}

void
mob_observer_forget_rounds(MobObserver *observer, const MobClient *client)
{
    for (guint i = observer->rounds->len; i > 0; i--)
        if (((const MobRound *)g_ptr_array_index(observer->rounds, i - 1))->client == client)
            g_ptr_array_remove_index(observer->rounds, i - 1);
}

/* --- who stands still --- */

guint
mob_observer_say_stopped(const MobObserver *observer, const MobSink *sink)
{
    g_autoptr(MobRows) workers = mob_live_rows(&observer->live, mob_noun("workers", NULL));
    guint count = 0;

    for (guint row = 0; row < mob_rows_count(workers); row++) {
        if (strcmp(mob_rows_get(workers, row, "state"), "STOPPED") != 0)
            continue;
        count++;
        mob_sink_say(sink, "✗ %s is stopped, and so is its task; it goes on after kill -CONT %u",
                     mob_rows_get(workers, row, "worker"),
                     (unsigned)mob_rows_cell(workers, row, "pid")->number);
    }
    return count;
}

/* --- the answer --- */

static void
tell_json(const Probe *probe, const MobSink *sink)
{
    g_autoptr(GString) text = g_string_new(NULL);
    MobJson json = mob_json(text);

    mob_json_open(&json, '{');
    mob_json_put_text(&json, "type", "way");
    mob_json_put_text(&json, "from", probe->from);
    mob_json_put_text(&json, "to", probe->to);
    mob_json_put_bool(&json, "open", probe->came != 0);
    mob_json_key(&json, "took_ns");
    if (probe->came != 0)
        mob_json_uint(&json, probe->came - probe->sent);
    else
        mob_json_null(&json);
    mob_json_close(&json, '}');
    g_string_append_c(text, '\n');
    sink->tell(sink->data, MOB_TELL_OUT, text->str, text->len);
}

static void
tell_people(const Probe *probe, const MobSink *sink)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *way = g_strdup_printf("%s → %s", probe->from, probe->to);

    mob_term_pad(text, way, 14, 2);
    if (probe->came != 0) {
        g_string_append(text, "✓ ");
        mob_term_duration(text, probe->came - probe->sent);
    } else if (probe->dead) {
        g_string_append(text, "✗ dead");
    } else {
        g_string_append_printf(text, "✗ nothing came within %d s", (int)(PATIENCE / MOB_SECOND));
    }
    g_string_append_c(text, '\n');
    mob_sink_table(sink, text->str);
}

static void
finish(MobObserver *observer, MobRound *round)
{
    guint open = 0;

    for (guint i = 0; i < round->probes->len; i++) {
        const Probe *probe = &g_array_index(round->probes, Probe, i);
        (round->sink.json ? tell_json : tell_people)(probe, &round->sink);
        open += probe->came != 0;
    }
    bool all = mob_observer_say_stopped(observer, &round->sink) == 0 &&
               open == round->probes->len && observer->state->gcs_alive;
    if (!observer->state->gcs_alive)
        mob_sink_say(&round->sink, "✗ gcs is dead");
    if (open == round->probes->len)
        mob_sink_say(&round->sink, "✓ every machine reaches every other");
    else
        mob_sink_say(&round->sink, "✗ %u of %u ways are open", open, round->probes->len);
    mob_client_over(round->client, all ? MOB_EXIT_OK : MOB_EXIT_FAILED);
    g_ptr_array_remove(observer->rounds, round);
}

/* --- the question --- */

static bool
nothing_is_missing(const MobRound *round)
{
    for (guint i = 0; i < round->probes->len; i++) {
        const Probe *probe = &g_array_index(round->probes, Probe, i);
        if (probe->came == 0 && !probe->dead)
            return false;
    }
    return true;
}

static void
on_probed(void *data, uint64_t number)
{
    MobObserver *observer = data;
    MobControl *control = observer->live.control;

    for (guint i = 0; i < observer->rounds->len; i++) {
        MobRound *round = g_ptr_array_index(observer->rounds, i);
        if (number < round->first || number >= round->first + round->probes->len)
            continue;
        g_array_index(round->probes, Probe, number - round->first).came = control->now(control);
        if (nothing_is_missing(round))
            finish(observer, round);
        return;
    }
}

static void
on_late(void *data, uint64_t first)
{
    MobObserver *observer = data;

    for (guint i = 0; i < observer->rounds->len; i++) {
        MobRound *round = g_ptr_array_index(observer->rounds, i);
        if (round->first == first) {
            finish(observer, round);
            return;
        }
    }
}

static void
send_probes(MobObserver *observer, MobRound *round)
{
    const MobLocal *local = observer->options.local;
    size_t count = mob_local_machine_count(local);
    MobControl *control = observer->live.control;

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            if (i == j)
                continue;
            Probe probe = {.from = mob_local_machine(local, i)->name,
                           .to = mob_local_machine(local, j)->name};
            uint64_t number = ++observer->probes;
            probe.dead = !mob_local_probe(observer->options.local, probe.from, probe.to, number);
            probe.sent = control->now(control);
            g_array_append_val(round->probes, probe);
        }
    }
}

int
mob_observer_doctor(MobObserver *observer, MobClient *client, const MobSink *sink)
{
    MobControl *control = observer->live.control;
    MobRound *round = g_new0(MobRound, 1);

    round->client = client;
    round->sink = *sink;
    round->first = observer->probes + 1;
    round->probes = g_array_new(FALSE, TRUE, sizeof(Probe));
    g_ptr_array_add(observer->rounds, round);
    mob_local_on_probe(observer->options.local, on_probed, observer);
    send_probes(observer, round);
    if (nothing_is_missing(round))
        finish(observer, round);
    else
        control->at(control, control->now(control) + PATIENCE, on_late, observer, round->first);
    return MOB_OBSERVE_LATER;
}
