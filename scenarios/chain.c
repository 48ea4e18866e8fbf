/* chain.c: four tasks in a row, each of which takes what the one before it
 * returned: 1 -> 2 -> 3 -> 4. The same program as chain.lua, in C.
 *
 * What to see: the driver submits all four at once and waits for the last
 * alone. It owns all four values; so if the machine dies that holds the second,
 * the driver knows which task made it and runs that again.
 *
 *     cc -shared -fPIC $(pkg-config --cflags mobula) -o chain.so chain.c
 *     mobula run ./chain.so
 *
 * or in a scenario, which breaks something: c:submit("./chain.so").
 */
#include <mobula.h>

enum {
    MILLISECOND = 1000000, /* in nanoseconds */
    NUMBERS = 10,
};

/* Task 1: the numbers from 1 to 10. */
static MobulaValue *
load(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    MobulaValue *numbers[NUMBERS];

    (void)args;
    (void)count;
    mobula_compute(task, 10 * MILLISECOND);
    for (int i = 0; i < NUMBERS; i++)
        numbers[i] = mobula_int(task, i + 1);
    return mobula_array(task, NUMBERS, numbers);
}

/* Task 2: the square of each. */
static MobulaValue *
square(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    MobulaValue *squares[NUMBERS];

    if (count != 1 || mobula_count(task, args[0]) != NUMBERS)
        mobula_raise(task, "square takes the %d numbers of load", NUMBERS);
    mobula_compute(task, 10 * MILLISECOND);
    for (size_t i = 0; i < NUMBERS; i++) {
        int64_t number = mobula_to_int(task, mobula_at(task, args[0], i));
        squares[i] = mobula_int(task, number * number);
    }
    return mobula_array(task, NUMBERS, squares);
}

/* Task 3: their sum. */
static MobulaValue *
sum(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    int64_t total = 0;

    (void)count;
    mobula_compute(task, 10 * MILLISECOND);
    for (size_t i = 0; i < mobula_count(task, args[0]); i++)
        total += mobula_to_int(task, mobula_at(task, args[0], i));
    return mobula_int(task, total);
}

/* Task 4: says it. */
static MobulaValue *
tell(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    (void)count;
    mobula_compute(task, 10 * MILLISECOND);
    mobula_print(task, "the sum of the squares is %lld", (long long)mobula_to_int(task, args[0]));
    return args[0];
}

static MobulaValue *
drive(MobulaTask *task, MobulaValue *const *args, size_t count)
{
    (void)args;
    (void)count;
    MobulaValue *first = mobula_call(task, "load");
    MobulaValue *second = mobula_call(task, "square", first);
    MobulaValue *third = mobula_call(task, "sum", second);
    MobulaValue *fourth = mobula_call(task, "tell", third);

    return mobula_get(task, fourth);
}

void
mobula_program(MobulaProgram *program)
{
    mobula_register(program, "main", drive);
    mobula_register_kernel(program, "load", load);
    mobula_register_kernel(program, "square", square);
    mobula_register_kernel(program, "sum", sum);
    mobula_register_kernel(program, "tell", tell);
}
