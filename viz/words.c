/* words.c: what the nodes of a figure say at a moment; see figure.h. */
#include <string.h>

#include "viz/figure.h"

enum {
    LABEL_MAX = 28,  /* characters of a name before it is cut */
    LINES_MAX = 5,   /* attempts that are listed */
    NAMES_MAX = 3,   /* of anything in one line */
    LISTED_MAX = 12, /* things in the summary before it counts instead */
};

static void
free_line(gpointer data)
{
    MobLine *line = data;

    g_free(line->text);
    g_free(line);
}

static void
add_line(GPtrArray *lines, char *text, MobLook look)
{
    MobLine *line = g_new0(MobLine, 1);

    line->text = text;
    line->look = look;
    g_ptr_array_add(lines, line);
}

static bool
is_folded(const MobFigureNode *node)
{
    return node->shape == MOB_SHAPE_TASKS || node->shape == MOB_SHAPE_OBJECTS;
}

static const MobModelTask *
task_of(const MobFigure *figure, const MobFigureNode *node)
{
    return mob_model_task(figure->model, g_array_index(node->members, int, 0));
}

static const MobModelObject *
object_of(const MobFigure *figure, const MobFigureNode *node)
{
    return mob_model_object(figure->model, g_array_index(node->members, int, 0));
}

static char *
shortened(const char *text)
{
    if (g_utf8_validate(text, -1, NULL) && g_utf8_strlen(text, -1) > LABEL_MAX) {
        const char *end = g_utf8_offset_to_pointer(text, LABEL_MAX - 1);
        return g_strdup_printf("%.*s…", (int)(end - text), text);
    }
    return g_strdup(text);
}

char *
mob_figure_title(const MobFigureNode *node)
{
    g_autofree char *label = shortened(node->label);

    switch (node->shape) {
    case MOB_SHAPE_TASK:
        return g_strdup_printf("%s %s", node->id, label);
    case MOB_SHAPE_TASKS:
    case MOB_SHAPE_OBJECTS:
        return g_strdup_printf("%s ×%u", label, node->members->len);
    case MOB_SHAPE_OBJECT:
    case MOB_SHAPE_PUT:
    case MOB_SHAPE_DRIVER:
        break;
    }
    return g_steal_pointer(&label);
}

char *
mob_figure_owner(const MobFigure *figure, const MobFigureNode *node)
{
    const char *owner = "";

    if (node->shape == MOB_SHAPE_TASK)
        owner = task_of(figure, node)->owner;
    return *owner == '\0' ? g_strdup("") : g_strdup_printf("owner %s", owner);
}

/* --- states --- */

static MobLook
member_look(const MobFigure *figure, const MobFigureNode *node, guint member, uint64_t seq)
{
    int index = g_array_index(node->members, int, member);

    if (node->shape == MOB_SHAPE_TASK || node->shape == MOB_SHAPE_TASKS)
        return mob_model_task_look(mob_model_task(figure->model, index), seq);
    return mob_model_object_look(mob_model_object(figure->model, index), seq);
}

void
mob_figure_count(const MobFigure *figure, const MobFigureNode *node, uint64_t seq,
                 guint counts[MOB_LOOK_COUNT])
{
    memset(counts, 0, MOB_LOOK_COUNT * sizeof counts[0]);
    for (guint i = 0; i < node->members->len; i++)
        counts[member_look(figure, node, i, seq)]++;
}

/* Of many, that of the ones which want attention most. */
MobLook
mob_figure_look(const MobFigure *figure, const MobFigureNode *node, uint64_t seq)
{
    static const MobLook order[] = {MOB_LOOK_FAILED,  MOB_LOOK_LOST,    MOB_LOOK_AGAIN,
                                    MOB_LOOK_RUNNING, MOB_LOOK_PENDING, MOB_LOOK_FINISHED,
                                    MOB_LOOK_FREED};
    guint counts[MOB_LOOK_COUNT];

    if (node->shape == MOB_SHAPE_DRIVER)
        return MOB_LOOK_FINISHED;
    mob_figure_count(figure, node, seq, counts);
    for (size_t i = 0; i < G_N_ELEMENTS(order); i++)
        if (counts[order[i]] > 0)
            return order[i];
    return MOB_LOOK_ABSENT;
}

