/* codes.c: the mistakes in use that have a code, and what helps.
 *
 * One table, so that the messages, `mobula help E103` and the course say the
 * same. A code is never used again for something else.
 */
#include "lua/errors.h"

#include <string.h>

typedef struct {
    const char *code;
    const char *title;
    const char *help;
} Code;

static const Code codes[] = {
    {"E101", "a task was called like a function",
     "A task runs somewhere else, so calling it cannot return its value. Submit it,\n"
     "and get the value when you need it:\n\n"
     "    local ref = square.remote(7)\n"
     "    print(m.get(ref))\n\n"
     "To run the function here and now, keep it in a local and call that:\n\n"
     "    local function square(x) return x * x end\n"
     "    local Square = m.remote(\"square\", square)\n"},
    {"E102", "an effect at the top level of a program",
     "Every worker runs the top level of the program to learn which tasks there are.\n"
     "So it may define things and nothing else: a print there would print once per\n"
     "worker, a .remote would submit once per worker. Move it into main:\n\n"
     "    function m.main(...)\n"
     "      m.get(square.remote(7))\n"
     "    end\n"},
    {"E103", "a task uses a local that exists only in this run",
     "Workers load the file again and call the task by name; a local of a function\n"
     "that runs on the driver does not exist there. Pass it as an argument:\n\n"
     "    local scale = m.remote(\"scale\", function(x, k) return x * k end)\n"
     "    scale.remote(x, k)\n\n"
     "Locals of the top level are fine: running the file makes them again.\n"},
    {"E104", "a value cannot travel",
     "Nil, booleans, numbers, strings, tables of these, references, byte views and\n"
     "errors travel between processes. Functions, coroutines, files and tables that\n"
     "contain themselves do not. The message gives the path to what cannot, such as\n"
     "argument 1.items[3].f. Send the data, and let the other side build the rest.\n"},
    {"E105", "an unknown option",
     "Options of tasks: num_cpus, resources, memory, num_returns, max_retries,\n"
     "retry_exceptions, name, scheduling_strategy. Options of get, try and wait:\n"
     "timeout, and for wait num_returns.\n"},
    {"E106", "a task returned more values than it said",
     "A task returns one value unless num_returns says otherwise. Dropping the rest\n"
     "silently would hide bugs. Either say it,\n\n"
     "    local divide = m.remote(\"divide\", fn, { num_returns = 2 })\n\n"
     "or return a table. To fail a task, use error(\"message\") and not return nil,\n"
     "\"message\": the error then reaches everybody who gets the value.\n"},
    {"E107", "a table with a metatable cannot travel",
     "Tables are copied; a metatable is behaviour, and the other side would not get\n"
     "it. Copy the fields into a plain table, and call setmetatable there.\n"},
    {"E108", "a reference was used after it was dropped",
     "r:drop(), the end of the block for local r <close>, and the end of the task that\n"
     "was given it give a reference up; the object may be gone. So get, try, wait,\n"
     "as_completed, free and pin refuse it, and so do remote, put and return, be it an\n"
     "argument itself or somewhere inside a table. Drop it after its last use:\n\n"
     "    local v = m.get(r)\n"
     "    r:drop()\n"},
    {"E109", "something of the top level was changed after it ran",
     "Every worker runs the top level by itself and then keeps what it made: locals\n"
     "that functions use, tables and globals. A change would be seen by one worker\n"
     "and not by the next, so the result would depend on who runs the task. Pass the\n"
     "value as an argument and return the new one.\n"},
    {"E110", "a walk over keys that have no order",
     "pairs and next walk in a fixed order: 1 to n, other numbers ascending, strings\n"
     "by their bytes, false and true. Tables, functions and other objects as keys\n"
     "have no order that is the same in every run. Keep a list beside the table, or\n"
     "use a name or number as the key.\n"},
    {"E111", "a weak table or a finalizer",
     "What the collector does, and when, is not the same in every run, so nothing may\n"
     "depend on it: setmetatable refuses __mode and __gc. Drop references with\n"
     "r:drop() or local r <close>.\n"},
    {"E112", "two functions start on one line",
     "A task that is defined inside a function travels as its source text, which is\n"
     "found by the line on which it starts. Put each function on a line of its own.\n"},
    {"E113", "a text that is no reference",
     "m.ref takes the text that m.pin has returned, as it is, inside the same job. A\n"
     "text that was changed, that something else wrote, or that comes from another job,\n"
     "whose objects ended with it, names no object:\n\n"
     "    local text = m.pin(ref)    -- may be kept anywhere, in a string of any kind\n"
     "    print(m.get(m.ref(text)))\n"},
    {"E130", "no machine can ever run the task",
     "The task asks for more than any machine has, or for a resource that none has.\n"
     "It fails at once instead of waiting for ever. Ask for less, or add a machine\n"
     "that has it.\n"},
};

static const Code *
find(const char *code)
{
    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++)
        if (strcmp(codes[i].code, code) == 0)
            return &codes[i];
    return NULL;
}

const char *
mob_lua_code_title(const char *code)
{
    const Code *found = find(code);

    return found != NULL ? found->title : NULL;
}

const char *
mob_lua_code_help(const char *code)
{
    const Code *found = find(code);

    return found != NULL ? found->help : NULL;
}

const char *
mob_lua_code_next(size_t *at)
{
    return *at < G_N_ELEMENTS(codes) ? codes[(*at)++].code : NULL;
}
