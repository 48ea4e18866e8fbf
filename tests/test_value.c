/* test_value.c: values and what else is at the base: errors, names, resources,
 * knobs, outboxes.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "runtime/process.h"
#include "tests/generate.h"

static MobValue *
parse_hex(const char *hex)
{
    uint8_t bytes[256];
    size_t length = strlen(hex) / 2;

    for (size_t i = 0; i < length; i++)
        bytes[i] =
            (uint8_t)(g_ascii_xdigit_value(hex[2 * i]) * 16 + g_ascii_xdigit_value(hex[2 * i + 1]));
    g_autofree uint8_t *exact = g_memdup2(bytes, length);
    return mob_value_parse(exact, length, NULL);
}

static void
assert_bytes(MobCborWriter *writer, const char *hex)
{
    g_autoptr(MobValue) value = mob_cbor_finish(writer, 0);
    g_autoptr(GString) text = g_string_new(NULL);

    for (uint32_t i = 0; i < value->length; i++)
        g_string_append_printf(text, "%02x", value->bytes[i]);
    cr_assert_str_eq(text->str, hex);
    g_autoptr(MobValue) again = parse_hex(hex);
    cr_assert_not_null(again, "%s is refused", hex);
    cr_assert_eq(again->hash, value->hash);
}

Test(value, is_written_in_the_shortest_form)
{
    MobCborWriter w;

    /* The examples of RFC 8949, appendix A. */
    mob_cbor_init(&w);
    mob_cbor_int(&w, 0);
    assert_bytes(&w, "00");
    mob_cbor_int(&w, 23);
    assert_bytes(&w, "17");
    mob_cbor_int(&w, 24);
    assert_bytes(&w, "1818");
    mob_cbor_int(&w, 1000000000000);
    assert_bytes(&w, "1b000000e8d4a51000");
    mob_cbor_int(&w, -1);
    assert_bytes(&w, "20");
    mob_cbor_int(&w, -1000);
    assert_bytes(&w, "3903e7");
    mob_cbor_int(&w, INT64_MIN);
    assert_bytes(&w, "3b7fffffffffffffff");
    mob_cbor_float(&w, -0.0);
    assert_bytes(&w, "f98000");
    mob_cbor_float(&w, 1.1);
    assert_bytes(&w, "fb3ff199999999999a");
    mob_cbor_float(&w, 65504.0);
    assert_bytes(&w, "f97bff");
    mob_cbor_float(&w, 100000.0);
    assert_bytes(&w, "fa47c35000");
    mob_cbor_float(&w, 5.960464477539063e-8);
    assert_bytes(&w, "f90001");
    mob_cbor_float(&w, 0.00006103515625);
    assert_bytes(&w, "f90400");
    mob_cbor_float(&w, 1.0e+300);
    assert_bytes(&w, "fb7e37e43c8800759c");
    mob_cbor_float(&w, INFINITY);
    assert_bytes(&w, "f97c00");
    mob_cbor_float(&w, -INFINITY);
    assert_bytes(&w, "f9fc00");
    mob_cbor_float(&w, NAN);
    assert_bytes(&w, "f97e00");
    mob_cbor_string(&w, "IETF", 4);
    assert_bytes(&w, "6449455446");
    mob_cbor_string(&w, "a\0b", 3);
    assert_bytes(&w, "63610062");
    mob_cbor_string(&w, "\xff\xfe", 2);
    assert_bytes(&w, "42fffe");
    mob_cbor_clear(&w);
}

