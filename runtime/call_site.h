/* call_site.h: where in a program something was asked for.
 *
 * Only notes carry it, never a row of the reference table, whose size counts: whoever
 * looks on keeps it (runtime/state.c). Ray: the call site of `ray memory`.
 */
#pragma once

#include "runtime/body.h"

/* The line of a put, of a submit, or of what a reference was received by. Borrowed: from the
 * body until it is resumed, or from the spec. */
typedef struct {
    const char *file; /* NULL: not known */
    uint32_t line;
} MobCallSite;

static inline MobCallSite
mob_spec_site(const MobTaskSpec *spec)
{
    return spec->file != NULL ? (MobCallSite){mob_str(spec->file), spec->line} : (MobCallSite){0};
}

static inline MobCallSite
mob_call_site(const MobCall *call)
{
    return (MobCallSite){call->file, call->line};
}
