/* program_driver.h: a driver that runs every task of a C program at once and in
 * one place, when somebody gets what it returns. It keeps to the contract of
 * runtime/body.h and counts what it was asked.
 */
#pragma once

#include "runtime/cbor.h"
#include "runtime/fault.h"
#include "runtime/table.h"
#include "tests/program_tasks.h"

typedef struct {
    MobRef ref;
    MobTaskSpec *spec; /* owned; NULL: it was put */
    MobArgs *args;     /* owned */
    MobValue *value;   /* owned; NULL until somebody asks for it */
} Object;

typedef struct {
    MobProgramOpener opener;
    MobLoader *loader;
    MobTable *objects; /* id -> Object, owned */
    GString *printed;
    MobPickConfig pick_config;
    MobPicks *picks;
    MobTime now;
    int opened;
    int dropped;
    int bodies;
    uint32_t file_line; /* of the newest call that said where it was made */
} Driver;

static MobValue *run_task(Driver *driver, MobTaskSpec *spec, MobArgs *args);

static void
object_free(void *data)
{
    Object *object = data;

    mob_ref_clear(&object->ref);
    mob_spec_unref(object->spec);
    mob_args_unref(object->args);
    mob_value_unref(object->value);
    g_free(object);
}

static Object *
add_object(Driver *driver, MobObjectId id, MobStr *path)
{
    Object *object = g_new0(Object, 1);

    object->ref = (MobRef){id, {1, 2}, path};
    mob_table_add(driver->objects, mob_key_object(id), object);
    return object;
}

/* Returns (transfer full) what is behind @ref, and makes it if need be. */
static MobValue *
evaluate(Driver *driver, const MobRef *ref)
{
    Object *object = mob_table_get(driver->objects, mob_key_object(ref->id));

    cr_assert_not_null(object);
    if (object->value != NULL)
        return mob_value_ref(object->value);
    MobArgs *args = mob_args_new(object->args->count);
    for (uint32_t i = 0; i < args->count; i++)
        args->items[i].value = object->args->items[i].value != NULL
                                   ? mob_value_ref(object->args->items[i].value)
                                   : evaluate(driver, &object->args->items[i].ref);
    MobValue *result = run_task(driver, object->spec, args);
    mob_args_unref(args);
    for (uint32_t i = 1; i <= object->spec->returns; i++) {
        Object *sibling =
            mob_table_get(driver->objects, mob_key_object(mob_object_return(object->spec->id, i)));
        if (sibling->value == NULL)
            sibling->value = mob_value_ref(result); /* only errors stand for all of them */
    }
    mob_value_unref(result);
    return mob_value_ref(object->value);
}

static MobAnswer
on_submit(Driver *driver, MobTaskSpec *parent, uint32_t index, MobCall *call)
{
    MobTaskSpec *spec = call->spec;

    spec->id = mob_task_child(mob_task_execution(parent->id, 1), index);
    spec->path = mob_path_child(parent->path, index);
    MobAnswer answer = {.refs = g_new0(MobRef, spec->returns), .ref_count = spec->returns};
    for (uint32_t i = 1; i <= spec->returns; i++) {
        Object *object =
            add_object(driver, mob_object_return(spec->id, i), mob_str_ref(spec->path));
        object->spec = mob_spec_ref(spec);
        object->args = mob_args_ref(call->args);
        answer.refs[i - 1] = mob_ref_copy(&object->ref);
    }
    mob_spec_unref(spec);
    mob_args_unref(call->args);
    return answer;
}

static MobAnswer
on_get(Driver *driver, const MobCall *call)
{
    MobAnswer answer = {.now = driver->now};

    if (call->timeout == 0) {
        answer.fault = mob_fault_value(&(MobFault){.kind = MOB_FAULT_GET_TIMEOUT});
        return answer;
    }
    answer.values = g_new0(MobValue *, call->ref_count);
    answer.value_count = call->ref_count;
    for (uint32_t i = 0; i < call->ref_count; i++)
        answer.values[i] = evaluate(driver, &call->refs[i]);
    return answer;
}

static MobAnswer
on_wait(const MobCall *call)
{
    MobAnswer answer = {.ready = g_new(uint32_t, call->count + 1), .ready_count = call->count};

    for (uint32_t i = 0; i < call->count; i++)
        answer.ready[i] = i;
    return answer;
}

/* Stores what the body returned and says what the first of it is. */
static MobValue *
on_return(Driver *driver, const MobTaskSpec *spec, MobCall *call)
{
    MobValue *first = call->value_count > 0 ? mob_value_ref(call->values[0]) : mob_value_nil();

    cr_assert_eq(call->value_count, spec->returns);
    for (uint32_t i = 0; i < call->value_count; i++) {
        Object *object =
            mob_table_get(driver->objects, mob_key_object(mob_object_return(spec->id, i + 1)));
        if (object != NULL)
            object->value = mob_value_ref(call->values[i]);
        mob_value_unref(call->values[i]);
    }
    return first;
}

