/* host.h: the simulated cluster behind a scenario or a program, with everyone
 * who looks on: the state, the trace, the story, what programs print.
 *
 * What a cluster leaves (state, trace, checkpoints) stays here until the host
 * is freed; its world is freed as soon as the scenario is done with it.
 */
#pragma once

#include "cli/loaders.h"
#include "cli/story.h"
#include "lua/scenario.h"
#include "net/stream.h"
#include "runtime/trace.h"

typedef struct {
    MobTerm *term;    /* borrowed */
    const char *file; /* what is run, borrowed: other files are read beside it */
    bool story;       /* tell it on stderr */
    bool plain;
    bool json;  /* what programs print is JSON */
    bool mute;  /* what programs print is not shown at all */
    bool state; /* keep c.state here, for the summary */
    bool trace; /* keep a trace, for the database */
    bool check; /* the built-in properties, after every event */
    bool oracle;
    bool encode;      /* every message through the codec */
    bool local;       /* real processes on this machine instead of simulated ones */
    uint32_t pace;    /* of those: real time to one of the cluster's */
    const char *wire; /* and how their machines talk, see net/local.h; borrowed */
    /* Opens a way to the observer of a cluster that is there; NULL: one is made. Then local is
     * set, too. */
    bool (*connect)(void *data, MobStream *stream, GError **error);
    void *connect_data;
    int verbose;
    uint64_t seed;
    MobTime limit;       /* no cluster runs past it */
    uint64_t print_from; /* print the events from here … */
    uint64_t print_to;   /* … to here, as JSON; 0: none */
} MobHostOptions;

typedef struct {
    MobControl *control; /* NULL once it is closed */
    MobState *state;     /* owned; NULL unless asked for */
    MobTrace *trace;     /* owned; NULL unless asked for */
    GArray *checkpoints; /* of uint64_t */
    GArray *bites;       /* of uint64_t: what each fault has touched */
    uint32_t line;       /* of the file, where it was made */
    uint64_t seed;
    uint64_t events;
    uint64_t hash;
    MobTime now;
} MobHostCluster;

typedef struct MobHost MobHost;

MobHost *mob_host_new(const MobHostOptions *options);
void mob_host_free(MobHost *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobHost, mob_host_free)

/* What lua/ is given; borrowed. */
const MobScenarioHost *mob_host_scenario(MobHost *host);

/* The machines of a program that names none: three with two CPUs each. */
MobControl *mob_host_default_cluster(MobHost *host, GError **error);

/* Opens the C program with this id and sees whether it can be run. */
bool mob_host_check_program(MobHost *host, const MobStr *bundle_id, GError **error);

/* Whoever makes bodies here; borrowed. */
const MobLoaders *mob_host_loaders(const MobHost *host);

/* Ends the story of @control and frees its world. */
void mob_host_close(MobHost *host, MobControl *control);

guint mob_host_count(const MobHost *host);
const MobHostCluster *mob_host_cluster(const MobHost *host, guint index);
/* The trace hash of it all: of the cluster, or folded over several. */
uint64_t mob_host_hash(const MobHost *host);
