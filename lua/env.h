/* env.h: a program as one worker has it, and its bodies; for lua/ alone. */
#pragma once

#include "lua/body.h"
#include "lua/sandbox.h"

typedef struct MobLuaEnv MobLuaEnv;
typedef struct MobLuaBody MobLuaBody;

typedef struct {
    uint64_t budget;
    uint64_t memory_max;
    const MobLuaReader *reader;   /* of m.read; borrowed, may be NULL */
    lua_State *volatile *running; /* of the loader: the coroutine that runs; may be NULL */
    uint64_t *impure; /* of the loader: counts questions for time and place; may be NULL */
} MobLuaLoaderOptions;

/* A function of the program that is a task. */
typedef struct {
    MobStr *name;
    int function; /* in the registry */
} MobLuaFunction;

typedef struct {
    char *path;
    char *text;
    size_t length;
} MobLuaFile;

typedef struct {
    lua_State *thread;
    int anchor;
} MobLuaThread;

/* The Lua state of one program in one worker. While a program is being read
 * there is no bundle yet: files come from the reader and are kept. */
struct MobLuaEnv {
    MobLuaSandbox sandbox; /* first, so that a state finds its env */
    lua_State *lua;
    const MobLuaLoaderOptions *options; /* borrowed from the loader */
    MobAddress worker;
    MobStr *bundle_id;
    MobValue *bundle;          /* owned */
    const MobLuaReader *files; /* borrowed; instead of the bundle */
    const char *directory;     /* of the program's file, with a slash, or "" */
    GPtrArray *read_files;     /* of MobLuaFile, owned */
    GError *read_error;        /* why a file could not be read */
    char *entry;               /* path of the file that is run */
    bool is_inline;
    GArray *functions; /* of MobLuaFunction, in the order of definition */
    int main;          /* in the registry, or LUA_NOREF */
    char *broken;      /* why the program cannot be loaded */
    MobLuaBody *body;  /* the one that runs now, or NULL */
    uint32_t bodies;   /* so far */
    uint32_t living;   /* of those: not freed yet */
    bool dropped;      /* its worker has ended: it goes with its last body */
    GArray *idle;      /* of MobLuaThread: coroutines to be used again */
    uint64_t chance;   /* what m.random mixes in, drawn once */
    bool has_chance;
    const char *last_source; /* of the last place of a submit, and its file */
    MobStr *last_file;
};

/* The program asked for what may differ between two right runs. */
static inline void
mob_lua_env_impure(MobLuaEnv *env)
{
    if (env->options->impure != NULL)
        ++*env->options->impure;
}

struct MobLuaBody {
    MobBody base;
    MobLuaEnv *env;
    lua_State *thread;
    int anchor; /* of the thread, in the registry */
    uint32_t number;
    MobBodyContext context;
    MobArgs *args;           /* until the first resume */
    const MobAnswer *answer; /* while it is resumed */
    MobTime now;
    bool places; /* its calls say where they are made */
    MobCall call;
    bool started;
    bool returning; /* its function is over, what it returned is looked at */
    bool ended;
    GArray *refs;       /* of MobRef: what its userdata refer to; the first is none */
    GArray *spare;      /* of uint32_t: places in refs to be used again */
    GArray *drops;      /* of MobObjectId, since the last call */
    GArray *asked;      /* of MobRef, borrowed paths: the refs of the present call */
    MobRef adopting;    /* owned: read from a text by the present call */
    GQueue outputs;     /* of MobStr: what could not be printed by a yield */
    bool stashed;       /* outputs go first, then call */
    uint64_t draws;     /* of m.random */
    MobValue **results; /* of RETURN and PUT: owned until they are taken */
    uint32_t result_count;
};

static inline MobLuaEnv *
mob_lua_env(lua_State *lua)
{
    return (MobLuaEnv *)mob_lua_sandbox(lua);
}

/* --- module.c, tasks.c --- */