Test(value, other_encodings_of_the_same_are_refused)
{
    static const char *const refused[] = {
        "",                             /* nothing */
        "1817",                         /* 23 in two bytes */
        "190018",                       /* 24 in three bytes */
        "1bffffffffffffffff",           /* not an integer of ours */
        "fa3f800000",                   /* 1.0 as a float: a half would do */
        "fb3ff0000000000000",           /* 1.0 as a double */
        "f97e01",                       /* another NaN */
        "9f01ff",                       /* a list without a length */
        "5f4101ff",                     /* bytes in pieces */
        "f7",                           /* undefined */
        "ff",                           /* a break alone */
        "1c",                           /* reserved */
        "61ff",                         /* text that is not UTF-8 */
        "8101ff",                       /* something behind the end */
        "9b7fffffffffffffff",           /* a list longer than memory */
        "bb4000000000000000",           /* twice that many items overflow */
        "a201020102",                   /* a key twice */
        "a202010101",                   /* keys out of order */
        "d969dc01",                     /* a reference that is none */
        "d969dd8101",                   /* a fill without a rule */
        "d969dd821b400000000000000000", /* more bytes than there can be */
        "d969dea0",                     /* an error without a name */
        "d969dea1646e616d656158",       /* an error with a name that is not known */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(MobValue) value = parse_hex(refused[i]);
        cr_assert_null(value, "%s is read", refused[i]);
    }
}

Test(value, that_is_nested_too_deeply_is_refused_before_it_is_followed)
{
    g_autofree uint8_t *deep = g_malloc(1 << 20);
    g_autoptr(GError) error = NULL;

    memset(deep, 0x81, 1 << 20);
    cr_assert_null(mob_value_parse(deep, 1 << 20, &error));
    cr_assert_eq(error->domain, MOB_VALUE_ERROR);
    cr_assert_not_null(strstr(error->message, "nested too deeply"));

    deep[MOB_VALUE_DEPTH_MAX] = 0x00;
    g_autoptr(MobValue) value = mob_value_parse(deep, MOB_VALUE_DEPTH_MAX + 1, NULL);
    cr_assert_not_null(value);
}

Test(value, made_at_random_reads_back_as_itself)
{
    uint64_t state = 1;

    for (int i = 0; i < 5000; i++) {
        MobCborWriter writer;
        mob_cbor_init(&writer);
        generate_item(&state, &writer, 5);
        g_autoptr(MobValue) value = mob_cbor_finish(&writer, 0);
        mob_cbor_clear(&writer);
        g_autofree uint8_t *exact = g_memdup2(value->bytes, value->length);
        g_autoptr(MobValue) copy = mob_value_parse(exact, value->length, NULL);
        cr_assert_not_null(copy);
        cr_assert_eq(copy->hash, value->hash);
        cr_assert_eq(copy->size, value->size);
        cr_assert_eq(copy->ref_count, value->ref_count);
        for (uint32_t k = 0; k < copy->ref_count; k++) {
            cr_assert(mob_object_eq(copy->refs[k].id, value->refs[k].id));
            cr_assert(mob_address_eq(copy->refs[k].owner, value->refs[k].owner));
            cr_assert(mob_str_eq(copy->refs[k].path, value->refs[k].path));
        }
        for (uint32_t cut = 0; cut < value->length; cut++) {
            g_autofree uint8_t *part = g_memdup2(value->bytes, cut);
            cr_assert_null(mob_value_parse(part, cut, NULL));
        }
    }
}

Test(value, with_flipped_bits_is_refused_or_read_within_its_bytes)
{
    uint64_t state = 2;
    int read = 0;

    for (int i = 0; i < 20000; i++) {
        g_autoptr(MobValue) value = generate_value(&state);
        g_autofree uint8_t *bytes = g_memdup2(value->bytes, value->length);
        for (uint64_t flips = 1 + generate_below(&state, 3); flips > 0; flips--)
            bytes[generate_below(&state, value->length)] ^=
                (uint8_t)(1 << generate_below(&state, 8));
        g_autoptr(MobValue) copy = mob_value_parse(bytes, value->length, NULL);
        if (copy == NULL)
            continue;
        read++;
        MobCborReader reader = {copy->bytes, copy->bytes + copy->length, false};
        cr_assert(mob_cbor_skip(&reader));
        cr_assert_eq(reader.at, reader.end);
        g_autoptr(GString) report = g_string_new(NULL);
        mob_fault_report(copy, report);
    }
    cr_assert_gt(read, 0);
}

