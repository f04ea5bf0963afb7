/* One QUIC connection: ngtcp2's callbacks, reading, writing, timers, closing. */
#define _GNU_SOURCE
#include "peer.h"

#include <gnutls/crypto.h>
#include <stdlib.h>

enum { PAYLOAD_SIZE = 1500 };

static const ngtcp2_duration IDLE_TIMEOUT = 60 * NGTCP2_SECONDS;
/* A client that only receives says nothing: after a NAT has rebound it, nobody would reach it. */
static const ngtcp2_duration KEEP_ALIVE = 300 * NGTCP2_MILLISECONDS;
/* The closing state lasts three PTOs (RFC 9000, 10.2), but nobody waits longer than this. */
static const ngtcp2_duration LONGEST_CLOSING = 2 * NGTCP2_SECONDS;

static void fail(struct connection *c, int error);

/* --- Making and freeing --------------------------------------------------------------------- */

static ngtcp2_conn *connection_of(ngtcp2_crypto_conn_ref *ref)
{
    return ((struct connection *)ref->user_data)->quic;
}

struct connection *connection_new(struct endpoint *endpoint)
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->endpoint = endpoint;
    c->protocol = endpoint->protocol;
    c->ref = (ngtcp2_crypto_conn_ref){connection_of, c};
    c->next = endpoint->connections;
    endpoint->connections = c;
    return c;
}

void connection_free(struct connection *c)
{
    if (c->batch)
        c->batch->connection = NULL;
    route_remove(c, NULL);
    c->protocol->free(c);
    while (c->streams)
        stream_free(c, c->streams);
    ngtcp2_conn_del(c->quic);
    if (c->tls)
        gnutls_deinit(c->tls);
    if (c->qlog)
        fclose(c->qlog);
    free(c);
}

static void write_qlog(void *user_data, uint32_t flags, const void *data, size_t size)
{
    (void)flags;
    struct connection *c = user_data;
    fwrite(data, 1, size, c->qlog);
}

static FILE *open_qlog(const struct task *task, const ngtcp2_cid *odcid)
{
    char path[4096], id[2 * NGTCP2_MAX_CIDLEN + 1] = "";
    for (size_t i = 0; i < odcid->datalen; i++)
        snprintf(id + 2 * i, 3, "%02x", odcid->data[i]);
    snprintf(path, sizeof path, "%s/%s_%s.sqlog", task->qlog, id,
             task->server ? "server" : "client");
    FILE *file = fopen(path, "we");
    if (!file)
        complain("%s: %m", path);
    return file;
}

void connection_settings(struct connection *c, ngtcp2_settings *settings,
                         ngtcp2_transport_params *params, const ngtcp2_cid *odcid)
{
    const struct task *task = c->endpoint->task;
    bool server = task->server;

    ngtcp2_settings_default(settings);
    settings->initial_ts = now();
    settings->handshake_timeout = UINT64_MAX;   /* the idle timeout is enough */
    settings->max_window = 8 << 20;
    settings->max_stream_window = 4 << 20;
    /* A client of ours sends little, so larger packets gain it nothing. */
    settings->no_pmtud = !server || task->testcase->ecn;
    if (task->qlog && (c->qlog = open_qlog(task, odcid)))
        set_qlog(settings, write_qlog, odcid);

    ngtcp2_transport_params_default(params);
    params->max_idle_timeout = IDLE_TIMEOUT;
    params->initial_max_data = 1 << 20;
    params->initial_max_stream_data_bidi_local = 256 << 10;
    params->initial_max_stream_data_bidi_remote = 64 << 10;
    params->initial_max_stream_data_uni = 64 << 10;
    params->initial_max_streams_bidi = server ? 100 : 0;
    params->initial_max_streams_uni = task->testcase->http3 ? 100 : 0;
    params->active_connection_id_limit = 7;
}

/* --- Streams -------------------------------------------------------------------------------- */

struct stream *stream_new(struct connection *c, int64_t id)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        abort();
    stream->id = id;
    struct stream **last = &c->streams;   /* first come, first served */
    while (*last)
        last = &(*last)->next;
    return *last = stream;
}

struct stream *stream_find(const struct connection *c, int64_t id)
{
    struct stream *stream = c->streams;
    while (stream && stream->id != id)
        stream = stream->next;
    return stream;
}

void stream_free(struct connection *c, struct stream *stream)
{
    struct stream **at = &c->streams;
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    file_unmap(&stream->body);
    free(stream);
}

void consumed(struct connection *c, int64_t stream_id, size_t size)
{
    ngtcp2_conn_extend_max_stream_offset(c->quic, stream_id, size);
    ngtcp2_conn_extend_max_offset(c->quic, size);
}

