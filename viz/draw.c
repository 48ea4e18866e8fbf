/* draw.c: a figure at a moment as SVG.
 *
 * We write it ourselves: the layout gives places alone, so the same places
 * serve every moment, every coordinate is rounded to a tenth of a pixel, and
 * nothing depends on fonts.
 */
#include "viz/draw.h"

#include <math.h>

#define INK "#222222"

typedef struct {
    const MobFigure *figure;
    GString *svg;
    uint64_t seq;
    bool used[MOB_LOOK_COUNT];
    bool used_edges[MOB_EDGE_COUNT];
    bool replayed;
} Pen;

/* --- outlines --- */

static void
outline(Pen *pen, const MobFigureNode *node, double grow, const char *paint)
{
    double w = node->width / 2 + grow;
    double h = node->height / 2 + grow;
    double x = node->x;
    double y = node->y;

    switch (node->shape) {
    case MOB_SHAPE_OBJECT:
    case MOB_SHAPE_OBJECTS:
        mob_svg_append(pen->svg, "<ellipse cx=\"%n\" cy=\"%n\" rx=\"%n\" ry=\"%n\"%r/>", x, y, w, h,
                       paint);
        break;
    case MOB_SHAPE_PUT:
        mob_svg_append(pen->svg, "<path d=\"M%n %nH%nL%n %nV%nH%nZM%n %nV%nH%n\"%r/>", x - w, y - h,
                       x + w - 11, x + w, y - h + 11, y + h, x - w, x + w - 11, y - h, y - h + 11,
                       x + w, paint);
        break;
    case MOB_SHAPE_DRIVER:
        mob_svg_append(pen->svg, "<path d=\"M%n %nL%n %nL%n %nV%nH%nZ\"%r/>", x - w, y - h, x,
                       y - h - MOB_ROOF, x + w, y - h, y + h, x - w, paint);
        break;
    case MOB_SHAPE_TASK:
    case MOB_SHAPE_TASKS:
        mob_svg_append(pen->svg, "<rect x=\"%n\" y=\"%n\" width=\"%n\" height=\"%n\" rx=\"%n\"%r/>",
                       x - w, y - h, w * 2, h * 2, 4 + MAX(grow, 0), paint);
        break;
    }
}

static char *
paint_of(const char *fill, const MobStyle *style, const char *width)
{
    return g_strdup_printf(" fill=\"%s\" stroke=\"" INK "\" stroke-width=\"%s\"%s%s%s", fill, width,
                           style->dash != NULL ? " stroke-dasharray=\"" : "",
                           style->dash != NULL ? style->dash : "",
                           style->dash != NULL ? "\" stroke-linecap=\"round\"" : "");
}

static void
draw_outline(Pen *pen, const MobFigureNode *node, MobLook look, bool replayed)
{
    const MobStyle *style = mob_style(look);
    bool plain = node->shape == MOB_SHAPE_DRIVER || mob_shape_is_folded(node->shape);
    g_autofree char *paint =
        paint_of(plain ? "#FFFFFF" : style->fill, plain ? mob_style(MOB_LOOK_FINISHED) : style,
                 plain ? "1.5" : style->width);

    if (mob_shape_is_folded(node->shape)) {
        MobFigureNode behind = *node;
        for (int i = 2; i > 0; i--) {
            behind.x = node->x + MOB_STACK * i;
            behind.y = node->y + MOB_STACK * i;
            outline(pen, &behind, 0, " fill=\"#F4F4F4\" stroke=\"" INK "\" stroke-width=\"1\"");
        }
    } else if (replayed) {
        outline(pen, node, MOB_RING, " fill=\"#E69F00\" stroke=\"" INK "\" stroke-width=\"1.2\"");
    }
    /* Where a ring will come, the arrows end at its edge already. */
    outline(pen, node, node->ring && !replayed && !plain ? MOB_RING : 0, paint);
    if (style->twice && !plain && !replayed)
        outline(pen, node, -3.5, " fill=\"none\" stroke=\"" INK "\" stroke-width=\"1.2\"");
}

/* --- text --- */

static void
text_at(Pen *pen, double x, double y, double size, const char *extra, const char *text)
{
    mob_svg_append(pen->svg, "<text x=\"%n\" y=\"%n\" font-size=\"%n\"%r>%s</text>", x, y, size,
                   extra, text);
}

