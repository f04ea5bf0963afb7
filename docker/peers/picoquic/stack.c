/* Picoquic: a context for the task, its packet loop, and the signals that end it. */
#define _GNU_SOURCE
#include "peer.h"

#include <picoquic_bbr.h>
#include <picoquic_internal.h>
#include <picoquic_qlog.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Only a context with a file to load tickets from keeps any, though that file need not exist. */
static const char NO_FILE[] = "";

enum { MAX_CONNECTIONS = 1024, IDLE_TIMEOUT_MS = 60000, CHACHA20 = 0x1303 };

picoquic_quic_t *stack_open(const struct task *task, picoquic_stream_data_cb_fn callback,
                            void *callback_context)
{
    char chain[4096], key[4096], roots[4096];
    snprintf(chain, sizeof chain, "%s/cert.pem", task->certs);
    snprintf(key, sizeof key, "%s/priv.key", task->certs);
    snprintf(roots, sizeof roots, "%s/ca.pem", task->certs);
    for (char **file = (char *[]){chain, key, roots, NULL}; *file; file++)
        if ((*file == roots) != task->server && access(*file, R_OK) != 0) {
            complain("%s: %m", *file);
            return NULL;
        }

    picoquic_register_all_congestion_control_algorithms();
    picoquic_quic_t *quic = picoquic_create(
        MAX_CONNECTIONS, task->server ? chain : NULL, task->server ? key : NULL,
        task->server ? NULL : roots, NULL, callback, callback_context, NULL, NULL, NULL,
        picoquic_current_time(), NULL, NO_FILE, NULL, 0);
    if (!quic) {
        complain("picoquic has no context for us: are the certificates in %s good?", task->certs);
        return NULL;
    }
    /* As picoquic's own demonstration program has it. */
    picoquic_set_default_congestion_algorithm(quic, picoquic_bbr_algorithm);
    picoquic_set_cookie_mode(quic, task->server && task->testcase->retry ? 1 : 2);

    picoquic_set_client_cert_verification_policy(quic, 1);
    picoquic_set_default_idle_timeout(quic, IDLE_TIMEOUT_MS);
    picoquic_set_max_simultaneous_logs(quic, MAX_CONNECTIONS);
    picoquic_set_log_level(quic, 1);   /* all packets, not only the first */
    if (task->qlog) {
        if (mkdir(task->qlog, 0755) != 0 && errno != EEXIST)
            complain("%s: %m", task->qlog);
        picoquic_set_qlog(quic, task->qlog);
    }
    if (task->keys) {
        picoquic_enable_sslkeylog(quic, 1);
        picoquic_set_key_log_file(quic, task->keys);
    }
    if (task->testcase->chacha20 && picoquic_set_cipher_suite(quic, CHACHA20) != 0) {
        complain("this picoquic has no ChaCha20");
        picoquic_free(quic);
        return NULL;
    }
    return quic;
}

/* --- Signals -------------------------------------------------------------------------------- */

static int signal_pipe[2];

static void *watch_signals(void *waited_for)
{
    int number;
    while (sigwait(waited_for, &number) == 0)
        if (write(signal_pipe[1], "x", 1) != 1)
            break;
    return NULL;
}

bool stack_watch_signals(void)
{
    static sigset_t ours;
    pthread_t thread;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    /* Blocked everywhere else: picoquic's loop takes an interrupted poll() for an error. */
    bool good = pthread_sigmask(SIG_BLOCK, &ours, NULL) == 0 &&
                pipe2(signal_pipe, O_CLOEXEC) == 0 &&
                pthread_create(&thread, NULL, watch_signals, &ours) == 0 &&
                pthread_detach(thread) == 0;
    if (!good)
        complain("signals: %m");
    return good;
}

/* --- The loop ------------------------------------------------------------------------------- */

struct loop {
    step_fn *step;
    void (*stopped)(picoquic_quic_t *quic);
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
        loop->stopped(quic);
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

enum ending stack_run(picoquic_quic_t *quic, picoquic_packet_loop_param_t *sockets, step_fn *step,
                      void (*stopped)(picoquic_quic_t *quic), void *context)
{
    struct loop loop = {.step = step, .stopped = stopped, .context = context};
    picoquic_network_thread_ctx_t thread = {
        .quic = quic,
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
