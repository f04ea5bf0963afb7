/* HTTP/0.9 over QUIC, as the interop suite uses it: "GET /name\r\n" up, the file's bytes down. */
#define _GNU_SOURCE
#include "peer.h"

/* It has no error codes; this one says that a stream was given up. */
enum { NOT_SERVED = 1 };

static bool start(struct connection *c)
{
    (void)c;
    return true;
}

static bool submit(struct connection *c)
{
    struct stream *stream;
    while ((stream = request_open(c))) {
        stream->out = (const uint8_t *)stream->head;
        stream->out_size = (size_t)snprintf(stream->head, sizeof stream->head, "GET %s\r\n",
                                            stream->request->path);
        stream->out_ready = true;
    }
    return true;
}

static bool next(struct connection *c, struct chunk *chunk)
{
    for (struct stream *s = c->streams; s; s = s->next)
        if (s->out_ready && !s->out_ended && !s->out_blocked) {
            chunk->stream_id = s->id;
            chunk->fin = true;
            chunk->count = 1;
            chunk->pieces[0] = (ngtcp2_vec){(uint8_t *)s->out + s->out_sent,
                                            s->out_size - s->out_sent};
            break;
        }
    return true;
}

static bool sent(struct connection *c, int64_t stream_id, size_t size)
{
    struct stream *stream = stream_find(c, stream_id);
    if (stream) {
        stream->out_sent += size;
        stream->out_ended = stream->out_sent == stream->out_size;   /* then FIN went with it */
    }
    return true;
}

static void blocked(struct connection *c, int64_t stream_id)
{
    struct stream *stream = stream_find(c, stream_id);
    if (stream)
        stream->out_blocked = true;
}

static void unblocked(struct connection *c, int64_t stream_id)
{
    struct stream *stream = stream_find(c, stream_id);
    if (stream)
        stream->out_blocked = false;
}

static void shut(struct connection *c, int64_t stream_id)
{
    struct stream *stream = stream_find(c, stream_id);
    if (stream)
        stream->out_ended = true;
}

/* Server: collect the request line, and once it is complete map the file. */
static bool serve(struct connection *c, struct stream *stream, const uint8_t *data, size_t size,
                  bool fin)
{
    if (stream->out_ready || stream->out_ended)
        return true;   /* what follows the request line is nothing to us */
    size_t room = sizeof stream->head - 1 - stream->head_size;
    bool fits = size <= room;
    memcpy(stream->head + stream->head_size, data, fits ? size : room);
    stream->head_size += fits ? size : room;
    stream->head[stream->head_size] = '\0';
    size_t line = strcspn(stream->head, "\r\n");
    if (fits && !fin && line == stream->head_size)
        return true;   /* not yet */
    bool get = strncmp(stream->head, "GET ", 4) == 0;
    stream->head[line] = '\0';
    if (get && file_map(c->endpoint->task->folder, stream->head + 4, &stream->body)) {
        stream->out = stream->body.data;
        stream->out_size = stream->body.size;
        stream->out_ready = true;
    } else {
        complain("not served: %s", stream->head);
        stream->out_ended = true;
        shut_stream(c->quic, stream->id, NOT_SERVED);
    }
    return true;
}

static bool receive(struct connection *c, int64_t stream_id, const uint8_t *data, size_t size,
                    bool fin)
{
    struct stream *stream = stream_find(c, stream_id);
    if (!stream)
        stream = stream_new(c, stream_id);
    consumed(c, stream_id, size);
    if (!c->batch)
        return serve(c, stream, data, size, fin);
    if (!request_write(c->batch, stream->request, data, size))
        return false;
    if (fin)
        request_end(c->batch, stream->request, true);
    return true;
}

static bool acked(struct connection *c, int64_t stream_id, uint64_t size)
{
    (void)c, (void)stream_id, (void)size;   /* what was sent stays in place until the end */
    return true;
}

static bool closed(struct connection *c, int64_t stream_id, uint64_t code)
{
    (void)code;
    struct stream *stream = stream_find(c, stream_id);
    if (stream) {
        if (stream->request)
            request_end(c->batch, stream->request, false);   /* unless it is complete */
        stream_free(c, stream);
    }
    return true;
}

static void restart(struct connection *c)
{
    while (c->streams) {
        c->streams->request->state = WAITING;
        stream_free(c, c->streams);
    }
    c->batch->opened = 0;
}

static void free_nothing(struct connection *c)
{
    (void)c;
}

const struct protocol hq = {
    .alpn = "hq-interop",
    .no_error = 0,
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
    .free = free_nothing,
};
