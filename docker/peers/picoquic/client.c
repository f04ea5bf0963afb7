/* The client: what to request, over which connections, and whether all of it came. */
#define _GNU_SOURCE
#include "peer.h"

#include <h3zero_common.h>
#include <picoquic_internal.h>

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In microseconds. A server that sends no ticket cannot resume: it gets another full handshake. */
static const uint64_t TICKET_PATIENCE = 1000000;
/* A client that only receives would not notice a NAT's rebinding without packets of its own. */
static const uint64_t KEEP_ALIVE = 300000;
/* RFC 9000, 15: versions 0x?a?a?a?a are reserved to force Version Negotiation. */
static const uint32_t RESERVED_VERSION = 0x1a2a3a4a;

enum { REQUEST_SIZE = 1024, HTTP_OK = 200 };

struct request {
    const char *path;
    char *name;                /* of the file that it is stored in */
    int fd;
    enum { WAITING, OPEN, COMPLETE, FAILED } state;
    h3zero_data_stream_state_t h3;
};

/* Where the server is. */
struct target {
    char host[256], port[8], authority[300];
    struct sockaddr_storage address;
};

/* A connection and its requests. */
struct connection {
    const struct task *task;
    const struct target *target;
    int folder;
    picoquic_cnx_t *quic;
    struct request *requests;
    size_t count, ended;
    bool opened;               /* the requests are */
    bool wants_ticket;
    bool negotiated;           /* a Version Negotiation came */
    bool updated;              /* the keys are */
    bool closing;
    uint64_t patience;         /* when to stop waiting for a ticket */
};

static bool parse_requests(char *text, bool names, struct target *target,
                           struct request **requests, size_t *count);
static bool resolve(struct target *target);
static bool download(picoquic_quic_t *quic, struct connection *connection, uint32_t version);

int client(const struct task *task)
{
    const struct testcase *testcase = task->testcase;
    struct target target = {0};
    struct request *requests = NULL;
    size_t count = 0;
    char *text = strdup(task->requests);
    picoquic_quic_t *quic = NULL;
    int folder = -1;

    bool good = text &&
                parse_requests(text, !testcase->unknown_version, &target, &requests, &count) &&
                resolve(&target) && (folder = folder_open(task->downloads)) != -1 &&
                stack_watch_signals() && (quic = stack_open(task, NULL, NULL));
    if (good)
        picoquic_set_default_pmtud_policy(quic, picoquic_pmtud_delayed);
    for (size_t first = 0, size; good && first < count; first += size) {
        bool alone = testcase->multiconnect || (testcase->resumption && first == 0);
        size = alone ? 1 : count - first;
        struct connection c = {
            .task = task,
            .target = &target,
            .folder = folder,
            .requests = requests + first,
            .count = testcase->unknown_version ? 0 : size,
            .wants_ticket = testcase->resumption && first + size < count,
        };
        good = download(quic, &c, testcase->unknown_version ? RESERVED_VERSION
                                                            : PICOQUIC_V1_VERSION);
        if (testcase->unknown_version) {
            /* That was a Version Negotiation; the next one knows better (RFC 9000, 6.2). */
            good = c.negotiated;
            c.closing = false;
            good = good && download(quic, &c, PICOQUIC_V1_VERSION);
        }
    }
    if (quic)
        picoquic_free(quic);
    if (folder != -1)
        close(folder);
    for (size_t i = 0; i < count; i++)
        free(requests[i].name);
    free(requests);
    free(text);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- What to request ------------------------------------------------------------------------ */

/* Find the host and the port in "https://host:port/path", and return the path. */
static const char *parse_url(const char *url, struct target *target)
{
    static const char SCHEME[] = "https://";
    if (strncmp(url, SCHEME, strlen(SCHEME)) != 0)
        return NULL;
    const char *host = url + strlen(SCHEME), *path = strchr(host, '/');
    if (!path)
        return NULL;
    int size = (int)(path - host);
    if ((size_t)size >= sizeof target->authority)
        return NULL;
    snprintf(target->authority, sizeof target->authority, "%.*s", size, host);
    strcpy(target->port, "443");
    bool bracketed = *host == '[';
    const char *form = bracketed ? "[%255[^]]]:%7[0-9]" : "%255[^:]:%7[0-9]";
    return sscanf(target->authority, form, target->host, target->port) >= 1 ? path : NULL;
}

/* A file has the name of its path's last component, which must be fit for a name. */
static char *name_of(const char *path)
{
    size_t size = strcspn(path, "?");
    const char *start = memrchr(path, '/', size);
    char *name = strndup(start + 1, (size_t)(path + size - start - 1));
    if (name && (!*name || strlen(name) > NAME_MAX || !strcmp(name, ".") || !strcmp(name, ".."))) {
        free(name);
        name = NULL;
    }
    return name;
}

static bool parse_requests(char *text, bool names, struct target *target,
                           struct request **requests, size_t *count)
{
    size_t room = 1;
    for (const char *c = text; *c; c++)
        room += *c == ' ';
    if (!(*requests = calloc(room, sizeof **requests)))
        return false;
    char *rest = text, *url;
    while ((url = strtok_r(rest, " ", &rest))) {
        struct target seen = {0};
        const char *path = parse_url(url, &seen);
        char *name = path ? name_of(path) : NULL;
        (*requests)[(*count)++] = (struct request){.path = path, .name = name, .fd = -1};
        if (!path || strlen(path) > REQUEST_SIZE / 2 || (names && !name) ||
            (*count > 1 && strcmp(seen.authority, target->authority) != 0)) {
            complain("REQUESTS: %s is no https URL of a file on the one server", url);
            return false;
        }
        *target = seen;
    }
    if (!*count)
        complain("REQUESTS is empty");
    return *count > 0;
}

/* The first address that this host has a way to. */
static bool resolve(struct target *target)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(target->host, target->port, &hints, &found);
    if (error) {
        complain("%s: %s", target->host, gai_strerror(error));
        return false;
    }
    bool good = false;
    for (const struct addrinfo *a = found; a && !good; a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        good = fd != -1 && connect(fd, a->ai_addr, a->ai_addrlen) == 0;
        if (good)
            memcpy(&target->address, a->ai_addr, a->ai_addrlen);
        if (fd != -1)
            close(fd);
    }
    if (!good)
        complain("%s: no route", target->authority);
    freeaddrinfo(found);
    return good;
}

