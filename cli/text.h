/* text.h: values of programs as a person or a JSON reader sees them. */
#pragma once

#include "cli/json.h"
#include "runtime/value.h"

/* Appends @value in one line, as Lua would write it: 42, "text" inside a
 * table, {1, 2}, {name = "x"}; an error is its message. Cut at about @limit
 * characters. */
void mob_term_value(GString *into, const MobValue *value, size_t limit);

/* Values as JSON: byte strings as text, a table with keys as an object, a
 * reference as {"ref": "O2"}, bytes that follow a rule as {"bytes": n}. */
void mob_json_value(MobJson *json, const MobValue *value);

/* The name of an error value ("NodeDiedError") and its message, (transfer
 * full) both; false if @value is no error. */
bool mob_term_fault(const MobValue *value, char **name, char **message);
