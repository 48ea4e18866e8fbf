/* The file in which a process leaves what it has to say. */
#include <criterion/criterion.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/log.h"

static char *
folder_new(void)
{
    char *folder = g_dir_make_tmp("mobula-log-XXXXXX", NULL);
    g_autofree char *logs = g_build_filename(folder, "logs", NULL);

    cr_assert_eq(mkdir(logs, 0700), 0);
    return folder;
}

static void
folder_free(char *folder)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", folder);

    cr_expect_eq(system(command), 0);
    g_free(folder);
}

Test(net_log, what_several_write_stands_there_in_order)
{
    char *folder = folder_new();
    g_autofree char *path = g_build_filename(folder, "logs", "n1-w0.log", NULL);
    g_autofree char *text = NULL;
    MobLog one = mob_log_open(folder, "n1/w0");
    MobLog two = mob_log_open(folder, "n1/w0");

    mob_log_write(&one, "a\n", 2);
    mob_log_write(&two, "b\n", 2);
    mob_log_write(&one, "c\n", 2);
    mob_log_close(&one);
    mob_log_close(&two);
    cr_assert(g_file_get_contents(path, &text, NULL, NULL));
    cr_assert_str_eq(text, "a\nb\nc\n");
    folder_free(folder);
}

Test(net_log, a_long_one_takes_a_bounded_part_of_the_disk_and_keeps_its_end)
{
    char *folder = folder_new();
    g_autofree char *path = g_build_filename(folder, "logs", "n1-w0.log", NULL);
    g_autofree char *block = g_strnfill(64 << 10, 'x');
    g_autofree char *text = NULL;
    struct stat info;
    gsize length = 0;
    MobLog log = mob_log_open(folder, "n1/w0");

    for (int i = 0; i < 40 * 16; i++)
        mob_log_write(&log, block, 64 << 10);
    mob_log_write(&log, "the end\n", 8);
    mob_log_close(&log);
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_leq(info.st_blocks * 512, 10 << 20);
    cr_assert(g_file_get_contents(path, &text, &length, NULL));
    cr_assert_eq(length, (40 << 20) + 8, "places stay what they are");
    cr_assert_str_eq(text + length - 8, "the end\n");
    cr_assert_null(memchr(text + length - MOB_LOG_KEEP, '\0', MOB_LOG_KEEP));
    folder_free(folder);
}

Test(net_log, without_its_folder_nothing_is_kept_and_nothing_happens)
{
    MobLog log = mob_log_open("/nonexistent", "n1/w0");

    mob_log_write(&log, "x", 1);
    mob_log_close(&log);
}
