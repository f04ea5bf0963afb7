/* Picoquic: a context for the task, its packet loop, and the signals that end it. */
#define _GNU_SOURCE
#include "peer.h"

#include <picoquic_bbr.h>
#include <picoquic_internal.h>
#include <picoquic_qlog.h>
#include <openssl/crypto.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* Only a context with a file to load tickets from keeps any, though that file need not exist. */
static const char NO_FILE[] = "";

enum { MAX_CONNECTIONS = 1024, IDLE_TIMEOUT_MS = 60000, CHACHA20 = 0x1303 };

const char *const SUPPORTED[] = {
    "handshake", "transfer", "chacha20", "connectionmigration", "ecn", "http3", "keyupdate",
    "multiconnect", "resumption", "retry", "versionnegotiation", "zerortt", "v2", NULL,
};

static bool watch_signals(void);

void print_version(void)
{
    printf("picoquic %s, %s\n", PICOQUIC_VERSION, OpenSSL_version(OPENSSL_VERSION));
}

struct endpoint *endpoint_open(const struct task *task)
{
    static struct endpoint endpoint;
    if (!watch_signals())
        return NULL;
    picoquic_register_all_congestion_control_algorithms();
    picoquic_quic_t *quic = picoquic_create(
        MAX_CONNECTIONS, task->server ? task->chain : NULL, task->server ? task->key : NULL,
        task->server ? NULL : task->roots, NULL, NULL, NULL, NULL, NULL, NULL,
        picoquic_current_time(), NULL, NO_FILE, NULL, 0);
    if (!quic) {
        complain("picoquic has no context for us: are the certificates good?");
        return NULL;
    }
    endpoint = (struct endpoint){task, quic};
    /* As picoquic's own demonstration program has it. */
    picoquic_set_default_congestion_algorithm(quic, picoquic_bbr_algorithm);
    picoquic_set_cookie_mode(quic, task->server && task->testcase->retry ? 1 : 2);

    picoquic_set_client_cert_verification_policy(quic, 1);
    picoquic_set_default_idle_timeout(quic, IDLE_TIMEOUT_MS);
    picoquic_set_max_simultaneous_logs(quic, MAX_CONNECTIONS);
    picoquic_set_log_level(quic, 1);   /* all packets, not only the first */
    if (task->qlog)
        picoquic_set_qlog(quic, task->qlog);
    if (task->keys) {
        picoquic_enable_sslkeylog(quic, 1);
        picoquic_set_key_log_file(quic, task->keys);
    }
    if (!task->server)
        picoquic_set_default_pmtud_policy(quic, picoquic_pmtud_delayed);
    if (task->testcase->chacha20 && picoquic_set_cipher_suite(quic, CHACHA20) != 0) {
        complain("this picoquic has no ChaCha20");
        picoquic_free(quic);
        return NULL;
    }
    return &endpoint;
}

void endpoint_close(struct endpoint *endpoint)
{
    picoquic_free(endpoint->quic);
}

/* --- Signals -------------------------------------------------------------------------------- */

static int signal_pipe[2];

static void *wait_for_signals(void *waited_for)
{
    int number;
    while (sigwait(waited_for, &number) == 0)
        if (write(signal_pipe[1], "x", 1) != 1)
            break;
    return NULL;
}

static bool watch_signals(void)
{
    static sigset_t ours;
    pthread_t thread;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    /* Blocked everywhere else: picoquic's loop takes an interrupted poll() for an error. */
    bool good = pthread_sigmask(SIG_BLOCK, &ours, NULL) == 0 &&
                pipe2(signal_pipe, O_CLOEXEC) == 0 &&
                pthread_create(&thread, NULL, wait_for_signals, &ours) == 0 &&
                pthread_detach(thread) == 0;
    if (!good)
        complain("signals: %m");
    return good;
}

/* --- The loop ------------------------------------------------------------------------------- */

struct loop {
    step_fn *step;
    void *context;
    bool stopping;
};

static int on_loop(picoquic_quic_t *quic, picoquic_packet_loop_cb_enum event, void *context,
                   void *argument)
{
    struct loop *loop = context;
    (void)argument;
    switch (event) {
    case picoquic_packet_loop_wake_up:
        loop->stopping = true;
        for (picoquic_cnx_t *c = picoquic_get_first_cnx(quic); c; c = picoquic_get_next_cnx(c))
            picoquic_close(c, 0);
        return 0;
    case picoquic_packet_loop_after_receive:
        return loop->step(loop->context) ? 0 : PICOQUIC_NO_ERROR_TERMINATE_PACKET_LOOP;
    case picoquic_packet_loop_after_send:
        return !loop->stopping && loop->step(loop->context)
                   ? 0 : PICOQUIC_NO_ERROR_TERMINATE_PACKET_LOOP;
    default:
        return 0;
    }
}

enum ending endpoint_run(struct endpoint *endpoint, picoquic_packet_loop_param_t *sockets,
                         step_fn *step, void *context)
{
    struct loop loop = {.step = step, .context = context};
    picoquic_network_thread_ctx_t thread = {
        .quic = endpoint->quic,
        .param = sockets,
        .loop_callback = on_loop,
        .loop_callback_ctx = &loop,
        .wake_up_pipe_fd = {signal_pipe[0], signal_pipe[1]},
        .wake_up_defined = 1,
    };
    /* A datagram for each system call: what others capture is then what is on the wire. */
    sockets->do_not_use_gso = 1;
    sockets->socket_buffer_size = 1 << 20;
    picoquic_packet_loop_v3(&thread);
    if (thread.return_code != 0) {
        complain("picoquic's packet loop ended with error 0x%x", (unsigned)thread.return_code);
        return ERROR_ENDED_IT;
    }
    return loop.stopping ? SIGNAL_ENDED_IT : STEP_ENDED_IT;
}
