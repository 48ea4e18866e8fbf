/* recent.h: a set that remembers the newest so many keys, each with a text.
 *
 * What must not be forgotten at once but need not be known for ever: leases
 * that were cancelled, workers that died and why. Adding one more than fits
 * forgets the oldest.
 */
#pragma once

#include "runtime/str.h"
#include "runtime/table.h"

typedef struct MobRecent MobRecent;

MobRecent *mob_recent_new(uint32_t max);
void mob_recent_free(MobRecent *recent);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobRecent, mob_recent_free)

/* Remembers @key with @text (transfer full, may be NULL). A key that is known
 * keeps its first text. */
void mob_recent_add(MobRecent *recent, MobKey key, MobStr *text);

bool mob_recent_has(const MobRecent *recent, MobKey key);

/* Borrowed; NULL if the key is not known or has no text. */
MobStr *mob_recent_text(const MobRecent *recent, MobKey key);
