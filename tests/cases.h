/* cases.h: scripts and what comes of them, as tables. */
#pragma once

#include "tests/stage.h"

typedef struct {
    const char *text;
    MobOutcome outcome;
    const char *says; /* is in the message; NULL: there is none */
} Case;

/* What every script begins with, on one line, so that its own first line is 2. */
#define BEGIN "local sim = require 'mobula.sim' local cluster = require 'begin'\n"

/* cluster{…} makes a cluster, of three machines unless told otherwise, and
 * submits two tasks in a row to it, whose answer is 42. */
static const char begin[] = "local sim = require 'mobula.sim'\n"
                            "local function program(m)\n"
                            "  local f = m.remote('f', function(x)\n"
                            "    m.compute('10ms')\n"
                            "    return x + 1\n"
                            "  end)\n"
                            "  return m.get(f.remote(f.remote(40)))\n"
                            "end\n"
                            "return function(options)\n"
                            "  options = options or {}\n"
                            "  options.nodes = options.nodes or 3\n"
                            "  local c = sim.cluster(options)\n"
                            "  return c, c:submit(program)\n"
                            "end\n";

static char *
read_begin(void *data, const char *path, size_t *length, GError **error)
{
    if (strcmp(path, "begin.lua") != 0)
        return stage_read(data, path, length, error);
    *length = strlen(begin);
    return g_strdup(begin);
}

static void
play(const char *text, uint64_t seed, MobScenarioResult *result, GString *said)
{
    Stage *stage = stage_new(seed);
    g_autofree char *whole = g_strconcat(BEGIN, text, NULL);

    stage->host.read = read_begin;
    mob_scenario_result_init(result);
    mob_scenario_run(&stage->host, "case.lua", whole, result);
    if (said != NULL)
        g_string_append(said, stage->said->str);
    stage_free(stage);
}

static void
check(const Case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        MobScenarioResult result;

        play(cases[i].text, 0, &result, NULL);
        cr_assert_eq(result.outcome, cases[i].outcome, "%s\nis %s: %s", cases[i].text,
                     mob_outcome_name(result.outcome), result.message);
        if (cases[i].says == NULL)
            cr_assert_null(result.message, "%s\nsays %s", cases[i].text, result.message);
        else
            cr_assert_not_null(strstr(result.message, cases[i].says), "%s\nsays %s, not %s",
                               cases[i].text, result.message, cases[i].says);
        mob_scenario_result_clear(&result);
    }
}

#define CHECK(cases) check(cases, G_N_ELEMENTS(cases))
