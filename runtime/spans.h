/* spans.h: a set of numbers that remembers the newest so many spans of them.
 *
 * Whoever counts draws its numbers upwards, and what belongs together is mostly
 * drawn together: a thousand numbers in a row are one span, and cost no more
 * than one number. Adding one span more than fits forgets the oldest.
 */
#pragma once

#include "runtime/table.h"

typedef struct MobSpans MobSpans;

MobSpans *mob_spans_new(uint32_t max);
void mob_spans_free(MobSpans *spans);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobSpans, mob_spans_free)

/* Remembers @number, which @counter has drawn. */
void mob_spans_add(MobSpans *spans, uint64_t counter, uint64_t number);

bool mob_spans_has(const MobSpans *spans, uint64_t counter, uint64_t number);
