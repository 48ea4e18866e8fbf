/* layout.c: Graphviz places the nodes of a figure, and writes it as DOT.
 *
 * Its dot engine is linked into us and told about by name, so nothing is
 * loaded at run time, no configuration is read and no fonts are asked for:
 * sizes are ours, and the places are the same everywhere. Graphviz is not
 * thread-safe, and reads numbers in the locale of the process.
 */
#include <graphviz/gvc.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "viz/draw.h"

/* NOLINTNEXTLINE(readability-identifier-naming): Graphviz's name */
extern gvplugin_library_t gvplugin_dot_layout_LTX_library;

typedef struct {
    locale_t c;
    locale_t before;
} Locale;

static Locale
speak_c(void)
{
    Locale locale = {.c = newlocale(LC_ALL_MASK, "C", (locale_t)0)};

    locale.before = uselocale(locale.c);
    return locale;
}

static void
speak_again(Locale locale)
{
    uselocale(locale.before);
    freelocale(locale.c);
}

/* --- attributes: the graph copies every text it is given --- */

static void
set(void *object, const char *name, const char *value)
{
    agsafeset(object, (char *)name, (char *)value, (char *)"");
}

static void
set_inches(void *object, const char *name, double px)
{
    /* Thousandths of an inch, by integers: no rounding of ours to differ in. */
    long mils = lround(px * 1000 / 72);
    g_autofree char *text = g_strdup_printf("%ld.%03ld", mils / 1000, mils % 1000);

    set(object, name, text);
}

static const char *
shape_name(MobShape shape)
{
    switch (shape) {
    case MOB_SHAPE_DRIVER:
        return "house";
    case MOB_SHAPE_TASK:
        return "box";
    case MOB_SHAPE_PUT:
        return "note";
    case MOB_SHAPE_TASKS:
        return "box3d";
    case MOB_SHAPE_OBJECT:
    case MOB_SHAPE_OBJECTS:
        return "ellipse";
    }
    g_assert_not_reached();
}

static void
set_graph(Agraph_t *graph, bool crowded)
{
    set(graph, "rankdir", "LR");
    set(graph, "nodesep", "0.3");
    set(graph, "ranksep", crowded ? "1.3" : "0.55");
    set(graph, "fontname", "Helvetica,Arial,sans-serif");
    agattr(graph, AGNODE, (char *)"fixedsize", (char *)"true");
    agattr(graph, AGNODE, (char *)"label", (char *)"");
    agattr(graph, AGNODE, (char *)"shape", (char *)"box");
    agattr(graph, AGNODE, (char *)"fontname", (char *)"Helvetica,Arial,sans-serif");
    agattr(graph, AGEDGE, (char *)"arrowsize", (char *)"0.8");
}

static double
room_around(const MobFigureNode *node)
{
    if (mob_shape_is_folded(node->shape))
        return 2 * MOB_STACK;
    return node->ring ? 2 * MOB_RING : 0;
}

/* --- cycles ---
 *
 * What is folded by name may go round: maps feed merges, which feed maps. Dot
 * can lay that out but leaks when it turns an edge round, so we turn it. */

typedef struct {
    const MobFigure *figure;
    char *seen; /* by node: 0 not yet, 1 on the way here, 2 done */
    bool *back; /* by edge */
} Walk;

static void
walk_from(Walk *walk, int node)
{
    walk->seen[node] = 1;
    for (guint i = 0; i < walk->figure->edges->len; i++) {
        const MobFigureEdge *edge = &g_array_index(walk->figure->edges, MobFigureEdge, i);
        if (edge->from != node || edge->to == node)
            continue;
        if (walk->seen[edge->to] == 1)
            walk->back[i] = true;
        else if (walk->seen[edge->to] == 0)
            walk_from(walk, edge->to);
    }
    walk->seen[node] = 2;
}

/* (transfer full) For each edge whether it is against the way of the rest. */
static bool *
find_back_edges(const MobFigure *figure)
{
    bool *back = g_new0(bool, figure->edges->len + 1);
    g_autofree char *seen = g_new0(char, figure->nodes->len + 1);
    Walk walk = {figure, seen, back};

    for (guint i = 0; i < figure->nodes->len; i++)
        if (seen[i] == 0)
            walk_from(&walk, (int)i);
    return back;
}

