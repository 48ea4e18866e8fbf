/* ref_text.h: a reference as a line of text, which a program may keep anywhere
 * (m.pin, m.ref).
 *
 *     mobula-ref/1.2/0123456789abcdef0123456789abcdef/1/8f00c0de12345678/2:3
 *
 * The owner, the task, the index, a checksum over all of it, and the path. It is
 * printable, has no spaces, and says the same in both worlds.
 */
#pragma once

#include "runtime/value.h"

void mob_ref_write(const MobRef *ref, GString *into);

/* Reads a text of @length bytes that somebody in the job of @path (any path of
 * it) was given. Fills in @ref (owned by the caller); false with a sentence in
 * @why that is about the text if it is none. */
bool mob_ref_read(const char *text, size_t length, const MobStr *path, MobRef *ref,
                  const char **why);
