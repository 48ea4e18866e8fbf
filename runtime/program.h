/* program.h: task bodies that are functions of a shared object; see mobula.h
 * for those who write them.
 *
 * A bundle is the text "so:PATH", which is also its id. Whoever makes the
 * loader says how the shared object at PATH is opened, because nothing here
 * touches the operating system. It is opened once, for all workers alike: C
 * has no way to keep what is global in it apart, so programs must not have
 * globals that change.
 */
#pragma once

#include "runtime/body.h"
#include "runtime/mobula.h"

typedef void (*MobProgramEntry)(MobulaProgram *program);

typedef struct {
    /* Returns the function "mobula_program" of the shared object at @path,
     * which stays open for the life of the loader; or NULL with an error. */
    MobProgramEntry (*open)(void *data, const char *path, GError **error);
    void *data;
} MobProgramOpener;

/* @opener is borrowed and outlives the loader. */
MobLoader *mob_program_loader_new(const MobProgramOpener *opener);
/* Its bodies have been freed. */
void mob_program_loader_free(MobLoader *loader);

/* Whether a bundle with this id (or a task of it) is ours. */
bool mob_program_is_ours(const MobStr *bundle_id);

/* Returns (transfer full) the bundle of the shared object at @path, and its id. */
MobValue *mob_program_bundle(const char *path, MobStr **bundle_id);

/* Opens the program now and checks that it has a main: for good messages
 * before anything runs. */
#define MOB_PROGRAM_ERROR (g_quark_from_static_string("mob-program-error"))
bool mob_program_check(MobLoader *loader, const MobStr *bundle_id, GError **error);
