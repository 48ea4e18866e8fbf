/* peers.c: connections; see inside.h. */
#include "net/shared.h"

#include <string.h>
#include <unistd.h>

enum {
    PEERS_KEPT = 1024 /* nobody looks which of so few are of use */
};

static void tell_resets(MobNetHost *host);

/* --- peers --- */

MobPeer *
mob_peers_get(MobNetHost *host, MobAddress address)
{
    MobPeer *peer = host->recent;

    if (peer != NULL && mob_address_eq(peer->address, address))
        return peer; /* most messages go where the one before went, or come from there */
    peer = mob_table_get(host->peers, mob_key_address(address));
    if (peer == NULL) {
        peer = g_new0(MobPeer, 1);
        peer->address = address;
        peer->near = mob_birth_is_near(host->birth, address);
        mob_table_add(host->peers, mob_key_address(address), peer);
    }
    host->recent = peer;
    return peer;
}

/* Whom to send to so that it comes to @peer: itself, our daemon, or the daemon
 * of its machine. */
static MobPeer *
next_hop(MobNetHost *host, MobPeer *peer)
{
    uint32_t node = peer->address.node;

    if (peer->near || peer->address.local == MOB_LOCAL_NODE)
        return host->daemon != NULL || peer->near
                   ? peer
                   : mob_peers_get(host, mob_node_address(mob_birth_home(host->birth)));
    if (host->daemon == NULL)
        return mob_peers_get(host, mob_node_address(mob_birth_home(host->birth)));
    return mob_peers_get(host, mob_node_address(node));
}

static MobLine *
dial(MobNetHost *host, MobPeer *hop)
{
    if (host->mesh != NULL && !hop->near)
        return mob_mesh_dial(host, hop);
    g_autofree char *path = mob_birth_socket(host->birth, hop->address);
    int fd = mob_line_connect(path);
    if (fd < 0)
        return NULL;
    MobLine *line = mob_line_new(host, fd, MOB_LINE_OUT, hop);
    mob_line_hello(line);
    return line;
}

MobLine *
mob_peers_line(MobNetHost *host, MobPeer *peer)
{
    MobPeer *hop = next_hop(host, peer);

    if (hop->out != NULL)
        return hop->out;
    if (hop->ending != 0)
        return NULL; /* what it had sent is still read */
    hop->out = dial(host, hop);
    return hop->out;
}

void
mob_peers_reset(MobNetHost *host, MobPeer *peer)
{
    if (!peer->resetting)
        g_ptr_array_add(host->resets, peer);
    peer->resetting = true;
}

static void
break_quietly(MobNetHost *host, MobPeer *peer)
{
    if (peer->out != NULL) {
        mob_stream_flush(&peer->out->stream);
        mob_line_close(peer->out);
    }
    if (peer->in != NULL)
        mob_line_close(peer->in);
    mob_peers_reset(host, peer);
}

static void
send_reset(MobNetHost *host, MobPeer *hop, MobAddress from, MobAddress to)
{
    MobLine *line = mob_peers_line(host, hop);
    MobFrame reset = {.kind = MOB_FRAME_RESET, .from = from, .to = to};

    if (line == NULL)
        return;
    mob_stream_put(&line->stream, &reset, NULL, 0);
    mob_line_touch(line);
}

void
mob_peers_break(MobNetHost *host, MobAddress to)
{
    MobPeer *peer = mob_peers_get(host, to);

    peer->broken = true;
    if (next_hop(host, peer) == peer) {
        break_quietly(host, peer);
        return;
    }
    send_reset(host, peer, host->address, to);
    mob_peers_reset(host, peer);
}

/* A daemon is told when a machine goes; its own process has to hear of all that was behind it. */
static bool
know(MobNetHost *host, MobPeer *peer, MobAddress by)
{
    peer->known = true;
    return host->pairs == NULL || next_hop(host, peer) == peer ||
           mob_pairs_add(host->pairs, host->address, peer->address, by);
}

/* --- sending --- */

