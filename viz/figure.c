/* figure.c: which boxes and arrows there are, and how large; see figure.h. */
#include "viz/figure.h"

#include <math.h>
#include <string.h>

static void
clear_node(gpointer data)
{
    MobFigureNode *node = data;

    g_free(node->id);
    g_free(node->label);
    g_array_unref(node->members);
}

static void
clear_edge(gpointer data)
{
    MobFigureEdge *edge = data;

    g_array_unref(edge->points);
}

int
mob_figure_add(MobFigure *figure, MobShape shape, const char *id, const char *label)
{
    MobFigureNode node = {
        .shape = shape,
        .id = g_strdup(id),
        .label = g_strdup(label),
        .members = g_array_new(FALSE, FALSE, sizeof(int)),
    };

    g_array_append_val(figure->nodes, node);
    return (int)figure->nodes->len - 1;
}

void
mob_figure_join(MobFigure *figure, int node, int member)
{
    g_array_append_val(g_array_index(figure->nodes, MobFigureNode, node).members, member);
}

void
mob_figure_link(MobFigure *figure, int from, int to, MobEdgeKind kind)
{
    /* At most a thousand nodes: 20 bits each are plenty. */
    gint64 key = (gint64)from << 24 | (gint64)to << 4 | kind;
    int known = GPOINTER_TO_INT(g_hash_table_lookup(figure->edge_index, &key));

    if (known != 0) {
        g_array_index(figure->edges, MobFigureEdge, known - 1).count++;
        return;
    }
    MobFigureEdge edge = {
        .from = from,
        .to = to,
        .kind = kind,
        .count = 1,
        .points = g_array_new(FALSE, FALSE, sizeof(double)),
    };
    g_array_append_val(figure->edges, edge);
    g_hash_table_insert(figure->edge_index, g_memdup2(&key, sizeof key),
                        GINT_TO_POINTER((int)figure->edges->len));
}

/* --- which node stands for what --- */

typedef struct {
    MobFigure *figure;
    int *task_nodes; /* by task: its node */
    int *object_nodes;
    GHashTable *drivers; /* name -> node + 1; never iterated */
} Maker;

static int
driver_node(Maker *maker, const char *name)
{
    int known = GPOINTER_TO_INT(g_hash_table_lookup(maker->drivers, name));

    if (known == 0) {
        known = mob_figure_add(maker->figure, MOB_SHAPE_DRIVER, name, name) + 1;
        g_hash_table_insert(maker->drivers, (gpointer)name, GINT_TO_POINTER(known));
    }
    return known - 1;
}

static int
single_node(Maker *maker, const MobModelObject *object)
{
    return mob_figure_add(maker->figure, object->put ? MOB_SHAPE_PUT : MOB_SHAPE_OBJECT, object->id,
                          object->id);
}

/* The many results of one task. */
static int
stack_node(Maker *maker, const MobModelObject *object, int *known)
{
    if (*known == 0) {
        g_autofree char *label = g_strconcat(
            "results of ", mob_model_task(maker->figure->model, object->maker)->id, NULL);
        *known = mob_figure_add(maker->figure, MOB_SHAPE_OBJECTS, object->id, label) + 1;
    }
    return *known - 1;
}

static void
add_single_nodes(Maker *maker)
{
    const MobModel *model = maker->figure->model;

    for (guint i = 0; i < model->tasks->len; i++) {
        const MobModelTask *task = mob_model_task(model, (int)i);
        maker->task_nodes[i] = mob_figure_add(maker->figure, MOB_SHAPE_TASK, task->id, task->label);
        mob_figure_join(maker->figure, maker->task_nodes[i], (int)i);
    }
    g_autofree int *returns = g_new0(int, model->tasks->len + 1);
    g_autofree int *stacks = g_new0(int, model->tasks->len + 1); /* node + 1 */
    for (guint i = 0; i < model->objects->len; i++) {
        const MobModelObject *object = mob_model_object(model, (int)i);
        if (object->maker >= 0 && !object->put)
            returns[object->maker]++;
    }
    for (guint i = 0; i < model->objects->len; i++) {
        const MobModelObject *object = mob_model_object(model, (int)i);
        bool stacked =
            object->maker >= 0 && !object->put && returns[object->maker] > MOB_RETURNS_MAX;
        maker->object_nodes[i] = stacked ? stack_node(maker, object, &stacks[object->maker])
                                         : single_node(maker, object);
        mob_figure_join(maker->figure, maker->object_nodes[i], (int)i);
    }
}

/* Something that can stand in a link; where that changes the name, a number
 * that no name has keeps it apart from others. */
static char *
group_id(const Maker *maker, MobShape shape, const char *name)
{
    static const char *const fine =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    g_autofree char *word = g_strdup(name);
    const char *kind = shape == MOB_SHAPE_TASKS ? "tasks" : "objects";

    g_strcanon(word, fine, '_');
    if (g_str_equal(word, name))
        return g_strdup_printf("%s-%s", kind, word);
    return g_strdup_printf("%s-%s~%u", kind, word, maker->figure->nodes->len);
}