static bool
task_is_replayed(const MobFigure *figure, const MobFigureNode *node, guint member, uint64_t seq)
{
    int index = g_array_index(node->members, int, member);

    return mob_model_executions(mob_model_task(figure->model, index), seq) > 1;
}

bool
mob_figure_replayed(const MobFigure *figure, const MobFigureNode *node, uint64_t seq)
{
    if (node->shape != MOB_SHAPE_TASK && node->shape != MOB_SHAPE_TASKS)
        return false;
    for (guint i = 0; i < node->members->len; i++)
        if (task_is_replayed(figure, node, i, seq))
            return true;
    return false;
}

/* --- tasks --- */

static guint
attempts_by(const MobModelTask *task, uint64_t seq)
{
    guint count = 0;

    while (count < task->attempts->len &&
           mob_model_attempt_look(&g_array_index(task->attempts, MobModelAttempt, count), seq) !=
               MOB_LOOK_ABSENT)
        count++;
    return count;
}

static const char *
attempt_word(const MobModelAttempt *attempt, MobLook look)
{
    if (look == MOB_LOOK_FAILED && attempt->outcome != NULL)
        return attempt->outcome;
    if (look == MOB_LOOK_AGAIN)
        return "running";
    return mob_style(look)->word;
}

static char *
attempt_text(const MobModelTask *task, const MobModelAttempt *attempt, MobLook look)
{
    const char *worker =
        look == MOB_LOOK_PENDING && attempt->started.seq == 0 ? "" : attempt->worker;

    if (look == MOB_LOOK_PENDING || *worker == '\0')
        return g_strdup_printf("%s.%u  %s", task->id, attempt->number, attempt_word(attempt, look));
    return g_strdup_printf("%s.%u  %s on %s", task->id, attempt->number,
                           attempt_word(attempt, look), worker);
}

static void
add_only_attempt(GPtrArray *lines, const MobModelTask *task, uint64_t seq)
{
    const MobModelAttempt *attempt = &g_array_index(task->attempts, MobModelAttempt, 0);
    MobLook look = mob_model_task_look(task, seq);

    if (look == MOB_LOOK_ABSENT)
        return;
    if (look == MOB_LOOK_PENDING || *attempt->worker == '\0')
        add_line(lines, g_strdup(attempt_word(attempt, look)), MOB_LOOK_ABSENT);
    else
        add_line(lines, g_strdup_printf("%s on %s", attempt_word(attempt, look), attempt->worker),
                 MOB_LOOK_ABSENT);
}

/* The first and the last ones, where there are too many. */
static void
add_attempts(GPtrArray *lines, const MobModelTask *task, uint64_t seq)
{
    guint count = attempts_by(task, seq);
    guint skip_from = count > LINES_MAX ? 2 : count;
    guint skip_to = count > LINES_MAX ? count - (LINES_MAX - 3) : count;

    if (count < 2) {
        add_only_attempt(lines, task, seq);
        return;
    }
    for (guint i = 0; i < count; i++) {
        const MobModelAttempt *attempt = &g_array_index(task->attempts, MobModelAttempt, i);
        if (i == skip_from)
            add_line(lines, g_strdup_printf("… %u more", skip_to - skip_from), MOB_LOOK_PENDING);
        if (i >= skip_from && i < skip_to)
            continue;
        MobLook look = mob_model_attempt_look(attempt, seq);
        char *text = attempt_text(task, attempt, look);
        add_line(lines, text, i > 0 && look == MOB_LOOK_FINISHED ? MOB_LOOK_AGAIN : look);
    }
}

/* --- objects --- */

static void
add_name(GPtrArray *names, const char *name)
{
    for (guint i = 0; i < names->len; i++)
        if (g_str_equal(g_ptr_array_index(names, i), name))
            return;
    g_ptr_array_add(names, (gpointer)name);
}

static char *
joined(const GPtrArray *names, const char *before)
{
    GString *text = g_string_new(before);

    for (guint i = 0; i < names->len && i < NAMES_MAX; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "",
                               (const char *)g_ptr_array_index(names, i));
    if (names->len > NAMES_MAX)
        g_string_append_printf(text, " +%u", names->len - NAMES_MAX);
    return g_string_free(text, FALSE);
}

