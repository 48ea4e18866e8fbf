/* claims.c: what must hold.
 *
 *     always, never     after every event that touches what they look at
 *     eventually        at some time within a span, and after c:calm again
 *     sometimes         at least once in a sweep: a run only says whether
 *     reached           at least once in this run
 *     leads_to          each p is followed by a q about the same task or object
 *
 * A claim is a function of c.state and can only change when what it looked at
 * has changed; so each remembers which kinds of entries it has ever read, and
 * is asked again only after events that touch them.
 */
#include "lua/scenario_parts.h"

#include "lua/errors.h"

typedef enum {
    ALWAYS,
    NEVER,
    EVENTUALLY,
    SOMETIMES,
    REACHED,
    LEADS_TO,
} ClaimKind;

static const char *const kind_names[] = {"always",    "never",   "eventually",
                                         "sometimes", "reached", "leads_to"};

/* A p that waits for its q. */
typedef struct {
    char *subject;
    char *event; /* "object.lost O1" */
    uint64_t number;
    MobTime at;
    MobTime deadline;
} Promise;

struct MobClaim {
    ClaimKind kind;
    char *name;
    uint32_t line;
    int function;
    uint32_t reads; /* kinds of entries that it has looked at */
    bool asked;     /* at least once */
    bool holds;     /* when it was asked last */
    bool settled;   /* eventually: it has come true (since calm) */
    MobTime within; /* MOB_TIME_NEVER: no limit */
    MobTime deadline;
    uint64_t passes;
    uint64_t fails;
    uint64_t first_pass;
    uint64_t first_fail;
    GArray *promises; /* of Promise: leads_to, oldest first */
};

static void
clear_promise(void *data)
{
    Promise *promise = data;

    g_free(promise->subject);
    g_free(promise->event);
}

void
mob_claim_free(MobClaim *claim)
{
    if (claim->promises != NULL)
        g_array_unref(claim->promises);
    g_free(claim->name);
    g_free(claim);
}

/* --- what an event touches --- */

#define BIT(view) (UINT32_C(1) << MOB_VIEW_##view)

/* What may change when a process or a machine dies. */
#define MORTAL (MOB_VIEW_ALL & ~(BIT(logs) | BIT(jobs) | BIT(messages)))

static uint32_t
touched_by(MobNoteKind kind)
{
    const char *name = mob_note_name(kind);

    if (g_str_has_prefix(name, "task."))
        return BIT(tasks) | BIT(attempts) | BIT(objects);
    if (g_str_has_prefix(name, "object."))
        return BIT(objects) | BIT(copies) | BIT(refs) | BIT(tasks);
    if (g_str_has_prefix(name, "ref."))
        return BIT(refs) | BIT(objects);
    if (g_str_has_prefix(name, "lease."))
        return BIT(leases);
    if (g_str_has_prefix(name, "worker."))
        return BIT(workers) | BIT(attempts) | BIT(leases);
    if (g_str_has_prefix(name, "job."))
        return BIT(jobs) | BIT(refs) | BIT(leases);
    if (g_str_has_prefix(name, "message."))
        return BIT(messages);
    if (kind == MOB_NOTE_OUTPUT)
        return BIT(logs);
    if (kind == MOB_NOTE_GET_BLOCKED || kind == MOB_NOTE_GET_RESUMED || kind == MOB_NOTE_DECIDE)
        return 0;
    return MORTAL; /* machines, the GCS, faults */
}

static uint32_t
touched(MobScene *scene, const MobEvent *event)
{
    uint32_t views = scene->proc_changed ? MORTAL : 0;

    scene->proc_changed = false;
    if (event == NULL)
        return MOB_VIEW_ALL;
    for (size_t i = 0; i < event->note_count; i++)
        views |= scene->touches[event->notes[i].kind];
    return views;
}

void
mob_claims_init(MobScene *scene)
{
    for (int kind = 0; kind < MOB_NOTE_COUNT; kind++)
        scene->touches[kind] = touched_by((MobNoteKind)kind);
}

/* --- asking --- */

static void
broke(MobScene *scene, MobClaim *claim, const char *why)
{
    MobScenario *scenario = scene->scenario;
    char *now = mob_time_text(scene->control->now(scene->control));

    mob_scene_fail(scene, MOB_OUTCOME_FAILED, claim->line,
                   g_strdup_printf("%s:%u: %s \"%s\" broke at @%" G_GUINT64_FORMAT ", %s%s%s",
                                   scenario->file, claim->line, kind_names[claim->kind],
                                   claim->name, scene->state->event, now,
                                   why[0] != '\0' ? "\n  " : "", why));
    g_free(now);
}

