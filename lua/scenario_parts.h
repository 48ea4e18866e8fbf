/* scenario_parts.h: what the files of the scenario layer share; nobody else
 * includes it.
 *
 *     session.c    the Lua state of a file, and what came of its clusters
 *     scenario.c   clusters: making, watching
 *     machines.c   the options of sim.cluster
 *     jobs.c       c:submit, jobs
 *     runs.c       c:run
 *     verbs.c      breaking and mending
 *     orders.c     orders that were given, and their handles
 *     hooks.c      c:on, c:at, c:every and their chains
 *     stories.c    stories
 *     state_view.c state_fields.c selectors.c   c.state and its kin
 *     claims.c     what must hold
 *     chaos.c      faults drawn from the seed
 *
 * The Lua state belongs to run.c or spec.c. A cluster lives as long as the
 * Lua state does, because a script may keep anything of it; what ends earlier
 * is its world: then control is NULL.
 *
 * An error in Lua unwinds with longjmp: nothing that owns memory may stand on
 * the C stack while Lua can raise.
 */
#pragma once

#include <lauxlib.h>
#include <lua.h>

#include "lua/match.h"
#include "lua/sandbox.h"
#include "lua/scenario.h"
#include "lua/value.h"
#include "lua/words.h"

typedef struct MobScenario MobScenario;
typedef struct MobScene MobScene;
typedef struct MobHook MobHook;
typedef struct MobAlarm MobAlarm;
typedef struct MobStory MobStory;
typedef struct MobClaim MobClaim;
typedef struct MobChaos MobChaos;

#define MOB_META_CLUSTER "mobula.cluster"
#define MOB_META_JOB     "mobula.job"
#define MOB_META_FAULT   "mobula.fault"
#define MOB_META_CHAIN   "mobula.chain"
#define MOB_META_LIST    "mobula.list"
#define MOB_META_ENTRY   "mobula.entry"
#define MOB_META_STATE   "mobula.state"
#define MOB_META_RANGE   "mobula.range"

struct MobScenario {
    MobLuaSandbox sandbox; /* first, so that a Lua state leads here */
    const MobScenarioHost *host;
    lua_State *lua;
    lua_State *now;      /* the thread that let the world run: callbacks run on it */
    GPtrArray *clusters; /* of MobScene, owned */
    MobStory *story;     /* that runs just now */
    char *file;          /* as it stands in messages */
    const char *text;    /* of the file, borrowed; functions given to c:submit are cut out of it */
    MobPickConfig pick_config;
    MobPicks *picks; /* for math.random in the script */
    char *assertion; /* the last assertion that failed, as raised */
    void (*open)(lua_State *lua, MobScenario *scenario); /* more globals for a spec; may be NULL */
};

struct MobScene {
    MobScenario *scenario;
    MobControl *control; /* NULL: closed */
    MobState *state;
    bool own_state;
    uint32_t number; /* in its file, from 1 */
    uint32_t line;
    uint64_t seed;
    MobWatcher watcher;
    MobWatcher dear; /* added when somebody asks for messages */
    GPtrArray
        *by_kind[MOB_NOTE_COUNT]; /* of MobHook, borrowed, in the order of making; NULL: none */
    GPtrArray *hooks;             /* of MobHook, owned */
    GPtrArray *alarms;            /* of MobAlarm, owned: those that have not gone off */
    GPtrArray *stories;           /* of MobStory, owned */
    GPtrArray *claims;            /* of MobClaim, owned */
    GPtrArray *faults;            /* of MobFaultRecord, owned */
    GPtrArray *jobs;              /* of MobScenarioJob, owned */
    GPtrArray *traffic;           /* of MobTraffic, owned; NULL: messages are not counted */
    MobTable *traffic_by_link;
    MobTime calm_until; /* the jobs must be done by then; MOB_TIME_NEVER: no matter */
    uint32_t calm_line;
    MobChaos *chaos;                  /* NULL: none */
    uint32_t views_read;              /* bit per MobViewKind: what scripts have looked at */
    uint32_t call_line;               /* of the chain that gives orders just now; 0: ask Lua */
    uint32_t touches[MOB_NOTE_COUNT]; /* bit per MobViewKind: what such a note may change */
    bool proc_changed;                /* a process was born or died since claims were asked */
    bool running;                     /* inside control->run() */
    bool ran;
    bool has_dead_hooks;
    uint32_t depth;     /* orders tell of themselves inside the event that gave them */
    MobOutcome outcome; /* the first thing that went wrong */
    char *failure;
    uint32_t failure_line;
};

