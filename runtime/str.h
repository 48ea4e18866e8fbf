/* str.h: short immutable texts that are shared instead of copied.
 *
 * Reference counted without atomics, because a process has one thread. A
 * MobStr may hold any bytes and always ends with a zero that is not counted.
 * NULL is the empty text everywhere.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t refs;
    uint32_t length;
    uint64_t hash; /* of the text; filled in when it is made */
    char text[];
} MobStr;

/* The longest text that is accepted from a peer. */
#define MOB_STR_MAX (1024 * 1024)

MobStr *mob_str_new(const char *text);
MobStr *mob_str_new_len(const char *text, size_t length);
MobStr *mob_str_printf(const char *format, ...) G_GNUC_PRINTF(1, 2);

static inline MobStr *
mob_str_ref(MobStr *str)
{
    if (str != NULL)
        str->refs++;
    return str;
}

void mob_str_unref(MobStr *str);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobStr, mob_str_unref)

/* Never NULL. */
static inline const char *
mob_str(const MobStr *str)
{
    return str != NULL ? str->text : "";
}

bool mob_str_eq(const MobStr *a, const MobStr *b);

static inline uint64_t
mob_str_hash(const MobStr *str)
{
    return str != NULL ? str->hash : 0;
}

/* The path of the @index-th child of @parent ("3", 1 -> "3/1"; "", 3 -> "3"). */
MobStr *mob_path_child(const MobStr *parent, uint32_t index);

/* Appends the short name of what has @path: T3/1, O3/1 or O3/1.2, P3/1. In
 * "2:3/1", of the cluster's second job, the names are J2:T3/1 and so on. The
 * path of a put is that of the task that put it, with the put's number. */
void mob_name_task(GString *into, const MobStr *path);
void mob_name_object(GString *into, const MobStr *path, uint32_t index);