/* The error of the claim's function is on top of the stack: of an assertion,
 * which breaks the claim, or a mistake of the script. */
static void
raised(MobScene *scene, MobClaim *claim, lua_State *lua)
{
    GString *text = g_string_new(NULL);
    MobOutcome outcome = mob_scenario_classify(scene->scenario, lua);

    mob_lua_describe_error(lua, -1, text);
    if (outcome == MOB_OUTCOME_FAILED && claim->kind == ALWAYS) {
        broke(scene, claim, text->str);
        g_string_free(text, TRUE);
        return;
    }
    g_string_append_printf(text, "\n  in %s \"%s\"", kind_names[claim->kind], claim->name);
    mob_scene_fail(scene, outcome, claim->line, g_string_free(text, FALSE));
}

/* Asks the function; false if the run has failed. */
static bool
ask(MobScene *scene, MobClaim *claim)
{
    lua_State *lua = scene->scenario->now;
    int top = lua_gettop(lua);
    bool good;

    lua_checkstack(lua, LUA_MINSTACK);
    scene->views_read = 0;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, claim->function);
    mob_state_push(lua, scene);
    good = mob_scenario_pcall(scene->scenario, lua, 1, 1);
    claim->reads |= scene->views_read;
    claim->asked = true;
    if (good)
        claim->holds = lua_toboolean(lua, -1) || (claim->kind == ALWAYS && lua_isnil(lua, -1));
    else
        raised(scene, claim, lua);
    lua_settop(lua, top);
    return good;
}

static void
count(MobScene *scene, MobClaim *claim, bool pass)
{
    uint64_t *first = pass ? &claim->first_pass : &claim->first_fail;

    *(pass ? &claim->passes : &claim->fails) += 1;
    if (*first == 0)
        *first = MAX(scene->state->event, 1);
}

/* Before the first event: only what it looks at matters, not what it says. */
static void
learn_reads(MobScene *scene, MobClaim *claim)
{
    lua_State *lua = scene->scenario->now;
    int top = lua_gettop(lua);

    if (claim->asked)
        return;
    lua_checkstack(lua, LUA_MINSTACK);
    scene->views_read = 0;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, claim->function);
    mob_state_push(lua, scene);
    if (!mob_scenario_pcall(scene->scenario, lua, 1, 0) &&
        mob_scenario_classify(scene->scenario, lua) != MOB_OUTCOME_FAILED)
        raised(scene, claim, lua);
    claim->reads = scene->views_read;
    claim->asked = true;
    lua_settop(lua, top);
}

static void
judge(MobScene *scene, MobClaim *claim)
{
    if (claim->kind == EVENTUALLY ? claim->settled : claim->kind >= SOMETIMES && claim->passes > 0)
        return;
    if (!ask(scene, claim)) {
        count(scene, claim, false);
        return;
    }
    count(scene, claim, claim->kind == NEVER ? !claim->holds : claim->holds);
    if (claim->kind == ALWAYS && !claim->holds)
        broke(scene, claim, "it returned false");
    else if (claim->kind == NEVER && claim->holds)
        broke(scene, claim, "it came true");
    else if (claim->kind == EVENTUALLY)
        claim->settled = claim->holds;
}

static void
too_late(MobScene *scene, MobClaim *claim)
{
    char *deadline = mob_time_text(claim->deadline);
    char *why = g_strdup_printf("it did not come true by %s", deadline);

    broke(scene, claim, why);
    g_free(why);
    g_free(deadline);
}

static void
check_promises(MobScene *scene, MobClaim *claim)
{
    const Promise *oldest;

    if (claim->promises->len == 0)
        return;
    oldest = &g_array_index(claim->promises, Promise, 0);
    if (scene->control->now(scene->control) <= oldest->deadline)
        return;
    char *at = mob_time_text(oldest->at);
    char *why = g_strdup_printf("nothing followed %s at @%" G_GUINT64_FORMAT ", %s", oldest->event,
                                oldest->number, at);
    count(scene, claim, false);
    broke(scene, claim, why);
    g_free(why);
    g_free(at);
}

