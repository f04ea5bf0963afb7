/* HTTP/3, by nghttp3: GET and its response, nothing pushed. */
#define _GNU_SOURCE
#include "peer.h"

#include <nghttp3/nghttp3.h>
#include <stdlib.h>

enum { FOUND = 200, NOT_FOUND = 404, METHOD_NOT_ALLOWED = 405 };

static bool good(struct connection *c, int64_t error)
{
    if (error < 0) {
        complain("HTTP/3: %s", nghttp3_strerror((int)error));
        c->app_error = nghttp3_err_infer_quic_app_error_code((int)error);
    }
    return error >= 0;
}

/* --- What nghttp3 tells ---------------------------------------------------------------------- */

static bool is(nghttp3_rcbuf *value, const char *text)
{
    nghttp3_vec bytes = nghttp3_rcbuf_get_buf(value);
    return bytes.len == strlen(text) && memcmp(bytes.base, text, bytes.len) == 0;
}

static int begin_headers(nghttp3_conn *http, int64_t stream_id, void *user_data, void *stream)
{
    struct connection *c = user_data;
    if (!stream)   /* server */
        nghttp3_conn_set_stream_user_data(http, stream_id, stream_new(c, stream_id));
    return 0;
}

static int recv_header(nghttp3_conn *http, int64_t stream_id, int32_t token, nghttp3_rcbuf *name,
                       nghttp3_rcbuf *value, uint8_t flags, void *user_data, void *stream_data)
{
    (void)http, (void)stream_id, (void)name, (void)flags, (void)user_data;
    struct stream *stream = stream_data;
    nghttp3_vec text = nghttp3_rcbuf_get_buf(value);
    if (token == NGHTTP3_QPACK_TOKEN__STATUS)
        stream->status = (unsigned)strtoul((const char *)text.base, NULL, 10);
    else if (token == NGHTTP3_QPACK_TOKEN__METHOD && !is(value, "GET"))
        stream->status = METHOD_NOT_ALLOWED;
    else if (token == NGHTTP3_QPACK_TOKEN__PATH && text.len < sizeof stream->head)
        memcpy(stream->head, text.base, text.len);
    return 0;
}

static nghttp3_ssize read_body(nghttp3_conn *http, int64_t stream_id, nghttp3_vec *pieces,
                               size_t count, uint32_t *flags, void *user_data, void *stream_data)
{
    (void)http, (void)stream_id, (void)count, (void)user_data;
    const struct stream *stream = stream_data;
    *flags |= NGHTTP3_DATA_FLAG_EOF;
    *pieces = (nghttp3_vec){stream->body.data, stream->body.size};
    return stream->body.size ? 1 : 0;
}

static nghttp3_nv field(const char *name, const char *value)
{
    return (nghttp3_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
                        NGHTTP3_NV_FLAG_NONE};
}

static int respond(struct connection *c, struct stream *stream)
{
    if (!stream->status)
        stream->status =
            file_map(c->endpoint->task->folder, stream->head, &stream->body) ? FOUND : NOT_FOUND;
    if (stream->status != FOUND)
        complain("not served: %s", stream->head);
    char status[16], size[32];
    snprintf(status, sizeof status, "%u", stream->status);
    snprintf(size, sizeof size, "%zu", stream->body.size);
    const nghttp3_nv fields[] = {
        field(":status", status),
        field("server", "ngtcp2"),
        field("content-length", size),
    };
    static const nghttp3_data_reader READER = {read_body};
    return nghttp3_conn_submit_response(c->http3, stream->id, fields,
                                        sizeof fields / sizeof *fields, &READER);
}

static int end_stream(nghttp3_conn *http, int64_t stream_id, void *user_data, void *stream_data)
{
    (void)http, (void)stream_id;
    struct connection *c = user_data;
    struct stream *stream = stream_data;
    if (!c->batch)
        return respond(c, stream) == 0 ? 0 : NGHTTP3_ERR_CALLBACK_FAILURE;
    /* An empty file has no body, but is created all the same. */
    bool complete = stream->status == FOUND && request_write(c->batch, stream->request, NULL, 0);
    request_end(c->batch, stream->request, complete);
    return 0;
}

static int recv_data(nghttp3_conn *http, int64_t stream_id, const uint8_t *data, size_t size,
                     void *user_data, void *stream_data)
{
    (void)http;
    struct connection *c = user_data;
    struct stream *stream = stream_data;
    consumed(c, stream_id, size);
    bool wanted = c->batch && stream->status == FOUND;
    return !wanted || request_write(c->batch, stream->request, data, size) ? 0
                                                                    : NGHTTP3_ERR_CALLBACK_FAILURE;
}

static int deferred_consume(nghttp3_conn *http, int64_t stream_id, size_t size, void *user_data,
                            void *stream)
{
    (void)http, (void)stream;
    consumed(user_data, stream_id, size);
    return 0;
}

static int give_up_stream(nghttp3_conn *http, int64_t stream_id, uint64_t code, void *user_data,
                          void *stream)
{
    (void)http, (void)stream;
    shut_stream(((struct connection *)user_data)->quic, stream_id, code);
    return 0;
}

