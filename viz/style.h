/* style.h: what states look like, and how wide text is.
 *
 * Colours are Okabe and Ito's, with black text on every fill. A state is never
 * colour alone: it has an outline, a glyph and a word as well. Glyphs are
 * drawn, because fonts differ; widths come from Helvetica's own table, so
 * that a picture is the same on a machine without fonts.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    MOB_LOOK_ABSENT, /* not known yet */
    MOB_LOOK_PENDING,
    MOB_LOOK_RUNNING,
    MOB_LOOK_FINISHED, /* of an object: it exists */
    MOB_LOOK_FAILED,
    MOB_LOOK_LOST,
    MOB_LOOK_AGAIN, /* runs, not for the first time */
    MOB_LOOK_FREED, /* nobody needs it any more */
    MOB_LOOK_COUNT,
} MobLook;

typedef struct {
    const char *word; /* also the class in SVG */
    const char *sign; /* the glyph as text, for DOT and tooltips */
    const char *fill;
    const char *dash;     /* stroke-dasharray; NULL: solid */
    const char *width;    /* of the outline, px */
    const char *gv_style; /* for Graphviz */
    bool twice;           /* double outline */
} MobStyle;

const MobStyle *mob_style(MobLook look);

/* Appends the glyph of @look, centred at x, y, in a circle of radius r. */
void mob_style_glyph(GString *svg, MobLook look, double x, double y, double r);

/* Room that @text needs in px at @size px, in Helvetica or what stands in for it. */
double mob_text_width(const char *text, double size, bool bold);

/* Appends @text with the five characters that XML minds escaped, and those it
 * cannot hold replaced. */
void mob_xml_append(GString *into, const char *text);

/* Appends a coordinate with at most one digit after the point: the same on
 * every machine and in every locale. */
void mob_number_append(GString *into, double number);

/* Like printf for pieces of SVG: %n a coordinate (double), %s a text to be
 * escaped, %r a text as it is, %d an int. Nothing else is known. */
void mob_svg_append(GString *into, const char *format, ...);

/* (transfer full) "8 MiB" */
char *mob_bytes_text(uint64_t bytes);
/* (transfer full) "28.6 ms" */
char *mob_viz_time_text(uint64_t ns);