struct MobHook {
    MobMatch *match;
    uint32_t seen;
    uint64_t fired;
    uint32_t line;
    bool every; /* fires at every match, else at the first (or count-th) only */
    bool dead;
    void (*fire)(MobScene *scene, MobHook *hook, const MobFact *fact);
    int function; /* of a script; LUA_NOREF: none */
    int chain;
    void *data;
};

struct MobAlarm {
    MobScene *scene;
    void (*fire)(MobScene *scene, MobAlarm *alarm);
    int function;
    int chain;
    void *data;
    uint32_t line;
    uint64_t left; /* of c:every: times still to come */
    MobTime period;
    MobTime jitter;
    uint64_t rounds;
    bool owns_data;
    bool set;   /* it will go off (again) */
    guint slot; /* in scene->alarms */
};

typedef struct {
    MobScene *scene;
    uint32_t number; /* of control */
    MobVerb verb;
    uint32_t line;
    char *text; /* "cut n1 from n2" */
    char *a;    /* what it is about, for release, resume and heal */
    char *b;
    bool chaos;
    bool healed;
} MobFaultRecord;

typedef struct {
    MobScene *scene;
    uint32_t number;
    char *name;
    uint32_t line;
    bool looked_at; /* the script asked how it ended: then it need not have ended well */
} MobScenarioJob;

typedef struct {
    MobAddress from;
    MobAddress to;
    MobMsgType type;
    uint64_t count;
    uint64_t bytes;
} MobTraffic;

/* --- session.c --- */
/* Opens a fresh Lua state for the file; @text outlives the scenario. */
MobScenario *mob_scenario_new(const MobScenarioHost *host, const char *file, const char *text);
void mob_scenario_free(MobScenario *scenario);
static inline MobScenario *
mob_scenario_of(lua_State *lua)
{
    return (MobScenario *)mob_lua_sandbox(lua);
}
/* Calls what is below its @count arguments on @lua, as the script's own code, with a traceback
 * for errors. On failure an error message is on the stack instead of @results. */
bool mob_scenario_pcall(MobScenario *scenario, lua_State *lua, int count, int results);
/* Whether the error on top of the stack says that something failed, or that the script is wrong. */
MobOutcome mob_scenario_classify(MobScenario *scenario, lua_State *lua);
/* Settles what still waits, closes the clusters from @first on and appends their results. */
void mob_scenario_finish(MobScenario *scenario, guint first, MobScenarioResult *result);
/* Sets the outcome unless something failed before. */
void mob_scenario_result_fail(MobScenarioResult *result, MobOutcome outcome, uint32_t line,
                              const char *message);
/* The line in "FILE:LINE: …"; 0 if the message does not begin so. */
uint32_t mob_message_line(const char *file, const char *message);

/* --- run.c --- */
/* The script of the clusters from @first on has raised what is on top of its stack. */
void mob_scenario_script_failed(MobScenario *scenario, guint first, MobScenarioResult *result);

/* --- assert.c --- */
void mob_assert_open(lua_State *lua);

