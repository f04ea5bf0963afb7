/* The client: what to request, over which connections, and whether all of it came. */
#define _GNU_SOURCE
#include "peer.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

/* A server that sends no ticket cannot resume: then it gets another full handshake. */
static const ngtcp2_duration TICKET_PATIENCE = 1 * NGTCP2_SECONDS;
/* RFC 9000, 15: versions 0x?a?a?a?a are reserved to force Version Negotiation. */
static const uint32_t RESERVED_VERSION = 0x1a2a3a4a;

/* Where the server is. */
struct target {
    char host[256], port[8], authority[300];
};

static bool parse_requests(char *text, bool names, struct target *target,
                           struct request **requests, size_t *count);
static bool download(struct endpoint *endpoint, const struct target *target, struct batch *batch,
                     struct session *session);
static bool wait_for_closing(struct endpoint *endpoint);

int client(const struct task *task)
{
    const struct testcase *testcase = task->testcase;
    static struct endpoint endpoint;
    struct target target = {0};
    struct session session = {0};
    struct request *requests = NULL;
    size_t count = 0;
    char *text = strdup(task->requests);

    bool good = text && parse_requests(text, !testcase->unknown_version, &target, &requests,
                                       &count);
    if (good) {
        good = endpoint_open(&endpoint, task);
        for (size_t first = 0, size; good && first < count; first += size) {
            bool alone = testcase->multiconnect || (testcase->resumption && first == 0);
            size = alone ? 1 : count - first;
            struct batch batch = {
                .requests = requests + first,
                .count = testcase->unknown_version ? 0 : size,
                .authority = target.authority,
                .session = testcase->resumption && first + size < count ? &session : NULL,
            };
            good = download(&endpoint, &target, &batch, testcase->resumption ? &session : NULL);
        }
        good = wait_for_closing(&endpoint) && good;
        endpoint_close(&endpoint);
    }
    gnutls_free(session.ticket.data);
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
        if (!path || (names && !name) ||
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

bool request_write(struct connection *c, struct request *request, const uint8_t *data, size_t size)
{
    if (request->fd == -1)
        request->fd = file_create(c->endpoint->folder, request->name);
    if (request->fd == -1) {
        complain("%s: %m", request->name);
        return false;
    }
    while (size) {
        ssize_t written = write(request->fd, data, size);
        if (written == -1 && errno != EINTR) {
            complain("%s: %m", request->name);
            return false;
        }
        if (written > 0) {
            data += written;
            size -= (size_t)written;
        }
    }
    return true;
}

void request_end(struct connection *c, struct request *request, bool complete)
{
    if (request->state != OPEN)
        return;
    if (!complete)
        complain("%s: not complete", request->path);
    if (request->fd != -1)
        close(request->fd);
    request->fd = -1;
    request->state = complete ? COMPLETE : FAILED;
    c->batch->ended++;
}

/* --- Connecting ----------------------------------------------------------------------------- */

/* The server's address, and ours towards it, without a port; false if there is no way. */
static bool find_path(const struct target *target, ngtcp2_path_storage *path)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(target->host, target->port, &hints, &found);
    if (error)
        complain("%s: %s", target->host, gai_strerror(error));
    bool good = false;
    for (const struct addrinfo *a = found; a && !good; a = a->ai_next) {
        ngtcp2_sockaddr_union local;
        socklen_t size = sizeof local;
        int fd = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        good = fd != -1 && connect(fd, a->ai_addr, a->ai_addrlen) == 0 &&
               getsockname(fd, &local.sa, &size) == 0;
        if (good) {
            *address_port(&local.sa) = 0;
            ngtcp2_path_storage_init(path, &local.sa, size, a->ai_addr, a->ai_addrlen, NULL);
        }
        if (fd != -1)
            close(fd);
    }
    if (!error && !good)
        complain("%s: no route", target->authority);
    if (found)
        freeaddrinfo(found);
    return good;
}

static bool start_quic(struct connection *c, const ngtcp2_path *path, const struct target *target,
                       const struct session *resumed, uint32_t version, bool negotiated)
{
    const struct testcase *testcase = c->endpoint->task->testcase;
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
        settings.original_version = negotiated ? RESERVED_VERSION : 0;
    }
    c->tls = tls_session(&c->endpoint->tls, &c->ref, target->host, resumed);
    if (!c->tls || ngtcp2_conn_client_new(&c->quic, &dcid, &scid, path, version, &callbacks,
                                          &settings, &params, NULL, c) != 0)
        return false;
    ngtcp2_conn_set_tls_native_handle(c->quic, c->tls);
    route_add(c, &scid);
    return !testcase->zero_rtt || !resumed || !resumed->early_data ||
           recall_params(c->quic, &resumed->params);
}

static bool start_connection(struct endpoint *endpoint, const struct target *target,
                             struct batch *batch, const struct session *resumed, uint32_t version,
                             bool negotiated)
{
    ngtcp2_path_storage path;
    if (!find_path(target, &path))
        return false;
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
    if (start_quic(c, &path.path, target, resumed, version, negotiated))
        return true;
    complain("cannot start a connection");
    c->state = DEAD;
    return false;
}

/* --- Downloading ---------------------------------------------------------------------------- */

/* Whether the server has sent the ticket that is wanted, or had its time to do so. */
static bool ticket_settled(const struct batch *batch, ngtcp2_tstamp *patience)
{
    if (!batch->session || batch->session->ticket.size)
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
            ticket_settled(batch, &patience))
            return true;
        if (!endpoint_step(endpoint, patience))
            return false;
    }
    return false;
}

static bool download(struct endpoint *endpoint, const struct target *target, struct batch *batch,
                     struct session *session)
{
    bool unknown = endpoint->task->testcase->unknown_version;
    bool good = start_connection(endpoint, target, batch, session,
                                 unknown ? RESERVED_VERSION : NGTCP2_PROTO_VER_V1, false) &&
                run(endpoint, batch);
    if (unknown)
        /* That was a Version Negotiation; the next connection knows better (RFC 9000, 6.2). */
        good = batch->version_negotiation && !batch->connection &&
               start_connection(endpoint, target, batch, session, NGTCP2_PROTO_VER_V1, true) &&
               run(endpoint, batch);
    struct connection *c = batch->connection;
    if (c && good && batch->session) {
        if (!batch->session->ticket.size)
            complain("the server sent no session ticket");
        else if (!remember_params(c->quic, &batch->session->params))
            batch->session->early_data = false;
    }
    if (c) {
        connection_close(c);
        c->batch = NULL;
        batch->connection = NULL;
    }
    for (size_t i = 0; i < batch->count; i++)
        good = good && batch->requests[i].state == COMPLETE;
    return good;
}

/* Stay until each CONNECTION_CLOSE was there long enough to be repeated (RFC 9000, 10.2.1). */
static bool wait_for_closing(struct endpoint *endpoint)
{
    while (endpoint->connections)
        if (!endpoint_step(endpoint, UINT64_MAX))
            return false;
    return true;
}
