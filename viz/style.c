/* style.c: see style.h. */
#include "viz/style.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

const MobStyle *
mob_style(MobLook look)
{
    static const MobStyle styles[MOB_LOOK_COUNT] = {
        [MOB_LOOK_ABSENT] = {"absent", "", "#FFFFFF", "1 4", "0.5", "filled,dotted", false},
        [MOB_LOOK_PENDING] = {"pending", "·", "#BBBBBB", "5 3", "1", "filled,dashed", false},
        [MOB_LOOK_RUNNING] = {"running", "▸", "#56B4E9", NULL, "3", "filled,bold", false},
        [MOB_LOOK_FINISHED] = {"finished", "✓", "#009E73", NULL, "1.5", "filled", false},
        [MOB_LOOK_FAILED] = {"failed", "✗", "#D55E00", NULL, "1.5", "filled", true},
        [MOB_LOOK_LOST] = {"lost", "◌", "#CC79A7", "1.5 3", "2", "filled,dotted", false},
        [MOB_LOOK_AGAIN] = {"again", "↻", "#E69F00", NULL, "2.5", "filled,bold", true},
        [MOB_LOOK_FREED] = {"freed", "○", "#E3F1EC", NULL, "1", "filled", false},
    };

    return &styles[look];
}

/* --- glyphs --- */

void
mob_style_glyph(GString *svg, MobLook look, double x, double y, double r)
{
    const char *line = " fill=\"none\" stroke=\"#111\" stroke-linecap=\"round\""
                       " stroke-linejoin=\"round\" stroke-width=\"";

    switch (look) {
    case MOB_LOOK_ABSENT:
    case MOB_LOOK_COUNT:
        break;
    case MOB_LOOK_PENDING:
        mob_svg_append(svg, "<circle cx=\"%n\" cy=\"%n\" r=\"%n\" fill=\"#111\"/>", x, y, r * 0.3);
        break;
    case MOB_LOOK_RUNNING:
        mob_svg_append(svg, "<path d=\"M%n %nL%n %nL%n %nZ\" fill=\"#111\"/>", x - r * 0.55,
                       y - r * 0.75, x + r * 0.8, y, x - r * 0.55, y + r * 0.75);
        break;
    case MOB_LOOK_FINISHED:
        mob_svg_append(svg, "<path d=\"M%n %nL%n %nL%n %n\"%r%n\"/>", x - r * 0.75, y + r * 0.05,
                       x - r * 0.2, y + r * 0.65, x + r * 0.8, y - r * 0.7, line, r * 0.38);
        break;
    case MOB_LOOK_FAILED:
        mob_svg_append(svg, "<path d=\"M%n %nL%n %nM%n %nL%n %n\"%r%n\"/>", x - r * 0.65,
                       y - r * 0.65, x + r * 0.65, y + r * 0.65, x + r * 0.65, y - r * 0.65,
                       x - r * 0.65, y + r * 0.65, line, r * 0.38);
        break;
    case MOB_LOOK_LOST:
        mob_svg_append(svg,
                       "<circle cx=\"%n\" cy=\"%n\" r=\"%n\"%r%n\" stroke-dasharray=\"%n %n\"/>", x,
                       y, r * 0.75, line, r * 0.3, r * 0.05, r * 0.54);
        break;
    case MOB_LOOK_AGAIN: {
        /* Three quarters of a circle, open at the upper right, with a head. */
        double tip = r * 0.72;
        mob_svg_append(svg, "<path d=\"M%n %nA%n %n 0 1 1 %n %n\"%r%n\"/>", x + tip * 0.71,
                       y + tip * 0.71, tip, tip, x + tip * 0.5, y - tip * 0.87, line, r * 0.3);
        mob_svg_append(svg, "<path d=\"M%n %nL%n %nL%n %nZ\" fill=\"#111\"/>", x + r * 0.05,
                       y - r * 1.1, x + r * 0.95, y - r * 0.55, x + r * 0.2, y - r * 0.05);
        break;
    }
    case MOB_LOOK_FREED:
        mob_svg_append(svg, "<circle cx=\"%n\" cy=\"%n\" r=\"%n\"%r%n\"/>", x, y, r * 0.6, line,
                       r * 0.2);
        break;
    }
}

