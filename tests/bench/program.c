/* program.c: see program.h. */
#include "tests/bench/program.h"

/* --- main --- */

typedef struct {
    MobBody base;
    BenchProgram *program;
    uint64_t submitted;
    uint64_t got;
    MobRef *refs; /* a ring: of the window, or of all */
    uint64_t ref_count;
    MobObjectId drop;
    MobValue *result;
    bool submitting;
} Driver;

static void
submit_next(Driver *driver, MobCall *call)
{
    const BenchProgram *program = driver->program;
    MobTaskSpec *spec = mob_spec_new();
    MobArgs *args = mob_args_new(program->load != NULL);

    if (program->load != NULL)
        args->items[0].value = mob_value_ref(program->load);
    spec->function = mob_str_ref(program->function);
    spec->label = mob_str_ref(program->function);
    spec->bundle = mob_str_ref(program->bundle);
    spec->returns = 1;
    spec->needs.cpu = MOB_UNIT;
    spec->retries = 3;
    driver->submitting = true;
    driver->submitted++;
    *call = (MobCall){.kind = MOB_CALL_SUBMIT, .spec = spec, .args = args};
}

static void
get_next(Driver *driver, MobCall *call)
{
    driver->submitting = false;
    *call = (MobCall){.kind = MOB_CALL_GET,
                      .refs = &driver->refs[driver->got % driver->ref_count],
                      .ref_count = 1,
                      .timeout = MOB_TIME_NEVER};
}

/* The oldest's value has come. Returns whether its reference is given up. */
static bool
take_value(Driver *driver, const MobAnswer *answer)
{
    const BenchProgram *program = driver->program;

    g_assert(answer->fault == NULL && answer->value_count == 1);
    g_assert(program->load == NULL || answer->values[0]->hash == program->load->hash);
    MobRef *oldest = &driver->refs[driver->got++ % driver->ref_count];
    driver->drop = oldest->id;
    if (!program->keep)
        mob_ref_clear(oldest);
    return !program->keep;
}

static void
take_ref(Driver *driver, const MobAnswer *answer)
{
    g_assert(answer->fault == NULL && answer->ref_count == 1);
    driver->refs[(driver->submitted - 1) % driver->ref_count] = mob_ref_copy(&answer->refs[0]);
}

static void
begin(Driver *driver, const MobAnswer *answer)
{
    BenchProgram *program = driver->program;

    program->begun = answer->now;
    program->heap_before = bench_heap();
    driver->ref_count = program->keep ? program->tasks : program->window;
    driver->refs = g_new0(MobRef, driver->ref_count);
    driver->result = mob_value_nil();
}

static void
end(Driver *driver, const MobAnswer *answer, MobCall *call)
{
    driver->program->ended = answer->now;
    driver->program->heap_after = bench_heap();
    *call = (MobCall){.kind = MOB_CALL_RETURN, .values = &driver->result, .value_count = 1};
}

static void
driver_resume(MobBody *body, const MobAnswer *answer, MobCall *call)
{
    Driver *driver = (Driver *)body;
    const BenchProgram *program = driver->program;
    bool drops = false;

    if (driver->submitted == 0)
        begin(driver, answer);
    else if (driver->submitting)
        take_ref(driver, answer);
    else
        drops = take_value(driver, answer);

    if (driver->submitted < program->tasks && driver->submitted - driver->got < program->window)
        submit_next(driver, call);
    else if (driver->got < driver->submitted)
        get_next(driver, call);
    else
        end(driver, answer, call);
    call->drops = &driver->drop;
    call->drop_count = drops;
}

static void
driver_free(MobBody *body)
{
    Driver *driver = (Driver *)body;

    for (uint64_t i = 0; i < driver->ref_count; i++)
        mob_ref_clear(&driver->refs[i]);
    g_free(driver->refs);
    g_free(driver);
}

static const MobBodyClass driver_class = {driver_resume, driver_free};

/* --- a task --- */

typedef struct {
    MobBody base;
    const BenchProgram *program;
    MobValue *result;
    bool computed;
} Task;

static void
task_resume(MobBody *body, const MobAnswer *answer, MobCall *call)
{
    Task *task = (Task *)body;
    const BenchProgram *program = task->program;

    if (program->work > 0 && !task->computed) {
        task->computed = true;
        *call = (MobCall){.kind = MOB_CALL_COMPUTE, .time = program->work};
        return;
    }
    task->result = program->load != NULL ? mob_value_ref(program->load) : mob_value_nil();
    *call = (MobCall){.kind = MOB_CALL_RETURN, .values = &task->result, .value_count = 1};
}

static void
task_free(MobBody *body)
{
    g_free(body);
}

static const MobBodyClass task_class = {task_resume, task_free};

/* --- the loader --- */

static MobBody *
start(MobLoader *self, const MobBodyContext *context, const MobValue *bundle, const MobArgs *args)
{
    BenchProgram *program = (BenchProgram *)self;

    if (!mob_str_eq(context->spec->function, program->function)) {
        Driver *driver = g_new0(Driver, 1);
        driver->base.class = &driver_class;
        driver->program = program;
        return &driver->base;
    }
    g_assert(args->count == (program->load != NULL));
    Task *task = mob_new0(Task, 1);
    task->base.class = &task_class;
    task->program = program;
    return &task->base;
}

static void
drop(MobLoader *self, MobAddress worker)
{
}

void
bench_program_init(BenchProgram *program, uint64_t tasks, uint64_t window)
{
    *program = (BenchProgram){.base = {start, drop, 0},
                              .tasks = tasks,
                              .window = window,
                              .function = mob_str_new("task"),
                              .bundle = mob_str_new("bench:task")};
}

void
bench_program_clear(BenchProgram *program)
{
    mob_value_unref(program->load);
    mob_str_unref(program->function);
    mob_str_unref(program->bundle);
}

void
bench_program_run(BenchProgram *program, MobWorld *world)
{
    MobControl *control = mob_world_control(world);
    g_autoptr(MobValue) bundle = mob_value_nil();
    const MobJob job = {.name = "bench", .bundle_id = program->bundle, .bundle = bundle};

    uint32_t number = control->submit(control, &job, NULL);
    MobRunEnd why = control->run(
        control, &(MobUntil){.job = number, .time = MOB_TIME_NEVER, .limit = MOB_TIME_NEVER});
    const MobValue *result = control->job_result(control, number);
    g_assert(why == MOB_RUN_DONE && result != NULL && result->fault == 0);
}
