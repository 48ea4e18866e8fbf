/* local_orders.c: faults on real processes; see local_parts.h.
 *
 * Kills and pauses are signals. What concerns messages is played by the hosts
 * at both ends (shim.c). A machine that is killed goes silently: its daemon is
 * cut off first, so that nobody sees its sockets close.
 */
#include "net/local_parts.h"

#include <signal.h>

#define ACK_TIME (200 * MOB_MS)

static bool
refuse(GError **error, const char *format, const char *name)
{
    g_autofree char *text = g_strdup_printf("%s %s", name, format);

    g_set_error_literal(error, MOB_CONTROL_ERROR, 0, text);
    return false;
}

/* --- targets --- */

static void
list_names(const MobLocal *local, GString *into)
{
    for (guint i = 0; i < local->boxes->len; i++)
        g_string_append_printf(into, "%s%s", i > 0 ? ", " : "",
                               ((MobLocalBox *)g_ptr_array_index(local->boxes, i))->name);
    for (guint i = 0; i < local->procs->len; i++) {
        const MobLocalProc *proc = g_ptr_array_index(local->procs, i);
        if (proc->alive && proc->role != MOB_ROLE_NODE)
            g_string_append_printf(into, ", %s", proc->name);
    }
}

static bool
find(MobLocal *local, const char *name, MobLocalTarget *target, GError **error)
{
    *target = (MobLocalTarget){.any = name == NULL};
    if (name == NULL)
        return true;
    target->box = mob_local_box(local, name);
    if (target->box != NULL)
        return true;
    if (g_str_has_suffix(name, "/node")) {
        g_autofree char *machine = g_strndup(name, strlen(name) - strlen("/node"));
        const MobLocalBox *box = mob_local_box(local, machine);
        if (box != NULL)
            target->proc = mob_local_proc_at(local, mob_node_address(box->node));
    } else {
        target->proc = mob_local_proc(local, name);
    }
    if (target->proc != NULL)
        return true;
    g_autoptr(GString) names = g_string_new(NULL);
    list_names(local, names);
    g_set_error(error, MOB_CONTROL_ERROR, 0, "there is no machine or process '%s'; there are %s",
                name, names->str);
    return false;
}

static MobAddress
address_of(const MobLocalTarget *target)
{
    if (target->proc != NULL)
        return target->proc->address;
    return target->box != NULL ? mob_node_address(target->box->node) : (MobAddress){0};
}

static const MobLocalBox *
box_of(const MobLocalTarget *target)
{
    return target->box != NULL ? target->box : target->proc->box;
}

static MobSide
side_of(const MobLocalTarget *target)
{
    return target->any ? MOB_SIDE_ANY : target->box != NULL ? MOB_SIDE_MACHINE : MOB_SIDE_PROCESS;
}

static void
note_fault(MobLocal *local, const MobLocalFault *fault, const char *what)
{
    g_autofree char *text = g_strconcat(what, fault->text, NULL);
    MobNote note = {
        .kind = MOB_NOTE_FAULT,
        .reason = mob_verb_name(fault->verb),
        .text = g_string_chunk_insert(local->texts, text),
        .line = fault->line,
        .from = address_of(&fault->from),
        .to = address_of(&fault->to),
    };

    if (fault->target.box != NULL)
        note.node.v = fault->target.box->node;
    else
        note.worker = address_of(&fault->target);
    mob_local_note(local, note);
}

/* --- telling hosts --- */

static void
send_rule(MobSight *sight, const MobRule *rule)
{
    MobFrame frame = {.kind = MOB_FRAME_ORDER, .event = rule->number};

    size_t begin = mob_frame_begin(&sight->stream.out, &frame);
    mob_record_encode(MOB_RECORD_rule, rule, &sight->stream.out);
    mob_frame_end(&sight->stream.out, begin);
    mob_stream_flush(&sight->stream);
    sight->acks++;
}

bool
mob_local_is_stopped(const MobLocal *local, MobAddress process)
{
    for (guint i = 0; i < local->faults->len; i++) {
        const MobLocalFault *fault = g_ptr_array_index(local->faults, i);
        for (guint j = 0; fault->stopped != NULL && !fault->healed && j < fault->stopped->len; j++)
            if (mob_address_eq(g_array_index(fault->stopped, MobAddress, j), process))
                return true;
    }
    return false;
}

/* Whether it has yet to say that an order is in force. Who is stopped will hear
 * when it goes on, and who was killed need not. */
