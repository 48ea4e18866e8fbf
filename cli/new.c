/* new.c: mobula new: small files to start from.
 *
 * The templates are lua/templates/, as they stand there, built into the
 * command; NAME in them becomes the name that was asked for.
 */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/folder.h"

typedef struct {
    const char *noun;
    const char *path; /* with one %s for the name */
    const char *text;
    const char *next;
} Template;

static const Template templates[] = {
    {"program", "%s.lua",
#include "program.lua.h"
     , "mobula run %s -- 1 2 3"},
    {"scenario", "%s.lua",
#include "scenario.lua.h"
     , "mobula run %s"},
    {"test", "spec/%s_spec.lua",
#include "test.lua.h"
     , "mobula test %s"},
};

static const Template *
find(MobTerm *term, const char *noun)
{
    const char *nouns[G_N_ELEMENTS(templates) + 1] = {NULL};
    for (size_t i = 0; i < G_N_ELEMENTS(templates); i++) {
        nouns[i] = templates[i].noun;
        if (strcmp(noun, nouns[i]) == 0)
            return &templates[i];
    }
    const char *nearest = mob_nearest(noun, nouns);
    if (nearest != NULL)
        mob_term_complain(term, "there is no new \"%s\"; did you mean \"mobula new %s\"?", noun,
                          nearest);
    else
        mob_term_complain(term, "there is no new \"%s\"; there are program, scenario and test",
                          noun);
    return NULL;
}

static bool
name_is_good(const char *name)
{
    for (const char *at = name; *at != '\0'; at++)
        if (!g_ascii_isalnum(*at) && *at != '-' && *at != '_')
            return false;
    return *name != '\0' && *name != '-';
}

/* Replaces the %s of @pattern, which is one of those above. */
static char *
fill_in(const char *pattern, const char *name)
{
    g_auto(GStrv) parts = g_strsplit(pattern, "%s", 2);
    return g_strconcat(parts[0], name, parts[1], NULL);
}

MobExit
mob_cli_new(MobCli *cli)
{
    MobTerm *term = cli->term;
    if (cli->word_count != 2) {
        mob_term_complain(term,
                          "what is it to be, and its name? mobula new program|scenario|test NAME");
        return MOB_EXIT_USAGE;
    }
    const Template *template = find(term, cli->words[0]);
    if (template == NULL)
        return MOB_EXIT_USAGE;
    const char *name = cli->words[1];
    if (!name_is_good(name)) {
        mob_term_complain(term, "\"%s\" is no name: letters, digits, - and _ only", name);
        return MOB_EXIT_USAGE;
    }
    g_autofree char *path = fill_in(template->path, name);
    g_autofree char *folder = g_path_get_dirname(path);
    if (g_file_test(path, G_FILE_TEST_EXISTS)) {
        mob_term_complain(term, "%s exists; choose another name or remove it", path);
        return MOB_EXIT_USAGE;
    }
    if (g_mkdir_with_parents(folder, 0777) != 0) {
        mob_term_complain(term, "cannot make the folder %s: %s", folder, g_strerror(errno));
        return MOB_EXIT_USAGE;
    }
    g_autoptr(GString) text = g_string_new(template->text);
    g_string_replace(text, "NAME", name, 0);
    g_autoptr(GError) error = NULL;
    if (!mob_write_whole(path, text->str, (gssize)text->len, &error)) {
        mob_term_complain(term, "%s", error->message);
        return MOB_EXIT_USAGE;
    }
    g_autofree char *next = fill_in(template->next, path);
    mob_term_say(term, "%s", path);
    mob_term_say(term, "next: %s", next);
    return MOB_EXIT_OK;
}