Test(value, of_a_gigabyte_costs_a_few_words)
{
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_fill(&writer, UINT64_C(1) << 30, 7);
    g_autoptr(MobValue) large = mob_cbor_finish(&writer, 0);
    mob_cbor_fill(&writer, UINT64_C(1) << 30, 8);
    g_autoptr(MobValue) other = mob_cbor_finish(&writer, 0);
    mob_cbor_clear(&writer);

    cr_assert(mob_value_is_sparse(large));
    cr_assert_lt(large->length, 32);
    cr_assert_geq(large->size, UINT64_C(1) << 30);
    cr_assert_neq(large->hash, other->hash);
    g_autoptr(MobValue) nil = mob_value_nil();
    cr_assert_not(mob_value_is_sparse(nil));
}

Test(fault, tells_the_root_cause_first_and_then_what_came_of_it)
{
    MobFault root = {
        .kind = MOB_FAULT_TASK,
        .message = "attempt to add a nil value",
        .task = "T2 parse",
        .attempt = 2,
        .attempts_max = 4,
        .node = "n2/w0",
        .trace = "wordcount.lua:9: in parse\ncalled from main",
        .code = "E103",
        .at = 5 * MOB_MS,
    };
    g_autoptr(MobValue) inner = mob_fault_value(&root);
    MobFault outer = {.kind = MOB_FAULT_RECONSTRUCTION,
                      .message = "O2 cannot be made again",
                      .task = "T3 sum",
                      .cause = inner};
    g_autoptr(MobValue) value = mob_fault_value(&outer);
    g_autoptr(GString) report = g_string_new(NULL);

    mob_fault_report(value, report);
    cr_assert_str_eq(report->str,
                     "TaskError: attempt to add a nil value [E103]\n"
                     "  in task T2 parse, attempt 2 of 4, on n2/w0\n"
                     "  wordcount.lua:9: in parse\n"
                     "  called from main\n"
                     "  and so ObjectReconstructionFailedError: O2 cannot be made again\n"
                     "    in task T3 sum\n");

    g_autoptr(MobValue) copy = mob_value_parse(value->bytes, value->length, NULL);
    cr_assert_eq(copy->fault, MOB_FAULT_RECONSTRUCTION);
    g_autoptr(GStringChunk) text = g_string_chunk_new(64);
    MobFault read;
    cr_assert(mob_fault_read(copy, &read, text));
    g_autoptr(MobValue) cause = (MobValue *)read.cause;
    cr_assert_eq(cause->fault, MOB_FAULT_TASK);
    cr_assert_str_eq(read.task, "T3 sum");
    cr_assert_null(read.node);
    cr_assert(mob_fault_read(inner, &read, text));
    cr_assert_eq(read.at, 5 * MOB_MS);
    cr_assert_eq(read.attempts_max, 4);
    cr_assert_str_eq(read.code, "E103");
    cr_assert_eq(mob_fault_by_name("NodeDiedError"), MOB_FAULT_NODE_DIED);
    cr_assert_eq(mob_fault_by_name("NoError"), MOB_FAULT_NONE);
}

Test(fault, a_long_chain_keeps_its_root_and_stays_within_the_depth_of_values)
{
    MobValue *chain = mob_fault_value(&(MobFault){.kind = MOB_FAULT_TASK, .message = "the root"});

    for (int i = 0; i < 200; i++) {
        MobFault fault = {.kind = MOB_FAULT_OBJECT_LOST, .cause = chain};
        MobValue *longer = mob_fault_value(&fault);
        mob_value_unref(chain);
        chain = longer;
    }
    g_autoptr(MobValue) copy = mob_value_parse(chain->bytes, chain->length, NULL);
    cr_assert_not_null(copy);
    g_autoptr(GString) report = g_string_new(NULL);
    mob_fault_report(copy, report);
    cr_assert(g_str_has_prefix(report->str, "TaskError: the root\n"));
    g_auto(GStrv) lines = g_strsplit(report->str, "\n", -1);
    cr_assert_eq(g_strv_length(lines), 8 + 1 + 1, "eight errors, the gap, and the last end");
    cr_assert_str_eq(lines[4], "  ... 8 errors that followed from each other ...");
    mob_value_unref(chain);
}

