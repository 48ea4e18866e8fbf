/* meet_words.c: the three frames with which machines meet; see meet.h. Their
 * layout is the same in all versions as far as the version.
 */
#include <gnutls/crypto.h>

#include "net/meet_parts.h"
#include "runtime/str.h"

enum {
    PROOF = 32,
    TEXT_MAX = 255,
};

/* What a frame is; the first byte of its body. */
typedef enum {
    GREETING = 1,
    WORD,
    VERDICT,
} Kind;

/* --- bodies: bytes with their length before them --- */

typedef struct {
    const uint8_t *at;
    size_t left;
    bool bad;
} Reader;

static void
put(MobBuf *into, const void *data, size_t length)
{
    uint8_t *size = mob_buf_grow(into, 2);

    size[0] = (uint8_t)(length & 0xff);
    size[1] = (uint8_t)(length >> 8);
    mob_buf_add(into, data, length);
}

static void
put_text(MobBuf *into, const char *text)
{
    put(into, text, MIN(strlen(text), (size_t)TEXT_MAX));
}

static const uint8_t *
get_fixed(Reader *from, size_t size)
{
    const uint8_t *at = from->at;

    if (from->bad || from->left < size) {
        from->bad = true;
        return NULL;
    }
    from->at += size;
    from->left -= size;
    return at;
}

static const uint8_t *
get(Reader *from, size_t *length)
{
    const uint8_t *size = get_fixed(from, 2);

    *length = size != NULL ? (size_t)(size[0] | size[1] << 8) : 0;
    return get_fixed(from, *length);
}

/* (transfer full), of letters that may be shown. */
static char *
get_text(Reader *from)
{
    size_t length;
    const uint8_t *at = get(from, &length);
    g_autofree char *text = at != NULL ? g_strndup((const char *)at, length) : g_strdup("");

    for (char *letter = text; *letter != '\0'; letter++)
        if ((unsigned char)*letter < ' ' || *letter == 0x7f)
            *letter = ' ';
    return g_utf8_make_valid(text, -1);
}

/* --- proofs --- */

static void
prove(const MobMeet *meet, Kind kind, const uint8_t *rest, size_t length, uint8_t proof[PROOF])
{
    gnutls_hmac_hd_t hmac;
    const char *label = kind == WORD ? "mobula client" : "mobula server";

    gnutls_hmac_init(&hmac, GNUTLS_MAC_SHA256, meet->token, sizeof meet->token);
    gnutls_hmac(hmac, label, strlen(label));
    gnutls_hmac(hmac, meet->nonce_server, MEET_NONCE);
    gnutls_hmac(hmac, meet->nonce_client, MEET_NONCE);
    gnutls_hmac(hmac, meet->binding, sizeof meet->binding);
    gnutls_hmac(hmac, rest, length);
    gnutls_hmac_deinit(hmac, proof);
}

static bool
is_proven(const MobMeet *meet, Kind kind, const uint8_t *proof, const Reader *rest)
{
    uint8_t expected[PROOF];

    prove(meet, kind, rest->at, rest->left, expected);
    return proof != NULL && gnutls_memcmp(proof, expected, PROOF) == 0;
}

static void
send_frame(MobMeet *meet, Kind kind, const uint8_t *fixed, size_t fixed_length, const MobBuf *rest)
{
    MobFrame frame = {.kind = MOB_FRAME_HELLO, .from = meet->from, .event = mob_schema_hash()};
    MobBuf *out = &meet->stream.out;
    size_t begin = mob_frame_begin(out, &frame);
    uint8_t first = (uint8_t)kind;

    mob_buf_add(out, &first, 1);
    mob_buf_add(out, fixed, fixed_length);
    if (kind != GREETING) {
        uint8_t proof[PROOF] = {0};
        if (!meet->no)
            prove(meet, kind, rest->data, rest->length, proof);
        mob_buf_add(out, proof, sizeof proof);
    }
    mob_buf_add(out, rest->data, rest->length);
    mob_frame_end(out, begin);
}

/* --- the three frames --- */

void
mob_meet_greet(MobMeet *meet)
{
    g_auto(MobBuf) rest = {0};

    put_text(&rest, MOBULA_VERSION);
    put_text(&rest, meet->name);
    send_frame(meet, GREETING, meet->nonce_server, MEET_NONCE, &rest);
}

static char *
version_trouble(const MobFrame *frame, const char *who, const char *theirs)
{
    return g_strdup_printf("%s runs mobula %s (messages %08x), and this is mobula %s (messages "
                           "%08x); install the same version on all machines",
                           who, theirs, (unsigned)frame->event, MOBULA_VERSION,
                           (unsigned)mob_schema_hash());
}

static void
send_word(MobMeet *meet)
{
    g_auto(MobBuf) rest = {0};
    uint8_t purpose = (uint8_t)meet->purpose;
    uint8_t has_token = meet->has_token;

    put_text(&rest, MOBULA_VERSION);
    put_text(&rest, meet->name);
    mob_buf_add(&rest, &purpose, 1);
    mob_buf_add(&rest, &has_token, 1);
    put(&rest, meet->say.data, meet->say.length);
    send_frame(meet, WORD, meet->nonce_client, MEET_NONCE, &rest);
}

