/* The client's requests: which files, over which connections, and whether all of them came. */
#define _GNU_SOURCE
#include "requests.h"

#include "endpoint.h"
#include "files.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LONGEST_PATH = 1024, VERSION_1 = 1 };

static struct origin origin;
static struct request *requests;
static size_t count;

/* --- What to request ------------------------------------------------------------------------ */

/* Find the host and the port in "https://host:port/path", and return the path. */
static const char *parse_url(const char *url, struct origin *origin)
{
    static const char SCHEME[] = "https://";
    if (strncmp(url, SCHEME, strlen(SCHEME)) != 0)
        return NULL;
    const char *host = url + strlen(SCHEME), *path = strchr(host, '/');
    if (!path || strlen(path) > LONGEST_PATH)
        return NULL;
    int size = (int)(path - host);
    if ((size_t)size >= sizeof origin->authority)
        return NULL;
    snprintf(origin->authority, sizeof origin->authority, "%.*s", size, host);
    strcpy(origin->port, "443");
    bool bracketed = *host == '[';
    const char *form = bracketed ? "[%255[^]]]:%7[0-9]" : "%255[^:]:%7[0-9]";
    return sscanf(origin->authority, form, origin->host, origin->port) >= 1 ? path : NULL;
}

/* A file has the name of its path's last component, which must be fit for a name. */
static bool parse_name(const char *path, char name[NAME_MAX + 1])
{
    size_t end = strcspn(path, "?");
    const char *start = (const char *)memrchr(path, '/', end) + 1;
    size_t size = (size_t)(path + end - start);
    if (size == 0 || size > NAME_MAX)
        return false;
    memcpy(name, start, size);
    name[size] = '\0';
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The first address that this host has a way to. */
static bool resolve(void)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(origin.host, origin.port, &hints, &found);
    if (error) {
        complain("%s: %s", origin.host, gai_strerror(error));
        return false;
    }
    bool good = false;
    for (const struct addrinfo *a = found; a && !good; a = a->ai_next) {
        struct sockaddr *local = (struct sockaddr *)&origin.local;
        origin.size = a->ai_addrlen;
        memcpy(&origin.remote, a->ai_addr, a->ai_addrlen);
        int fd = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        good = fd != -1 && connect(fd, a->ai_addr, a->ai_addrlen) == 0 &&
               getsockname(fd, local, &(socklen_t){sizeof origin.local}) == 0;
        *(a->ai_family == AF_INET6 ? &((struct sockaddr_in6 *)local)->sin6_port
                                   : &((struct sockaddr_in *)local)->sin_port) = 0;
        if (fd != -1)
            close(fd);
    }
    if (!good)
        complain("%s: no route", origin.authority);
    freeaddrinfo(found);
    return good;
}

bool requests_parse(const struct task *task)
{
    size_t room = 1;
    for (const char *c = task->requests; *c; c++)
        room += *c == ' ';
    requests = calloc(room, sizeof *requests);
    char *rest = strdup(task->requests), *url;   /* the paths are in it */
    if (!requests || !rest)
        return false;
    while ((url = strtok_r(rest, " ", &rest))) {
        struct origin seen = {0};
        struct request *request = &requests[count++];
        *request = (struct request){.path = parse_url(url, &seen), .fd = -1};
        if (!request->path ||
            (!task->testcase->unknown_version && !parse_name(request->path, request->name)) ||
            (count > 1 && strcmp(seen.authority, origin.authority) != 0)) {
            complain("REQUESTS: %s is no https URL of a file on the one server", url);
            return false;
        }
        origin = seen;
    }
    if (!count)
        complain("REQUESTS is empty");
    return count > 0 && resolve();
}

/* --- Over which connections ----------------------------------------------------------------- */

static bool download(struct endpoint *endpoint, struct batch *batch)
{
    if (batch->task->testcase->unknown_version) {
        batch->count = 0;
        batch->version = RESERVED_VERSION;
        endpoint_download(endpoint, batch);
        if (!batch->negotiated)
            return false;
        /* The next connection knows better (RFC 9000, 6.2). */
        batch->version = VERSION_1;
    }
    bool good = endpoint_download(endpoint, batch);
    for (size_t i = 0; i < batch->count; i++)
        good = good && batch->requests[i].state == COMPLETE;
    return good;
}

bool requests_download(struct endpoint *endpoint, const struct task *task)
{
    const struct testcase *testcase = task->testcase;
    bool good = true;
    struct rlimit files;
    /* Each open request may have a file. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    for (size_t first = 0, size; good && first < count; first += size) {
        bool alone = testcase->multiconnect || (testcase->resumption && first == 0);
        size = alone ? 1 : count - first;
        struct batch batch = {
            .task = task,
            .origin = &origin,
            .requests = requests + first,
            .count = size,
            .version = VERSION_1,
            .wants_ticket = testcase->resumption && first + size < count,
        };
        good = download(endpoint, &batch);
    }
    return good;
}

/* --- What comes back ------------------------------------------------------------------------ */

bool request_write(const struct batch *batch, struct request *request, const uint8_t *data,
                   size_t size)
{
    if (request->fd == -1)
        request->fd = file_create(batch->task->folder, request->name);
    ssize_t written = request->fd == -1 ? -1 : 0;
    while (written != -1 && size) {
        written = TEMP_FAILURE_RETRY(write(request->fd, data, size));
        if (written > 0) {
            data += written;
            size -= (size_t)written;
        }
    }
    if (written == -1)
        complain("%s: %m", request->name);
    return written != -1;
}

void request_end(struct batch *batch, struct request *request, bool complete)
{
    if (request->state != OPEN)
        return;
    if (!complete)
        complain("%s: not complete", request->path);
    if (request->fd != -1)
        close(request->fd);
    request->fd = -1;
    request->state = complete ? COMPLETE : FAILED;
    batch->ended++;
}
