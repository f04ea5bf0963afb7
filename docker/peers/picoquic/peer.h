/* The parts of the peer and what they offer each other.
 *
 *   main.c     the endpoint contract: environment in, exit code out
 *   client.c   what to request, over which connections
 *   server.c   what is served, and what the server offers beyond it
 *   stack.c    picoquic: a context for the task, its packet loop, and signals that end it
 *   files.c    opening what is served and what is downloaded
 */
#ifndef PEER_H
#define PEER_H

#include <picoquic.h>
#include <picoquic_packet_loop.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { EXIT_UNSUPPORTED = 127 };

/* --- main.c: what the environment asks for -------------------------------------------------- */

/* A TESTCASE, as what is special about it. */
struct testcase {
    const char *name;
    bool chacha20;             /* offer and accept TLS_CHACHA20_POLY1305_SHA256 alone */
    bool http3;                /* h3 instead of hq-interop */
    bool key_update;           /* client: update the keys once the handshake is confirmed */
    bool multiconnect;         /* client: one connection for each file */
    bool preferred_address;    /* server: offer one */
    bool resumption;           /* client: first file first, the others on a resumed connection */
    bool retry;                /* server: send a Retry */
    bool unknown_version;      /* client: start with a reserved version, request nothing */
    bool version2;             /* client: start in version 1, offer version 2 (RFC 9368) */
    bool zero_rtt;             /* the resumed connection's requests are 0-RTT data */
};

struct task {
    const struct testcase *testcase;
    bool server;
    const char *requests;      /* URLs, separated by spaces */
    const char *port;          /* the server's */
    const char *www, *downloads, *certs;
    const char *qlog, *keys;   /* a folder and a file, or NULL */
};

int client(const struct task *task);
int server(const struct task *task);

/* Print to standard error, as printf() does, with a newline. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* --- stack.c -------------------------------------------------------------------------------- */

/* A context with certificates, ciphers, logs; NULL if that cannot be. */
picoquic_quic_t *stack_open(const struct task *task, picoquic_stream_data_cb_fn callback,
                            void *callback_context);

/* SIGTERM and SIGINT from now on end loops, and nothing else. */
bool stack_watch_signals(void);

/* What a loop's user may do after packets came, and after they went: false ends the loop. */
typedef bool step_fn(void *context);

enum ending { STEP_ENDED_IT, SIGNAL_ENDED_IT, ERROR_ENDED_IT };

/* Receive and send until `step` returns false, a signal comes, or there is an error. After a
 * signal `stopped` is called, and then what it left to be sent is sent. */
enum ending stack_run(picoquic_quic_t *quic, picoquic_packet_loop_param_t *sockets, step_fn *step,
                      void (*stopped)(picoquic_quic_t *quic), void *context);

/* --- files.c -------------------------------------------------------------------------------- */

/* The folder's descriptor, or -1 after a complaint. */
int folder_open(const char *path);
/* A regular file beneath the folder, for reading, or -1; links and ".." are refused. */
int file_open(int folder, const char *path);
/* A new, empty file in the folder, for writing, or -1. */
int file_create(int folder, const char *name);

#endif
