/* gcs_parts.h: what the parts of the global control store share; only for
 * gcs*.c.
 *
 * Everything that has to survive is persisted in the step that changes it,
 * hence before any answer about it leaves. What nodes report about their
 * resources is not: after a restart they report again.
 */
#pragma once

#include "runtime/cbor.h"
#include "runtime/gcs.h"
#include "runtime/table.h"

typedef struct {
    MobView view;
    uint64_t answered; /* the newest round of probes that it answered */
    bool newcomer;     /* not welcomed yet */
    bool follows;      /* it places tasks on others: it is told who is there and has what */
    bool changed;      /* since the last resource view was published */
    bool resync;       /* something sent to it may be lost: tell it again when it speaks */
} GcsNode;

typedef struct {
    MobAddress driver;
    MobStr *name;
    MobStr *bundle;
    uint32_t number;
    bool finished;
} GcsJob;

typedef struct {
    MobStr *key;
    MobValue *value;
} GcsEntry;

typedef struct {
    MobAddress worker;
    MobStr *reason;
} GcsDeadWorker;

typedef struct {
    MobProcess base;
    const MobConfig *config;
    GPtrArray *nodes;       /* of GcsNode, owned, in the order of joining; nobody is ever removed */
    MobTable *by_id;        /* node -> GcsNode */
    size_t alive;           /* nodes */
    uint64_t round;         /* of probes */
    uint64_t version;       /* of the resource view */
    bool view_pending;      /* the timer that publishes it is set */
    bool join_pending;      /* the timer that welcomes newcomers is set */
    MobTime wires_free;     /* when the network card will have sent the views up to now */
    MobTable *dead_workers; /* address -> GcsDeadWorker, owned */
    MobTable *jobs;         /* address of the driver -> GcsJob, owned */
    uint32_t last_job;      /* the highest number that was given out */
    MobTable *kv;           /* hash of the key -> GcsEntry, owned */
    uint64_t kv_bytes;
    uint64_t starts; /* lives of this GCS, this one included */
} Gcs;

/* --- gcs_nodes.c --- */
static inline MobAddress
mob_gcs_manager(const GcsNode *node)
{
    return mob_node_address(node->view.node.v);
}

GcsNode *mob_gcs_find_node(const Gcs *gcs, uint32_t node);
/* Sends @msg (transfer full) to every live node. */
void mob_gcs_publish(Gcs *gcs, MobMsg *msg, MobOutbox *out);
/* Loads a persisted node or dead worker; false if @value cannot be read. */
bool mob_gcs_load_node(Gcs *gcs, const MobPersisted *record);
bool mob_gcs_load_dead_worker(Gcs *gcs, const MobPersisted *record);
/* Greets the nodes that an earlier life knew, and probes them. */
void mob_gcs_resume_nodes(Gcs *gcs, const MobInput *input, MobOutbox *out);
/* Tells @node again what may have been lost on the way to it. */
void mob_gcs_resync(Gcs *gcs, GcsNode *node, const MobInput *input, MobOutbox *out);
/* Tells @node of the workers that have died, but for those of dead nodes: that a
 * node is dead says it of its workers as well. */
void mob_gcs_tell_the_dead(const Gcs *gcs, const GcsNode *node, MobOutbox *out);
bool mob_gcs_worker_is_dead(const Gcs *gcs, MobAddress worker);
void mob_gcs_fence(const GcsNode *node, MobOutbox *out);
void mob_gcs_on_register_node(Gcs *gcs, const MobInput *input, MobOutbox *out);
void mob_gcs_on_unregister_node(Gcs *gcs, const MobInput *input, MobOutbox *out);
void mob_gcs_on_health_reply(Gcs *gcs, const MobInput *input, MobOutbox *out);
void mob_gcs_on_worker_died(Gcs *gcs, const MobInput *input, MobOutbox *out);
void mob_gcs_on_health_timer(Gcs *gcs, const MobInput *input, MobOutbox *out);
void mob_gcs_dump_nodes(const Gcs *gcs, GString *into);
void mob_gcs_free_nodes(Gcs *gcs);

/* --- gcs_view.c --- */
MobViews mob_gcs_dead_views(const Gcs *gcs);
/* Says what has become of @node. */
MobMsg *mob_gcs_node_changed(const GcsNode *node);
void mob_gcs_welcome(Gcs *gcs, const GcsNode *node, const MobInput *input, MobOutbox *out);
/* So much was sent that a probe would come too late. */
bool mob_gcs_wires_are_full(const Gcs *gcs, const MobInput *input);
void mob_gcs_on_join_timer(Gcs *gcs, const MobInput *input, MobOutbox *out);
void mob_gcs_on_report_resources(Gcs *gcs, const MobInput *input, MobOutbox *out);
void mob_gcs_on_view_timer(Gcs *gcs, const MobInput *input, MobOutbox *out);

/* --- gcs_jobs.c --- */
bool mob_gcs_load_job(Gcs *gcs, const MobPersisted *record);
void mob_gcs_on_add_job(Gcs *gcs, const MobInput *input, MobOutbox *out);
void mob_gcs_on_finish_job(Gcs *gcs, const MobInput *input, MobOutbox *out);
/* Ends the job of @driver, which has died. */
void mob_gcs_driver_died(Gcs *gcs, MobAddress driver, MobOutbox *out);
/* Ends the jobs of all drivers on @node, which has died. */
void mob_gcs_node_of_drivers_died(Gcs *gcs, MobNodeId node, MobOutbox *out);
/* Tells @node which jobs are over. */
void mob_gcs_resync_jobs(Gcs *gcs, const GcsNode *node, MobOutbox *out);
void mob_gcs_dump_jobs(const Gcs *gcs, GString *into);
void mob_gcs_free_jobs(Gcs *gcs);

/* --- gcs_kv.c --- */
bool mob_gcs_load_kv(Gcs *gcs, const MobPersisted *record);
void mob_gcs_on_kv_put(Gcs *gcs, const MobInput *input, MobOutbox *out);
void mob_gcs_on_kv_get(Gcs *gcs, const MobInput *input, MobOutbox *out);
void mob_gcs_dump_kv(const Gcs *gcs, GString *into);
void mob_gcs_free_kv(Gcs *gcs);

/* --- gcs.c: persisted values are small CBOR arrays --- */
/* Persists what was written to @writer, and clears it. */
void mob_gcs_persist(MobOutbox *out, MobStr *key, MobCborWriter *writer);
/* Starts reading @record, whose array must have @count items. */
MobCborReader mob_gcs_read(const MobPersisted *record, uint64_t count);
uint32_t mob_gcs_read_number(MobCborReader *reader);
MobStr *mob_gcs_read_str(MobCborReader *reader);
void mob_gcs_put_str(MobCborWriter *writer, const MobStr *str);
