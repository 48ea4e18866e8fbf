/* serve.h: what a cluster's observer answers to clients of the same user on the
 * same machine, and how a client asks.
 *
 * Over a Unix socket: both say hello, with the version of the command that
 * they are; the client sends one Ask record; the observer tells pieces of text
 * for as long as it likes, then that it is over. What is asked and answered is
 * not known here.
 *
 * A client is nobody until it has said hello: until then it may send no more
 * than a stranger and stays no longer than five seconds. One that does not
 * read is cut off. The observer never waits for any.
 */
#pragma once

#include "net/loop.h"
#include "net/stream.h"
#include "runtime/msg.h"

typedef struct MobServe MobServe;
typedef struct MobClient MobClient;

typedef enum {
    MOB_TELL_OUT,   /* what was asked for, as it is: what programs print, JSON */
    MOB_TELL_TABLE, /* what was asked for, for people */
    MOB_TELL_SAY,   /* what Mobula says besides; one line without its end */
    MOB_TELL_COUNT,
} MobTellKind;

typedef struct {
    MobLoop *loop;       /* borrowed */
    const char *path;    /* of the socket, borrowed during the call */
    const char *version; /* borrowed */
    void (*ask)(void *data, MobClient *client, const MobAsk *ask);
    /* What else comes from a client that has asked; NULL: that is garbage. */
    void (*frame)(void *data, MobClient *client, const MobFrame *frame, const uint8_t *body);
    /* It is freed after this; not called for those that never asked. */
    void (*gone)(void *data, MobClient *client);
    void *data;
} MobServeOptions;

/* Returns NULL with an error if nobody can listen there. */
MobServe *mob_serve_new(const MobServeOptions *options, GError **error);
/* Removes the socket; who still waits is cut off. */
void mob_serve_free(MobServe *serve);

/* To be called inside ask() or later, until gone(). */
void mob_client_tell(MobClient *client, MobTellKind kind, const char *text, size_t length);
void mob_client_over(MobClient *client, uint32_t code);
/* How many bytes it was told and has not read yet. */
size_t mob_client_behind(const MobClient *client);

/* Another frame, for a client that has asked to be sent such. */
void mob_client_send(MobClient *client, const MobFrame *frame, const MobBuf *body);
/* Waits @ms for more from this client alone and takes it; false if it has gone. */
bool mob_client_wait(MobClient *client, int ms);

/* Connects to the observer that listens at @path; false with an error. */
bool mob_ask_connect(const char *path, MobStream *stream, GError **error);
/* Whether the observer that says @hello is of the same build; else an error. */
bool mob_ask_heard(const MobFrame *hello, const uint8_t *body, const char *version, GError **error);
/* Says hello and puts @ask, for whoever goes on with @stream by himself. */
void mob_ask_begin(MobStream *stream, const char *version, const MobAsk *ask);
/* Asks over @stream (taken), and calls @told for each piece, until it is over. Returns
 * the exit code, or -1 with an error. */
int mob_ask_over(MobStream *stream, const char *version, const MobAsk *ask,
                 void (*told)(void *data, MobTellKind kind, const char *text, size_t length),
                 void *data, GError **error);
