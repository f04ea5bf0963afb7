/* Datagrams with both their addresses (PKTINFO) and their ECN marks.
 *
 * The local address matters: a server answers from the address that the client wrote to, and
 * ngtcp2 knows a path by both ends. So it travels with each datagram, in and out.
 */
#define _GNU_SOURCE
#include "peer.h"

#include <errno.h>
#include <netinet/ip.h>
#include <stdlib.h>
#include <unistd.h>

enum { BUFFER_SIZE = 4 * 1024 * 1024, CONTROL_SIZE = 256 };

static bool set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

struct socket *udp_open(const struct sockaddr *local, socklen_t size)
{
    int fd = socket(local->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return NULL;
    bool v6 = local->sa_family == AF_INET6;
    int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
    /* Buffers are as large as the system allows; it says no word about less. */
    set(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_SIZE);
    set(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_SIZE);
    struct socket *made = calloc(1, sizeof *made);
    socklen_t bound_size = sizeof made->local;
    if (made && (!v6 || set(fd, level, IPV6_V6ONLY, 1)) &&
        set(fd, level, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1) &&
        set(fd, level, v6 ? IPV6_RECVTCLASS : IP_RECVTOS, 1) &&
        /* Never fragment, and ignore what the kernel believes of the path (RFC 9000, 14). */
        set(fd, level, v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER,
            v6 ? IPV6_PMTUDISC_PROBE : IP_PMTUDISC_PROBE) &&
        bind(fd, local, size) == 0 && getsockname(fd, &made->local.sa, &bound_size) == 0) {
        made->fd = fd;
        return made;
    }
    int error = errno;
    free(made);
    close(fd);
    errno = error;
    return NULL;
}

void udp_close(struct socket *socket)
{
    close(socket->fd);
    free(socket);
}

bool udp_receive(struct socket *socket, struct datagram *datagram)
{
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
    ngtcp2_sockaddr_union remote, local = socket->local;
    struct iovec space = {datagram->data, sizeof datagram->data};
    struct msghdr message = {
        .msg_name = &remote,
        .msg_namelen = sizeof remote,
        .msg_iov = &space,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof control,
    };
    ssize_t size = recvmsg(socket->fd, &message, MSG_DONTWAIT);
    if (size < 0)
        return false;
    datagram->size = (size_t)size;
    datagram->info = (ngtcp2_pkt_info){0};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo to;
            memcpy(&to, CMSG_DATA(c), sizeof to);
            local.in.sin_addr = to.ipi_addr;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo to;
            memcpy(&to, CMSG_DATA(c), sizeof to);
            local.in6.sin6_addr = to.ipi6_addr;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
            datagram->info.ecn = *CMSG_DATA(c) & IPTOS_ECN_MASK;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
            int traffic_class;
            memcpy(&traffic_class, CMSG_DATA(c), sizeof traffic_class);
            datagram->info.ecn = traffic_class & IPTOS_ECN_MASK;
        }
    }
    ngtcp2_path_storage_init(&datagram->path, &local.sa, address_size(&local.sa), &remote.sa,
                             message.msg_namelen, NULL);
    return true;
}

static void attach(struct msghdr *message, int level, int type, const void *value, size_t size)
{
    struct cmsghdr *c =
        (struct cmsghdr *)((uint8_t *)message->msg_control + message->msg_controllen);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), value, size);
    message->msg_controllen += CMSG_SPACE(size);
}

void udp_send(struct socket *socket, const ngtcp2_path *path, unsigned ecn, const uint8_t *data,
              size_t size)
{
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE] = {0};
    struct iovec content = {(void *)data, size};
    struct msghdr message = {
        .msg_name = path->remote.addr,
        .msg_namelen = path->remote.addrlen,
        .msg_iov = &content,
        .msg_iovlen = 1,
        .msg_control = control,
    };
    int mark = (int)ecn;
    if (path->local.addr->sa_family == AF_INET6) {
        struct in6_pktinfo from = {
            .ipi6_addr = ((const struct sockaddr_in6 *)path->local.addr)->sin6_addr,
        };
        attach(&message, IPPROTO_IPV6, IPV6_PKTINFO, &from, sizeof from);
        attach(&message, IPPROTO_IPV6, IPV6_TCLASS, &mark, sizeof mark);
    } else {
        struct in_pktinfo from = {
            .ipi_spec_dst = ((const struct sockaddr_in *)path->local.addr)->sin_addr,
        };
        attach(&message, IPPROTO_IP, IP_PKTINFO, &from, sizeof from);
        attach(&message, IPPROTO_IP, IP_TOS, &mark, sizeof mark);
    }
    while (sendmsg(socket->fd, &message, 0) == -1 && errno == EINTR)
        ;
}

socklen_t address_size(const struct sockaddr *address)
{
    return address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in);
}

in_port_t *address_port(struct sockaddr *address)
{
    return address->sa_family == AF_INET6 ? &((struct sockaddr_in6 *)address)->sin6_port
                                          : &((struct sockaddr_in *)address)->sin_port;
}