static bool
is_awaited(const MobLocal *local, const MobSight *sight)
{
    return sight->acks > 0 && !sight->gone && sight->proc != NULL && !sight->proc->killed &&
           !mob_local_is_stopped(local, sight->address);
}

static bool
any_awaited(const MobLocal *local)
{
    for (guint i = 0; i < local->sights->len; i++)
        if (is_awaited(local, g_ptr_array_index(local->sights, i)))
            return true;
    return false;
}

/* Tells everybody (or those of one machine) and waits until it is in force. */
static void
broadcast(MobLocal *local, const MobRule *rule, const MobLocalBox *only)
{
    uint64_t until = mob_clock_real() + ACK_TIME;

    for (guint i = 0; i < local->sights->len; i++) {
        MobSight *sight = g_ptr_array_index(local->sights, i);
        if (!sight->gone && sight->proc != NULL && (only == NULL || sight->proc->box == only))
            send_rule(sight, rule);
    }
    while (any_awaited(local) && mob_clock_real() < until)
        mob_local_read(local, until);
}

void
mob_local_newborn(MobLocal *local, MobSight *sight)
{
    for (guint i = 0; i < local->faults->len; i++) {
        const MobLocalFault *fault = g_ptr_array_index(local->faults, i);
        bool here = (fault->verb != MOB_VERB_SLOW && fault->verb != MOB_VERB_DISK) ||
                    box_of(&fault->target)->node == sight->address.node;
        if (fault->ruled && !fault->healed && here)
            send_rule(sight, &fault->rule);
    }
}

static MobRule
rule_of(const MobLocalFault *fault, const MobOrder *order)
{
    return (MobRule){
        .number = fault->number,
        .verb = fault->verb,
        .from_what = side_of(&fault->from),
        .from = address_of(&fault->from),
        .to_what = side_of(&fault->to),
        .to = address_of(&fault->to),
        .oneway = order->oneway || order->verb == MOB_VERB_RPC,
        .latency = order->latency,
        .jitter = order->jitter,
        .bps = order->bps,
        .loss_ppm = order->loss_ppm,
        .lose = order->lose,
        .times = order->times,
        .chance_ppm = order->chance_ppm,
        .speed_ppm = order->speed_ppm,
        .trouble = order->trouble,
        .object = order->object,
    };
}

/* --- kill, restart --- */

static void
cut_off(MobLocal *local, const MobLocalBox *box)
{
    MobRule rule = {
        .verb = MOB_VERB_CUT,
        .from_what = MOB_SIDE_MACHINE,
        .from = mob_node_address(box->node),
        .to_what = MOB_SIDE_ANY,
        .latency = MOB_TIME_NEVER,
        .jitter = MOB_TIME_NEVER,
    };

    broadcast(local, &rule, NULL);
}

static bool
kill_box(MobLocal *local, MobLocalFault *fault, MobLocalBox *box, GError **error)
{
    if (!box->alive)
        return refuse(error, "is already dead; restart it first", box->name);
    if (box->head)
        return refuse(error,
                      "is the head, where the controller's processes live; kill gcs, driver "
                      "or a worker of it instead",
                      box->name);
    for (guint i = 0; i < local->procs->len; i++) {
        const MobLocalProc *proc = g_ptr_array_index(local->procs, i);
        fault->bites += proc->box == box && proc->alive;
    }
    note_fault(local, fault, "");
    mob_local_note(local, (MobNote){.kind = MOB_NOTE_NODE_DIED,
                                    .node = {box->node},
                                    .label = box->name,
                                    .reason = "killed"});
    cut_off(local, box);
    mob_local_end_box(local, box);
    return true;
}

static void
note_death(MobLocal *local, const MobLocalProc *proc)
{
    if (proc->role == MOB_ROLE_NODE)
        mob_local_note(local, (MobNote){.kind = MOB_NOTE_NODE_DIED,
                                        .node = {proc->address.node},
                                        .label = proc->box->name,
                                        .reason = "its node manager was killed"});
    else if (proc->role == MOB_ROLE_GCS)
        mob_local_note(local, (MobNote){.kind = MOB_NOTE_GCS_DIED, .reason = "killed"});
}

static bool
kill_proc(MobLocal *local, MobLocalFault *fault, MobLocalProc *proc, GError **error)
{
    if (!proc->alive || proc->killed)
        return refuse(error, "is already dead", proc->name);
    fault->bites++;
    note_fault(local, fault, "");
    note_death(local, proc);
    proc->killed = true;
    if (proc->role == MOB_ROLE_NODE)
        mob_local_end_box(local, proc->box);
    else
        mob_local_signal(local, proc, SIGKILL);
    return true;
}

