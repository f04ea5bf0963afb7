/* The server: what is served, and what it offers beyond that. */
#define _GNU_SOURCE
#include "peer.h"

#include <h3zero_common.h>
#include <picoquic_internal.h>

#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

enum { HQ_BAD_REQUEST = 1, HQ_NOT_FOUND = 2 };

/* A request of hq-interop and the file that answers it. */
struct stream {
    struct stream *next, **link;   /* of the connection */
    char request[REQUEST_SIZE];
    size_t size;
    struct mapping file;
    size_t sent;
    bool answered;
};

struct connection {
    int folder;
    struct stream *streams;
};

static int on_event(picoquic_cnx_t *quic, uint64_t id, uint8_t *data, size_t size,
                    picoquic_call_back_event_t event, void *context, void *stream);
static size_t choose_h3(picoquic_quic_t *quic, picoquic_iovec_t *offered, size_t count);
static size_t choose_hq(picoquic_quic_t *quic, picoquic_iovec_t *offered, size_t count);
static bool offer_preferred_address(picoquic_quic_t *quic, unsigned port);

static bool serve_on(void *context)
{
    (void)context;
    return true;
}

bool endpoint_serve(struct endpoint *endpoint)
{
    const struct task *task = endpoint->task;
    picoquic_quic_t *quic = endpoint->quic;
    picoquic_packet_loop_param_t sockets = {.local_port = (uint16_t)task->port};
    static picohttp_server_parameters_t web;   /* until picoquic is freed */
    web.web_folder = task->www;
    if (task->testcase->http3)
        picoquic_set_default_callback(quic, h3zero_callback, &web);
    else
        picoquic_set_default_callback(quic, on_event, endpoint);
    picoquic_set_alpn_select_fn_v2(quic, task->testcase->http3 ? choose_h3 : choose_hq);
    if (task->testcase->preferred_address) {
        sockets.public_port = sockets.local_port;
        sockets.local_port += PREFERRED_PORT_OFFSET;
        if (!offer_preferred_address(quic, sockets.local_port))
            return false;
    }
    return endpoint_run(endpoint, &sockets, serve_on, NULL) == SIGNAL_ENDED_IT;
}

/* --- The protocol and the preferred address ------------------------------------------------- */

static size_t choose(const picoquic_iovec_t *offered, size_t count, const char *name)
{
    size_t i = 0;
    while (i < count && (offered[i].len != strlen(name) ||
                         memcmp(offered[i].base, name, offered[i].len) != 0))
        i++;
    return i;
}

static size_t choose_h3(picoquic_quic_t *quic, picoquic_iovec_t *offered, size_t count)
{
    (void)quic;
    return choose(offered, count, "h3");
}

static void set_address(picoquic_tp_preferred_address_t *offer, const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        memcpy(offer->ipv4Address, &((const struct sockaddr_in *)(const void *)address)->sin_addr,
               sizeof offer->ipv4Address);
    else
        memcpy(offer->ipv6Address, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
               sizeof offer->ipv6Address);
}

/* Of the family that the client uses, it gets the address that it wrote to: it can surely reach it.
 * Now is the time: the client is known, and the parameters have not yet been written. */
static size_t choose_hq(picoquic_quic_t *quic, picoquic_iovec_t *offered, size_t count)
{
    picoquic_cnx_t *c = picoquic_get_cnx_in_progress(quic);
    if (c && c->local_parameters.preferred_address.is_defined) {
        struct sockaddr *local;
        picoquic_get_local_addr(c, &local);
        set_address(&c->local_parameters.preferred_address, local);
    }
    return choose(offered, count, "hq-interop");
}

/* This host's own addresses at our other port. Picoquic writes both families, with the same port,
 * so there has to be an address of each. */
static bool offer_preferred_address(picoquic_quic_t *quic, unsigned port)
{
    picoquic_tp_t params = *picoquic_get_default_tp(quic);
    picoquic_tp_preferred_address_t *offer = &params.preferred_address;
    struct ifaddrs *addresses;
    if (getifaddrs(&addresses) != 0) {
        complain("addresses: %m");
        return false;
    }
    /* Those of the loopback interface only where there is no other. */
    for (unsigned round = 0; round < 2; round++)
        for (const struct ifaddrs *a = addresses; a; a = a->ifa_next) {
            bool loopback = a->ifa_flags & IFF_LOOPBACK;
            int family = a->ifa_addr ? a->ifa_addr->sa_family : AF_UNSPEC;
            if (loopback == !round && (a->ifa_flags & IFF_UP) &&
                (family == AF_INET ||
                 (family == AF_INET6 &&
                  !IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)(const void *)a->ifa_addr)
                                              ->sin6_addr))))
                set_address(offer, a->ifa_addr);
        }
    freeifaddrs(addresses);
    offer->ipv4Port = offer->ipv6Port = (uint16_t)port;
    offer->is_defined = 1;
    return picoquic_set_default_tp(quic, &params) == 0;
}

