/* cbor_tags.c: see cbor.h. What stands behind the tags that are ours, and
 * skipping what one does not want to know.
 */
#include <string.h>

#include "runtime/cbor.h"

enum {
    TASK_BYTES = 16
};

/* Reads a number that is at least 0 and at most @most. */
static bool
read_number(MobCborReader *reader, uint64_t most, uint64_t *number)
{
    MobCborItem item = mob_cbor_next(reader);

    if (item.type != MOB_CBOR_INT || item.number < 0 || (uint64_t)item.number > most) {
        reader->bad = true;
        return false;
    }
    *number = (uint64_t)item.number;
    return true;
}

static bool
read_array(MobCborReader *reader, uint64_t count)
{
    MobCborItem item = mob_cbor_next(reader);

    reader->bad |= item.type != MOB_CBOR_ARRAY || item.length != count;
    return !reader->bad;
}

static bool
read_string(MobCborReader *reader, uint64_t least, uint64_t most, MobCborItem *item)
{
    *item = mob_cbor_next(reader);
    reader->bad |= item->type != MOB_CBOR_STRING || item->length < least || item->length > most;
    return !reader->bad;
}

bool
mob_cbor_read_ref(MobCborReader *reader, MobRef *ref)
{
    uint64_t task[2];
    uint64_t index;
    uint64_t node;
    uint64_t local;
    MobCborItem id;
    MobCborItem path;

    *ref = (MobRef){0};
    if (!read_array(reader, 5) || !read_string(reader, TASK_BYTES, TASK_BYTES, &id) ||
        !read_number(reader, UINT32_MAX, &index) || !read_number(reader, UINT32_MAX, &node) ||
        !read_number(reader, UINT32_MAX, &local) || !read_string(reader, 0, MOB_STR_MAX, &path))
        return false;
    memcpy(task, id.text, sizeof task);
    if ((task[0] | task[1]) == 0) {
        reader->bad = true;
        return false;
    }
    *ref = (MobRef){
        .id = {{GUINT64_FROM_BE(task[0]), GUINT64_FROM_BE(task[1])}, (uint32_t)index, 0},
        .owner = {(uint32_t)node, (uint32_t)local},
        .path = mob_str_new_len(path.text, path.length),
    };
    return true;
}

/* Steps over the head of an item; *number receives what it says. */
static void
pass_head(MobCborReader *reader, uint64_t *number)
{
    uint8_t kind = *reader->at++ & 31;
    size_t length = kind < 24 ? 0 : (size_t)1 << (kind - 24);

    g_assert(kind < 28 && (size_t)(reader->end - reader->at) >= length);
    *number = length == 0 ? kind : 0;
    for (size_t i = 0; i < length; i++)
        *number = *number << 8 | *reader->at++;
}

void
mob_cbor_pass_ref(MobCborReader *reader)
{
    uint64_t number;

    pass_head(reader, &number); /* the array */
    for (int i = 0; i < 5; i++) {
        g_assert(reader->at < reader->end);
        bool is_string = *reader->at >> 5 == 2 || *reader->at >> 5 == 3;
        pass_head(reader, &number);
        if (!is_string)
            continue;
        g_assert(number <= (uint64_t)(reader->end - reader->at));
        reader->at += number;
    }
}

/* Reads how many bytes there are, or the bytes. */
static bool
read_fill_bytes(MobCborReader *reader, MobFill *fill)
{
    MobCborItem item;

    fill->head = reader->at;
    if (reader->at == reader->end || *reader->at >> 5 != 2) {
        if (!read_number(reader, MOB_FILL_MAX, &fill->size))
            return false;
        fill->head_length = (size_t)(reader->at - fill->head);
        return true;
    }
    if (!read_string(reader, 0, MOB_FILL_MAX, &item))
        return false;
    fill->size = item.length;
    fill->bytes = (const uint8_t *)item.text;
    fill->head_length = (size_t)(fill->bytes - fill->head);
    return true;
}

bool
mob_cbor_read_fill(MobCborReader *reader, MobFill *fill)
{
    *fill = (MobFill){0};
    return read_array(reader, 2) && read_fill_bytes(reader, fill) &&
           read_number(reader, INT64_MAX, &fill->rule);
}

bool
mob_cbor_skip(MobCborReader *reader)
{
    /* Every count was checked against the bytes left, so this cannot overflow. */
    for (uint64_t left = 1; left > 0; left--) {
        MobCborItem item = mob_cbor_next(reader);
        if (item.type == MOB_CBOR_END)
            return false;
        if (item.type == MOB_CBOR_ARRAY)
            left += item.length;
        else if (item.type == MOB_CBOR_MAP)
            left += item.length * 2;
        else if (item.type == MOB_CBOR_TAG)
            left++;
    }
    return true;
}