static bool
do_kill(MobLocal *local, const MobOrder *order, MobLocalFault *fault, GError **error)
{
    return fault->target.box != NULL ? kill_box(local, fault, fault->target.box, error)
                                     : kill_proc(local, fault, fault->target.proc, error);
}

static bool
do_restart(MobLocal *local, const MobOrder *order, MobLocalFault *fault, GError **error)
{
    MobLocalBox *box = fault->target.box;
    const MobLocalProc *proc = fault->target.proc;

    fault->bites++;
    if (box != NULL) {
        if (box->foreign)
            return refuse(error,
                          "was started by somebody else, who can start it again: mobula "
                          "start --address",
                          box->name);
        if (box->pid != 0)
            return refuse(error, "is alive; only a dead machine can be restarted", box->name);
        note_fault(local, fault, "");
        return mob_local_start(local, box, error);
    }
    if (proc->role != MOB_ROLE_GCS)
        return refuse(error, "cannot be restarted; only machines and gcs can", proc->name);
    if (proc->alive && !proc->killed)
        return refuse(error, "is alive; kill it first", proc->name);
    note_fault(local, fault, "");
    mob_local_start_gcs(local);
    return true;
}

/* --- pause, slow --- */

static bool
is_meant(const MobLocalTarget *target, const MobLocalProc *proc)
{
    return proc->alive && !proc->killed &&
           (target->proc == proc || (target->box != NULL && target->box == proc->box));
}

static bool
do_pause(MobLocal *local, const MobOrder *order, MobLocalFault *fault, GError **error)
{
    /* Nobody could wake up a daemon on another machine. */
    if (box_of(&fault->target)->foreign &&
        (fault->target.proc == NULL || fault->target.proc->role == MOB_ROLE_NODE))
        return refuse(error, "is a machine of its own; pause a worker of it instead",
                      order->target);
    fault->stopped = g_array_new(FALSE, FALSE, sizeof(MobAddress));
    for (guint i = 0; i < local->procs->len; i++) {
        const MobLocalProc *proc = g_ptr_array_index(local->procs, i);
        if (!is_meant(&fault->target, proc))
            continue;
        mob_local_signal(local, proc, SIGSTOP);
        g_array_append_val(fault->stopped, proc->address);
    }
    fault->bites = fault->stopped->len;
    if (fault->bites == 0)
        return refuse(error, "is dead and cannot be paused", order->target);
    note_fault(local, fault, "");
    return true;
}

static void
unpause(MobLocal *local, MobLocalFault *fault)
{
    for (guint i = 0; i < fault->stopped->len; i++) {
        MobAddress address = g_array_index(fault->stopped, MobAddress, i);
        const MobLocalProc *proc = mob_local_proc_at(local, address);
        if (proc != NULL && proc->alive &&
            !mob_local_is_stopped(local, address)) /* by another fault as well */
            mob_local_signal(local, proc, SIGCONT);
    }
}

static bool
do_slow(MobLocal *local, const MobOrder *order, MobLocalFault *fault, GError **error)
{
    const MobLocalBox *box = box_of(&fault->target);

    if (!box->alive)
        return refuse(error, "is dead and cannot be slowed down", order->target);
    note_fault(local, fault, "");
    fault->rule = rule_of(fault, order);
    fault->ruled = true;
    broadcast(local, &fault->rule, box);
    return true;
}

/* --- the network --- */

static bool
do_rule(MobLocal *local, const MobOrder *order, MobLocalFault *fault, GError **error)
{
    fault->rule = rule_of(fault, order);
    if (order->verb == MOB_VERB_RPC) {
        MobMsgType type = mob_msg_by_name(order->message != NULL ? order->message : "");
        if (type == MOB_MSG_COUNT) {
            g_set_error(error, MOB_CONTROL_ERROR, 0,
                        "there is no message '%s'; they are listed in runtime/messages.def, "
                        "PushTask for one",
                        order->message != NULL ? order->message : "");
            return false;
        }
        fault->rule.message = type;
    }
    note_fault(local, fault, "");
    fault->ruled = true;
    broadcast(local, &fault->rule, NULL);
    return true;
}

/* --- evict, leave, join --- */

static bool
do_daemon(MobLocal *local, const MobOrder *order, MobLocalFault *fault, GError **error)
{
    const MobLocalBox *box = box_of(&fault->target);
    const MobLocalProc *daemon = mob_local_proc_at(local, mob_node_address(box->node));
    MobRule rule = rule_of(fault, order);

    if (!box->alive || daemon == NULL || daemon->sight == NULL)
        return refuse(error, "has no live node manager", order->target);
    note_fault(local, fault, "");
    send_rule(daemon->sight, &rule);
    fault->bites++;
    return true;
}

