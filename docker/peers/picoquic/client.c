/* The client: a connection, its requests and what comes back. */
#include "peer.h"

#include <h3zero_common.h>
#include <picoquic_internal.h>

#include <stdlib.h>
#include <string.h>

/* In microseconds. A server that sends no ticket cannot resume: it gets another full handshake. */
static const uint64_t TICKET_PATIENCE = 1000000;
/* A client that only receives would not notice a NAT's rebinding without packets of its own. */
static const uint64_t KEEP_ALIVE = 300000;

enum { HTTP_OK = 200 };

/* A request on its stream. */
struct stream {
    struct request *request;
    h3zero_data_stream_state_t h3;
};

struct connection {
    struct batch *batch;
    bool http3;
    picoquic_cnx_t *quic;
    struct stream *streams;
    bool updated;              /* the keys are */
    bool closing;
    uint64_t patience;         /* when to stop waiting for a ticket */
};

/* --- Requests ------------------------------------------------------------------------------- */

static int open_request(struct connection *c, struct stream *stream)
{
    const char *path = stream->request->path;
    uint8_t message[REQUEST_SIZE];
    size_t size;
    if (c->http3) {
        if (h3zero_client_create_stream_request_ex(message, sizeof message, (const uint8_t *)path,
                                                   strlen(path), NULL, 0, 0,
                                                   c->batch->origin->authority, &size) != 0)
            return -1;
    } else {
        size = (size_t)snprintf((char *)message, sizeof message, "GET %s\r\n", path);
    }
    stream->request->state = OPEN;
    return picoquic_add_to_stream_with_ctx(c->quic,
                                           picoquic_get_next_local_stream_id(c->quic, 0), message,
                                           size, 1, stream);
}

static int open_requests(struct connection *c)
{
    struct batch *batch = c->batch;
    if (c->streams)
        return 0;
    if (!(c->streams = calloc(batch->count + 1, sizeof *c->streams)))
        return -1;
    int result = c->http3 ? h3zero_protocol_init(c->quic) : 0;
    for (; result == 0 && batch->opened < batch->count; batch->opened++) {
        c->streams[batch->opened].request = &batch->requests[batch->opened];
        result = open_request(c, &c->streams[batch->opened]);
    }
    if (batch->count)
        picoquic_enable_keep_alive(c->quic, KEEP_ALIVE);
    return result;
}

/* --- What comes back ------------------------------------------------------------------------ */

static void end_stream(struct connection *c, struct stream *stream, bool complete)
{
    const h3zero_data_stream_state_t *h3 = &stream->h3;
    if (stream->request->state != OPEN)
        return;
    if (c->http3)
        complete = complete && h3->header_found && h3->header.status == HTTP_OK &&
                   !(h3->frame_prefix_parsed && h3->current_frame_read < h3->current_frame_length);
    request_end(c->batch, stream->request, complete);
    h3zero_delete_data_stream_state(&stream->h3);
    if (c->batch->ended == c->batch->count)
        picoquic_disable_keep_alive(c->quic);
}

static bool store_h3(struct connection *c, struct stream *stream, uint8_t *data, size_t size)
{
    uint8_t *end = data + size;
    while (data < end) {
        size_t content = 0;
        uint64_t error = 0;
        data = h3zero_parse_data_stream(data, end, &stream->h3, &content, &error);
        if (!data) {
            complain("%s: HTTP/3 error 0x%llx", stream->request->path, (unsigned long long)error);
            picoquic_close(c->quic, error);
            return false;
        }
        if (content && !request_write(c->batch, stream->request, data, content))
            return false;
        data += content;
    }
    return true;
}

static void on_response(struct connection *c, struct stream *stream, uint8_t *data, size_t size,
                        bool end)
{
    if (stream->request->state != OPEN)
        return;
    bool good = c->http3 ? store_h3(c, stream, data, size)
                         : !size || request_write(c->batch, stream->request, data, size);
    if (good && end)
        good = request_write(c->batch, stream->request, NULL, 0);   /* an empty file is one, too */
    if (!good || end)
        end_stream(c, stream, good);
}