static int open_request(struct connection *c, struct request *request)
{
    uint8_t message[REQUEST_SIZE];
    size_t size;
    if (c->task->testcase->http3) {
        if (h3zero_client_create_stream_request_ex(message, sizeof message,
                                                   (const uint8_t *)request->path,
                                                   strlen(request->path), NULL, 0, 0,
                                                   c->target->authority, &size) != 0)
            return -1;
    } else {
        size = (size_t)snprintf((char *)message, sizeof message, "GET %s\r\n", request->path);
    }
    request->state = OPEN;
    return picoquic_add_to_stream_with_ctx(c->quic,
                                           picoquic_get_next_local_stream_id(c->quic, 0), message,
                                           size, 1, request);
}

static int open_requests(struct connection *c)
{
    if (c->opened)
        return 0;
    c->opened = true;
    int result = c->task->testcase->http3 ? h3zero_protocol_init(c->quic) : 0;
    for (size_t i = 0; result == 0 && i < c->count; i++)
        result = open_request(c, &c->requests[i]);
    if (c->count)
        picoquic_enable_keep_alive(c->quic, KEEP_ALIVE);
    return result;
}

/* --- What comes back ------------------------------------------------------------------------ */

static void end_request(struct connection *c, struct request *request, bool complete)
{
    if (request->state != OPEN)
        return;
    if (complete && c->task->testcase->http3) {
        const h3zero_data_stream_state_t *h3 = &request->h3;
        complete = h3->header_found && h3->header.status == HTTP_OK &&
                   !(h3->frame_prefix_parsed && h3->current_frame_read < h3->current_frame_length);
    }
    if (!complete)
        complain("%s: not complete", request->path);
    if (request->fd != -1)
        close(request->fd);
    request->fd = -1;
    h3zero_delete_data_stream_state(&request->h3);
    request->state = complete ? COMPLETE : FAILED;
    if (++c->ended == c->count)
        picoquic_disable_keep_alive(c->quic);
}