/* --- hq-interop ----------------------------------------------------------------------------- */

static struct stream *stream_new(struct connection *c, picoquic_cnx_t *quic, uint64_t id)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream || picoquic_set_app_stream_ctx(quic, id, stream) != 0) {
        free(stream);
        return NULL;
    }
    stream->link = &c->streams;
    stream->next = c->streams;
    if (stream->next)
        stream->next->link = &stream->next;
    c->streams = stream;
    return stream;
}

static void stream_free(struct stream *stream)
{
    *stream->link = stream->next;
    if (stream->next)
        stream->next->link = stream->link;
    file_unmap(&stream->file);
    free(stream);
}

static int refuse(picoquic_cnx_t *quic, uint64_t id, uint64_t error)
{
    picoquic_stop_sending(quic, id, error);
    return picoquic_reset_stream(quic, id, error);
}

/* Answer "GET /path", once a line or the stream ends there. */
static int answer(struct connection *c, picoquic_cnx_t *quic, uint64_t id, struct stream *stream)
{
    static const char METHOD[] = "GET ";
    char *path = stream->request + strlen(METHOD);
    stream->request[stream->size] = '\0';
    if (strlen(stream->request) < stream->size ||
        strncmp(stream->request, METHOD, strlen(METHOD)) != 0)
        return refuse(quic, id, HQ_BAD_REQUEST);
    path[strcspn(path, " \r\n")] = '\0';
    if (!file_map(c->folder, path, &stream->file))
        return refuse(quic, id, HQ_NOT_FOUND);
    stream->answered = true;
    return picoquic_mark_active_stream(quic, id, 1, stream);
}

static int on_request(struct connection *c, picoquic_cnx_t *quic, uint64_t id,
                      struct stream *stream, const uint8_t *data, size_t size, bool end)
{
    if (!PICOQUIC_IS_BIDIR_STREAM_ID(id))
        return 0;
    if (!stream && !(stream = stream_new(c, quic, id)))
        return -1;
    if (stream->answered)
        return 0;
    if (size >= sizeof stream->request - stream->size)
        return refuse(quic, id, HQ_BAD_REQUEST);
    memcpy(stream->request + stream->size, data, size);
    stream->size += size;
    bool line = memchr(stream->request, '\n', stream->size);
    return line || end ? answer(c, quic, id, stream) : 0;
}

static int send_file(struct stream *stream, void *context, size_t room)
{
    size_t left = stream->file.size - stream->sent, size = room < left ? room : left;
    bool end = size == left;
    uint8_t *packet = picoquic_provide_stream_data_buffer(context, size, end, !end);
    if (!packet)
        return -1;
    if (size)
        memcpy(packet, stream->file.data + stream->sent, size);
    stream->sent += size;
    return 0;
}

static int on_event(picoquic_cnx_t *quic, uint64_t id, uint8_t *data, size_t size,
                    picoquic_call_back_event_t event, void *context, void *stream)
{
    struct connection *c = context;
    if (context == picoquic_get_default_callback_context(picoquic_get_quic_ctx(quic))) {
        if (!(c = calloc(1, sizeof *c)))
            return -1;
        c->folder = ((const struct endpoint *)context)->task->folder;
        picoquic_set_callback(quic, on_event, c);
    }
    switch (event) {
    case picoquic_callback_stream_data:
    case picoquic_callback_stream_fin:
        return on_request(c, quic, id, stream, data, size, event == picoquic_callback_stream_fin);
    case picoquic_callback_prepare_to_send:
        return stream ? send_file(stream, data, size) : -1;
    case picoquic_callback_stop_sending:
        return picoquic_reset_stream(quic, id, 0);
    case picoquic_callback_stream_released:
        if (stream)
            stream_free(stream);
        return 0;
    case picoquic_callback_close:
    case picoquic_callback_application_close:
    case picoquic_callback_stateless_reset:
        picoquic_set_callback(quic, NULL, NULL);
        while (c->streams)
            stream_free(c->streams);
        free(c);
        return 0;
    default:
        return 0;
    }
}
