/* words.c: see words.h. */
#include "lua/words.h"

#include <string.h>

#include "lua/errors.h"

enum {
    LIST_MAX = 24, /* more words than this are not listed */
};

static size_t
count_words(const char *const *words)
{
    size_t count = 0;

    while (words[count] != NULL)
        count++;
    return count;
}

int
mob_unknown_word(lua_State *lua, const char *what, const char *word, const char *const *words)
{
    size_t count = count_words(words);
    const char *nearest = mob_lua_nearest(word, words, count);
    luaL_Buffer list;

    if (nearest != NULL)
        return luaL_error(lua, "there is no %s '%s'; did you mean '%s'?", what, word, nearest);
    if (count == 0 || count > LIST_MAX)
        return luaL_error(lua, "there is no %s '%s'", what, word);
    luaL_buffinit(lua, &list);
    for (size_t i = 0; i < count; i++) {
        luaL_addstring(&list, i == 0 ? "" : ", ");
        luaL_addstring(&list, words[i]);
    }
    luaL_pushresult(&list);
    return luaL_error(lua, "there is no %s '%s'; there is: %s", what, word, lua_tostring(lua, -1));
}

static bool
is_word(const char *word, const char *const *words)
{
    while (*words != NULL)
        if (strcmp(word, *words++) == 0)
            return true;
    return false;
}

/* Whichever unknown key comes first in byte order is told, so that the message
 * does not depend on the order of a hash table. */
void
mob_check_words(lua_State *lua, int index, const char *what, const char *const *words)
{
    const char *unknown = NULL;

    index = lua_absindex(lua, index);
    luaL_checkstack(lua, 4, NULL);
    lua_pushnil(lua);
    while (lua_next(lua, index) != 0) {
        lua_pop(lua, 1);
        if (lua_type(lua, -1) != LUA_TSTRING)
            continue;
        const char *word = lua_tostring(lua, -1);
        if (!is_word(word, words) && (unknown == NULL || strcmp(word, unknown) < 0))
            unknown = word;
    }
    if (unknown != NULL) {
        lua_pushfstring(lua, "%s field", what);
        mob_unknown_word(lua, lua_tostring(lua, -1), unknown, words);
    }
}