static bool store(struct connection *c, struct request *request, const uint8_t *data, size_t size)
{
    if (request->fd == -1)
        request->fd = file_create(c->folder, request->name);
    while (request->fd != -1 && size) {
        ssize_t written = write(request->fd, data, size);
        if (written == -1 && errno == EINTR)
            continue;
        if (written == -1)
            break;
        data += written;
        size -= (size_t)written;
    }
    if (request->fd == -1 || size)
        complain("%s: %m", request->name);
    return request->fd != -1 && !size;
}

static bool store_h3(struct connection *c, struct request *request, uint8_t *data, size_t size)
{
    uint8_t *end = data + size;
    while (data < end) {
        size_t content = 0;
        uint64_t error = 0;
        data = h3zero_parse_data_stream(data, end, &request->h3, &content, &error);
        if (!data) {
            complain("%s: HTTP/3 error 0x%llx", request->path, (unsigned long long)error);
            picoquic_close(c->quic, error);
            return false;
        }
        if (content && !store(c, request, data, content))
            return false;
        data += content;
    }
    return true;
}

static void on_response(struct connection *c, struct request *request, uint8_t *data, size_t size,
                        bool end)
{
    if (request->state != OPEN)
        return;
    bool good = c->task->testcase->http3 ? store_h3(c, request, data, size)
                                         : (!size && !end) || store(c, request, data, size);
    if (good && end && c->task->testcase->http3)
        good = store(c, request, NULL, 0);   /* an empty file is a file, too */
    if (!good || end)
        end_request(c, request, good);
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
            end_request(c, stream, false);
        return 0;
    case picoquic_callback_version_negotiation:
        c->negotiated = true;
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
    if (!c->wants_ticket || quic->p_first_ticket)
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
    if (c->task->testcase->key_update && !c->updated)
        c->updated = picoquic_start_key_rotation(c->quic) == 0;
    if (!c->closing && c->ended == c->count && ticket_settled(c)) {
        c->closing = true;
        picoquic_close(c->quic, 0);
    }
    return true;
}

static void close_all(picoquic_quic_t *quic)
{
    for (picoquic_cnx_t *c = picoquic_get_first_cnx(quic); c; c = picoquic_get_next_cnx(c))
        picoquic_close(c, 0);
}

static bool complete(const struct connection *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->requests[i].state != COMPLETE)
            return false;
    return true;
}

static void explain(const struct connection *c)
{
    uint64_t local = picoquic_get_local_error(c->quic), remote = picoquic_get_remote_error(c->quic);
    if (c->task->testcase->unknown_version && c->negotiated)
        return;
    complain("the connection ended too early: local error 0x%llx (%s), remote error 0x%llx (%s)",
             (unsigned long long)local, picoquic_error_name(local), (unsigned long long)remote,
             picoquic_error_name(remote));
}

/* One connection, from its first packet to its last; true if all files came. */
static bool download(picoquic_quic_t *quic, struct connection *c, uint32_t version)
{
    const struct testcase *testcase = c->task->testcase;
    /* Sockets of its own, as if each connection came from another program. */
    picoquic_packet_loop_param_t sockets = {.local_af = c->target->address.ss_family};
    c->quic = picoquic_create_cnx(quic, picoquic_null_connection_id, picoquic_null_connection_id,
                                  (const struct sockaddr *)&c->target->address,
                                  picoquic_current_time(), version, c->target->host,
                                  testcase->http3 ? "h3" : "hq-interop", 1);
    if (!c->quic) {
        complain("cannot start a connection");
        return false;
    }
    picoquic_set_callback(c->quic, on_event, c);
    if (testcase->version2)
        picoquic_set_desired_version(c->quic, PICOQUIC_V2_VERSION);
    bool good = picoquic_start_client_cnx(c->quic) == 0 &&
                (!testcase->zero_rtt || !picoquic_is_0rtt_available(c->quic) ||
                 open_requests(c) == 0) &&
                stack_run(quic, &sockets, step, close_all, c) == STEP_ENDED_IT;
    if (good && !c->closing) {
        explain(c);
        good = false;
    }
    picoquic_delete_cnx(c->quic);
    c->quic = NULL;
    return good && complete(c);
}
