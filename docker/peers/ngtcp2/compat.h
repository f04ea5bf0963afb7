/* The few names that differ between ngtcp2 0.12 (Debian bookworm) and 1.x.
 *
 * The rest of the source is written for 1.x; here its names are given to what 0.12 has.
 */
#ifndef COMPAT_H
#define COMPAT_H

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include <stdbool.h>
#include <string.h>

#if NGTCP2_VERSION_NUM >= 0x010000

#define HAS_VERSION_2 true

/* The server's transport parameters, kept for 0-RTT (RFC 9000, 7.4.1). */
struct remembered_params {
    uint8_t data[256];
    ngtcp2_ssize size;
};

static inline bool remember_params(ngtcp2_conn *quic, struct remembered_params *params)
{
    params->size = ngtcp2_conn_encode_0rtt_transport_params(quic, params->data,
                                                            sizeof params->data);
    return params->size > 0;
}

static inline bool recall_params(ngtcp2_conn *quic, const struct remembered_params *params)
{
    return ngtcp2_conn_decode_and_set_0rtt_transport_params(quic, params->data,
                                                            (size_t)params->size) == 0;
}

static inline void set_retry_token(ngtcp2_settings *settings, const uint8_t *token, size_t size)
{
    settings->token = token;
    settings->tokenlen = size;
    settings->token_type = NGTCP2_TOKEN_TYPE_RETRY;
}

static inline ngtcp2_vec token_of(const ngtcp2_pkt_hd *header)
{
    return (ngtcp2_vec){(uint8_t *)header->token, header->tokenlen};
}

static inline void set_original_dcid(ngtcp2_transport_params *params, const ngtcp2_cid *cid)
{
    params->original_dcid = *cid;
    params->original_dcid_present = 1;
}

static inline void set_qlog(ngtcp2_settings *settings, ngtcp2_qlog_write write,
                            const ngtcp2_cid *odcid)
{
    (void)odcid;
    settings->qlog_write = write;
}

static inline void shut_stream(ngtcp2_conn *quic, int64_t stream_id, uint64_t error)
{
    ngtcp2_conn_shutdown_stream(quic, 0, stream_id, error);
}

/* Why the peer closed the connection. */
static inline ngtcp2_ccerr reason_of_close(ngtcp2_conn *quic)
{
    return *ngtcp2_conn_get_ccerr(quic);
}

#else /* 0.12 */

/* Its "version 2" is the draft's 0x709a50c4, which is not RFC 9369's. */
#define HAS_VERSION_2 false
#define NGTCP2_PROTO_VER_V2 0x6b3343cfu

struct remembered_params {
    ngtcp2_transport_params params;
};

static inline bool remember_params(ngtcp2_conn *quic, struct remembered_params *params)
{
    const ngtcp2_transport_params *remote = ngtcp2_conn_get_remote_transport_params(quic);
    if (remote)
        params->params = *remote;
    return remote != NULL;
}

static inline bool recall_params(ngtcp2_conn *quic, const struct remembered_params *params)
{
    ngtcp2_conn_set_early_remote_transport_params(quic, &params->params);
    return true;
}

static inline void set_retry_token(ngtcp2_settings *settings, const uint8_t *token, size_t size)
{
    settings->token = (ngtcp2_vec){(uint8_t *)token, size};
}

static inline ngtcp2_vec token_of(const ngtcp2_pkt_hd *header)
{
    return header->token;
}

static inline void set_original_dcid(ngtcp2_transport_params *params, const ngtcp2_cid *cid)
{
    params->original_dcid = *cid;
}

static inline void set_qlog(ngtcp2_settings *settings, ngtcp2_qlog_write write,
                            const ngtcp2_cid *odcid)
{
    settings->qlog.write = write;
    settings->qlog.odcid = *odcid;
}

static inline void shut_stream(ngtcp2_conn *quic, int64_t stream_id, uint64_t error)
{
    ngtcp2_conn_shutdown_stream(quic, stream_id, error);
}

#define ngtcp2_encryption_level ngtcp2_crypto_level
#define NGTCP2_ENCRYPTION_LEVEL_1RTT NGTCP2_CRYPTO_LEVEL_APPLICATION

typedef ngtcp2_connection_close_error ngtcp2_ccerr;
#define ngtcp2_ccerr_default ngtcp2_connection_close_error_default
#define ngtcp2_ccerr_set_liberr ngtcp2_connection_close_error_set_transport_error_liberr
#define ngtcp2_ccerr_set_tls_alert ngtcp2_connection_close_error_set_transport_error_tls_alert
#define ngtcp2_ccerr_set_application_error ngtcp2_connection_close_error_set_application_error

static inline ngtcp2_ccerr reason_of_close(ngtcp2_conn *quic)
{
    ngtcp2_ccerr reason;
    ngtcp2_conn_get_connection_close_error(quic, &reason);
    return reason;
}

/* Members of ngtcp2_settings, ngtcp2_transport_params and ngtcp2_callbacks. */
#define available_versions other_versions
#define available_versionslen other_versionslen
#define preferred_addr preferred_address
#define preferred_addr_present preferred_address_present
#define tls_early_data_rejected early_data_rejected

#endif
#endif