/* A graph of the figure's nodes, in their order, with sizes alone. */
static Agraph_t *
new_graph(const MobFigure *figure, Agnode_t **nodes, Agedge_t **edges)
{
    Agraph_t *graph = agopen((char *)"lineage", Agdirected, NULL);
    g_autofree bool *back = find_back_edges(figure);

    /* A shuffle needs room for its arrows. */
    set_graph(graph, figure->edges->len > figure->nodes->len * 2);
    for (guint i = 0; i < figure->nodes->len; i++) {
        const MobFigureNode *node = mob_figure_node(figure, (int)i);
        nodes[i] = agnode(graph, node->id, 1);
        set_inches(nodes[i], "width", node->width + room_around(node));
        set_inches(nodes[i], "height", node->height + room_around(node));
        if (mob_shape_is_round(node->shape))
            set(nodes[i], "shape", "ellipse");
    }
    for (guint i = 0; i < figure->edges->len; i++) {
        const MobFigureEdge *edge = &g_array_index(figure->edges, MobFigureEdge, i);
        g_autofree char *name = g_strdup_printf("e%u", i);
        edges[i] = agedge(graph, nodes[back[i] ? edge->to : edge->from],
                          nodes[back[i] ? edge->from : edge->to], name, 1);
        if (back[i])
            set(edges[i], "dir", "back");
        /* Data should be straight where both cannot be. */
        set(edges[i], "weight", edge->kind == MOB_EDGE_DATA ? "4" : "1");
    }
    return graph;
}

/* --- reading the layout back --- */

static void
turn_round(GArray *points)
{
    guint count = points->len / 2;

    for (guint i = 0; i < count / 2; i++)
        for (guint j = 0; j < 2; j++) {
            double *one = &g_array_index(points, double, 2 * i + j);
            double *other = &g_array_index(points, double, 2 * (count - 1 - i) + j);
            double kept = *one;
            *one = *other;
            *other = kept;
        }
}

static void
take_curve(MobFigureEdge *edge, Agedge_t *from, double height)
{
    const splines *splines = ED_spl(from);

    for (int i = 0; splines != NULL && i < splines->size; i++) {
        const bezier *curve = &splines->list[i];
        for (int j = 0; j < curve->size; j++) {
            double y = height - curve->list[j].y;
            g_array_append_val(edge->points, curve->list[j].x);
            g_array_append_val(edge->points, y);
        }
        if (curve->eflag) {
            edge->tip_x = curve->ep.x;
            edge->tip_y = height - curve->ep.y;
        } else if (curve->sflag) {
            edge->tip_x = curve->sp.x;
            edge->tip_y = height - curve->sp.y;
            turn_round(edge->points);
        }
    }
}

static void
take_places(MobFigure *figure, Agraph_t *graph, Agnode_t **nodes, Agedge_t **edges)
{
    figure->width = GD_bb(graph).UR.x;
    figure->height = GD_bb(graph).UR.y;
    for (guint i = 0; i < figure->nodes->len; i++) {
        MobFigureNode *node = &g_array_index(figure->nodes, MobFigureNode, i);
        node->x = ND_coord(nodes[i]).x;
        node->y = figure->height - ND_coord(nodes[i]).y;
        if (mob_shape_is_folded(node->shape)) {
            node->x -= MOB_STACK;
            node->y -= MOB_STACK;
        }
    }
    for (guint i = 0; i < figure->edges->len; i++)
        take_curve(&g_array_index(figure->edges, MobFigureEdge, i), edges[i], figure->height);
}

bool
mob_figure_layout(MobFigure *figure)
{
    lt_symlist_t plugins[] = {
        {"gvplugin_dot_layout_LTX_library", &gvplugin_dot_layout_LTX_library},
        {NULL, NULL},
    };

    if (figure->nodes->len == 0)
        return false;
    g_autofree Agnode_t **nodes = g_new0(Agnode_t *, figure->nodes->len);
    g_autofree Agedge_t **edges = g_new0(Agedge_t *, figure->edges->len + 1);
    Locale locale = speak_c();
    GVC_t *context = gvContextPlugins(plugins, 0);
    Agraph_t *graph = new_graph(figure, nodes, edges);
    bool ok = gvLayout(context, graph, "dot") == 0;

    if (ok)
        take_places(figure, graph, nodes, edges);
    gvFreeLayout(context, graph);
    agclose(graph);
    gvFreeContext(context);
    speak_again(locale);
    return ok;
}

/* --- DOT --- */

