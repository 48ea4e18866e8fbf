/* lua_fake.h: a runtime for Lua bodies in the tests of lua/: one process that
 * runs a task when somebody needs its value, in the order in which they ask.
 */
#pragma once

#include <criterion/criterion.h>
#include <string.h>

#include "lua/body.h"
#include "runtime/cbor.h"
#include "runtime/fault.h"
#include "runtime/table.h"

typedef struct {
    MobValue *value;   /* owned; NULL: not made yet */
    MobTaskSpec *spec; /* owned */
    MobArgs *args;     /* owned */
    MobObjectId id;
} FakeObject;

typedef struct {
    MobLoader *loader;
    MobStr *bundle_id;
    MobValue *bundle;
    MobTable *objects; /* of FakeObject, owned */
    GString *output;
    MobPickConfig pick_config;
    MobPicks *picks;
    MobTime now;
    uint32_t submits;
    uint32_t drops;
    uint32_t attempt;
    MobAddress worker;
    const char *lose; /* the function whose values time out; may be NULL */
} Fake;

/* A file system of one file, or of pairs of path and text up to NULL. */
static inline char *
fake_read(void *data, const char *path, size_t *length, GError **error)
{
    const char *const *files = data;

    for (; files[0] != NULL && files[1] != NULL; files += 2)
        if (strcmp(files[0], path) == 0) {
            *length = strlen(files[1]);
            return g_strdup(files[1]);
        }
    g_set_error(error, MOB_LUA_ERROR, 0, "%s: there is no such file", path);
    return NULL;
}

static inline void
fake_free_object(void *data)
{
    FakeObject *object = data;

    mob_value_unref(object->value);
    mob_spec_unref(object->spec);
    mob_args_unref(object->args);
    g_free(object);
}

static inline Fake *
fake_new(MobValue *bundle, MobStr *bundle_id)
{
    Fake *fake = g_new0(Fake, 1);

    fake->loader = mob_lua_loader_new();
    fake->bundle = bundle;
    fake->bundle_id = bundle_id;
    fake->objects = mob_table_new();
    fake->output = g_string_new(NULL);
    fake->picks = mob_picks_new(&fake->pick_config);
    fake->attempt = 1;
    fake->worker = (MobAddress){1, 2};
    return fake;
}

/* Loads the program in the pairs @files, the first of which is run. */
static inline Fake *
fake_load(const char *const *files)
{
    MobLuaReader reader = {fake_read, (void *)files};
    GError *error = NULL;
    MobStr *id = NULL;
    MobValue *bundle = mob_lua_program_load(files[0], &reader, &id, &error);

    cr_assert_null(error, "%s", error != NULL ? error->message : "");
    return fake_new(bundle, id);
}

static inline Fake *
fake_text(const char *text)
{
    const char *files[] = {"test.lua", text, NULL};

    return fake_load(files);
}

static inline void
fake_free(Fake *fake)
{
    mob_lua_loader_free(fake->loader);
    mob_table_free_full(fake->objects, fake_free_object);
    mob_picks_free(fake->picks);
    mob_value_unref(fake->bundle);
    mob_str_unref(fake->bundle_id);
    g_string_free(fake->output, TRUE);
    g_free(fake);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fake, fake_free)

static inline MobValue *fake_value(Fake *fake, MobObjectId id);

/* By-reference arguments arrive as their values. */
static inline MobArgs *
fake_resolve(Fake *fake, const MobArgs *args)
{
    MobArgs *resolved = mob_args_new(args->count);

    for (uint32_t i = 0; i < args->count; i++)
        resolved->items[i].value =
            mob_value_ref(args->items[i].value != NULL ? args->items[i].value
                                                       : fake_value(fake, args->items[i].ref.id));
    return resolved;
}

static inline void
fake_submit(Fake *fake, MobTaskSpec *parent, const MobCall *call, MobAnswer *answer)
{
    MobTaskSpec *spec = call->spec;

    spec->id = mob_task_child(mob_task_execution(parent->id, fake->attempt), ++fake->submits);
    spec->path = mob_path_child(parent->path, fake->submits);
    spec->owner = fake->worker;
    answer->refs = g_new0(MobRef, MAX(spec->returns, 1));
    answer->ref_count = spec->returns;
    for (uint32_t i = 0; i < spec->returns; i++) {
        FakeObject *object = g_new0(FakeObject, 1);
        object->id = mob_object_return(spec->id, i + 1);
        object->spec = mob_spec_ref(spec);
        object->args = mob_args_ref(call->args);
        mob_table_add(fake->objects, mob_key_object(object->id), object);
        answer->refs[i] = (MobRef){object->id, fake->worker, mob_str_ref(spec->path)};
    }
    mob_spec_unref(spec);
    mob_args_unref(call->args);
}

