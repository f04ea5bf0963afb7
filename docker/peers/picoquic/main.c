/* The endpoint contract of quic-interop-runner: environment in, exit code out. */
#include "peer.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct testcase TESTCASES[] = {
    {.name = "handshake"},
    {.name = "transfer"},
    {.name = "chacha20", .chacha20 = true},
    {.name = "connectionmigration", .preferred_address = true},
    {.name = "ecn"},
    {.name = "http3", .http3 = true},
    {.name = "keyupdate", .key_update = true},
    {.name = "multiconnect", .multiconnect = true},
    {.name = "resumption", .resumption = true},
    {.name = "retry", .retry = true},
    {.name = "versionnegotiation", .unknown_version = true},
    {.name = "zerortt", .resumption = true, .zero_rtt = true},
    {.name = "v2", .version2 = true},
};

static const struct testcase *find_testcase(const char *name);
static const char *variable(const char *name, const char *otherwise);

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("picoquic %s, %s\n", PICOQUIC_VERSION, OpenSSL_version(OPENSSL_VERSION));
        return EXIT_SUCCESS;
    }
    const char *role = variable("ROLE", ""), *name = variable("TESTCASE", "");
    bool is_server = strcmp(role, "server") == 0;
    if (argc != 1 || (!is_server && strcmp(role, "client") != 0)) {
        complain("usage: ROLE=client|server TESTCASE=... [REQUESTS='https://host:port/name ...'] "
                 "adapter, or adapter --version");
        return EXIT_FAILURE;
    }
    const struct testcase *testcase = find_testcase(name);
    if (!testcase) {
        complain("test case not supported: %s", name);
        return EXIT_UNSUPPORTED;
    }
    const struct task task = {
        .testcase = testcase,
        .server = is_server,
        .requests = variable("REQUESTS", ""),
        .port = variable("PORT", "443"),
        .www = variable("WWW", "/www"),
        .downloads = variable("DOWNLOADS", "/downloads"),
        .certs = variable("CERTS", "/certs"),
        .qlog = variable("QLOGDIR", NULL),
        .keys = variable("SSLKEYLOGFILE", NULL),
    };
    return is_server ? server(&task) : client(&task);
}

void complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

static const struct testcase *find_testcase(const char *name)
{
    for (size_t i = 0; i < sizeof TESTCASES / sizeof *TESTCASES; i++)
        if (strcmp(name, TESTCASES[i].name) == 0)
            return &TESTCASES[i];
    return NULL;
}

static const char *variable(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}
