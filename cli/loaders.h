/* loaders.h: whoever makes task bodies in this process: of Lua and of C
 * programs, told apart by their bundle.
 */
#pragma once

#include "lua/body.h"
#include "runtime/program.h"

/* Tells the processes of a local cluster which folder the files are beside of. */
#define MOB_FILES_VARIABLE "MOBULA_FILES"

typedef struct {
    MobLoader loader; /* of both; must be first */
    MobLoader *lua;
    MobLoader *c;
    MobProgramOpener opener;
} MobLoaders;

/* Shared objects are looked for in the folder @beside first (borrowed, may be NULL). */
void mob_loaders_init(MobLoaders *loaders, const char *beside);
void mob_loaders_clear(MobLoaders *loaders);
/* Where the file is that a program or scenario in the folder @beside calls
 * @path: beside it, or where the user is; (transfer full). */
char *mob_loaders_find(const char *beside, const char *path);
/* The one that is meant by a bundle's id. */
MobLoader *mob_loaders_of(const MobLoaders *loaders, const MobStr *bundle_id);
