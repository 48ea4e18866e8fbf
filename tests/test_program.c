#include <criterion/criterion.h>
#include <string.h>

#include "runtime/cbor.h"
#include "runtime/fault.h"
#include "runtime/program.h"
#include "runtime/table.h"
#include "sim/world.h"

/* --- a driver that runs everything at once, in one place --- */

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

/* --- the program under test --- */

static MobulaValue *
fibonacci(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    int64_t n = mobula_to_int(task, args[0]);

    cr_assert_eq(count, 1);
    if (n < 2)
        return args[0];
    MobulaValue *one = mobula_call(task, "fibonacci", mobula_int(task, n - 1));
    MobulaValue *two = mobula_call(task, "fibonacci", mobula_int(task, n - 2));
    int64_t sum = mobula_to_int(task, mobula_get(task, one));
    sum += mobula_to_int(task, mobula_get(task, two));
    mobula_drop(task, one);
    mobula_drop(task, two);
    return mobula_int(task, sum);
}

/* Makes one of everything and takes it apart again. */
static MobulaValue *
values(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    MobulaValue *ref = mobula_put(task, mobula_string(task, "hidden"));
    MobulaValue *items[] = {
        mobula_nil(task),
        mobula_bool(task, true),
        mobula_int(task, -5),
        mobula_double(task, 0.1),
        mobula_string(task, "hü"),
        mobula_bytes(task, "\xff\0\xfe", 3),
        ref,
        mobula_fill(task, 1 << 20, 3),
        NULL,
    };
    const char *keys[] = {"longer", "b", "a"};
    MobulaValue *array = mobula_array(task, 9, items);
    MobulaValue *map = mobula_map(task, 3, keys, (MobulaValue *[]){array, items[1], NULL});

    cr_assert_eq(mobula_count(task, map), 3);
    cr_assert_str_eq(mobula_to_string(task, mobula_key_at(task, map, 0), NULL), "a");
    cr_assert_eq(mobula_type(mobula_at(task, map, 0)), MOBULA_NIL);
    cr_assert_str_eq(mobula_to_string(task, mobula_key_at(task, map, 2), NULL), "longer");
    cr_assert_null(mobula_find(task, map, "c"));
    MobulaValue *found = mobula_find(task, map, "longer");
    cr_assert_eq(mobula_count(task, found), 9);
    for (size_t i = 9; i-- > 0;) /* backwards, so that nothing is where it was read last */
        cr_assert_eq(mobula_type(mobula_at(task, found, i)),
                     i == 8 ? MOBULA_NIL : mobula_type(items[i]));
    cr_assert(mobula_to_bool(task, mobula_at(task, found, 1)));
    cr_assert_eq(mobula_to_int(task, mobula_at(task, found, 2)), -5);
    cr_assert_eq(mobula_to_double(task, mobula_at(task, found, 2)), -5.0);
    cr_assert_eq(mobula_to_double(task, mobula_at(task, found, 3)), 0.1);
    size_t length;
    cr_assert_str_eq(mobula_to_string(task, mobula_at(task, found, 4), &length), "hü");
    cr_assert_eq(length, 3);
    const char *bytes = mobula_to_bytes(task, mobula_at(task, found, 5), &length);
    cr_assert_eq(length, 3);
    cr_assert_eq(memcmp(bytes, "\xff\0\xfe", 3), 0);
    cr_assert_gt(mobula_size(found), 1 << 20);
    cr_assert_str_eq(mobula_to_string(task, mobula_get(task, mobula_at(task, found, 6)), NULL),
                     "hidden");
    mobula_free(task, array);
    return found;
}

static MobulaValue *
fails(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    mobula_raise(task, "%s does not work", "this");
}

static MobulaValue *
handles(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    MobulaValue *value;
    MobulaValue *ref = mobula_call(task, "fails");

    cr_assert_not(mobula_try_get(task, ref, 0, &value));
    cr_assert_str_eq(mobula_error_name(task, value), "GetTimeoutError");
    cr_assert_not(mobula_try_get(task, ref, MOBULA_FOREVER, &value));
    cr_assert_str_eq(mobula_error_name(task, value), "TaskError");
    mobula_print(task, "%s", mobula_error_report(task, value));
    return mobula_get(task, ref); /* not handled */
}

