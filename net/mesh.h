/* mesh.h: what the files about a daemon's connections with other machines share.
 *
 *     join.c   starting: listening, joining the head; the head: letting others join
 *     mesh.c   lines to other machines
 *     relay.c  reports that go to another machine
 *
 * Lines are one-way here too: each daemon connects to those to whom it sends.
 * Every line from the head begins with all that it knows of where machines are,
 * and a machine that joins is told of to all before the GCS can tell of it.
 */
#pragma once

#include "net/inside.h"
#include "net/roster.h"

struct MobMesh {
    MobInterest listener; /* must be first */
    MobNetHost *host;     /* NULL: it is not running yet */
    uint16_t port;
    bool head;
    bool relayed; /* reports go to the head */
    bool tls_ca;
    MobTls *tls;            /* owned; NULL: plain */
    char *token;            /* owned; "": none */
    char *folder;           /* owned */
    char *answers;          /* owned; the socket where questions are answered; "": they are not */
    MobSite *me;            /* owned */
    MobAddress my;          /* {0}: not known yet */
    uint32_t head_node;     /* where rosters come from */
    MobRoster roster;       /* without this machine */
    MobNetJournal *journal; /* head, once a number was given: which were */
    MobInterest reports;    /* relayed: where the processes of this machine connect */
    char *reports_path;     /* owned */
    GPtrArray *relays;      /* of MobRelay, owned */
    guint strangers;        /* connections that have not said who they are */
    uint64_t said_since;    /* real time: a second in which complaints are counted */
    guint said;
};

/* --- mesh.c --- */

/* Says to whoever looks after this machine, a few times a second at most. */
void mob_mesh_say(MobMesh *mesh, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* How it meets @site, to which @fd connects. */
MobMeet *mob_mesh_approach(MobMesh *mesh, const MobSite *site, int fd, MobMeetPurpose purpose);

/* --- join.c --- */

/* Head: whether the one at the other end of @meet may join; accepts or refuses it. */
void mob_join_decide(MobNetHost *host, MobMeet *meet);
/* Head: says on @line, which is new, where all machines are. */
void mob_join_tell_all(MobNetHost *host, MobLine *line);
/* Sees to it that the roster can take one more: of the machines that are not connected
 * the one goes that was known first. False: all are. */
bool mob_join_make_room(MobNetHost *host);
/* The site that was @said, at the other end of @meet; NULL: it is none. */
MobSite *mob_join_site(const MobMeet *meet);

/* --- relay.c --- */

typedef struct MobRelay MobRelay;

enum {
    MOB_RELAYS_MAX = 4096
};

/* Passes on what comes from either of both streams (takes them) to the other. */
void mob_relay_start(MobMesh *mesh, MobStream *here, MobStream *there);
/* Listens where the processes of this machine report. */
bool mob_relay_listen(MobMesh *mesh, MobNetHost *host);
void mob_relay_free(void *relay);
/* Ends those who have been meeting the head for too long; when to look again. */
uint64_t mob_relays_look(MobMesh *mesh);
