/* text.c: see text.h. A walk over the items of a value, twice: once for
 * people and once as JSON. Values were checked when they were made, so an end
 * that comes early only ends the walk. */
#include "cli/text.h"

#include <string.h>

#include "cli/term.h"
#include "runtime/cbor.h"
#include "runtime/fault.h"

typedef struct {
    GString *into;
    size_t limit; /* length of into at which it is enough */
} Writer;

bool
mob_term_fault(const MobValue *value, char **name, char **message)
{
    g_autoptr(GStringChunk) text = g_string_chunk_new(256);
    MobFault fault = {0};
    if (value == NULL || !mob_fault_read(value, &fault, text))
        return false;
    *name = g_strdup(mob_fault_name(fault.kind));
    *message = g_strdup(fault.message != NULL ? fault.message : "");
    if (fault.cause != NULL)
        mob_value_unref((MobValue *)fault.cause);
    return true;
}

static void
ref_name(GString *into, MobCborReader *reader)
{
    MobRef ref = {0};
    if (!mob_cbor_read_ref(reader, &ref))
        return;
    mob_name_object(into, ref.path, ref.id.index);
    mob_ref_clear(&ref);
}

/* The message of an error that stands in the middle of a value: its map is
 * read by hand, because only a whole value can be read as a fault. */
static void
inner_fault(GString *into, MobCborReader *reader)
{
    MobCborItem map = mob_cbor_next(reader);
    for (uint64_t i = 0; map.type == MOB_CBOR_MAP && i < map.length; i++) {
        MobCborItem key = mob_cbor_next(reader);
        bool message =
            key.type == MOB_CBOR_STRING && key.length == 7 && memcmp(key.text, "message", 7) == 0;
        if (!message) {
            mob_cbor_skip(reader);
            continue;
        }
        MobCborItem text = mob_cbor_next(reader);
        if (text.type == MOB_CBOR_STRING)
            g_string_append_len(into, text.text, (gssize)text.length);
    }
}

static void write_item(Writer *writer, MobCborReader *reader, bool nested);

static void
write_double(GString *into, double number)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_formatd(buffer, sizeof buffer, "%.14g", number);
    g_string_append(into, buffer);
    if (strspn(buffer, "-0123456789") == strlen(buffer))
        g_string_append(into, ".0"); /* a float stays one, as in Lua */
}

static void
write_tag(Writer *writer, MobCborReader *reader, int64_t tag)
{
    MobFill fill;
    if (tag == MOB_CBOR_REF) {
        ref_name(writer->into, reader);
    } else if (tag == MOB_CBOR_FILL && mob_cbor_read_fill(reader, &fill)) {
        mob_term_bytes(writer->into, fill.size);
        g_string_append(writer->into, " of bytes");
    } else if (tag == MOB_CBOR_ERROR) {
        inner_fault(writer->into, reader);
    } else {
        write_item(writer, reader, true);
    }
}

static void
write_string(Writer *writer, const MobCborItem *item, bool nested)
{
    size_t length = MIN(item->length, 200);
    if (g_utf8_validate(item->text, (gssize)item->length, NULL)) {
        while (length < item->length && ((unsigned char)item->text[length] & 0xc0) == 0x80)
            length--; /* not in the middle of a character */
    } else if (item->length > 40) {
        mob_term_bytes(writer->into, item->length);
        g_string_append(writer->into, " of bytes");
        return;
    }
    g_autofree char *valid = g_utf8_make_valid(item->text, (gssize)length);
    g_strdelimit(valid, "\n\t\r", ' ');
    g_string_append_printf(writer->into, nested ? "\"%s%s\"" : "%s%s", valid,
                           length < item->length ? "…" : "");
}

/* A key of a table: a bare word, or [what it is]. */
static void
write_key(Writer *writer, MobCborReader *reader)
{
    MobCborReader ahead = *reader;
    MobCborItem key = mob_cbor_next(&ahead);
    bool word = key.type == MOB_CBOR_STRING && key.length > 0 && !g_ascii_isdigit(key.text[0]);
    for (uint64_t i = 0; word && i < key.length; i++)
        word = g_ascii_isalnum(key.text[i]) || key.text[i] == '_';
    g_string_append(writer->into, word ? "" : "[");
    write_item(writer, reader, !word);
    g_string_append(writer->into, word ? " = " : "] = ");
}

