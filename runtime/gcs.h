/* gcs.h: the global control store: who is in the cluster, which jobs there
 * are, and a key-value store. Metadata only, never data; it is not asked on
 * the way of a task (Ray: src/ray/gcs).
 */
#pragma once

#include "runtime/process.h"

/* @config is borrowed and outlives the process. */
MobProcess *mob_gcs_new(MobAddress address, const MobConfig *config);

/* For checks: whether the GCS holds @node for alive. */
bool mob_gcs_node_is_alive(const MobProcess *process, MobNodeId node);
/* For checks: bytes of all values in the key-value store. */
uint64_t mob_gcs_kv_bytes(const MobProcess *process);
