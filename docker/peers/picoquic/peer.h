/* The parts of the peer, beside those in ../shared, and what they offer each other.
 *
 *   endpoint.c   picoquic: a context for the task, its packet loop, and signals that end it
 *   client.c     a connection, its requests and what comes back
 *   server.c     what is served, and what the server offers beyond it
 */
#ifndef PEER_H
#define PEER_H

#include "contract.h"
#include "endpoint.h"
#include "files.h"

#include <picoquic.h>
#include <picoquic_packet_loop.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { REQUEST_SIZE = 2048 };

struct endpoint {
    const struct task *task;
    picoquic_quic_t *quic;
};

/* What a loop's user may do after packets came, and after they went: false ends the loop. */
typedef bool step_fn(void *context);

enum ending { STEP_ENDED_IT, SIGNAL_ENDED_IT, ERROR_ENDED_IT };

/* Receive and send until `step` returns false, a signal comes, or there is an error. After a
 * signal all connections are closed, and what that left to be sent is sent. */
enum ending endpoint_run(struct endpoint *endpoint, picoquic_packet_loop_param_t *sockets,
                         step_fn *step, void *context);

#endif