/* Pushes the module. */
void mob_lua_push_module(lua_State *lua);
bool mob_lua_is_module(lua_State *lua, int index);
/* Makes the reference or list of references at @index those of the body's next
 * call; true if it is a list. @what is for messages. */
bool mob_lua_ask(lua_State *lua, MobLuaBody *body, int index, const char *what);
/* Adds remote to the module's functions, which are on top. */
void mob_lua_add_tasks(lua_State *lua);

/* --- by_hand.c: functions of the module --- */
int mob_lua_free(lua_State *lua);
int mob_lua_pin(lua_State *lua);
int mob_lua_ref(lua_State *lua);

/* --- look.c: functions of the module --- */
int mob_lua_log(lua_State *lua); /* string.format is upvalue 1 */
int mob_lua_context(lua_State *lua);
int mob_lua_read(lua_State *lua);
int mob_lua_top(lua_State *lua);

/* --- env.c --- */

/* Registers the function on top as the task @name, and pops it; false if the
 * name is taken. */
bool mob_lua_env_define(MobLuaEnv *env, const char *name);
bool mob_lua_env_has(const MobLuaEnv *env, const char *name);
/* Pushes the function that a spec names; raises an error if there is none. */
void mob_lua_env_push_function(MobLuaEnv *env, lua_State *lua, const MobStr *name);
/* The text of a file of the program (borrowed), or NULL. */
const char *mob_lua_env_text(const MobLuaEnv *env, const char *path, size_t *length);

/* Makes the state and runs the top level. If that fails, env->broken says why,
 * in several lines. With @files there is no bundle yet, and @path is where the
 * program's file is; else @path is NULL. Never NULL. */
MobLuaEnv *mob_lua_env_new(const MobLuaLoaderOptions *options, MobStr *bundle_id, MobValue *bundle,
                           const MobLuaReader *files, const char *path);
void mob_lua_env_free(MobLuaEnv *env);
/* Frees it as soon as it has no bodies: workers of two clusters that one scenario makes have
 * the same addresses, and one of them may end while the other's body is in the middle. */
void mob_lua_env_drop(MobLuaEnv *env);
/* A body of it is freed. */
void mob_lua_env_leave(MobLuaEnv *env);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobLuaEnv, mob_lua_env_free)

/* --- assigned.c --- */

/* Whether the Lua function at @index or a function inside it assigns to a
 * local that it has captured: pushes the local's name and returns the line;
 * else returns 0. */
uint32_t mob_lua_find_assignment(lua_State *lua, int index);
/* The same for all the functions that it reaches: pushes *file and the name. */
uint32_t mob_lua_find_assignment_below(lua_State *lua, int index, const char **file);

/* --- raise.c --- */

/* Returns (transfer full) the error on top of the body's stack as a value;
 * @status is what lua_resume returned. */
MobValue *mob_lua_raised(MobLuaBody *body, int status);
/* The same for a body whose program cannot be loaded. */
MobValue *mob_lua_broken(const MobLuaBody *body);

/* --- body.c: calls, from the library --- */

MobBody *mob_lua_body_new(MobLuaEnv *env, const MobBodyContext *context, const MobArgs *args);

/* Lets a sandbox tell time, draw numbers and print as bodies do. */
void mob_lua_body_hooks(MobLuaSandbox *sandbox);

/* The running body; raises E102 at the top level. @what is for the message. */
MobLuaBody *mob_lua_calling(lua_State *lua, const char *what);
/* Yields the body's call, and goes on in @then with the answer. */
int mob_lua_call(lua_State *lua, MobLuaBody *body, MobCallKind kind, lua_KFunction then,
                 lua_KContext context);
/* The same for a call that references come from: it says where it is made, if anybody wants
 * to know. */
int mob_lua_call_here(lua_State *lua, MobLuaBody *body, MobCallKind kind, lua_KFunction then,
                      lua_KContext context);
/* For the continuation: the answer; an error in it is raised. */
const MobAnswer *mob_lua_answer(lua_State *lua);
