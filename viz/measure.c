/* measure.c: how large a node must be to hold all that it ever says.
 *
 * Sizes depend on the whole run and not on the moment, so that nothing moves
 * from one picture to the next.
 */
#include <math.h>

#include "viz/draw.h"

enum {
    SAMPLES = 24 /* moments at which a folded node is looked at */
};

typedef struct {
    double width;
    double height;
} Box;

/* What an ellipse needs so that no corner of a line is outside: each line at
 * its own height, the title first. */
static Box
ellipse_box(double title, const GPtrArray *lines, double bar)
{
    double total = MOB_TITLE_HEIGHT + bar;
    for (guint i = 0; i < lines->len; i++)
        total += mob_line_height(g_ptr_array_index(lines, i));

    double half_height = total * 0.62 + 7;
    double half_width = 0;
    double top = -total / 2;
    for (guint i = 0; i <= lines->len; i++) {
        const MobLine *line = i > 0 ? g_ptr_array_index(lines, i - 1) : NULL;
        double height = line != NULL ? mob_line_height(line) : MOB_TITLE_HEIGHT;
        double width = line != NULL ? mob_line_width(line) : title;
        /* Letters end some way inside their line. */
        double far = MAX(fabs(top + 4), fabs(top + height - 4)) / half_height;
        half_width = MAX(half_width, (width / 2 + 5) / sqrt(1 - far * far));
        top += height + (line == NULL ? bar : 0);
    }
    return (Box){MAX(half_width, half_height * 1.3) * 2, half_height * 2};
}

static Box
flat_box(double title, const GPtrArray *lines, double foot, double bar)
{
    Box box = {title, MOB_TITLE_HEIGHT + bar + MOB_PAD};

    for (guint i = 0; i < lines->len; i++) {
        const MobLine *line = g_ptr_array_index(lines, i);
        box.width = MAX(box.width, mob_line_width(line));
        box.height += mob_line_height(line);
    }
    box.width = MAX(box.width, foot) + 2 * MOB_PAD;
    box.height += foot > 0 ? MOB_FOOT_HEIGHT : 0;
    return box;
}

static Box
box_at(const MobFigure *figure, const MobFigureNode *node, uint64_t seq)
{
    g_autoptr(GPtrArray) lines = mob_figure_lines(figure, node, seq);
    g_autofree char *text = mob_figure_title(node);
    g_autofree char *owner = mob_figure_owner(figure, node);
    double title = mob_text_width(text, MOB_TITLE_SIZE, true) + MOB_GLYPH_ROOM;
    double bar = mob_shape_is_folded(node->shape) ? MOB_BAR_HEIGHT : 0;
    double foot = mob_text_width(owner, MOB_SMALL_SIZE, false);

    if (node->shape == MOB_SHAPE_DRIVER)
        return (Box){title, 42}; /* its walls */
    if (mob_shape_is_round(node->shape))
        return ellipse_box(title, lines, bar);
    return flat_box(title, lines, foot, bar);
}

static void
grow(Box *box, Box other)
{
    box->width = MAX(box->width, other.width);
    box->height = MAX(box->height, other.height);
}

static GArray *
moments_of(const MobFigure *figure, const MobFigureNode *node, GArray *all)
{
    if (node->shape == MOB_SHAPE_DRIVER)
        return g_array_new(FALSE, FALSE, sizeof(MobMoment));
    if (!mob_shape_is_folded(node->shape))
        return mob_model_moments(figure->model, node->id);

    GArray *some = g_array_new(FALSE, FALSE, sizeof(MobMoment));
    for (guint i = 0; i < SAMPLES && all->len > 0; i++)
        g_array_append_val(some, g_array_index(all, MobMoment, i * (all->len - 1) / SAMPLES));
    return some;
}

void
mob_figure_measure(MobFigure *figure)
{
    g_autoptr(GArray) all = mob_model_moments(figure->model, NULL);

    for (guint i = 0; i < figure->nodes->len; i++) {
        MobFigureNode *node = &g_array_index(figure->nodes, MobFigureNode, i);
        g_autoptr(GArray) moments = moments_of(figure, node, all);
        Box box = box_at(figure, node, UINT64_MAX);
        for (guint j = 0; j < moments->len; j++)
            grow(&box, box_at(figure, node, g_array_index(moments, MobMoment, j).seq));
        node->width = ceil(box.width);
        node->height = ceil(box.height);
        node->ring = mob_figure_replayed(figure, node, UINT64_MAX);
    }
}