static MobulaValue *
several(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    MobulaValue *both[] = {mobula_int(task, 1), mobula_int(task, 2)};

    return mobula_array(task, 2, both);
}

static MobulaValue *
asks_for_several(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    MobulaOptions options = MOBULA_OPTIONS;
    MobulaValue *refs[2];
    MobulaValue *got[2];
    bool ready[2];

    options.num_returns = 2;
    options.name = "pair";
    options.num_cpus = 0.5;
    options.resources = (MobulaResource[]){{"tpu", 0}, {"gpu", 2}};
    options.resource_count = 2;
    mobula_submit_many(task, &options, "several", 0, NULL, refs);
    cr_assert_eq(mobula_wait(task, 2, refs, 1, MOBULA_FOREVER, ready), 1);
    cr_assert(ready[0] && !ready[1]);
    mobula_get_all(task, 2, refs, got);
    return mobula_int(task, mobula_to_int(task, got[0]) * 10 + mobula_to_int(task, got[1]));
}

static MobulaValue *
worldly(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    uint64_t before = mobula_now(task);

    mobula_compute(task, 7);
    mobula_sleep(task, 5);
    cr_assert_eq(mobula_now(task), before + 12);
    cr_assert_eq(mobula_attempt(task), 1);
    mobula_print(task, "%s on %s", mobula_worker(task), mobula_node(task));
    uint64_t sum = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t number = mobula_random(task, 10);
        cr_assert_lt(number, 10);
        sum += number;
    }
    return mobula_int(task, (int64_t)sum);
}

static MobulaValue *
kernel(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    mobula_compute(task, 100);
    mobula_print(task, "one");
    mobula_print(task, "two");
    if (count > 0 && mobula_to_int(task, args[0]) == 1)
        mobula_raise(task, "enough");
    if (count > 0)
        mobula_call(task, "fails");
    return NULL;
}

static MobulaValue *
mistaken(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    MobulaValue *one = mobula_int(task, 1);
    MobulaValue *deep = one;

    switch (mobula_to_int(task, args[0])) {
    case 0:
        mobula_to_string(task, one, NULL);
        break;
    case 1:
        mobula_at(task, mobula_array(task, 1, &one), 1);
        break;
    case 2:
        mobula_get(task, one);
        break;
    case 3:
        for (int i = 0; i < 100; i++)
            deep = mobula_array(task, 1, &deep);
        break;
    case 4:
        mobula_map(task, 2, (const char *[]){"a", "a"}, (MobulaValue *[]){one, one});
        break;
    case 5:
        mobula_drop(task, one);
        break;
    case 6:
        mobula_wait(task, 0, NULL, 1, 0, NULL);
        break;
    case 7:
        mobula_put(task, mobula_put(task, one));
        break;
    case 8:
        mobula_submit(task, &(MobulaOptions){.num_cpus = -1, .num_returns = 1}, "x", 0, NULL);
        break;
    case 9:
        mobula_submit(task, &(MobulaOptions){.num_returns = 2}, "x", 0, NULL);
        break;
    case 10:
        mobula_random(task, 0);
        break;
    case 11:
        mobula_get(task, mobula_call(task, "no_such_function"));
        break;
    default:
        return NULL;
    }
    cr_assert_fail("a mistake was let through");
    return NULL;
}

static void
program(MobulaProgram *self)
{
    mobula_register(self, "main", fibonacci);
    mobula_register(self, "fibonacci", fibonacci);
    mobula_register(self, "values", values);
    mobula_register(self, "fails", fails);
    mobula_register(self, "handles", handles);
    mobula_register_kernel(self, "several", several);
    mobula_register(self, "asks_for_several", asks_for_several);
    mobula_register(self, "worldly", worldly);
    mobula_register_kernel(self, "kernel", kernel);
    mobula_register(self, "mistaken", mistaken);
}

static void
twice(MobulaProgram *self)
{
    mobula_register(self, "main", fibonacci);
    mobula_register(self, "main", values);
}

static void
headless(MobulaProgram *self)
{
    mobula_register(self, "fibonacci", fibonacci);
}

