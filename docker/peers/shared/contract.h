/* The endpoint contract of quic-interop-runner: what the environment asks for. */
#ifndef CONTRACT_H
#define CONTRACT_H

#include <stdbool.h>

enum { EXIT_UNSUPPORTED = 127, PREFERRED_PORT_OFFSET = 4000 };

/* A TESTCASE, as what is special about it. */
struct testcase {
    const char *name;
    bool chacha20;             /* offer and accept TLS_CHACHA20_POLY1305_SHA256 alone */
    bool ecn;                  /* leave out Path MTU Discovery if its probes carry no ECN mark */
    bool http3;                /* h3 instead of hq-interop */
    bool key_update;           /* client: update the keys once the handshake is confirmed */
    bool multiconnect;         /* client: one connection for each file */
    bool preferred_address;    /* server: offer one, at this port + PREFERRED_PORT_OFFSET */
    bool resumption;           /* client: first file first, the others on a resumed connection */
    bool retry;                /* server: send a Retry */
    bool unknown_version;      /* client: start with a reserved version, request nothing */
    bool version2;             /* start in version 1, upgrade to version 2 (RFC 9368) */
    bool zero_rtt;             /* the resumed connection's requests are 0-RTT data */
};

struct task {
    const struct testcase *testcase;
    bool server;
    const char *requests;      /* URLs, separated by spaces */
    unsigned port;             /* the server's */
    const char *www;           /* for a stack that opens files by itself */
    int folder;                /* /www or /downloads */
    char chain[4096], key[4096], roots[4096];   /* PEM files; the first two are a server's */
    const char *qlog, *keys;   /* a folder and a file, or NULL */
};

/* Fills in the task, and returns 0; or complains, and returns the exit code. */
int contract_read(struct task *task);

/* Print to standard error, as printf() does, with a newline. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

#endif