void
mob_peers_send(MobNetHost *host, MobAddress to, MobMsg *msg, uint8_t flags)
{
    if (mob_address_eq(to, host->address)) {
        g_queue_push_tail(&host->self, msg);
        return;
    }
    MobPeer *peer = mob_peers_get(host, to);
    MobLine *line = mob_peers_line(host, peer);

    know(host, peer, host->address);
    if (line == NULL) {
        mob_msg_unref(msg);
        if (next_hop(host, peer)->in == NULL)
            mob_peers_reset(host, peer);
        return;
    }
    MobFrame frame = {.kind = MOB_FRAME_MESSAGE,
                      .flags = flags,
                      .from = host->address,
                      .to = to,
                      .clock = mob_clock_stamp(&host->clock),
                      .event = host->events};
    if (mob_shared_put(host, line, &frame, msg))
        mob_line_touch(line);
    if (peer->heard)
        host->urgent = line;
    peer->heard = false;
    mob_msg_unref(msg);
}

void
mob_peers_leave(MobNetHost *host, const char *why)
{
    MobAddress daemon = mob_node_address(mob_birth_home(host->birth));
    MobFrame frame = {.kind = MOB_FRAME_LEAVES, .from = host->address, .to = daemon};

    if (mob_address_eq(daemon, host->address))
        return;
    MobLine *line = mob_peers_line(host, mob_peers_get(host, daemon));
    if (line == NULL)
        return;
    mob_stream_put(&line->stream, &frame, why, strlen(why));
    mob_line_touch(line);
}

/* @by has brought up more processes than there can be. */
static void
cut_off(MobNetHost *host, MobAddress by)
{
    g_printerr("mobula: %s: %u.%u has more than %d pairs of processes talk; its connection is "
               "closed\n",
               mob_str(host->birth->name), by.node, by.local, MOB_PAIRS_MAX);
    mob_peers_break(host, by);
}

/* Whether a message of those two may go on; what nobody is told of is no pair. */
static bool
may_talk(MobNetHost *host, MobAddress by, const MobFrame *frame, bool near, bool there)
{
    MobPeer *peer = mob_peers_get(host, frame->to);

    if (!there && !mob_shim_is_silent(host, next_hop(host, peer)->address)) {
        send_reset(host, mob_peers_get(host, frame->from), frame->to, frame->from);
        return false;
    }
    bool may = near ? mob_pairs_add(host->pairs, frame->to, frame->from, by)
                    : mob_pairs_add(host->pairs, frame->from, frame->to, by);
    if (!may)
        cut_off(host, by);
    return may && there;
}

void
mob_peers_pass(MobNetHost *host, MobAddress by, const MobFrame *frame, const uint8_t *body)
{
    MobPeer *peer = mob_peers_get(host, frame->to);
    MobLine *line = mob_peers_line(host, peer);
    bool near = peer->near;

    if (frame->kind == MOB_FRAME_RESET)
        mob_pairs_end(host->pairs, near ? frame->to : frame->from, near ? frame->from : frame->to);
    if (frame->kind == MOB_FRAME_MESSAGE && !may_talk(host, by, frame, near, line != NULL))
        return;
    if (line == NULL)
        return;
    mob_stream_put(&line->stream, frame, body, frame->length);
    mob_line_touch(line);
}

void
mob_peers_hurry(MobNetHost *host)
{
    MobLine *line = host->urgent;

    if (line == NULL || !line->dirty || host->journal != NULL)
        return;
    mob_look_flush(host);
    mob_stream_flush(&line->stream);
}

bool
mob_peers_flush(MobNetHost *host)
{
    bool any = host->dirty->len > 0;
    guint kept = 0;

    mob_shared_flush(host);
    for (guint i = 0; i < host->dirty->len; i++) {
        MobLine *line = g_ptr_array_index(host->dirty, i);
        mob_stream_flush(&line->stream);
        bool more = mob_stream_has_output(&line->stream) && line->stream.state == MOB_STREAM_OPEN;
        mob_loop_change(host->loop, &line->interest, EPOLLIN | EPOLLRDHUP | (more ? EPOLLOUT : 0));
        line->dirty = more;
        if (more)
            host->dirty->pdata[kept++] = line;
    }
    g_ptr_array_set_size(host->dirty, (gint)kept);
    for (guint i = host->lines->len; i-- > 0;) {
        MobLine *line = g_ptr_array_index(host->lines, i);
        if (!line->closed && line->stream.state == MOB_STREAM_LOST)
            mob_line_close(line);
        if (line->closed)
            g_ptr_array_remove_index_fast(host->lines, i);
    }
    return any;
}

/* --- what comes --- */

/* Whether what came on @line may be from @from: its own words, or, from a
 * daemon, those of a process of its machine; from the head's also the GCS's. */
