/* term.c: see term.h. */
#include "cli/term.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    gunichar glyph;
    const char *ascii;
    const char *color; /* as in ESC [ … m; NULL: as its surroundings */
} Glyph;

static const Glyph glyphs[] = {
    {0x2713, "+", "32"},   /* ✓ finished */
    {0x2717, "x", "31"},   /* ✗ failed or killed */
    {0x25b8, ">", "34"},   /* ▸ running */
    {0x25cc, "o", "33"},   /* ◌ lost */
    {0x21bb, "*", "35"},   /* ↻ again */
    {0x00b7, ".", NULL},   /* · pending, and between the halves of a hash */
    {0x2190, "<-", NULL},  /* ← comes from */
    {0x2192, "->", NULL},  /* → leads to */
    {0x2026, "...", NULL}, /* … */
    {0x2514, "`", NULL},   /* └ */
    {0x00d7, "x", NULL},   /* × */
    {0x2588, "#", NULL},   /* █ */
    {0x2591, ".", NULL},   /* ░ */
};

/* The locale is read from its variables and never set: it would change what
 * a letter is to the programs that run in here. */
static bool
locale_is_utf8(void)
{
    const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *value = g_getenv(names[i]);
        if (value == NULL || *value == '\0')
            continue;
        g_autofree char *lower = g_ascii_strdown(value, -1);
        return strstr(lower, "utf-8") != NULL || strstr(lower, "utf8") != NULL;
    }
    return true; /* nothing is set, as in a fresh container: terminals speak UTF-8 */
}

bool
mob_term_init(MobTerm *term, const char *color, bool ascii)
{
    const char *name = g_getenv("TERM");
    const char *no_color = g_getenv("NO_COLOR");

    *term = (MobTerm){.ascii = ascii || !locale_is_utf8()};
    if (color == NULL || strcmp(color, "auto") == 0)
        term->color = isatty(STDERR_FILENO) && (no_color == NULL || *no_color == '\0') &&
                      name != NULL && strcmp(name, "dumb") != 0;
    else if (strcmp(color, "always") == 0)
        term->color = true;
    else if (strcmp(color, "never") != 0)
        return false;
    return true;
}

static const Glyph *
glyph_of(gunichar c)
{
    for (size_t i = 0; i < G_N_ELEMENTS(glyphs); i++)
        if (glyphs[i].glyph == c)
            return &glyphs[i];
    return NULL;
}

char *
mob_term_render(const MobTerm *term, const char *text)
{
    if (!term->color && !term->ascii)
        return g_strdup(text);
    GString *out = g_string_new(NULL);
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
        const Glyph *glyph = glyph_of(g_utf8_get_char(at));
        bool color = term->color && glyph != NULL && glyph->color != NULL;
        if (color)
            g_string_append_printf(out, "\033[%sm", glyph->color);
        if (glyph != NULL && term->ascii)
            g_string_append(out, glyph->ascii);
        else
            g_string_append_len(out, at, g_utf8_next_char(at) - at);
        if (color)
            g_string_append(out, "\033[0m");
    }
    return g_string_free(out, FALSE);
}

static void
say(MobTerm *term, const char *text)
{
    if (term->kept != NULL) {
        g_string_append(term->kept, text);
        g_string_append_c(term->kept, '\n');
    }
    g_autofree char *shown = mob_term_render(term, text);
    fflush(stdout); /* so that both streams stand in order where they are one */
    fprintf(stderr, "%s\n", shown);
}

void
mob_term_say(MobTerm *term, const char *format, ...)
{
    if (term->quiet)
        return;
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    say(term, text);
}

void
mob_term_complain(MobTerm *term, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    say(term, text);
}

void
mob_term_ms(GString *into, MobTime time)
{
    uint64_t tenths = (time + 50 * MOB_US) / (100 * MOB_US);
    g_string_append_printf(into, "%" G_GUINT64_FORMAT ".%u", tenths / 10, (unsigned)(tenths % 10));
}

void
mob_term_duration(GString *into, MobTime time)
{
    if (time < 100 * MOB_US && time > 0) {
        uint64_t tenths = (time + 50) / 100;
        g_string_append_printf(into, "%u.%u us", (unsigned)(tenths / 10), (unsigned)(tenths % 10));
    } else if (time < 10 * MOB_SECOND) {
        mob_term_ms(into, time);
        g_string_append(into, " ms");
    } else {
        uint64_t tenths = (time + 50 * MOB_MS) / (100 * MOB_MS);
        g_string_append_printf(into, "%" G_GUINT64_FORMAT ".%u s", tenths / 10,
                               (unsigned)(tenths % 10));
    }
}

void
mob_term_bytes(GString *into, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    if (bytes < 1024) {
        g_string_append_printf(into, "%u B", (unsigned)bytes);
        return;
    }
    size_t unit = 0;
    uint64_t tenths = bytes * 10 / 1024;
    if (bytes > UINT64_MAX / 10)
        tenths = bytes / 1024 * 10;
    while (tenths >= 10240 && unit + 1 < G_N_ELEMENTS(units)) {
        tenths /= 1024;
        unit++;
    }
    g_string_append_printf(into, "%" G_GUINT64_FORMAT ".%u %s", tenths / 10,
                           (unsigned)(tenths % 10), units[unit]);
}

void
mob_term_hash(GString *into, uint64_t hash)
{
    g_string_append_printf(into, "%04x·%04x", (unsigned)(hash >> 48), (unsigned)(hash & 0xffff));
}

void
mob_term_times(GString *into, uint64_t times)
{
    if (times == 1)
        g_string_append(into, "once");
    else if (times == 2)
        g_string_append(into, "twice");
    else
        g_string_append_printf(into, "%" G_GUINT64_FORMAT " times", times);
}

int
mob_term_width(const char *text)
{
    int width = 0;
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        width += g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
    }
    return width;
}

void
mob_term_pad(GString *into, const char *text, int width, int gap)
{
    g_string_append(into, text);
    int missing = MAX(gap, width - mob_term_width(text));
    g_string_append_printf(into, "%*s", missing, "");
}
