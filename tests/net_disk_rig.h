/* net_disk_rig.h: a node manager's disk in a folder of its own, who gives it orders,
 * and values to write.
 *
 * The disk can be told to fail: what net/ calls pwrite() is the function here.
 */
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/clock.h"
#include "net/disk.h"
#include "net/disk_files.h"
#include "runtime/cbor.h"
#include "runtime/control.h"

#define PATIENCE   (20 * MOB_SECOND)
#define NS_PER_KIB 1000
#define MIB        (UINT64_C(1) << 20)

/* --- a disk that fails --- */

static gint fails_with;   /* atomic: errno … */
static gint fails_after;  /* atomic: … after so many writes more */
static gint short_writes; /* atomic: each takes a few bytes only */
static gint writes;       /* atomic */

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at);

ssize_t
pwrite(int fd, const void *bytes, size_t length, off_t at)
{
    g_atomic_int_inc(&writes);
    if (g_atomic_int_get(&fails_with) != 0 && g_atomic_int_add(&fails_after, -1) <= 0) {
        errno = g_atomic_int_get(&fails_with);
        return -1;
    }
    if (g_atomic_int_get(&short_writes) != 0)
        length = MIN(length, (size_t)100001);
    return syscall(SYS_pwrite64, fd, bytes, length, at);
}

static inline void
fail_with(int code, int after)
{
    g_atomic_int_set(&fails_after, after);
    g_atomic_int_set(&fails_with, code);
}

/* --- a disk, and who gives it orders --- */

typedef struct {
    MobDiskVerb verb;
    MobDiskEnd end;
    uint64_t number;
    uint64_t event;
    MobValue *value; /* owned */
    GBytes *piece;   /* owned */
    uint64_t offset;
} Heard;

static char *parent;
static char *folder;
static MobLoop *loop;
static MobNetDisk *disk;
static GArray *answers; /* of Heard */
static uint64_t numbers;
static uint32_t rooms; /* taken and not given back */
static bool no_room;
static uint32_t bites[10]; /* by fault */

static inline void
leave_room(void *data)
{
    g_free(data);
    rooms--;
}

static inline uint8_t *
take_room(void *data, uint64_t size, MobHold *hold)
{
    uint8_t *bytes = no_room ? NULL : g_malloc(size);

    (void)data;
    *hold = (MobHold){leave_room, bytes};
    rooms += bytes != NULL;
    return bytes;
}

static inline void
heard_clear(void *data)
{
    Heard *heard = data;

    mob_value_unref(heard->value);
    if (heard->piece != NULL)
        g_bytes_unref(heard->piece);
}

static inline void
on_answer(void *data, uint64_t event, const MobDiskAnswer *answer)
{
    Heard heard = {
        answer->verb, answer->end, answer->number, event, mob_value_ref(answer->value), NULL, 0};

    (void)data;
    if (answer->piece.bytes != NULL) {
        heard.piece = g_bytes_ref(answer->piece.bytes);
        heard.offset = answer->piece.offset;
        cr_assert_eq(g_bytes_get_size(heard.piece), answer->piece.length);
    }
    g_array_append_val(answers, heard);
}

static inline void
on_bite(void *data, uint32_t number)
{
    (void)data;
    bites[number]++;
}

static inline void
open_disk(void)
{
    disk = mob_net_disk_new(&(MobNetDiskOptions){.folder = folder,
                                                 .name = "n1",
                                                 .loop = loop,
                                                 .room = {take_room, NULL},
                                                 .most = 950,
                                                 .ns_per_kib = NS_PER_KIB,
                                                 .bite = on_bite,
                                                 .answer = on_answer});
}

static inline void
close_disk(void)
{
    g_clear_pointer(&disk, mob_net_disk_free);
}

static inline void
begin(void)
{
    parent = g_dir_make_tmp("mobula-disk-XXXXXX", NULL);
    cr_assert_not_null(parent);
    folder = g_build_filename(parent, "spill.n1", NULL);
    loop = mob_loop_new();
    answers = g_array_new(FALSE, FALSE, sizeof(Heard));
    g_array_set_clear_func(answers, heard_clear);
    open_disk();
}

static inline void
end(void)
{
    close_disk();
    cr_expect_neq(g_access(folder, F_OK), 0, "the folder is left");
    g_array_unref(answers);
    cr_expect_eq(rooms, 0, "memory for values is not given back");
    mob_loop_free(loop);
    cr_expect_eq(g_rmdir(parent), 0);
    g_free(folder);
    g_free(parent);
}

