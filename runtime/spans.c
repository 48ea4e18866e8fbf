/* spans.c: see spans.h.
 *
 * A ring of spans in the order of their coming. Most questions are for numbers
 * above all that a counter has in the ring, and the highest of each is kept in
 * a table; only the others are looked for.
 */
#include "runtime/spans.h"

typedef struct {
    uint64_t counter;
    uint64_t first;
    uint64_t last;
} Span;

typedef struct {
    uint64_t highest;
} Counter;

struct MobSpans {
    MobTable *counters; /* counter -> Counter, owned */
    GArray *ring;       /* of Span; the oldest is at @next once it is full */
    uint32_t max;
    uint32_t next;
};

MobSpans *
mob_spans_new(uint32_t max)
{
    MobSpans *spans = g_new0(MobSpans, 1);

    spans->counters = mob_table_new();
    spans->ring = g_array_new(false, false, sizeof(Span));
    spans->max = max;
    return spans;
}

void
mob_spans_free(MobSpans *spans)
{
    if (spans == NULL)
        return;
    mob_table_free_full(spans->counters, g_free);
    g_array_unref(spans->ring);
    g_free(spans);
}

static void
keep_highest(MobSpans *spans, uint64_t counter, uint64_t number)
{
    Counter *it = mob_table_get(spans->counters, mob_key_word(counter));

    if (it == NULL) {
        it = g_new0(Counter, 1);
        mob_table_add(spans->counters, mob_key_word(counter), it);
    }
    it->highest = MAX(it->highest, number);
}

static Span *
newest(const MobSpans *spans)
{
    uint32_t count = spans->ring->len;

    return count == 0
               ? NULL
               : &g_array_index(spans->ring, Span, (spans->next + spans->max - 1) % spans->max);
}

static void
begin_span(MobSpans *spans, Span span)
{
    if (spans->ring->len < spans->max)
        g_array_append_val(spans->ring, span);
    else
        g_array_index(spans->ring, Span, spans->next) = span;
    spans->next = (spans->next + 1) % spans->max;
}

void
mob_spans_add(MobSpans *spans, uint64_t counter, uint64_t number)
{
    Span *last = newest(spans);

    if (last != NULL && last->counter == counter && number == last->last + 1)
        last->last = number;
    else if (!mob_spans_has(spans, counter, number))
        begin_span(spans, (Span){counter, number, number});
    keep_highest(spans, counter, number);
}

bool
mob_spans_has(const MobSpans *spans, uint64_t counter, uint64_t number)
{
    const Counter *it = mob_table_get(spans->counters, mob_key_word(counter));

    if (it == NULL || number > it->highest)
        return false;
    for (guint i = 0; i < spans->ring->len; i++) {
        const Span *span = &g_array_index(spans->ring, Span, i);
        if (span->counter == counter && number >= span->first && number <= span->last)
            return true;
    }
    return false;
}
