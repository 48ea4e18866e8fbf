/* str.c: see str.h.
 *
 * A text never changes after it was made, so its hash is computed once.
 */
#include "runtime/str.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "runtime/ids.h"

MobStr *
mob_str_new_len(const char *text, size_t length)
{
    if (length == 0)
        return NULL;
    g_assert(length < UINT32_MAX);

    MobStr *str = g_malloc(sizeof *str + length + 1);
    str->refs = 1;
    str->length = (uint32_t)length;
    str->hash = XXH3_64bits(text, length);
    memcpy(str->text, text, length);
    str->text[length] = '\0';
    return str;
}

MobStr *
mob_str_new(const char *text)
{
    return text != NULL ? mob_str_new_len(text, strlen(text)) : NULL;
}

MobStr *
mob_str_printf(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return mob_str_new(text);
}

void
mob_str_unref(MobStr *str)
{
    if (str == NULL)
        return;
    g_assert(str->refs > 0);
    if (--str->refs == 0)
        g_free(str);
}

bool
mob_str_eq(const MobStr *a, const MobStr *b)
{
    if (a == b)
        return true;
    if (a == NULL || b == NULL)
        return false;
    return a->hash == b->hash && a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

/* Writes @number in decimal before @end and returns where it begins. */
static char *
write_number(char *end, uint32_t number)
{
    do {
        *--end = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return end;
}

MobStr *
mob_path_child(const MobStr *parent, uint32_t index)
{
    enum {
        SHORT = 48
    };
    char digits[12];
    char *first = write_number(digits + sizeof digits, index);
    size_t count = (size_t)(digits + sizeof digits - first);
    size_t stem = parent != NULL ? parent->length : 0;
    /* "2:" is the root of the second job and takes no slash. */
    bool slash = stem > 0 && parent->text[stem - 1] != ':';
    size_t length = stem + slash + count;
    char room[SHORT];
    g_autofree char *large = length > SHORT ? g_malloc(length) : NULL;
    char *text = large != NULL ? large : room;

    if (stem > 0)
        memcpy(text, parent->text, stem);
    if (slash)
        text[stem] = '/';
    memcpy(text + stem + slash, first, count);
    return mob_str_new_len(text, length);
}

/* Appends the job in front of @path, if there is one, and returns the rest. */
static const char *
split_job(GString *into, const MobStr *path)
{
    const char *text = mob_str(path);
    const char *colon = strchr(text, ':');

    if (colon == NULL)
        return text;
    g_string_append_c(into, 'J');
    g_string_append_len(into, text, colon + 1 - text);
    return colon + 1;
}

void
mob_name_task(GString *into, const MobStr *path)
{
    const char *rest = split_job(into, path);

    if (*rest == '\0') {
        g_string_append(into, "main");
        return;
    }
    g_string_append_c(into, 'T');
    g_string_append(into, rest);
}

void
mob_name_object(GString *into, const MobStr *path, uint32_t index)
{
    const char *rest = split_job(into, path);

    g_string_append_c(into, index > MOB_PUT_BASE ? 'P' : 'O');
    g_string_append(into, rest);
    if (index > 1 && index < MOB_PUT_BASE)
        g_string_append_printf(into, ".%" G_GUINT32_FORMAT, index);
}