void
mob_claims_judge(MobScene *scene, const MobEvent *event)
{
    uint32_t views = touched(scene, event);
    MobTime now = scene->control->now(scene->control);

    for (guint i = 0; i < scene->claims->len && scene->failure == NULL; i++) {
        MobClaim *claim = scene->claims->pdata[i];
        if (claim->kind == LEADS_TO) {
            check_promises(scene, claim);
            continue;
        }
        if (claim->kind == EVENTUALLY && !claim->settled && now > claim->deadline)
            too_late(scene, claim);
        else if (event == NULL && (claim->kind == ALWAYS || claim->kind == NEVER))
            learn_reads(scene, claim);
        else if (!claim->asked || (claim->reads & views) != 0)
            judge(scene, claim);
    }
}

/* --- leads_to --- */

static char *
event_text(const MobFact *fact, const char *subject)
{
    return g_strdup_printf("%s %s", mob_note_name(fact->note->kind), subject);
}

static void
on_promise(MobScene *scene, MobHook *hook, const MobFact *fact)
{
    MobClaim *claim = hook->data;
    GString *subject = g_string_new(NULL);
    Promise promise = {.number = fact->event->number, .at = fact->event->at};

    mob_fact_subject(fact, subject);
    promise.event = event_text(fact, subject->str);
    promise.subject = g_string_free(subject, FALSE);
    promise.deadline =
        claim->within > MOB_TIME_NEVER - promise.at ? MOB_TIME_NEVER : promise.at + claim->within;
    g_array_append_val(claim->promises, promise);
}

/* What is about nothing in particular answers everything. */
static void
on_kept(MobScene *scene, MobHook *hook, const MobFact *fact)
{
    MobClaim *claim = hook->data;
    GString *subject = g_string_new(NULL);

    mob_fact_subject(fact, subject);
    for (guint i = 0; i < claim->promises->len;) {
        const Promise *promise = &g_array_index(claim->promises, Promise, i);
        if (subject->len == 0 || promise->subject[0] == '\0' ||
            strcmp(promise->subject, subject->str) == 0) {
            g_array_remove_index(claim->promises, i);
            count(scene, claim, true);
        } else {
            i++;
        }
    }
    g_string_free(subject, TRUE);
}

/* --- making --- */

static MobClaim *
new_claim(lua_State *lua, MobScene *scene, ClaimKind kind)
{
    const char *name = luaL_checkstring(lua, 2);
    MobClaim *claim = g_new0(MobClaim, 1);

    claim->kind = kind;
    claim->name = g_strdup(name);
    claim->line = mob_script_line(lua);
    claim->function = LUA_NOREF;
    claim->within = claim->deadline = MOB_TIME_NEVER;
    g_ptr_array_add(scene->claims, claim);
    return claim;
}

static int
claim_with_function(lua_State *lua, ClaimKind kind)
{
    MobScene *scene = mob_scene_check(lua, 1);

    luaL_checktype(lua, 3, LUA_TFUNCTION);
    lua_settop(lua, 3);
    new_claim(lua, scene, kind)->function = luaL_ref(lua, LUA_REGISTRYINDEX);
    return 0;
}

static int
claim_always(lua_State *lua)
{
    return claim_with_function(lua, ALWAYS);
}

static int
claim_never(lua_State *lua)
{
    return claim_with_function(lua, NEVER);
}

static int
claim_sometimes(lua_State *lua)
{
    return claim_with_function(lua, SOMETIMES);
}

static int
claim_reached(lua_State *lua)
{
    return claim_with_function(lua, REACHED);
}

/* c:eventually(name, { within = "2s" }?, function(state)) */
static int
claim_eventually(lua_State *lua)
{
    static const char *const words[] = {"within", NULL};
    MobScene *scene = mob_scene_check(lua, 1);
    MobTime within = MOB_TIME_NEVER;
    int function = lua_isfunction(lua, 3) ? 3 : 4;
    MobClaim *claim;

    luaL_checktype(lua, function, LUA_TFUNCTION);
    if (function == 4) {
        luaL_checktype(lua, 3, LUA_TTABLE);
        mob_check_words(lua, 3, "eventually", words);
        within = mob_field_time(lua, 3, "within", MOB_TIME_NEVER);
    }
    claim = new_claim(lua, scene, EVENTUALLY);
    lua_settop(lua, function);
    claim->function = luaL_ref(lua, LUA_REGISTRYINDEX);
    claim->within = within;
    if (within != MOB_TIME_NEVER)
        claim->deadline = scene->control->now(scene->control) + within;
    return 0;
}

