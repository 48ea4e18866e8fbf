/* program_tasks.h: a program in C that uses everything there is in mobula.h,
 * and two that are wrong. They assert what they see from the inside.
 */
#pragma once

#include <criterion/criterion.h>
#include <string.h>

#include "runtime/program.h"

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
        mobula_ref(task, "mobula-ref/1.2/3");
        break;
    case 12:
        mobula_get(task, mobula_call(task, "no_such_function"));
        break;
    default:
        return NULL;
    }
    cr_assert_fail("a mistake was let through");
    return NULL;
}

/* Reads a reference from its text, and what is behind it. */
static MobulaValue *
reads_text(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    return mobula_get(task, mobula_ref(task, mobula_to_string(task, args[0], NULL)));
}

static MobulaValue *
by_hand(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    MobulaValue *value;
    MobulaValue *ref = mobula_call(task, "fibonacci", mobula_int(task, 7));
    const char *text = mobula_pin(task, ref);

    mobula_drop(task, ref);
    ref = mobula_call(task, "reads_text", mobula_string(task, text));
    int64_t answer = mobula_to_int(task, mobula_get(task, ref));
    ref = mobula_ref(task, text);
    answer += mobula_to_int(task, mobula_get(task, ref));
    mobula_free_values(task, 1, &ref);
    cr_assert_not(mobula_try_get(task, ref, MOBULA_FOREVER, &value));
    cr_assert_str_eq(mobula_error_name(task, value), "ObjectFreedError");
    return mobula_int(task, answer);
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
hand(MobulaProgram *self)
{
    mobula_register(self, "main", by_hand);
    mobula_register(self, "fibonacci", fibonacci);
    mobula_register(self, "reads_text", reads_text);
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
    ++*(int *)data; /* how many were opened */
    if (strcmp(path, "test.so") == 0)
        return program;
    if (strcmp(path, "hand.so") == 0)
        return hand;
    if (strcmp(path, "twice.so") == 0)
        return twice;
    if (strcmp(path, "headless.so") == 0)
        return headless;
    if (strcmp(path, "chain.so") == 0)
        return mobula_program; /* scenarios/chain.c */
    g_set_error(error, MOB_PROGRAM_ERROR, 0, "%s cannot be opened", path);
    return NULL;
}
