#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "agent/inspect/sockets_internal.h"
#include "common/base/log.h"

void nj_netns_init(struct nj_netns *netns, int proc_dir)
{
    struct stat status;
    *netns = (struct nj_netns){.own = openat(proc_dir, "thread-self/ns/net", O_RDONLY | O_CLOEXEC)};
    if (netns->own < 0 || fstat(netns->own, &status) < 0) {
        netns->forbidden = true; /* without a way back there is no way in */
        return;
    }
    netns->own_dev = status.st_dev;
    netns->own_inode = status.st_ino;
}

void nj_netns_done(struct nj_netns *netns)
{
    if (netns->own >= 0)
        (void)close(netns->own);
    netns->own = -1;
}

static int diag_socket(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    return fd < 0 ? -errno : fd;
}

/* A socket belongs for good to the namespace in which it was made: the thread is away for three system calls
 * only, and asks from home. */
static int diag_socket_of(struct nj_netns *netns, int namespace)
{
    if (netns->forbidden)
        return -EPERM;
    if (setns(namespace, CLONE_NEWNET) < 0) {
        int status = -errno;
        if (status == -EPERM)
            netns->forbidden = true;
        return status;
    }
    int fd = diag_socket();
    if (setns(netns->own, CLONE_NEWNET) < 0) {
        netns->forbidden = true;
        nj_error("inspect",
                 "cannot go back from a pod's network namespace (%s): sockets are counted by the files of "
                 "/proc from now on; restart the agent",
                 strerror(errno));
    }
    return fd;
}

int nj_netns_diag_socket(struct nj_netns *netns, int process_dir, int *ret_fd)
{
    struct stat status;
    int namespace = openat(process_dir, "ns/net", O_RDONLY | O_CLOEXEC);
    if (namespace < 0)
        return -errno;
    int fd;
    if (fstat(namespace, &status) < 0)
        fd = -errno;
    else if (!netns->forbidden && status.st_ino == netns->own_inode && status.st_dev == netns->own_dev)
        fd = diag_socket();
    else
        fd = diag_socket_of(netns, namespace);
    (void)close(namespace);
    if (fd < 0)
        return fd;
    *ret_fd = fd;
    return 0;
}

/* All states that /proc/net/tcp shows too, and TCP_NEW_SYN_RECV, as which the kernel keeps what it shows as
 * SYN_RECV; no sockets that are merely bound. */
enum { NEW_SYN_RECV = 12, STATES = (1 << (NEW_SYN_RECV + 1)) - 2 };

/* The request of the protocol's first version: the only one that takes both families in one pass over the
 * kernel's table, which costs milliseconds even where the namespace has no socket. */
static int ask(int fd)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req request;
    } message = {
        .header = {.nlmsg_len = sizeof(message),
                   .nlmsg_type = TCPDIAG_GETSOCK,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .request = {.idiag_family = AF_INET, .idiag_states = STATES},
    };
    struct timeval patience = {.tv_sec = 1};
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
        sendto(fd, &message, sizeof(message), 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
        return -errno;
    return 0;
}

static void visit_message(const struct inet_diag_msg *message, nj_socket_visit visit, void *data)
{
    if (message->idiag_state == 0 || message->idiag_state >= NJ_TCP_STATES)
        return;
    struct nj_socket_row row = {
        .state = (enum nj_tcp_state)message->idiag_state,
        .port = ntohs(message->id.idiag_sport),
        .inode = message->idiag_inode,
        .queue_length = message->idiag_rqueue,
        .queue_limit = message->idiag_wqueue,
    };
    visit(data, &row);
}

/* 1 when there is more to come, 0 at the end, or a negative errno. */
static int read_answer(const struct nlmsghdr *header, size_t len, nj_socket_visit visit, void *data)
{
    for (; NLMSG_OK(header, len); header = NLMSG_NEXT(header, len)) {
        if (header->nlmsg_type == NLMSG_DONE)
            return 0;
        if (header->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *error = NLMSG_DATA(header);
            return header->nlmsg_len >= NLMSG_LENGTH(sizeof(*error)) && error->error < 0 ? error->error
                                                                                         : -EBADMSG;
        }
        if (header->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
            return -EBADMSG;
        visit_message(NLMSG_DATA(header), visit, data);
    }
    return 1;
}

int nj_diag_dump_tcp(int fd, void *buffer, nj_socket_visit visit, void *data)
{
    int status = ask(fd);
    if (status < 0)
        return status;
    do {
        ssize_t got = recv(fd, buffer, NJ_DIAG_BYTES, MSG_TRUNC);
        if (got < 0 && errno == EINTR) {
            status = 1;
            continue;
        }
        if (got < 0)
            return -errno;
        if (got == 0 || got > NJ_DIAG_BYTES)
            return -EBADMSG;
        status = read_answer(buffer, (size_t)got, visit, data);
    } while (status > 0);
    return status;
}
