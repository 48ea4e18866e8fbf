/* draw.h: the measures that sizes and drawing share, in px. */
#pragma once

#include "viz/figure.h"

#define MOB_TITLE_SIZE 15.0
#define MOB_LINE_SIZE  11.5
#define MOB_SMALL_SIZE 10.0

enum {
    MOB_PAD = 11,
    MOB_TITLE_HEIGHT = 24,
    MOB_BADGE_HEIGHT = 21,
    MOB_PLAIN_HEIGHT = 16,
    MOB_FOOT_HEIGHT = 16,
    MOB_BAR_HEIGHT = 18,
    MOB_GLYPH = 7, /* radius beside a title */
    MOB_GLYPH_ROOM = 22,
    MOB_RING = 5,  /* around what was replayed */
    MOB_STACK = 4, /* from one to the next of a folded node's layers */
    MOB_ROOF = 19, /* of a driver's house, above its place */
    MOB_TOP = 22,  /* between the heading and the figure: a roof fits in */
    MOB_MARGIN = 26,
    MOB_HEAD = 46, /* of the heading */
};

static inline double
mob_line_height(const MobLine *line)
{
    return line->look != MOB_LOOK_ABSENT ? MOB_BADGE_HEIGHT : MOB_PLAIN_HEIGHT;
}

static inline double
mob_line_width(const MobLine *line)
{
    double badge = line->look != MOB_LOOK_ABSENT ? 28 : 0;

    return mob_text_width(line->text, MOB_LINE_SIZE, false) + badge;
}

static inline bool
mob_shape_is_round(MobShape shape)
{
    return shape == MOB_SHAPE_OBJECT || shape == MOB_SHAPE_OBJECTS;
}

static inline bool
mob_shape_is_folded(MobShape shape)
{
    return shape == MOB_SHAPE_TASKS || shape == MOB_SHAPE_OBJECTS;
}