static bool
may_speak_for(const MobNetHost *host, const MobLine *line, MobAddress from)
{
    MobAddress who = line->peer->address;

    if (mob_address_eq(who, from))
        return true;
    if (who.local != MOB_LOCAL_NODE)
        return false;
    if (host->daemon == NULL)
        return who.node == mob_birth_home(host->birth) && !mob_birth_is_near(host->birth, from);
    if (mob_address_eq(from, host->birth->gcs))
        return !host->birth->head && mob_mesh_is_head(host, who.node);
    return from.node == who.node;
}

/* A machine says to another one itself what it has to say. */
static bool
may_pass(const MobNetHost *host, const MobLine *line, const MobFrame *frame)
{
    return host->daemon != NULL && (line->peer->near || mob_birth_is_near(host->birth, frame->to));
}

static void
on_message(MobNetHost *host, MobAddress by, const MobFrame *frame, const uint8_t *body)
{
    g_autoptr(GError) error = NULL;
    MobMsg *msg = mob_shared_get(host, frame, body, &error);

    if (msg == NULL) {
        g_printerr("mobula: %s: a message from %u.%u is refused: %s\n", mob_str(host->birth->name),
                   frame->from.node, frame->from.local, error->message);
        return;
    }
    MobPeer *peer = mob_peers_get(host, frame->from);
    if (!know(host, peer, by)) {
        cut_off(host, by);
        mob_msg_unref(msg);
        return;
    }
    peer->heard = true;
    if (mob_wants(&host->out, MOB_NOTE_MESSAGE_DELIVERED))
        mob_note(&host->out, (MobNote){.kind = MOB_NOTE_MESSAGE_DELIVERED,
                                       .from = frame->from,
                                       .to = host->address,
                                       .msg = msg});
    if (host->daemon != NULL && msg->type == MOB_MSG_ASK_FAILURE_CAUSE)
        mob_daemon_asked(host, mob_ask_failure_cause(msg)->worker);
    MobInput input = {.kind = MOB_INPUT_MESSAGE, .from = frame->from, .msg = msg};
    if (frame->flags & MOB_FRAME_LOSE_REPLY)
        host->deaf = frame->from;
    mob_nethost_step(host, &input, frame->from, frame->event);
    if (frame->flags & MOB_FRAME_LOSE_REPLY) {
        host->deaf = (MobAddress){0};
        mob_peers_break(host, frame->from);
    }
    mob_msg_unref(msg);
}

static void
on_frame(MobLine *line, const MobFrame *frame, const uint8_t *body)
{
    MobNetHost *host = line->host;

    mob_clock_see(&host->clock, frame->clock);
    if (frame->kind == MOB_FRAME_LEAVES && host->daemon != NULL) {
        mob_daemon_left(host, line->peer->address, body, frame->length);
        return;
    }
    if (!may_speak_for(host, line, frame->from)) {
        g_printerr("mobula: %s: %u.%u speaks for %u.%u, which it is not\n",
                   mob_str(host->birth->name), line->peer->address.node, line->peer->address.local,
                   frame->from.node, frame->from.local);
        mob_line_close(line);
    } else if (!mob_address_eq(frame->to, host->address)) {
        if (may_pass(host, line, frame))
            mob_peers_pass(host, line->peer->address, frame, body);
    } else if (frame->kind == MOB_FRAME_MESSAGE) {
        on_message(host, line->peer->address, frame, body);
    } else if (frame->kind == MOB_FRAME_PROBE) {
        if (!mob_shim_is_silent(host, frame->from))
            mob_look_probed(host, frame);
    } else if (frame->kind == MOB_FRAME_RESET) {
        if (host->pairs != NULL)
            mob_pairs_end(host->pairs, host->address, frame->from);
        mob_peers_reset(host, mob_peers_get(host, frame->from));
    } else if (frame->kind == MOB_FRAME_ROSTER && host->mesh != NULL) {
        mob_mesh_roster(host, frame, body);
    } else {
        mob_shared_frame(line, frame, body);
    }
}

/* It connects anew: the connection before is over, and said to be so first. */
static void
end_at_once(MobNetHost *host, MobPeer *peer)
{
    if (peer->in != NULL)
        mob_line_drain(peer->in);
    break_quietly(host, peer);
    tell_resets(host);
}

