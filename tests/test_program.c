/* program_tasks.h: programs in C, body by body: values, calls, errors, kernels. */
#include "tests/program_driver.h"

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
                               "4, on n1/w0\n  program_tasks.h:"));
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
    cr_assert_str_eq(mob_str(object->spec->file), "program_tasks.h");
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
        "this text is no reference: m.pin did not write it, or it was changed",
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