static GPtrArray *
places(const MobModelObject *object, uint64_t seq, bool lost)
{
    GPtrArray *names = g_ptr_array_new();

    for (guint i = 0; i < object->copies->len; i++) {
        const MobModelCopy *copy = &g_array_index(object->copies, MobModelCopy, i);
        if (lost ? mob_copy_is_lost(copy, seq) : mob_copy_is_there(copy, seq))
            add_name(names, copy->place);
    }
    return names;
}

static void
add_object_lines(GPtrArray *lines, const MobModelObject *object, uint64_t seq)
{
    MobLook look = mob_model_object_look(object, seq);
    g_autoptr(GPtrArray) here = places(object, seq, false);
    g_autoptr(GPtrArray) gone = places(object, seq, true);
    bool stored = object->copies->len > 0;

    if (object->made && object->bytes > 0) {
        g_autofree char *bytes = mob_bytes_text(object->bytes);
        if (look == MOB_LOOK_FINISHED && !stored)
            add_line(lines, g_strdup_printf("%s inline", bytes), MOB_LOOK_ABSENT);
        else if (look != MOB_LOOK_PENDING)
            add_line(lines, g_steal_pointer(&bytes), MOB_LOOK_ABSENT);
    }
    if (here->len > 0)
        add_line(lines, joined(here, "on "), MOB_LOOK_ABSENT);
    else if (look == MOB_LOOK_FREED || look == MOB_LOOK_PENDING || look == MOB_LOOK_FAILED)
        add_line(lines, g_strdup(mob_style(look)->word), MOB_LOOK_ABSENT);
    else if (look == MOB_LOOK_LOST && gone->len == 0)
        add_line(lines, g_strdup("lost"), MOB_LOOK_LOST);
    if (gone->len > 0)
        add_line(lines, joined(gone, "lost on "), MOB_LOOK_LOST);
}

/* --- folded nodes --- */

static const char *
member_id(const MobFigure *figure, const MobFigureNode *node, guint member)
{
    int index = g_array_index(node->members, int, member);

    if (node->shape == MOB_SHAPE_TASKS)
        return mob_model_task(figure->model, index)->id;
    return mob_model_object(figure->model, index)->id;
}

/* A task that ran more than once; an object of which a copy was lost. */
static bool
is_special(const MobFigure *figure, const MobFigureNode *node, guint member, uint64_t seq)
{
    if (node->shape == MOB_SHAPE_TASKS)
        return task_is_replayed(figure, node, member, seq);

    const MobModelObject *object =
        mob_model_object(figure->model, g_array_index(node->members, int, member));
    for (guint i = 0; i < object->copies->len; i++)
        if (mob_copy_is_lost(&g_array_index(object->copies, MobModelCopy, i), seq))
            return true;
    return false;
}

static void
add_folded_lines(GPtrArray *lines, const MobFigure *figure, const MobFigureNode *node, uint64_t seq)
{
    guint counts[MOB_LOOK_COUNT];
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    GString *text = g_string_new(NULL);

    mob_figure_count(figure, node, seq, counts);
    for (int look = MOB_LOOK_PENDING; look < MOB_LOOK_COUNT; look++)
        if (counts[look] > 0)
            g_string_append_printf(text, "%s%u %s", text->len > 0 ? ", " : "", counts[look],
                                   mob_style((MobLook)look)->word);
    add_line(lines, g_string_free(text, FALSE), MOB_LOOK_ABSENT);

    guint special = 0;
    for (guint i = 0; i < node->members->len; i++)
        if (is_special(figure, node, i, seq) && special++ < NAMES_MAX)
            g_ptr_array_add(names, (gpointer)member_id(figure, node, i));
    if (special > 0) {
        g_autofree char *list = joined(names, "");
        bool tasks = node->shape == MOB_SHAPE_TASKS;
        add_line(lines,
                 g_strdup_printf("%u %s: %s%s", special, tasks ? "replayed" : "lost", list,
                                 special > NAMES_MAX ? " …" : ""),
                 tasks ? MOB_LOOK_AGAIN : MOB_LOOK_LOST);
    }
}

GPtrArray *
mob_figure_lines(const MobFigure *figure, const MobFigureNode *node, uint64_t seq)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(free_line);

    if (node->shape == MOB_SHAPE_TASK)
        add_attempts(lines, task_of(figure, node), seq);
    else if (is_folded(node))
        add_folded_lines(lines, figure, node, seq);
    else if (node->shape != MOB_SHAPE_DRIVER)
        add_object_lines(lines, object_of(figure, node), seq);
    return lines;
}