/* --- text --- */

double
mob_text_width(const char *text, double size, bool bold)
{
    /* Of 1000, for the characters from 32 to 126: Helvetica.afm. */
    static const uint16_t widths[] = {
        278,  278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
        556,  556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
        1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
        667,  778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
        333,  556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
        556,  556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
    };
    uint64_t sum = 0;

    for (const char *at = text; *at != '\0'; at = g_utf8_next_char(at)) {
        unsigned char c = (unsigned char)*at;
        if (c >= 32 && c < 127)
            sum += widths[c - 32];
        else
            sum += c < 0xe0 ? 600 : 1000;
    }
    /* Where Helvetica and its like are missing, what stands in for it is wider. */
    return (double)(bold ? sum * 130 / 100 : sum * 113 / 100) * size / 1000;
}

void
mob_xml_append(GString *into, const char *text)
{
    for (const char *at = text; *at != '\0';) {
        gunichar c = g_utf8_get_char_validated(at, -1);
        if (c == (gunichar)-1 || c == (gunichar)-2) {
            g_string_append(into, "�");
            at++;
            continue;
        }
        if (c == '&')
            g_string_append(into, "&amp;");
        else if (c == '<')
            g_string_append(into, "&lt;");
        else if (c == '>')
            g_string_append(into, "&gt;");
        else if (c == '"')
            g_string_append(into, "&quot;");
        else if ((c < 32 && c != '\n' && c != '\t') || c == 0xfffe || c == 0xffff)
            g_string_append(into, "�");
        else
            g_string_append_unichar(into, c);
        at = g_utf8_next_char(at);
    }
}

void
mob_number_append(GString *into, double number)
{
    long tenths = lround(number * 10);
    long whole = labs(tenths);

    if (tenths < 0)
        g_string_append_c(into, '-');
    g_string_append_printf(into, "%ld", whole / 10);
    if (whole % 10 != 0)
        g_string_append_printf(into, ".%ld", whole % 10);
}

void
mob_svg_append(GString *into, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    for (const char *at = format; *at != '\0'; at++) {
        const char *next = strchrnul(at, '%');
        g_string_append_len(into, at, next - at);
        if (*next == '\0')
            break;
        at = next + 1;
        if (*at == 'n')
            mob_number_append(into, va_arg(values, double));
        else if (*at == 's')
            mob_xml_append(into, va_arg(values, const char *));
        else if (*at == 'r')
            g_string_append(into, va_arg(values, const char *));
        else if (*at == 'd')
            g_string_append_printf(into, "%d", va_arg(values, int));
        else
            g_assert_not_reached();
    }
    va_end(values);
}

static char *
scaled(uint64_t number, uint64_t unit, const char *name)
{
    uint64_t tenths = number / unit * 10 + (number % unit * 10 + unit / 2) / unit;

    if (tenths % 10 == 0 || tenths >= 10000)
        return g_strdup_printf("%" G_GUINT64_FORMAT " %s", tenths / 10, name);
    return g_strdup_printf("%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT " %s", tenths / 10,
                           tenths % 10, name);
}

char *
mob_bytes_text(uint64_t bytes)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    uint64_t unit = 1;
    size_t name = 0;

    while (name + 1 < G_N_ELEMENTS(names) && bytes / unit >= 1024) {
        unit *= 1024;
        name++;
    }
    return scaled(bytes, unit, names[name]);
}

char *
mob_viz_time_text(uint64_t ns)
{
    if (ns >= 10 * UINT64_C(1000000000))
        return scaled(ns, UINT64_C(1000000000), "s");
    if (ns < 100 * 1000)
        return scaled(ns, 1000, "µs");
    return scaled(ns, 1000000, "ms");
}
