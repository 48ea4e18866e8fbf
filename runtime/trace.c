/* trace.c: see trace.h.
 *
 * A message is found again when it arrives because between two processes
 * order is kept: the rows of each pair are a chain, read from where the last
 * arrival was. What a reset passed over stays behind.
 */
#include "runtime/trace.h"

#include "runtime/table.h"

G_STATIC_ASSERT(sizeof(MobTraceEvent) <= 48);
G_STATIC_ASSERT(sizeof(MobTraceNote) <= 80);
G_STATIC_ASSERT(sizeof(MobTraceMessage) <= 64);

typedef struct {
    uint32_t first; /* row + 1 of the oldest that is under way, or may be */
    uint32_t last;
} Pair;

typedef struct {
    MobTrace base;
    MobTable *pairs; /* from and to -> Pair, owned */
    GStringChunk *texts;
    size_t rows_max;
} Trace;

const char *
mob_fate_name(MobFate fate)
{
    switch (fate) {
    case MOB_FATE_UNDER_WAY:
        return "under way";
    case MOB_FATE_ARRIVED:
        return "arrived";
    case MOB_FATE_RESET:
        return "reset";
    case MOB_FATE_DEAD:
        return "dead";
    }
    g_assert_not_reached();
}

static MobTraceMessage *
message_row(const Trace *trace, uint32_t number)
{
    return &g_array_index(trace->base.messages, MobTraceMessage, number - 1);
}

static MobKey
pair_key(MobAddress from, MobAddress to)
{
    /* Node 0 is nobody, so neither word is zero. */
    return (MobKey){mob_address_word(from), mob_address_word(to)};
}

static void
on_sent(Trace *trace, const MobEvent *event, const MobNote *note)
{
    uint64_t bytes = mob_msg_weight(note->msg);
    MobTraceMessage row = {
        .from = note->from,
        .to = note->to,
        .sent = event->number,
        .sent_at = event->at,
        .bytes_low = (uint32_t)bytes,
        .bytes_high = (uint16_t)MIN(bytes >> 32, UINT16_MAX),
        .type = (uint8_t)note->msg->type,
    };
    MobKey key = pair_key(note->from, note->to);
    Pair *pair = mob_table_get(trace->pairs, key);

    G_STATIC_ASSERT(MOB_MSG_COUNT <= UINT8_MAX);
    g_array_append_val(trace->base.messages, row);
    uint32_t number = trace->base.messages->len;
    if (pair == NULL) {
        pair = g_new0(Pair, 1);
        mob_table_add(trace->pairs, key, pair);
    }
    if (pair->last != 0)
        message_row(trace, pair->last)->next = number;
    if (pair->first == 0)
        pair->first = number;
    pair->last = number;
}

/* The row of the message that arrives; 0 if its sending was not kept. */
static uint32_t
find_sent(const Trace *trace, Pair *pair, const MobEvent *event)
{
    MobMsgType type = event->input->msg->type;
    uint32_t fallback = 0;

    for (uint32_t at = pair->first; at != 0;) {
        const MobTraceMessage *row = message_row(trace, at);
        if (row->arrived == 0 && row->type == type) {
            if (row->sent == event->cause)
                return at;
            if (fallback == 0 && row->fate == MOB_FATE_UNDER_WAY)
                fallback = at;
        }
        if (row->sent > event->cause && fallback != 0)
            break;
        at = row->next;
    }
    return fallback;
}

static uint32_t
on_arrived(Trace *trace, const MobEvent *event)
{
    Pair *pair = mob_table_get(trace->pairs, pair_key(event->input->from, event->process));
    uint32_t at = pair != NULL ? find_sent(trace, pair, event) : 0;

    if (at == 0)
        return 0;
    MobTraceMessage *row = message_row(trace, at);
    row->arrived = event->number;
    row->arrived_at = event->at;
    row->fate = MOB_FATE_ARRIVED;
    while (pair->first != 0 && message_row(trace, pair->first)->fate != MOB_FATE_UNDER_WAY)
        pair->first = message_row(trace, pair->first)->next;
    if (pair->first == 0)
        pair->last = 0;
    return at;
}

/* What this process had sent there, and has not arrived, will not; unless the
 * fault was one that lets it: then on_arrived() corrects us. */
static void
on_reset(Trace *trace, const MobEvent *event)
{
    Pair *pair = mob_table_get(trace->pairs, pair_key(event->process, event->input->from));

    for (uint32_t at = pair != NULL ? pair->first : 0; at != 0;) {
        MobTraceMessage *row = message_row(trace, at);
        if (row->fate == MOB_FATE_UNDER_WAY)
            row->fate = MOB_FATE_RESET;
        at = row->next;
    }
}

/* --- notes --- */

static const char *
keep(Trace *trace, const char *text)
{
    return text != NULL ? g_string_chunk_insert_const(trace->texts, text) : NULL;
}

/* The text that tells most: what a fault does, what was printed, why. */
static const char *
text_of(Trace *trace, const MobNote *note)
{
    if (note->kind == MOB_NOTE_FAULT || note->kind == MOB_NOTE_OUTPUT)
        return keep(trace, note->text);
    if (note->reason != NULL)
        return keep(trace, note->reason);
    return keep(trace, note->label);
}

