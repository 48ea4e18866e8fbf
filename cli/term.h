/* term.h: what Mobula says on stderr.
 *
 * Texts are written in UTF-8 with the glyphs of the story; on the way out
 * they get colour, or plain letters where the locale or --ascii asks for it.
 * A transcript of it, without either, can be kept.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/ids.h"

typedef struct {
    bool color;
    bool ascii;
    bool quiet;    /* mob_term_say() says nothing; mob_term_complain() still does */
    GString *kept; /* the transcript, if somebody wants one; borrowed */
} MobTerm;

/* @color is auto, always or never; NULL is auto. False if it is something else. */
bool mob_term_init(MobTerm *term, const char *color, bool ascii);

/* One line, without the newline. */
void mob_term_say(MobTerm *term, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* The same, also where the user wanted quiet. */
void mob_term_complain(MobTerm *term, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* @text as this terminal shows it; (transfer full). */
char *mob_term_render(const MobTerm *term, const char *text);

/* Appends "41.9 ms", "8.0 MiB", "9f3c·1ab0", "twice". */
void mob_term_ms(GString *into, MobTime time);
void mob_term_duration(GString *into, MobTime time);
void mob_term_bytes(GString *into, uint64_t bytes);
void mob_term_hash(GString *into, uint64_t hash);
void mob_term_times(GString *into, uint64_t times);

/* How many columns @text takes. */
int mob_term_width(const char *text);
/* Appends @text and spaces up to @width columns, at least @gap of them. */
void mob_term_pad(GString *into, const char *text, int width, int gap);
