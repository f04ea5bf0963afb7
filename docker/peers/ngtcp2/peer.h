/* The parts of the peer, beside those in ../shared, and what they offer each other.
 *
 *   client.c      connecting, and until when a connection is needed
 *   server.c      accepting connections: Version Negotiation, Retry, preferred address
 *   endpoint.c    the event loop: sockets, connections, which packet belongs to which connection
 *   connection.c  one QUIC connection: ngtcp2's callbacks, reading, writing, timers, closing
 *   hq.c, h3.c    the application protocols, behind struct protocol
 *   tls.c         GnuTLS: credentials, ciphers, tickets, anti-replay
 *   udp.c         datagrams with their addresses and ECN marks
 */
#ifndef PEER_H
#define PEER_H

#include "compat.h"
#include "contract.h"
#include "endpoint.h"
#include "files.h"

#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

enum { CID_SIZE = 8, DATAGRAM_SIZE = 65536 };

/* --- udp.c ---------------------------------------------------------------------------------- */

struct socket {
    struct socket *next;
    int fd;
    ngtcp2_sockaddr_union local;   /* its address may be a wildcard */
};

struct datagram {
    ngtcp2_path_storage path;      /* local: where it arrived, never a wildcard */
    ngtcp2_pkt_info info;          /* its ECN mark */
    size_t size;
    uint8_t data[DATAGRAM_SIZE];
};

/* A bound socket, or NULL. */
struct socket *udp_open(const struct sockaddr *local, socklen_t size);
void udp_close(struct socket *socket);
/* False if there is nothing to receive at the moment. */
bool udp_receive(struct socket *socket, struct datagram *datagram);
/* What cannot be sent is lost, as any datagram may be. */
void udp_send(struct socket *socket, const ngtcp2_path *path, unsigned ecn, const uint8_t *data,
              size_t size);

socklen_t address_size(const struct sockaddr *address);
in_port_t *address_port(struct sockaddr *address);

/* --- tls.c ---------------------------------------------------------------------------------- */

/* What a client keeps of a connection for the next one. */
struct session {
    gnutls_datum_t ticket;         /* size 0: none yet */
    bool early_data;               /* the ticket allows it */
    struct remembered_params params;
};

struct tls {
    const struct task *task;
    gnutls_certificate_credentials_t credentials;
    gnutls_datum_t ticket_key;     /* server */
    gnutls_anti_replay_t anti_replay;
    struct client_hello *seen;     /* what anti_replay remembers */
};

bool tls_open(struct tls *tls, const struct task *task);
void tls_close(struct tls *tls);
/* A session for a connection; a client's gives the server's name, and a session to resume. */
gnutls_session_t tls_session(struct tls *tls, ngtcp2_crypto_conn_ref *ref, const char *name,
                             const struct session *resumed);

/* --- connection.c --------------------------------------------------------------------------- */

/* A request stream, in either role. */
struct stream {
    struct stream *next;
    int64_t id;
    struct request *request;       /* client */
    char head[2048];               /* hq: the request line; h3, server: the path */
    size_t head_size;
    unsigned status;               /* h3: of the response */
    struct mapping body;           /* server */
    const uint8_t *out;            /* hq: what to send, */
    size_t out_size, out_sent;     /*     how much, and how much of it was sent */
    bool out_ready, out_ended, out_blocked;
};

struct connection {
    struct connection *next;
    struct endpoint *endpoint;
    struct socket *socket;         /* client: its own, closed with it; server: NULL */
    const struct protocol *protocol;
    ngtcp2_conn *quic;
    ngtcp2_crypto_conn_ref ref;
    gnutls_session_t tls;
    FILE *qlog;
    struct batch *batch;           /* client */
    struct stream *streams;
    void *http3;                   /* h3.c */
    uint64_t app_error;            /* why the protocol gave up, for CONNECTION_CLOSE */
    bool parameters_missing;       /* the peer's transport parameters */
    bool confirmed;                /* RFC 9001, 4.1.2 */
    bool key_update_due;
    enum { ALIVE, CLOSING, DEAD } state;
    ngtcp2_tstamp forget_at;       /* closing: when to die, */
    unsigned after_close;          /*          datagrams that came since, */
    ngtcp2_path_storage path;      /*          where the last packet went, */
    size_t farewell_size;          /*          and the packet itself */
    uint8_t farewell[NGTCP2_MAX_UDP_PAYLOAD_SIZE];
};

