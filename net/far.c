/* far.c: see far.h. */
#include "net/far.h"

#include <errno.h>

#include "net/certs.h"
#include "net/host.h"
#include "net/meet.h"
#include "net/tcp.h"

#define NAME "a client"

static bool
meet_head(const MobFarHead *head, MobTls *tls, const char *address, MobStream *stream,
          GError **error)
{
    g_autofree char *to = g_strdup_printf("%s, port %u", head->host, head->port);
    int fd = mob_tcp_connect(address, head->port);

    if (fd < 0) {
        g_set_error(error, MOB_NET_ERROR, 0, "%s cannot be reached: %s", to, g_strerror(errno));
        return false;
    }
    MobMeet *meet = mob_meet_new(fd, false,
                                 &(MobMeetOptions){.tls = tls,
                                                   .ca = head->ca,
                                                   .print = "",
                                                   .token = head->token,
                                                   .name = NAME,
                                                   .to = to,
                                                   .purpose = MOB_MEET_ASK});
    bool met = mob_meet_now(meet) == MOB_MEET_DONE;
    if (met)
        mob_meet_take(meet, stream);
    else
        g_set_error_literal(error, MOB_NET_ERROR, 0, mob_meet_why(meet));
    mob_meet_free(meet);
    return met;
}

bool
mob_far_call(const MobFarHead *head, MobStream *stream, GError **error)
{
    g_autofree char *address = mob_tcp_resolve(head->host, error);

    *stream = (MobStream){.fd = -1};
    if (address == NULL ||
        (!head->ca && !mob_certs_make_self(head->certs, g_get_host_name(), error)))
        return false;
    MobTls *tls = mob_tls_new(head->certs, head->ca, error);
    bool met = tls != NULL && meet_head(head, tls, address, stream, error);
    mob_tls_free(tls);
    return met;
}
