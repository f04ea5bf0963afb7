/* The endpoint contract of quic-interop-runner: the environment, read into a struct. */
#define _GNU_SOURCE
#include "contract.h"

#include "endpoint.h"
#include "files.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct testcase TESTCASES[] = {
    {.name = "handshake"},
    {.name = "transfer"},
    {.name = "chacha20", .chacha20 = true},
    {.name = "connectionmigration", .preferred_address = true},
    {.name = "ecn", .ecn = true},
    {.name = "http3", .http3 = true},
    {.name = "keyupdate", .key_update = true},
    {.name = "multiconnect", .multiconnect = true},
    {.name = "resumption", .resumption = true},
    {.name = "retry", .retry = true},
    {.name = "versionnegotiation", .unknown_version = true},
    {.name = "zerortt", .resumption = true, .zero_rtt = true},
    {.name = "v2", .version2 = true},
};

static const char *variable(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

static const struct testcase *find_testcase(const char *name)
{
    const char *const *supported = SUPPORTED;
    while (*supported && strcmp(name, *supported) != 0)
        supported++;
    for (size_t i = 0; *supported && i < sizeof TESTCASES / sizeof *TESTCASES; i++)
        if (strcmp(name, TESTCASES[i].name) == 0)
            return &TESTCASES[i];
    return NULL;
}

static bool find_certificate(char path[4096], const char *name, bool needed)
{
    snprintf(path, 4096, "%s/%s", variable("CERTS", "/certs"), name);
    bool found = !needed || access(path, R_OK) == 0;
    if (!found)
        complain("%s: %m", path);
    return found;
}

int contract_read(struct task *task)
{
    const char *role = variable("ROLE", ""), *name = variable("TESTCASE", "");
    bool server = strcmp(role, "server") == 0;
    if (!server && strcmp(role, "client") != 0) {
        complain("usage: ROLE=client|server TESTCASE=... [REQUESTS='https://host:port/name ...'] "
                 "adapter, or adapter --version");
        return EXIT_FAILURE;
    }
    *task = (struct task){
        .testcase = find_testcase(name),
        .server = server,
        .requests = variable("REQUESTS", ""),
        .port = (unsigned)strtoul(variable("PORT", "443"), NULL, 10),
        .www = variable("WWW", "/www"),
        .qlog = variable("QLOGDIR", NULL),
        .keys = variable("SSLKEYLOGFILE", NULL),
    };
    if (!task->testcase) {
        complain("test case not supported: %s", name);
        return EXIT_UNSUPPORTED;
    }
    if (task->qlog && mkdir(task->qlog, 0755) != 0 && errno != EEXIST)
        complain("%s: %m", task->qlog);
    task->folder = folder_open(server ? task->www : variable("DOWNLOADS", "/downloads"));
    return task->folder != -1 && find_certificate(task->chain, "cert.pem", server) &&
                   find_certificate(task->key, "priv.key", server) &&
                   find_certificate(task->roots, "ca.pem", !server)
               ? 0 : EXIT_FAILURE;
}

void complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}
