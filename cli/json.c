/* json.c: see json.h. */
#include "cli/json.h"

#include <string.h>

static void
next(MobJson *json)
{
    if (json->comma)
        g_string_append_c(json->text, ',');
    json->comma = true;
}

void
mob_json_open(MobJson *json, char bracket)
{
    next(json);
    g_string_append_c(json->text, bracket);
    json->comma = false;
}

void
mob_json_close(MobJson *json, char bracket)
{
    g_string_append_c(json->text, bracket);
    json->comma = true;
}

static void
quote(GString *into, const char *text, size_t length)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)length);
    size_t valid_length = strlen(valid);
    g_string_append_c(into, '"');
    for (size_t i = 0; i < valid_length; i++) {
        unsigned char c = (unsigned char)valid[i];
        if (c == '"' || c == '\\')
            g_string_append_printf(into, "\\%c", c);
        else if (c == '\n')
            g_string_append(into, "\\n");
        else if (c == '\t')
            g_string_append(into, "\\t");
        else if (c < 0x20 || c == 0x7f)
            g_string_append_printf(into, "\\u%04x", c);
        else
            g_string_append_c(into, (char)c);
    }
    g_string_append_c(into, '"');
}

void
mob_json_key(MobJson *json, const char *key)
{
    next(json);
    quote(json->text, key, strlen(key));
    g_string_append_c(json->text, ':');
    json->comma = false;
}

void
mob_json_bytes(MobJson *json, const char *text, size_t length)
{
    next(json);
    quote(json->text, text, length);
}

void
mob_json_text(MobJson *json, const char *text)
{
    if (text == NULL)
        mob_json_null(json);
    else
        mob_json_bytes(json, text, strlen(text));
}

void
mob_json_int(MobJson *json, int64_t number)
{
    next(json);
    g_string_append_printf(json->text, "%" G_GINT64_FORMAT, number);
}

void
mob_json_uint(MobJson *json, uint64_t number)
{
    next(json);
    g_string_append_printf(json->text, "%" G_GUINT64_FORMAT, number);
}

void
mob_json_double(MobJson *json, double number)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];
    if (number != number || number - number != 0) { /* not a number, or infinite */
        mob_json_null(json);
        return;
    }
    next(json);
    for (int digits = 15; digits <= 17; digits++) {
        char format[] = {'%', '.', '1', (char)('0' + digits - 10), 'g', '\0'};
        g_ascii_formatd(buffer, sizeof buffer, format, number);
        if (g_ascii_strtod(buffer, NULL) == number)
            break;
    }
    g_string_append(json->text, buffer);
}

void
mob_json_bool(MobJson *json, bool value)
{
    next(json);
    g_string_append(json->text, value ? "true" : "false");
}

void
mob_json_null(MobJson *json)
{
    next(json);
    g_string_append(json->text, "null");
}

void
mob_json_put_text(MobJson *json, const char *key, const char *text)
{
    mob_json_key(json, key);
    mob_json_text(json, text);
}

void
mob_json_put_uint(MobJson *json, const char *key, uint64_t number)
{
    mob_json_key(json, key);
    mob_json_uint(json, number);
}

void
mob_json_put_bool(MobJson *json, const char *key, bool value)
{
    mob_json_key(json, key);
    mob_json_bool(json, value);
}
