/* bench_lua.c: what programs in Lua cost by themselves: states, bodies, calls.
 *
 * Prints one JSON object: nanoseconds of processor time per operation.
 */
#include <stdio.h>
#include <time.h>

#include "lua/body.h"
#include "runtime/cbor.h"

static const char program[] =
    "local m = require 'mobula'\n"
    "local empty = m.remote('empty', function() end)\n"
    "local add = m.remote('add', function(a, b) return a + b end)\n"
    "local spin = m.remote('spin', function(n) local s = 0 for i = 1, n do s = s + i % 7 end "
    "return s end)\n"
    "local walk = m.remote('walk', function(n)\n"
    "  local t = {}\n"
    "  for i = 1, 2000 do t['key' .. i] = i end\n"
    "  local s = 0\n"
    "  for i = 1, n do for k, v in pairs(t) do s = s + v end end\n"
    "  return s\n"
    "end)\n"
    "local list = m.remote('list', function(n)\n"
    "  local t = {}\n"
    "  for i = 1, 2000 do t[i] = i end\n"
    "  local s = 0\n"
    "  for i = 1, n do for k, v in pairs(t) do s = s + v end end\n"
    "  return s\n"
    "end)\n"
    "function m.main(n) for i = 1, n do local r <close> = empty.remote(i, 'x') end end\n";

static char *
read_program(void *data, const char *path, size_t *length, GError **error)
{
    *length = sizeof program - 1;
    return g_strdup(program);
}

static double
cpu_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

typedef struct {
    MobLoader *loader;
    MobValue *bundle;
    MobTaskSpec *spec;
    MobArgs *args;
} Bench;

/* Runs a body to its end, answering a submit with a reference. */
static uint64_t
run_body(Bench *bench, uint32_t worker)
{
    MobBodyContext context = {.worker = {1, worker},
                              .worker_name = "n1/w0",
                              .node_name = "n1",
                              .spec = bench->spec,
                              .attempt = 1};
    MobBody *body = bench->loader->start(bench->loader, &context, bench->bundle, bench->args);
    MobRef ref = {.id = {{1, 1}, 1, 0}, .path = mob_str_new("1")};
    MobAnswer answer = {0};
    MobCall call;
    uint64_t calls = 0;

    do {
        body->class->resume(body, &answer, &call);
        calls++;
        answer = (MobAnswer){0};
        if (call.kind == MOB_CALL_SUBMIT) {
            mob_spec_unref(call.spec);
            mob_args_unref(call.args);
            answer.refs = &ref;
            answer.ref_count = 1;
        }
    } while (call.kind != MOB_CALL_RETURN);
    for (uint32_t i = 0; i < call.value_count; i++)
        mob_value_unref(call.values[i]);
    body->class->free(body);
    mob_str_unref(ref.path);
    return calls;
}

static void
set_function(Bench *bench, const char *name, int count, int64_t number)
{
    mob_str_unref(bench->spec->function);
    bench->spec->function = mob_str_new(name);
    if (bench->args != NULL)
        mob_args_unref(bench->args);
    bench->args = mob_args_new((uint32_t)count);
    for (int i = 0; i < count; i++) {
        MobCborWriter writer;
        mob_cbor_init(&writer);
        mob_cbor_int(&writer, number);
        bench->args->items[i].value = mob_cbor_finish(&writer, 0);
        mob_cbor_clear(&writer);
    }
}

static void
report(const char *name, double ns, bool last)
{
    printf("  \"%s\": %.0f%s\n", name, ns, last ? "" : ",");
}

static double
time_task(Bench *bench, const char *name, int count, int64_t number, unsigned times)
{
    set_function(bench, name, count, number);
    run_body(bench, 2);
    double begin = cpu_ns();
    for (unsigned i = 0; i < times; i++)
        run_body(bench, 2);
    return (cpu_ns() - begin) / times;
}

int
main(void)
{
    MobLuaReader reader = {read_program, NULL};
    MobStr *id = NULL;
    GError *error = NULL;
    Bench bench = {.loader = mob_lua_loader_new(), .spec = mob_spec_new()};

    bench.bundle = mob_lua_program_load("bench.lua", &reader, &id, &error);
    if (bench.bundle == NULL) {
        fprintf(stderr, "%s\n", error->message);
        return 1;
    }
    bench.spec->bundle = id;
    bench.spec->returns = 1;
    printf("{\n");
    set_function(&bench, "empty", 0, 0);
    double begin = cpu_ns();
    for (uint32_t i = 0; i < 2000; i++)
        run_body(&bench, 10 + i);
    report("state_ns", (cpu_ns() - begin) / 2000, false);
    for (uint32_t i = 0; i < 2000; i++)
        bench.loader->drop(bench.loader, (MobAddress){1, 10 + i});
    report("empty_task_ns", time_task(&bench, "empty", 0, 0, 500000), false);
    report("add_task_ns", time_task(&bench, "add", 2, 7, 500000), false);
    report("submit_and_drop_ns", time_task(&bench, "main", 1, 500000, 1) / 500000, false);
    report("loop_ns", time_task(&bench, "spin", 1, 10000000, 2) / 10000000, false);
    report("pairs_string_key_ns", time_task(&bench, "walk", 1, 100, 5) / 100 / 2000, false);
    report("pairs_list_ns", time_task(&bench, "list", 1, 100, 5) / 100 / 2000, false);
    mob_lua_loader_free(bench.loader);
    bench.loader = mob_lua_loader_new();
    mob_lua_loader_set_budget(bench.loader, 0);
    report("loop_without_budget_ns", time_task(&bench, "spin", 1, 10000000, 2) / 10000000, false);
    report("add_task_without_budget_ns", time_task(&bench, "add", 2, 7, 500000), true);
    printf("}\n");
    mob_lua_loader_free(bench.loader);
    mob_args_unref(bench.args);
    mob_spec_unref(bench.spec);
    mob_value_unref(bench.bundle);
    return 0;
}
