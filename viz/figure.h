/* figure.h: boxes and arrows of a lineage, with their sizes and places.
 *
 * A figure shows the whole run, so that the pictures of all its moments have
 * the same layout. A run of many tasks is folded: all tasks of one name are
 * one box, and what they return is one ellipse, so that no layout is ever
 * larger than about a thousand nodes.
 */
#pragma once

#include "viz/model.h"

typedef enum {
    MOB_SHAPE_DRIVER,  /* a house */
    MOB_SHAPE_TASK,    /* a box */
    MOB_SHAPE_OBJECT,  /* an ellipse */
    MOB_SHAPE_PUT,     /* a note */
    MOB_SHAPE_TASKS,   /* a stack of boxes: folded */
    MOB_SHAPE_OBJECTS, /* a stack of ellipses */
} MobShape;

typedef struct {
    MobShape shape;
    char *id;        /* "T1"; owned */
    char *label;     /* what is folded here: "merge"; owned */
    GArray *members; /* of int: tasks or objects; of one, unless folded; owned */
    double width;    /* px */
    double height;
    bool ring; /* it is replayed in this run: room for the ring around it */
    double x;  /* of the centre, from the left and from the top */
    double y;
} MobFigureNode;

typedef enum {
    MOB_EDGE_DATA,    /* solid: a value goes along it */
    MOB_EDGE_CALL,    /* dashed: submitted, and owns */
    MOB_EDGE_MENTION, /* dotted: a reference only */
    MOB_EDGE_COUNT,
} MobEdgeKind;

typedef struct {
    int from;
    int to;
    MobEdgeKind kind;
    uint32_t count; /* how many are folded into it */
    GArray *points; /* of double: x and y of the Bézier curve, owned */
    double tip_x;
    double tip_y;
} MobFigureEdge;

typedef struct {
    const MobModel *model;
    GArray *nodes; /* of MobFigureNode */
    GArray *edges; /* of MobFigureEdge */
    bool folded;
    double width;
    double height;
    GHashTable *edge_index; /* while it is made: which edges there are */
} MobFigure;

enum {
    MOB_FOLD_ABOVE = 300, /* tasks and objects */
    MOB_GROUPS_MAX = 200, /* names; the rest is "others" */
    MOB_RETURNS_MAX = 4,  /* of a task: more are one stack */
};

/* Borrows @model. */
MobFigure *mob_figure_new(const MobModel *model);
void mob_figure_free(MobFigure *figure);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobFigure, mob_figure_free)

/* Adds a node for @member of the model's tasks or objects; returns its index. */
int mob_figure_add(MobFigure *figure, MobShape shape, const char *id, const char *label);
void mob_figure_join(MobFigure *figure, int node, int member);
/* Adds an edge, or counts one more of the same kind between the two. */
void mob_figure_link(MobFigure *figure, int from, int to, MobEdgeKind kind);

/* Finds how large each node must be to hold what it ever says. */
void mob_figure_measure(MobFigure *figure);

/* Lets Graphviz place everything. False if there is nothing to place. */
bool mob_figure_layout(MobFigure *figure);

/* Appends the figure at @moment as SVG or as DOT. */
void mob_figure_draw(const MobFigure *figure, MobMoment moment, GString *svg);
void mob_figure_dot(const MobFigure *figure, MobMoment moment, GString *dot);

static inline const MobFigureNode *
mob_figure_node(const MobFigure *figure, int node)
{
    return &g_array_index(figure->nodes, MobFigureNode, node);
}

/* --- what nodes say (words.c) --- */

/* A line of text in a node: (transfer full) lines are GPtrArrays of these. */
typedef struct {
    char *text;
    MobLook look; /* a badge of this look; MOB_LOOK_ABSENT: plain */
} MobLine;

/* The lines below the name, at @seq. */
GPtrArray *mob_figure_lines(const MobFigure *figure, const MobFigureNode *node, uint64_t seq);
/* (transfer full) "T2 parse" */
char *mob_figure_title(const MobFigureNode *node);
/* (transfer full) The small print at the bottom; may be "". */
char *mob_figure_owner(const MobFigure *figure, const MobFigureNode *node);
MobLook mob_figure_look(const MobFigure *figure, const MobFigureNode *node, uint64_t seq);
/* How many of a folded node's members have each look. */
void mob_figure_count(const MobFigure *figure, const MobFigureNode *node, uint64_t seq,
                      guint counts[MOB_LOOK_COUNT]);
bool mob_figure_replayed(const MobFigure *figure, const MobFigureNode *node, uint64_t seq);
/* (transfer full) A sentence: the tooltip. */
char *mob_figure_sentence(const MobFigure *figure, const MobFigureNode *node, uint64_t seq);
/* (transfer full) A sentence about everything: "Lineage of …: T1 finished …" */
char *mob_figure_summary(const MobFigure *figure, MobMoment moment);
