/* fault.c: see fault.h.
 *
 * An error value is a map under our tag. Its keys stand in the order of the
 * deterministic encoding: shorter ones first, then by their bytes. A key with
 * nothing to say is absent.
 */
#include "runtime/fault.h"

#include <string.h>

#include "runtime/cbor.h"

enum {
    /* Longer chains lose links in the middle; the root is never lost. A link
     * is two levels of nesting, so that the value stays far below its limit. */
    CHAIN_MAX = 16,
    TOLD_MAX = 8, /* links that a report tells of */
};

static const char *const names[MOB_FAULT_COUNT] = {
    NULL,
#define FAULT(CONSTANT, name, doc) name,
#include "runtime/faults.def"
};

const char *
mob_fault_name(MobFaultKind kind)
{
    g_assert(kind > MOB_FAULT_NONE && kind < MOB_FAULT_COUNT);
    return names[kind];
}

MobFaultKind
mob_fault_by_name(const char *name)
{
    for (int i = 1; i < MOB_FAULT_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return (MobFaultKind)i;
    return MOB_FAULT_NONE;
}

/* --- writing --- */

static void
put_key(MobCborWriter *writer, const char *key)
{
    mob_cbor_string(writer, key, strlen(key));
}

static void
put_text(MobCborWriter *writer, const char *key, const char *text)
{
    if (text == NULL)
        return;
    put_key(writer, key);
    mob_cbor_string(writer, text, strlen(text));
}

static void
put_number(MobCborWriter *writer, const char *key, uint64_t number)
{
    if (number == 0 || number > INT64_MAX)
        return;
    put_key(writer, key);
    mob_cbor_int(writer, (int64_t)number);
}

/* Returns (transfer full) the error that @value names as its cause, or NULL. */
static MobValue *
cause_of(const MobValue *value)
{
    g_autoptr(GStringChunk) text = g_string_chunk_new(256);
    MobFault fault;

    return mob_fault_read(value, &fault, text) ? (MobValue *)fault.cause : NULL;
}

/* Returns (transfer full) @cause, or a later link of its chain if it is long. */
static MobValue *
shorten(const MobValue *cause)
{
    uint32_t links = 0;

    for (MobValue *at = mob_value_ref((MobValue *)cause); at != NULL; links++) {
        MobValue *next = cause_of(at);
        mob_value_unref(at);
        at = next;
    }
    MobValue *kept = mob_value_ref((MobValue *)cause);
    for (; links >= CHAIN_MAX; links--) {
        MobValue *next = cause_of(kept);
        mob_value_unref(kept);
        kept = next;
    }
    return kept;
}

static size_t
count_keys(const MobFault *fault)
{
    return 1 + (fault->at != 0 && fault->at <= INT64_MAX) + (fault->code != NULL) +
           (fault->node != NULL) + (fault->task != NULL) + (fault->cause != NULL) +
           (fault->trace != NULL) + (fault->reason != NULL) + (fault->attempt != 0) +
           (fault->message != NULL) + (fault->attempts_max != 0);
}

MobValue *
mob_fault_value(const MobFault *fault)
{
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_tag(&writer, MOB_CBOR_ERROR);
    mob_cbor_map(&writer, count_keys(fault));
    put_number(&writer, "at", fault->at);
    put_text(&writer, "code", fault->code);
    put_text(&writer, "name", mob_fault_name(fault->kind));
    put_text(&writer, "node", fault->node);
    put_text(&writer, "task", fault->task);
    if (fault->cause != NULL) {
        g_autoptr(MobValue) cause = shorten(fault->cause);
        put_key(&writer, "cause");
        mob_cbor_value(&writer, cause);
    }
    put_text(&writer, "trace", fault->trace);
    put_text(&writer, "reason", fault->reason);
    put_number(&writer, "attempt", fault->attempt);
    put_text(&writer, "message", fault->message);
    put_number(&writer, "attempts", fault->attempts_max);
    MobValue *value = mob_cbor_finish(&writer, fault->kind);
    mob_cbor_clear(&writer);
    return value;
}

/* --- reading --- */

static bool
key_is(const MobCborItem *key, const char *name)
{
    return key->length == strlen(name) && memcmp(key->text, name, key->length) == 0;
}

static void
read_text(const char **into, const MobCborItem *item, GStringChunk *text)
{
    if (item->type == MOB_CBOR_STRING)
        *into = g_string_chunk_insert_len(text, item->text, (gssize)item->length);
}

static void
read_count(uint32_t *into, const MobCborItem *item)
{
    if (item->type == MOB_CBOR_INT && item->number > 0 && item->number <= UINT32_MAX)
        *into = (uint32_t)item->number;
}

static void
read_cause(MobFault *fault, const uint8_t *begin, const uint8_t *end)
{
    MobValue *cause = mob_value_parse(begin, (size_t)(end - begin), NULL);

    if (cause == NULL || cause->fault == 0 || fault->cause != NULL) {
        mob_value_unref(cause); /* a program's error may have any value there */
        return;
    }
    fault->cause = cause;
}

/* Takes over one pair of the map, whose value @item is at [@begin, @end). */
static void
read_pair(MobFault *fault, const MobCborItem *key, MobCborReader at, const uint8_t *end,
          GStringChunk *text)
{
    const uint8_t *begin = at.at;
    MobCborItem item = mob_cbor_next(&at);

    if (key_is(key, "name")) {
        g_autofree char *name = g_strndup(item.text, item.length);
        fault->kind = mob_fault_by_name(name);
    } else if (key_is(key, "message")) {
        read_text(&fault->message, &item, text);
    } else if (key_is(key, "task")) {
        read_text(&fault->task, &item, text);
    } else if (key_is(key, "node")) {
        read_text(&fault->node, &item, text);
    } else if (key_is(key, "code")) {
        read_text(&fault->code, &item, text);
    } else if (key_is(key, "reason")) {
        read_text(&fault->reason, &item, text);
    } else if (key_is(key, "trace")) {
        read_text(&fault->trace, &item, text);
    } else if (key_is(key, "attempt")) {
        read_count(&fault->attempt, &item);
    } else if (key_is(key, "attempts")) {
        read_count(&fault->attempts_max, &item);
    } else if (key_is(key, "at")) {
        fault->at = item.type == MOB_CBOR_INT && item.number > 0 ? (MobTime)item.number : 0;
    } else if (key_is(key, "cause")) {
        read_cause(fault, begin, end);
    }
}

bool
mob_fault_read(const MobValue *value, MobFault *fault, GStringChunk *text)
{
    *fault = (MobFault){0};
    if (value == NULL || value->fault == 0)
        return false;

    MobCborReader reader = {value->bytes, value->bytes + value->length, false};
    mob_cbor_next(&reader); /* the tag */
    MobCborItem map = mob_cbor_next(&reader);
    for (uint64_t i = 0; i < map.length; i++) {
        MobCborItem key = mob_cbor_next(&reader);
        MobCborReader at = reader;
        if (key.type != MOB_CBOR_STRING || !mob_cbor_skip(&reader))
            break; /* a peer's error may have odd keys behind its name */
        read_pair(fault, &key, at, reader.at, text);
    }
    fault->kind = (MobFaultKind)value->fault;
    return true;
}

/* --- telling --- */

/* Appends the first line about @fault: what happened. */
static void
report_what(const MobFault *fault, GString *into)
{
    g_string_append(into, mob_fault_name(fault->kind));
    if (fault->message != NULL && *fault->message != '\0')
        g_string_append_printf(into, ": %s", fault->message);
    if (fault->code != NULL)
        g_string_append_printf(into, " [%s]", fault->code);
    g_string_append_c(into, '\n');
}

/* Appends where it happened, and the user's frames. */
static void
report_where(const MobFault *fault, const char *indent, GString *into)
{
    size_t start = into->len;

    if (fault->task != NULL)
        g_string_append_printf(into, "task %s", fault->task);
    if (fault->attempt != 0)
        g_string_append_printf(into, "%sattempt %" G_GUINT32_FORMAT, into->len > start ? ", " : "",
                               fault->attempt);
    if (fault->attempt != 0 && fault->attempts_max != 0)
        g_string_append_printf(into, " of %" G_GUINT32_FORMAT, fault->attempts_max);
    if (fault->node != NULL)
        g_string_append_printf(into, "%son %s", into->len > start ? ", " : "", fault->node);
    if (into->len > start) {
        g_autofree char *head = g_strconcat(indent, fault->task != NULL ? "in " : "", NULL);
        g_string_insert(into, (gssize)start, head);
        g_string_append_c(into, '\n');
    }
    if (fault->trace == NULL)
        return;
    g_auto(GStrv) frames = g_strsplit(fault->trace, "\n", -1);
    for (char **frame = frames; *frame != NULL; frame++)
        if (**frame != '\0')
            g_string_append_printf(into, "%s%s\n", indent, *frame);
}

/* The root cause stands last in the chain and is told first. Of a long chain
 * the links in the middle only say again that the one before them failed. */
static void
report_chain(const GArray *chain, GString *into)
{
    guint omitted = chain->len > TOLD_MAX ? chain->len - TOLD_MAX : 0;
    guint first_omitted = chain->len - TOLD_MAX / 2; /* counted from the root's end */

    for (guint i = chain->len; i-- > 0;) {
        const MobFault *fault = &g_array_index(chain, MobFault, i);
        bool root = i + 1 == chain->len;
        if (omitted > 0 && i < first_omitted && i >= first_omitted - omitted) {
            if (i + 1 == first_omitted)
                g_string_append_printf(into, "  ... %u errors that followed from each other ...\n",
                                       omitted);
            continue;
        }
        if (!root)
            g_string_append(into, "  and so ");
        report_what(fault, into);
        report_where(fault, root ? "  " : "    ", into);
    }
}

void
mob_fault_report(const MobValue *value, GString *into)
{
    g_autoptr(GStringChunk) text = g_string_chunk_new(1024);
    g_autoptr(GArray) chain = g_array_new(FALSE, TRUE, sizeof(MobFault));
    g_autoptr(GPtrArray) held = g_ptr_array_new_with_free_func((GDestroyNotify)mob_value_unref);

    for (MobFault fault; mob_fault_read(value, &fault, text); value = fault.cause) {
        g_array_append_val(chain, fault);
        g_ptr_array_add(held, (MobValue *)fault.cause);
        if (fault.cause == NULL)
            break;
    }
    if (chain->len == 0) {
        g_string_append(into, "this is not an error\n");
        return;
    }
    report_chain(chain, into);
}