static void
assert_name(const char *path, uint32_t index, const char *task, const char *object)
{
    g_autoptr(MobStr) str = mob_str_new(path);
    g_autoptr(GString) text = g_string_new(NULL);

    mob_name_task(text, str);
    cr_assert_str_eq(text->str, task);
    g_string_truncate(text, 0);
    mob_name_object(text, str, index);
    cr_assert_str_eq(text->str, object);
}

Test(str, paths_become_the_names_that_people_say)
{
    assert_name("3", 1, "T3", "O3");
    assert_name("3/1", 2, "T3/1", "O3/1.2");
    assert_name("3/1", MOB_PUT_BASE + 1, "T3/1", "P3/1");
    assert_name("2:3/1", 1, "J2:T3/1", "J2:O3/1");
    assert_name("", MOB_PUT_BASE + 1, "main", "P");

    g_autoptr(MobStr) top = mob_path_child(NULL, 3);
    g_autoptr(MobStr) child = mob_path_child(top, 4294967295);
    g_autoptr(MobStr) second = mob_str_new("2:");
    g_autoptr(MobStr) other = mob_path_child(second, 7);
    cr_assert_str_eq(mob_str(top), "3");
    cr_assert_str_eq(mob_str(child), "3/4294967295");
    cr_assert_str_eq(mob_str(other), "2:7");
    MobStr *deep = NULL;
    for (int i = 0; i < 100; i++) {
        MobStr *deeper = mob_path_child(deep, 12345);
        mob_str_unref(deep);
        deep = deeper;
    }
    cr_assert_eq(deep->length, 100 * 5 + 99);
    mob_str_unref(deep);
    cr_assert_null(mob_str_new(""));
}

Test(resources, fit_add_and_print)
{
    MobResources total = {16 * MOB_UNIT, 64 << 20, mob_customs_new(2)};
    total.customs->items[0] = (MobCustom){mob_str_new("tpu"), MOB_UNIT};
    total.customs->items[1] = (MobCustom){mob_str_new("gpu"), 2 * MOB_UNIT};
    mob_customs_sort(total.customs);
    MobResources want = {MOB_UNIT / 2, 0, mob_customs_new(1)};
    want.customs->items[0] = (MobCustom){mob_str_new("gpu"), 2 * MOB_UNIT};
    MobResources left = mob_resources_copy(&total);
    g_autoptr(GString) text = g_string_new(NULL);

    cr_assert(mob_resources_fit(&left, &want));
    mob_resources_add(&left, &want, -1);
    cr_assert_not(mob_resources_fit(&left, &want));
    mob_resources_print(&left, text);
    cr_assert_str_eq(text->str, "cpus=15.5 gpu=0 tpu=1 memory=64MiB");
    cr_assert_not(mob_resources_eq(&left, &total));
    mob_resources_add(&left, &want, 1);
    cr_assert(mob_resources_eq(&left, &total));
    cr_assert_eq(mob_resources_hash(&left), mob_resources_hash(&total));
    g_string_truncate(text, 0);
    mob_resources_print(&(MobResources){0}, text);
    cr_assert_str_eq(text->str, "cpus=0");
    mob_resources_clear(&left);
    mob_resources_clear(&want);
    mob_resources_clear(&total);
}

Test(config, every_knob_has_a_name_and_a_value_in_every_profile)
{
    MobConfig config;

    for (int i = 0; i < MOB_PROFILE_COUNT; i++) {
        cr_assert_eq(mob_profile_by_name(mob_profile_name((MobProfile)i)), (MobProfile)i);
        mob_config_init(&config, (MobProfile)i);
        for (const MobKnobInfo *knob = mob_config_knobs(); knob->name != NULL; knob++) {
            uint64_t *value = mob_config_knob(&config, knob->name);
            cr_assert_eq((char *)value, (char *)&config + knob->offset);
        }
        cr_assert_gt(config.health_period, 0);
        cr_assert_gt(config.hop, 0);
    }
    mob_config_init(&config, MOB_PROFILE_IDEAL);
    cr_assert_eq(config.health_misses, 2);
    cr_assert_eq(config.cost_node, 0);
    cr_assert_null(mob_config_knob(&config, "health"));
    cr_assert_eq(mob_profile_by_name("real"), MOB_PROFILE_COUNT);
}