static MobProgramEntry
open_program(void *data, const char *path, GError **error)
{
    ((Driver *)data)->opened++;
    if (strcmp(path, "test.so") == 0)
        return program;
    if (strcmp(path, "twice.so") == 0)
        return twice;
    if (strcmp(path, "headless.so") == 0)
        return headless;
    if (strcmp(path, "chain.so") == 0)
        return mobula_program; /* scenarios/chain.c */
    g_set_error(error, MOB_PROGRAM_ERROR, 0, "%s cannot be opened", path);
    return NULL;
}

static Driver *
driver_new(void)
{
    Driver *driver = g_new0(Driver, 1);

    driver->opener = (MobProgramOpener){open_program, driver};
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

Test(program, in_c_submits_gets_and_returns)
{
    Driver *driver = driver_new();
    g_autoptr(MobValue) result = run(driver, "test.so", "fibonacci", 10);

    cr_assert_eq(number_in(result), 55);
    cr_assert_eq(driver->opened, 1, "a program is opened once");
    cr_assert_eq(driver->dropped, 2 * 88, "each run drops what it submitted");
    driver_free(driver);
}

Test(program, of_the_lecture_runs_its_chain)
{
    Driver *driver = driver_new();
    g_autoptr(MobValue) result = run(driver, "chain.so", "main", -1);

    cr_assert_eq(number_in(result), 385);
    cr_assert_str_eq(driver->printed->str, "the sum of the squares is 385\n");
    cr_assert_eq(driver->now, 40 * MOB_MS);
    cr_assert_eq(driver->bodies, 5);
    driver_free(driver);
}

Test(program, makes_and_reads_every_kind_of_value)
{
    Driver *driver = driver_new();
    g_autoptr(MobValue) result = run(driver, "test.so", "values", -1);

    cr_assert_eq(result->fault, 0);
    cr_assert_eq(result->ref_count, 1, "the reference inside the array is known");
    cr_assert(mob_value_is_sparse(result));
    driver_free(driver);
}

Test(program, handles_errors_or_passes_them_on_with_their_cause)
{
    Driver *driver = driver_new();
    g_autoptr(MobValue) result = run(driver, "test.so", "handles", -1);
    g_autoptr(GString) report = g_string_new(NULL);

    cr_assert(g_str_has_prefix(driver->printed->str,
                               "TaskError: this does not work\n  in task T2/1 fails, attempt 1 of "
                               "4, on n1/w0\n  test_program.c:"));
    mob_fault_report(result, report);
    cr_assert(g_str_has_prefix(report->str, "TaskError: this does not work\n"), "%s", report->str);
    cr_assert_not_null(strstr(report->str, "and so TaskError: get failed\n"), "%s", report->str);
    cr_assert_not_null(strstr(report->str, "in task T2 handles, attempt 1 of 4, on n1/w0"), "%s",
                       report->str);
    driver_free(driver);
}

Test(program, returns_several_values_and_names_resources)
{
    Driver *driver = driver_new();
    g_autoptr(MobValue) result = run(driver, "test.so", "asks_for_several", -1);
    size_t at = 0;
    const Object *object = mob_table_next(driver->objects, &at);
    g_autoptr(GString) needs = g_string_new(NULL);

    cr_assert_eq(number_in(result), 12);
    mob_resources_print(&object->spec->needs, needs);
    cr_assert_str_eq(needs->str, "cpus=0.5 gpu=2");
    cr_assert_str_eq(mob_str(object->spec->label), "pair");
    cr_assert_str_eq(mob_str(object->spec->file), "test_program.c");
    cr_assert_gt(object->spec->line, 0);
    driver_free(driver);
}

Test(program, asks_the_world_and_gets_the_same_answers_again)
{
    int64_t sums[3];

    for (int i = 0; i < 3; i++) {
        Driver *driver = driver_new();
        driver->pick_config.seed = i < 2 ? 0 : 5;
        mob_picks_free(driver->picks);
        driver->picks = mob_picks_new(&driver->pick_config);
        g_autoptr(MobValue) result = run(driver, "test.so", "worldly", -1);
        sums[i] = number_in(result);
        cr_assert_str_eq(driver->printed->str, "n1/w0 on n1\n");
        driver_free(driver);
    }
    cr_assert_eq(sums[0], sums[1]);
    cr_assert_neq(sums[0], sums[2], "another seed, other dice");
    cr_assert(sums[0] > 200 && sums[0] < 700, "the textbook run has dice too");
}

Test(program, kernels_print_and_compute_in_order_but_never_stop)
{
    Driver *driver = driver_new();
    g_autoptr(MobValue) result = run(driver, "test.so", "kernel", -1);

    cr_assert_eq(result->fault, 0);
    cr_assert_eq(driver->now, 100);
    cr_assert_str_eq(driver->printed->str, "one\ntwo\n");

    g_string_truncate(driver->printed, 0);
    g_autoptr(MobValue) raised = run(driver, "test.so", "kernel", 1);
    cr_assert_eq(raised->fault, MOB_FAULT_TASK);
    cr_assert_str_eq(driver->printed->str, "one\ntwo\n");

    g_autoptr(MobValue) stopped = run(driver, "test.so", "kernel", 2);
    g_autoptr(GString) report = g_string_new(NULL);
    mob_fault_report(stopped, report);
    cr_assert_not_null(strstr(report->str, "mobula_register"), "%s", report->str);
    driver_free(driver);
}

Test(program, mistakes_end_the_task_with_an_error_that_says_which)
{
    static const char *const messages[] = {
        "expected a string, but this is an integer",
        "there is no item 1 among 1",
        "item 1 is not a reference",
        "nested more than 64 deep",
        "a key of a map stands there twice",
        "what is dropped is not a reference",
        "wait for 1 of 0 references would never end",
        "a reference cannot be put",
        "num_cpus is -1",
        "num_returns is 2",
        "random needs a limit",
        "test.so registers no function no_such_function; it has main, fibonacci,",
    };
    Driver *driver = driver_new();

    for (size_t i = 0; i < G_N_ELEMENTS(messages); i++) {
        g_autoptr(MobValue) result = run(driver, "test.so", "mistaken", (int64_t)i);
        g_autoptr(GString) report = g_string_new(NULL);
        mob_fault_report(result, report);
        cr_assert_not_null(strstr(report->str, messages[i]), "%s", report->str);
    }
    driver_free(driver);
}

Test(program, that_cannot_be_loaded_raises_and_is_found_out_before_it_runs)
{
    static const struct {
        const char *path;
        const char *message;
    } cases[] = {
        {"missing.so", "missing.so cannot be opened"},
        {"twice.so", "registers two functions as main"},
        {"headless.so", "registers no function main; it has fibonacci"},
    };
    Driver *driver = driver_new();

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(MobStr) id = NULL;
        g_autoptr(MobValue) bundle = mob_program_bundle(cases[i].path, &id);
        g_autoptr(GError) error = NULL;
        cr_assert_eq(bundle->fault, 0);
        cr_assert(mob_program_is_ours(id));
        cr_assert_not(mob_program_check(driver->loader, id, &error));
        cr_assert_not_null(strstr(error->message, cases[i].message), "%s", error->message);
        g_autoptr(MobValue) result = run(driver, cases[i].path, "main", -1);
        cr_assert_eq(result->fault, MOB_FAULT_TASK);
    }
    g_autoptr(MobStr) good = mob_str_new("so:test.so");
    g_autoptr(MobStr) lua = mob_str_new("sha256:12");
    cr_assert(mob_program_check(driver->loader, good, NULL));
    cr_assert_not(mob_program_is_ours(lua));
    driver_free(driver);
}

