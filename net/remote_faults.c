/* remote_faults.c: orders to a cluster that is there; see remote_parts.h. */
#include "net/remote_parts.h"

static MobStr *
text_of(const char *text)
{
    return mob_str_new(text != NULL ? text : "");
}

static MobDemand *
demand_of(const MobRemote *remote, const MobOrder *order)
{
    MobDemand *demand = g_new0(MobDemand, 1);
    const MobMachine *machine = order->machine;

    *demand = (MobDemand){
        .refs_held = 1,
        .verb = order->verb,
        .target = mob_remote_name_there(remote, order->target),
        .from = mob_remote_name_there(remote, order->from),
        .to = mob_remote_name_there(remote, order->to),
        .oneway = order->oneway,
        .wipe = order->wipe,
        .speed_ppm = order->speed_ppm,
        .trouble = order->trouble,
        .latency = order->latency,
        .jitter = order->jitter,
        .bps = order->bps,
        .loss_ppm = order->loss_ppm,
        .message = text_of(order->message),
        .lose = order->lose,
        .times = order->times,
        .chance_ppm = order->chance_ppm,
        .object = order->object,
        .object_name = text_of(order->object_name),
        .machine = text_of(machine != NULL ? machine->name : NULL),
        .cpus = machine != NULL ? machine->cpus : 0,
        .cores = machine != NULL ? machine->cores : 0,
        .store_bytes = machine != NULL ? machine->store_bytes : 0,
        .file = text_of(order->file),
        .line = order->line,
    };
    return demand;
}

uint32_t
mob_remote_order(MobControl *self, const MobOrder *wanted, GError **error)
{
    MobRemote *remote = mob_remote_of(self);
    MobFrame frame = {.kind = MOB_FRAME_ORDER};
    g_auto(MobBuf) buf = {0};
    MobDemand *demand = demand_of(remote, wanted);

    mob_record_encode(MOB_RECORD_demand, demand, &buf);
    mob_record_free(MOB_RECORD_demand, demand);
    if (!mob_remote_request(remote, &frame, &buf, error))
        return 0;
    MobRemoteFault fault = {.number = (uint32_t)remote->answer};
    g_array_append_val(remote->faults, fault);
    return remote->faults->len;
}

void
mob_remote_heal(MobControl *self, uint32_t number)
{
    MobRemote *remote = mob_remote_of(self);
    MobRemoteFault *fault = &g_array_index(remote->faults, MobRemoteFault, number - 1);
    MobFrame frame = {.kind = MOB_FRAME_HEAL, .event = fault->number};

    if (!fault->healed)
        mob_remote_request(remote, &frame, NULL, NULL);
    fault->healed = true;
}

/* The answer counts from 1, since 0 is none. */
uint64_t
mob_remote_bites(MobControl *self, uint32_t number)
{
    MobRemote *remote = mob_remote_of(self);
    MobFrame frame = {.kind = MOB_FRAME_BITES,
                      .event = g_array_index(remote->faults, MobRemoteFault, number - 1).number};

    return mob_remote_request(remote, &frame, NULL, NULL) ? remote->answer - 1 : 0;
}

uint32_t
mob_remote_fault_count(MobControl *self)
{
    return mob_remote_of(self)->faults->len;
}
