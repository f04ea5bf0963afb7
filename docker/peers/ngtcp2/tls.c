/* GnuTLS: credentials, ciphers, session tickets and anti-replay.
 *
 * GnuTLS writes the key log by itself, to the file that SSLKEYLOGFILE names.
 */
#define _GNU_SOURCE
#include "peer.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <time.h>

/* A ClientHello with 0-RTT data that was accepted; until when it may not be again. */
struct client_hello {
    struct client_hello *next;
    time_t expiry;
    gnutls_datum_t key;
};

static int check_replay(void *seen, time_t expiry, const gnutls_datum_t *key,
                        const gnutls_datum_t *data);
static int keep_ticket(gnutls_session_t tls, unsigned type, unsigned when, unsigned incoming,
                       const gnutls_datum_t *message);

static bool worked(int result, const char *what)
{
    if (result < 0)
        complain("%s: %s", what, gnutls_strerror(result));
    return result >= 0;
}

bool tls_open(struct tls *tls, const struct task *task)
{
    *tls = (struct tls){.task = task};
    if (!worked(gnutls_certificate_allocate_credentials(&tls->credentials), "credentials"))
        return false;
    if (!task->server)
        return worked(gnutls_certificate_set_x509_trust_file(tls->credentials, task->roots,
                                                             GNUTLS_X509_FMT_PEM), task->roots);
    if (!worked(gnutls_certificate_set_x509_key_file(tls->credentials, task->chain, task->key,
                                                     GNUTLS_X509_FMT_PEM), task->chain) ||
        !worked(gnutls_session_ticket_key_generate(&tls->ticket_key), "ticket key") ||
        !worked(gnutls_anti_replay_init(&tls->anti_replay), "anti-replay"))
        return false;
    gnutls_anti_replay_set_add_function(tls->anti_replay, check_replay);
    gnutls_anti_replay_set_ptr(tls->anti_replay, &tls->seen);
    return true;
}

void tls_close(struct tls *tls)
{
    if (tls->credentials)
        gnutls_certificate_free_credentials(tls->credentials);
    gnutls_free(tls->ticket_key.data);
    if (tls->anti_replay)
        gnutls_anti_replay_deinit(tls->anti_replay);
    while (tls->seen) {
        struct client_hello *hello = tls->seen;
        tls->seen = hello->next;
        free(hello->key.data);
        free(hello);
    }
}

static bool is_address(const char *host)
{
    uint8_t address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool configure_client(gnutls_session_t tls, const char *name,
                             const struct session *resumed)
{
    gnutls_handshake_set_hook_function(tls, GNUTLS_HANDSHAKE_NEW_SESSION_TICKET, GNUTLS_HOOK_BOTH,
                                       keep_ticket);
    gnutls_session_set_verify_cert(tls, name, 0);
    /* RFC 6066, 3: an address is no server name. */
    return (is_address(name) ||
            worked(gnutls_server_name_set(tls, GNUTLS_NAME_DNS, name, strlen(name)), name)) &&
           (!resumed->ticket.size ||
            worked(gnutls_session_set_data(tls, resumed->ticket.data, resumed->ticket.size),
                   "resumption")) &&
           ngtcp2_crypto_gnutls_configure_client_session(tls) == 0;
}

static bool configure_server(struct tls *tls, gnutls_session_t session)
{
    if (tls->task->testcase->zero_rtt) {
        gnutls_anti_replay_enable(session, tls->anti_replay);
        /* RFC 9001, 4.6.1: in QUIC no other value is allowed. */
        if (!worked(gnutls_record_set_max_early_data_size(session, 0xffffffff), "early data"))
            return false;
    }
    return worked(gnutls_session_ticket_enable_server(session, &tls->ticket_key), "tickets") &&
           ngtcp2_crypto_gnutls_configure_server_session(session) == 0;
}

gnutls_session_t tls_session(struct tls *tls, ngtcp2_crypto_conn_ref *ref, const char *name,
                             const struct session *resumed)
{
    const struct testcase *testcase = tls->task->testcase;
    const char *priority =
        testcase->chacha20
            ? "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305:"
              "%DISABLE_TLS13_COMPAT_MODE"
            : "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:"
              "+CHACHA20-POLY1305:+AES-128-CCM:%DISABLE_TLS13_COMPAT_MODE";
    const char *alpn = testcase->http3 ? h3.alpn : hq.alpn;
    const gnutls_datum_t protocol = {(unsigned char *)alpn, (unsigned)strlen(alpn)};
    /* Only where it is wanted: a server of GnuTLS would else offer it in each ticket, with a limit
     * of its own, and a client would try it with any ticket. */
    bool early_data = testcase->zero_rtt && (tls->task->server || resumed->early_data);
    /* Tickets are sent when the handshake is complete. */
    unsigned flags = (tls->task->server ? GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET
                                        : GNUTLS_CLIENT) |
                     GNUTLS_NO_END_OF_EARLY_DATA |
                     (early_data ? GNUTLS_ENABLE_EARLY_DATA : 0);

    gnutls_session_t session;
    if (!worked(gnutls_init(&session, flags), "TLS session"))
        return NULL;
    gnutls_session_set_ptr(session, ref);
    if (worked(gnutls_priority_set_direct(session, priority, NULL), priority) &&
        worked(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials),
               "credentials") &&
        worked(gnutls_alpn_set_protocols(session, &protocol, 1, GNUTLS_ALPN_MANDATORY), alpn) &&
        (tls->task->server ? configure_server(tls, session)
                           : configure_client(session, name, resumed)))
        return session;
    gnutls_deinit(session);
    return NULL;
}

