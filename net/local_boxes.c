/* local_boxes.c: the machines of a local cluster; see local_parts.h. */
#include "net/local_parts.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/launch.h"

/* --- finding --- */

MobLocalBox *
mob_local_box(const MobLocal *local, const char *name)
{
    for (guint i = 0; i < local->boxes->len; i++) {
        MobLocalBox *box = g_ptr_array_index(local->boxes, i);
        if (g_str_equal(box->name, name))
            return box;
    }
    return NULL;
}

/* The newest of that name. */
MobLocalProc *
mob_local_proc(const MobLocal *local, const char *name)
{
    for (guint i = local->procs->len; i > 0; i--) {
        MobLocalProc *proc = g_ptr_array_index(local->procs, i - 1);
        if (g_str_equal(proc->name, name))
            return proc;
    }
    return NULL;
}

MobLocalProc *
mob_local_proc_at(const MobLocal *local, MobAddress address)
{
    for (guint i = local->procs->len; i > 0; i--) {
        MobLocalProc *proc = g_ptr_array_index(local->procs, i - 1);
        if (mob_address_eq(proc->address, address))
            return proc;
    }
    return NULL;
}

void
mob_local_proc_free(void *data)
{
    MobLocalProc *proc = data;

    g_free(proc->why);
    g_free(proc);
}

/* --- births --- */

MobBirth *
mob_local_birth(MobLocal *local, const MobLocalBox *box)
{
    MobBirth *birth = g_new0(MobBirth, 1);
    g_autofree char *controller = g_build_filename(local->root, "controller", NULL);
    g_autofree char *folder = mob_local_wire_folder(local, box);

    birth->refs_held = 1;
    birth->node_name = mob_str_new(box->name);
    birth->incarnation = 1;
    birth->folder = mob_str_new(folder);
    birth->controller = mob_str_new(controller);
    birth->gcs = (MobAddress){1, MOB_LOCAL_GCS};
    birth->head = box->head;
    birth->epoch = local->clock.epoch;
    birth->pace = local->clock.pace;
    birth->seed = local->options.seed;
    birth->config = mob_birth_config(&local->options.config);
    birth->wanted = local->wanted;
    birth->held = local->held;
    birth->store_bytes = box->machine.store_bytes;
    return birth;
}

static MobBirth *
daemon_birth(MobLocal *local, const MobLocalBox *box)
{
    MobBirth *birth = mob_local_birth(local, box);
    const MobMachine *machine = &box->machine;

    birth->role = MOB_ROLE_NODE;
    birth->address = mob_node_address(box->node);
    birth->name = mob_str_new(box->name);
    birth->incarnation = box->lives;
    birth->total = (MobResources){
        .cpu = machine->cpus,
        .memory = machine->memory,
        .customs = machine->customs != NULL ? mob_customs_ref(machine->customs) : NULL};
    if (local->spill != NULL)
        birth->spill = mob_str_new(mob_nest_path(local->spill));
    birth->cores =
        machine->cores != 0 ? machine->cores : (uint32_t)MAX(machine->cpus / MOB_UNIT, 1);
    return birth;
}

bool
mob_local_start(MobLocal *local, MobLocalBox *box, GError **error)
{
    box->node = ++local->next_node;
    box->lives++;
    box->alive = true;
    g_autoptr(MobBirth) birth = daemon_birth(local, box);
    g_autoptr(MobJoin) join = mob_local_wire_join(local, box);
    g_auto(GStrv) argv = mob_local_wire_argv(local, box);
    int fd = mob_launch(argv, join, birth, &box->pid, error);
    if (fd < 0)
        return false;
    bool heard = !box->head || mob_local_wire_await_head(local, fd, error);
    close(fd);
    return heard;
}

bool
mob_local_bear(MobLocal *local, const MobLocalBox *box, const MobBirth *birth)
{
    const MobLocalProc *daemon = mob_local_proc_at(local, mob_node_address(box->node));
    MobFrame frame = {.kind = MOB_FRAME_BIRTH, .to = birth->address};

    if (daemon == NULL || daemon->sight == NULL)
        return false;
    MobStream *stream = &daemon->sight->stream;
    size_t begin = mob_frame_begin(&stream->out, &frame);
    mob_record_encode(MOB_RECORD_birth, birth, &stream->out);
    mob_frame_end(&stream->out, begin);
    mob_stream_flush(stream);
    return true;
}