/* The node that stands for all of one name; the last one takes what is left
 * when there are too many names. */
static int
group_node(Maker *maker, GHashTable *groups, MobShape shape, const char *label)
{
    bool full = g_hash_table_size(groups) >= MOB_GROUPS_MAX;
    const char *name = full && !g_hash_table_contains(groups, label) ? "others" : label;
    int known = GPOINTER_TO_INT(g_hash_table_lookup(groups, name));

    if (known == 0) {
        g_autofree char *id = group_id(maker, shape, name);
        known = mob_figure_add(maker->figure, shape, id, name) + 1;
        g_hash_table_insert(groups, g_strdup(name), GINT_TO_POINTER(known));
    }
    return known - 1;
}

static void
add_folded_nodes(Maker *maker)
{
    const MobModel *model = maker->figure->model;
    g_autoptr(GHashTable) tasks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < model->tasks->len; i++) {
        int node = group_node(maker, tasks, MOB_SHAPE_TASKS, mob_model_task(model, (int)i)->label);
        maker->task_nodes[i] = node;
        mob_figure_join(maker->figure, node, (int)i);
    }
    for (guint i = 0; i < model->objects->len; i++) {
        const MobModelObject *object = mob_model_object(model, (int)i);
        const char *by =
            object->maker >= 0 ? mob_model_task(model, object->maker)->label : object->owner;
        g_autofree char *name = g_strconcat(object->put ? "puts of " : "results of ", by, NULL);
        int node = group_node(maker, objects, MOB_SHAPE_OBJECTS, name);
        maker->object_nodes[i] = node;
        mob_figure_join(maker->figure, node, (int)i);
    }
}

/* --- edges --- */

static void
link_task(Maker *maker, int index)
{
    const MobModel *model = maker->figure->model;
    const MobModelTask *task = mob_model_task(model, index);
    int node = maker->task_nodes[index];

    for (guint i = 0; i < task->args->len; i++)
        mob_figure_link(maker->figure, maker->object_nodes[g_array_index(task->args, int, i)], node,
                        MOB_EDGE_DATA);
    for (guint i = 0; i < task->nested->len; i++)
        mob_figure_link(maker->figure, maker->object_nodes[g_array_index(task->nested, int, i)],
                        node, MOB_EDGE_MENTION);
    if (task->parent >= 0)
        mob_figure_link(maker->figure, maker->task_nodes[task->parent], node, MOB_EDGE_CALL);
    else if (task->args->len == 0) /* the others hang on their arguments */
        mob_figure_link(maker->figure, driver_node(maker, task->owner), node, MOB_EDGE_CALL);
}

static void
link_object(Maker *maker, int index)
{
    const MobModel *model = maker->figure->model;
    const MobModelObject *object = mob_model_object(model, index);
    int node = maker->object_nodes[index];

    if (object->maker >= 0)
        mob_figure_link(maker->figure, maker->task_nodes[object->maker], node, MOB_EDGE_DATA);
    else
        mob_figure_link(maker->figure, driver_node(maker, object->owner), node, MOB_EDGE_DATA);
    for (guint i = 0; i < object->nested->len; i++)
        mob_figure_link(maker->figure, maker->object_nodes[g_array_index(object->nested, int, i)],
                        node, MOB_EDGE_MENTION);
}

MobFigure *
mob_figure_new(const MobModel *model)
{
    MobFigure *figure = g_new0(MobFigure, 1);
    g_autofree int *task_nodes = g_new0(int, model->tasks->len + 1);
    g_autofree int *object_nodes = g_new0(int, model->objects->len + 1);
    Maker maker = {
        .figure = figure,
        .task_nodes = task_nodes,
        .object_nodes = object_nodes,
        .drivers = g_hash_table_new(g_str_hash, g_str_equal),
    };

    figure->model = model;
    figure->nodes = g_array_new(FALSE, FALSE, sizeof(MobFigureNode));
    g_array_set_clear_func(figure->nodes, clear_node);
    figure->edges = g_array_new(FALSE, FALSE, sizeof(MobFigureEdge));
    g_array_set_clear_func(figure->edges, clear_edge);
    figure->edge_index = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    figure->folded = model->tasks->len + model->objects->len > MOB_FOLD_ABOVE;

    if (figure->folded)
        add_folded_nodes(&maker);
    else
        add_single_nodes(&maker);
    for (guint i = 0; i < model->tasks->len; i++)
        link_task(&maker, (int)i);
    for (guint i = 0; i < model->objects->len; i++)
        link_object(&maker, (int)i);
    g_hash_table_unref(maker.drivers);
    g_clear_pointer(&figure->edge_index, g_hash_table_unref);
    mob_figure_measure(figure);
    return figure;
}

void
mob_figure_free(MobFigure *figure)
{
    if (figure == NULL)
        return;
    g_array_unref(figure->nodes);
    g_array_unref(figure->edges);
    g_free(figure);
}
