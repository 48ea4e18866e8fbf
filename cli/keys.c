/* keys.c: see keys.h; and the verbs token and cert. */
#include "cli/keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "net/certs.h"
#include "net/token.h"

/* Run on the other machine, which reads the token from stdin. */
#define COPY_COMMAND                                                                               \
    "umask 077 && mkdir -p \"${XDG_CONFIG_HOME:-$HOME/.config}/mobula\" && "                       \
    "cat >\"${XDG_CONFIG_HOME:-$HOME/.config}/mobula/token\""

/* --- places --- */

/* The flag, the variable, or the name in the configuration folder (transfer full). */
static char *
place_of(const char *flag, const char *variable, const char *name)
{
    const char *text = flag != NULL ? flag : g_getenv(variable);

    if (text != NULL && *text != '\0')
        return g_canonicalize_filename(text, NULL);
    return g_build_filename(g_get_user_config_dir(), "mobula", name, NULL);
}

char *
mob_keys_token_path(const MobFlags *flags)
{
    return place_of(flags->token_file, "MOBULA_TOKEN_FILE", "token");
}

char *
mob_keys_certs_path(const MobFlags *flags)
{
    return place_of(flags->certs, "MOBULA_CERTS", "certs");
}

bool
mob_keys_has_ca(const char *certs)
{
    g_autofree char *ca = g_build_filename(certs, "ca.pem", NULL);

    return g_file_test(ca, G_FILE_TEST_EXISTS);
}

bool
mob_keys_make_folder_of(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);

    if (g_mkdir_with_parents(folder, 0700) == 0)
        return true;
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                "cannot make the folder %s: %s", folder, g_strerror(errno));
    return false;
}

char *
mob_keys_token(const MobCli *cli)
{
    g_autofree char *path = mob_keys_token_path(&cli->flags);
    g_autoptr(GError) error = NULL;
    char *token = mob_token_load(path, &error);

    if (token != NULL)
        return token;
    mob_term_complain(cli->term, "%s", error->message);
    if (g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        mob_term_complain(cli->term,
                          "next: on the head's machine, mobula token copy HOST brings the token "
                          "here (by ssh); or copy the file, with mode 600");
    return NULL;
}

/* --- mobula token --- */

static MobExit
complain(const MobCli *cli, const GError *error)
{
    mob_term_complain(cli->term, "%s", error->message);
    return MOB_EXIT_FAILED;
}

static MobExit
token_new(const MobCli *cli, const char *path)
{
    g_autoptr(GError) error = NULL;

    if (g_file_test(path, G_FILE_TEST_EXISTS)) {
        mob_term_complain(cli->term,
                          "%s is there already; whoever has it can join. Remove it to make another "
                          "one, and start the cluster again",
                          path);
        return MOB_EXIT_FAILED;
    }
    g_autofree char *token =
        mob_keys_make_folder_of(path, &error) ? mob_token_make(path, &error) : NULL;
    if (token == NULL)
        return complain(cli, error);
    mob_term_say(cli->term, "token written to %s (mode 600)", path);
    return MOB_EXIT_OK;
}

/* The token never stands in a command line, where others could read it. */
static MobExit
token_copy(const MobCli *cli, const char *host)
{
    g_autofree char *token = mob_keys_token(cli);
    FILE *ssh = NULL;

    if (token == NULL)
        return MOB_EXIT_FAILED;
    if (*host == '-' || strpbrk(host, "'\"\\$`;&|<>() \t\n") != NULL) {
        mob_term_complain(cli->term, "\"%s\" is no name of a machine", host);
        return MOB_EXIT_USAGE;
    }
    g_autofree char *remote = g_shell_quote(COPY_COMMAND);
    g_autofree char *command = g_strdup_printf("ssh -- '%s' %s", host, remote);
    ssh = popen(command, "w");
    bool sent = ssh != NULL && fprintf(ssh, "%s\n", token) > 0;
    int status = ssh != NULL ? pclose(ssh) : -1;
    if (sent && status == 0) {
        mob_term_say(cli->term, "✓ %s has the token; there: mobula start --address=HEAD", host);
        return MOB_EXIT_OK;
    }
    mob_term_complain(cli->term, "the token did not get to %s: ssh has failed", host);
    return MOB_EXIT_FAILED;
}

MobExit
mob_cli_token(MobCli *cli)
{
    g_autofree char *path = mob_keys_token_path(&cli->flags);
    const char *verb = cli->word_count > 0 ? cli->words[0] : "";

    if (strcmp(verb, "new") == 0 && cli->word_count == 1)
        return token_new(cli, path);
    if (strcmp(verb, "copy") == 0 && cli->word_count == 2)
        return token_copy(cli, cli->words[1]);
    if (cli->word_count > 0) {
        mob_term_complain(cli->term, "token what? mobula token, token new, or token copy HOST");
        return MOB_EXIT_USAGE;
    }
    g_autofree char *token = mob_keys_token(cli);
    if (token == NULL)
        return MOB_EXIT_FAILED;
    puts(path);
    mob_term_say(cli->term, "whoever can read it can join the cluster");
    return MOB_EXIT_OK;
}

/* --- mobula cert --- */

static MobExit
cert_init(const MobCli *cli, const char *folder)
{
    g_autoptr(GError) error = NULL;

    if (!mob_certs_make_ca(folder, &error))
        return complain(cli, error);
    mob_term_say(cli->term, "a private CA is in %s; ca-key.pem is for nobody else", folder);
    mob_term_say(cli->term, "next, for each machine: mobula cert issue NAME FOLDER%s%s",
                 cli->word_count > 1 ? " --ca " : "", cli->word_count > 1 ? folder : "");
    return MOB_EXIT_OK;
}

static MobExit
cert_issue(const MobCli *cli, const char *ca, const char *name, const char *folder)
{
    g_autoptr(GError) error = NULL;

    if (!mob_certs_issue(ca, name, folder, &error))
        return complain(cli, error);
    mob_term_say(cli->term, "key.pem, cert.pem and ca.pem of %s are in %s", name, folder);
    mob_term_say(cli->term, "next: copy them to %s; there: mobula start … --certs FOLDER", name);
    return MOB_EXIT_OK;
}

static MobExit
cert_show(const MobCli *cli)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *certs = mob_keys_certs_path(&cli->flags);
    g_autofree char *print = mob_certs_print(certs, &error);

    if (print == NULL) {
        complain(cli, error);
        mob_term_complain(cli->term, "next: mobula start makes a certificate, or mobula cert init");
        return MOB_EXIT_FAILED;
    }
    puts(print);
    mob_term_say(cli->term, "of cert.pem in %s%s", certs,
                 mob_keys_has_ca(certs) ? ", which a CA vouches for" : "");
    return MOB_EXIT_OK;
}

MobExit
mob_cli_cert(MobCli *cli)
{
    const char *verb = cli->word_count > 0 ? cli->words[0] : "";
    g_autofree char *ca = cli->flags.ca != NULL
                              ? g_strdup(cli->flags.ca)
                              : g_build_filename(g_get_user_config_dir(), "mobula", "ca", NULL);

    if (cli->word_count == 0)
        return cert_show(cli);
    if (strcmp(verb, "init") == 0 && cli->word_count <= 2)
        return cert_init(cli, cli->word_count == 2 ? cli->words[1] : ca);
    if (strcmp(verb, "issue") == 0 && cli->word_count == 3)
        return cert_issue(cli, ca, cli->words[1], cli->words[2]);
    mob_term_complain(cli->term,
                      "cert what? mobula cert, cert init [FOLDER], or cert issue NAME FOLDER");
    return MOB_EXIT_USAGE;
}