/* What a world does with a body whose worker dies while it is stopped. */
static void
drop_call(MobCall *call)
{
    mob_spec_unref(call->spec);
    mob_args_unref(call->args);
    for (uint32_t i = 0; i < call->value_count; i++)
        mob_value_unref(call->values[i]);
    mob_value_unref(call->fault);
    mob_str_unref(call->text);
}

Test(program, bodies_may_end_at_any_call_and_leak_nothing)
{
    static const char *const functions[] = {"fibonacci", "values", "handles",         "worldly",
                                            "kernel",    "fails",  "asks_for_several"};
    Driver *driver = driver_new();

    for (size_t i = 0; i < G_N_ELEMENTS(functions); i++) {
        MobTaskSpec *spec = mob_spec_new();
        spec->function = mob_str_new(functions[i]);
        spec->bundle = mob_str_new("so:test.so");
        spec->returns = 1;
        MobArgs *args = mob_args_new(1);
        MobCborWriter writer;
        mob_cbor_init(&writer);
        mob_cbor_int(&writer, 5);
        args->items[0].value = mob_cbor_finish(&writer, 0);
        mob_cbor_clear(&writer);
        MobBodyContext context = {.spec = spec, .attempt = 1, .picks = driver->picks};

        MobBody *never = driver->loader->start(driver->loader, &context, NULL, args);
        never->class->free(never);
        MobBody *once = driver->loader->start(driver->loader, &context, NULL, args);
        MobCall call = {0};
        once->class->resume(once, &(MobAnswer){0}, &call);
        drop_call(&call);
        once->class->free(once);
        mob_spec_unref(spec);
        mob_args_unref(args);
    }
    driver_free(driver);
}