static char *
node_label(const MobFigure *figure, const MobFigureNode *node, uint64_t seq)
{
    g_autofree char *title = mob_figure_title(node);
    g_autofree char *owner = mob_figure_owner(figure, node);
    g_autoptr(GPtrArray) lines = mob_figure_lines(figure, node, seq);
    GString *text = g_string_new(NULL);

    if (node->shape != MOB_SHAPE_DRIVER)
        g_string_append_printf(text, "%s ", mob_style(mob_figure_look(figure, node, seq))->sign);
    g_string_append(text, title);
    for (guint i = 0; i < lines->len; i++) {
        const MobLine *line = g_ptr_array_index(lines, i);
        g_string_append_c(text, '\n');
        if (line->look != MOB_LOOK_ABSENT)
            g_string_append_printf(text, "%s ", mob_style(line->look)->sign);
        g_string_append(text, line->text);
    }
    if (*owner != '\0')
        g_string_append_printf(text, "\n%s", owner);
    return g_string_free(text, FALSE);
}

/* In labels and tooltips a backslash is an escape of Graphviz's. */
static void
set_text(void *object, const char *name, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "\\", -1);
    g_autofree char *safe = g_strjoinv("\\\\", parts);

    set(object, name, safe);
}

static void
dress_node(const MobFigure *figure, Agnode_t *to, const MobFigureNode *node, uint64_t seq)
{
    MobLook look = mob_figure_look(figure, node, seq);
    const MobStyle *style = mob_style(look);
    bool replayed = mob_figure_replayed(figure, node, seq);
    g_autofree char *label = node_label(figure, node, seq);
    g_autofree char *tooltip = mob_figure_sentence(figure, node, seq);
    g_autofree char *class = g_strdup_printf(
        "%s %s%s",
        node->shape == MOB_SHAPE_DRIVER                                   ? "driver"
        : mob_shape_is_round(node->shape) || node->shape == MOB_SHAPE_PUT ? "object"
                                                                          : "task",
        node->shape == MOB_SHAPE_DRIVER ? "" : style->word, replayed ? " replayed" : "");

    set(to, "id", node->id);
    set(to, "class", g_strchomp(class));
    set(to, "shape", shape_name(node->shape));
    set(to, "fontsize", "11");
    set_text(to, "label", label);
    set_text(to, "tooltip", tooltip);
    set(to, "style", node->shape == MOB_SHAPE_DRIVER ? "filled" : style->gv_style);
    set(to, "fillcolor", node->shape == MOB_SHAPE_DRIVER ? "#FFFFFF" : style->fill);
    set(to, "color", "#222222");
    set(to, "penwidth", style->width);
    if (style->twice || replayed)
        set(to, "peripheries", "2");
    if (look == MOB_LOOK_ABSENT) {
        set(to, "style", "invis");
    }
}

static void
dress_edge(const MobFigure *figure, Agedge_t *to, const MobFigureEdge *edge, uint64_t seq)
{
    static const char *const styles[MOB_EDGE_COUNT] = {"solid", "dashed", "dotted"};
    static const char *const colours[MOB_EDGE_COUNT] = {"#222222", "#555555", "#999999"};
    const MobFigureNode *from = mob_figure_node(figure, edge->from);
    const MobFigureNode *target = mob_figure_node(figure, edge->to);
    bool absent = (from->shape != MOB_SHAPE_DRIVER &&
                   mob_figure_look(figure, from, seq) == MOB_LOOK_ABSENT) ||
                  mob_figure_look(figure, target, seq) == MOB_LOOK_ABSENT;
    g_autofree char *id = g_strdup_printf("%s-%s", from->id, target->id);

    set(to, "id", id);
    set(to, "style", absent ? "invis" : styles[edge->kind]);
    set(to, "color", colours[edge->kind]);
    if (edge->count > 1) {
        g_autofree char *label = g_strdup_printf("×%u", edge->count);
        set(to, "label", label);
    }
}

void
mob_figure_dot(const MobFigure *figure, MobMoment moment, GString *dot)
{
    g_autofree Agnode_t **nodes = g_new0(Agnode_t *, figure->nodes->len + 1);
    g_autofree Agedge_t **edges = g_new0(Agedge_t *, figure->edges->len + 1);
    g_autofree char *summary = mob_figure_summary(figure, moment);
    Locale locale = speak_c();
    Agraph_t *graph = new_graph(figure, nodes, edges);
    char *text = NULL;
    size_t size = 0;

    set_text(graph, "tooltip", summary);
    for (guint i = 0; i < figure->nodes->len; i++)
        dress_node(figure, nodes[i], mob_figure_node(figure, (int)i), moment.seq);
    for (guint i = 0; i < figure->edges->len; i++)
        dress_edge(figure, edges[i], &g_array_index(figure->edges, MobFigureEdge, i), moment.seq);

    FILE *file = open_memstream(&text, &size);
    g_assert(file != NULL);
    agwrite(graph, file);
    fclose(file);
    agclose(graph);
    speak_again(locale);
    g_string_append_len(dot, text, (gssize)size);
    free(text);
}