/* Cut a vector with a length of that many bytes off the front; false if it is not there. */
static bool take_vector(gnutls_datum_t *rest, unsigned length_size, gnutls_datum_t *vector)
{
    unsigned length = 0;
    if (rest->size < length_size)
        return false;
    for (unsigned i = 0; i < length_size; i++)
        length = length << 8 | rest->data[i];
    if (rest->size - length_size < length)
        return false;
    *vector = (gnutls_datum_t){rest->data + length_size, length};
    *rest = (gnutls_datum_t){vector->data + length, rest->size - length_size - length};
    return true;
}

/* Whether a NewSessionTicket (RFC 8446, 4.6.1) has the early_data extension with the one value
 * that QUIC allows. GnuTLS does not tell: its limit for a client is this value without it, too. */
static bool allows_early_data(const gnutls_datum_t *message)
{
    enum { LIFETIME_AND_AGE_ADD = 8, EARLY_DATA = 42 };
    if (message->size < LIFETIME_AND_AGE_ADD)
        return false;
    gnutls_datum_t rest = {message->data + LIFETIME_AND_AGE_ADD,
                           message->size - LIFETIME_AND_AGE_ADD};
    gnutls_datum_t nonce, ticket, extensions, content;
    if (!take_vector(&rest, 1, &nonce) || !take_vector(&rest, 2, &ticket) ||
        !take_vector(&rest, 2, &extensions))
        return false;
    while (extensions.size > 2) {
        unsigned type = (unsigned)extensions.data[0] << 8 | extensions.data[1];
        extensions = (gnutls_datum_t){extensions.data + 2, extensions.size - 2};
        if (!take_vector(&extensions, 2, &content))
            return false;
        if (type == EARLY_DATA)
            return content.size == 4 && memcmp(content.data, "\xff\xff\xff\xff", 4) == 0;
    }
    return false;
}

static int keep_ticket(gnutls_session_t tls, unsigned type, unsigned when, unsigned incoming,
                       const gnutls_datum_t *message)
{
    (void)type;
    struct connection *c = ((ngtcp2_crypto_conn_ref *)gnutls_session_get_ptr(tls))->user_data;
    struct session *session = &c->endpoint->session;
    if (!incoming || !c->batch->wants_ticket || session->ticket.size)
        return 0;
    if (when == GNUTLS_HOOK_PRE)   /* the message is whole, */
        session->early_data = allows_early_data(message);
    else                           /* and now it has been taken in */
        worked(gnutls_session_get_data2(tls, &session->ticket), "session ticket");
    return 0;
}

static int check_replay(void *seen, time_t expiry, const gnutls_datum_t *key,
                        const gnutls_datum_t *data)
{
    (void)data;
    struct client_hello **at = seen;
    while (*at) {
        struct client_hello *hello = *at;
        if (hello->key.size == key->size && memcmp(hello->key.data, key->data, key->size) == 0)
            return GNUTLS_E_DB_ENTRY_EXISTS;
        if (hello->expiry < time(NULL)) {
            *at = hello->next;
            free(hello->key.data);
            free(hello);
        } else {
            at = &hello->next;
        }
    }
    struct client_hello *hello = calloc(1, sizeof *hello);
    uint8_t *copy = malloc(key->size);
    if (!hello || !copy) {
        free(hello);
        free(copy);
        return GNUTLS_E_MEMORY_ERROR;   /* not remembered, so not accepted */
    }
    memcpy(copy, key->data, key->size);
    *hello = (struct client_hello){*at, expiry, {copy, key->size}};
    *at = hello;
    return 0;
}