static void
draw_title(Pen *pen, const MobFigureNode *node, MobLook look, double top, bool centred)
{
    g_autofree char *title = mob_figure_title(node);
    bool glyph = node->shape != MOB_SHAPE_DRIVER && !mob_shape_is_folded(node->shape);
    double width = mob_text_width(title, MOB_TITLE_SIZE, true);
    double room = glyph ? MOB_GLYPH_ROOM : 0;
    double left = centred ? node->x - (width + room) / 2 : node->x - node->width / 2 + MOB_PAD;
    double middle = top + MOB_TITLE_HEIGHT / 2.0;

    if (glyph)
        mob_style_glyph(pen->svg, look, left + MOB_GLYPH, middle, MOB_GLYPH);
    if (centred)
        text_at(pen, left + room + width / 2, middle + 5.3, MOB_TITLE_SIZE,
                " font-weight=\"bold\" text-anchor=\"middle\"", title);
    else
        text_at(pen, left + room, middle + 5.3, MOB_TITLE_SIZE, " font-weight=\"bold\"", title);
}

static void
draw_badge(Pen *pen, const MobLine *line, double left, double top, double width)
{
    const MobStyle *style = mob_style(line->look);
    double height = MOB_BADGE_HEIGHT - 3;
    bool calm = line->look == MOB_LOOK_FINISHED;
    g_autofree char *paint = paint_of(calm ? "#BFE5DA" : style->fill, style, "1");

    pen->used[line->look] = true;
    mob_svg_append(pen->svg, "<rect x=\"%n\" y=\"%n\" width=\"%n\" height=\"%n\" rx=\"9\"%r/>",
                   left, top + 1.5, width, height, paint);
    mob_style_glyph(pen->svg, line->look, left + 11, top + 1.5 + height / 2, 5);
    text_at(pen, left + 21, top + 1.5 + height / 2 + 4, MOB_LINE_SIZE, "", line->text);
}

static double
draw_lines(Pen *pen, const MobFigureNode *node, double top, bool centred)
{
    g_autoptr(GPtrArray) lines = mob_figure_lines(pen->figure, node, pen->seq);
    double inner = node->width - 2 * MOB_PAD;

    for (guint i = 0; i < lines->len; i++) {
        const MobLine *line = g_ptr_array_index(lines, i);
        double width = mob_line_width(line);
        double left = centred ? node->x - width / 2 : node->x - node->width / 2 + MOB_PAD;
        if (line->look != MOB_LOOK_ABSENT)
            draw_badge(pen, line, left, top, centred ? width : inner);
        else
            text_at(pen, centred ? node->x : left, top + 12, MOB_LINE_SIZE,
                    centred ? " text-anchor=\"middle\"" : "", line->text);
        top += mob_line_height(line);
    }
    return top;
}

static void
draw_foot(Pen *pen, const MobFigureNode *node)
{
    g_autofree char *owner = mob_figure_owner(pen->figure, node);
    double y = node->y + node->height / 2 - 8;

    if (*owner != '\0')
        text_at(pen, node->x - node->width / 2 + MOB_PAD, y, MOB_SMALL_SIZE, "", owner);
}

/* How the states are shared out among many. */
static void
draw_bar(Pen *pen, const MobFigureNode *node, double top, double width)
{
    guint counts[MOB_LOOK_COUNT];
    double left = node->x - width / 2;
    double scale = width / node->members->len;

    mob_figure_count(pen->figure, node, pen->seq, counts);
    for (int look = MOB_LOOK_PENDING; look < MOB_LOOK_COUNT; look++) {
        if (counts[look] == 0)
            continue;
        pen->used[look] = true;
        mob_svg_append(pen->svg,
                       "<rect class=\"%r\" x=\"%n\" y=\"%n\" width=\"%n\" height=\"11\" fill=\"%r\""
                       " stroke=\"" INK "\"/>",
                       mob_style((MobLook)look)->word, left, top + 2, counts[look] * scale,
                       mob_style((MobLook)look)->fill);
        left += counts[look] * scale;
    }
}

/* --- nodes --- */