/* Somebody says who it is. */
static bool
greet(MobLine *line, const MobFrame *frame)
{
    MobNetHost *host = line->host;

    if (frame->kind != MOB_FRAME_HELLO || frame->event != mob_schema_hash()) {
        g_printerr("mobula: %s: somebody connected who does not speak this version's protocol\n",
                   mob_str(host->birth->name));
        return false;
    }
    mob_peers_adopt(line, frame->from);
    return true;
}

void
mob_peers_adopt(MobLine *line, MobAddress from)
{
    MobNetHost *host = line->host;
    MobPeer *peer = mob_peers_get(host, from);

    if (peer->in != NULL || peer->ending != 0)
        end_at_once(host, peer);
    line->peer = peer;
    line->stream.frame_max = MOB_FRAME_MAX;
    line->stream.pass.bare = host->daemon == NULL && from.local != MOB_LOCAL_NODE;
    peer->in = line;
    if (host->daemon != NULL)
        mob_daemon_greeted(host, peer->address);
}

void
mob_peers_probe(MobNetHost *host, MobAddress to, uint64_t number)
{
    MobFrame probe = {.kind = MOB_FRAME_PROBE, .from = host->address, .to = to, .event = number};

    if (host->daemon != NULL)
        mob_peers_pass(host, host->address, &probe, NULL);
}

void
mob_peers_frame(MobLine *line, const MobFrame *frame, const uint8_t *body)
{
    if (line->peer == NULL) {
        if (!greet(line, frame))
            mob_line_close(line);
    } else if (frame->kind != MOB_FRAME_HELLO) {
        on_frame(line, frame, body);
    }
}

/* --- what is due --- */

/* Those of whom nothing gets through stay for later. */
static void
tell_resets(MobNetHost *host)
{
    if (host->resets->len == 0)
        return;
    g_autoptr(GPtrArray) resets = host->resets;
    host->resets = g_ptr_array_new();
    for (guint i = 0; i < resets->len; i++) {
        MobPeer *peer = g_ptr_array_index(resets, i);
        peer->resetting = false;
        bool known = peer->known;
        if (known && !peer->broken && mob_shim_is_silent(host, peer->address)) {
            mob_peers_reset(host, peer);
            continue;
        }
        peer->known = peer->broken = false;
        peer->ending = 0;
        mob_shim_forget(host, peer->address);
        if (host->pairs != NULL)
            mob_pairs_lost(host, peer->address);
        mob_shared_reset(host, peer->address);
        if (!known)
            continue;
        MobInput input = {.kind = MOB_INPUT_RESET, .from = peer->address};
        mob_nethost_step(host, &input, peer->address, 0);
    }
}

/* What is left of those who have ended, or of whom there was only talk. */
static void
forget_useless(MobNetHost *host)
{
    MobPeer *peer;
    size_t at = 0;

    while ((peer = mob_table_next(host->peers, &at)) != NULL) {
        if (peer->in != NULL || peer->out != NULL || peer->known || peer->broken ||
            peer->ending != 0 || peer->resetting)
            continue;
        mob_table_take(host->peers, mob_key_address(peer->address));
        g_free(peer);
    }
    host->recent = NULL;
    host->peers_most = MAX(2 * mob_table_count(host->peers), (size_t)PEERS_KEPT);
}

bool
mob_peers_settle(MobNetHost *host)
{
    bool any = host->self.length > 0;
    MobMsg *msg;

    mob_lines_look(host);
    if (mob_table_count(host->peers) > host->peers_most)
        forget_useless(host);
    tell_resets(host);
    any |= mob_shared_settle(host);
    for (guint count = host->self.length; count > 0 && (msg = g_queue_pop_head(&host->self));
         count--) {
        MobInput input = {.kind = MOB_INPUT_MESSAGE, .from = host->address, .msg = msg};
        mob_nethost_step(host, &input, host->address, host->events);
        mob_msg_unref(msg);
    }
    return any;
}

void
mob_peers_free(MobNetHost *host)
{
    g_autofree char *path = mob_birth_socket(host->birth, host->address);

    if (host->peers == NULL)
        return;
    if (host->listener.fd >= 0) {
        close(host->listener.fd);
        unlink(path);
    }
    g_queue_clear_full(&host->self, (GDestroyNotify)mob_msg_unref);
    g_ptr_array_unref(host->lines);
    g_ptr_array_unref(host->dirty);
    g_ptr_array_unref(host->resets);
    mob_table_free_full(host->peers, g_free);
}
