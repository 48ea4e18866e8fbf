/* ref_text.c: see ref_text.h.
 *
 * The text comes from a user, so it is taken only if writing what was read gives
 * the same text again: nothing else has to be checked but the numbers.
 */
#include "runtime/ref_text.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX "mobula-ref/"

enum {
    PARTS = 5, /* behind the prefix; the last, the path, may have slashes itself */
    LENGTH_MAX = 64 * 1024,
};

static uint64_t
checksum(const MobRef *ref)
{
    uint64_t sum = mob_mix(mob_address_word(ref->owner) ^ UINT64_C(0x7265662d74657874));

    sum = mob_mix(sum ^ ref->id.task.hi);
    sum = mob_mix(sum + ref->id.task.lo);
    sum = mob_mix(sum ^ ref->id.index);
    return mob_mix(sum + mob_str_hash(ref->path));
}

void
mob_ref_write(const MobRef *ref, GString *into)
{
    g_string_append_printf(into,
                           PREFIX "%u.%u/%016" G_GINT64_MODIFIER "x%016" G_GINT64_MODIFIER
                                  "x/%u/%016" G_GINT64_MODIFIER "x/%s",
                           ref->owner.node, ref->owner.local, ref->id.task.hi, ref->id.task.lo,
                           ref->id.index, checksum(ref), mob_str(ref->path));
}

/* The part of the path that names the job: "2:", or nothing for the first. */
static size_t
job_length(const MobStr *path)
{
    const char *colon = strchr(mob_str(path), ':');

    return colon != NULL ? (size_t)(colon - mob_str(path)) + 1 : 0;
}

static bool
same_job(const MobStr *a, const MobStr *b)
{
    size_t length = job_length(a);

    return length == job_length(b) && strncmp(mob_str(a), mob_str(b), length) == 0;
}

static void
read_parts(char **parts, MobRef *ref)
{
    const char *local = strchr(parts[0], '.');
    g_autofree char *high = g_strndup(parts[1], 16);

    ref->owner.node = (uint32_t)strtoull(parts[0], NULL, 10);
    ref->owner.local = local != NULL ? (uint32_t)strtoull(local + 1, NULL, 10) : 0;
    ref->id.task.hi = strtoull(high, NULL, 16);
    ref->id.task.lo = strlen(parts[1]) > 16 ? strtoull(parts[1] + 16, NULL, 16) : 0;
    ref->id.index = (uint32_t)strtoull(parts[2], NULL, 10);
    ref->path = mob_str_new(parts[4]);
}

bool
mob_ref_read(const char *text, size_t length, const MobStr *path, MobRef *ref, const char **why)
{
    *ref = (MobRef){0};
    *why = "m.pin did not write it, or it was changed";
    if (length > LENGTH_MAX || strlen(text) != length || !g_str_has_prefix(text, PREFIX))
        return false;
    g_auto(GStrv) parts = g_strsplit(text + strlen(PREFIX), "/", PARTS);
    if (g_strv_length(parts) != PARTS)
        return false;
    read_parts(parts, ref);
    g_autoptr(GString) again = g_string_new(NULL);
    mob_ref_write(ref, again);
    bool same = strcmp(again->str, text) == 0 && mob_object_is(ref->id) &&
                ref->owner.local >= MOB_LOCAL_WORKER && mob_address_is(ref->owner);
    if (same && same_job(ref->path, path))
        return true;
    if (same)
        *why = "it was written in another job, whose objects end with it";
    mob_ref_clear(ref);
    *ref = (MobRef){0};
    return false;
}
