/* meet.h: how two machines meet: TLS, then both prove that they know the token.
 *
 *     server → client   greeting   version, name, nonce
 *     client → server   word       version, what for, name, nonce, proof
 *     server → client   verdict    yes and a proof, or no and why
 *
 * All three are HELLO frames. A proof is an HMAC with the token as its key
 * over both nonces, what only the two ends of this very connection know
 * (tls-exporter), and all that is said besides. So the token never travels, what
 * was heard on one connection is of no use on another, and whoever sits in
 * between with a connection to each side is noticed. What a client sends after
 * its word it sends when it has seen the verdict.
 *
 * Before the word is believed a stranger costs one small buffer, and the
 * memory of TLS once it has begun to speak it. It knows no clock: whoever
 * drives it ends it after MOB_MEET_TIME.
 */
#pragma once

#include "net/tls.h"
#include "runtime/msg.h"

#define MOB_MEET_TIME (5 * MOB_SECOND)

typedef enum {
    MOB_MEET_LINK,  /* to send frames as a daemon of the cluster */
    MOB_MEET_JOIN,  /* to become one */
    MOB_MEET_RELAY, /* to talk to whoever looks on */
    MOB_MEET_ASK,   /* to ask, as a client of the cluster */
} MobMeetPurpose;

typedef enum {
    MOB_MEET_MORE,   /* wait for mob_meet_events() */
    MOB_MEET_ASKED,  /* server: the word is believed; accept or refuse it */
    MOB_MEET_DONE,   /* both know each other: mob_meet_take() */
    MOB_MEET_FAILED, /* mob_meet_why() */
} MobMeetState;

typedef struct {
    MobTls *tls;       /* NULL: plain */
    bool ca;           /* TLS: our CA must vouch for the other end */
    const char *print; /* TLS, client: the fingerprint expected, or "" */
    const char *token; /* "": there is none */
    const char *name;  /* of our machine */
    const char *to;    /* client: whom we believe to talk to, for people */
    MobAddress from;   /* who we are */
    MobMeetPurpose purpose;
    const MobBuf *said; /* client: what else is said in the word, or NULL */
} MobMeetOptions;

typedef struct MobMeet MobMeet;

/* Takes @fd, which may still be connecting; everything in @options but tls is
 * copied. */
MobMeet *mob_meet_new(int fd, bool server, const MobMeetOptions *options);
void mob_meet_free(MobMeet *meet);

/* Goes on as far as it can. */
MobMeetState mob_meet_step(MobMeet *meet);
/* What to wait for: EPOLLIN, EPOLLOUT; those of poll() are the same. */
uint32_t mob_meet_events(const MobMeet *meet);
/* For people, on this side of the connection. */
const char *mob_meet_why(const MobMeet *meet);
/* How much has been set aside for what the other end sends, besides TLS. */
size_t mob_meet_memory(const MobMeet *meet);
/* It has taken too long. */
void mob_meet_late(MobMeet *meet);

MobMeetPurpose mob_meet_purpose(const MobMeet *meet);
/* Who the other end says it is. */
MobAddress mob_meet_them(const MobMeet *meet);
/* What else was said: by the client in its word, by the server in its verdict. */
const MobBuf *mob_meet_said(const MobMeet *meet);
/* The fingerprint of the other end's certificate, or "". */
const char *mob_meet_print(const MobMeet *meet);
/* The address of the other end, for people (transfer full). */
char *mob_meet_who(const MobMeet *meet);
/* Server, when asked. */
void mob_meet_accept(MobMeet *meet, const MobBuf *say);
void mob_meet_refuse(MobMeet *meet, const char *why);

/* When done: the connection, as a stream that is trusted; @into is overwritten,
 * all but what waits to leave on it. */
void mob_meet_take(MobMeet *meet, MobStream *into);

/* Drives @meet to its end; for who has nothing else to do. */
MobMeetState mob_meet_now(MobMeet *meet);