static void
on_note(Trace *trace, const MobEvent *event, const MobNote *note)
{
    const MobState *state = trace->base.state;
    MobBecause because[MOB_BECAUSE_MAX];
    MobTaskId task = note->spec != NULL ? note->spec->id : note->task;
    MobTraceNote row = {
        .task = mob_state_task_by_id(state, task),
        .attempt = note->attempt != 0 ? mob_state_attempt(state, task, note->attempt) : NULL,
        .object = mob_state_object_by_id(state, note->object),
        .worker = note->worker,
        .other = mob_address_is(note->to) ? note->to : note->owner,
        .bytes = note->kind == MOB_NOTE_FAULT ? note->line : note->bytes,
        .text = text_of(trace, note),
        .node = note->node.v,
        .because = trace->base.because->len,
        .kind = (uint8_t)note->kind,
        .final = note->final,
        .event = trace->base.events->len - 1,
    };

    if (note->kind == MOB_NOTE_FAULT)
        row.worker = note->from;
    row.because_count = (uint8_t)mob_reasons(state, event, note, because);
    g_array_append_vals(trace->base.because, because, row.because_count);
    g_array_append_val(trace->base.notes, row);
}

/* --- events --- */

static bool
has_room(Trace *trace, const MobEvent *event)
{
    const MobTrace *base = &trace->base;
    size_t rows = MAX(MAX(base->events->len, base->notes->len), base->messages->len);

    if (base->cut_at == 0 && rows + event->note_count >= trace->rows_max)
        trace->base.cut_at = event->number;
    return base->cut_at == 0;
}

static uint8_t
detail_of(const MobInput *input)
{
    if (input->kind == MOB_INPUT_TIMER)
        return (uint8_t)input->timer;
    if (input->kind == MOB_INPUT_CALL)
        return (uint8_t)input->call->kind;
    return 0;
}

static void
on_event(MobWatcher *self, const MobEvent *event)
{
    Trace *trace = (Trace *)self;
    const MobInput *input = event->input;
    MobTraceEvent row = {
        .number = event->number,
        .cause = event->cause,
        .at = event->at,
        .process = event->process,
        .note = trace->base.notes->len,
        .input = input != NULL ? (uint8_t)input->kind : MOB_INPUT_COUNT,
        .detail = input != NULL ? detail_of(input) : 0,
    };

    if (!has_room(trace, event))
        return;
    if (input != NULL && input->kind == MOB_INPUT_MESSAGE)
        row.message = on_arrived(trace, event);
    else if (input != NULL && input->kind == MOB_INPUT_RESET)
        on_reset(trace, event);
    g_array_append_val(trace->base.events, row);
    for (size_t i = 0; i < event->note_count; i++) {
        const MobNote *note = &event->notes[i];
        if (note->kind == MOB_NOTE_MESSAGE_SENT)
            on_sent(trace, event, note);
        else if (note->kind != MOB_NOTE_MESSAGE_DELIVERED)
            on_note(trace, event, note);
    }
    g_array_index(trace->base.events, MobTraceEvent, trace->base.events->len - 1).note_count =
        (uint16_t)MIN(trace->base.notes->len - row.note, UINT16_MAX);
}

MobTrace *
mob_trace_new(const MobState *state, size_t rows_max)
{
    Trace *trace = g_new0(Trace, 1);

    G_STATIC_ASSERT(G_STRUCT_OFFSET(Trace, base) == 0);
    G_STATIC_ASSERT(G_STRUCT_OFFSET(MobTrace, watcher) == 0);
    trace->base.watcher.wanted = MOB_WANT_ALL;
    trace->base.watcher.event = on_event;
    trace->base.state = state;
    trace->base.events = g_array_new(FALSE, FALSE, sizeof(MobTraceEvent));
    trace->base.notes = g_array_new(FALSE, FALSE, sizeof(MobTraceNote));
    trace->base.messages = g_array_new(FALSE, FALSE, sizeof(MobTraceMessage));
    trace->base.because = g_array_new(FALSE, FALSE, sizeof(MobBecause));
    trace->base.choices = g_array_new(FALSE, FALSE, sizeof(MobTraceChoice));
    trace->pairs = mob_table_new();
    trace->texts = g_string_chunk_new(1024);
    trace->rows_max = MIN(rows_max != 0 ? rows_max : MOB_TRACE_ROWS, UINT32_MAX / 2);
    return &trace->base;
}

void
mob_trace_free(MobTrace *base)
{
    Trace *trace = (Trace *)base;

    if (trace == NULL)
        return;
    g_array_unref(base->events);
    g_array_unref(base->notes);
    g_array_unref(base->messages);
    g_array_unref(base->because);
    g_array_unref(base->choices);
    mob_table_free_full(trace->pairs, g_free);
    g_string_chunk_free(trace->texts);
    g_free(trace);
}

void
/* NOLINTNEXTLINE(readability-function-size): it is a MobPickListener */
mob_trace_pick(void *data, MobPickKind kind, uint64_t key, uint64_t ordinal, uint64_t n,
               uint64_t picked, uint64_t boring)
{
    MobTrace *trace = data;
    /* Watchers hear of a step when it is over, so its number is yet to come. */
    bool in_step = kind == MOB_PICK_NODE || kind == MOB_PICK_SOURCE;
    MobTraceChoice row = {
        .event = trace->state->event + in_step,
        .key = key,
        .ordinal = ordinal,
        .arity = n,
        .picked = picked,
        .boring = boring,
        .kind = kind,
    };

    if (trace->cut_at == 0 && trace->choices->len < MOB_TRACE_ROWS)
        g_array_append_val(trace->choices, row);
}

const MobTraceEvent *
mob_trace_event(const MobTrace *trace, uint64_t number)
{
    guint low = 0;
    guint high = trace->events->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        const MobTraceEvent *event = &g_array_index(trace->events, MobTraceEvent, middle);
        if (event->number == number)
            return event;
        if (event->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

MobFate
mob_trace_fate(const MobTrace *trace, const MobTraceMessage *message)
{
    const MobStateProc *to = mob_state_proc_by_address(trace->state, message->to);

    if (message->fate == MOB_FATE_UNDER_WAY && to != NULL && !to->alive)
        return MOB_FATE_DEAD;
    return (MobFate)message->fate;
}