static inline void
fake_put(Fake *fake, MobTaskSpec *parent, const MobCall *call, MobAnswer *answer)
{
    FakeObject *object = g_new0(FakeObject, 1);

    object->id = mob_object_put(mob_task_execution(parent->id, fake->attempt), ++fake->submits);
    object->value = call->values[0];
    object->spec = mob_spec_ref(parent);
    object->args = mob_args_new(0);
    mob_table_add(fake->objects, mob_key_object(object->id), object);
    answer->refs = g_new0(MobRef, 1);
    answer->ref_count = 1;
    answer->refs[0] =
        (MobRef){object->id, fake->worker, mob_path_child(parent->path, fake->submits)};
}

static inline MobValue *
fake_timeout(void)
{
    MobFault fault = {.kind = MOB_FAULT_GET_TIMEOUT, .message = "the value was not there in time"};

    return mob_fault_value(&fault);
}

static inline void
fake_get(Fake *fake, const MobCall *call, MobAnswer *answer)
{
    answer->values = g_new0(MobValue *, call->ref_count);
    for (uint32_t i = 0; i < call->ref_count; i++) {
        const FakeObject *object = mob_table_get(fake->objects, mob_key_object(call->refs[i].id));
        if (fake->lose != NULL && strcmp(mob_str(object->spec->function), fake->lose) == 0) {
            cr_assert_neq(call->timeout, MOB_TIME_NEVER);
            fake->now += call->timeout;
            answer->fault = fake_timeout();
            return;
        }
        answer->values[i] = mob_value_ref(fake_value(fake, call->refs[i].id));
        answer->value_count = i + 1;
    }
}

/* Makes the last ones ready, so that the order is not that of the input. */
static inline void
fake_wait(Fake *fake, const MobCall *call, MobAnswer *answer)
{
    answer->ready = g_new0(uint32_t, call->count);
    answer->ready_count = call->count;
    for (uint32_t i = 0; i < call->count; i++) {
        answer->ready[i] = call->ref_count - call->count + i;
        fake_value(fake, call->refs[answer->ready[i]].id);
    }
}

static inline void
fake_answer(Fake *fake, MobTaskSpec *spec, const MobCall *call, MobAnswer *answer)
{
    switch (call->kind) {
    case MOB_CALL_SUBMIT:
        fake_submit(fake, spec, call, answer);
        break;
    case MOB_CALL_PUT:
        fake_put(fake, spec, call, answer);
        break;
    case MOB_CALL_GET:
        fake_get(fake, call, answer);
        break;
    case MOB_CALL_WAIT:
        fake_wait(fake, call, answer);
        break;
    case MOB_CALL_OUTPUT:
        g_string_append_len(fake->output, call->text->text, call->text->length);
        mob_str_unref(call->text);
        break;
    default:
        fake->now += call->time;
        break;
    }
}

static inline void
fake_clear(MobAnswer *answer)
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

/* Runs one body to its end. Returns its values (spec->returns of them), or
 * one error value in all places. */
static inline MobValue **
fake_body(Fake *fake, MobTaskSpec *spec, const MobArgs *args)
{
    MobBodyContext context = {.worker = fake->worker,
                              .worker_name = "n1/w0",
                              .node_name = "n1",
                              .spec = spec,
                              .attempt = fake->attempt,
                              .now = fake->now,
                              .picks = fake->picks};
    MobArgs *resolved = fake_resolve(fake, args);
    MobBody *body = fake->loader->start(fake->loader, &context, fake->bundle, resolved);
    MobValue **values = g_new0(MobValue *, MAX(spec->returns, 1));
    MobAnswer answer = {.now = fake->now};
    MobCall call;

    mob_args_unref(resolved);
    for (;;) {
        answer.now = fake->now;
        body->class->resume(body, &answer, &call);
        fake->drops += call.drop_count;
        fake_clear(&answer);
        if (call.kind == MOB_CALL_RETURN || call.kind == MOB_CALL_RAISE)
            break;
        fake_answer(fake, spec, &call, &answer);
    }
    for (uint32_t i = 0; i < spec->returns; i++)
        values[i] = call.kind == MOB_CALL_RETURN ? call.values[i] : mob_value_ref(call.fault);
    if (call.kind == MOB_CALL_RAISE)
        mob_value_unref(call.fault);
    body->class->free(body);
    return values;
}