static MobAnswer
carry_out(Driver *driver, MobTaskSpec *spec, MobCall *call, uint32_t *submits, uint32_t *puts)
{
    MobAnswer answer = {0};
    Object *object;

    switch (call->kind) {
    case MOB_CALL_SUBMIT:
        return on_submit(driver, spec, ++*submits, call);
    case MOB_CALL_GET:
        return on_get(driver, call);
    case MOB_CALL_WAIT:
        return on_wait(call);
    case MOB_CALL_PUT:
        ++*puts;
        object = add_object(driver, mob_object_put(mob_task_execution(spec->id, 1), *puts),
                            mob_path_child(spec->path, *puts));
        object->value = call->values[0];
        answer.refs = g_new0(MobRef, 1);
        answer.ref_count = 1;
        answer.refs[0] = mob_ref_copy(&object->ref);
        return answer;
    case MOB_CALL_COMPUTE:
    case MOB_CALL_SLEEP:
        driver->now += call->time;
        return answer;
    case MOB_CALL_OUTPUT:
        g_string_append_printf(driver->printed, "%s\n", mob_str(call->text));
        mob_str_unref(call->text);
        return answer;
    default:
        cr_assert_fail("no such call");
    }
    return answer;
}

static MobValue *
run_task(Driver *driver, MobTaskSpec *spec, MobArgs *args)
{
    MobBodyContext context = {.worker = {1, 2},
                              .worker_name = "n1/w0",
                              .node_name = "n1",
                              .spec = spec,
                              .attempt = 1,
                              .now = driver->now,
                              .picks = driver->picks};
    MobBody *body = driver->loader->start(driver->loader, &context, NULL, args);
    MobAnswer answer = {.now = driver->now};
    MobValue *result = NULL;
    uint32_t submits = 0;
    uint32_t puts = 0;

    driver->bodies++;
    while (result == NULL) {
        MobCall call = {0};
        body->class->resume(body, &answer, &call);
        mob_answer_clear(&answer);
        driver->dropped += (int)call.drop_count;
        driver->file_line = call.line;
        if (call.kind == MOB_CALL_RETURN)
            result = on_return(driver, spec, &call);
        else if (call.kind == MOB_CALL_RAISE)
            result = call.fault;
        else
            answer = carry_out(driver, spec, &call, &submits, &puts);
        answer.now = driver->now;
    }
    body->class->free(body);
    return result;
}

static Driver *
driver_new(void)
{
    Driver *driver = g_new0(Driver, 1);

    driver->opener = (MobProgramOpener){open_program, &driver->opened};
    driver->loader = mob_program_loader_new(&driver->opener);
    driver->objects = mob_table_new();
    driver->printed = g_string_new(NULL);
    driver->picks = mob_picks_new(&driver->pick_config);
    return driver;
}

static void
driver_free(Driver *driver)
{
    mob_table_free_full(driver->objects, object_free);
    mob_program_loader_free(driver->loader);
    g_string_free(driver->printed, TRUE);
    mob_picks_free(driver->picks);
    g_free(driver);
}

/* Runs @function of @path with the number @argument, or with nothing if that
 * is negative. Returns (transfer full) what came of it. */
static MobValue *
run(Driver *driver, const char *path, const char *function, int64_t argument)
{
    MobTaskSpec *spec = mob_spec_new();
    MobArgs *args = mob_args_new(argument >= 0);
    MobCborWriter writer;

    spec->id = (MobTaskId){1, (uint64_t)driver->bodies + 1};
    spec->function = mob_str_new(function);
    spec->label = mob_str_new(function);
    spec->bundle = mob_str_printf("so:%s", path);
    spec->path = mob_str_new("2");
    spec->returns = 1;
    spec->retries = 3;
    mob_cbor_init(&writer);
    if (argument >= 0) {
        mob_cbor_int(&writer, argument);
        args->items[0].value = mob_cbor_finish(&writer, 0);
    }
    mob_cbor_clear(&writer);
    MobValue *result = run_task(driver, spec, args);
    mob_spec_unref(spec);
    mob_args_unref(args);
    return result;
}

static int64_t
number_in(const MobValue *value)
{
    MobCborReader reader = {value->bytes, value->bytes + value->length, false};
    MobCborItem item = mob_cbor_next(&reader);

    return item.type == MOB_CBOR_INT ? item.number : -1;
}