static bool
do_join(MobLocal *local, const MobOrder *order, MobLocalFault *fault, GError **error)
{
    g_assert(order->machine != NULL);
    if (local->options.outside != NULL)
        return refuse(error, "cannot be started from here; on that machine: mobula start --address",
                      order->machine->name);
    if (mob_local_box(local, order->machine->name) != NULL ||
        mob_local_proc(local, order->machine->name) != NULL)
        return refuse(error, "exists already; a machine that joins needs a new name",
                      order->machine->name);
    note_fault(local, fault, "");
    fault->bites++;
    return mob_local_start(local, mob_local_box_new(local, order->machine), error);
}

/* --- orders --- */

static const struct {
    bool (*carry_out)(MobLocal *local, const MobOrder *order, MobLocalFault *fault, GError **error);
    bool has_target;
} verbs[MOB_VERB_COUNT] = {
    [MOB_VERB_KILL] = {do_kill, true},    [MOB_VERB_RESTART] = {do_restart, true},
    [MOB_VERB_PAUSE] = {do_pause, true},  [MOB_VERB_SLOW] = {do_slow, true},
    [MOB_VERB_CUT] = {do_rule, false},    [MOB_VERB_HOLD] = {do_rule, false},
    [MOB_VERB_LINK] = {do_rule, false},   [MOB_VERB_RPC] = {do_rule, false},
    [MOB_VERB_EVICT] = {do_daemon, true}, [MOB_VERB_LEAVE] = {do_daemon, true},
    [MOB_VERB_JOIN] = {do_join, false},   [MOB_VERB_DISK] = {do_slow, true},
};

static bool
find_targets(MobLocal *local, const MobOrder *order, MobLocalFault *fault, GError **error)
{
    if (verbs[order->verb].has_target && order->target == NULL) {
        g_set_error(error, MOB_CONTROL_ERROR, 0, "%s what? Name a machine or a process",
                    mob_verb_name(order->verb));
        return false;
    }
    return find(local, order->target, &fault->target, error) &&
           find(local, order->from, &fault->from, error) &&
           find(local, order->to, &fault->to, error);
}

uint32_t
mob_local_order(MobLocal *local, const MobOrder *order, GError **error)
{
    MobLocalFault *fault = g_new0(MobLocalFault, 1);
    g_autofree char *text = mob_order_text(order);

    g_assert(order->verb < MOB_VERB_COUNT);
    fault->number = local->faults->len + 1;
    fault->verb = order->verb;
    fault->line = order->line;
    fault->text = g_string_chunk_insert(local->texts, text);
    g_ptr_array_add(local->faults, fault);
    if (!find_targets(local, order, fault, error) ||
        !verbs[order->verb].carry_out(local, order, fault, error)) {
        g_ptr_array_set_size(local->faults, (int)fault->number - 1);
        return 0;
    }
    uint32_t number = fault->number;
    local->busy_at = mob_clock_now(&local->clock);
    mob_local_tell_news(local);
    return number;
}

void
mob_local_heal(MobLocal *local, uint32_t number)
{
    MobLocalFault *fault = g_ptr_array_index(local->faults, number - 1);
    bool slows = fault->verb == MOB_VERB_SLOW || fault->verb == MOB_VERB_DISK;

    if (fault->healed || (!fault->ruled && fault->verb != MOB_VERB_PAUSE))
        return;
    fault->healed = true;
    if (fault->verb == MOB_VERB_PAUSE) {
        unpause(local, fault);
    } else {
        MobRule rule = fault->rule;
        rule.healed = true;
        rule.speed_ppm = 1000000;
        broadcast(local, &rule, slows ? box_of(&fault->target) : NULL);
    }
    note_fault(local, fault, "heal ");
    local->busy_at = mob_clock_now(&local->clock);
    mob_local_tell_news(local);
}

bool
mob_local_is_target(const MobLocal *local, const MobLocalProc *proc)
{
    for (guint i = 0; i < local->faults->len; i++) {
        const MobLocalFault *fault = g_ptr_array_index(local->faults, i);
        if (fault->target.proc == proc || fault->from.proc == proc || fault->to.proc == proc)
            return true;
    }
    return false;
}

void
mob_local_fault_free(void *data)
{
    MobLocalFault *fault = data;

    if (fault->stopped != NULL)
        g_array_unref(fault->stopped);
    g_free(fault);
}
