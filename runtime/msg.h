/* msg.h: messages as values.
 *
 * A message is immutable once sent, and reference counted, so that the
 * simulator can deliver it without a copy. Its fields are those declared in
 * messages.def. The functions below work for every message: they walk the
 * table of its fields, which mob_msg_info() hands to anyone who wants it.
 */
#pragma once

#include "runtime/buf.h"
#include "runtime/fault.h"
#include "runtime/ids.h"
#include "runtime/resources.h"
#include "runtime/value.h"

/* A piece of a value. Between machines of one simulation the whole value goes
 * along and the piece is only counted; on a wire the piece's bytes go. */
typedef struct {
    MobValue *value; /* the whole value; NULL after decoding a piece of one */
    GBytes *bytes;   /* the piece, after decoding */
    uint64_t offset;
    uint64_t length;
} MobSlice;

typedef struct MobTaskSpec MobTaskSpec;
typedef struct MobResult MobResult;
typedef struct MobView MobView;
typedef struct MobMove MobMove;
typedef struct MobBorrow MobBorrow;
typedef struct MobBirth MobBirth;
typedef struct MobRule MobRule;
typedef struct MobAsk MobAsk;
typedef struct MobDemand MobDemand;
typedef struct MobSite MobSite;
typedef struct MobJoin MobJoin;

typedef struct {
    MobObjectId *items;
    uint32_t count;
} MobObjects;

typedef struct {
    MobRef *items;
    uint32_t count;
} MobRefs;

typedef struct {
    MobNodeId *items;
    uint32_t count;
} MobNodes;

typedef struct {
    MobResult *items;
    uint32_t count;
} MobResults;

typedef struct {
    MobView *items;
    uint32_t count;
} MobViews;

typedef struct {
    MobMove *items;
    uint32_t count;
} MobMoves;

typedef struct {
    MobBorrow *items;
    uint32_t count;
} MobBorrows;

typedef enum {
    MOB_STRATEGY_DEFAULT,  /* the hybrid policy */
    MOB_STRATEGY_SPREAD,   /* round robin */
    MOB_STRATEGY_AFFINITY, /* spec.node, hard or soft */
} MobStrategy;

typedef enum {
    MOB_LEASE_GRANTED,
    MOB_LEASE_SPILLED,
    MOB_LEASE_REJECTED,  /* ask the first node again */
    MOB_LEASE_CANCELLED, /* for good: fault says why, or the owner cancelled it */
} MobLeaseAnswer;

typedef enum {
#define MESSAGE(Type, CONSTANT, name, doc) MOB_MSG_##CONSTANT,
#define FIELD(kind, name, doc)
#define END(name)
#include "runtime/messages.def"
    MOB_MSG_COUNT,
} MobMsgType;

typedef enum {
#define RECORD(Type, name, doc) MOB_RECORD_##name,
#define FIELD(kind, name, doc)
#define END(name)
#include "runtime/records.def"
    MOB_RECORD_COUNT,
} MobRecord;

typedef struct {
    uint32_t refs;
    MobMsgType type;
} MobMsg;

/* clang-format off */
#define KIND(name, ctype, doc) typedef ctype MobKind_##name;
#include "runtime/kinds.def"

#define RECORD(Type, name, doc) \
    struct Mob##Type {          \
        uint32_t refs_held; /* for records that are shared: specs */
#define FIELD(kind, name, doc) MobKind_##kind name;
#define END(name) };
#include "runtime/records.def"