/* --- over the whole protocol --- */

/* Runs main(@n) of test.so on three machines; kills @victim at @when, unless
 * that is never. Returns what main returned, or -1. */
static int64_t
run_in_world(uint64_t seed, int64_t n, const char *victim, MobTime when, uint64_t *hash)
{
    Driver *driver = driver_new();
    const MobMachine machines[] = {
        {.name = "head",
         .cpus = 2 * MOB_UNIT,
         .speed_ppm = 1000000,
         .memory = 1 << 30,
         .store_bytes = 1 << 30,
         .head = true},
        {.name = "n1",
         .cpus = 2 * MOB_UNIT,
         .speed_ppm = 1000000,
         .memory = 1 << 30,
         .store_bytes = 1 << 30},
        {.name = "n2",
         .cpus = 2 * MOB_UNIT,
         .speed_ppm = 1000000,
         .memory = 1 << 30,
         .store_bytes = 1 << 30},
    };
    MobWorldOptions options = {
        .picks = {.seed = seed},
        .encode = true,
        .loader = driver->loader,
        .machines = machines,
        .machine_count = G_N_ELEMENTS(machines),
        .latency = MOB_TIME_NEVER,
    };
    mob_config_init(&options.config, MOB_PROFILE_IDEAL);
    MobWorld *world = mob_world_new(&options);
    MobControl *control = mob_world_control(world);
    MobJob job = {.name = "test"};
    MobCborWriter writer;
    g_autoptr(GError) error = NULL;

    job.bundle = mob_program_bundle("test.so", &job.bundle_id);
    job.args = mob_args_new(1);
    mob_cbor_init(&writer);
    mob_cbor_int(&writer, n);
    job.args->items[0].value = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);
    uint32_t number = control->submit(control, &job, &error);
    cr_assert_gt(number, 0);
    if (when != MOB_TIME_NEVER) {
        MobUntil then = {.time = when, .limit = MOB_TIME_NEVER};
        control->run(control, &then);
        MobOrder order = {.verb = MOB_VERB_KILL, .target = victim};
        control->order(control, &order, NULL); /* it may be gone by then */
    }
    MobUntil until = {.job = number, .time = MOB_TIME_NEVER, .limit = 100 * MOB_SECOND};
    control->run(control, &until);
    const MobValue *result = control->job_result(control, number);
    int64_t answer = result != NULL ? number_in(result) : -1;
    *hash = control->hash(control);
    mob_world_free(world);
    mob_args_unref(job.args);
    mob_value_unref(job.bundle);
    mob_str_unref(job.bundle_id);
    driver_free(driver);
    return answer;
}

Test(program, in_c_runs_on_a_cluster_and_survives_what_happens_to_it)
{
    uint64_t hash;
    uint64_t again;

    for (uint64_t seed = 0; seed < 4; seed++) {
        cr_assert_eq(run_in_world(seed, 7, NULL, MOB_TIME_NEVER, &hash), 13);
        cr_assert_eq(run_in_world(seed, 7, NULL, MOB_TIME_NEVER, &again), 13);
        cr_assert_eq(again, hash, "the same run has the same trace");
    }
    for (MobTime when = MOB_MS; when < 20 * MOB_MS; when += MOB_MS) {
        cr_assert_eq(run_in_world(1, 7, "n1", when, &hash), 13);
        cr_assert_eq(run_in_world(1, 7, "n2/w0", when, &hash), 13);
    }
}