struct connection *connection_new(struct endpoint *endpoint);
/* Fill in what both roles share; then the role adds its own and calls ngtcp2. */
void connection_settings(struct connection *c, ngtcp2_settings *settings,
                         ngtcp2_transport_params *params, const ngtcp2_cid *odcid);
void connection_callbacks(ngtcp2_callbacks *callbacks);
void connection_read(struct connection *c, const struct datagram *datagram);
void connection_write(struct connection *c);
void connection_expire(struct connection *c, ngtcp2_tstamp now);
ngtcp2_tstamp connection_expiry(struct connection *c);
/* Send CONNECTION_CLOSE, no error, and stay a while to repeat it (RFC 9000, 10.2.1). */
void connection_close(struct connection *c);
void connection_free(struct connection *c);

struct stream *stream_new(struct connection *c, int64_t id);
struct stream *stream_find(const struct connection *c, int64_t id);
void stream_free(struct connection *c, struct stream *stream);
/* Let the peer send as much again (RFC 9000, 4.1). */
void consumed(struct connection *c, int64_t stream_id, size_t size);
ngtcp2_cid random_cid(void);

/* Data for the next STREAM frame; stream_id -1 if there is none. */
struct chunk {
    int64_t stream_id;
    bool fin;
    size_t count;
    ngtcp2_vec pieces[16];
};

/* An application protocol. Functions that return bool end the connection with false. */
struct protocol {
    const char *alpn;
    uint64_t no_error;                                  /* in CONNECTION_CLOSE */
    bool (*start)(struct connection *c);                /* the handshake is complete */
    bool (*submit)(struct connection *c);               /* open streams for waiting requests */
    bool (*next)(struct connection *c, struct chunk *chunk);
    bool (*sent)(struct connection *c, int64_t stream_id, size_t size);
    void (*blocked)(struct connection *c, int64_t stream_id);
    void (*unblocked)(struct connection *c, int64_t stream_id);
    void (*shut)(struct connection *c, int64_t stream_id);
    bool (*receive)(struct connection *c, int64_t stream_id, const uint8_t *data, size_t size,
                    bool fin);
    bool (*acked)(struct connection *c, int64_t stream_id, uint64_t size);
    bool (*closed)(struct connection *c, int64_t stream_id, uint64_t code);
    void (*restart)(struct connection *c);              /* 0-RTT was rejected */
    void (*free)(struct connection *c);
};

extern const struct protocol hq;
extern const struct protocol h3;

/* client.c: take a stream for the next waiting request; NULL if there is none, or none allowed. */
struct stream *request_open(struct connection *c);

/* server.c: a packet that belongs to no connection. */
void accept_datagram(struct endpoint *endpoint, struct socket *socket, struct datagram *datagram);

/* --- endpoint.c ----------------------------------------------------------------------------- */

struct endpoint {
    const struct task *task;
    struct tls tls;
    const struct protocol *protocol;
    struct session session;            /* client: of the first connection */
    uint8_t secret[32];                /* of reset tokens and Retry tokens */
    struct socket *sockets;
    struct connection *connections;
    struct route *routes;
    struct datagram datagram;
};

/* Wait for packets and timers until something happened or the time has come; false on SIGTERM. */
bool endpoint_step(struct endpoint *endpoint, ngtcp2_tstamp until);
struct socket *endpoint_socket(struct endpoint *endpoint, const ngtcp2_path *path);
void route_add(struct connection *c, const ngtcp2_cid *cid);
void route_remove(struct connection *c, const ngtcp2_cid *cid);

ngtcp2_tstamp now(void);

#endif
