/* replay.c: mobula replay: the same run once more, and whether it is the same. */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/folder.h"
#include "cli/record.h"
#include "cli/run.h"
#include "cli/test.h"

static bool
is_seed(const char *word, uint64_t *seed)
{
    return g_ascii_string_to_unsigned(word, 10, 0, UINT64_MAX, seed, NULL);
}

static MobExit
replay_folder(MobCli *cli, const char *folder)
{
    g_autofree char *path = g_build_filename(folder, "run.ini", NULL);
    g_autoptr(GError) error = NULL;
    MobRunRecord record;
    uint64_t hash = 0;

    if (!mob_run_record_read(path, &record, &error)) {
        mob_term_complain(cli->term, "%s is no run folder: %s", folder, error->message);
        mob_run_record_clear(&record);
        return MOB_EXIT_USAGE;
    }
    MobRunJob job = {
        .file = record.file,
        .words = record.words,
        .seed = record.seed,
        .limit_text = record.limit,
        .limit = MOB_TIME_NEVER,
    };
    if (record.limit != NULL)
        mob_parse_time(record.limit, &job.limit);
    MobExit code = mob_run_file(cli, &job, &hash);
    if (hash != 0) {
        g_autoptr(GString) text = g_string_new(NULL);
        mob_term_hash(text, record.hash);
        if (hash == record.hash)
            mob_term_say(cli->term, "✓ the same trace as before");
        else
            mob_term_complain(cli->term,
                              "✗ another trace than before, which was %s: the file or Mobula has "
                              "changed, or the run is not deterministic (mobula check %s)",
                              text->str, record.file);
        if (hash != record.hash)
            code = MOB_EXIT_DIFFERS;
    }
    mob_run_record_clear(&record);
    return code;
}

MobExit
mob_cli_replay(MobCli *cli)
{
    uint64_t seed = 0;
    g_autoptr(GError) error = NULL;

    if (cli->word_count > 1) {
        mob_term_complain(cli->term, "one run folder or one seed, please");
        return MOB_EXIT_USAGE;
    }
    if (cli->word_count == 1 && is_seed(cli->words[0], &seed) &&
        !g_file_test(cli->words[0], G_FILE_TEST_IS_DIR))
        return mob_test_replay(cli, seed);
    g_autofree char *folder =
        cli->word_count == 1 ? mob_folder_named(cli->words[0]) : mob_folder_newest(&error);
    if (folder == NULL) {
        mob_term_complain(cli->term, "%s", error->message);
        return MOB_EXIT_USAGE;
    }
    return replay_folder(cli, folder);
}