/* --- sentences --- */

static char *
task_sentence(const MobModelTask *task, uint64_t seq)
{
    MobLook look = mob_model_task_look(task, seq);
    GString *text = g_string_new(NULL);
    guint count = attempts_by(task, seq);

    g_string_append_printf(text, "Task %s %s, owned by %s: %s", task->id, task->label, task->owner,
                           mob_style(look)->word);
    if (look == MOB_LOOK_FAILED && task->error != NULL)
        g_string_append_printf(text, " with %s", task->error);
    for (guint i = 0; i < count; i++) {
        const MobModelAttempt *attempt = &g_array_index(task->attempts, MobModelAttempt, i);
        MobLook how = mob_model_attempt_look(attempt, seq);
        g_autofree char *line = attempt_text(task, attempt, how);
        g_autofree char *when = mob_viz_time_text(
            how == MOB_LOOK_PENDING                                ? attempt->submitted.at
            : attempt->ended.seq != 0 && attempt->ended.seq <= seq ? attempt->ended.at
                                                                   : attempt->started.at);
        g_string_append_printf(text, "\n%s, %s", line, when);
    }
    return g_string_free(text, FALSE);
}

static char *
object_sentence(const MobModelObject *object, uint64_t seq)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(free_line);
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "%s %s, owned by %s: %s", object->put ? "Put" : "Object",
                           object->id, object->owner,
                           mob_style(mob_model_object_look(object, seq))->word);
    add_object_lines(lines, object, seq);
    for (guint i = 0; i < lines->len; i++)
        g_string_append_printf(text, "\n%s", ((MobLine *)g_ptr_array_index(lines, i))->text);
    g_ptr_array_unref(lines);
    return g_string_free(text, FALSE);
}

char *
mob_figure_sentence(const MobFigure *figure, const MobFigureNode *node, uint64_t seq)
{
    if (node->shape == MOB_SHAPE_TASK)
        return task_sentence(task_of(figure, node), seq);
    if (node->shape == MOB_SHAPE_OBJECT || node->shape == MOB_SHAPE_PUT)
        return object_sentence(object_of(figure, node), seq);
    if (node->shape == MOB_SHAPE_DRIVER)
        return g_strdup_printf("The program itself: %s", node->id);

    g_autofree char *title = mob_figure_title(node);
    g_autoptr(GPtrArray) lines = mob_figure_lines(figure, node, seq);
    GString *text = g_string_new(title);
    for (guint i = 0; i < lines->len; i++)
        g_string_append_printf(text, "%s%s", i == 0 ? ": " : "; ",
                               ((MobLine *)g_ptr_array_index(lines, i))->text);
    return g_string_free(text, FALSE);
}

char *
mob_figure_summary(const MobFigure *figure, MobMoment moment)
{
    const MobModel *model = figure->model;
    g_autofree char *time = mob_viz_time_text(moment.at);
    GString *text = g_string_new(NULL);
    guint all = model->tasks->len + model->objects->len;

    g_string_append_printf(text,
                           "Lineage of %s, seed %" G_GUINT64_FORMAT ", at %s: ", model->scenario,
                           model->seed, time);
    if (all > LISTED_MAX)
        g_string_append_printf(text, "%u tasks and %u objects; ", model->tasks->len,
                               model->objects->len);
    bool first = true;
    for (guint i = 0; i < figure->nodes->len; i++) {
        const MobFigureNode *node = mob_figure_node(figure, (int)i);
        MobLook look = mob_figure_look(figure, node, moment.seq);
        bool replayed = mob_figure_replayed(figure, node, moment.seq);
        bool calm = !replayed && (look == MOB_LOOK_FINISHED || look == MOB_LOOK_FREED);
        if (node->shape == MOB_SHAPE_DRIVER || look == MOB_LOOK_ABSENT ||
            (all > LISTED_MAX && calm))
            continue;
        g_string_append_printf(text, "%s%s %s%s", first ? "" : ", ", node->id,
                               mob_style(look)->word, replayed ? " (replayed)" : "");
        first = false;
    }
    g_string_append(text, first ? "all finished." : ".");
    return g_string_free(text, FALSE);
}