/* --- scenario.c --- */
/* The cluster at @index; an error if it is closed. */
MobScene *mob_scene_check(lua_State *lua, int index);
/* Pushes the Lua value that stands for @cluster. */
void mob_scene_push(lua_State *lua, MobScene *scene);
/* Remembers the first thing that went wrong and stops the run. Takes @message. */
void mob_scene_fail(MobScene *scene, MobOutcome outcome, uint32_t line, char *message);
/* Raises what went wrong, if anything did. */
void mob_scene_raise(lua_State *lua, MobScene *scene);
/* Calls the function below its @count arguments on @lua; an error fails the cluster. */
bool mob_scene_call(MobScene *scene, lua_State *lua, int count, int results, const char *what);
void mob_scene_count_messages(MobScene *scene);
/* Somebody waits for events of this kind. */
void mob_scene_want(MobScene *scene, MobNoteKind kind);
/* Makes the classes and the table that `require "mobula.sim"` returns. */
void mob_scenario_open(lua_State *lua, MobScenario *scenario);
void mob_scenes_free(GPtrArray *clusters);
/* The line of the script that called the running C function; 0 if none did. */
uint32_t mob_script_line(lua_State *lua);
/* Makes the class @name: @methods behind __index, or @index if that is given, and @metas. */
void mob_class_new(lua_State *lua, const char *name, const luaL_Reg *methods,
                   const luaL_Reg *metas);
