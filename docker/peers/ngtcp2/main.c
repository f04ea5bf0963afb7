/* The endpoint contract of quic-interop-runner: environment in, exit code out. */
#define _GNU_SOURCE
#include "peer.h"

#include <nghttp3/nghttp3.h>
#include <stdlib.h>

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

static const struct testcase *find_testcase(const char *name);
static const char *variable(const char *name, const char *otherwise);

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("ngtcp2 %s, nghttp3 %s, GnuTLS %s\n", ngtcp2_version(0)->version_str,
               nghttp3_version(0)->version_str, gnutls_check_version(NULL));
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
        complain("test case not supported with ngtcp2 %s: %s", NGTCP2_VERSION, name);
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
    };
    return is_server ? server(&task) : client(&task);
}

static const struct testcase *find_testcase(const char *name)
{
    for (size_t i = 0; i < sizeof TESTCASES / sizeof *TESTCASES; i++)
        if (strcmp(name, TESTCASES[i].name) == 0)
            return TESTCASES[i].version2 && !HAS_VERSION_2 ? NULL : &TESTCASES[i];
    return NULL;
}

static const char *variable(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}