static inline MobValue *
fake_value(Fake *fake, MobObjectId id)
{
    FakeObject *object = mob_table_get(fake->objects, mob_key_object(id));

    cr_assert_not_null(object);
    if (object->value == NULL) {
        MobValue **values = fake_body(fake, object->spec, object->args);
        for (uint32_t i = 0; i < object->spec->returns; i++) {
            FakeObject *other = mob_table_get(
                fake->objects, mob_key_object(mob_object_return(object->spec->id, i + 1)));
            other->value = values[i];
        }
        g_free(values);
    }
    return object->value;
}

/* Runs main with words as arguments; returns (transfer full) its value. */
static inline MobValue *
fake_main(Fake *fake, const char *const *words)
{
    g_autoptr(MobTaskSpec) spec = mob_spec_new();
    uint32_t count = 0;

    while (words != NULL && words[count] != NULL)
        count++;
    g_autoptr(MobArgs) args = mob_args_new(count);
    for (uint32_t i = 0; i < count; i++) {
        MobCborWriter writer;
        mob_cbor_init(&writer);
        mob_cbor_string(&writer, words[i], strlen(words[i]));
        args->items[i].value = mob_cbor_finish(&writer, 0);
        mob_cbor_clear(&writer);
    }
    spec->id = (MobTaskId){7, 7};
    spec->function = mob_str_new("main");
    spec->label = mob_str_new("main");
    spec->bundle = mob_str_ref(fake->bundle_id);
    spec->returns = 1;
    MobValue **values = fake_body(fake, spec, args);
    MobValue *value = values[0];
    g_free(values);
    return value;
}

/* What main's error says, or "" if it raised none. */
static inline char *
fake_report(Fake *fake)
{
    g_autoptr(MobValue) value = fake_main(fake, NULL);
    GString *text = g_string_new(NULL);

    if (value->fault != 0)
        mob_fault_report(value, text);
    return g_string_free(text, FALSE);
}

/* Runs a program whose main prints; returns what was printed. */
static inline char *
fake_print(const char *text)
{
    g_autoptr(Fake) fake = fake_text(text);
    g_autoptr(MobValue) value = fake_main(fake, NULL);
    g_autoptr(GString) report = g_string_new(NULL);

    if (value->fault != 0)
        mob_fault_report(value, report);
    cr_assert_eq(value->fault, 0, "%s", report->str);
    return g_strdup(fake->output->str);
}

#define assert_prints(body, expected)                                                              \
    do {                                                                                           \
        g_autofree char *printed_ = fake_print("local m = require \"mobula\"\n" body);             \
        cr_assert_str_eq(printed_, expected);                                                      \
    } while (0)

/* The report of a program whose main fails contains each of the texts. */
static inline void
fake_fails(const char *text, const char *const *parts)
{
    g_autoptr(Fake) fake = fake_text(text);
    g_autofree char *report = fake_report(fake);

    for (; *parts != NULL; parts++)
        cr_assert(strstr(report, *parts) != NULL, "'%s' is not in:\n%s", *parts, report);
}

#define assert_fails(body, ...)                                                                    \
    fake_fails("local m = require \"mobula\"\n" body, (const char *const[]){__VA_ARGS__, NULL})

/* The error with which a program cannot be loaded contains each of the texts. */
static inline void
fake_refuses(const char *const *files, const char *const *parts)
{
    MobLuaReader reader = {fake_read, (void *)files};
    g_autoptr(GError) error = NULL;
    MobStr *id = NULL;
    MobValue *bundle = mob_lua_program_load(files[0], &reader, &id, &error);

    cr_assert_null(bundle);
    cr_assert_not_null(error);
    for (; *parts != NULL; parts++)
        cr_assert(strstr(error->message, *parts) != NULL, "'%s' is not in:\n%s", *parts,
                  error->message);
}

#define assert_refuses(text, ...)                                                                  \
    fake_refuses((const char *const[]){"test.lua", text, NULL},                                    \
                 (const char *const[]){__VA_ARGS__, NULL})