static void
write_table(Writer *writer, MobCborReader *reader, uint64_t count, bool map)
{
    g_string_append_c(writer->into, '{');
    for (uint64_t i = 0; i < count && !reader->bad; i++) {
        if (i > 0)
            g_string_append(writer->into, ", ");
        if (writer->into->len > writer->limit) {
            g_string_append(writer->into, "…");
            break;
        }
        if (map)
            write_key(writer, reader);
        write_item(writer, reader, true);
    }
    g_string_append_c(writer->into, '}');
}

static void
write_item(Writer *writer, MobCborReader *reader, bool nested)
{
    MobCborItem item = mob_cbor_next(reader);
    switch (item.type) {
    case MOB_CBOR_END:
    case MOB_CBOR_NIL:
        g_string_append(writer->into, "nil");
        break;
    case MOB_CBOR_BOOL:
        g_string_append(writer->into, item.number != 0 ? "true" : "false");
        break;
    case MOB_CBOR_INT:
        g_string_append_printf(writer->into, "%" G_GINT64_FORMAT, item.number);
        break;
    case MOB_CBOR_DOUBLE:
        write_double(writer->into, item.real);
        break;
    case MOB_CBOR_STRING:
        write_string(writer, &item, nested);
        break;
    case MOB_CBOR_ARRAY:
    case MOB_CBOR_MAP:
        write_table(writer, reader, item.length, item.type == MOB_CBOR_MAP);
        break;
    case MOB_CBOR_TAG:
        write_tag(writer, reader, item.number);
        break;
    }
}

void
mob_term_value(GString *into, const MobValue *value, size_t limit)
{
    g_autofree char *name = NULL;
    g_autofree char *message = NULL;
    if (value == NULL) {
        g_string_append(into, "nil");
        return;
    }
    if (mob_term_fault(value, &name, &message)) {
        g_string_append_printf(into, "%s: %s", name, message);
        return;
    }
    MobCborReader reader = {.at = value->bytes, .end = value->bytes + value->length};
    write_item(&(Writer){into, into->len + limit}, &reader, false);
}

static void json_item(MobJson *json, MobCborReader *reader);

static void
json_tag(MobJson *json, MobCborReader *reader, int64_t tag)
{
    MobFill fill;
    g_autoptr(GString) text = g_string_new(NULL);
    if (tag == MOB_CBOR_REF) {
        ref_name(text, reader);
        mob_json_open(json, '{');
        mob_json_put_text(json, "ref", text->str);
        mob_json_close(json, '}');
    } else if (tag == MOB_CBOR_FILL && mob_cbor_read_fill(reader, &fill)) {
        mob_json_open(json, '{');
        mob_json_put_uint(json, "bytes", fill.size);
        mob_json_close(json, '}');
    } else {
        json_item(json, reader); /* an error is the map that it is */
    }
}

static void
json_key(MobJson *json, MobCborReader *reader)
{
    MobCborReader ahead = *reader;
    MobCborItem key = mob_cbor_next(&ahead);
    g_autoptr(GString) text = g_string_new(NULL);
    if (key.type == MOB_CBOR_STRING) {
        g_autofree char *valid = g_utf8_make_valid(key.text, (gssize)key.length);
        g_string_append(text, valid);
        *reader = ahead;
    } else {
        write_item(&(Writer){text, 200}, reader, true);
    }
    mob_json_key(json, text->str);
}

static void
json_item(MobJson *json, MobCborReader *reader)
{
    MobCborItem item = mob_cbor_next(reader);
    switch (item.type) {
    case MOB_CBOR_END:
    case MOB_CBOR_NIL:
        mob_json_null(json);
        break;
    case MOB_CBOR_BOOL:
        mob_json_bool(json, item.number != 0);
        break;
    case MOB_CBOR_INT:
        mob_json_int(json, item.number);
        break;
    case MOB_CBOR_DOUBLE:
        mob_json_double(json, item.real);
        break;
    case MOB_CBOR_STRING:
        mob_json_bytes(json, item.text, item.length);
        break;
    case MOB_CBOR_ARRAY:
    case MOB_CBOR_MAP:
        mob_json_open(json, item.type == MOB_CBOR_MAP ? '{' : '[');
        for (uint64_t i = 0; i < item.length && !reader->bad; i++) {
            if (item.type == MOB_CBOR_MAP)
                json_key(json, reader);
            json_item(json, reader);
        }
        mob_json_close(json, item.type == MOB_CBOR_MAP ? '}' : ']');
        break;
    case MOB_CBOR_TAG:
        json_tag(json, reader, item.number);
        break;
    }
}

void
mob_json_value(MobJson *json, const MobValue *value)
{
    if (value == NULL) {
        mob_json_null(json);
        return;
    }
    MobCborReader reader = {.at = value->bytes, .end = value->bytes + value->length};
    json_item(json, &reader);
}
