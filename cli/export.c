/* export.c: mobula export: pictures of a run. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/folder.h"
#include "viz/lineage.h"

/* The database of the run that is meant; NULL after saying why there is none. */
static char *
find_database(MobCli *cli)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder =
        cli->word_count > 1 ? mob_folder_named(cli->words[1]) : mob_folder_newest(&error);
    if (folder == NULL) {
        mob_term_complain(cli->term, "%s", error->message);
        return NULL;
    }
    g_autofree char *db = g_build_filename(folder, "run.db", NULL);
    if (g_file_test(folder, G_FILE_TEST_IS_REGULAR))
        return g_steal_pointer(&folder); /* a database by itself */
    if (g_file_test(db, G_FILE_TEST_IS_REGULAR))
        return g_steal_pointer(&db);
    if (g_file_test(folder, G_FILE_TEST_IS_DIR))
        mob_term_complain(cli->term, "%s is no run folder: there is no run.db in it", folder);
    else
        mob_term_complain(cli->term, "there is no run folder %s", folder);
    mob_term_complain(cli->term, "next: mobula run FILE makes one, runs/NAME/SEED");
    return NULL;
}

static MobExit
export_lineage(MobCli *cli, const char *db)
{
    const MobFlags *flags = &cli->flags;
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    bool to_stdout = flags->out == NULL || strcmp(flags->out, "-") == 0;
    MobLineageOptions options = {
        .db = db,
        .run = flags->cluster,
        .output = to_stdout ? NULL : flags->out,
        .dot = flags->dot,
        .at = flags->at,
        .frames = flags->frames != NULL,
        .only = flags->frames != NULL && *flags->frames != '\0' ? flags->frames : NULL,
        .text = text,
    };
    if (options.frames && to_stdout)
        options.output = "frames";
    if (!mob_lineage_export(&options, &error)) {
        mob_term_complain(cli->term, "%s", error->message);
        return MOB_EXIT_USAGE;
    }
    if (options.output == NULL) {
        fwrite(text->str, 1, text->len, stdout);
        return MOB_EXIT_OK;
    }
    g_string_printf(text, "%s   %u picture%s   %.0f × %.0f", options.output, options.made,
                    options.made == 1 ? "" : "s", options.width, options.height);
    if (options.ended.seq != 0) {
        g_string_append(text, "   the end: the run was over at ");
        mob_term_ms(text, options.ended.at);
        g_string_append_printf(text, " ms, @%" G_GUINT64_FORMAT, options.ended.seq);
    }
    mob_term_say(cli->term, "%s", text->str);
    return MOB_EXIT_OK;
}

/* In "--frames T1,T2" GOption takes the second word for one of the verb's. */
static void
take_frames(MobCli *cli)
{
    MobFlags *flags = &cli->flags;
    int last = cli->word_count - 1;
    if (flags->frames == NULL || *flags->frames != '\0' || last < 1 ||
        g_file_test(cli->words[last], G_FILE_TEST_EXISTS))
        return;
    g_free(flags->frames);
    flags->frames = g_steal_pointer(&cli->words[last]);
    cli->word_count--;
}

MobExit
mob_cli_export(MobCli *cli)
{
    const char *const nouns[] = {"lineage", NULL};
    if (cli->word_count == 0 || strcmp(cli->words[0], nouns[0]) != 0) {
        const char *nearest = cli->word_count > 0 ? mob_nearest(cli->words[0], nouns) : NULL;
        if (cli->word_count > 0)
            mob_term_complain(cli->term, "\"%s\" cannot be exported%s", cli->words[0],
                              nearest != NULL ? "; did you mean lineage?" : "; lineage can");
        else
            mob_term_complain(cli->term, "what? mobula export lineage [RUN-FOLDER] [-o FILE]");
        return MOB_EXIT_USAGE;
    }
    take_frames(cli);
    if (cli->word_count > 2) {
        mob_term_complain(cli->term, "one run folder, please");
        return MOB_EXIT_USAGE;
    }
    g_autofree char *db = find_database(cli);
    return db != NULL ? export_lineage(cli, db) : MOB_EXIT_USAGE;
}
