/* fold.c: see fold.h. */
#include "sim/fold.h"

uint64_t
mob_fold_text(uint64_t hash, const char *text)
{
    for (const char *at = text; at != NULL && *at != '\0'; at++)
        hash = (hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    return mob_fold(hash, text == NULL);
}

static uint64_t
fold_object(uint64_t hash, MobObjectId object)
{
    hash = mob_fold(hash, object.task.hi);
    hash = mob_fold(hash, object.task.lo);
    return mob_fold(hash, object.index);
}

static uint64_t
fold_value(uint64_t hash, const MobValue *value)
{
    return value == NULL ? mob_fold(hash, 0) : mob_fold(mob_fold(hash, value->size), value->hash);
}

static uint64_t
fold_ref(uint64_t hash, const MobRef *ref)
{
    return mob_fold(fold_object(hash, ref->id), mob_address_word(ref->owner));
}

static uint64_t
fold_args(uint64_t hash, const MobArgs *args)
{
    for (uint32_t i = 0; args != NULL && i < args->count; i++) {
        const MobArg *arg = &args->items[i];
        hash = arg->value != NULL ? fold_value(hash, arg->value) : fold_ref(hash, &arg->ref);
    }
    return hash;
}

/* What the program says about a task; the runtime fills in the rest later. */
static uint64_t
fold_spec(uint64_t hash, const MobTaskSpec *spec)
{
    hash = mob_fold(hash, mob_str_hash(spec->function));
    hash = mob_fold(hash, mob_str_hash(spec->label));
    hash = mob_fold(hash, mob_resources_hash(&spec->needs));
    hash = mob_fold(hash, (uint64_t)spec->retries);
    hash = mob_fold(hash, (uint64_t)spec->returns << 32 | spec->strategy);
    return mob_fold(hash, mob_str_hash(spec->node) ^ (uint64_t)spec->retry_exceptions << 1 ^
                              (uint64_t)spec->soft);
}

uint64_t
mob_fold_call(uint64_t hash, const MobCall *call)
{
    hash = mob_fold(hash, (uint64_t)call->kind << 32 | call->count);
    if (call->spec != NULL)
        hash = fold_args(fold_spec(hash, call->spec), call->args);
    for (uint32_t i = 0; i < call->ref_count; i++)
        hash = fold_ref(hash, &call->refs[i]);
    for (uint32_t i = 0; i < call->value_count; i++)
        hash = fold_value(hash, call->values[i]);
    for (uint32_t i = 0; i < call->drop_count; i++)
        hash = fold_object(hash, call->drops[i]);
    if (call->fault != NULL)
        hash = fold_value(hash, call->fault);
    if (call->text != NULL)
        hash = mob_fold(hash, mob_str_hash(call->text));
    return mob_fold(hash, call->time ^ mob_mix(call->timeout));
}

uint64_t
mob_fold_input(uint64_t hash, MobAddress process, const MobInput *input)
{
    hash = mob_fold(hash, input->now);
    hash = mob_fold(hash, mob_address_word(process) ^ (uint64_t)input->kind << 60);
    switch (input->kind) {
    case MOB_INPUT_MESSAGE:
        return mob_msg_fold(input->msg, mob_fold(hash, mob_address_word(input->from)));
    case MOB_INPUT_CALL:
        return mob_fold_call(mob_fold(hash, input->body.v), input->call);
    case MOB_INPUT_TIMER:
        return mob_fold(hash, input->timer);
    case MOB_INPUT_RESET:
        return mob_fold(hash, mob_address_word(input->from));
    case MOB_INPUT_CHILD:
    case MOB_INPUT_PRINTED:
        return mob_fold_text(mob_fold(hash, mob_address_word(input->from)), input->reason);
    case MOB_INPUT_EVICT:
        return fold_object(hash, input->object);
    case MOB_INPUT_DISK:
        return mob_fold(mob_fold(hash, input->disk->number), (uint64_t)input->disk->end);
    case MOB_INPUT_START:
        for (size_t i = 0; i < input->record_count; i++)
            hash = mob_fold(hash, mob_str_hash(input->records[i].key) ^
                                      g_bytes_get_size(input->records[i].value));
        return hash;
    case MOB_INPUT_LEAVE:
    case MOB_INPUT_COUNT:
        break;
    }
    return hash;
}
