/* meet_parts.h: what the files of a meeting share; see meet.h.
 *
 *     meet.c        from the first byte to the last: connecting, TLS, deadlines
 *     meet_words.c  what is said, and proven
 */
#pragma once

#include "net/meet.h"
#include "net/token.h"

enum {
    MEET_NONCE = 32,
};

typedef enum {
    MEET_CONNECTING,
    MEET_KNOCKING, /* server: the first byte says whether it is TLS */
    MEET_SHAKING,
    MEET_TALKING,
    MEET_ASKED,
    MEET_LEAVING, /* server: the verdict has to leave yet */
    MEET_DONE,
    MEET_FAILED,
} MobMeetPhase;

struct MobMeet {
    MobStream stream;
    bool server;
    MobMeetPhase phase;
    MobTls *tls;
    MobTlsSession *session; /* of stream */
    bool ca;
    char *expected;
    bool has_token;
    uint8_t token[MOB_TOKEN_BYTES];
    char *name;
    char *to;
    MobBuf say;      /* client */
    MobAddress from; /* who we are */
    MobAddress them;
    MobMeetPurpose purpose;
    uint8_t binding[MOB_TLS_BINDING];
    uint8_t nonce_server[MEET_NONCE];
    uint8_t nonce_client[MEET_NONCE];
    char print[MOB_TLS_PRINT + 1];
    MobBuf said;
    bool no;   /* server: the verdict */
    char *why; /* owned */
};

/* Takes @why; returns MOB_MEET_FAILED. The first reason stays. */
MobMeetState mob_meet_fail(MobMeet *meet, char *why);

#define FAIL(meet, ...) mob_meet_fail(meet, g_strdup_printf(__VA_ARGS__))

void mob_meet_greet(MobMeet *meet);
/* A frame has come. */
MobMeetState mob_meet_heard(MobMeet *meet, const MobFrame *frame, const uint8_t *body);
