/* The server: accepting connections, with Version Negotiation, Retry and a preferred address. */
#define _GNU_SOURCE
#include "peer.h"

#include <errno.h>

enum { LEAST_INITIAL = 1200, TOKEN_SIZE = 256 };

static const ngtcp2_duration RETRY_TOKEN_LIFETIME = 30 * NGTCP2_SECONDS;

static bool listen_on(struct endpoint *endpoint, unsigned port);

bool endpoint_serve(struct endpoint *endpoint)
{
    const struct task *task = endpoint->task;
    if (!listen_on(endpoint, task->port) ||
        (task->testcase->preferred_address &&
         !listen_on(endpoint, task->port + PREFERRED_PORT_OFFSET)))
        return false;
    while (endpoint_step(endpoint, UINT64_MAX))
        ;
    for (struct connection *c = endpoint->connections; c; c = c->next)
        connection_close(c);
    return true;
}

/* On both families; one is enough where the other is switched off. */
static bool listen_on(struct endpoint *endpoint, unsigned port)
{
    ngtcp2_sockaddr_union addresses[] = {
        {.in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)}},
        {.in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}},
    };
    unsigned opened = 0;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct socket *socket = udp_open(&addresses[i].sa, address_size(&addresses[i].sa));
        if (socket) {
            socket->next = endpoint->sockets;
            endpoint->sockets = socket;
            opened++;
        } else if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL) {
            complain("port %u: %m", port);
            return false;
        }
    }
    return opened > 0;
}

/* --- Answers without a connection ----------------------------------------------------------- */

static void answer(struct socket *socket, const struct datagram *datagram, const uint8_t *packet,
                   ngtcp2_ssize size)
{
    if (size > 0)
        udp_send(socket, &datagram->path.path, 0, packet, (size_t)size);
}

static void negotiate_version(const struct endpoint *endpoint, struct socket *socket,
                              const struct datagram *datagram, const ngtcp2_version_cid *client)
{
    static const uint32_t VERSIONS[] = {NGTCP2_PROTO_VER_V1, NGTCP2_PROTO_VER_V2};
    uint8_t packet[LEAST_INITIAL], unused;
    ngtcp2_cid random = random_cid();
    unused = random.data[0];
    answer(socket, datagram, packet,
           ngtcp2_pkt_write_version_negotiation(packet, sizeof packet, unused, client->scid,
                                                client->scidlen, client->dcid, client->dcidlen,
                                                VERSIONS,
                                                endpoint->task->testcase->version2 ? 2 : 1));
}

static void send_retry(struct endpoint *endpoint, struct socket *socket,
                       const struct datagram *datagram, const ngtcp2_pkt_hd *header)
{
    uint8_t token[TOKEN_SIZE], packet[LEAST_INITIAL];
    ngtcp2_cid scid = random_cid();
    const ngtcp2_addr *client = &datagram->path.path.remote;
    ngtcp2_ssize size = ngtcp2_crypto_generate_retry_token(
        token, endpoint->secret, sizeof endpoint->secret, header->version, client->addr,
        client->addrlen, &scid, &header->dcid, now());
    if (size > 0)
        answer(socket, datagram, packet,
               ngtcp2_crypto_write_retry(packet, sizeof packet, header->version, &header->scid,
                                         &scid, &header->dcid, token, (size_t)size));
}

static void refuse_token(struct socket *socket, const struct datagram *datagram,
                         const ngtcp2_pkt_hd *header)
{
    uint8_t packet[LEAST_INITIAL];
    answer(socket, datagram, packet,
           ngtcp2_crypto_write_connection_close(packet, sizeof packet, header->version,
                                                &header->scid, &header->dcid,
                                                NGTCP2_INVALID_TOKEN, NULL, 0));
}

/* --- Connections ---------------------------------------------------------------------------- */