#define MESSAGE(Type, CONSTANT, name, doc) \
    typedef struct {                       \
        MobMsg base;
#define FIELD(kind, name, doc) MobKind_##kind name;
#define END(name) } MobMsg_##name;
#include "runtime/messages.def"

/* mob_health_check_new() makes an empty HealthCheck, mob_health_check(msg) reads one. */
#define MESSAGE(Type, CONSTANT, name, doc)                       \
    typedef MobMsg_##name Mob##Type;                             \
    Mob##Type *mob_##name##_new(void);                           \
    static inline const Mob##Type *mob_##name(const MobMsg *msg) \
    {                                                            \
        g_assert(msg->type == MOB_MSG_##CONSTANT);               \
        return (const Mob##Type *)msg;                           \
    }
#define FIELD(kind, name, doc)
#define END(name)
#include "runtime/messages.def"
/* clang-format on */

typedef enum {
#define KIND(name, ctype, doc) MOB_KIND_##name,
#include "runtime/kinds.def"
    MOB_KIND_COUNT,
} MobKind;

typedef struct {
    const char *name;
    MobKind kind;
    size_t offset;
    const char *doc;
} MobFieldInfo;

typedef struct {
    const char *name; /* "PushTask" */
    const char *doc;
    size_t size;
    const MobFieldInfo *fields;
    size_t field_count;
} MobMsgInfo;

const MobMsgInfo *mob_msg_info(MobMsgType type);
const MobMsgInfo *mob_record_info(MobRecord record);
/* MOB_MSG_COUNT where there is no such message. */
MobMsgType mob_msg_by_name(const char *name);

/* An empty message; what it has to have is for the caller to fill in. */
MobMsg *mob_msg_new(MobMsgType type);
MobMsg *mob_msg_ref(MobMsg *msg);
void mob_msg_unref(MobMsg *msg);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobMsg, mob_msg_unref)

MobTaskSpec *mob_spec_new(void);
static inline MobTaskSpec *
mob_spec_ref(MobTaskSpec *spec)
{
    spec->refs_held++;
    return spec;
}
void mob_spec_unref(MobTaskSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobTaskSpec, mob_spec_unref)

/* Copies of records and lists, for whoever wants to keep one (transfer full). */
MobRef mob_ref_copy(const MobRef *ref);
void mob_view_copy(MobView *to, const MobView *from);
void mob_view_clear(MobView *view);
void mob_result_clear(MobResult *result);

#define MOB_WIRE_ERROR (g_quark_from_static_string("mob-wire-error"))

typedef enum {
    MOB_WIRE_ERROR_TRUNCATED, /* the bytes end before the message does */
    MOB_WIRE_ERROR_UNKNOWN,   /* no such message type */
    MOB_WIRE_ERROR_TRAILING,  /* the message ends before the bytes do */
    MOB_WIRE_ERROR_MALFORMED, /* a field that no peer of ours would send */
} MobWireError;

/* Appends the wire form of @msg to @into. */
void mob_msg_encode(const MobMsg *msg, MobBuf *into);

/* Returns (transfer full) the message in @data, or NULL with MOB_WIRE_ERROR. */
MobMsg *mob_msg_decode(const uint8_t *data, size_t size, GError **error);

/* Where a value lies that does not travel with its message. */
typedef struct {
    uint64_t region; /* of memory that both ends see */
    uint64_t offset;
    uint32_t length;
    uint64_t hash;
} MobWhere;

/* For hosts whose processes share memory: who puts large values there, and
 * finds them. While a MobBuf has one, what is encoded into it asks it. */
typedef struct MobPlaces MobPlaces;
struct MobPlaces {
    /* Returns (transfer full) the value that is to travel, which is @value or
     * the same in another form; or NULL after saying where it lies. */
    MobValue *(*put)(MobPlaces *self, MobValue *value, MobWhere *place);
    /* Returns (transfer full) the value that lies at @place, or NULL. */
    MobValue *(*get)(MobPlaces *self, const MobWhere *place);
    /* Of a piece only where it begins and how long it is. */
    bool without_pieces;
};

/* Texts of the messages before. Most messages of a process are alike but for few
 * of theirs, and what came before at the same place is not made anew. All zero at first. */
typedef struct {
    MobStr *at[8]; /* owned */
} MobTexts;

void mob_texts_clear(MobTexts *texts);

/* The same for a message whose values may be found through @places, and whose
 * texts among @texts, which then has those of this one; both may be NULL. */
MobMsg *mob_msg_decode_with(const uint8_t *data, size_t size, MobPlaces *places, MobTexts *texts,
                            GError **error);

/* A record alone, as it is persisted: (transfer full) in and out. A record is
 * freed with mob_record_free(). */
void mob_record_encode(MobRecord record, const void *from, MobBuf *into);
void *mob_record_decode(MobRecord record, const uint8_t *data, size_t size, GError **error);
void mob_record_free(MobRecord record, void *from);

/* How many bytes the message would weigh between machines: its encoding, with
 * every value and piece at its full size; exact to a few bytes and cheap. */
uint64_t mob_msg_weight(const MobMsg *msg);

/* Folds type and fields into a trace hash; of a value its size and hash, so
 * that bytes which exist only as a rule do not matter. */
uint64_t mob_msg_fold(const MobMsg *msg, uint64_t hash);

/* Appends one line for people, without the newline: HealthCheck number=1 */
void mob_msg_print(const MobMsg *msg, GString *into);

/* A hash of all names and kinds: peers with different ones refuse each other. */
uint64_t mob_schema_hash(void);
