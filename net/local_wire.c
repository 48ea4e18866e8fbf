/* local_wire.c: a local cluster whose machines talk over TCP, as machines do
 * that are apart; see local_parts.h. Each has a folder of its own, so nothing
 * but the wire connects them; whoever looks on is told directly.
 *
 * Or the head of a cluster that machines join which somebody else starts.
 */
#include <sys/stat.h>

#include "net/launch.h"
#include "net/local_parts.h"
#include "net/token.h"
#include "runtime/str.h"

bool
mob_local_wire_open(MobLocal *local, GError **error)
{
    const char *text = local->options.wire;

    if (local->options.outside != NULL) {
        local->wire = g_new0(MobLocalWire, 1);
        local->wire->token = g_strdup("");
        return true;
    }
    if (text == NULL)
        return true;
    g_auto(GStrv) parts = g_strsplit(text, ":", 2);
    bool tls = g_strcmp0(parts[0], "tls") == 0;
    if (!tls && g_strcmp0(parts[0], "tcp") != 0) {
        g_set_error(error, MOB_NET_ERROR, 0, "machines talk over tcp or tls, not over '%s'", text);
        return false;
    }
    MobLocalWire *wire = local->wire = g_new0(MobLocalWire, 1);
    wire->tls = tls;
    wire->token = tls ? mob_token_new() : g_strdup("");
    if (parts[1] == NULL)
        return true;
    wire->spaces = g_strsplit(parts[1], ",", -1);
    for (char **space = wire->spaces; *space != NULL; space++) {
        if (strchr(*space, '@') != NULL)
            continue;
        g_set_error(error, MOB_NET_ERROR, 0, "'%s' is no SPACE@HOST", *space);
        return false;
    }
    wire->command = g_file_read_link(local->options.command, NULL);
    return true;
}

void
mob_local_wire_free(MobLocal *local)
{
    MobLocalWire *wire = local->wire;

    if (wire == NULL)
        return;
    g_strfreev(wire->spaces);
    g_free(wire->token);
    g_free(wire->command);
    mob_site_free(wire->head);
    g_free(wire);
}

/* SPACE@HOST of the machine; NULL: it is on loopback. */
static const char *
space_of(const MobLocal *local, const MobLocalBox *box)
{
    guint index = 0;

    if (local->wire == NULL || local->wire->spaces == NULL)
        return NULL;
    g_ptr_array_find(local->boxes, box, &index);
    return index < g_strv_length(local->wire->spaces) ? local->wire->spaces[index] : NULL;
}

/* (transfer full) */
static char *
host_of(const MobLocal *local, const MobLocalBox *box)
{
    const char *space = space_of(local, box);

    return g_strdup(space != NULL ? strchr(space, '@') + 1 : "127.0.0.1");
}

char *
mob_local_wire_folder(const MobLocal *local, const MobLocalBox *box)
{
    if (local->wire == NULL || local->options.outside != NULL)
        return g_strdup(local->root);
    char *folder = g_build_filename(local->root, box->name, NULL);
    g_autofree char *logs = g_build_filename(folder, "logs", NULL);
    g_mkdir_with_parents(logs, 0700);
    return folder;
}

GStrv
mob_local_wire_argv(const MobLocal *local, const MobLocalBox *box)
{
    const char *command = local->options.command;
    const char *space = space_of(local, box);
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();

    if (space != NULL) {
        g_autofree char *net =
            g_strdup_printf("--net=/run/netns/%.*s", (int)strcspn(space, "@"), space);
        g_strv_builder_add_many(argv, "nsenter", net, NULL);
        if (local->wire->command != NULL)
            command = local->wire->command;
    }
    g_strv_builder_add_many(argv, command, "_daemon", NULL);
    return g_strv_builder_end(argv);
}

MobJoin *
mob_local_wire_join(const MobLocal *local, const MobLocalBox *box)
{
    const MobLocalWire *wire = local->wire;

    if (wire == NULL)
        return NULL;
    if (local->options.outside != NULL) { /* a copy */
        g_auto(MobBuf) buf = {0};
        mob_record_encode(MOB_RECORD_join, local->options.outside, &buf);
        return mob_record_decode(MOB_RECORD_join, buf.data, buf.length, NULL);
    }
    const MobLocalBox *head = g_ptr_array_index(local->boxes, 0);
    MobJoin *join = g_new0(MobJoin, 1);
    g_autofree char *host = host_of(local, box);
    g_autofree char *head_host = host_of(local, head);
    g_autofree char *folder = mob_local_wire_folder(local, box);
    g_autofree char *certs = g_build_filename(folder, "certs", NULL);

    join->refs_held = 1;
    join->head = box->head;
    join->listen = mob_str_new(host);
    join->host = mob_str_new(host);
    join->head_host = mob_str_new(head_host);
    join->head_port = wire->head != NULL ? wire->head->port : 0;
    join->token = mob_str_new(wire->token);
    join->print =
        wire->head != NULL && !box->head ? mob_str_ref(wire->head->print) : mob_str_new("");
    join->tls = wire->tls;
    join->certs = mob_str_new(certs);
    return join;
}

bool
mob_local_wire_await_head(MobLocal *local, int fd, GError **error)
{
    g_autoptr(GError) why = NULL;

    if (local->wire == NULL)
        return true;
    mob_site_free(local->wire->head);
    local->wire->head = mob_launch_joined(fd, &why);
    if (local->wire->head != NULL)
        return true;
    g_set_error(error, MOB_NET_ERROR, 0, "the head does not listen: %s", why->message);
    return false;
}

const MobSite *
mob_local_head(const MobLocal *local)
{
    return local->wire != NULL ? local->wire->head : NULL;
}