static int on_event(picoquic_cnx_t *quic, uint64_t id, uint8_t *data, size_t size,
                    picoquic_call_back_event_t event, void *context, void *stream)
{
    struct connection *c = context;
    (void)quic, (void)id;
    switch (event) {
    case picoquic_callback_almost_ready:
    case picoquic_callback_ready:
        return open_requests(c);
    case picoquic_callback_stream_data:
    case picoquic_callback_stream_fin:
        if (stream)   /* the others are HTTP/3's control streams */
            on_response(c, stream, data, size, event == picoquic_callback_stream_fin);
        return 0;
    case picoquic_callback_stream_reset:
    case picoquic_callback_stop_sending:
        if (stream)
            end_stream(c, stream, false);
        return 0;
    case picoquic_callback_version_negotiation:
        c->batch->negotiated = true;
        return 0;
    default:
        return 0;
    }
}

/* --- Connecting ----------------------------------------------------------------------------- */

/* Whether the server has sent the ticket that is wanted, or had its time to do so. */
static bool ticket_settled(struct connection *c)
{
    const picoquic_quic_t *quic = picoquic_get_quic_ctx(c->quic);
    uint64_t now = picoquic_current_time();
    if (!c->batch->wants_ticket || quic->p_first_ticket)
        return true;
    if (!c->patience) {
        c->patience = now + TICKET_PATIENCE;
        picoquic_set_app_wake_time(c->quic, c->patience);
    }
    return now >= c->patience;
}

/* After each round of the loop: what to do next; false if the connection is over. */
static bool step(void *context)
{
    struct connection *c = context;
    picoquic_state_enum state = picoquic_get_cnx_state(c->quic);
    if (state == picoquic_state_disconnected)
        return false;
    if (state != picoquic_state_ready)   /* RFC 9001, 6: not before the handshake is confirmed */
        return true;
    if (c->batch->task->testcase->key_update && !c->updated)
        c->updated = picoquic_start_key_rotation(c->quic) == 0;
    if (!c->closing && c->batch->ended == c->batch->count && ticket_settled(c)) {
        c->closing = true;
        picoquic_close(c->quic, 0);
    }
    return true;
}

static void explain(picoquic_cnx_t *quic)
{
    uint64_t local = picoquic_get_local_error(quic), remote = picoquic_get_remote_error(quic);
    complain("the connection ended too early: local error 0x%llx (%s), remote error 0x%llx (%s)",
             (unsigned long long)local, picoquic_error_name(local), (unsigned long long)remote,
             picoquic_error_name(remote));
}

bool endpoint_download(struct endpoint *endpoint, struct batch *batch)
{
    const struct testcase *testcase = batch->task->testcase;
    struct sockaddr *server = (struct sockaddr *)&batch->origin->remote;
    struct connection c = {.batch = batch, .http3 = testcase->http3};
    bool negotiated = batch->negotiated;
    /* Sockets of its own, as if each connection came from another program. */
    picoquic_packet_loop_param_t sockets = {.local_af = server->sa_family};
    c.quic = picoquic_create_cnx(endpoint->quic, picoquic_null_connection_id,
                                 picoquic_null_connection_id, server, picoquic_current_time(),
                                 batch->version, batch->origin->host,
                                 testcase->http3 ? "h3" : "hq-interop", 1);
    if (!c.quic) {
        complain("cannot start a connection");
        return false;
    }
    picoquic_set_callback(c.quic, on_event, &c);
    if (testcase->version2)
        picoquic_set_desired_version(c.quic, PICOQUIC_V2_VERSION);
    bool good = picoquic_start_client_cnx(c.quic) == 0 &&
                (!testcase->zero_rtt || !picoquic_is_0rtt_available(c.quic) ||
                 open_requests(&c) == 0) &&
                endpoint_run(endpoint, &sockets, step, &c) == STEP_ENDED_IT;
    if (good && !c.closing && batch->negotiated == negotiated)
        explain(c.quic);
    picoquic_delete_cnx(c.quic);
    free(c.streams);
    return good && c.closing;
}
