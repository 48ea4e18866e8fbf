/* faults.h: the orders of control.h, carried out in the simulated cluster.
 *
 * Kills, restarts, joins and the like happen once, when they are ordered.
 * Pauses, slowness, trouble with disks, cuts, holds, links and rpc faults are in force until they
 * are healed; the network asks here about each message while any of the last
 * four is. Every order counts what it has touched.
 */
#pragma once

#include "sim/inside.h"

uint32_t mob_faults_order(MobWorld *world, const MobOrder *order, GError **error);
void mob_faults_heal(MobWorld *world, uint32_t number);
uint64_t mob_faults_bites(const MobWorld *world, uint32_t number);
/* What is cut, held, paused or dead, one line each, for people. */
void mob_faults_explain(const MobWorld *world, GString *into);
void mob_faults_free(MobFaultRun *fault);

/* --- for the network; @end is that of the sender --- */

typedef enum {
    MOB_BLOCK_NONE,
    MOB_BLOCK_HOLD, /* until it is healed */
    MOB_BLOCK_CUT,  /* until it is healed or the connection gives up */
} MobBlock;

/* @bite: a message is really held back. */
MobBlock mob_faults_block(MobWorld *world, const MobConn *conn, unsigned end, bool bite);

/* The wire that stands in for the usual one, or NULL. */
MobLink *mob_faults_link(MobWorld *world, const MobConn *conn, unsigned end);

typedef enum {
    MOB_TRIP_NONE,
    MOB_TRIP_REQUEST,
    MOB_TRIP_REPLY,
    MOB_TRIP_INFLIGHT,
} MobTrip;

/* Whether an rpc fault strikes at a message that is being sent. */
MobTrip mob_faults_trip(MobWorld *world, const MobConn *conn, unsigned end, MobMsgType type);

/* A process is born: it stands still if its machine does. */
void mob_faults_newborn(MobWorld *world, MobPlace *place);

/* --- for the disk --- */

/* Whether such a trouble is in force on @box. */
bool mob_faults_disk(const MobWorld *world, const MobBox *box, MobTrouble trouble);
/* In millionths; the newest order about it counts. */
uint32_t mob_faults_disk_speed(const MobWorld *world, const MobBox *box);
/* An order to the disk was refused, or took longer. */
void mob_faults_bite_disk(MobWorld *world, const MobBox *box);

/* A body begins to compute on a machine that is slow. */
void mob_faults_bite_slow(MobWorld *world, const MobBox *box);