static const char *
kind_class(MobShape shape)
{
    switch (shape) {
    case MOB_SHAPE_DRIVER:
        return "driver";
    case MOB_SHAPE_TASK:
    case MOB_SHAPE_TASKS:
        return "task";
    case MOB_SHAPE_OBJECT:
    case MOB_SHAPE_OBJECTS:
        return "object";
    case MOB_SHAPE_PUT:
        return "object put";
    }
    g_assert_not_reached();
}

/* Text stands in the middle of an ellipse as it is now, and at the top of a
 * box, where the lines that are still to come leave their room. */
static double
first_line(const Pen *pen, const MobFigureNode *node)
{
    double height = MOB_TITLE_HEIGHT + (mob_shape_is_folded(node->shape) ? MOB_BAR_HEIGHT : 0);

    if (node->shape == MOB_SHAPE_DRIVER)
        return node->y - MOB_TITLE_HEIGHT / 2.0 - 2;
    if (!mob_shape_is_round(node->shape))
        return node->y - node->height / 2 + MOB_PAD / 2.0;
    g_autoptr(GPtrArray) lines = mob_figure_lines(pen->figure, node, pen->seq);
    for (guint i = 0; i < lines->len; i++)
        height += mob_line_height(g_ptr_array_index(lines, i));
    return node->y - height / 2;
}

static void
draw_node(Pen *pen, const MobFigureNode *node)
{
    MobLook look = mob_figure_look(pen->figure, node, pen->seq);
    bool replayed = mob_figure_replayed(pen->figure, node, pen->seq);
    bool driver = node->shape == MOB_SHAPE_DRIVER;
    bool centred = mob_shape_is_round(node->shape) || driver;
    g_autofree char *sentence = mob_figure_sentence(pen->figure, node, pen->seq);

    if (look == MOB_LOOK_ABSENT)
        return;
    pen->replayed |= replayed && !mob_shape_is_folded(node->shape);
    if (!driver && !mob_shape_is_folded(node->shape))
        pen->used[look] = true;
    mob_svg_append(pen->svg, "<g id=\"%s\" class=\"%r%r%r%r\" role=\"img\"><title>%s</title>",
                   node->id, kind_class(node->shape), driver ? "" : " ",
                   driver ? "" : mob_style(look)->word, replayed ? " replayed" : "", sentence);
    draw_outline(pen, node, look, replayed);
    double top = first_line(pen, node);
    draw_title(pen, node, look, top, centred);
    top += MOB_TITLE_HEIGHT;
    if (mob_shape_is_folded(node->shape)) {
        double share = mob_shape_is_round(node->shape) ? 0.7 : 1;
        draw_bar(pen, node, top, (node->width - 2 * MOB_PAD) * share);
        top += MOB_BAR_HEIGHT;
    }
    draw_lines(pen, node, top, centred);
    draw_foot(pen, node);
    g_string_append(pen->svg, "</g>\n");
}

/* --- edges --- */

static void
draw_tip(Pen *pen, const MobFigureEdge *edge, double x, double y, const char *colour)
{
    double dx = edge->tip_x - x;
    double dy = edge->tip_y - y;
    double length = sqrt(dx * dx + dy * dy);

    if (length < 0.1)
        return;
    double side_x = -dy / length * 3.6;
    double side_y = dx / length * 3.6;
    mob_svg_append(pen->svg, "<path d=\"M%n %nL%n %nL%n %nZ\" fill=\"%r\"/>", edge->tip_x,
                   edge->tip_y, x + side_x, y + side_y, x - side_x, y - side_y, colour);
}

static bool
edge_is_there(const Pen *pen, const MobFigureEdge *edge)
{
    const MobFigureNode *from = mob_figure_node(pen->figure, edge->from);
    const MobFigureNode *to = mob_figure_node(pen->figure, edge->to);

    return mob_figure_look(pen->figure, from, pen->seq) != MOB_LOOK_ABSENT &&
           mob_figure_look(pen->figure, to, pen->seq) != MOB_LOOK_ABSENT;
}