/* --- Callbacks ------------------------------------------------------------------------------ */

static int result(bool good)
{
    return good ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int handshake_completed(ngtcp2_conn *quic, void *user_data)
{
    (void)quic;
    struct connection *c = user_data;
    if (c->endpoint->task->server) {
        c->confirmed = true;   /* RFC 9001, 4.1.2 */
        if (gnutls_session_ticket_send(c->tls, 1, 0) < 0)
            return result(false);
    }
    return result(c->protocol->start(c));
}

/* RFC 9001, 8.2: the peer must have sent transport parameters. ngtcp2 writes 1-RTT packets as soon
 * as there are keys for them, but aborts if the parameters are missing then. */
static int recv_tx_key(ngtcp2_conn *quic, ngtcp2_encryption_level level, void *user_data)
{
    struct connection *c = user_data;
    c->parameters_missing = level == NGTCP2_ENCRYPTION_LEVEL_1RTT &&
                            !ngtcp2_conn_get_remote_transport_params(quic);
    return result(!c->parameters_missing);
}

static int handshake_confirmed(ngtcp2_conn *quic, void *user_data)
{
    struct connection *c = user_data;
    c->confirmed = true;
    c->key_update_due = c->endpoint->task->testcase->key_update;
    ngtcp2_conn_set_keep_alive_timeout(quic, KEEP_ALIVE);
    return 0;
}

static int recv_version_negotiation(ngtcp2_conn *quic, const ngtcp2_pkt_hd *header,
                                    const uint32_t *versions, size_t count, void *user_data)
{
    (void)quic, (void)header;
    struct connection *c = user_data;
    for (size_t i = 0; i < count; i++)
        if (versions[i] == NGTCP2_PROTO_VER_V1)
            c->batch->negotiated = true;
    return 0;
}

static int recv_stream_data(ngtcp2_conn *quic, uint32_t flags, int64_t stream_id, uint64_t offset,
                            const uint8_t *data, size_t size, void *user_data, void *stream)
{
    (void)quic, (void)offset, (void)stream;
    struct connection *c = user_data;
    return result(c->protocol->receive(c, stream_id, data, size,
                                       flags & NGTCP2_STREAM_DATA_FLAG_FIN));
}

static int acked_stream_data_offset(ngtcp2_conn *quic, int64_t stream_id, uint64_t offset,
                                    uint64_t size, void *user_data, void *stream)
{
    (void)quic, (void)offset, (void)stream;
    struct connection *c = user_data;
    return result(c->protocol->acked(c, stream_id, size));
}

static int extend_max_stream_data(ngtcp2_conn *quic, int64_t stream_id, uint64_t limit,
                                  void *user_data, void *stream)
{
    (void)quic, (void)limit, (void)stream;
    struct connection *c = user_data;
    c->protocol->unblocked(c, stream_id);
    return 0;
}

static int stream_close(ngtcp2_conn *quic, uint32_t flags, int64_t stream_id, uint64_t code,
                        void *user_data, void *stream)
{
    (void)stream;
    struct connection *c = user_data;
    if (!ngtcp2_conn_is_local_stream(quic, stream_id)) {
        if (ngtcp2_is_bidi_stream(stream_id))
            ngtcp2_conn_extend_max_streams_bidi(quic, 1);
        else
            ngtcp2_conn_extend_max_streams_uni(quic, 1);
    }
    if (!(flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET))
        code = c->protocol->no_error;
    return result(c->protocol->closed(c, stream_id, code));
}

static int early_data_rejected(ngtcp2_conn *quic, void *user_data)
{
    (void)quic;
    struct connection *c = user_data;
    c->protocol->restart(c);
    return 0;
}

static void random_bytes(uint8_t *destination, size_t size, const ngtcp2_rand_ctx *context)
{
    (void)context;
    gnutls_rnd(GNUTLS_RND_NONCE, destination, size);
}

ngtcp2_cid random_cid(void)
{
    ngtcp2_cid cid = {.datalen = CID_SIZE};
    random_bytes(cid.data, cid.datalen, NULL);
    return cid;
}

static int get_new_connection_id(ngtcp2_conn *quic, ngtcp2_cid *cid, uint8_t *token, size_t size,
                                 void *user_data)
{
    (void)quic, (void)size;   /* it is that of our first one, CID_SIZE */
    struct connection *c = user_data;
    *cid = random_cid();
    route_add(c, cid);
    return result(ngtcp2_crypto_generate_stateless_reset_token(
                      token, c->endpoint->secret, sizeof c->endpoint->secret, cid) == 0);
}

static int remove_connection_id(ngtcp2_conn *quic, const ngtcp2_cid *cid, void *user_data)
{
    (void)quic;
    route_remove(user_data, cid);
    return 0;
}

/* Client: move to the server's preferred address, in the family we have (RFC 9000, 9.6). */
static int select_preferred_addr(ngtcp2_conn *quic, ngtcp2_path *path,
                                 const ngtcp2_preferred_addr *offered, void *user_data)
{
    (void)user_data;
    const ngtcp2_addr *local = &ngtcp2_conn_get_path(quic)->local;
    bool v6 = local->addr->sa_family == AF_INET6;
    if (v6 ? !offered->ipv6_present : !offered->ipv4_present)
        return 0;
    memcpy(path->local.addr, local->addr, local->addrlen);
    path->local.addrlen = local->addrlen;
    path->remote.addrlen = local->addrlen;
    if (v6)
        memcpy(path->remote.addr, &offered->ipv6, sizeof offered->ipv6);
    else
        memcpy(path->remote.addr, &offered->ipv4, sizeof offered->ipv4);
    return 0;
}

void connection_callbacks(ngtcp2_callbacks *callbacks)
{
    *callbacks = (ngtcp2_callbacks){
        .client_initial = ngtcp2_crypto_client_initial_cb,
        .recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
        .recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
        .handshake_completed = handshake_completed,
        .recv_tx_key = recv_tx_key,
        .recv_version_negotiation = recv_version_negotiation,
        .encrypt = ngtcp2_crypto_encrypt_cb,
        .decrypt = ngtcp2_crypto_decrypt_cb,
        .hp_mask = ngtcp2_crypto_hp_mask_cb,
        .recv_stream_data = recv_stream_data,
        .acked_stream_data_offset = acked_stream_data_offset,
        .stream_close = stream_close,
        .recv_retry = ngtcp2_crypto_recv_retry_cb,
        .rand = random_bytes,
        .get_new_connection_id = get_new_connection_id,
        .remove_connection_id = remove_connection_id,
        .update_key = ngtcp2_crypto_update_key_cb,
        .select_preferred_addr = select_preferred_addr,
        .extend_max_stream_data = extend_max_stream_data,
        .handshake_confirmed = handshake_confirmed,
        .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
        .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
        .get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
        .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
        .tls_early_data_rejected = early_data_rejected,
    };
}

/* --- Reading, writing, time ----------------------------------------------------------------- */

static void repeat_farewell(struct connection *c)
{
    unsigned n = ++c->after_close;
    if ((n & (n - 1)) == 0)   /* less and less often (RFC 9000, 10.2.1) */
        udp_send(endpoint_socket(c->endpoint, &c->path.path), &c->path.path, 0, c->farewell,
                 c->farewell_size);
}

void connection_read(struct connection *c, const struct datagram *datagram)
{
    if (c->state == CLOSING)
        repeat_farewell(c);
    if (c->state != ALIVE)
        return;
    int error = ngtcp2_conn_read_pkt(c->quic, &datagram->path.path, &datagram->info,
                                     datagram->data, datagram->size, now());
    switch (error) {
    case 0:
        break;
    case NGTCP2_ERR_DRAINING: {
        ngtcp2_ccerr reason = reason_of_close(c->quic);
        if (reason.error_code != 0 && reason.error_code != c->protocol->no_error)
            complain("the peer closed the connection: 0x%llx %.*s",
                     (unsigned long long)reason.error_code, (int)reason.reasonlen,
                     (const char *)reason.reason);
        c->state = DEAD;
        break;
    }
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
    /* The ClientHello's beginning is missing: forget this, the client will send all of it again. */
    case NGTCP2_ERR_RETRY:
        c->state = DEAD;
        break;
    default:
        fail(c, error);
    }
}

void connection_write(struct connection *c)
{
    if (c->state != ALIVE)
        return;
    ngtcp2_tstamp time = now();
    if (c->key_update_due && ngtcp2_conn_initiate_key_update(c->quic, time) == 0)
        c->key_update_due = false;
    if (c->batch && !c->protocol->submit(c)) {
        fail(c, NGTCP2_ERR_CALLBACK_FAILURE);
        return;
    }
    uint8_t packet[PAYLOAD_SIZE];
    size_t left = ngtcp2_conn_get_send_quantum(c->quic);   /* pacing: no larger bursts */
    ngtcp2_path_storage path;
    ngtcp2_path_storage_zero(&path);
    ngtcp2_pkt_info info = {0};

    for (;;) {
        struct chunk chunk = {.stream_id = -1};
        /* Without credit ngtcp2 would call each stream blocked, though the connection is. */
        if (ngtcp2_conn_get_max_data_left(c->quic) > 0 && !c->protocol->next(c, &chunk)) {
            fail(c, NGTCP2_ERR_CALLBACK_FAILURE);
            return;
        }
        ngtcp2_ssize accepted = -1;
        ngtcp2_ssize size = ngtcp2_conn_writev_stream(
            c->quic, &path.path, &info, packet, sizeof packet, &accepted,
            NGTCP2_WRITE_STREAM_FLAG_MORE | (chunk.fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0),
            chunk.stream_id, chunk.pieces, chunk.count, time);
        if (accepted >= 0 && !c->protocol->sent(c, chunk.stream_id, (size_t)accepted))
            size = NGTCP2_ERR_CALLBACK_FAILURE;
        if (size == NGTCP2_ERR_WRITE_MORE)
            continue;
        if (size == NGTCP2_ERR_STREAM_DATA_BLOCKED) {
            c->protocol->blocked(c, chunk.stream_id);
            continue;
        }
        if (size == NGTCP2_ERR_STREAM_SHUT_WR || size == NGTCP2_ERR_STREAM_NOT_FOUND) {
            c->protocol->shut(c, chunk.stream_id);
            continue;
        }
        if (size < 0) {
            fail(c, (int)size);
            return;
        }
        if (size == 0)
            break;
        udp_send(endpoint_socket(c->endpoint, &path.path), &path.path, info.ecn, packet,
                 (size_t)size);
        if ((size_t)size >= left)
            break;
        left -= (size_t)size;
    }
    ngtcp2_conn_update_pkt_tx_time(c->quic, time);
}

ngtcp2_tstamp connection_expiry(struct connection *c)
{
    return c->state == ALIVE     ? ngtcp2_conn_get_expiry(c->quic)
           : c->state == CLOSING ? c->forget_at
                                 : 0;
}

void connection_expire(struct connection *c, ngtcp2_tstamp time)
{
    if (c->state != ALIVE) {
        c->state = DEAD;
        return;
    }
    int error = ngtcp2_conn_handle_expiry(c->quic, time);
    if (error == NGTCP2_ERR_IDLE_CLOSE) {
        complain("the connection timed out");
        c->state = DEAD;   /* silently (RFC 9000, 10.1) */
    } else if (error != 0) {
        fail(c, error);
    }
}

/* --- Closing -------------------------------------------------------------------------------- */

static void say_farewell(struct connection *c, const ngtcp2_ccerr *reason)
{
    ngtcp2_tstamp time = now();
    ngtcp2_pkt_info info = {0};
    ngtcp2_duration closing = 3 * ngtcp2_conn_get_pto(c->quic);

    ngtcp2_path_storage_zero(&c->path);
    ngtcp2_ssize size =
        ngtcp2_conn_write_connection_close(c->quic, &c->path.path, &info, c->farewell,
                                           sizeof c->farewell, reason, time);
    if (size <= 0) {
        c->state = DEAD;
        return;
    }
    c->farewell_size = (size_t)size;
    c->forget_at = time + (closing < LONGEST_CLOSING ? closing : LONGEST_CLOSING);
    c->state = CLOSING;
    udp_send(endpoint_socket(c->endpoint, &c->path.path), &c->path.path, info.ecn, c->farewell,
             c->farewell_size);
}

void connection_close(struct connection *c)
{
    if (c->state != ALIVE)
        return;
    ngtcp2_ccerr reason;
    ngtcp2_ccerr_default(&reason);
    ngtcp2_ccerr_set_application_error(&reason, c->protocol->no_error, NULL, 0);
    say_farewell(c, &reason);
}

static void fail(struct connection *c, int error)
{
    ngtcp2_ccerr reason;
    ngtcp2_ccerr_default(&reason);
    if (error == NGTCP2_ERR_CRYPTO) {
        uint8_t alert = c->parameters_missing ? GNUTLS_A_MISSING_EXTENSION
                                              : ngtcp2_conn_get_tls_alert(c->quic);
        complain("TLS: %s", gnutls_alert_get_name(alert));
        ngtcp2_ccerr_set_tls_alert(&reason, alert, NULL, 0);
    } else if (error == NGTCP2_ERR_CALLBACK_FAILURE && c->app_error) {
        complain("application error 0x%llx", (unsigned long long)c->app_error);
        ngtcp2_ccerr_set_application_error(&reason, c->app_error, NULL, 0);
    } else {
        complain("QUIC: %s", ngtcp2_strerror(error));
        ngtcp2_ccerr_set_liberr(&reason, error, NULL, 0);
    }
    say_farewell(c, &reason);
}
