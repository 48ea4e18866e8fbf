/* process.c: see process.h and body.h.
 *
 * An outbox owns what was put into it until its world takes the effects over;
 * a world that has carried out an effect clears the pointers in it.
 */
#include "runtime/process.h"

#include <string.h>

static const char *const timer_names[MOB_TIMER_COUNT] = {
#define TIMER(CONSTANT, background, doc) #CONSTANT,
#include "runtime/timers.def"
};

static const bool timer_is_background[MOB_TIMER_COUNT] = {
#define TIMER(CONSTANT, background, doc) background,
#include "runtime/timers.def"
};

static const char *const input_names[MOB_INPUT_COUNT] = {
    "start", "message", "reset", "timer", "call", "child", "leave", "evict", "printed", "disk"};

static const char *const call_names[MOB_CALL_COUNT] = {
    "submit", "get",    "wait",  "put",  "compute", "sleep",
    "output", "return", "raise", "free", "pin",     "adopt",
};

bool
mob_timer_is_background(MobTimer timer)
{
    g_assert(timer < MOB_TIMER_COUNT);
    return timer_is_background[timer];
}

const char *
mob_timer_name(MobTimer timer)
{
    g_assert(timer < MOB_TIMER_COUNT);
    return timer_names[timer];
}

const char *
mob_input_name(MobInputKind kind)
{
    g_assert(kind < MOB_INPUT_COUNT);
    return input_names[kind];
}

const char *
mob_call_name(MobCallKind kind)
{
    g_assert(kind < MOB_CALL_COUNT);
    return call_names[kind];
}

void
mob_answer_clear(MobAnswer *answer)
{
    for (uint32_t i = 0; i < answer->ref_count; i++)
        mob_ref_clear(&answer->refs[i]);
    for (uint32_t i = 0; i < answer->value_count; i++)
        mob_value_unref(answer->values[i]);
    g_free(answer->refs);
    g_free(answer->values);
    g_free(answer->ready);
    mob_value_unref(answer->fault);
    *answer = (MobAnswer){0};
}

void
mob_outbox_init(MobOutbox *out)
{
    *out = (MobOutbox){
        .effects = g_array_sized_new(FALSE, FALSE, sizeof(MobEffect), 16),
        .persists = g_array_new(FALSE, FALSE, sizeof(MobPersist)),
        .notes = g_array_new(FALSE, FALSE, sizeof(MobNote)),
    };
}

static void
effect_clear(MobEffect *effect)
{
    mob_msg_unref(effect->msg);
    mob_spec_unref(effect->spec);
    mob_args_unref(effect->args);
    mob_value_unref(effect->bundle);
    mob_answer_clear(&effect->answer);
    mob_str_unref(effect->str);
    mob_disk_order_free(effect->disk);
}

/* --- notes --- */

static const char *
keep_text(MobOutbox *out, const char *text)
{
    if (text == NULL)
        return NULL;
    if (out->words == NULL)
        out->words = g_string_chunk_new(1024);
    return g_string_chunk_insert(out->words, text);
}

/* Notes only look, so their pointers are const; their references are not. */
void
mob_note_keep(MobOutbox *out, const MobNote *note)
{
    MobNote kept = *note;

    if (note->spec != NULL)
        mob_spec_ref((MobTaskSpec *)note->spec);
    if (note->args != NULL)
        mob_args_ref((MobArgs *)note->args);
    if (note->msg != NULL)
        mob_msg_ref((MobMsg *)note->msg);
    mob_value_ref((MobValue *)note->value);
    mob_str_ref((MobStr *)note->path);
    kept.label = keep_text(out, note->label);
    kept.reason = keep_text(out, note->reason);
    kept.text = keep_text(out, note->text);
    g_array_append_vals(out->notes, &kept, 1);
}

void
mob_outbox_forget_notes(MobOutbox *out)
{
    for (guint i = 0; i < out->notes->len; i++)
        mob_note_release(&g_array_index(out->notes, MobNote, i));
    g_array_set_size(out->notes, 0);
    if (out->words != NULL)
        g_string_chunk_clear(out->words);
}

void
mob_outbox_drop(MobOutbox *out)
{
    for (guint i = 0; i < out->effects->len; i++)
        effect_clear(&g_array_index(out->effects, MobEffect, i));
    for (guint i = 0; i < out->persists->len; i++) {
        MobPersist *persist = &g_array_index(out->persists, MobPersist, i);
        mob_str_unref(persist->key);
        if (persist->value != NULL)
            g_bytes_unref(persist->value);
    }
    g_array_set_size(out->effects, 0);
    g_array_set_size(out->persists, 0);
    mob_outbox_forget_notes(out);
    memset(out->alarms, 0, sizeof out->alarms);
}

void
mob_outbox_clear(MobOutbox *out)
{
    if (out->effects == NULL)
        return;
    mob_outbox_drop(out);
    g_array_free(out->effects, TRUE);
    g_array_free(out->persists, TRUE);
    g_array_free(out->notes, TRUE);
    if (out->words != NULL)
        g_string_chunk_free(out->words);
    *out = (MobOutbox){0};
}

void
mob_start(MobOutbox *out, MobBodyId body, MobTaskSpec *spec, MobArgs *args, uint32_t attempt,
          MobValue *bundle)
{
    MobEffect *effect = mob_effect(out, MOB_EFFECT_START);

    effect->body = body;
    effect->spec = spec;
    effect->args = args;
    effect->attempt = attempt;
    effect->bundle = bundle;
}

void
mob_resume(MobOutbox *out, MobBodyId body, MobAnswer answer)
{
    MobEffect *effect = mob_effect(out, MOB_EFFECT_RESUME);

    effect->body = body;
    effect->answer = answer;
}

void
mob_compute(MobOutbox *out, MobBodyId body, MobTime duration)
{
    MobEffect *effect = mob_effect(out, MOB_EFFECT_COMPUTE);

    effect->body = body;
    effect->time = duration;
}

void
mob_sleep(MobOutbox *out, MobBodyId body, MobTime until)
{
    MobEffect *effect = mob_effect(out, MOB_EFFECT_SLEEP);

    effect->body = body;
    effect->time = until;
}

void
mob_end(MobOutbox *out, MobBodyId body)
{
    mob_effect(out, MOB_EFFECT_END)->body = body;
}

void
mob_output(MobOutbox *out, MobBodyId body, MobStr *text)
{
    MobEffect *effect = mob_effect(out, MOB_EFFECT_OUTPUT);

    effect->body = body;
    effect->str = text;
}

void
mob_spawn(MobOutbox *out, MobAddress worker)
{
    mob_effect(out, MOB_EFFECT_SPAWN)->address = worker;
}

void
mob_kill(MobOutbox *out, MobAddress worker)
{
    mob_effect(out, MOB_EFFECT_KILL)->address = worker;
}

void
mob_exit(MobOutbox *out, MobStr *reason)
{
    mob_effect(out, MOB_EFFECT_EXIT)->str = reason;
}

void
mob_disk(MobOutbox *out, MobDiskOrder *order)
{
    mob_effect(out, MOB_EFFECT_DISK)->disk = order;
}

void
mob_disk_order_free(MobDiskOrder *order)
{
    if (order != NULL && order->values != NULL)
        g_ptr_array_unref(order->values);
    g_free(order);
}

void
mob_persist(MobOutbox *out, MobStr *key, GBytes *value)
{
    MobPersist persist = {key, value};

    g_array_append_val(out->persists, persist);
}
