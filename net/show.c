/* show.c: values as whoever looks on is shown them: a report is no place for
 * the bytes of a store. What was written out goes as its rule again. What is
 * more than a report should carry goes as a rule of the same size, made of its
 * hash, so that it is another value, but the same one in every report.
 */
#include "net/inside.h"
#include "runtime/cbor.h"

enum {
    SHOWN_WHOLE = 64 << 10,
    SHOWN_MAX = 16 << 20,
    RULE_HEADS = 18, /* what stands around the bytes below */
};

static MobValue *
stand_in(const MobValue *value)
{
    uint8_t bytes[RULE_HEADS] = {0xd9, MOB_CBOR_FILL >> 8, MOB_CBOR_FILL & 0xff, 0x82, 0x1a};
    uint32_t count = GUINT32_TO_BE(value->length - RULE_HEADS);
    uint64_t rule = GUINT64_TO_BE(value->hash >> 2 | UINT64_C(1) << 62);

    memcpy(bytes + 5, &count, sizeof count);
    bytes[9] = 0x1b;
    memcpy(bytes + 10, &rule, sizeof rule);
    return mob_value_parse(bytes, sizeof bytes, NULL);
}

static MobValue *
put(MobPlaces *places, MobValue *value, MobWhere *place)
{
    (void)places;
    (void)place;
    if (value->length <= SHOWN_WHOLE)
        return mob_value_ref(value);
    g_autoptr(MobValue) rule = mob_value_by_rule(value);
    return rule->length > SHOWN_MAX ? stand_in(rule) : g_steal_pointer(&rule);
}

void
mob_show_init(MobPlaces *places)
{
    *places = (MobPlaces){.put = put, .without_pieces = true};
}
