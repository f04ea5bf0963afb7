/* The client's requests: which files, over which connections, and whether all of them came. */
#ifndef REQUESTS_H
#define REQUESTS_H

#include "contract.h"

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* RFC 9000, 15: versions 0x?a?a?a?a are reserved to force Version Negotiation. */
enum { RESERVED_VERSION = 0x1a2a3a4a };

struct endpoint;

/* The host and the port of the URLs, which are all of one server. */
struct origin {
    char host[256], port[8], authority[300];
    struct sockaddr_storage remote, local;   /* its address, and ours towards it without a port */
    socklen_t size;                          /* of each */
};

/* A file to download. */
struct request {
    const char *path;              /* as in the URL, e.g. "/name"; at most 1024 bytes */
    char name[NAME_MAX + 1];       /* of the file that it is stored in */
    int fd;                        /* -1 until there is something to write */
    enum { WAITING, OPEN, COMPLETE, FAILED } state;
};

/* What is wanted of one connection, and how far it is. */
struct batch {
    const struct task *task;
    const struct origin *origin;
    struct request *requests;
    size_t count;
    size_t opened;                 /* the first ones, that have a stream */
    size_t ended;                  /* complete or failed */
    uint32_t version;              /* to start in */
    bool wants_ticket;             /* the next connection is to be resumed with it */
    bool negotiated;               /* a Version Negotiation has refused that version */
    struct connection *connection; /* the stack's, while there is one */
};

/* Parse REQUESTS, and find the way to their server; false after a complaint. */
bool requests_parse(const struct task *task);
/* Download them; false if not all came. */
bool requests_download(struct endpoint *endpoint, const struct task *task);

/* For the stack: append to a request's file, or create it, and say how the request ended. */
bool request_write(const struct batch *batch, struct request *request, const uint8_t *data,
                   size_t size);
void request_end(struct batch *batch, struct request *request, bool complete);

#endif
