/* check_disk.c: what is on the disks of machines: nothing leaves memory before
 * it is there, nothing that a task works with leaves, and no file is forgotten.
 */
#include "sim/check_parts.h"
#include "sim/disk.h"
#include "sim/machine.h"

/* A copy that is not in memory is in a file that is really there, as long as no
 * fault takes files away. */
void
mob_check_spilled(MobCheck *check, const MobProcess *node, const MobCopyInfo *copy)
{
    const MobBox *box = mob_box_of(check->world, node->address);

    if (!copy->sealed || copy->held || check->files_lost)
        return;
    if (!copy->primary || !mob_disk_has(box, copy->file))
        mob_check_fail(check, "I33", "spilled before it leaves",
                       "%s has %s neither in memory nor on its disk",
                       mob_check_process_name(check, node->address),
                       mob_check_object_name(check, copy->object));
}

void
mob_check_spill_note(MobCheck *check, const MobEvent *event, const MobNote *note)
{
    MobAddress reader = mob_check_reader(check, note->node, note->object);

    if (note->kind == MOB_NOTE_OBJECT_SPILLED && mob_address_is(reader))
        mob_check_fail(
            check, "I27", "arguments stay", "%s takes %s, with which %s works, out of memory",
            mob_check_process_name(check, event->process),
            mob_check_object_name(check, note->object), mob_check_process_name(check, reader));
}

/* How many files the copies of @node are in, and whether all are there. */
static uint32_t
count_files(MobCheck *check, const MobProcess *node, const MobBox *box, const char *name)
{
    g_autoptr(MobTable) files = mob_table_new();
    size_t at = 0;
    MobCopyInfo copy;

    while (mob_node_next_copy(node, &at, &copy)) {
        if (copy.file == 0)
            continue;
        if (!copy.durable)
            mob_check_fail(check, "I33", "files and copies", "%s never ends writing %s", name,
                           mob_check_object_name(check, copy.object));
        else if (!mob_disk_has(box, copy.file) && !check->files_lost)
            mob_check_fail(check, "I33", "files and copies", "the file of %s on %s is not there",
                           mob_check_object_name(check, copy.object), name);
        if (mob_table_get(files, mob_key_word(copy.file)) == NULL)
            mob_table_add(files, mob_key_word(copy.file), check);
    }
    return (uint32_t)mob_table_count(files);
}

/* At rest every file has a copy and every copy that is in a file has it. */
void
mob_check_disk_at_rest(MobCheck *check, const MobProcess *node, const char *name)
{
    const MobBox *box = mob_box_of(check->world, node->address);
    MobNodeStats stats;
    uint64_t bytes;

    mob_node_stats(node, &stats);
    uint32_t known = count_files(check, node, box, name);
    uint32_t there = mob_disk_files(box, &bytes);
    if (known != stats.files || (there != known && !check->files_lost) || there > known)
        mob_check_fail(check, "I33", "files and copies",
                       "%s counts %u files, its copies are in %u, and %u are on its disk", name,
                       stats.files, known, there);
    else if (!check->files_lost && bytes != stats.disk_used)
        mob_check_fail(check, "I33", "files and copies",
                       "%s counts %" G_GUINT64_FORMAT " bytes on its disk, and there are "
                       "%" G_GUINT64_FORMAT,
                       name, stats.disk_used, bytes);
}
