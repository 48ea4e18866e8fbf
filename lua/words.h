/* words.h: words that a script may get wrong, and what it probably meant. */
#pragma once

#include <lua.h>

/* Raises "there is no WHAT 'x'; did you mean 'y'?", or lists what there is. */
int mob_unknown_word(lua_State *lua, const char *what, const char *word, const char *const *words);

/* Raises an error unless every text key of the table at @index is in @words;
 * @what says whose keys they are. Keys that are numbers are left to others. */
void mob_check_words(lua_State *lua, int index, const char *what, const char *const *words);