/* The address that the client wrote to, at our other port: a family that it can surely reach. */
static void offer_preferred_address(struct connection *c, ngtcp2_transport_params *params,
                                    const ngtcp2_addr *local)
{
    ngtcp2_preferred_addr *offer = &params->preferred_addr;
    ngtcp2_sockaddr_union address;
    memcpy(&address, local->addr, local->addrlen);
    in_port_t *port = address_port(&address.sa);
    *port = htons((uint16_t)(ntohs(*port) + PREFERRED_PORT_OFFSET));
    if (address.sa.sa_family == AF_INET6) {
        offer->ipv6_present = 1;
        memcpy(&offer->ipv6, &address.in6, sizeof offer->ipv6);
    } else {
        offer->ipv4_present = 1;
        memcpy(&offer->ipv4, &address.in, sizeof offer->ipv4);
    }
    offer->cid = random_cid();
    ngtcp2_crypto_generate_stateless_reset_token(offer->stateless_reset_token, c->endpoint->secret,
                                                 sizeof c->endpoint->secret, &offer->cid);
    route_add(c, &offer->cid);
    params->preferred_addr_present = 1;
}

static bool start_quic(struct connection *c, const struct datagram *datagram,
                       const ngtcp2_pkt_hd *header, const ngtcp2_cid *odcid, bool retried)
{
    const struct testcase *testcase = c->endpoint->task->testcase;
    uint32_t versions[] = {NGTCP2_PROTO_VER_V2, NGTCP2_PROTO_VER_V1};
    ngtcp2_vec token = token_of(header);
    ngtcp2_cid scid = random_cid();
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_callbacks callbacks;

    connection_callbacks(&callbacks);
    connection_settings(c, &settings, &params, odcid);
    set_original_dcid(&params, odcid);
    if (retried) {
        set_retry_token(&settings, token.base, token.len);
        params.retry_scid = header->dcid;
        params.retry_scid_present = 1;
    }
    if (testcase->version2) {
        settings.preferred_versions = settings.available_versions = versions;
        settings.preferred_versionslen = settings.available_versionslen = 2;
    }
    if (testcase->preferred_address)
        offer_preferred_address(c, &params, &datagram->path.path.local);
    params.stateless_reset_token_present = 1;
    ngtcp2_crypto_generate_stateless_reset_token(params.stateless_reset_token, c->endpoint->secret,
                                                 sizeof c->endpoint->secret, &scid);
    c->tls = tls_session(&c->endpoint->tls, &c->ref, NULL, NULL);
    if (!c->tls || ngtcp2_conn_server_new(&c->quic, &header->scid, &scid, &datagram->path.path,
                                          header->version, &callbacks, &settings, &params, NULL,
                                          c) != 0)
        return false;
    ngtcp2_conn_set_tls_native_handle(c->quic, c->tls);
    route_add(c, &scid);
    route_add(c, &header->dcid);   /* until the client knows ours */
    return true;
}

void accept_datagram(struct endpoint *endpoint, struct socket *socket, struct datagram *datagram)
{
    const struct testcase *testcase = endpoint->task->testcase;
    ngtcp2_version_cid client;
    ngtcp2_pkt_hd header;

    if (datagram->size < LEAST_INITIAL)   /* RFC 9000, 14.1 and 5.2.2 */
        return;
    int result = ngtcp2_pkt_decode_version_cid(&client, datagram->data, datagram->size, CID_SIZE);
    bool known = client.version == NGTCP2_PROTO_VER_V1 ||
                 (client.version == NGTCP2_PROTO_VER_V2 && testcase->version2);
    if (result == NGTCP2_ERR_VERSION_NEGOTIATION ||
        (result == 0 && client.version != 0 && !known)) {
        negotiate_version(endpoint, socket, datagram, &client);
        return;
    }
    if (result != 0 || ngtcp2_accept(&header, datagram->data, datagram->size) != 0)
        return;
    ngtcp2_cid odcid = header.dcid;
    if (testcase->retry) {
        ngtcp2_vec token = token_of(&header);
        const ngtcp2_addr *from = &datagram->path.path.remote;
        if (!token.len) {
            send_retry(endpoint, socket, datagram, &header);
            return;
        }
        if (ngtcp2_crypto_verify_retry_token(&odcid, token.base, token.len, endpoint->secret,
                                             sizeof endpoint->secret, header.version, from->addr,
                                             from->addrlen, &header.dcid, RETRY_TOKEN_LIFETIME,
                                             now()) != 0) {
            refuse_token(socket, datagram, &header);
            return;
        }
    }
    struct connection *c = connection_new(endpoint);
    if (start_quic(c, datagram, &header, &odcid, testcase->retry))
        connection_read(c, datagram);
    else
        c->state = DEAD;
}