/* c:leads_to(name, match, match, "1s") */
static int
claim_leads_to(lua_State *lua)
{
    MobScene *scene = mob_scene_check(lua, 1);
    MobTime within = lua_isnoneornil(lua, 5) ? MOB_TIME_NEVER : mob_lua_to_time(lua, 5, "within");
    MobClaim *claim = new_claim(lua, scene, LEADS_TO);
    MobHook *hook;

    claim->within = within;
    claim->promises = g_array_new(FALSE, FALSE, sizeof(Promise));
    g_array_set_clear_func(claim->promises, clear_promise);
    hook = mob_hook_add(scene, mob_match_new(lua, NULL, 4), on_kept, claim);
    hook->every = true;
    hook = mob_hook_add(scene, mob_match_new(lua, NULL, 3), on_promise, claim);
    hook->every = true;
    return 0;
}

const luaL_Reg mob_scene_claims[] = {
    {"always", claim_always},
    {"never", claim_never},
    {"eventually", claim_eventually},
    {"sometimes", claim_sometimes},
    {"reached", claim_reached},
    {"leads_to", claim_leads_to},
    {NULL, NULL},
};

/* --- calm and the end --- */

void
mob_claims_calm(MobScene *scene)
{
    for (guint i = 0; i < scene->claims->len; i++) {
        MobClaim *claim = scene->claims->pdata[i];
        if (claim->kind != EVENTUALLY)
            continue;
        claim->settled = claim->asked = false;
        if (claim->within != MOB_TIME_NEVER)
            claim->deadline = scene->control->now(scene->control) + claim->within;
    }
}

/* How long somebody still has to wait: the latest deadline; 0 if nobody waits. */
static MobTime
latest_deadline(const MobScene *scene)
{
    MobTime latest = 0;

    for (guint i = 0; i < scene->claims->len; i++) {
        const MobClaim *claim = scene->claims->pdata[i];
        if (claim->kind == EVENTUALLY && !claim->settled)
            latest = MAX(latest, claim->deadline);
        if (claim->kind == LEADS_TO && claim->promises->len > 0)
            latest = MAX(
                latest, g_array_index(claim->promises, Promise, claim->promises->len - 1).deadline);
    }
    return latest;
}

static void
judge_unsettled(MobScene *scene, MobClaim *claim)
{
    if (claim->kind == EVENTUALLY && !claim->settled)
        broke(scene, claim, "the cluster has come to rest and it is not so");
    else if (claim->kind == LEADS_TO && claim->promises->len > 0)
        broke(scene, claim, g_array_index(claim->promises, Promise, 0).event);
    else if (claim->kind == REACHED && claim->passes == 0)
        broke(scene, claim, "it was never so in this run");
}

void
mob_claims_settle(MobScene *scene)
{
    MobTime latest = latest_deadline(scene), now = scene->control->now(scene->control);

    if (scene->claims->len == 0)
        return;
    mob_claims_judge(scene, NULL);
    if (latest > now && scene->failure == NULL) {
        MobUntil until = {.time = latest, .limit = now + 3600 * MOB_SECOND};
        if (latest > until.limit)
            until.time = MOB_TIME_NEVER;
        mob_scene_run_world(scene, scene->scenario->lua, &until);
        if (scene->failure == NULL)
            mob_claims_judge(scene, NULL);
    }
    for (guint i = 0; i < scene->claims->len && scene->failure == NULL; i++)
        judge_unsettled(scene, scene->claims->pdata[i]);
}

void
mob_claims_results(MobScene *scene, GPtrArray *into)
{
    for (guint i = 0; i < scene->claims->len; i++) {
        const MobClaim *claim = scene->claims->pdata[i];
        MobClaimResult *row = g_new0(MobClaimResult, 1);
        row->kind = g_strdup(kind_names[claim->kind]);
        row->name = g_strdup(claim->name);
        row->line = claim->line;
        row->passes = claim->passes;
        row->fails = claim->fails;
        row->first_pass = claim->first_pass;
        row->first_fail = claim->first_fail;
        switch (claim->kind) {
        case ALWAYS:
        case NEVER:
            row->ok = claim->fails == 0;
            break;
        case EVENTUALLY:
            row->ok = claim->settled;
            break;
        case SOMETIMES:
        case REACHED:
            row->ok = claim->passes > 0;
            break;
        case LEADS_TO:
            row->ok = claim->fails == 0 && claim->promises->len == 0;
            break;
        }
        g_ptr_array_add(into, row);
    }
}