static MobMeetState
on_greeting(MobMeet *meet, const MobFrame *frame, Reader *body)
{
    const uint8_t *nonce = get_fixed(body, MEET_NONCE);
    g_autofree char *version = get_text(body);
    g_autofree char *name = get_text(body);

    if (body->bad)
        return FAIL(meet, "%s is no machine of a cluster, or not of this version", meet->to);
    if (frame->event != mob_schema_hash()) {
        g_autofree char *who = g_strdup_printf("%s at %s", name, meet->to);
        return mob_meet_fail(meet, version_trouble(frame, who, version));
    }
    meet->them = frame->from;
    memcpy(meet->nonce_server, nonce, MEET_NONCE);
    send_word(meet);
    return MOB_MEET_MORE;
}

/* What is wrong with the other end's certificate, when it is looked at by the server
 * (transfer full), or NULL. */
static char *
certificate_trouble(const MobMeet *meet)
{
    const char *trouble = meet->ca ? mob_tls_trouble(meet->session) : NULL;

    if (trouble == NULL)
        return NULL;
    return meet->print[0] == '\0'
               ? g_strdup("it has no certificate of this cluster's CA; mobula cert makes one")
               : g_strconcat("its certificate ", trouble, NULL);
}

static MobMeetState
on_word(MobMeet *meet, const MobFrame *frame, Reader *body)
{
    const uint8_t *nonce = get_fixed(body, MEET_NONCE);
    const uint8_t *proof = get_fixed(body, PROOF);
    Reader rest = *body;
    g_autofree char *version = get_text(body);
    g_autofree char *name = get_text(body);
    const uint8_t *purpose = get_fixed(body, 1);
    const uint8_t *has_token = get_fixed(body, 1);
    size_t length;
    const uint8_t *said = get(body, &length);

    if (frame->event != mob_schema_hash() && version[0] != '\0') {
        g_autofree char *trouble = version_trouble(frame, "the one that connects", version);
        mob_meet_refuse(meet, trouble);
        return MOB_MEET_MORE;
    }
    if (body->bad || *purpose > MOB_MEET_ASK)
        return FAIL(meet, "it said what no machine of a cluster says");
    memcpy(meet->nonce_client, nonce, MEET_NONCE);
    if (!is_proven(meet, WORD, proof, &rest)) {
        mob_meet_refuse(meet, !meet->has_token  ? "it has a token, and this cluster has none"
                              : *has_token == 0 ? "it has no token, and this cluster has one"
                                                : "its token is not that of this cluster");
        return MOB_MEET_MORE;
    }
    g_autofree char *trouble = certificate_trouble(meet);
    if (trouble != NULL) {
        mob_meet_refuse(meet, trouble);
        return MOB_MEET_MORE;
    }
    meet->them = frame->from;
    meet->purpose = *purpose;
    mob_buf_add(&meet->said, said, length);
    meet->phase = MEET_ASKED;
    return MOB_MEET_ASKED;
}

static void
send_verdict(MobMeet *meet, const char *why, const MobBuf *say)
{
    g_auto(MobBuf) rest = {0};
    uint8_t yes = !meet->no;

    mob_buf_add(&rest, &yes, 1);
    put_text(&rest, why);
    if (say != NULL)
        put(&rest, say->data, say->length);
    else
        put(&rest, NULL, 0);
    send_frame(meet, VERDICT, NULL, 0, &rest);
    meet->phase = MEET_LEAVING;
}

void
mob_meet_accept(MobMeet *meet, const MobBuf *say)
{
    send_verdict(meet, "", say);
}

void
mob_meet_refuse(MobMeet *meet, const char *why)
{
    meet->no = true;
    g_free(meet->why);
    meet->why = g_strdup(why);
    send_verdict(meet, why, NULL);
}

static MobMeetState
on_verdict(MobMeet *meet, Reader *body)
{
    const uint8_t *proof = get_fixed(body, PROOF);
    Reader rest = *body;
    const uint8_t *yes = get_fixed(body, 1);
    g_autofree char *why = get_text(body);
    size_t length;
    const uint8_t *said = get(body, &length);

    if (body->bad)
        return FAIL(meet, "%s is no machine of a cluster, or not of this version", meet->to);
    if (*yes == 0)
        return FAIL(meet, "%s refuses %s: %s", meet->to, meet->name, why);
    if (!is_proven(meet, VERDICT, proof, &rest))
        return FAIL(meet,
                    "%s does not know the token of the cluster, and says that it does; somebody "
                    "may sit in between",
                    meet->to);
    mob_buf_add(&meet->said, said, length);
    meet->phase = MEET_DONE;
    return MOB_MEET_DONE;
}

MobMeetState
mob_meet_heard(MobMeet *meet, const MobFrame *frame, const uint8_t *body)
{
    Reader reader = {.at = body, .left = frame->length};
    const uint8_t *kind = get_fixed(&reader, 1);
    Kind heard = frame->kind == MOB_FRAME_HELLO && kind != NULL ? (Kind)*kind : 0;
    if (meet->server && heard == WORD)
        return on_word(meet, frame, &reader);
    if (!meet->server && heard == GREETING)
        return on_greeting(meet, frame, &reader);
    if (!meet->server && heard == VERDICT)
        return on_verdict(meet, &reader);
    return FAIL(meet, "%s said what no machine of a cluster says", meet->server ? "it" : meet->to);
}
