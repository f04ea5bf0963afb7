/* The client: connecting, and until when a connection is needed. */
#define _GNU_SOURCE
#include "peer.h"

/* A server that sends no ticket cannot resume: then it gets another full handshake. */
static const ngtcp2_duration TICKET_PATIENCE = 1 * NGTCP2_SECONDS;

struct stream *request_open(struct connection *c)
{
    struct batch *batch = c->batch;
    int64_t id;
    if (batch->opened == batch->count ||
        ngtcp2_conn_open_bidi_stream(c->quic, &id, NULL) != 0)
        return NULL;
    struct stream *stream = stream_new(c, id);
    stream->request = &batch->requests[batch->opened++];
    stream->request->state = OPEN;
    return stream;
}

/* --- Connecting ----------------------------------------------------------------------------- */

static bool start_quic(struct connection *c, const ngtcp2_path *path)
{
    const struct batch *batch = c->batch;
    const struct testcase *testcase = batch->task->testcase;
    const struct session *resumed = &c->endpoint->session;
    uint32_t versions[] = {NGTCP2_PROTO_VER_V2, NGTCP2_PROTO_VER_V1};
    ngtcp2_cid dcid = random_cid(), scid = random_cid();
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_callbacks callbacks;

    connection_callbacks(&callbacks);
    connection_settings(c, &settings, &params, &dcid);
    if (testcase->version2) {
        /* RFC 9368: start in 1, and offer 2 first. */
        settings.preferred_versions = settings.available_versions = versions;
        settings.preferred_versionslen = settings.available_versionslen = 2;
    }
    if (testcase->unknown_version) {
        settings.preferred_versions = settings.available_versions = versions + 1;
        settings.preferred_versionslen = settings.available_versionslen = 1;
        settings.original_version = batch->negotiated ? RESERVED_VERSION : 0;
    }
    c->tls = tls_session(&c->endpoint->tls, &c->ref, batch->origin->host, resumed);
    if (!c->tls || ngtcp2_conn_client_new(&c->quic, &dcid, &scid, path, batch->version, &callbacks,
                                          &settings, &params, NULL, c) != 0)
        return false;
    ngtcp2_conn_set_tls_native_handle(c->quic, c->tls);
    route_add(c, &scid);
    return !testcase->zero_rtt || !resumed->early_data ||
           recall_params(c->quic, &resumed->params);
}

static bool start_connection(struct endpoint *endpoint, struct batch *batch)
{
    const struct origin *origin = batch->origin;
    ngtcp2_path_storage path;
    ngtcp2_path_storage_init(&path, (const struct sockaddr *)&origin->local, origin->size,
                             (const struct sockaddr *)&origin->remote, origin->size, NULL);
    /* A socket of its own, as if each connection came from another program. */
    struct socket *socket = udp_open(path.path.local.addr, path.path.local.addrlen);
    if (!socket) {
        complain("socket: %m");
        return false;
    }
    *address_port(path.path.local.addr) = *address_port(&socket->local.sa);
    socket->next = endpoint->sockets;
    endpoint->sockets = socket;
    struct connection *c = connection_new(endpoint);
    c->socket = socket;
    c->batch = batch;
    batch->connection = c;
    if (start_quic(c, &path.path))
        return true;
    complain("cannot start a connection");
    c->state = DEAD;
    return false;
}

/* --- Downloading ---------------------------------------------------------------------------- */

/* Whether the server has sent the ticket that is wanted, or had its time to do so. */
static bool ticket_settled(const struct endpoint *endpoint, const struct batch *batch,
                           ngtcp2_tstamp *patience)
{
    if (!batch->wants_ticket || endpoint->session.ticket.size)
        return true;
    if (*patience == UINT64_MAX)
        *patience = now() + TICKET_PATIENCE;
    return now() >= *patience;
}

/* Until all requests have ended and the handshake is confirmed; false if that did not happen. */
static bool run(struct endpoint *endpoint, struct batch *batch)
{
    ngtcp2_tstamp patience = UINT64_MAX;
    while (batch->connection && batch->connection->state == ALIVE) {
        if (batch->ended == batch->count && batch->connection->confirmed &&
            ticket_settled(endpoint, batch, &patience))
            return true;
        if (!endpoint_step(endpoint, patience))
            return false;
    }
    return false;
}

bool endpoint_download(struct endpoint *endpoint, struct batch *batch)
{
    struct session *session = &endpoint->session;
    bool good = start_connection(endpoint, batch) && run(endpoint, batch);
    struct connection *c = batch->connection;
    if (c && good && batch->wants_ticket) {
        if (!session->ticket.size)
            complain("the server sent no session ticket");
        else if (!remember_params(c->quic, &session->params))
            session->early_data = false;
    }
    if (c) {
        connection_close(c);
        c->batch = NULL;
        batch->connection = NULL;
    }
    return good;
}