/* --- What connection.c asks ------------------------------------------------------------------ */

static bool start(struct connection *c)
{
    static const nghttp3_callbacks CALLBACKS = {
        .recv_data = recv_data,
        .deferred_consume = deferred_consume,
        .begin_headers = begin_headers,
        .recv_header = recv_header,
        .stop_sending = give_up_stream,
        .reset_stream = give_up_stream,
        .end_stream = end_stream,
    };
    nghttp3_settings settings;
    nghttp3_conn *http;
    int64_t control, encoder, decoder;

    nghttp3_settings_default(&settings);
    settings.qpack_max_dtable_capacity = 4096;
    settings.qpack_blocked_streams = 100;
    int error = c->batch ? nghttp3_conn_client_new(&http, &CALLBACKS, &settings, NULL, c)
                         : nghttp3_conn_server_new(&http, &CALLBACKS, &settings, NULL, c);
    if (!good(c, error))
        return false;
    c->http3 = http;
    if (ngtcp2_conn_open_uni_stream(c->quic, &control, NULL) != 0 ||
        ngtcp2_conn_open_uni_stream(c->quic, &encoder, NULL) != 0 ||
        ngtcp2_conn_open_uni_stream(c->quic, &decoder, NULL) != 0) {
        complain("HTTP/3: the peer allows fewer than three unidirectional streams");
        c->app_error = NGHTTP3_H3_GENERAL_PROTOCOL_ERROR;
        return false;
    }
    return good(c, nghttp3_conn_bind_control_stream(http, control)) &&
           good(c, nghttp3_conn_bind_qpack_streams(http, encoder, decoder));
}

static bool submit(struct connection *c)
{
    struct stream *stream;
    while (c->http3 && (stream = request_open(c))) {
        const nghttp3_nv fields[] = {
            field(":method", "GET"),
            field(":scheme", "https"),
            field(":authority", c->batch->origin->authority),
            field(":path", stream->request->path),
            field("user-agent", "ngtcp2"),
        };
        if (!good(c, nghttp3_conn_submit_request(c->http3, stream->id, fields,
                                                 sizeof fields / sizeof *fields, NULL, stream)))
            return false;
    }
    return true;
}

static bool next(struct connection *c, struct chunk *chunk)
{
    enum { ROOM = sizeof chunk->pieces / sizeof *chunk->pieces };
    nghttp3_vec pieces[ROOM];
    int fin = 0;
    if (!c->http3)
        return true;
    nghttp3_ssize count =
        nghttp3_conn_writev_stream(c->http3, &chunk->stream_id, &fin, pieces, ROOM);
    if (!good(c, count))
        return false;
    for (nghttp3_ssize i = 0; i < count; i++)
        chunk->pieces[i] = (ngtcp2_vec){pieces[i].base, pieces[i].len};
    chunk->count = (size_t)count;
    chunk->fin = fin;
    return true;
}

static bool sent(struct connection *c, int64_t stream_id, size_t size)
{
    return good(c, nghttp3_conn_add_write_offset(c->http3, stream_id, size));
}

static void blocked(struct connection *c, int64_t stream_id)
{
    nghttp3_conn_block_stream(c->http3, stream_id);
}

static void unblocked(struct connection *c, int64_t stream_id)
{
    if (c->http3)
        nghttp3_conn_unblock_stream(c->http3, stream_id);
}

static void shut(struct connection *c, int64_t stream_id)
{
    nghttp3_conn_shutdown_stream_write(c->http3, stream_id);
}

static bool receive(struct connection *c, int64_t stream_id, const uint8_t *data, size_t size,
                    bool fin)
{
    if (!c->http3)
        return false;
    nghttp3_ssize read = nghttp3_conn_read_stream(c->http3, stream_id, data, size, fin);
    if (!good(c, read))
        return false;
    consumed(c, stream_id, (size_t)read);   /* bodies are counted in recv_data() */
    return true;
}

static bool acked(struct connection *c, int64_t stream_id, uint64_t size)
{
    return good(c, nghttp3_conn_add_ack_offset(c->http3, stream_id, size));
}

static bool closed(struct connection *c, int64_t stream_id, uint64_t code)
{
    int error = c->http3 ? nghttp3_conn_close_stream(c->http3, stream_id, code) : 0;
    struct stream *stream = stream_find(c, stream_id);
    if (stream) {
        if (stream->request)
            request_end(c->batch, stream->request, false);   /* unless it has ended before */
        stream_free(c, stream);
    }
    return error == NGHTTP3_ERR_STREAM_NOT_FOUND || good(c, error);
}

static void restart(struct connection *c)
{
    (void)c;   /* there is no test case of HTTP/3 with 0-RTT */
}

static void free_http3(struct connection *c)
{
    nghttp3_conn_del(c->http3);
}

const struct protocol h3 = {
    .alpn = "h3",
    .no_error = NGHTTP3_H3_NO_ERROR,
    .start = start,
    .submit = submit,
    .next = next,
    .sent = sent,
    .blocked = blocked,
    .unblocked = unblocked,
    .shut = shut,
    .receive = receive,
    .acked = acked,
    .closed = closed,
    .restart = restart,
    .free = free_http3,
};
