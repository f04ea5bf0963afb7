/* What each peer's own folder defines: its QUIC stack, behind a few functions. */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include "contract.h"
#include "requests.h"

struct endpoint;               /* whatever the stack needs for a task */

/* The TESTCASEs that the stack can do, then NULL; any other ends the program with 127. */
extern const char *const SUPPORTED[];

void print_version(void);

/* With certificates, ciphers and logs; SIGTERM and SIGINT from now on end only what waits. NULL
 * after a complaint. */
struct endpoint *endpoint_open(const struct task *task);
/* Server: until SIGTERM; false if that is not why it ended. */
bool endpoint_serve(struct endpoint *endpoint);
/* Client: a connection, from its first packet on, until all requests have ended and, if it is
 * wanted, there is a ticket; false if it ended before that. */
bool endpoint_download(struct endpoint *endpoint, struct batch *batch);
void endpoint_close(struct endpoint *endpoint);

#endif
