/* start.c: mobula start: one machine of a cluster, the head or another one.
 *
 * Machines talk over TLS and prove to each other that they have the token, on
 * loopback too: what works on one machine then works on three.
 */
#include <stdio.h>
#include <string.h>

#include "cli/keys.h"
#include "cli/up.h"
#include "net/tcp.h"
#include "net/token.h"
#include "runtime/str.h"

#define ANYWHERE "0.0.0.0"

static MobStr *
text_or(const char *text, const char *otherwise)
{
    return mob_str_new(text != NULL ? text : otherwise);
}

/* What both kinds of machines have in common. */
static MobJoin *
join_new(const MobFlags *flags)
{
    MobJoin *join = g_new0(MobJoin, 1);
    g_autofree char *certs = mob_keys_certs_path(flags);

    join->refs_held = 1;
    join->listen = text_or(flags->listen, ANYWHERE);
    join->port = flags->port > 0 ? (uint32_t)flags->port : MOB_UP_PORT;
    join->host = text_or(flags->host, "");
    join->head_host = mob_str_new("");
    join->print = mob_str_new("");
    join->answers = mob_str_new("");
    join->tls = true;
    join->certs = mob_str_new(certs);
    join->ca = mob_keys_has_ca(certs);
    return join;
}

/* --- the head --- */

/* What others reach the head by. */
static char *
host_of(const MobJoin *join)
{
    if (mob_str(join->host)[0] != '\0')
        return g_strdup(mob_str(join->host));
    if (strcmp(mob_str(join->listen), ANYWHERE) != 0 && strcmp(mob_str(join->listen), "::") != 0)
        return g_strdup(mob_str(join->listen));
    return mob_tcp_own_address();
}

void
mob_start_say_head(MobCli *cli, const MobSite *head, const MobJoin *join)
{
    g_autofree char *host = host_of(join);
    g_autofree char *pin =
        join->ca ? g_strdup("") : g_strdup_printf(" --pin=%s", mob_str(head->print));
    bool six = strchr(host, ':') != NULL;

    mob_term_say(cli->term, "listening on %s, port %u (TLS; no other port is needed)",
                 mob_str(join->listen), head->port);
    g_autofree char *token = mob_keys_token_path(&cli->flags);
    mob_term_say(cli->term, "the token is in %s; mobula token copy HOST brings it to a machine",
                 token);
    mob_term_say(cli->term, "join:  mobula start --address=%s%s%s:%u%s", six ? "[" : "", host,
                 six ? "]" : "", head->port, pin);
}

static MobExit
start_head(MobCli *cli)
{
    const MobFlags *flags = &cli->flags;
    g_autofree char *path = mob_keys_token_path(flags);
    g_autoptr(GError) error = NULL;
    bool there = g_file_test(path, G_FILE_TEST_EXISTS);
    g_autofree char *token =
        mob_keys_make_folder_of(path, &error) ? mob_token_make(path, &error) : NULL;

    if (token == NULL) {
        mob_term_complain(cli->term, "%s", error->message);
        return MOB_EXIT_USAGE;
    }
    if (!there)
        mob_term_say(cli->term, "token written to %s (mode 600)", path);
    g_autoptr(MobJoin) join = join_new(flags);
    join->head = true;
    join->token = mob_str_new(token);
    return mob_up_run(cli, 1, join, !flags->block);
}

/* --- another machine --- */

bool
mob_start_read_address(const char *text, char **host, uint16_t *port)
{
    const char *end = strrchr(text, ':');
    guint64 number = MOB_UP_PORT;
    bool six = end != NULL && memchr(text, ':', (size_t)(end - text)) != NULL && *text != '[';

    if (six || (end != NULL && strchr(end, ']') != NULL))
        end = NULL;
    if (end != NULL && !g_ascii_string_to_unsigned(end + 1, 10, 1, UINT16_MAX, &number, NULL))
        return false;
    size_t length = end != NULL ? (size_t)(end - text) : strlen(text);
    if (length > 1 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    }
    if (length == 0)
        return false;
    *host = g_strndup(text, length);
    *port = (uint16_t)number;
    return true;
}

static MobExit
start_other(MobCli *cli)
{
    const MobFlags *flags = &cli->flags;
    g_autofree char *host = NULL;
    g_autoptr(GError) error = NULL;
    uint16_t port;

    if (!mob_start_read_address(flags->address, &host, &port)) {
        mob_term_complain(cli->term, "--address %s: HOST or HOST:PORT of the head is expected",
                          flags->address);
        return MOB_EXIT_USAGE;
    }
    g_autofree char *token = mob_keys_token(cli);
    if (token == NULL)
        return MOB_EXIT_USAGE;
    g_autofree char *address = mob_tcp_resolve(host, &error);
    if (address == NULL) {
        mob_term_complain(cli->term, "%s", error->message);
        return MOB_EXIT_USAGE;
    }
    g_autoptr(MobJoin) join = join_new(flags);
    join->any_port = flags->port == 0;
    if (join->any_port && mob_tcp_is_own(address))
        join->port = 0; /* the usual one is the head's, also while it is away */
    mob_str_unref(join->head_host);
    join->head_host = mob_str_new(host);
    join->head_port = port;
    mob_str_unref(join->print);
    join->print = text_or(flags->pin, "");
    join->token = mob_str_new(token);
    join->relay = true;
    return mob_member_run(cli, join, !flags->block);
}

MobExit
mob_cli_start(MobCli *cli)
{
    const MobFlags *flags = &cli->flags;

    if (cli->word_count == 0 && flags->head && flags->address == NULL)
        return start_head(cli);
    if (cli->word_count == 0 && !flags->head && flags->address != NULL)
        return start_other(cli);
    mob_term_complain(cli->term, "start what? mobula start --head, or on another machine mobula "
                                 "start --address=HOST");
    return MOB_EXIT_USAGE;
}