static void
draw_edge(Pen *pen, const MobFigureEdge *edge)
{
    static const char *const strokes[MOB_EDGE_COUNT] = {
        " stroke=\"#222222\" stroke-width=\"1.6\"",
        " stroke=\"#555555\" stroke-width=\"1.2\" stroke-dasharray=\"6 4\"",
        " stroke=\"#777777\" stroke-width=\"1.4\" stroke-dasharray=\"1.5 3.5\""
        " stroke-linecap=\"round\"",
    };
    static const char *const colours[MOB_EDGE_COUNT] = {"#222222", "#555555", "#777777"};
    static const char *const classes[MOB_EDGE_COUNT] = {"data", "call", "reference"};
    const MobFigureNode *from = mob_figure_node(pen->figure, edge->from);
    const MobFigureNode *to = mob_figure_node(pen->figure, edge->to);
    const double *points = (const double *)edge->points->data;
    size_t count = edge->points->len / 2;

    if (count < 4 || !edge_is_there(pen, edge))
        return;
    pen->used_edges[edge->kind] = true;
    mob_svg_append(pen->svg, "<g id=\"%s-%s\" class=\"edge %r\"><path d=\"M%n %n", from->id, to->id,
                   classes[edge->kind], points[0], points[1]);
    for (size_t i = 1; i < count; i++)
        mob_svg_append(pen->svg, "%r%n %n", i % 3 == 1 ? "C" : " ", points[2 * i],
                       points[2 * i + 1]);
    mob_svg_append(pen->svg, "\" fill=\"none\"%r/>", strokes[edge->kind]);
    draw_tip(pen, edge, points[2 * count - 2], points[2 * count - 1], colours[edge->kind]);
    g_string_append(pen->svg, "</g>\n");
}

/* On top of the nodes, which may be near. */
static void
draw_edge_count(Pen *pen, const MobFigureEdge *edge)
{
    const double *points = (const double *)edge->points->data;
    size_t count = edge->points->len / 2;

    if (edge->count < 2 || count < 4 || !edge_is_there(pen, edge))
        return;
    g_autofree char *label = g_strdup_printf("×%u", edge->count);
    const double *p = points + (count - 1) / 6 * 6; /* the piece in the middle */
    double x = (p[0] + 3 * p[2] + 3 * p[4] + p[6]) / 8;
    double y = (p[1] + 3 * p[3] + 3 * p[5] + p[7]) / 8;
    text_at(pen, x, y - 4, MOB_SMALL_SIZE,
            " text-anchor=\"middle\" stroke=\"#FFFFFF\" stroke-width=\"3\""
            " paint-order=\"stroke\"",
            label);
    g_string_append_c(pen->svg, '\n');
}

/* --- around it --- */

/* The legend flows into rows. There are as many as it takes when it shows
 * everything, at whatever moment, so that all moments are of one size. */
typedef struct {
    double x;
    double y;
    double right;
} Legend;

enum {
    LEGEND_ALL = 980, /* px in one row */
    LEGEND_MIN = 420,
    LEGEND_ROW = 30,
};

static double
legend_rows(double width)
{
    return ceil(LEGEND_ALL / width);
}

/* Where the next entry goes, whose picture is @picture px wide. */
static double
legend_next(Legend *legend, double picture, const char *word)
{
    double width = picture + 7 + mob_text_width(word, 12, false) + 20;

    if (legend->x + width > legend->right && legend->x > MOB_MARGIN) {
        legend->x = MOB_MARGIN;
        legend->y += LEGEND_ROW;
    }
    double x = legend->x;
    legend->x += width;
    return x;
}

static void
legend_look(Pen *pen, Legend *legend, MobLook look)
{
    const MobStyle *style = mob_style(look);
    g_autofree char *paint = paint_of(style->fill, style, style->width);
    double x = legend_next(legend, 30, style->word);

    mob_svg_append(pen->svg, "<rect x=\"%n\" y=\"%n\" width=\"30\" height=\"20\" rx=\"3\"%r/>", x,
                   legend->y - 10, paint);
    mob_style_glyph(pen->svg, look, x + 15, legend->y, 6);
    text_at(pen, x + 37, legend->y + 4, 12, "", style->word);
}

static void
legend_ring(Pen *pen, Legend *legend)
{
    double x = legend_next(legend, 31, "replayed");

    mob_svg_append(pen->svg,
                   "<rect x=\"%n\" y=\"%n\" width=\"28\" height=\"18\" rx=\"4\" fill=\"none\""
                   " stroke=\"" INK "\" stroke-width=\"6\"/>"
                   "<rect x=\"%n\" y=\"%n\" width=\"28\" height=\"18\" rx=\"4\" fill=\"none\""
                   " stroke=\"#E69F00\" stroke-width=\"3.6\"/>",
                   x + 1, legend->y - 9, x + 1, legend->y - 9);
    text_at(pen, x + 38, legend->y + 4, 12, "", "replayed");
}

