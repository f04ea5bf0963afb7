/* The event loop: sockets, connections, and which packet belongs to which connection. */
#define _GNU_SOURCE
#include "peer.h"

#include <gnutls/crypto.h>
#include <nghttp3/nghttp3.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_SOCKETS = 64, BURST = 64 };

/* A connection ID that the peer may write to. */
struct route {
    struct route *next;
    struct connection *connection;
    ngtcp2_cid cid;
};

const char *const SUPPORTED[] = {
    "handshake", "transfer", "chacha20", "connectionmigration", "ecn", "http3", "keyupdate",
    "multiconnect", "resumption", "retry", "versionnegotiation", "zerortt",
    HAS_VERSION_2 ? "v2" : NULL, NULL,
};

static volatile sig_atomic_t terminated;

void print_version(void)
{
    printf("ngtcp2 %s, nghttp3 %s, GnuTLS %s\n", ngtcp2_version(0)->version_str,
           nghttp3_version(0)->version_str, gnutls_check_version(NULL));
}

static void terminate(int signal)
{
    (void)signal;
    terminated = 1;
}

struct endpoint *endpoint_open(const struct task *task)
{
    static struct endpoint endpoint;
    const struct sigaction action = {.sa_handler = terminate};
    sigset_t signals;

    endpoint.task = task;
    endpoint.protocol = task->testcase->http3 ? &h3 : &hq;
    /* Outside of ppoll() the signals wait, so that none comes between a look and a sleep. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (gnutls_rnd(GNUTLS_RND_KEY, endpoint.secret, sizeof endpoint.secret) == 0 &&
        tls_open(&endpoint.tls, task))
        return &endpoint;
    endpoint_close(&endpoint);
    return NULL;
}

void endpoint_close(struct endpoint *endpoint)
{
    /* Each CONNECTION_CLOSE must be there long enough to be repeated (RFC 9000, 10.2.1). */
    while (endpoint->connections && endpoint_step(endpoint, UINT64_MAX))
        ;
    while (endpoint->connections) {
        struct connection *c = endpoint->connections;
        endpoint->connections = c->next;
        connection_free(c);
    }
    while (endpoint->sockets) {
        struct socket *socket = endpoint->sockets;
        endpoint->sockets = socket->next;
        udp_close(socket);
    }
    tls_close(&endpoint->tls);
    gnutls_free(endpoint->session.ticket.data);
}

static struct connection *find_connection(const struct endpoint *endpoint,
                                          const struct datagram *datagram)
{
    ngtcp2_version_cid seen;
    int result = ngtcp2_pkt_decode_version_cid(&seen, datagram->data, datagram->size, CID_SIZE);
    if (result != 0 && result != NGTCP2_ERR_VERSION_NEGOTIATION)
        return NULL;
    for (const struct route *r = endpoint->routes; r; r = r->next)
        if (r->cid.datalen == seen.dcidlen && memcmp(r->cid.data, seen.dcid, seen.dcidlen) == 0)
            return r->connection;
    return NULL;
}

static void receive(struct endpoint *endpoint, struct socket *socket)
{
    for (int i = 0; i < BURST && udp_receive(socket, &endpoint->datagram); i++) {
        struct connection *c = find_connection(endpoint, &endpoint->datagram);
        if (c)
            connection_read(c, &endpoint->datagram);
        else if (endpoint->task->server)
            accept_datagram(endpoint, socket, &endpoint->datagram);
    }
}

/* Remove what is dead: the connection and, where it has one, its socket. */
static void bury(struct endpoint *endpoint)
{
    for (struct connection **at = &endpoint->connections; *at;) {
        struct connection *c = *at;
        if (c->state != DEAD) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        for (struct socket **s = &endpoint->sockets; *s; s = &(*s)->next)
            if (*s == c->socket) {
                *s = c->socket->next;
                udp_close(c->socket);
                break;
            }
        connection_free(c);
    }
}

static int wait_for(struct endpoint *endpoint, ngtcp2_tstamp until, struct pollfd *polled,
                    struct socket **sockets)
{
    nfds_t count = 0;
    for (struct socket *s = endpoint->sockets; s && count < MAX_SOCKETS; s = s->next) {
        sockets[count] = s;
        polled[count++] = (struct pollfd){.fd = s->fd, .events = POLLIN};
    }
    for (struct connection *c = endpoint->connections; c; c = c->next)
        if (connection_expiry(c) < until)
            until = connection_expiry(c);
    ngtcp2_tstamp from = now();
    ngtcp2_duration left = until > from ? until - from : 0;
    const struct timespec timeout = {(time_t)(left / NGTCP2_SECONDS),
                                     (long)(left % NGTCP2_SECONDS)};
    sigset_t none;
    sigemptyset(&none);
    return ppoll(polled, count, until == UINT64_MAX ? NULL : &timeout, &none) > 0 ? (int)count : 0;
}

bool endpoint_step(struct endpoint *endpoint, ngtcp2_tstamp until)
{
    struct pollfd polled[MAX_SOCKETS];
    struct socket *sockets[MAX_SOCKETS];

    /* First of all write: connections that were made since the last step have something to say. */
    for (struct connection *c = endpoint->connections; c; c = c->next)
        connection_write(c);
    if (terminated)
        return false;
    int count = wait_for(endpoint, until, polled, sockets);
    for (int i = 0; i < count; i++)
        if (polled[i].revents)
            receive(endpoint, sockets[i]);
    ngtcp2_tstamp time = now();
    for (struct connection *c = endpoint->connections; c; c = c->next)
        if (connection_expiry(c) <= time)
            connection_expire(c, time);
    bury(endpoint);
    return !terminated;
}

struct socket *endpoint_socket(struct endpoint *endpoint, const ngtcp2_path *path)
{
    in_port_t port = *address_port(path->local.addr);
    for (struct socket *s = endpoint->sockets; s; s = s->next)
        if (s->local.sa.sa_family == path->local.addr->sa_family &&
            *address_port(&s->local.sa) == port)
            return s;
    return NULL;
}

void route_add(struct connection *c, const ngtcp2_cid *cid)
{
    struct route *route = calloc(1, sizeof *route);
    if (!route)
        abort();
    *route = (struct route){c->endpoint->routes, c, *cid};
    c->endpoint->routes = route;
}

void route_remove(struct connection *c, const ngtcp2_cid *cid)
{
    for (struct route **at = &c->endpoint->routes; *at;) {
        struct route *route = *at;
        if (route->connection == c && (!cid || ngtcp2_cid_eq(&route->cid, cid))) {
            *at = route->next;
            free(route);
        } else {
            at = &route->next;
        }
    }
}

ngtcp2_tstamp now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (ngtcp2_tstamp)time.tv_sec * NGTCP2_SECONDS + (ngtcp2_tstamp)time.tv_nsec;
}