void mob_say(MobScenario *scenario, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* "8.3 ms" */
char *mob_time_text(MobTime time);

/* --- machines.c --- */
typedef struct {
    MobClusterOptions options;
    GArray *machines;    /* of MobMachine, names owned */
    MobMachine ordinary; /* what a machine is like that is not described further */
    bool count_messages;
} MobClusterPlan;

/* Reads the table at @index. The plan is left on the stack, which owns it. */
MobClusterPlan *mob_plan_new(lua_State *lua, int index);
void mob_machine_init(MobMachine *machine);
/* Fills in a machine from the table at @index (or nil). What it allocates is freed by
 * mob_machine_clear(). */
void mob_machine_read(lua_State *lua, int index, const char *name, MobMachine *machine);
void mob_machine_clear(MobMachine *machine);
/* Field @name of the table at @index (absolute), or @otherwise if it is nil. */
MobTime mob_field_time(lua_State *lua, int index, const char *name, MobTime otherwise);
uint64_t mob_field_size(lua_State *lua, int index, const char *name, uint64_t otherwise);
uint64_t mob_field_bps(lua_State *lua, int index, const char *name);
/* A share from 0 to 1 (or @most), as parts per million. */
uint32_t mob_field_share(lua_State *lua, int index, const char *name, uint32_t otherwise);
uint32_t mob_check_share(lua_State *lua, int index, const char *what, double most);

/* --- jobs.c --- */
int mob_scene_submit(lua_State *lua);
void mob_jobs_open(lua_State *lua);
bool mob_scene_jobs_done(const MobScene *scene);
MobScenarioJob *mob_job_check(lua_State *lua, int index);

/* --- runs.c --- */
int mob_scene_run(lua_State *lua);
int mob_scene_step(lua_State *lua);
int mob_scene_now(lua_State *lua);
/* Lets the world run; callbacks run on @lua. */
MobRunEnd mob_scene_run_world(MobScene *scene, lua_State *lua, const MobUntil *until);
/* Runs what was submitted and never run; protected, so that errors fail the cluster. */
void mob_scene_run_out(MobScene *scene);

/* --- verbs.c --- */
extern const luaL_Reg mob_scene_verbs[];
void mob_verbs_open(lua_State *lua);
/* What an argument names: text, or an entry of c.state. Never NULL. */
const char *mob_check_target(lua_State *lua, int index, const char *what);
/* Gives an order that no script stands behind. Returns NULL if it cannot be carried out. */
MobFaultRecord *mob_fault_give(MobScene *scene, const MobOrder *order, bool chaos, GError **error);
void mob_fault_heal(MobFaultRecord *fault);
void mob_fault_heal_after(MobFaultRecord *fault, MobTime duration);
/* Orders the restart of what was just killed; of chaos it is no error if that cannot be. */
void mob_restart_after(MobScene *scene, const char *target, bool wipe, MobTime after, uint32_t line,
                       bool chaos);
void mob_fault_record_free(MobFaultRecord *fault);

/* --- hooks.c --- */
void mob_hooks_open(lua_State *lua);
extern const luaL_Reg mob_scene_hooks[];
/* Takes @match. */
MobHook *mob_hook_add(MobScene *scene, MobMatch *match,
                      void (*fire)(MobScene *, MobHook *, const MobFact *), void *data);
void mob_hook_free(MobHook *hook);
void mob_hooks_fire(MobScene *scene, const MobFact *fact);
void mob_hooks_sweep(MobScene *scene);
MobAlarm *mob_alarm_add(MobScene *scene, MobTime when, void (*fire)(MobScene *, MobAlarm *),
                        void *data);
void mob_alarm_free(MobAlarm *alarm);
void mob_alarm_again(MobAlarm *alarm, MobTime when);
/* What was to happen and never did, for the result. Takes @text. */
void mob_unfired_add(GPtrArray *into, uint32_t line, char *text);
void mob_hooks_unfired(MobScene *scene, GPtrArray *into);

/* --- stories.c --- */
extern const luaL_Reg mob_scene_stories[];
void mob_story_free(MobStory *story);
void mob_stories_unfinished(MobScene *scene, GPtrArray *into);

/* --- state_view.c, state_fields.c, selectors.c --- */
#define MOB_VIEWS(X)                                                                               \
    X(nodes)                                                                                       \
    X(workers)                                                                                     \
    X(tasks)                                                                                       \
    X(attempts)                                                                                    \
    X(objects)                                                                                     \
    X(copies)                                                                                      \
    X(refs)                                                                                        \
    X(leases)                                                                                      \
    X(logs)                                                                                        \
    X(jobs)                                                                                        \
    X(messages)

typedef enum {
#define VIEW(name) MOB_VIEW_##name,
    MOB_VIEWS(VIEW)
#undef VIEW
    MOB_VIEW_COUNT,
} MobViewKind;

enum {
    MOB_VIEW_ALL = (1 << MOB_VIEW_COUNT) - 1,
};

typedef struct {
    const char *name;
    /* Pushes one value for the entry. */
    void (*push)(lua_State *lua, MobScene *scene, const void *entry);
} MobViewField;

void mob_state_view_open(lua_State *lua);
void mob_state_push(lua_State *lua, MobScene *scene);
const MobViewField *mob_view_fields(MobViewKind kind); /* ends with a NULL name; [0] is the id */
void mob_entry_push(lua_State *lua, MobScene *scene, MobViewKind kind, const void *entry);
/* Pushes a list of entries; takes @items. */
void mob_list_push(lua_State *lua, MobScene *scene, MobViewKind kind, GPtrArray *items);
/* The entries of that kind, in their fixed order; borrowed. */
const GPtrArray *mob_view_items(lua_State *lua, MobScene *scene, MobViewKind kind);
uint64_t mob_store_used(MobScene *scene, const MobStateNode *node);
extern const luaL_Reg mob_scene_selectors[];

/* --- claims.c --- */
extern const luaL_Reg mob_scene_claims[];
void mob_claim_free(MobClaim *claim);
void mob_claims_init(MobScene *scene);
/* @event NULL: everything may have changed. */
void mob_claims_judge(MobScene *scene, const MobEvent *event);
void mob_claims_calm(MobScene *scene);
/* Lets the world run until every claim about the future is settled. */
void mob_claims_settle(MobScene *scene);
void mob_claims_results(MobScene *scene, GPtrArray *into);

/* --- ranges.c: sim.uniform, sim.between, sim.among --- */
typedef struct {
    uint32_t count; /* of a list, which is the uservalue; 0: between two values */
    MobTime least;
    MobTime most;
    double low; /* the same as numbers, if they are not texts */
    double high;
    bool is_time;
} MobRange;

int mob_sim_uniform(lua_State *lua);
int mob_sim_between(lua_State *lua);
int mob_sim_among(lua_State *lua);
void mob_ranges_open(lua_State *lua);

/* --- chaos.c --- */
extern const luaL_Reg mob_scene_chaos[];
/* Fails the scene if the time that c:calm gave is over and a job is not. */
void mob_calm_judge(MobScene *scene);
void mob_chaos_free(MobChaos *chaos);
char *mob_chaos_settings(const MobChaos *chaos);