static void
legend_edge(Pen *pen, Legend *legend, MobEdgeKind kind)
{
    static const char *const words[MOB_EDGE_COUNT] = {"data", "submitted", "reference only"};
    static const char *const dashes[MOB_EDGE_COUNT] = {"", " stroke-dasharray=\"6 4\"",
                                                       " stroke-dasharray=\"1.5 3.5\""};
    double x = legend_next(legend, 30, words[kind]);

    mob_svg_append(pen->svg, "<path d=\"M%n %nH%n\" stroke=\"#444444\" stroke-width=\"1.6\"%r/>", x,
                   legend->y, x + 30, dashes[kind]);
    text_at(pen, x + 37, legend->y + 4, 12, "", words[kind]);
}

static void
draw_legend(Pen *pen, double width, double top)
{
    Legend legend = {MOB_MARGIN, top + LEGEND_ROW / 2.0, width - MOB_MARGIN + 20};

    g_string_append(pen->svg, "<g class=\"legend\">");
    for (int look = MOB_LOOK_PENDING; look < MOB_LOOK_COUNT; look++)
        if (pen->used[look])
            legend_look(pen, &legend, (MobLook)look);
    if (pen->replayed)
        legend_ring(pen, &legend);
    for (int kind = 0; kind < MOB_EDGE_COUNT; kind++)
        if (pen->used_edges[kind])
            legend_edge(pen, &legend, (MobEdgeKind)kind);
    g_string_append(pen->svg, "</g>\n");
}

static void
draw_head(Pen *pen, MobMoment moment)
{
    const MobModel *model = pen->figure->model;
    g_autofree char *time = mob_viz_time_text(moment.at);
    g_autofree char *seed =
        g_strdup_printf("seed %" G_GUINT64_FORMAT "   at %s", model->seed, time);
    double name = mob_text_width(model->scenario, 18, true) * 1.08;

    text_at(pen, MOB_MARGIN, 34, 18, " font-weight=\"bold\"", model->scenario);
    text_at(pen, MOB_MARGIN + name + 18, 34, 14, " fill=\"#444444\"", seed);
}

void
mob_figure_draw(const MobFigure *figure, MobMoment moment, GString *svg)
{
    g_autofree char *summary = mob_figure_summary(figure, moment);
    Pen pen = {.figure = figure, .svg = svg, .seq = moment.seq};
    double inner = ceil(MAX(figure->width, LEGEND_MIN));
    double width = inner + 2 * MOB_MARGIN;
    double legend = MOB_HEAD + MOB_TOP + ceil(figure->height) + 20;
    double height = legend + LEGEND_ROW * legend_rows(inner) + 14;

    mob_svg_append(svg,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%n\" height=\"%n\""
                   " viewBox=\"0 0 %n %n\" role=\"img\" aria-labelledby=\"title desc\""
                   " font-family=\"Helvetica, Arial, sans-serif\" fill=\"#111111\">\n",
                   width, height, width, height);
    mob_svg_append(svg, "<title id=\"title\">Lineage of %s</title>\n<desc id=\"desc\">%s</desc>\n",
                   figure->model->scenario, summary);
    mob_svg_append(svg, "<rect width=\"%n\" height=\"%n\" fill=\"#FFFFFF\"/>\n", width, height);
    draw_head(&pen, moment);
    mob_svg_append(svg, "<g transform=\"translate(%n %n)\">\n", (double)MOB_MARGIN,
                   (double)(MOB_HEAD + MOB_TOP));
    for (guint i = 0; i < figure->edges->len; i++)
        draw_edge(&pen, &g_array_index(figure->edges, MobFigureEdge, i));
    for (guint i = 0; i < figure->nodes->len; i++)
        draw_node(&pen, mob_figure_node(figure, (int)i));
    for (guint i = 0; i < figure->edges->len; i++)
        draw_edge_count(&pen, &g_array_index(figure->edges, MobFigureEdge, i));
    g_string_append(svg, "</g>\n");
    draw_legend(&pen, width, legend);
    g_string_append(svg, "</svg>\n");
}
