/* help.c: mobula help and mobula version. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "lua/errors.h"
#include "runtime/msg.h"

#ifndef MOBULA_VERSION
#error "meson.build defines MOBULA_VERSION"
#endif

static MobExit
overview(MobTerm *term)
{
    GString *page = g_string_new("Mobula: Ray's core in a deterministic simulated "
                                 "cluster.\n\nmobula VERB [WORD…] [--flags]\n\n");
    for (const MobCommand *command = mob_commands(); command->name != NULL; command++) {
        if (command->help == NULL)
            continue;
        g_autofree char *left = g_strdup_printf("  %s %s", command->name, command->args);
        mob_term_pad(page, left, 38, 2);
        g_string_append_len(page, command->help, (gssize)strcspn(command->help, "\n"));
        g_string_append_c(page, '\n');
    }
    g_string_append(page,
                    "\nExit codes\n"
                    "  0 ok   1 a claim, test or job failed   2 bad input   3 hang\n"
                    "  4 not deterministic   5 something meant to happen did not   70 our bug\n"
                    "\nnext: mobula help run   mobula new scenario NAME   mobula help E103\n");
    g_autofree char *shown = mob_term_render(&(MobTerm){.ascii = term->ascii}, page->str);
    g_string_free(page, TRUE);
    fputs(shown, stdout);
    return MOB_EXIT_OK;
}

static bool
looks_like_code(const char *word)
{
    return (word[0] == 'E' || word[0] == 'e') && g_ascii_isdigit(word[1]);
}

static MobExit
explain_code(MobTerm *term, const char *word)
{
    g_autofree char *code = g_ascii_strup(word, -1);
    const char *help = mob_lua_code_help(code);
    if (help != NULL) {
        printf("%s: %s\n\n%s%s", code, mob_lua_code_title(code), help,
               g_str_has_suffix(help, "\n") ? "" : "\n");
        return MOB_EXIT_OK;
    }
    mob_term_complain(term, "there is no error %s; there are", code);
    size_t at = 0;
    for (const char *next = mob_lua_code_next(&at); next != NULL; next = mob_lua_code_next(&at))
        mob_term_complain(term, "  %s  %s", next, mob_lua_code_title(next));
    return MOB_EXIT_USAGE;
}

MobExit
mob_cli_help(MobCli *cli)
{
    if (cli->word_count == 0)
        return overview(cli->term);
    const char *word = cli->words[0];
    if (looks_like_code(word))
        return explain_code(cli->term, word);
    for (const MobCommand *command = mob_commands(); command->name != NULL; command++) {
        if (strcmp(command->name, word) != 0)
            continue;
        mob_help_command(cli->term, command);
        return MOB_EXIT_OK;
    }
    const char *near = mob_nearest_command(word);
    if (near != NULL)
        mob_term_complain(cli->term, "there is no verb \"%s\"; did you mean \"mobula help %s\"?",
                          word, near);
    else
        mob_term_complain(cli->term, "there is no help on \"%s\", only on verbs and errors", word);
    mob_term_complain(cli->term, "next: mobula help");
    return MOB_EXIT_USAGE;
}

MobExit
mob_cli_version(MobCli *cli)
{
    if (cli->flags.json) {
        GString *text = g_string_new(NULL);
        MobJson json = mob_json(text);
        mob_json_open(&json, '{');
        mob_json_put_text(&json, "type", "version");
        mob_json_put_text(&json, "version", MOBULA_VERSION);
        mob_json_put_text(&json, "compiler", __VERSION__);
        mob_json_close(&json, '}');
        puts(text->str);
        g_string_free(text, TRUE);
        return MOB_EXIT_OK;
    }
    printf("mobula %s (messages %08x, compiler %s)\n", MOBULA_VERSION, (unsigned)mob_schema_hash(),
           __VERSION__);
    return MOB_EXIT_OK;
}