static inline MobDiskOrder *
order_new(MobDiskVerb verb, uint64_t file)
{
    MobDiskOrder *order = g_new0(MobDiskOrder, 1);

    order->verb = verb;
    order->file = file;
    order->number = ++numbers;
    return order;
}

/* Takes @values (of MobValue). */
static inline uint64_t
write_file(uint64_t file, GPtrArray *values)
{
    MobDiskOrder *order = order_new(MOB_DISK_WRITE, file);

    order->values = values;
    mob_net_disk_order(disk, order, 7);
    return numbers;
}

static inline uint64_t
read_part(uint64_t file, uint64_t at, const MobValue *value, uint64_t offset, uint64_t length)
{
    MobDiskOrder *order = order_new(MOB_DISK_READ, file);

    order->at = at;
    order->size = value->size;
    order->hash = value->hash;
    order->offset = offset;
    order->length = length;
    mob_net_disk_order(disk, order, 8);
    return numbers;
}

static inline uint64_t
read_whole(uint64_t file, uint64_t at, const MobValue *value)
{
    return read_part(file, at, value, 0, value->size);
}

static inline void
remove_file(uint64_t file)
{
    mob_net_disk_order(disk, order_new(MOB_DISK_REMOVE, file), 9);
}

static inline const Heard *
heard(uint64_t number)
{
    const Heard *found = NULL;

    for (guint i = 0; i < answers->len; i++) {
        const Heard *answer = &g_array_index(answers, Heard, i);
        if (answer->number != number)
            continue;
        cr_assert_null(found, "an order is answered twice");
        found = answer;
    }
    return found;
}

static inline const Heard *
await(uint64_t number)
{
    uint64_t until = mob_clock_real() + PATIENCE;

    while (heard(number) == NULL && mob_clock_real() < until)
        mob_loop_wait(loop, until);
    cr_assert_not_null(heard(number), "order %d is not answered", (int)number);
    return heard(number);
}

static inline MobDiskEnd
end_of(uint64_t number)
{
    return await(number)->end;
}

/* --- faults --- */

static inline void
break_disk(uint32_t number, MobTrouble trouble, uint32_t speed_ppm)
{
    MobRule rule = {.number = number, .trouble = trouble, .speed_ppm = speed_ppm};

    mob_net_disk_fault(disk, &rule);
}

static inline void
slow_down(uint32_t times)
{
    break_disk(9, MOB_TROUBLE_SLOW, 1000000 / times);
}

static inline void
heal(uint32_t number)
{
    MobRule rule = {.number = number, .healed = true};

    mob_net_disk_fault(disk, &rule);
}

/* --- values --- */

static inline MobValue *
text_of(uint64_t size, uint64_t fill)
{
    MobCborWriter writer;
    g_autofree uint8_t *bytes = g_malloc(size);

    mob_fill_write(fill, 0, bytes, size);
    mob_cbor_init(&writer);
    mob_cbor_string(&writer, (const char *)bytes, size);
    MobValue *value = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    return value;
}

/* [1, so many bytes, so many other ones], none of them there */
static inline MobValue *
rule_of(uint64_t size)
{
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_array(&writer, 3);
    mob_cbor_int(&writer, 1);
    mob_cbor_fill(&writer, size, 3);
    mob_cbor_fill(&writer, size / 2, 4);
    MobValue *value = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    return value;
}

static inline GPtrArray *
some(MobValue *value)
{
    GPtrArray *values = g_ptr_array_new_with_free_func((GDestroyNotify)mob_value_unref);

    g_ptr_array_add(values, mob_value_ref(value));
    return values;
}

static inline uint64_t
write_one(uint64_t file, MobValue *value)
{
    return write_file(file, some(value));
}

static inline void
assert_is(const MobValue *read, const MobValue *value)
{
    g_autofree uint8_t *bytes = g_malloc(value->size);

    mob_value_write_out(value, bytes);
    cr_assert_not_null(read);
    cr_assert_eq(read->hash, value->hash);
    cr_assert_eq(read->size, value->size);
    cr_assert_eq(read->length, value->size, "what was read is there");
    cr_assert_eq(memcmp(read->bytes, bytes, value->size), 0);
}

static char *
path_of(const char *file)
{
    return g_build_filename(folder, file, NULL);
}

static inline guint
files_there(void)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    guint count = 0;

    while (dir != NULL && g_dir_read_name(dir) != NULL)
        count++;
    return count;
}

/* REMOVE is not answered. */
static inline void
await_files(guint count)
{
    uint64_t until = mob_clock_real() + PATIENCE;

    while (files_there() != count && mob_clock_real() < until)
        g_usleep(1000);
    cr_assert_eq(files_there(), count);
}
