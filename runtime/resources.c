/* resources.c: see resources.h. */
#include "runtime/resources.h"

#include <string.h>

#include "runtime/ids.h"

MobCustoms *
mob_customs_new(uint32_t count)
{
    MobCustoms *customs = g_malloc0(sizeof *customs + count * sizeof customs->items[0]);

    customs->refs_held = 1;
    customs->count = count;
    return customs;
}

static int
compare_customs(const void *a, const void *b)
{
    const MobCustom *left = a;
    const MobCustom *right = b;

    return strcmp(mob_str(left->name), mob_str(right->name));
}

void
mob_customs_sort(MobCustoms *customs)
{
    /* Insertion sort: there are two or three of them, and it is stable. */
    for (uint32_t i = 1; i < customs->count; i++) {
        MobCustom item = customs->items[i];
        uint32_t at = i;
        for (; at > 0 && compare_customs(&customs->items[at - 1], &item) > 0; at--)
            customs->items[at] = customs->items[at - 1];
        customs->items[at] = item;
    }
}

MobCustoms *
mob_customs_ref(MobCustoms *customs)
{
    if (customs != NULL)
        customs->refs_held++;
    return customs;
}

void
mob_customs_unref(MobCustoms *customs)
{
    if (customs == NULL || --customs->refs_held > 0)
        return;
    for (uint32_t i = 0; i < customs->count; i++)
        mob_str_unref(customs->items[i].name);
    g_free(customs);
}

MobResources
mob_resources_copy(const MobResources *from)
{
    return (MobResources){from->cpu, from->memory, mob_customs_ref(from->customs)};
}

void
mob_resources_clear(MobResources *resources)
{
    mob_customs_unref(resources->customs);
    *resources = (MobResources){0};
}

static uint32_t
custom_count(const MobResources *resources)
{
    return resources->customs != NULL ? resources->customs->count : 0;
}

bool
mob_resources_eq(const MobResources *a, const MobResources *b)
{
    if (a->cpu != b->cpu || a->memory != b->memory || custom_count(a) != custom_count(b))
        return false;
    if (a->customs == b->customs)
        return true;
    for (uint32_t i = 0; i < custom_count(a); i++) {
        const MobCustom *left = &a->customs->items[i];
        const MobCustom *right = &b->customs->items[i];
        if (left->amount != right->amount || !mob_str_eq(left->name, right->name))
            return false;
    }
    return true;
}

uint64_t
mob_resources_hash(const MobResources *resources)
{
    uint64_t hash = mob_mix((uint64_t)resources->cpu ^ mob_mix((uint64_t)resources->memory));

    for (uint32_t i = 0; i < custom_count(resources); i++) {
        const MobCustom *item = &resources->customs->items[i];
        hash = mob_mix(hash ^ mob_str_hash(item->name)) + (uint64_t)item->amount;
    }
    return hash;
}

/* Returns the position of @name among the customs of @in, or -1. */
static int64_t
find_custom(const MobResources *in, const MobStr *name)
{
    for (uint32_t i = 0; i < custom_count(in); i++)
        if (mob_str_eq(in->customs->items[i].name, name))
            return i;
    return -1;
}

bool
mob_resources_fit(const MobResources *have, const MobResources *want)
{
    if (want->cpu > have->cpu || want->memory > have->memory)
        return false;
    for (uint32_t i = 0; i < custom_count(want); i++) {
        const MobCustom *item = &want->customs->items[i];
        int64_t at = find_custom(have, item->name);
        if (item->amount > (at < 0 ? 0 : have->customs->items[at].amount))
            return false;
    }
    return true;
}

/* Makes the customs of @resources its own, so that they may be changed. */
static void
own_customs(MobResources *resources)
{
    if (resources->customs == NULL || resources->customs->refs_held == 1)
        return;
    MobCustoms *own = mob_customs_new(resources->customs->count);
    for (uint32_t i = 0; i < own->count; i++) {
        own->items[i] = resources->customs->items[i];
        mob_str_ref(own->items[i].name);
    }
    mob_customs_unref(resources->customs);
    resources->customs = own;
}

void
mob_resources_add(MobResources *to, const MobResources *amount, int times)
{
    to->cpu += amount->cpu * times;
    to->memory += amount->memory * times;
    if (custom_count(amount) == 0)
        return;

    own_customs(to);
    for (uint32_t i = 0; i < amount->customs->count; i++) {
        const MobCustom *item = &amount->customs->items[i];
        int64_t at = find_custom(to, item->name);
        if (item->amount == 0)
            continue; /* who asks for none of it fits where there is none */
        g_assert(at >= 0);
        to->customs->items[at].amount += item->amount * times;
    }
}

/* Appends an amount in ten-thousandths without needless zeros. */
static void
print_amount(int64_t amount, GString *into)
{
    uint64_t size = amount < 0 ? -(uint64_t)amount : (uint64_t)amount;

    g_string_append_printf(into, "%s%" G_GUINT64_FORMAT, amount < 0 ? "-" : "",
                           size / (uint64_t)MOB_UNIT);
    if (size % (uint64_t)MOB_UNIT == 0)
        return;
    g_string_append_printf(into, ".%04u", (unsigned)(size % (uint64_t)MOB_UNIT));
    while (into->str[into->len - 1] == '0')
        g_string_truncate(into, into->len - 1);
}

static void
print_bytes(int64_t bytes, GString *into)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;

    while (unit + 1 < G_N_ELEMENTS(units) && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    g_string_append_printf(into, "%" G_GINT64_FORMAT "%s", bytes, units[unit]);
}

void
mob_resources_print(const MobResources *resources, GString *into)
{
    size_t start = into->len;

    if (resources->cpu != 0 || (custom_count(resources) == 0 && resources->memory == 0)) {
        g_string_append(into, "cpus=");
        print_amount(resources->cpu, into);
    }
    for (uint32_t i = 0; i < custom_count(resources); i++) {
        const MobCustom *item = &resources->customs->items[i];
        g_string_append_printf(into, "%s%s=", into->len > start ? " " : "", mob_str(item->name));
        print_amount(item->amount, into);
    }
    if (resources->memory != 0) {
        g_string_append(into, into->len > start ? " memory=" : "memory=");
        print_bytes(resources->memory, into);
    }
}