bool
mob_local_probe(MobLocal *local, const char *from, const char *to, uint64_t number)
{
    const MobLocalBox *asked = mob_local_box(local, from);
    const MobLocalBox *target = mob_local_box(local, to);

    if (asked == NULL || target == NULL || !asked->alive || !target->alive)
        return false;
    const MobLocalProc *daemon = mob_local_proc_at(local, mob_node_address(asked->node));
    if (daemon == NULL || daemon->sight == NULL)
        return false;
    MobFrame probe = {
        .kind = MOB_FRAME_PROBE, .to = mob_node_address(target->node), .event = number};
    mob_stream_put(&daemon->sight->stream, &probe, NULL, 0);
    mob_stream_flush(&daemon->sight->stream);
    return true;
}

void
mob_local_on_probe(MobLocal *local, void (*probed)(void *data, uint64_t number), void *data)
{
    local->probed = probed;
    local->probed_data = data;
}

void
mob_local_start_gcs(MobLocal *local)
{
    const MobLocalBox *head = g_ptr_array_index(local->boxes, 0);
    const MobLocalProc *before = mob_local_proc(local, "gcs");
    g_autoptr(MobBirth) birth = mob_local_birth(local, head);

    birth->role = MOB_ROLE_GCS;
    birth->address = birth->gcs;
    birth->name = mob_str_new("gcs");
    birth->incarnation = before != NULL ? before->incarnation + 1 : 1;
    mob_local_bear(local, head, birth);
}

/* --- making and ending --- */

MobLocalBox *
mob_local_box_new(MobLocal *local, const MobMachine *machine)
{
    MobLocalBox *box = g_new0(MobLocalBox, 1);

    box->name = g_strdup(machine->name);
    box->machine = *machine;
    box->machine.name = box->name;
    if (machine->customs != NULL)
        mob_customs_ref(machine->customs);
    box->head = local->boxes->len == 0;
    g_ptr_array_add(local->boxes, box);
    return box;
}

MobLocalBox *
mob_local_adopt(MobLocal *local, const MobProcInfo *born)
{
    MobLocalBox *box = mob_local_box(local, born->node_name);

    if (box == NULL) {
        MobMachine machine = {.name = born->node_name, .speed_ppm = 1000000};
        box = mob_local_box_new(local, &machine);
        box->foreign = true;
    }
    if (born->role != MOB_ROLE_NODE)
        return box;
    box->node = born->address.node;
    box->lives++;
    box->alive = true;
    box->machine.cpus = born->cpus;
    box->machine.store_bytes = born->store_bytes;
    return box;
}

void
mob_local_signal(MobLocal *local, const MobLocalProc *proc, int number)
{
    const MobLocalProc *daemon = mob_local_proc_at(local, mob_node_address(proc->box->node));
    MobFrame frame = {.kind = MOB_FRAME_SIGNAL, .to = proc->address, .event = (uint64_t)number};

    if (!proc->box->foreign) {
        kill(proc->pid, number);
    } else if (daemon != NULL && daemon->sight != NULL) {
        mob_stream_put(&daemon->sight->stream, &frame, NULL, 0);
        mob_stream_flush(&daemon->sight->stream);
    }
}

void
mob_local_box_free(void *data)
{
    MobLocalBox *box = data;

    if (box->machine.customs != NULL)
        mob_customs_unref(box->machine.customs);
    g_free(box->name);
    g_free(box);
}

void
mob_local_end_box(MobLocal *local, MobLocalBox *box)
{
    const MobLocalProc *daemon = mob_local_proc_at(local, mob_node_address(box->node));

    if (box->foreign && box->alive && daemon != NULL)
        mob_local_signal(local, daemon, SIGKILL);
    if (box->pid == 0)
        return;
    /* The daemon's children would die with it; those that are stopped, too. */
    for (guint i = 0; i < local->procs->len; i++) {
        MobLocalProc *proc = g_ptr_array_index(local->procs, i);
        if (proc->box != box || !proc->alive)
            continue;
        kill(proc->pid, SIGKILL);
        proc->killed = true;
    }
    kill(box->pid, SIGKILL); /* it may not have told of its birth */
    while (waitpid(box->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    box->pid = 0;
    box->alive = false;
}
