/* json.h: writing JSON, one object a line.
 *
 * Numbers are integers, or doubles in the shortest form that reads back the
 * same; what is not UTF-8 is replaced, so that what comes out is always JSON.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    GString *text;
    bool comma; /* something stands before what comes next */
} MobJson;

static inline MobJson
mob_json(GString *into)
{
    return (MobJson){.text = into};
}

/* @bracket is { or [, and } or ]. */
void mob_json_open(MobJson *json, char bracket);
void mob_json_close(MobJson *json, char bracket);
void mob_json_key(MobJson *json, const char *key);
void mob_json_text(MobJson *json, const char *text); /* NULL is null */
void mob_json_bytes(MobJson *json, const char *text, size_t length);
void mob_json_int(MobJson *json, int64_t number);
void mob_json_uint(MobJson *json, uint64_t number);
void mob_json_double(MobJson *json, double number);
void mob_json_bool(MobJson *json, bool value);
void mob_json_null(MobJson *json);

/* "key": "text" and so on */
void mob_json_put_text(MobJson *json, const char *key, const char *text);
void mob_json_put_uint(MobJson *json, const char *key, uint64_t number);
void mob_json_put_bool(MobJson *json, const char *key, bool value);