Test(process, an_outbox_owns_what_is_put_in_until_it_is_dropped)
{
    MobOutbox out;
    MobAnswer answer = {.values = g_new0(MobValue *, 1), .value_count = 1};

    mob_outbox_init(&out);
    answer.values[0] = mob_value_nil();
    mob_send(&out, (MobAddress){1, 2}, mob_health_check_new());
    mob_start(&out, (MobBodyId){1}, mob_spec_new(), mob_args_new(0), 1, mob_value_nil());
    mob_resume(&out, (MobBodyId){1}, answer);
    mob_output(&out, (MobBodyId){1}, mob_str_new("hello"));
    mob_exit(&out, mob_str_new("done"));
    mob_persist(&out, mob_str_new("key"), g_bytes_new_static("x", 1));
    mob_set_timer(&out, MOB_TIMER_RETRY, 7);
    mob_note(&out, (MobNote){.kind = MOB_NOTE_GCS_DIED});
    cr_assert_eq(out.notes->len, 0, "nobody listens");
    out.wanted = UINT64_MAX;
    mob_note(&out, (MobNote){.kind = MOB_NOTE_GCS_DIED});
    cr_assert_eq(out.notes->len, 1);
    cr_assert_eq(out.effects->len, 5);

    mob_outbox_drop(&out);
    cr_assert_eq(out.effects->len + out.persists->len + out.notes->len, 0);
    cr_assert_eq(out.alarms[MOB_TIMER_RETRY], 0);
    mob_outbox_clear(&out);
    cr_assert_str_eq(mob_note_name(mob_note_by_name("object.copy_lost")), "object.copy_lost");
    cr_assert_eq(mob_note_by_name("object.found"), MOB_NOTE_COUNT);
    cr_assert(mob_timer_is_background(MOB_TIMER_HEALTH));
    cr_assert_not(mob_timer_is_background(MOB_TIMER_RETRY));
    cr_assert_str_eq(mob_input_name(MOB_INPUT_EVICT), "evict");
    cr_assert_str_eq(mob_input_name(MOB_INPUT_PRINTED), "printed");
    cr_assert_str_eq(mob_input_name(MOB_INPUT_DISK), "disk");
    cr_assert_str_eq(mob_call_name(MOB_CALL_RAISE), "raise");
}

Test(value, a_reference_is_stepped_over_whatever_its_numbers_and_name)
{
    static const size_t lengths[] = {0, 1, 23, 24, 255, 256, 1000};

    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_autofree char *text = g_strnfill(lengths[i], 'x');
        MobStr *path = mob_str_new(text);
        MobRef ref = {{{1, 2}, UINT32_C(1) << (i * 5), 0}, {3, UINT32_C(1) << (i * 4)}, path};
        MobCborWriter writer;
        mob_cbor_init(&writer);
        mob_cbor_array(&writer, 2);
        mob_cbor_ref(&writer, &ref);
        mob_cbor_int(&writer, 77);
        g_autoptr(MobValue) value = mob_cbor_finish(&writer, 0);
        mob_cbor_clear(&writer);
        mob_str_unref(path);

        MobCborReader reader = {value->bytes, value->bytes + value->length, .checked = true};
        cr_assert_eq(mob_cbor_next(&reader).type, MOB_CBOR_ARRAY);
        cr_assert_eq(mob_cbor_next(&reader).number, MOB_CBOR_REF);
        mob_cbor_pass_ref(&reader);
        cr_assert_eq(mob_cbor_next(&reader).number, 77);
        cr_assert_eq(reader.at, reader.end);
    }
}
